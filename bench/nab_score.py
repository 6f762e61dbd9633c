"""Scoring of the Numenta Anomaly Benchmark (NAB), for detectors that see one value at a time.

Each labelled anomaly has a window. In it only the best detection counts, the earlier the better.
One outside costs, the more the farther it lies behind the last window; a window without any costs
too. Detections in the probationary beginning of a file do not count. One threshold for all files is
chosen that makes the best sum; sums are put on a scale from no detection (0) to perfect (100).

Source: A. Lavin and S. Ahmad, Evaluating Real-time Anomaly Detection Algorithms: the Numenta
Anomaly Benchmark, IEEE ICMLA 2015, arXiv:1510.03336; NAB 1.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PROBATION = 0.15  # of a file, or of 5,000 values if it is longer
LONGEST = 5_000
NOTHING = 1.1  # a threshold above all scores

Window = tuple[int, int]
"""First and last row of a labelled anomaly."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a use of detections weighs."""

    hit: float
    miss: float
    false: float


PROFILES = {
    "standard": Profile(1.0, 1.0, 0.11),
    "reward_low_FP_rate": Profile(1.0, 1.0, 0.22),
    "reward_low_FN_rate": Profile(1.0, 2.0, 0.11),
}


@dataclass(frozen=True, slots=True)
class Result:
    """The score of a detector over all files under one profile."""

    score: float
    """0 is no detection at all, 100 is perfect."""
    raw: float
    threshold: float
    hits: int
    """Windows with a detection."""
    false: int
    """Detections outside of windows."""


def probation(rows: int) -> int:
    """Return how many rows at the beginning of a file do not count.

    >>> probation(4032), probation(22695)
    (604, 750)
    """
    return math.floor(min(PROBATION * rows, PROBATION * LONGEST))


def sigmoid(position: float) -> float:
    """Return what a detection is worth: 1 (early in the window) to -1 (far behind it).

    Args:
        position: -1 is the left end of a window, 0 its right end. [width of the window]

    >>> round(sigmoid(-1), 5), sigmoid(0), round(sigmoid(1), 5), sigmoid(3.1)
    (0.98661, 0.0, -0.98661, -1.0)
    """
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def worth(rows: int, windows: Sequence[Window]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the worth of a detection at each row, and the window it lies in (-1: none)."""
    value, inside = np.full(rows, -1.0), np.full(rows, -1)
    for place, (first, last) in enumerate(windows):
        width = last - first + 1
        for row in range(first, last + 1):
            value[row] = sigmoid(-(last - row + 1) / width) / sigmoid(-1)
            inside[row] = place
        after = windows[place + 1][0] if place + 1 < len(windows) else rows
        for row in range(last + 1, after):
            value[row] = sigmoid((row - last) / (width - 1))
    return value, inside


def score(
    files: Mapping[str, tuple[NDArray[np.float64], Sequence[Window]]], profile: Profile
) -> Result:
    """Return the score with the best threshold.

    Args:
        files: by name, the detector's scores (0 to 1) of all rows, and the windows.
        profile: the weights.
    """
    scores, values, groups, windows = [], [], [], 0
    labelled = 0
    for found, labels in files.values():
        start = probation(len(found))
        value, inside = worth(len(found), labels)
        used, groups_here = np.unique(inside[start:], return_inverse=True)
        shift = windows - (1 if used[0] == -1 else 0)
        groups.append(np.where(inside[start:] < 0, -1, groups_here + shift))
        windows += len(used) - (1 if used[0] == -1 else 0)
        labelled += len(labels)
        scores.append(found[start:])
        values.append(value[start:])
    return best(
        np.concatenate(scores), np.concatenate(values), np.concatenate(groups), windows, labelled,
        profile,
    )  # fmt: skip


def best(
    scores: NDArray[np.float64],
    values: NDArray[np.float64],
    groups: NDArray[np.int64],
    windows: int,
    labelled: int,
    profile: Profile,
) -> Result:
    """Lower the threshold from score to score; keep the first of the best."""
    base = -profile.miss * windows
    parts = np.full(windows, -profile.miss)
    raw = base
    kept = (raw, NOTHING, 0, 0)
    hits = false = 0
    order = np.argsort(-scores, kind="stable")
    last = len(order) - 1
    for place, row in enumerate(order):
        group = groups[row]
        if group < 0:
            raw += values[row] * profile.false
            false += 1
        else:
            hits += int(parts[group] == -profile.miss)
            better = max(parts[group], values[row] * profile.hit)
            raw += better - parts[group]
            parts[group] = better
        ends = place == last or scores[order[place + 1]] != scores[row]
        if ends and raw > kept[0]:
            kept = raw, float(scores[row]), hits, false
    perfect = labelled * profile.hit
    return Result(100 * (kept[0] - base) / (perfect - base), *kept)
