"""How bad air is, on three scales: Korea's CAI, the European index, and WHO's guidelines of 2021.

Pure functions of hourly means, the newest last, None where there is none. Concentrations are in
ug/m3.

Sources: Korea Environment Corporation, AirKorea, how the comprehensive air-quality index (CAI) is
computed (airkorea.or.kr); EEA, European Air Quality Index, bands of 2024 (ETC HE Report 2024/17);
WHO global air quality guidelines, Geneva 2021, table 0.1: short-term levels and interim targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from madang.services.service import Text

Hours = Sequence[float | None]
"""Hourly means, the newest last."""

POLLUTANTS = ("pm25", "pm10", "no2", "o3", "so2", "co")
"""Attributes of AirQualityObserved. [ug/m3]"""
NAMES = {"pm25": "PM2.5", "pm10": "PM10", "no2": "NO2", "o3": "O3", "so2": "SO2", "co": "CO"}
KOREAN = {
    "pm25": "초미세먼지", "pm10": "미세먼지", "no2": "이산화질소", "o3": "오존",
    "so2": "아황산가스", "co": "일산화탄소",
}  # fmt: skip
MOLAR_LITRES = 24.45  # of a gas at 25 degrees and 1 atm [l/mol]
MOLAR_MASS = {"no2": 46.006, "o3": 47.998, "so2": 64.066, "co": 28.010}  # [g/mol]
ENOUGH = 0.75  # of the hours of a mean


class Level(NamedTuple):
    """How bad air is."""

    figure: float
    rank: int
    """1 is the best."""
    pollutant: str
    """The one that is worst."""


class Scale(NamedTuple):
    """One way to tell how bad air is."""

    title: Text
    levels: tuple[tuple[str, Text], ...]
    """From the best on: as data has them, and as people read them."""
    alert_from: int
    """Rank from which people are alerted unless a city says otherwise."""
    level: Callable[[Mapping[str, Hours]], Level | None]


def mean(hours: Hours, last: int) -> float | None:
    """Return the mean of the last hours; None if over a quarter of them is missing.

    >>> mean([9, 1, None, 3, 2], 4), mean([1, None, None, 2], 4), mean([5], 1)
    (2.0, None, 5.0)
    """
    found = [one for one in hours[-last:] if one is not None]
    return sum(found) / len(found) if len(found) >= ENOUGH * last else None


def _now(hours: Hours) -> float | None:
    return hours[-1] if hours else None


def _worst(found: list[Level]) -> Level | None:
    return max(found, key=lambda one: (one.figure, one.pollutant)) if found else None


# --- Korea --------------------------------------------------------------------------------------

_CAI_POINTS = ((0, 50), (51, 100), (101, 250), (251, 500))
_CAI_BANDS = {
    "pm25": ((0, 15), (16, 35), (36, 75), (76, 500)),  # [ug/m3]
    "pm10": ((0, 30), (31, 80), (81, 150), (151, 600)),
    "no2": ((0, 0.03), (0.031, 0.06), (0.061, 0.2), (0.201, 2)),  # [ppm]
    "o3": ((0, 0.03), (0.031, 0.09), (0.091, 0.15), (0.151, 0.6)),
    "so2": ((0, 0.02), (0.021, 0.05), (0.051, 0.15), (0.151, 1)),
    "co": ((0, 2), (2.01, 9), (9.01, 15), (15.01, 50)),
}
_STEADY = {"pm25": 30.0, "pm10": 70.0}  # from which a value is weighed against the mean [ug/m3]
_DIGITS = {"pm25": 0, "pm10": 0, "no2": 3, "o3": 3, "so2": 3, "co": 2}
_ADDED = {2: 50, 3: 75}  # if so many pollutants are unhealthy


def foreseen(hours: Hours, steady: float) -> float | None:
    """Return AirKorea's foreseen mean of 24 hours, from the last 12. [ug/m3]

    Half of it is the mean of twelve hours, half that of the last four, in which high values near
    the mean count three quarters.

    >>> foreseen([40.0] * 12, 30.0)
    35.0
    """
    twelve = mean(hours, 12)
    four = [one for one in hours[-4:] if one is not None]
    if twelve is None or len(four) < 3:
        return None
    near = [0.75 * one if one >= steady and 0.9 <= one / twelve <= 1.7 else one for one in four]
    return (twelve + sum(near) / len(near)) / 2


def ppm(pollutant: str, concentration: float) -> float:
    """Return a concentration of a gas by volume, at 25 degrees. [ppm]

    >>> round(ppm("o3", 117.8), 3)
    0.06
    """
    return concentration * MOLAR_LITRES / MOLAR_MASS[pollutant] / 1000


def cai(hours: Mapping[str, Hours]) -> Level | None:
    """Return the comprehensive air-quality index, 0 to 500 (and up to 75 more)."""
    found = []
    for name, bands in _CAI_BANDS.items():
        past = hours.get(name, ())
        if name in _STEADY:
            value = foreseen(past, _STEADY[name])
        else:
            value = None if (now := _now(past)) is None else ppm(name, now)
        if value is not None:
            found.append(_points(name, round(value, _DIGITS[name]), bands))
    worst = _worst(found)
    if worst is None:
        return None
    unhealthy = min(sum(one.rank >= 3 for one in found), 3)
    index = worst.figure + _ADDED.get(unhealthy, 0)
    return Level(index, _cai_rank(index), worst.pollutant)


def _points(name: str, value: float, bands: Sequence[tuple[float, float]]) -> Level:
    for (low, high), (least, most) in zip(bands, _CAI_POINTS, strict=True):
        if value <= high:
            share = max(value - low, 0) / (high - low)
            index = round(least + (most - least) * share)
            return Level(index, _cai_rank(index), name)
    return Level(_CAI_POINTS[-1][1], len(_CAI_POINTS), name)


def _cai_rank(index: float) -> int:
    return 1 + sum(index > most for _, most in _CAI_POINTS[:-1])


# --- Europe -------------------------------------------------------------------------------------

_EU_BANDS = {
    "pm25": (5, 15, 50, 90, 140),
    "pm10": (15, 45, 120, 195, 270),
    "no2": (10, 25, 60, 100, 150),
    "o3": (60, 100, 120, 160, 180),
    "so2": (20, 40, 125, 190, 275),
}  # fmt: skip


def european(hours: Mapping[str, Hours]) -> Level | None:
    """Return the European Air Quality Index, 1 to 6: the worst band of the last hour."""
    found = []
    for name, bands in _EU_BANDS.items():
        if (now := _now(hours.get(name, ()))) is not None:
            rank = 1 + sum(round(now) > band for band in bands)
            found.append(Level(rank, rank, name))
    return _worst(found)


# --- WHO ----------------------------------------------------------------------------------------

_WHO = {  # hours, guideline, interim targets from the strictest on [ug/m3]
    "pm25": (24, (15, 25, 37.5, 50, 75)),
    "pm10": (24, (45, 50, 75, 100, 150)),
    "no2": (24, (25, 50, 120)),
    "o3": (8, (100, 120, 160)),
    "so2": (24, (40, 50, 125)),
    "co": (24, (4000, 7000)),
}


def who(hours: Mapping[str, Hours]) -> Level | None:
    """Return the greatest share of a guideline [%]; ranks count the targets that are passed.

    Pollutants have two to five targets; the last rank is that all are passed.
    """
    found = []
    for name, (length, targets) in _WHO.items():
        value = mean(hours.get(name, ()), length)
        if value is not None:
            passed = sum(value > target for target in targets)
            rank = 4 if passed == len(targets) else 1 + min(passed, 2)
            found.append(Level(round(100 * value / targets[0]), rank, name))
    return _worst(found)


SCALES = {
    "cai": Scale(
        Text("Comprehensive air-quality index (Korea)", "통합대기환경지수(CAI)"),
        (
            ("good", Text("good", "좋음")),
            ("moderate", Text("moderate", "보통")),
            ("unhealthy", Text("unhealthy", "나쁨")),
            ("veryUnhealthy", Text("very unhealthy", "매우 나쁨")),
        ),
        3,
        cai,
    ),
    "eu": Scale(
        Text("European Air Quality Index", "유럽 대기질 지수"),
        (
            ("good", Text("good", "좋음")),
            ("fair", Text("fair", "양호")),
            ("moderate", Text("moderate", "보통")),
            ("poor", Text("poor", "나쁨")),
            ("veryPoor", Text("very poor", "매우 나쁨")),
            ("extremelyPoor", Text("extremely poor", "극히 나쁨")),
        ),
        4,
        european,
    ),
    "who": Scale(
        Text("Share of WHO's guideline of 2021", "WHO 2021 권고 기준 대비"),
        (
            ("withinGuideline", Text("within the guideline", "권고 기준 이내")),
            ("aboveGuideline", Text("above the guideline", "권고 기준 초과")),
            ("aboveInterimTarget", Text("above an interim target", "잠정 목표 초과")),
            ("aboveAllTargets", Text("above all targets", "모든 잠정 목표 초과")),
        ),
        4,
        who,
    ),
}  # fmt: skip
