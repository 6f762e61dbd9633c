"""How bright a street light is to be, and whether it is: what can be set, and the rule.

Pure functions. Levels are shares of full brightness.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Self, TypedDict

from pydantic import model_validator

from madang.services.service import LocalOptions, option

Reason = Literal["day", "evening", "presence", "quiet", "unwatched"]
Fault = Literal["", "dark", "dayBurner", "power", "silent"]
LIT = 0.1  # of the rated power: below, a lamp is off


class Lighting(LocalOptions):
    """When lights are on, and how bright."""

    on_below: float = option(
        -3.0,
        "On below",
        "점등 고도",
        "Height of the sun below which lights are on; at -3 the sky gives some 100 lux. [degree]",
        ge=-12,
        le=10,
    )
    bright: float = option(1.0, "Bright", "기본 밝기", "In the evening and where somebody is. [1]",
                           ge=0.1, le=1)  # fmt: skip
    dimmed: float = option(
        0.3, "Dimmed", "감광 밝기", "Where detectors see nobody. [1]", ge=0.05, le=1
    )
    unwatched: float = option(
        0.6, "Unwatched", "미감지 구간 밝기", "Where no detector works. [1]", ge=0.05, le=1
    )
    minimum: float = option(
        0.2, "Safe minimum", "안전 최저 밝기", "No light is darker at night. [1]", ge=0.05, le=1
    )
    quiet: tuple[int, int] = option(
        (22, 6), "Quiet", "심야 시간", "First and last hour in which lights are dimmed. [h]"
    )
    hold_minutes: float = option(
        5, "Hold", "유지 시간", "So long lights stay bright after somebody was seen. [min]",
        ge=0.5, le=120,
    )  # fmt: skip
    radius: float = option(
        60, "Radius", "감지 반경", "Of the lights that a detector raises. [m]", ge=1, le=1000
    )
    detector_hours: float = option(
        24, "Detectors", "감지기 유효 시간", "One that is silent for longer does not count. [h]",
        ge=1, le=720,
    )  # fmt: skip
    grace_minutes: float = option(
        10, "Grace", "판정 유예", "So long a light may differ before it is a fault. [min]",
        ge=1, le=240,
    )  # fmt: skip
    tolerance: float = option(
        0.3, "Tolerance", "전력 허용 오차", "Of the power, as a share of the rated power. [1]",
        ge=0.05, le=1,
    )  # fmt: skip
    silent_hours: float = option(
        26, "Silent", "무응답 판정", "A light that reports nothing for longer has a fault. [h]",
        ge=1, le=720,
    )  # fmt: skip

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.minimum > min(self.dimmed, self.unwatched, self.bright):
            raise ValueError(f"minimum {self.minimum} lies above dimmed, unwatched or bright")
        if not all(0 <= hour <= 24 for hour in self.quiet):
            raise ValueError(f"quiet is two hours 0 to 24, such as [22, 6], not {self.quiet}")
        return self


class Light(TypedDict):
    """What is kept of a light. Times are seconds since 1970."""

    name: str
    place: list[float] | None  # longitude, latitude [degree]
    watts: float  # rated
    minimum: float  # of its own
    level: float | None  # that was commanded last
    since: float  # when
    retry: float  # not to be commanded before
    watched: float  # by a detector nearby, last
    until: float  # raised because somebody is near
    power: float | None  # reported since then [W]
    lit: bool | None  # reported
    heard: float
    wrong: float  # since when it differs; 0: it does not
    fault: Fault
    metered: float  # up to when energy was counted


class Wanted(NamedTuple):
    """A level, and why."""

    level: float
    reason: Reason


def new(id: str, now: float) -> Light:
    """Return what is kept of a light at first."""
    return {
        "name": id.rpartition(":")[2], "place": None, "watts": 0, "minimum": 0, "level": None,
        "since": 0, "retry": 0, "watched": 0, "until": 0, "power": None, "lit": None, "heard": 0,
        "wrong": 0, "fault": "", "metered": now,
    }  # fmt: skip


def wanted(
    light: Light, sun: float, hour: int, now: float, watched: bool, rule: Lighting
) -> Wanted:
    """Return how bright a light is to be.

    Args:
        light: which.
        sun: its height. [degree]
        hour: by the clock of the city.
        now: [s since 1970]
        watched: a detector nearby works.
        rule: options.
    """
    if sun >= rule.on_below:
        return Wanted(0.0, "day")
    if not is_quiet(hour, rule.quiet):
        found = Wanted(rule.bright, "evening")
    elif light["until"] > now:
        found = Wanted(rule.bright, "presence")
    elif watched:
        found = Wanted(rule.dimmed, "quiet")
    else:
        found = Wanted(rule.unwatched, "unwatched")
    return Wanted(max(found.level, rule.minimum, light["minimum"]), found.reason)


def is_busy(light: Light, now: float) -> bool:
    """Return whether something will change about a light before the night or an hour does."""
    return light["until"] > now or light["wrong"] > 0 or light["level"] is None


def is_quiet(hour: int, hours: tuple[int, int]) -> bool:
    """Return whether an hour is among those that may begin on the day before.

    >>> [is_quiet(hour, (22, 6)) for hour in (21, 22, 3, 6)], is_quiet(3, (1, 5))
    ([False, True, True, False], True)
    """
    first, last = hours
    return first <= hour < last if first <= last else hour >= first or hour < last


def differs(light: Light, rule: Lighting) -> Fault:
    """Return how what a light reports differs from what was commanded."""
    level, power, watts = light["level"], light["power"], light["watts"]
    if level is None:
        return ""
    lit = light["lit"]
    if lit is None or (power is not None and watts > 0):
        lit = lit if power is None or not watts else power > LIT * watts
    if lit is None:
        return ""
    if level == 0 and lit:
        return "dayBurner"
    if level > 0 and not lit:
        return "dark"
    if level > 0 and power is not None and watts > 0:
        return "power" if abs(power - level * watts) > rule.tolerance * watts else ""
    return ""


def watts_now(light: Light) -> float:
    """Return what a light draws: as it reports, else as it was commanded. [W]"""
    if light["power"] is not None:
        return light["power"]
    return light["watts"] * (light["level"] or 0.0)
