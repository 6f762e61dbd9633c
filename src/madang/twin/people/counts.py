"""What may leave the people twin: counts of ten persons or more.

A count from 1 to 9 is withheld; where one alone would be withheld in a row or column, the smallest
shown beside it is withheld too, so that none follows from a total (L. Willenborg, T. de Waal,
Elements of Statistical Disclosure Control, 2001: primary and secondary suppression).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAST: Final = 10
"""Persons that a count must be of."""


def withheld(table: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which cells of a table, (row, column), must not be shown."""
    hide: NDArray[np.bool_] = (table > 0) & (table < LEAST)
    while True:
        more = hide | _lonely(table, hide) | _lonely(table.T, hide.T).T
        if (more == hide).all():
            return hide
        hide = more


def shown(table: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return a table with NaN where a count must not be shown."""
    return np.where(withheld(table), np.nan, table.astype(float))


def _lonely(table: NDArray[np.integer], hide: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the smallest shown count beside each that is withheld alone in its row."""
    found = np.zeros_like(hide)
    rows = np.flatnonzero(hide.sum(axis=1) == 1)
    if not len(rows):
        return found
    others = np.where(hide[rows] | (table[rows] == 0), np.iinfo(np.int64).max, table[rows])
    least = others.argmin(axis=1)
    there = others[np.arange(len(rows)), least] < np.iinfo(np.int64).max
    found[rows[there], least[there]] = True
    return found
