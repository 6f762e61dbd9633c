"""The figures by which policies are compared: names, units, which way is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from madang.services.service import Text

Verdict = Literal["better", "worse", "unclear"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """A figure of one run."""

    name: str
    title: Text
    unit: str
    """UN/CEFACT code."""
    better: Literal["higher", "lower"]


INDICATORS: Final = (
    Indicator("delay", Text("Delay of a trip", "통행당 지체"), "SEC", "lower"),
    Indicator("stops", Text("Stops of a trip", "통행당 정지 횟수"), "C62", "lower"),
    Indicator("travel_time", Text("Travel time of a trip", "통행 시간"), "SEC", "lower"),
    Indicator("bus_delay", Text("Delay of a bus", "버스당 지체"), "SEC", "lower"),
    Indicator("car_trips", Text("Trips by car", "승용차 통행"), "C62", "lower"),
    Indicator("arrived", Text("Trips that have ended", "도착한 통행"), "C62", "higher"),
    Indicator("co2", Text("Carbon dioxide", "이산화탄소"), "KGM", "lower"),
    Indicator("nox", Text("Nitrogen oxides", "질소산화물"), "GRM", "lower"),
    Indicator("pmx", Text("Particles from exhausts", "배기 미세먼지"), "GRM", "lower"),
    Indicator("noise", Text("Noise at streets", "도로변 소음"), "2N", "lower"),
    Indicator("reach_10", Text("Places reached in 10 min", "10분 안에 닿는 곳"), "P1", "higher"),
    Indicator("reach_30", Text("Places reached in 30 min", "30분 안에 닿는 곳"), "P1", "higher"),
    Indicator("parking", Text("Parking places needed in addition", "추가로 필요한 주차면"), "C62",
              "lower"),
)  # fmt: skip


def shown(one: Indicator) -> dict[str, Any]:
    """Return what a figure is, as JSON."""
    title = {"en": one.title.en, "ko": one.title.ko}
    return {"name": one.name, "title": title, "unit": one.unit, "better": one.better}


def verdict(one: Indicator, interval: Sequence[float] | None) -> Verdict:
    """Return what a difference to how it is means; unclear if it may as well be none.

    Args:
        one: which figure.
        interval: 95 % confidence interval of the difference, None if there is none.
    """
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "unclear"
    return "better" if (interval[0] > 0) == (one.better == "higher") else "worse"
