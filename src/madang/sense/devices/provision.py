"""Keys that let devices register themselves, each for one profile and so many devices.

A key of this kind is put into all devices of a delivery. A device asks with it for a key of its
own (``POST /devices/register``); where the profile says ``accept_unknown``, its first message is
enough, for devices that can change nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import orjson

from madang.model.errors import BadRequestData, Forbidden

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

MOST_AT_ONCE: Final = 50_000
"""Devices that one key can let in."""
_PREFIX: Final = "provision:"


@dataclass(slots=True)
class Grant:
    """What one key may let in."""

    principal: str
    """Principal id of the key."""
    profile: str
    left: int
    """How many more devices."""


class Provisioning:
    """The grants of one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._grants: dict[str, Grant] = {}

    async def start(self) -> None:
        """Take up what there is."""
        for id, body in await self._tenant.store.items("sense"):
            if id.startswith(_PREFIX):
                grant = Grant(**orjson.loads(body))
                self._grants[grant.principal] = grant

    @property
    def grants(self) -> list[Grant]:
        """All grants."""
        return list(self._grants.values())

    def find(self, principal: str) -> Grant | None:
        """Return what a key may let in; None: it is no key for that."""
        return self._grants.get(principal)

    @staticmethod
    def check(count: int) -> int:
        """Return how many devices a key shall let in.

        Raises:
            BadRequestData: it is no number for that.
        """
        if 1 <= count <= MOST_AT_ONCE:
            return count
        raise BadRequestData(f"count must be 1 to {MOST_AT_ONCE:,} devices, not {count}")

    async def grant(self, principal: str, profile: str, count: int) -> Grant:
        """Let a key register so many devices of a profile."""
        made = Grant(principal, profile, count)
        await self._keep(made)
        self._grants[principal] = made
        return made

    async def use(self, grant: Grant) -> None:
        """Count one device; what is counted is durable before the device is made.

        Raises:
            Forbidden: the key has let in all that it may.
        """
        if not grant.left:
            raise Forbidden("this key has let in as many devices as it may; ask for another")
        grant.left -= 1
        await self._keep(grant)

    async def withdraw(self, principal: str) -> None:
        """Let a key register no more."""
        if self._grants.pop(principal, None) is not None:
            await self._tenant.writer.keep("sense", _PREFIX + principal, None)

    async def _keep(self, grant: Grant) -> None:
        body = orjson.dumps(asdict(grant))
        await self._tenant.writer.keep("sense", _PREFIX + grant.principal, body)
