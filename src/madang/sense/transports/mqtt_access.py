"""Who may publish and subscribe to which topics, and what topics say of a message.

The open device specification has ``v1/devices/<device>/…``; other conventions are those of the
codecs (:mod:`madang.sense.codecs.table`). Both belong to the default tenant, and with the name of
another tenant before them to that. All other topics are plain publish and subscribe.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol

from madang.model.errors import Forbidden, Unauthorized
from madang.sense.codecs.table import by_topic
from madang.sense.devices.device import id_of
from madang.trust.actions import TenantAction
from madang.trust.gate import SIGN_IN
from madang.trust.principal import PUBLIC, Principal

DEVICES = "v1/devices/"
FRESH_S = 1.0
"""How long what somebody may do is remembered; what is revoked ends so soon."""


class Judge(Protocol):
    """What is asked of the gate (:class:`madang.trust.gate.Gate`)."""

    def principal(self, credential: str | None, address: str) -> Principal: ...

    def may(self, principal: Principal, action: TenantAction, tenant: str = "") -> bool: ...


class Address(NamedTuple):
    """What a topic says."""

    tenant: str = ""
    device: str = ""
    """The device it names, if it does."""
    codec: str = ""
    """How its messages are written; empty where the profile of the device says it."""
    is_up: bool = False
    """Whether its messages go into the hub."""
    is_device: bool = False
    """Whether it is a topic of the open device specification."""
    is_command: bool = False
    """Whether devices, edge nodes or network servers hear commands there."""

    @property
    def is_plain(self) -> bool:
        """Whether no convention knows it."""
        return not (self.is_up or self.is_device or self.is_command)


_PLAIN = Address()


@lru_cache(maxsize=65_536)
def address_of(topic: str) -> Address:
    """Return what a topic says.

    >>> address_of("seoul/v1/devices/jongno-1/up/senml")[:4]
    ('seoul', 'jongno-1', 'senml', True)
    """
    found = _conventional(topic)
    if found is not None:
        return found
    tenant, _, rest = topic.partition("/")
    found = _conventional(rest) if tenant and rest else None
    return _PLAIN if found is None else found._replace(tenant=tenant)


def _conventional(topic: str) -> Address | None:
    if topic.startswith(DEVICES):
        return _of_device(topic[len(DEVICES) :].split("/"))
    found = by_topic(topic)
    device = _commanded(topic.split("/"))
    if device is not None:  # an external broker may show commands, which their codec knows
        return Address("", device, "" if found is None else found[0].name, is_command=True)
    return None if found is None else Address("", found[1], found[0].name, is_up=True)


def _commanded(levels: list[str]) -> str | None:
    """Return the device that a topic of a convention has commands for, else None."""
    match levels:
        case ["spBv1.0", group, "NCMD" | "DCMD", node] | [
            "spBv1.0",
            group,
            "NCMD" | "DCMD",
            node,
            _,
        ]:
            return f"{group}/{node}"
        case ["v3", _, "devices", device, "down", "push" | "replace"]:
            return device
        case ["application", _, "device", device, "command", _]:
            return device
    return None


def _of_device(levels: list[str]) -> Address | None:
    device = levels[0]
    if not device or len(levels) < 2:
        return None
    if levels[1:] == ["ack"]:
        return Address("", device, "ack", is_up=True, is_device=True)
    is_up = levels[1] == "up" and len(levels) <= 3
    codec = levels[2] if is_up and len(levels) == 3 else ""
    is_command = levels[1] == "down"
    return Address("", device, codec, is_up, is_device=True, is_command=is_command)


class Access:
    """What the owner of one credential may do, asked anew every second.

    Raises:
        Unauthorized: the credential is not good, or there is none and the hub is not open.
        TooManyRequests: too many from this address were not good.
    """

    def __init__(self, gate: Judge, credential: str | None, address: str, now: float) -> None:
        self._gate = gate
        self._credential = credential
        self.address = address
        self._until = 0.0
        self._known: dict[tuple[str, str], bool] = {}
        self.principal = PUBLIC
        self.refresh(now)

    def refresh(self, now: float) -> None:
        """Look at the credential anew, if the last look was long ago.

        Raises:
            Unauthorized: it is no longer good.
        """
        if now < self._until:
            return
        principal = self._gate.principal(self._credential, self.address)
        if principal is PUBLIC:
            raise Unauthorized(f"the password of MQTT is a key or token of this hub: {SIGN_IN}")
        self.principal = principal
        self._known.clear()
        self._until = now + FRESH_S

    def publish(self, topic: str) -> Address:
        """Return what a topic says, if messages may be published to it.

        Raises:
            Forbidden: not by this one.
        """
        address = address_of(topic)
        right: TenantAction = "command" if address.is_command else "observe"
        if self._may(right, address.tenant) and self._is_theirs(address):
            return address
        who = self.principal.name
        if self.principal.kind == "device" and not address.is_command:
            raise Forbidden(
                f"the key {who!r} is a device's: it publishes to {DEVICES}<its name>/… only, with"
                f" {id_of('<its name>')} among its entities, not to {topic[:100]!r}"
            )
        raise Forbidden(
            f"{who} may not publish to {topic[:100]!r}: that takes the right to `{right}`"
            + (f" in tenant {address.tenant!r}" if address.tenant else "")
        )

    def _is_theirs(self, address: Address) -> bool:
        return self.principal.kind != "device" or id_of(address.device) in self.principal.entities

    def subscribe(self, filter: str) -> None:
        """Let a filter be subscribed to; each message is judged again by :meth:`reads`.

        Raises:
            Forbidden: there is nothing that it could show this one.
        """
        address = address_of(filter)
        if self.principal.kind == "device":
            if not (self.reads(filter) and self._may("observe", address.tenant)):
                raise Forbidden(
                    f"the key {self.principal.name!r} is a device's, which subscribes to"
                    f" {DEVICES}<its name>/# only, not to {filter[:100]!r}"
                )
            return
        tenants = self.principal.tenants if address.is_plain else frozenset({address.tenant})
        if not (self.reads(filter) or any(self._may("seeDevices", one) for one in tenants)):
            raise Forbidden(
                f"{self.principal.name} may not subscribe to {filter[:100]!r}: that takes the right"
                " to `seeDevices`"
            )

    def reads(self, topic: str) -> bool:
        """Tell whether a message of a topic may be shown to this one."""
        address = address_of(topic)
        if self.principal.kind == "device":
            return (address.is_device or address.is_command) and self._is_theirs(address)
        is_others = address.is_command and not address.is_device
        if (address.is_plain or is_others) and self._may("observe", address.tenant):
            return True
        return self._may("seeDevices", address.tenant)

    def _may(self, action: TenantAction, tenant: str) -> bool:
        found = self._known.get((action, tenant))
        if found is None:
            found = self._gate.may(self.principal, action, tenant)
            self._known[action, tenant] = found
        return found
