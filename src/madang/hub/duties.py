"""What is done once for a whole city: the duties, each of which one of several hubs has at a time.

Hubs that share a database differ by their role, which says what duties they take on. Hubs of equal
role share them out: who has two more than another one hands one over, and who has fewer takes first
what is free. A duty is handed over only if nobody outside notices: devices stay connected where
they are, and notifications on their way stay in their order.
Why: docs/decisions/0021-several-hubs.md.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from madang.settings_types import Role

Duty = Literal["sense", "services", "notifications", "history"]
"""``sense``: MQTT broker, feeds, files, edge nodes, and commands, which go out by the same broker;
``services``: city services, and what they tell people; ``notifications``: of subscriptions;
``history``: its drain, policies and upkeep."""

DUTIES: tuple[Duty, ...] = get_args(Duty)
OF_ROLE: dict[Role, tuple[Duty, ...]] = {
    "all": DUTIES,
    "api": (),
    "worker": ("services", "notifications", "history"),
    "sense": ("sense",),
}
MOVABLE: tuple[Duty, ...] = ("services", "history")
"""Those that are handed over while their hub goes on, in the order in which they are."""
LATER_S = 2.0
"""How much longer who has more duties than others leaves one that is free to them. [s]"""


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
