"""Scores the anomaly service on groups of the Numenta benchmark that it was not set up on.

The benchmark has seven folders of files. For each, the units of the signs (``detector.FULL``), the
two figures of the rest and the threshold are chosen anew on the six others, from a start that knows
no labels: each sign counts in full at its 99.95 % quantile. They are then held against the folder
that was left out, and the raw scores of all seven are added up as the benchmark does. The choice of
the signs themselves, and of the constants within them, is not repeated: it had seen all files.

The search changes units at random, so it is done with several seeds. Beside it stands a choice of
three figures alone: one quantile at which every sign counts in full, and the two of the rest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.nab import File, corpus
from bench.nab_score import PROFILES, Result, best, probation, worth
from madang.services.anomaly import detector as anomaly_detector

Array = NDArray[np.float64]

SIGNS = list(anomaly_detector.FULL)
START = 0.9995  # quantile of a sign at which it counts in full before anything is chosen
QUANTILES = 0.998, 0.9985, 0.999, 0.9993, 0.9995
FAINTS, AGAINS = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5), (2.0, 3.0, 4.0)


class Played(NamedTuple):
    """A file, with what the signs said of each value."""

    sizes: Array  # by value and sign
    worth: Array  # of a detection at each value
    inside: NDArray[np.int64]  # window that a value lies in; -1 is none
    learn: int
    labelled: int  # windows


class Units(NamedTuple):
    """What is chosen."""

    full: Array
    faint: float
    again: float


def play(file: File) -> Played:
    """Return the sizes of the signs; they do not depend on the units."""
    sizes: list[list[float]] = []
    explained = anomaly_detector._explained

    def kept(score: float, parts: dict[str, float], *others: Any) -> anomaly_detector.Finding:
        sizes.append([parts[sign] * anomaly_detector.FULL[sign] for sign in SIGNS])
        return explained(score, parts, *others)

    state, learn = anomaly_detector.begin(), probation(len(file.values))
    with patch.object(anomaly_detector, "_explained", kept):
        for at, value in zip(file.times, file.values, strict=True):
            anomaly_detector.step(state, at, value, learn)
    return Played(np.array(sizes), *worth(len(sizes), file.windows), learn, len(file.windows))


def scores(played: Played, units: Units) -> Array:
    """Return what the detector would give with other units, 0 to 1."""
    totals = played.sizes @ (1 / units.full)
    totals[: max(30, played.learn // 2)] = 0.0
    found = np.zeros(len(totals))
    told: list[tuple[int, float]] = []
    for row in np.flatnonzero(totals > units.faint).tolist():
        told = [one for one in told if one[0] >= row - played.learn / 5]
        total = totals[row]
        if not told or total > units.again * max(size for _, size in told):
            told.append((row, total))
            found[row] = total / (1 + total)
    return found


def standard(files: Sequence[Played], units: Units) -> Result:
    """Return the result with the best threshold; of what says nothing nothing is told."""
    found, values, groups, windows = [], [], [], 0
    for one in files:
        told = scores(one, units)
        rows = np.flatnonzero(told)
        rows = rows[rows >= one.learn]
        inside = one.inside[one.learn :]
        names = np.unique(inside[inside >= 0])
        group = np.searchsorted(names, one.inside[rows]) + windows
        windows += len(names)
        found.append(told[rows])
        values.append(one.worth[rows])
        groups.append(np.where(one.inside[rows] < 0, -1, group))
    return best(
        np.concatenate(found), np.concatenate(values), np.concatenate(groups), windows,
        sum(one.labelled for one in files), PROFILES["standard"],
    )  # fmt: skip


def quantiles(files: Sequence[Played], share: float) -> Array:
    """Return the units at which every sign counts in full in the same share of values."""
    said = np.concatenate([one.sizes for one in files])
    found: Array = np.maximum(np.quantile(said, share, axis=0), 1e-4)
    return found


def three_figures(files: Sequence[Played]) -> tuple[Units, Result]:
    """Return the units at the quantile, and the rest, that score best on some files."""
    full = {share: quantiles(files, share) for share in QUANTILES}
    every = [
        Units(full[share], faint, again) for share, faint, again in product(full, FAINTS, AGAINS)
    ]
    return max(((one, standard(files, one)) for one in every), key=lambda one: one[1].score)


def chosen(files: Sequence[Played], tries: int, seed: int) -> tuple[Units, Result]:
    """Return units that score well on some files: changed at random, kept if better."""
    rng = np.random.default_rng(seed)
    kept = Units(quantiles(files, START), 0.3, 3.0)
    result = standard(files, kept)
    for _ in range(tries):
        change = np.exp(rng.normal(0, 0.5, len(SIGNS) + 2) * (rng.random(len(SIGNS) + 2) < 0.3))
        units = Units(
            kept.full * change[:-2], kept.faint * change[-2], max(1.0, kept.again * change[-1])
        )
        tried = standard(files, units)
        if tried.score > result.score:
            kept, result = units, tried
    return kept, result


def raw(files: Sequence[Played], units: Units, threshold: float) -> tuple[float, int]:
    """Return the raw standard score of some files at a threshold, and how many windows they have.

    The sum begins at zero; each window that is missed costs one.
    """
    profile, total, windows = PROFILES["standard"], 0.0, 0
    for one in files:
        told = np.flatnonzero(scores(one, units) >= threshold)
        told = told[told >= one.learn]
        total += float(one.worth[told[one.inside[told] < 0]].sum()) * profile.false
        for window in set(one.inside[one.learn :].tolist()) - {-1}:
            hits = told[one.inside[told] == window]
            windows += 1
            total += float(one.worth[hits].max()) if len(hits) else -profile.miss
    return total, windows


def left_out(
    played: dict[str, Played], choose: Callable[[Sequence[Played]], tuple[Units, Result]]
) -> tuple[float, dict[str, float], float]:
    """Return the score of all folders left out, of each by itself, and of a choice on all."""
    total, windows, labelled = 0.0, 0, 0
    alone: dict[str, float] = {}
    for group in sorted({name.partition("/")[0] for name in played}):
        left = [one for name, one in played.items() if name.startswith(f"{group}/")]
        others = [one for name, one in played.items() if not name.startswith(f"{group}/")]
        units, result = choose(others)
        got, here = raw(left, units, result.threshold)
        named = sum(one.labelled for one in left)
        total, windows, labelled = total + got, windows + here, labelled + named
        if named:
            alone[group] = 100 * (got + here) / (named + here)
    score = 100 * (total + windows) / (labelled + windows)
    return score, alone, choose(list(played.values()))[1].score


def show(name: str, found: tuple[float, dict[str, float], float]) -> None:
    score, alone, seen = found
    each = ", ".join(f"{group} {one:.1f}" for group, one in alone.items())
    print(f"{name}: {score:.2f} left out ({each}); {seen:.2f} chosen on all", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    given = parser.parse_args()
    played = {name: play(file) for name, file in corpus().items()}
    show("three figures", left_out(played, three_figures))
    searches = [partial(chosen, tries=given.tries, seed=seed) for seed in given.seeds]
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(left_out, [played] * len(searches), searches))
    for seed, one in zip(given.seeds, found, strict=True):
        show(f"every unit, seed {seed}", one)
    groups = {group: fmean(one[1][group] for one in found) for group in found[0][1]}
    mean = fmean(one[0] for one in found), groups, fmean(one[2] for one in found)
    show("every unit, mean", mean)
    return 0


if __name__ == "__main__":
    sys.exit(main())
