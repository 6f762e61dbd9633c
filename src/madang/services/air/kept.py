"""What the watch over air keeps of stations, and what can be set of it."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from madang.services.air.index import MOLAR_LITRES, MOLAR_MASS, POLLUTANTS
from madang.services.city import Thing
from madang.services.service import LocalOptions, option

HOURS = 24  # that are kept
HIGHEST = 100_000.0  # [ug/m3]


class Air(LocalOptions):
    """Which scale counts, how fine the map is, and when a sensor drifts."""

    scale: Literal["cai", "eu", "who"] = option(
        "cai", "Scale", "지수", "cai (Korea), eu (European Air Quality Index) or who (WHO 2021)."
    )
    alert_from: int = option(
        0,
        "Alert from",
        "경보 단계",
        "Level of the scale, 1 is the best; 0 is where the scale begins to be unhealthy.",
        ge=0,
        le=6,
    )
    cell_km: float = option(
        0.5, "Cell", "격자 크기", "Side of a cell of the map. [km]", ge=0.05, le=50
    )
    reach_km: float = option(
        5,
        "Reach",
        "측정소 범위",
        "So far a station speaks for a place if there are too few for a map. [km]",
        ge=0.1,
        le=100,
    )
    neighbour_km: float = option(
        30,
        "Neighbours",
        "이웃 거리",
        "So far from a sensor are those that it is compared with. [km]",
        ge=0.1,
        le=500,
    )
    drift_limit: float = option(
        2.5,
        "Drift",
        "편향 판정",
        "A sensor drifts if it parts by so many times what is usual. [1]",
        ge=1,
        le=20,
    )
    drift_least: float = option(
        0.2, "Least drift", "최소 편향", "Less does not matter. [1]", ge=0.02, le=5
    )


class Station(TypedDict):
    """What is kept of a station."""

    name: str
    place: list[float] | None
    sums: dict[str, list[float]]  # of this hour: sum and number, by pollutant
    hours: dict[str, list[float | None]]  # means, the newest last [ug/m3]
    index: float | None
    alert: str  # decision of the alert that is open
    below: int  # for how many hours it has been better
    calibrated: str


class Watch(TypedDict):
    """What is kept of what a person wants to be told of."""

    people: str
    name: str
    place: list[float] | None
    limits: dict[str, float]
    over: dict[str, int]  # limits that are passed, and for how many hours they are not any more


def station(id: str) -> Station:
    """Return what is kept of a station at first."""
    return {
        "name": id.rpartition(":")[2], "place": None, "sums": {}, "hours": {}, "index": None,
        "alert": "", "below": 0, "calibrated": "",
    }  # fmt: skip


def concentration(put: Thing, pollutant: str) -> float | None:
    """Return a measured value in ug/m3, whatever its unit is; None if it makes no sense."""
    whole = put.attribute(pollutant)
    value, unit = whole.get("value"), whole.get("unitCode", "GQ")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if unit == "GP":  # mg/m3
        value *= 1000
    elif unit in ("59", "61") and pollutant in MOLAR_MASS:  # ppm, ppb
        value *= MOLAR_MASS[pollutant] / MOLAR_LITRES * (1000 if unit == "59" else 1)
    elif unit != "GQ":
        return None
    return float(value) if 0 <= value <= HIGHEST else None


def add(one: Station, put: Thing) -> None:
    """Add measured values to the means of this hour."""
    for pollutant in POLLUTANTS:
        if (value := concentration(put, pollutant)) is not None:
            sums = one["sums"].setdefault(pollutant, [0.0, 0])
            sums[0] += value
            sums[1] += 1


def close(one: Station) -> None:
    """Begin a new hour."""
    for pollutant in {*one["hours"], *one["sums"]}:
        total, count = one["sums"].get(pollutant, (0.0, 0))
        hours = one["hours"].setdefault(pollutant, [None] * (HOURS - 1))
        hours.append(round(total / count, 3) if count else None)
        del hours[:-HOURS]
        if not any(hour is not None for hour in hours):
            del one["hours"][pollutant]
    one["sums"] = {}


def limits(given: Any) -> dict[str, float]:
    """Return the limits that somebody has set, of pollutants that there are. [ug/m3]"""
    if not isinstance(given, dict):
        return {}
    return {
        name: float(value)
        for name, value in given.items()
        if name in POLLUTANTS and isinstance(value, int | float) and 0 < value < HIGHEST
    }
