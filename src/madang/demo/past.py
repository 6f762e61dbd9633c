"""Two days before the demo city began, so that charts, forecasts, trials and films have something.

It is worked out beside the hub and loaded into the lake in bulk (:mod:`madang.lake.backfill`): no
service and no subscription hears of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from madang.demo.city import DemoCity
from madang.demo.furniture import OCCUPIED, SPOTS, wanted
from madang.demo.quantities import Walk, hour_of
from madang.demo.told import Entity

DAYS: Final = 2
EVERY: Final = timedelta(minutes=10)
BUSES_EVERY: Final = timedelta(minutes=1)
"""For the last day; before, as all else."""
_COLUMNS: Final = (
    "entity", "type", "attribute", "kind", "time", "number", "text", "json", "unit",
    "longitude", "latitude",
)  # fmt: skip

Row = tuple[Any, ...]
"""A value by the columns above; the last five may be missing."""


def write(seed: int, now: float, file: str) -> int:
    """Write the past of a city to a Parquet file; return how many values it has.

    Args:
        seed: of the city.
        now: when its present begins. [s since 1970]
        file: which.
    """
    import polars as pl

    rows = values(seed, datetime.fromtimestamp(now, UTC))
    blank = (None,) * len(_COLUMNS)
    columns = zip(*((*row, *blank[len(row) :]) for row in rows), strict=True)
    schema: dict[str, Any] = dict.fromkeys(_COLUMNS, pl.String)
    schema |= dict.fromkeys(("number", "longitude", "latitude"), pl.Float64)
    schema["time"] = pl.Datetime("us")
    frame = pl.DataFrame(dict(zip(_COLUMNS, columns, strict=True)), schema)
    frame = frame.with_columns(observed=pl.lit(True), deleted=pl.lit(False))
    frame.sort("attribute", "entity", "time").write_parquet(Path(file))
    return frame.height


def values(seed: int, now: datetime) -> Iterator[Row]:
    """Yield all values of the past of a city."""
    city, random = DemoCity(seed), Random(seed + 1)
    start = (now - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0)
    times = list(_steps(start, now, EVERY))
    for made in city.changing():
        yield from _standing(made, start)
    for sensor in city.sensors:
        for walk in sensor.walks:
            yield from _walked(sensor.entity, walk, times)
    for target, made in city.indicators():
        yield from _walked(made, Walk(target.quantity, random), times)
    for zone in city.zones:
        busy = Walk(OCCUPIED, random)
        for at in times:
            shift = wanted(zone, at) - OCCUPIED.expected(hour_of(at))
            taken = round(min(1.0, max(0.0, busy.step(at) + shift)) * SPOTS)
            yield _number(zone.entity, "availableSpotNumber", at, SPOTS - taken, "C62")
            yield _number(zone.entity, "occupancy", at, taken / SPOTS)
    for container in city.containers:
        for at in times[::3]:
            level = container.level(at)
            yield _number(container.entity, "fillingLevel", at, level, "C62")
    for bus in city.buses:
        late = now - timedelta(days=1)
        for at in (*_steps(start, late, EVERY), *_steps(late, now, BUSES_EVERY)):
            moment = bus.at(at.timestamp())
            yield _point(bus.fixed, at, *moment.place)
            yield _number(bus.fixed, "speed", at, moment.speed, "KMH")
            yield _number(bus.fixed, "heading", at, moment.heading, "DD")
    for light in city.lights:
        for at in times[::6]:
            is_on = not 7 <= hour_of(at) < 18
            yield _number(light, "illuminanceLevel", at, 0.6 if is_on else 0.0)
            yield _text(light, "powerState", at, "on" if is_on else "off")


def _steps(start: datetime, end: datetime, every: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += every


def _walked(entity: Entity, walk: Walk, times: list[datetime]) -> Iterator[Row]:
    quantity = walk.quantity
    for at in times:
        yield _number(entity, quantity.name, at, walk.step(at), quantity.unit)


def _head(entity: Entity, attribute: str, kind: str, at: datetime) -> Row:
    return entity["id"], entity["type"], attribute, kind, at.replace(tzinfo=None)


def _number(
    entity: Entity, attribute: str, at: datetime, number: float, unit: str | None = None
) -> Row:
    return *_head(entity, attribute, "Property", at), float(number), None, None, unit


def _text(entity: Entity, attribute: str, at: datetime, text: str) -> Row:
    return *_head(entity, attribute, "Property", at), None, text


def _point(entity: Entity, at: datetime, longitude: float, latitude: float) -> Row:
    text = orjson.dumps({"type": "Point", "coordinates": [longitude, latitude]}).decode()
    head = _head(entity, "location", "GeoProperty", at)
    return *head, None, None, text, None, longitude, latitude


def _standing(entity: Entity, at: datetime) -> Iterator[Row]:
    """Yield that an entity was there, its name and its place."""
    yield *_head(entity, "type", "Created", at), None, entity["type"]
    if "name" in entity:
        text = orjson.dumps(entity["name"]["languageMap"]).decode()
        yield *_head(entity, "name", "LanguageProperty", at), None, None, text
    place = entity.get("location", {}).get("value")
    if place is not None and place["type"] == "Point":
        yield _point(entity, at, *place["coordinates"])
    elif place is not None:
        text = orjson.dumps(place).decode()
        yield *_head(entity, "location", "GeoProperty", at), None, None, text
