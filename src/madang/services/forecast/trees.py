"""Forecasts by boosted trees that learn from all series together (LightGBM).

What is learned is how far a value lies from the mean of the latest season, in units of the usual
spread of its series, given values one, two … seasons before and how the latest values differ from
those a season ago. So one model serves every step ahead without forecasting from forecasts.

Source: G. Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NIPS 2017;
P. Montero-Manso and R. J. Hyndman, Principles and algorithms for forecasting groups of time series:
locality and globality, International Journal of Forecasting 37 (2021) 1632-1653.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LAGS = 7  # of the short season
ROWS = 10_000, 500  # to learn from: at least, and for each series
ROUNDS = 200
PARAMETERS = {
    "objective": "l1", "learning_rate": 0.1, "num_leaves": 31, "feature_fraction": 0.6,
    "bagging_fraction": 0.6, "bagging_freq": 1, "verbose": -1, "num_threads": 1,
    "deterministic": True, "seed": 1,
}  # fmt: skip


def needed(seasons: tuple[int, int], horizon: int) -> int:
    """Return how many values there must be before the earliest origin."""
    return _reach(seasons) + 2 * horizon + max(seasons)


def _reach(seasons: tuple[int, int]) -> int:
    """Return how far back from an origin the features look."""
    short, long = seasons
    return max(LAGS * short, long + short) + 6


def forecasts(
    series: list[Values], seasons: tuple[int, int], horizon: int, origins: list[tuple[int, ...]]
) -> list[tuple[Values, Values]]:
    """Return forecasts made at several times, learned from what came before the first of them.

    Args:
        series: each an array.
        seasons: lengths of the short and the long one.
        horizon: steps ahead.
        origins: of each series, places in time.

    Returns:
        Of each series two arrays of shape (origin, horizon): from trees that count errors as a
        share of the value, and from trees that count them as a share of the spread.
    """
    import lightgbm

    known = [
        _Known(one, seasons, horizon, min(at)) for one, at in zip(series, origins, strict=True)
    ]
    most = ROWS[0] + ROWS[1] * len(series)
    stride = max(1, sum(len(one.past) for one in known) * horizon // most)
    while gcd(stride, seasons[0]) > 1:
        stride += 1
    learned = [one.rows(one.past[::-stride], aims=True) for one in known]
    features, aims, weights = (np.concatenate(parts) for parts in zip(*learned, strict=True))
    asked = [one.rows(np.array(at)) for one, at in zip(known, origins, strict=True)]
    asked_features = np.concatenate([rows for rows, _, _ in asked])
    leaf = {"min_data_in_leaf": int(np.clip(len(aims) // 500, 5, 100))}
    made = []
    for weight in (np.minimum(weights, np.quantile(weights, 0.98)), None):
        data = lightgbm.Dataset(features, aims, weight=weight)
        model = lightgbm.train(PARAMETERS | leaf, data, ROUNDS)
        made.append(np.asarray(model.predict(asked_features)))
    ends = np.cumsum([len(at) * horizon for at in origins])[:-1]
    parts = [np.split(one, ends) for one in made]
    return [
        (one.values_of(first, at), one.values_of(second, at))
        for one, first, second, at in zip(known, *parts, origins, strict=True)
    ]


class _Known:
    """One series as it is known at an origin."""

    def __init__(self, series: Values, seasons: tuple[int, int], horizon: int, origin: int) -> None:
        self.series, self.seasons, self.horizon = series, seasons, horizon
        latest = series[max(0, origin - 2 * seasons[1]) : origin]
        self.level = float(np.abs(latest).mean())
        self.spread = float(np.abs(latest - latest.mean()).mean()) + 1e-6 * self.level + 1e-12
        self.profiles = [_profile(series[:origin], one) / self.spread for one in seasons]
        past = series[:origin]
        self.kind = [
            float(np.abs(past[lag:] - past[:-lag]).mean()) / self.spread for lag in (1, *seasons)
        ] + [self.spread / (self.level + 1e-12)]
        self.past = np.arange(_reach(seasons), origin - horizon + 1)

    def middle(self, origins: NDArray[np.int64], ago: int = 0) -> Values:
        """Return the mean of the latest short season before origins, or of one some time ago."""
        sums = np.concatenate([[0.0], np.cumsum(self.series)])
        ends = origins - ago
        return np.asarray((sums[ends] - sums[ends - self.seasons[0]]) / self.seasons[0])

    def values_of(self, made: Values, origins: tuple[int, ...]) -> Values:
        """Return values from what the trees give."""
        middles = self.middle(np.array(origins))[:, None]
        return np.asarray(made.reshape(len(origins), -1) * self.spread + middles)

    def rows(self, origins: NDArray[np.int64], aims: bool = False) -> tuple[Values, Values, Values]:
        """Return features, what is to be learned and its weights, a row for each step ahead."""
        short, long = self.seasons
        y, spread = self.series, self.spread
        ahead = np.arange(self.horizon)
        at = origins[:, None] + ahead
        middle = self.middle(origins)
        last = at - short * (ahead // short + 1)
        columns = [(y[last - n * short] - middle[:, None]) / spread for n in range(LAGS)]
        same = at - long * (ahead // long + 1)
        week = self.middle(origins, long)
        columns.append((y[same] - week[:, None]) / spread)
        older = np.where(same >= long, y[np.maximum(same - long, 0)], np.nan)
        columns.append((older - middle[:, None]) / spread)
        now = [
            week - middle, self.middle(origins, short) - middle, y[origins - 1] - middle,
            *(y[origins - n] - y[origins - n - short] for n in (1, 2)),
            y[origins - 1] - y[origins - 1 - long],
            self._mean(origins, 3) - self._mean(origins - short, 3),
            self._mean(origins, min(6, short)) - self._mean(origins - long, min(6, short)),
        ]  # fmt: skip
        wide = np.broadcast_to
        columns += [wide((one / spread)[:, None], at.shape) for one in now]
        columns += [self.profiles[0][at % short], self.profiles[1][at % long]]
        columns += [
            wide(self.profiles[1][origins % long][:, None], at.shape),
            wide(ahead, at.shape),
        ]
        columns += [wide(np.float64(one), at.shape) for one in self.kind]
        features = np.stack(columns, axis=-1).reshape(at.size, -1)
        if not aims:
            return features, np.empty(0), np.empty(0)
        values = y[at]
        size = np.abs(values) + 0.1 * np.abs(values).mean(axis=1, keepdims=True) + 1e-9
        aim = (values - middle[:, None]) / spread
        return features, aim.ravel(), (spread / size).ravel()

    def _mean(self, ends: NDArray[np.int64], count: int) -> Values:
        sums = np.concatenate([[0.0], np.cumsum(self.series)])
        return np.asarray((sums[ends] - sums[np.maximum(ends - count, 0)]) / count)


def _profile(past: Values, season: int) -> Values:
    """Return the mean course of a season, by place in time modulo its length."""
    count = len(past) // season
    whole = past[len(past) - count * season :].reshape(count, season)
    mean = (whole - whole.mean(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(np.roll(mean, (len(past) - count * season) % season))
