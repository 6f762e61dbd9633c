"""The gate: every request passes it, whichever the surface, and leaves it as a principal.

A :class:`Door` is one principal in one tenant for one purpose. It is worked out once and kept for a
second, so that a request costs a look-up; whatever changes about people, keys or policies closes
all doors at once.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Protocol, cast, get_args

from madang.model.errors import Forbidden, Unauthorized
from madang.trust.actions import Action, EntityAction, SystemAction, TenantAction
from madang.trust.events import Event, Recorder
from madang.trust.limits import Bucket, Limits
from madang.trust.principal import LOCAL, OPEN, PUBLIC, Principal

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.query.reach import Reach
    from madang.trust.view import View

_ENTITY_ACTIONS = frozenset(get_args(EntityAction))
FRESH_S = 1.0
"""How long a door stays without a new look at the credential."""
_MOST = 20_000  # doors kept
_LONGEST_CREDENTIAL = 8_192  # [characters]

SIGN_IN = (
    "sign in, or send a key or token as `Authorization: Bearer ...`;"
    " an administrator makes keys with `madang key create`"
)


class Judge(Protocol):
    """What the gate asks of the policies."""

    def reach(
        self, principal: Principal, action: EntityAction, tenant: str, purpose: str = ""
    ) -> Reach: ...

    def allows(
        self, principal: Principal, action: TenantAction | SystemAction, tenant: str = ""
    ) -> bool: ...


class Identifies(Protocol):
    """What the gate asks of the identities."""

    def principal_of(self, credential: str, address: str) -> Principal: ...


class Door:
    """One principal in one tenant for one purpose."""

    __slots__ = ("allowed", "bucket", "principal", "tenant", "until")

    def __init__(
        self, principal: Principal, tenant: Tenant | View, bucket: Bucket | None, until: float
    ) -> None:
        self.principal = principal
        self.tenant = tenant
        """As the principal sees it."""
        self.bucket = bucket
        self.until = until
        self.allowed: set[tuple[Action, ...]] = set()

    def is_open_for(self, actions: tuple[Action, ...], now: float) -> bool:
        """Tell whether who may take one of the actions can go through without being asked again.

        Raises:
            TooManyRequests: the limit is reached.
        """
        if self.until < now or actions not in self.allowed:
            return False
        if self.bucket is not None:
            self.bucket.take(now)
        return True


class Gate:
    """Tells who asks, and lets through who may."""

    def __init__(
        self,
        identities: Identifies,
        judge: Judge,
        limits: Limits,
        recorder: Recorder,
        view: Callable[[Principal, Tenant, str, str], View],
        *,
        check_purpose: Callable[[str], object],
        is_open: bool,
        proxies: frozenset[str] = frozenset(),
    ) -> None:
        self._identities = identities
        self._judge = judge
        self._limits = limits
        self._recorder = recorder
        self._view = view
        self._check_purpose = check_purpose
        self._proxies = proxies
        self.is_open = is_open
        self.catch_up: Callable[[], Awaitable[bool]] | None = None
        """Takes up what other hubs have changed; tells whether there was anything."""
        self.local_key = ""
        """The key of this machine, see :mod:`madang.trust.local`."""
        self._doors: dict[tuple[str, str, str], Door] = {}
        self._views: dict[tuple[Principal, str, str], View] = {}

    def close_doors(self) -> None:
        """Judge everybody anew: something about people, keys or policies has changed."""
        self._forget_doors()
        self._views.clear()

    def _forget_doors(self) -> None:
        """Close doors for those who remember them, too."""
        for door in self._doors.values():
            door.until = -1.0
        self._doors.clear()

    # --- who asks -----------------------------------------------------------------------------

    def principal(self, credential: str | None, address: str) -> Principal:
        """Return who asks.

        Args:
            credential: what was sent, a key, a token or a session; None if nothing was.
            address: where the request came from.

        Raises:
            Unauthorized: the credential is not good; the text says what to do.
            TooManyRequests: too many from this address were not good.
        """
        if self.is_open:
            return OPEN
        if credential is None:
            return PUBLIC
        if len(credential) > _LONGEST_CREDENTIAL:
            raise Unauthorized("the credential is far too long to be one of this hub's")
        if self.local_key and hmac.compare_digest(credential.encode(), self.local_key.encode()):
            return LOCAL
        try:
            return self._identities.principal_of(credential, address)
        except Unauthorized:  # each takes work to refuse, so they are counted, too
            self.admit(PUBLIC, address, "credentials", time.perf_counter())
            raise

    async def known(self, credential: str | None, address: str) -> Principal:
        """Return who asks; a credential that another hub may just have given is looked for.

        Raises:
            Unauthorized, TooManyRequests: see :meth:`principal`.
        """
        try:
            return self.principal(credential, address)
        except Unauthorized:
            if self.catch_up is None or not await self.catch_up():
                raise
        return self.principal(credential, address)

    async def holds(self, credential: str, address: str) -> bool:
        """Tell whether a credential is good."""
        try:
            await self.known(credential, address)
        except Unauthorized:
            return False
        return True

    def address(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return where a request came from; a proxy is believed only if the settings name it."""
        if peer not in self._proxies:
            return peer
        hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",")]
        for hop in reversed(hops):
            if hop and hop not in self._proxies:
                return hop[:45]
        return peer

    # --- who may ------------------------------------------------------------------------------

    async def enter(
        self,
        authorization: str | None,
        credential: str | None,
        address: str,
        tenant_name: str,
        purpose: str,
        actions: tuple[EntityAction | TenantAction, ...],
        find: Callable[[], Awaitable[Tenant]],
        now: float,
    ) -> Door:
        """Return the door to a tenant for one who may take at least one of the actions.

        Args:
            authorization: the header; what stands open is found by it.
            find: opens the tenant; asked only after it is clear that the principal may go there,
                so that nobody learns which tenants there are.
            now: a clock that never goes back. [s]

        Raises:
            BadRequestData: the purpose is not in the catalogue.
            Unauthorized, Forbidden: this principal may not.
            TooManyRequests: the limit is reached.
        """
        principal = await self.known(credential, address)
        self.admit(principal, address, "api", now)
        if purpose:
            self._check_purpose(purpose)
        self._check(principal, actions, tenant_name, purpose, address)
        key = (authorization or "", tenant_name, purpose)
        door = self._doors.get(key)
        if door is None or door.until < now or door.principal != principal:
            tenant = self.seen(principal, await find(), purpose, address)
            former = self._doors.get(key)  # somebody else may have been here meanwhile
            bucket = self._limits.bucket(principal, address, "api")
            door = Door(principal, tenant, bucket, now + FRESH_S)
            if authorization is not None:
                if len(self._doors) >= _MOST:
                    self._forget_doors()
                elif former is not None:
                    former.until = -1.0
                self._doors[key] = door
        door.allowed.add(actions)
        return door

    def seen(
        self, principal: Principal, tenant: Tenant, purpose: str, address: str
    ) -> Tenant | View:
        """Return a tenant as a principal sees it, made once while nothing changes."""
        if principal is OPEN or principal is LOCAL:
            return tenant
        key = (principal, tenant.name, purpose)
        found = self._views.get(key)
        if found is None:
            if len(self._views) >= _MOST:
                self._views.clear()
            found = self._views[key] = self._view(principal, tenant, purpose, address)
        return found

    def admit(self, principal: Principal, address: str, surface: str, now: float) -> None:
        """Count a request against the principal's limit.

        Raises:
            TooManyRequests: the limit is reached.
        """
        bucket = self._limits.bucket(principal, address, surface)
        if bucket is not None:
            bucket.take(now)

    def allow(
        self, principal: Principal, action: Action, tenant: str = "", address: str = ""
    ) -> None:
        """Let a principal take an action.

        Raises:
            Unauthorized: nobody has signed in, and the public may not.
            Forbidden: this principal may not.
        """
        self._check(principal, (action,), tenant, "", address)

    def _check(
        self,
        principal: Principal,
        actions: tuple[Action, ...],
        tenant: str,
        purpose: str,
        address: str,
    ) -> None:
        if any(self.may(principal, action, tenant, purpose) for action in actions):
            return
        if principal is PUBLIC:
            raise Unauthorized(f"this is not public: {SIGN_IN}")
        where = f" in tenant {tenant!r}" if tenant else ""
        self._recorder.note(
            Event("denial", principal.id, actions[0], "denied", tenant, address=address)
        )
        why = f"`madang policy explain {principal.id} {actions[0]}` says which policy decides"
        wanted = " or ".join(actions)
        raise Forbidden(
            f"{principal.name} may not {wanted}{where}; an administrator can grant it, and {why}"
        )

    def may(
        self, principal: Principal, action: Action, tenant: str = "", purpose: str = ""
    ) -> bool:
        """Tell whether a principal may take an action, at least on some entities."""
        if principal is OPEN or principal is LOCAL:
            return True
        if action in _ENTITY_ACTIONS:
            wanted = cast("EntityAction", action)
            return not self._judge.reach(principal, wanted, tenant, purpose).is_empty
        return self._judge.allows(principal, cast("TenantAction", action), tenant)


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the credential of an ``Authorization: Bearer`` header (RFC 6750).

    Raises:
        Unauthorized: the header is there but of another scheme.
    """
    given = headers.get("authorization")
    if given is None:
        return None
    scheme, _, credential = given.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthorized(f"the Authorization header is not understood: {SIGN_IN}")
    return credential.strip()
