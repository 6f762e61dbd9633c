"""What is done once for a whole city: the duties, each of which one of several hubs has at a time.

Work that would be too much for one hub is cut into lanes: services by tenant and name, history by
the tenant, notifications by the subscription. Hubs that share a database differ by their role,
which says what duties they take on. Hubs of equal role share them out: who has clearly more than
another one hands one over, and who has fewer takes first what is free. A duty is handed over only
if nobody outside notices: devices stay connected where they are.
Why: docs/decisions/0021-several-hubs.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Final, Literal, cast, get_args

from madang.settings_types import Role

Work = Literal["sense", "services", "history", "notifications"]
"""``sense``: MQTT broker, feeds, files, edge nodes, and commands, which go out by the same broker;
``services``: city services, and notices to people; ``history``: its drain, policies and upkeep;
``notifications``: what subscriptions ask for."""
Duty = Literal[
    "sense",
    "services/1", "services/2", "services/3", "services/4",
    "history/1", "history/2", "history/3", "history/4",
    "notifications/1", "notifications/2", "notifications/3", "notifications/4",
]  # fmt: skip
"""A work, or a lane of one: a part of its services, tenants or subscriptions."""

LANES: Final = 4
DUTIES: Final[tuple[Duty, ...]] = get_args(Duty)
MOVABLE: Final = DUTIES[1:]
"""Those that are handed over while their hub goes on, in the order in which they are."""
OF_ROLE: Final[dict[Role, tuple[Duty, ...]]] = {
    "all": DUTIES,
    "api": (),
    "worker": MOVABLE,
    "sense": ("sense",),
}
LATER_S: Final = 2.0
"""How much longer who has more duties than others leaves one that is free to them. [s]"""
_ALWAYS: Final[frozenset[Work]] = frozenset({"sense", "notifications"})
"""All tenants are in each lane of it."""
_KIND: Final = 2
"""How much more a duty of the same work counts when they are shared out."""


def work_of(duty: Duty) -> Work:
    """Return the work that a duty is a part of."""
    return cast(Work, duty.partition("/")[0])


def lane_of(work: Work, name: str) -> Duty:
    """Return the lane that a tenant or, for notifications, a subscription belongs to.

    Of services, notices to people are in that of their tenant. It is the same at every hub.
    """
    return _lane(work, zlib.crc32(name.encode()))


def lane_of_service(tenant: str, service: str) -> Duty:
    """Return the lane that a service of a tenant belongs to, so that each is whole at one hub.

    All tenants have the same services beside one another, each tenant from another lane on. So what
    is even for one, as Madang's own services are by the last byte of SHA-256, is so for all.
    """
    return _lane("services", zlib.crc32(tenant.encode()) + sha256(service.encode()).digest()[-1])


def _lane(work: Work, checksum: int) -> Duty:
    return cast(Duty, f"{work}/{checksum % LANES + 1}")


def concerns(duty: Duty, tenant: str) -> bool:
    """Tell whether there is anything to do for a tenant as a whole in a duty.

    Its services are each for themselves; see :func:`lane_of_service`.
    """
    work = work_of(duty)
    return work in _ALWAYS or duty == lane_of(work, tenant)


def busy(tenants: Iterable[str]) -> frozenset[Duty]:
    """Return the duties with anything to do; lanes of history that no tenant is in have nothing.

    A tenant has services in every lane.
    """
    lanes = {lane_of("history", name) for name in tenants}
    return frozenset(duty for duty in DUTIES if work_of(duty) != "history" or duty in lanes)


def surplus(
    mine: Collection[Duty], others: Collection[Collection[Duty]], some: Collection[Duty] = DUTIES
) -> Duty | None:
    """Return a duty to hand over; None if they are shared out.

    Args:
        mine: what this hub has.
        others: what each other hub has that takes on the same.
        some: those with anything to do; the rest lies where it is.
    """
    given = [duty for duty in MOVABLE if duty in mine and duty in some]
    if not others or not given:
        return None
    # With the other hub, the sum of the squares of what each has of all, and twice of each work,
    # becomes smaller: so this comes to an end.
    most = max(given, key=lambda duty: _lead(duty, mine, others, some))
    return most if _lead(most, mine, others, some) > 1 + _KIND else None


def patience(
    duty: Duty,
    mine: Collection[Duty],
    others: Collection[Collection[Duty]],
    some: Collection[Duty] = DUTIES,
) -> float:
    """Return how long to leave a duty that is free to others; see :func:`surplus`. [s]

    Devices wait for nobody: whoever sees first that nobody listens to them does.
    """
    if not others or duty not in MOVABLE:
        return 0.0
    return LATER_S if _lead(duty, mine, others, some) > 0 else 0.0


def _lead(
    duty: Duty,
    mine: Collection[Duty],
    others: Collection[Collection[Duty]],
    some: Collection[Duty],
) -> int:
    """Return how much more this hub has to do than the one with the least."""

    def load(duties: Collection[Duty]) -> int:
        counted = [one for one in duties if one in MOVABLE and one in some]
        return len(counted) + _KIND * sum(work_of(one) == work_of(duty) for one in counted)

    return load(mine) - min(map(load, others))
