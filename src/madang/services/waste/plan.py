"""Which containers are due on a day, and what the rounds of that day are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TypedDict
from zoneinfo import ZoneInfo

import orjson

from madang.services.city import City
from madang.services.waste import forecast
from madang.services.waste import words as waste_words
from madang.services.waste.forecast import Filling, Sums
from madang.services.waste.options import Collection
from madang.services.waste.rounds import MUST, Round, Stop, Ways, is_square, plan, window
from madang.services.waste.words import Due

DAY = 86_400  # [s]


class Container(TypedDict):
    """What is kept of a container."""

    name: str
    place: list[float] | None  # longitude, latitude [degree]
    litres: float
    hours: str  # when it may be emptied
    level: float | None
    at: float  # of the level [s since 1970]
    first: list[float]  # level and time of the span that is being observed
    told: float  # time of the level that the last forecast was made from [s since 1970]
    sums: Sums


def new(id: str) -> Container:
    """Return a container of which nothing is known yet."""
    return {
        "name": id.rpartition(":")[2], "place": None, "litres": 0, "hours": "", "level": None,
        "at": 0, "first": [0, 0], "told": 0, "sums": forecast.nothing(),
    }  # fmt: skip


def filling(city: City, one: Container) -> Filling:
    """Return how a container fills, as far as it is known."""
    return forecast.filling(one["sums"], city.state.get("everyone", forecast.nothing()))


def ahead(city: City, one: Container, until: float) -> tuple[float, float]:
    """Return how much room a container has, and how long it is from its level to a time. [d]"""
    return city.options.full - (one["level"] or 0.0), (until - one["at"]) / DAY


def planned(
    city: City, known: Mapping[str, Container], today: date
) -> tuple[list[Stop], dict[str, Due]]:
    """Return the containers worth a way today, and those that have to be emptied."""
    options: Collection = city.options
    next_end, after_end = ends(options, today)
    stops, due = [], {}
    for id, one in known.items():
        how = filling(city, one)
        chance = forecast.chance_full(*ahead(city, one, next_end), how)
        later = forecast.chance_full(*ahead(city, one, after_end), how)
        if chance >= options.risk:
            due[id] = Due(id, one["name"], one["level"] or 0.0, chance)
        hours = window(one["hours"], today.weekday(), options.shift_s)
        if hours is not None and (id in due or later >= options.risk):
            worth = MUST if id in due else round(options.extra_metres * later)
            noon = city.now.timestamp() + DAY / 4
            level = (one["level"] or 0.0) + how.rate * (noon - one["at"]) / DAY
            stops.append(_stop(options, id, one, level, worth, hours))
    return stops, due


def _stop(
    options: Collection, id: str, one: Container, level: float, worth: int, hours: tuple[int, int]
) -> Stop:
    assert one["place"] is not None
    litres = round(min(level, 1.0) * (one["litres"] or options.container_litres))
    return Stop(id, (one["place"][0], one["place"][1]), litres, worth, hours)


def ends(options: Collection, today: date) -> tuple[float, float]:
    """Return when the rounds of the next two days with rounds end. [s since 1970]"""
    days = (today + timedelta(number) for number in range(1, 15))
    first, second, *_ = (day for day in days if day.isoweekday() in options.weekdays)
    zone, hour = ZoneInfo(options.time_zone), timedelta(hours=options.shift[1])
    midnights = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in (first, second))
    start, end = ((midnight + hour).timestamp() for midnight in midnights)
    return start, end


async def ways(city: City) -> Ways:
    """Return the ways that somebody has given; an alert tells if they make no sense."""
    id = city.options.matrix
    thing = await city.get(id) if id else None
    names = ("places", "metres", "seconds")
    found = Ways(*(thing[name] for name in names)) if thing is not None else None
    if not id or (found is not None and is_square(found)):
        if city.state.pop("matrix", None):
            city.end_alert("matrix")
        return found or Ways()
    city.state["matrix"] = True
    title, text = waste_words.no_matrix(id)
    city.alert("matrix", kind="configuration", severity="low", title=title, text=text)
    return Ways()


async def fixed(city: City, known: Mapping[str, Container], way: Ways) -> float:
    """Return what fixed rounds to all containers drive a day; computed when they change. [km]"""
    options: Collection = city.options
    assert options.depot is not None
    places = [[id, one["place"]] for id, one in known.items()]
    what = places, options.model_dump(mode="json"), way.places, way.metres
    key = hashlib.sha256(orjson.dumps(what)).hexdigest()
    if city.state.get("fixed_for") != key:
        stops = [
            _stop(options, id, one, filling(city, one).rate * options.fixed_days, MUST,
                  options.shift_s)
            for id, one in known.items()
        ]  # fmt: skip
        fleet = options.fleet(options.depot, len(stops))
        drives: list[Round] = await city.compute(plan, stops, fleet, way, options.iterations)
        city.state["fixed_for"] = key
        city.state["fixed_km"] = sum(one.metres for one in drives) / 1000 / options.fixed_days
    return float(city.state["fixed_km"])
