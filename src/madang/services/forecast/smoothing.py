"""Exponential smoothing with two seasons, such as a day and a week, for many series at once.

Source: J. W. Taylor, Short-term electricity demand forecasting using double seasonal exponential
smoothing, Journal of the Operational Research Society 54 (2003) 799-805: a level, two seasonal
profiles and an autocorrelated error, here as an innovations model. Instead of a maximum of
likelihood, those settings are taken that forecast best so far, and their forecasts averaged.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_SETTINGS = np.array(list(product((0, 0.01, 0.05, 0.15), (0.02, 0.1, 0.3), (0.02, 0.1, 0.25, 0.5),
                                  (0, 0.5, 0.8, 0.95)))).T  # fmt: skip
"""Smoothing of level, first and second season; share of an error that stays a step later."""
AVERAGED = 8  # settings
JUDGED = 7  # forecasts by which they are chosen
ROOM = 8_000_000  # numbers at once, in each of a few arrays


def needed(seasons: tuple[int, int], horizon: int) -> int:
    """Return how many values it takes to forecast."""
    return 2 * max(seasons) + horizon


def forecasts(
    series: Values, seasons: tuple[int, int], horizon: int, origins: tuple[int, ...]
) -> Values:
    """Return forecasts made at several times, each from the values before it alone.

    Args:
        series: shape (series, time).
        seasons: lengths, the longer a multiple of the shorter; equal for a single one.
        horizon: steps ahead.
        origins: places in time; see :func:`needed` for the earliest.

    Returns:
        Shape (series, origin, horizon).
    """
    most = max(1, ROOM // (_SETTINGS.shape[1] * max(*seasons, horizon * JUDGED)))
    parts = [series[n : n + most] for n in range(0, len(series), most)]
    return np.concatenate([_forecasts(part, seasons, horizon, origins) for part in parts])


def _forecasts(
    series: Values, seasons: tuple[int, int], horizon: int, origins: tuple[int, ...]
) -> Values:
    positive: NDArray[np.bool_] = np.asarray((series > 0).all(axis=1))
    scale = np.where(positive, 1.0, np.abs(series).mean(axis=1) + 1e-9)[:, None]
    work = np.where(positive[:, None], np.log(np.maximum(series, 1e-300)), series / scale)
    every = min(seasons) if min(seasons) < horizon else horizon
    tried = sorted({at for origin in origins for at in _before(origin, horizon, every, seasons)})
    made = _run(work, seasons, horizon, sorted({*origins, *tried}))
    made = {
        at: np.where(positive[:, None, None], np.exp(np.minimum(one, 700)), one * scale[:, None])
        for at, one in made.items()
    }
    errors = {at: _error(made[at], series[:, at : at + horizon]) for at in tried}
    found = np.empty((len(series), len(origins), horizon))
    for place, origin in enumerate(origins):
        seen = [errors[at] for at in _before(origin, horizon, every, seasons)]
        order = np.argsort(np.sum(seen, axis=0), axis=1)[:, :AVERAGED]
        best = np.take_along_axis(made[origin], order[:, :, None], axis=1)
        found[:, place] = best.mean(axis=1)
    return found


def _before(origin: int, horizon: int, every: int, seasons: tuple[int, int]) -> list[int]:
    """Return when forecasts were made whose values have all come at an origin."""
    first = min(2 * max(seasons), origin - horizon)
    return [at for n in range(JUDGED) if (at := origin - horizon - n * every) >= first]


def _error(made: Values, came: Values) -> Values:
    """Return mean errors by series and setting, relative to the size of the values."""
    size = np.abs(made) + np.abs(came[:, None, :])
    return np.asarray(np.mean(np.abs(made - came[:, None, :]) / np.maximum(size, 1e-9), axis=2))


def _run(
    series: Values, seasons: tuple[int, int], horizon: int, origins: list[int]
) -> dict[int, Values]:
    """Return forecasts of all settings at some times, each of shape (series, setting, horizon)."""
    short, long = min(seasons), max(seasons)
    count, settings = len(series), _SETTINGS.shape[1]
    alpha, delta, omega, phi = (one[None, :] for one in _SETTINGS)
    level = np.repeat(series[:, :long].mean(axis=1)[:, None], settings, axis=1)
    first = np.stack([series[:, n:long:short].mean(axis=1) for n in range(short)])
    first -= level[:, 0]
    weeks = series[:, : min(2, series.shape[1] // long) * long].reshape(count, -1, long)
    second = (weeks - weeks.mean(axis=2, keepdims=True)).mean(axis=1).T
    second -= np.tile(first, (long // short, 1))
    by_day = np.repeat(first[:, :, None], settings, axis=2)
    by_week = np.repeat(second[:, :, None], settings, axis=2)
    error = np.zeros((count, settings))
    wanted, made = set(origins), {}
    for now in range(origins[-1] + 1):
        if now in wanted:
            ahead = np.arange(now, now + horizon)
            carried = phi[:, :, None] ** np.arange(1, horizon + 1) * error[:, :, None]
            season = by_day[ahead % short] + by_week[ahead % long]
            made[now] = level[:, :, None] + np.moveaxis(season, 0, 2) + carried
        if now == origins[-1]:
            break
        day, week = by_day[now % short], by_week[now % long]
        gap = series[:, now, None] - level - day - week
        news = gap - phi * error
        level = level + alpha * news
        day += delta * news
        week += omega * news
        error = gap
    return made
