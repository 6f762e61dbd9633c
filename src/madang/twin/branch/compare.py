"""What policies change: differences of paired runs, with 95 % confidence intervals.

A policy and the city as it is run on the same seeds, so that chance falls on both alike; what is
looked at is the difference of each pair (common random numbers; A. M. Law, Simulation Modeling and
Analysis, section 10.2). Intervals are Student's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import stdtrit

from madang.twin.branch.indicators import INDICATORS, shown, verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from madang.twin.branch.measured import Measured

DIGITS: Final = 4
_LEAST: Final = {"flow": 5.0, "speed": 0.5, "delay": 0.01, "co2": 0.01, "noise": 0.2}
"""Differences of a street that are shown."""


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of a mean; None for fewer than two values.

    >>> interval([1.0, 2.0, 3.0])
    (-0.4841377118, 4.4841377118)
    """
    count = len(differences)
    if count < 2:
        return None
    mean = sum(differences) / count
    spread = math.sqrt(sum((one - mean) ** 2 for one in differences) / (count - 1))
    half = float(stdtrit(count - 1, 0.975)) * spread / math.sqrt(count)
    return round(mean - half, 10), round(mean + half, 10)


def compared(base: Sequence[Measured], tried: Sequence[Sequence[Measured]]) -> list[dict[str, Any]]:
    """Return each indicator as it is and under each policy.

    Args:
        base: runs without a policy, a seed each.
        tried: runs of each policy on the same seeds.
    """
    found = []
    for one in INDICATORS:
        before = [run.indicators[one.name] for run in base]
        policies = []
        for runs in tried:
            after = [run.indicators[one.name] for run in runs]
            differences = [b - a for a, b in zip(before, after, strict=True)]
            bounds = interval(differences)
            policies.append(
                {
                    "values": _rounded(after),
                    "mean": _round(_mean(after)),
                    "difference": _round(_mean(differences)),
                    "interval": None if bounds is None else _rounded(bounds),
                    "percent": _percent(_mean(differences), _mean(before)),
                    "verdict": verdict(one, bounds),
                }
            )
        now = {"values": _rounded(before), "mean": _round(_mean(before))}
        found.append({**shown(one), "now": now, "policies": policies})
    return found


def streets(
    names: Sequence[tuple[str, str]],
    shapes: Sequence[Sequence[Sequence[float]]],
    base: Sequence[Measured],
    runs: Sequence[Measured],
) -> dict[str, Any]:
    """Return the streets on which a policy changes something, as GeoJSON (RFC 7946).

    Args:
        names: of the edges' streets, in Korean and in English.
        shapes: of the edges; longitude and latitude. [degree]
        base: runs without the policy.
        runs: with it, on the same seeds.
    """
    figures = {name: _figure(name, base, runs) for name in _LEAST}
    features = []
    for number, edge in enumerate(base[0].edges):
        told = {
            name: {"now": _round(now[number]), "then": _round(then[number]),
                   "difference": _round(then[number] - now[number]), "clear": bool(clear[number])}
            for name, (now, then, clear) in figures.items()
        }  # fmt: skip
        if all(abs(one["difference"]) < _LEAST[name] for name, one in told.items()):
            continue
        line = [[round(lon, 6), round(lat, 6)] for lon, lat in shapes[number]]
        features.append(
            {
                "type": "Feature",
                "id": number,
                "geometry": {"type": "LineString", "coordinates": line},
                "properties": {
                    "edge": edge,
                    "name": names[number][0],
                    "name:en": names[number][1],
                    **told,
                },
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _figure(
    name: str, base: Sequence[Measured], runs: Sequence[Measured]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return a figure of all edges before and after, and where the difference is no chance."""
    before = np.array([run.streets[name] for run in base])
    after = np.array([run.streets[name] for run in runs])
    if name == "speed":  # where nobody drives in one of them, there is nothing to compare
        both = np.isfinite(before) & np.isfinite(after)
        before, after = np.where(both, before, 0.0), np.where(both, after, 0.0)
    before, after = np.nan_to_num(before), np.nan_to_num(after)
    differences = after - before
    count = len(base)
    if count < 2:
        return before.mean(0), after.mean(0), np.zeros(before.shape[1], bool)
    half = stdtrit(count - 1, 0.975) * differences.std(0, ddof=1) / math.sqrt(count)
    return before.mean(0), after.mean(0), np.abs(differences.mean(0)) > half


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _percent(difference: float, before: float) -> float | None:
    return round(100 * difference / before, 2) if before else None


def _round(value: float) -> float:
    return round(float(value), DIGITS)


def _rounded(values: Sequence[float]) -> list[float]:
    return [_round(value) for value in values]
