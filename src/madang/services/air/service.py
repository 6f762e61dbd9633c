"""Air: a map with its uncertainty, alerts by place, limits of one's own, and sensors that drift.

Stations are ``AirQualityObserved``. Scales are those of :mod:`madang.services.air.index`, maps are
made by :mod:`madang.services.air.kriging`, sensors are watched by :mod:`madang.services.air.drift`.
"""

from __future__ import annotations

from collections.abc import Mapping

from madang.services.air import drift as air_drift
from madang.services.air import tell as air_tell
from madang.services.air import words
from madang.services.air.drift import Track
from madang.services.air.index import POLLUTANTS, mean
from madang.services.air.interpolation import map_
from madang.services.air.kept import Air, Station, Watch, add, close, limits, station
from madang.services.air.kriging import distances, local
from madang.services.air.tell import OBSERVED
from madang.services.city import Change, City, Thing
from madang.services.place import middle
from madang.services.service import Indicator, Service, Text

USED = {*POLLUTANTS, "location", "name", "dateLastCalibration"}
MOST_STATIONS = 300
MOST_WATCHES = 2_000
LEAST = {"pm25": 5.0, "pm10": 10.0, "no2": 5.0, "o3": 10.0, "so2": 4.0, "co": 200.0}
"""Daily means below are mostly noise, so that their ratio tells nothing. [ug/m3]"""
NEIGHBOURS = 8
UNHEALTHY = Text("Stations with unhealthy air in the last hour", "지난 한 시간 대기질 나쁨 측정소")
ERROR = Text(
    "Error of the map (leave one out), share of the mean", "지도 오차(교차검증, 평균 대비)"
)
DRIFTING = Text("Sensors that drift", "편향된 측정기")

service = Service(
    "air",
    title=Text("Air quality", "대기질 안내"),
    purpose=Text(
        "Shows the air everywhere in the city, tells people when it is bad for them, and finds"
        " sensors that drift.",
        "도시 곳곳의 대기질을 보여 주고, 나쁘면 알려 주며, 측정기의 편향을 찾아냅니다.",
    ),
    category="environmentAndEnergy",
    needs=[OBSERVED, "AirQualityWatch"],
    gives=[OBSERVED, "AirQualityMap"],
    options=Air,
    indicators=[
        Indicator("unhealthy", UNHEALTHY, "P1", "lower"),
        Indicator("mapError", ERROR, "P1", "lower"),
        Indicator("drifting", DRIFTING, "C62", "lower"),
    ],
    operator=Text("Environment department", "환경 부서"),
    cost=Text(
        "Stations or low-cost sensors, at least five for a map; their calibration.",
        "측정소 또는 간이측정기(지도에는 5대 이상)와 그 교정.",
    ),
)


@service.on(OBSERVED)
async def heard(city: City, change: Change) -> None:
    """Add what a station measures to its means."""
    stations: dict[str, Station] = city.state.setdefault("stations", {})
    if change.kind == "deleted":
        if (gone := stations.pop(change.id, None)) is not None and gone["alert"]:
            city.end_alert(change.id)
        for pollutant in POLLUTANTS:
            _forget(city, change.id, pollutant)
        return
    if not USED.intersection(change.put):
        return
    if change.id not in stations:
        if len(stations) >= MOST_STATIONS:
            return
        stations[change.id] = station(change.id)
        _describe(city, change.id, await city.get(change.id) or change.put)
    _describe(city, change.id, change.put)
    add(stations[change.id], change.put)


def _describe(city: City, id: str, put: Thing) -> None:
    one: Station = city.state["stations"][id]
    if isinstance(put["name"], str):
        one["name"] = put["name"]
    one["place"] = middle(put) or one["place"]
    calibrated = str(put["dateLastCalibration"] or "")
    if calibrated and calibrated != one["calibrated"]:
        if one["calibrated"]:
            for pollutant in POLLUTANTS:
                _forget(city, id, pollutant)
        one["calibrated"] = calibrated


def _forget(city: City, id: str, pollutant: str) -> None:
    """Let a sensor that was calibrated begin anew."""
    track: Track | None = city.state.get("tracks", {}).pop(f"{id} {pollutant}", None)
    if track is not None and track["drifting"]:
        city.end_alert(f"{id}:{pollutant}")


@service.on("AirQualityWatch")
async def watch(city: City, change: Change) -> None:
    """Take over where somebody wants to be told of which limits."""
    watches: dict[str, Watch] = city.state.setdefault("watches", {})
    if change.kind == "deleted":
        watches.pop(change.id, None)
        return
    if change.id not in watches and len(watches) >= MOST_WATCHES:
        return
    put = await city.get(change.id) or change.put
    old = watches.get(change.id)
    watches[change.id] = {
        "people": str(put["people"] or ""),
        "name": str(put["name"] or ""),
        "place": middle(put),
        "limits": limits(put["limits"]),
        "over": old["over"] if old else {},
    }


@service.every("1h")
async def hour(city: City) -> None:
    """Make maps of the hour that is over, and tell people."""
    stations: dict[str, Station] = city.state.get("stations", {})
    watches: dict[str, Watch] = city.state.get("watches", {})
    for one in stations.values():
        close(one)
    errors: list[float] = []
    there = {id: one for id, one in sorted(watches.items()) if one["place"] and one["people"]}
    for pollutant in POLLUTANTS:
        estimates = await map_(city, pollutant, there, errors)
        for id, found in estimates.items():
            air_tell.person(city, id, there[id], pollutant, found)
    if errors:
        city.measure("mapError", round(100 * sum(errors) / len(errors), 1))
    ranks = [air_tell.place(city, id, one) for id, one in sorted(stations.items())]
    known = [rank for rank in ranks if rank is not None]
    if known:
        share = sum(rank >= air_tell.alert_from(city.options) for rank in known) / len(known)
        city.measure("unhealthy", round(100 * share, 1))


@service.every("30 0 * * *", local=True)
async def day(city: City) -> None:
    """Compare each sensor with its neighbours."""
    stations: dict[str, Station] = city.state.get("stations", {})
    tracks: dict[str, Track] = city.state.setdefault("tracks", {})
    around = _neighbours(stations, city.options.neighbour_km)
    for pollutant in POLLUTANTS:
        means = {}
        for id, one in sorted(stations.items()):
            value = mean(one["hours"].get(pollutant, ()), 24)
            if value is not None and one["place"]:
                means[id] = value
        sound = {id for id in means if not air_drift.drifts(tracks, id, pollutant)}
        for id, value in means.items():
            near = [means[other] for other in around[id] if other in sound][:NEIGHBOURS]
            found = air_drift.ratio(value, near, LEAST[pollutant])
            if found is not None:
                _compare(city, id, pollutant, found)
    drifting = sum(track["drifting"] for track in tracks.values())
    city.measure("drifting", drifting)


def _neighbours(stations: Mapping[str, Station], reach_km: float) -> dict[str, list[str]]:
    """Return the other stations within reach of each, the nearest first."""
    there = {id: one["place"] for id, one in sorted(stations.items()) if one["place"]}
    ids, places = list(there), list(there.values())
    if not places:
        return {}
    points = local(places, places[0])
    away = distances(points, points)
    return {
        id: [ids[other] for other in row.argsort(kind="stable")
             if row[other] <= reach_km and ids[other] != id]
        for id, row in zip(ids, away, strict=True)
    }  # fmt: skip


def _compare(city: City, id: str, pollutant: str, found: float) -> None:
    """Add a day; tell people when a sensor begins to drift, and when it agrees again."""
    tracks: dict[str, Track] = city.state["tracks"]
    track = tracks.setdefault(f"{id} {pollutant}", air_drift.new())
    before, one = track["drifting"], city.state["stations"][id]
    name, place = one["name"], one["place"]
    options: Air = city.options
    factor = air_drift.compare(track, found, options.drift_limit, options.drift_least)
    if track["drifting"] and not before:
        title, text = words.drifts(name, pollutant, factor, track["days"])
        seen = Thing({"id": id, "type": OBSERVED})
        city.decide(text, expects={"leftOutOfMap": True, "factor": round(factor, 3)})
        city.alert(
            f"{id}:{pollutant}", kind="sensorDrift", severity="low", title=title, text=text,
            about=[seen], location={"type": "Point", "coordinates": place},
        )  # fmt: skip
    elif before and not track["drifting"]:
        city.end_alert(f"{id}:{pollutant}")
