"""Forecasts of many series with intervals, and what they were worth on the latest past.

Several methods forecast from several times in the past (rolling origin), each from what was known
then alone, and once from the end. Their median is taken: it needs no weights that would have to be
learned. Where a naive forecast was better in the past, that one is taken instead. Intervals come
from the errors in the past (conformal prediction): no distribution is assumed.

Source: S. Makridakis, E. Spiliotis and V. Assimakopoulos, The M4 Competition, International Journal
of Forecasting 36 (2020) 54-74; A. N. Angelopoulos and S. Bates, Conformal Prediction: A Gentle
Introduction, Foundations and Trends in Machine Learning 16 (2023) 494-591.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madang.services.forecast import smoothing, trees
from madang.services.forecast.series import DAY, WEEK, steps

Values = NDArray[np.float64]

ORIGINS = 5  # forecasts of the past by which methods are judged
NAIVE, SEASONAL_NAIVE = "naive", "seasonal naive"
MEDIAN, SMOOTHING = "median of models", "exponential smoothing"
BETTER = 0.7  # a naive forecast is taken if its error is below this share of the models'


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast of one series."""

    mean: list[float]
    low: list[float]
    high: list[float]
    method: str
    backtest: dict[str, Any]
    """Mean absolute errors in the past: of this (``error``), of the worst of those forecasts
    (``worst``), ``naive`` and ``seasonalNaive`` (a day or a week before, whichever is better); of
    how many ``origins``; the share of values
    ``inside`` of the interval [%]."""


def seasons(step_s: int, length: int, horizon: int) -> tuple[int, ...]:
    """Return the seasons that a series is long enough for: a day and a week, as steps."""
    found = [one for one in (steps(DAY, step_s), steps(WEEK, step_s)) if one]
    while found and length < least((found[0], found[-1]), horizon):
        found.pop()
    return tuple(found)


def least(seasons: tuple[int, int], horizon: int) -> int:
    """Return how long a series must be for the models and one forecast of the past."""
    needed = max(smoothing.needed(seasons, horizon), trees.needed(seasons, horizon))
    return needed + horizon


def outlooks(
    series: Mapping[str, Values], step_s: int, horizon: int, coverage: float
) -> dict[str, Outlook]:
    """Return forecasts of series that go up to the same time.

    Args:
        series: by name; without gaps.
        step_s: length of a step. [s]
        horizon: steps ahead.
        coverage: share of values that shall lie in the intervals.
    """
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, values in series.items():
        groups.setdefault(seasons(step_s, len(values), horizon), []).append(name)
    found: dict[str, Outlook] = {}
    for cycle, names in groups.items():
        work = [np.asarray(series[name], np.float64) for name in names]
        found |= zip(names, _outlooks(work, cycle, horizon, coverage), strict=True)
    return {name: found[name] for name in series}


def _outlooks(
    series: list[Values], cycle: tuple[int, ...], horizon: int, coverage: float
) -> list[Outlook]:
    origins = [_origins(len(one), cycle, horizon) for one in series]
    naive = [_naive(one, 1, horizon, at) for one, at in zip(series, origins, strict=True)]
    if cycle:
        models = _models(series, (cycle[0], cycle[-1]), horizon, origins)
    else:
        models = _without_season(series, horizon, origins)
    came = [
        np.stack([one[start : start + horizon] for start in at[1:]])
        for one, at in zip(series, origins, strict=True)
    ]
    seasonal = [
        _seasonal(one, cycle or (1,), horizon, at, true)
        for one, at, true in zip(series, origins, came, strict=True)
    ]
    label = MEDIAN if cycle else SMOOTHING
    chosen = [
        _chosen(true, {label: model, SEASONAL_NAIVE: by_season, NAIVE: by_last})
        for true, model, by_season, by_last in zip(came, models, seasonal, naive, strict=True)
    ]
    errors = [true - made[1:] for true, (_, made) in zip(came, chosen, strict=True)]
    below, above, inside = intervals(errors, coverage)
    return [
        _outlook(
            method, made[0], below[n], above[n], bool((series[n] >= 0).all()),
            {
                "error": _mean(errors[n]), "worst": float(np.abs(errors[n]).mean(axis=1).max()),
                "naive": _mean(came[n] - naive[n][1:]),
                "seasonalNaive": _mean(came[n] - seasonal[n][1:]),
                "origins": len(errors[n]), "inside": round(100 * inside[n], 1),
            },
        )
        for n, (method, made) in enumerate(chosen)
    ]  # fmt: skip


def _origins(length: int, cycle: tuple[int, ...], horizon: int) -> tuple[int, ...]:
    """Return the end of a series, and then times in the past to forecast from."""
    first = least((cycle[0], cycle[-1]), horizon) - horizon if cycle else max(length // 2, 2)
    apart = max(1, horizon // 2)
    past = [length - horizon - n * apart for n in range(ORIGINS)]
    return (length, *(at for at in past if at >= first))


def _naive(series: Values, season: int, horizon: int, origins: tuple[int, ...]) -> Values:
    ahead = np.arange(horizon) % season - season
    return np.stack([series[origin + ahead] for origin in origins])


def _seasonal(
    series: Values, cycle: tuple[int, ...], horizon: int, origins: tuple[int, ...], came: Values
) -> Values:
    """Return the seasonal naive forecast of the day or of the week, whichever did better."""
    made = [_naive(series, season, horizon, origins) for season in cycle]
    return min(made, key=lambda one: _mean(came - one[1:]))


def _models(
    series: list[Values], cycle: tuple[int, int], horizon: int, origins: list[tuple[int, ...]]
) -> list[Values]:
    """Return the medians of the models' forecasts, each of shape (origin, horizon)."""
    smooth: list[Values] = [np.empty(0)] * len(series)
    for length in sorted({len(one) for one in series}):
        same = [n for n, one in enumerate(series) if len(one) == length]
        together = np.stack([series[n] for n in same])
        made = smoothing.forecasts(together, cycle, horizon, origins[same[0]])
        for n, one in zip(same, made, strict=True):
            smooth[n] = one
    last = trees.forecasts(series, cycle, horizon, [at[:1] for at in origins])
    past = trees.forecasts(series, cycle, horizon, [at[1:] for at in origins])
    found = []
    for one, now, then in zip(smooth, last, past, strict=True):
        boosted = [np.concatenate(parts) for parts in zip(now, then, strict=True)]
        found.append(np.median(np.stack([one, *boosted]), axis=0))
    return found


def _without_season(
    series: list[Values], horizon: int, origins: list[tuple[int, ...]]
) -> list[Values]:
    """Return forecasts of series that are too short, or too coarse, for a season."""
    from statsforecast.models import AutoETS

    return [
        np.stack([AutoETS(model="ZZN").forecast(one[:at], horizon)["mean"] for at in starts])
        for one, starts in zip(series, origins, strict=True)
    ]


def _chosen(came: Values, made: dict[str, Values]) -> tuple[str, Values]:
    """Return the method that is used: the first unless another was clearly better."""
    errors = {name: _mean(came - one[1:]) for name, one in made.items()}
    errors[next(iter(made))] *= BETTER
    best = min(errors, key=lambda name: errors[name])
    return best, made[best]


def intervals(
    errors: list[Values], coverage: float
) -> tuple[list[Values], list[Values], list[float]]:
    """Return how far below and above a forecast values lie, and the share that lay in between.

    An error is divided by the usual size of the series' errors (of the other origins) and by how
    errors grow with the steps ahead; the quantiles of these ratios are those of all series.

    Args:
        errors: of each series, value less forecast by origin and step.
        coverage: share of values that shall lie between.
    """
    horizon = errors[0].shape[1]
    sizes = [max(_mean(one), 1e-12) for one in errors]
    by_step = [np.abs(one).mean(axis=0) / size for one, size in zip(errors, sizes, strict=True)]
    growth = _smooth(np.mean(by_step, axis=0), max(1, horizon // 8))
    ratios = []
    for one, size in zip(errors, sizes, strict=True):
        apart = np.abs(one).mean(axis=1)
        others = (apart.sum() - apart) / max(len(one) - 1, 1) if len(one) > 1 else apart
        ratios.append(one / np.maximum(others, 0.1 * size)[:, None] / growth)
    low, high = np.quantile(np.concatenate([one.ravel() for one in ratios]),
                            [(1 - coverage) / 2, (1 + coverage) / 2])  # fmt: skip
    low, high = min(low, 0.0), max(high, 0.0)
    inside = [float(np.mean((one >= low) & (one <= high))) for one in ratios]
    return [size * growth * low for size in sizes], [size * growth * high for size in sizes], inside


def _smooth(values: Values, reach: int) -> Values:
    """Return running means, at least a small part of the whole mean."""
    padded = np.pad(values, reach, mode="edge")
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    least = 0.05 * float(values.mean()) + 1e-12
    return np.asarray(np.maximum(np.convolve(padded, kernel, "valid"), least))


def _outlook(
    method: str,
    made: Values,
    below: Values,
    above: Values,
    positive: bool,
    backtest: dict[str, Any],
) -> Outlook:
    floor = 0.0 if positive else -np.inf  # what never was negative will not be
    mean, low, high = (
        [float(f"{value:.6g}") for value in np.maximum(one, floor).tolist()]
        for one in (made, made + below, made + above)
    )
    figures = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in backtest.items()}
    return Outlook(mean, low, high, method, figures)


def _mean(errors: Values) -> float:
    return float(np.abs(errors).mean())
