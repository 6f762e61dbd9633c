"""How many are where, doing what and going how, each minute of a day."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from madang.twin.people.day import DAY, Activities
from madang.twin.people.figures import ACTIVITIES, MODES

STATES: Final = (*ACTIVITIES, *MODES[1:])
"""What somebody can be at: an activity, or on the way in a mode."""
_MOVING = len(ACTIVITIES) - 1  # a mode's number and this is its state


def minutes(activities: Activities) -> NDArray[np.uint8]:
    """Return the state of each person at each minute, (person, minute).

    It takes 1,440 bytes a person: ask for a block at a time.
    """
    state, length = _runs(activities)
    return np.repeat(state, length).reshape(len(activities.population), DAY)


def _runs(activities: Activities) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return trips and segments in the order they happen: state and length."""
    first = activities.first()
    before = np.where(first, 0, np.concatenate([[0], activities.end[:-1]]))
    state = np.empty(2 * len(activities), np.uint8)
    length = np.empty(2 * len(activities), np.int32)
    state[0::2] = np.where(activities.mode > 0, activities.mode + _MOVING, activities.activity)
    state[1::2] = activities.activity
    length[0::2] = activities.start - before
    length[1::2] = activities.end - activities.start
    return state, length


def presence(activities: Activities, zone: NDArray[np.int32], zones: int) -> NDArray[np.int32]:
    """Count people by minute, zone and state, (minute, zone, state).

    Args:
        activities: the days.
        zone: of each place: its district, or the number of the place itself; -1 lies outside and
            is counted in the last zone, which is added.
        zones: how many there are.

    Returns:
        Counts; who is on the way counts where they go.
    """
    state, length = _runs(activities)
    where = np.repeat(zone[activities.place], 2).astype(np.int64)
    where[where < 0] = zones
    ends = np.cumsum(length, dtype=np.int64)
    start, end = (ends - length) % DAY, (ends - 1) % DAY + 1
    some = length > 0
    cells = (zones + 1) * len(STATES)
    cell = where[some] * len(STATES) + state[some]
    change = np.bincount(start[some] * cells + cell, minlength=(DAY + 1) * cells)
    change = change - np.bincount(end[some] * cells + cell, minlength=(DAY + 1) * cells)
    counts = np.cumsum(change.reshape(DAY + 1, cells)[:DAY], axis=0, dtype=np.int32)
    return counts.reshape(DAY, zones + 1, len(STATES))
