"""The map of a pollutant, and what the air is like at places between stations."""

from __future__ import annotations

from typing import Any

from madang.model import time
from madang.services import records
from madang.services.air.drift import Track, drifts
from madang.services.air.index import NAMES
from madang.services.air.kept import Station, Watch
from madang.services.air.kriging import FEWEST, coverage, mapped, nearest
from madang.services.air.words import Estimate
from madang.services.city import City


async def map_(
    city: City, pollutant: str, there: dict[str, Watch], errors: list[float]
) -> dict[str, Estimate]:
    """Write the map of a pollutant; return what it says at places where somebody wants to know."""
    tracks: dict[str, Track] = city.state.get("tracks", {})
    stations: dict[str, Station] = city.state.get("stations", {})
    used = {
        id: one
        for id, one in sorted(stations.items())
        if one["place"] and pollutant in one["hours"] and not drifts(tracks, id, pollutant)
    }
    wanted = [id for id, one in there.items() if pollutant in one["limits"]]
    places = [there[id]["place"] for id in wanted]
    found = None
    if len(used) >= FEWEST:
        rows = list(zip(*(one["hours"][pollutant] for one in used.values()), strict=True))
        found = await city.compute(
            mapped, [one["place"] for one in used.values()], rows, places, city.options.cell_km
        )
    if found is None:
        return _near(city, pollutant, {id: there[id] for id in wanted}, used)
    _write(city, pollutant, found)
    level = sum(found["values"]) / len(found["values"])
    if level > 0:
        errors.append(found["error"] / level)
    pairs = zip(wanted, found["places"], strict=True)
    return {id: Estimate(value, sd, found["stations"], 0.0) for id, (value, sd) in pairs}


def _near(
    city: City, pollutant: str, there: dict[str, Watch], used: dict[str, Station]
) -> dict[str, Estimate]:
    """Return what the nearest station says, where there are too few for a map."""
    places = {id: one["place"] or [] for id, one in used.items()
              if one["hours"][pollutant][-1] is not None}  # fmt: skip
    estimates = {}
    for id, one in there.items():
        found = nearest(places, one["place"] or [])
        if found is not None and found[1] <= city.options.reach_km:
            value = used[found[0]]["hours"][pollutant][-1]
            assert value is not None
            estimates[id] = Estimate(value, None, 1, found[1])
    return estimates


def _write(city: City, pollutant: str, found: dict[str, Any]) -> None:
    at = time.render(city.instant)
    (west, *_, east), (south, *_, north) = found["x"], found["y"]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    error = {"type": "Property", "value": round(found["error"], 2), "unitCode": "GQ"}
    city.update(
        f"urn:ngsi-ld:AirQualityMap:air:{pollutant}",
        "AirQualityMap",
        pollutant=pollutant,
        coverage=records.json(coverage(found, pollutant, NAMES[pollutant], at)),
        location={"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}},
        stations=found["stations"],
        leaveOneOutError=error,
        withinTwoDeviations=round(found["within"], 3),
    )
