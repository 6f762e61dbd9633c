"""What is done once for a whole city: the duties, each of which one of several hubs has at a time.

Hubs that share a database differ by their role, which says what duties they take on. Hubs of equal
role share them out: who has two more than another one hands one over, and who has fewer takes first
what is free. Notifications are shared out by their subscription, each of which belongs to one of
several lanes. A duty is handed over only if nobody outside notices: devices stay connected where
they are.
Why: docs/decisions/0021-several-hubs.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from typing import Literal, TypeGuard, get_args

from madang.settings_types import Role

Lane = Literal["notifications/1", "notifications/2", "notifications/3", "notifications/4"]
Duty = Literal["sense", "services", "history"] | Lane
"""``sense``: MQTT broker, feeds, files, edge nodes, and commands, which go out by the same broker;
``services``: city services, and what they tell people; ``history``: its drain, policies and upkeep;
``notifications``: of a part of the subscriptions."""

LANES: tuple[Lane, ...] = get_args(Lane)
DUTIES: tuple[Duty, ...] = ("sense", "services", "history", *LANES)
OF_ROLE: dict[Role, tuple[Duty, ...]] = {
    "all": DUTIES,
    "api": (),
    "worker": ("services", "history", *LANES),
    "sense": ("sense",),
}
MOVABLE: tuple[Duty, ...] = OF_ROLE["worker"]
"""Those that are handed over while their hub goes on, in the order in which they are."""
LATER_S = 2.0
"""How much longer who has more duties than others leaves one that is free to them. [s]"""


def is_lane(duty: Duty) -> TypeGuard[Lane]:
    """Tell whether a duty is to send the notifications of some subscriptions."""
    return duty in LANES


def lane_of(subscription: str) -> Lane:
    """Return the duty that a subscription's notifications belong to, at every hub the same."""
    return LANES[zlib.crc32(subscription.encode()) % len(LANES)]


def surplus(mine: Collection[Duty], others: Collection[Collection[Duty]]) -> Duty | None:
    """Return a duty to hand over; None if they are shared out.

    Args:
        mine: what this hub has.
        others: what each other hub has that takes on the same.
    """
    if not others or len(_counted(mine)) - _least(others) < 2:
        return None
    return next((duty for duty in MOVABLE if duty in mine), None)


def patience(mine: Collection[Duty], others: Collection[Collection[Duty]]) -> float:
    """Return how long to leave a duty that is free to others. [s]"""
    return LATER_S if others and len(_counted(mine)) > _least(others) else 0.0


def _least(others: Collection[Collection[Duty]]) -> int:
    return min(len(_counted(one)) for one in others)


def _counted(duties: Collection[Duty]) -> list[Duty]:
    return [duty for duty in duties if duty in OF_ROLE["worker"]]
