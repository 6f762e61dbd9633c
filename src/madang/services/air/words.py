"""What the watch over air tells people, in both languages."""

from __future__ import annotations

from math import erfc, sqrt
from typing import NamedTuple

from madang.services.air.index import KOREAN, NAMES, Level, Scale
from madang.services.service import Text


class Estimate(NamedTuple):
    """What the air is like at a place."""

    value: float
    """[ug/m3]"""
    deviation: float | None
    """How far it may be wrong; None of a station nearby. [ug/m3]"""
    stations: int
    """By which it was estimated."""
    away_km: float
    """How far that station is."""


def bad(name: str, scale: Scale, level: Level) -> tuple[Text, Text]:
    """Return title and text of an alert at a place."""
    word, worst = scale.levels[level.rank - 1][1], level.pollutant
    return (
        Text(f"Air is {word.en} at {name}", f"{name} 대기질 {word.ko}"),
        Text(
            f"{scale.title.en}: {level.figure:g}, {word.en}, for {NAMES[worst]}.",
            f"{scale.title.ko} {level.figure:g}, {word.ko}. 주요 오염물질은 {KOREAN[worst]}"
            f"({NAMES[worst]})입니다.",
        ),
    )


def over(place: str, pollutant: str, limit: float, found: Estimate) -> tuple[Text, Text]:
    """Return title and text for a person whose limit is passed."""
    name, korean = NAMES[pollutant], KOREAN[pollutant]
    en = f"{name} at {place} was {found.value:.0f} ug/m3 in the last hour, your limit is {limit:g}."
    ko = (
        f"지난 한 시간 {place}의 {korean}({name}) 농도는 {found.value:.0f} ug/m3로 설정한 기준"
        f" {limit:g}을(를) 넘었습니다."
    )
    if found.deviation is None:
        en += f" It was measured {found.away_km:.1f} km away."
        ko += f" {found.away_km:.1f} km 떨어진 측정소의 값입니다."
    else:
        sure = chance_over(found.value, found.deviation, limit)
        en += (
            f" It is estimated from {found.stations} stations (standard deviation"
            f" {found.deviation:.0f}); the limit is passed with a probability of {sure:.0%}."
        )
        ko += (
            f" 측정소 {found.stations}곳으로 추정한 값(표준편차 {found.deviation:.0f})이며, 기준을"
            f" 넘었을 확률은 {sure:.0%}입니다."
        )
    title = Text(f"{name} above your limit at {place}", f"{place} {korean} 기준 초과")
    return title, Text(en, ko)


def chance_over(value: float, deviation: float, limit: float) -> float:
    """Return how likely a limit is passed.

    >>> round(chance_over(40, 5, 35), 2)
    0.84
    """
    return 0.5 * erfc((limit - value) / (max(deviation, 1e-6) * sqrt(2)))


def drifts(name: str, pollutant: str, factor: float, days: int) -> tuple[Text, Text]:
    """Return title and text of an alert that a sensor drifts."""
    change = f"{abs(factor - 1):.0%}"
    en, ko = ("more", "높게") if factor > 1 else ("less", "낮게")
    what = NAMES[pollutant]
    return (
        Text(f"{what} of {name} drifts", f"{name} {what} 측정값 편향"),
        Text(
            f"It reads {change} {en} than it did against its neighbours, of {days} days. The map is"
            " made without it until it is calibrated (dateLastCalibration) or agrees again.",
            f"{days}일간의 주변 측정소 비교에서 이전보다 {change} {ko} 측정합니다. 교정"
            "(dateLastCalibration)하거나 다시 일치할 때까지 지도에서 제외합니다.",
        ),
    )
