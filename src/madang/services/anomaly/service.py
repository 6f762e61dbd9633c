"""Tells what is unusual in any series of the city, and why: as an alert, in words.

Each value is judged when it comes, by :mod:`madang.services.anomaly.detector`. A series from which
nothing comes any more is told as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypedDict

from madang.services.anomaly import detector
from madang.services.anomaly.detector import Finding, State
from madang.services.anomaly.words import explained, silent
from madang.services.city import Change, City, Thing
from madang.services.forecast.series import SECOND, SeriesService, Wanted, key, number
from madang.services.records import ALERT, Severity
from madang.services.service import Indicator, LocalOptions, Text, option

MOST = 200  # series: what is kept of one is some 10 kB
SEVERE = 3.0  # times the threshold


class Watching(LocalOptions):
    """Which series are watched, and how closely."""

    series: tuple[Wanted, ...] = option(
        (), "Series", "시계열",
        'Which are watched: [{"type": "AirQualityObserved", "attribute": "pm25"}].',
        max_length=20,
    )  # fmt: skip
    threshold: float = option(
        1.0, "Threshold", "임계값",
        "How unusual something must be to be told: 0.5 tells more, 2 tells less.",
        ge=0.3, le=100,
    )  # fmt: skip
    learn: int = option(
        500, "Learning", "학습 개수",
        "Nothing is told of the first half of so many values; a fifth of it is the rest after a "
        "finding.",
        ge=60, le=100_000,
    )  # fmt: skip
    silence: int = option(
        6, "Silence", "무응답", "Nothing has come for so many usual intervals.", ge=2, le=1000
    )


service = SeriesService(
    "anomaly",
    title=Text("Anomalies", "이상 감지"),
    purpose=Text(
        "Tells when any figure of the city does something unusual, and what was expected.",
        "도시의 어떤 수치든 평소와 다르면 무엇이 예상과 달랐는지 알려 줍니다.",
    ),
    category="safety",
    gives=[ALERT],
    options=Watching,
    indicators=[
        Indicator("found", Text("Anomalies found", "발견한 이상"), "C62", "lower"),
        Indicator("watched", Text("Series watched", "지켜보는 시계열"), "C62", "higher"),
    ],
    operator=Text("The department that owns the figures", "해당 수치를 맡은 부서"),
    cost=Text("None beside the hub.", "허브 외 비용 없음."),
)


class Kept(TypedDict):
    """What is kept of a series."""

    name: str
    entity: str
    type: str
    detector: State
    quiet: int  # values since the last finding
    interval: float  # usual one [s]
    at: int  # of the last value [us since 1970]
    open: bool  # an alert
    gone: bool  # an alert that nothing comes


@service.on_series
async def watch(city: City, change: Change) -> None:
    """Judge the values that were put."""
    for wanted in city.options.series:
        named = not wanted.entities or change.id in wanted.entities
        if not named or not _has_type(change.put, wanted.type):
            continue
        value = number(change.put[wanted.attribute])
        if value is None:
            continue
        when = change.put.observed(wanted.attribute) or city.now
        _judge(city, wanted, change.put, value, round(when.timestamp() * SECOND))


def _judge(city: City, wanted: Wanted, thing: Thing, value: float, at: int) -> None:
    series: dict[str, Kept] = city.state.setdefault("series", {})
    name = key(wanted, thing.id)
    if name not in series:
        if len(series) >= MOST:
            return
        series[name] = {
            "name": name, "entity": thing.id, "type": wanted.type, "detector": detector.begin(),
            "quiet": 0, "interval": 0.0, "at": at, "open": False, "gone": False,
        }  # fmt: skip
        city.measure("watched", len(series))
    one = series[name]
    if one["detector"]["n"] and at <= one["at"]:
        return  # told before, or late: the past has been judged
    _returned(city, one, at)
    local = at / SECOND + _offset(city)
    finding = detector.step(one["detector"], local, value, city.options.learn)
    if finding.score >= city.options.threshold:
        _tell(city, one, thing, wanted, value, finding)
    else:
        one["quiet"] += 1
        if one["open"] and one["quiet"] >= city.options.learn // 5:
            one["open"] = False
            city.end_alert(name)


def _tell(
    city: City, one: Kept, thing: Thing, wanted: Wanted, value: float, finding: Finding
) -> None:
    """Raise the alert of a series, or tell more of it."""
    one["quiet"], one["open"] = 0, True
    title, text = explained(one["name"], value, finding, thing.attribute(wanted.attribute))
    severe = finding.score >= SEVERE * city.options.threshold
    severity: Severity = "high" if severe else "medium"
    city.alert(
        one["name"], kind="anomaly", severity=severity, title=title, text=text, about=[thing]
    )
    city.state["found"] = city.state.get("found", 0) + 1
    city.measure("found", city.state["found"])


def _returned(city: City, one: Kept, at: int) -> None:
    """Learn the usual interval; end the alert of a series that has fallen silent."""
    passed = (at - one["at"]) / SECOND
    if one["gone"]:
        one["gone"] = False
        city.end_alert(f"{one['name']}:silent")
    elif passed > 0:
        share = max(0.05, 1 / max(one["detector"]["n"], 1))
        one["interval"] += share * (passed - one["interval"])
    one["at"] = at


@service.every("1m")
async def listen(city: City) -> None:
    """Tell of series from which nothing comes any more."""
    kept: dict[str, Kept] = city.state.get("series", {})
    for one in kept.values():
        passed = (city.instant - one["at"]) / SECOND
        enough = one["detector"]["n"] >= detector.FIRST
        if enough and not one["gone"] and passed > city.options.silence * one["interval"]:
            one["gone"] = True
            title, text = silent(one["name"], timedelta(seconds=passed), one["interval"])
            city.alert(
                f"{one['name']}:silent", kind="anomaly", severity="medium", title=title, text=text,
                about=[Thing({"id": one["entity"], "type": one["type"]})],
            )  # fmt: skip


def _offset(city: City) -> float:
    """Return by how much the clock of the city is before UTC. [s]"""
    if city.options.time_zone == "UTC":
        return 0.0
    there = city.local.utcoffset()
    return 0.0 if there is None else there.total_seconds()


def _has_type(thing: Thing, type: str) -> bool:
    found: Any = thing.document["type"]
    return found == type if isinstance(found, str) else type in found
