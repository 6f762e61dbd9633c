"""The past as a film: where things were and what they said at each picture, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from madang.api.map import film_of
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.questions import Instance
from madang.model.errors import BadRequestData, InvalidRequest
from madang.query.tree import HasType, Query, Selector
from madang.web.maps import past
from madang.web.maps.past import Film

MINUTE = 60_000_000
T0 = 1_760_000_000_000_000
FILM = Film(Query(selectors=(Selector(HasType("Bus")),)), T0, MINUTE, 5, value="speed")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[DuckLake]:
    engine = Engine(tmp_path / "scratch", 200)
    lake = DuckLake(engine, SqliteCatalog(tmp_path / "lake"))
    yield lake
    lake.close()
    engine.close()


def told(
    id: str,
    attribute: str,
    minute: float,
    value: Any,
    kind: str = "Property",
    deleted: bool = False,
) -> Instance:
    at = T0 + round(minute * MINUTE)
    return Instance(
        f"urn:bus:{id}", "Bus", attribute, None, kind, at, True, value, None, None, deleted, at,
        None, 0,
    )  # fmt: skip


def born(id: str, minute: float) -> Instance:
    return told(id, "type", minute, "Bus", "Created")._replace(observed=False)


def at(id: str, minute: float, lon: float, lat: float = 37.5) -> Instance:
    return told(id, "location", minute, {"type": "Point", "coordinates": [lon, lat]}, "GeoProperty")


def test_a_thing_is_where_it_was_last_seen_at_each_picture(lake: DuckLake) -> None:
    lake.add([born("1", -9), at("1", -8, 127.0), at("1", 1.5, 127.1), at("1", 3, 127.2)])
    lake.add([told("1", "speed", -8, 10), told("1", "speed", 2, 20)])
    film = past.read(lake, FILM)
    assert film["ids"] == ["urn:bus:1"]
    assert film["moving"] == [0]
    assert [path[0] for path in film["paths"]] == [127.0, 127.0, 127.1, 127.2, 127.2, 127.2]
    assert [values[0] for values in film["values"]] == [10, 10, 20, 20, 20, 20]
    assert (film["step"], film["cut"]) == (60.0, False)


def test_what_stands_still_has_its_place_once(lake: DuckLake) -> None:
    lake.add([born("1", -9), at("1", -8, 127.0), told("1", "speed", 1, 7)])
    film = past.read(lake, FILM)
    assert film["moving"] == []
    assert film["positions"] == [(127.0, 37.5)]
    assert film["paths"] == [[]] * 6
    assert [values[0] for values in film["values"]] == [None, 7, 7, 7, 7, 7]


def test_what_came_later_or_was_deleted_is_there_from_and_until_then(lake: DuckLake) -> None:
    lake.add([born("late", 2), at("late", 2, 127.0)])
    lake.add([born("gone", -5), at("gone", -5, 127.3)])
    lake.add([told("gone", "type", 3, None, "Deleted", True)._replace(observed=False)])
    film = past.read(lake, FILM)
    spans = dict(zip(film["ids"], zip(film["from"], film["to"], strict=True), strict=True))
    assert spans["urn:bus:late"] == (2, 6)
    assert spans["urn:bus:gone"] == (0, 3)


def test_only_what_was_inside_the_bounds_is_told(lake: DuckLake) -> None:
    lake.add([born("in", -1), at("in", -1, 127.0), born("out", -1), at("out", -1, 128.0)])
    lake.add(
        [
            born("through", -1),
            at("through", -1, 128.0),
            at("through", 2, 127.0),
            at("through", 4, 128),
        ]
    )
    film = past.read(lake, replace(FILM, bounds=(126.9, 37.4, 127.1, 37.6)))
    assert film["ids"] == ["urn:bus:in", "urn:bus:through"]


def test_a_film_has_no_more_things_than_it_may_and_says_so(
    lake: DuckLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "MOST_THINGS", 3)
    for number in range(5):
        lake.add([born(str(number), -1), at(str(number), -1, 127 + number / 10)])
    film = past.read(lake, FILM)
    assert (len(film["ids"]), film["cut"]) == (3, True)
    near = past.read(lake, replace(FILM, bounds=(127.35, 37.4, 127.45, 37.6)))
    assert (near["ids"], near["cut"]) == (["urn:bus:4"], False)


def test_what_nobody_knows_the_place_of_is_left_out(lake: DuckLake) -> None:
    lake.add([born("1", -1), told("1", "speed", 1, 3)])
    assert past.read(lake, FILM)["ids"] == []


def test_words_are_told_as_words(lake: DuckLake) -> None:
    lake.add([born("1", -1), at("1", -1, 127.0), told("1", "state", 1, "late")])
    film = past.read(lake, replace(FILM, value="state"))
    assert [values[0] for values in film["values"]] == [None, *["late"] * 5]


GOOD = "type=Bus&start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z&step=60"


def test_a_film_is_what_the_address_says() -> None:
    film = film_of(GOOD + "&value=speed&q=speed%3E3&bounds=126,37,127,38")
    assert (film.steps, film.step, film.value) == (60, MINUTE, "speed")
    assert film.bounds == (126, 37, 127, 38)
    assert film.query.q is not None


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (GOOD.replace("type=Bus&", ""), "type is missing"),
        (GOOD.replace("start=2026-01-01T00:00:00Z&", ""), "start is missing"),
        (GOOD.replace("01:00:00", "00:00:00"), "start must be before end"),
        (GOOD.replace("step=60", "step=1"), "take steps of at least 12 s"),
        (GOOD.replace("step=60", "step=x"), "step must be a whole number"),
        (GOOD + "&bounds=1,2,3", "bounds must be west,south,east,north"),
        (GOOD + "&bounds=nan,0,1,1", "bounds must be west,south,east,north"),
        (GOOD + "&q=speed%3E", "q"),
    ],
)
def test_what_is_wrong_with_a_film_is_said(query: str, says: str) -> None:
    with pytest.raises(BadRequestData, match=says):
        film_of(query)


def test_a_film_has_no_other_parameters() -> None:
    with pytest.raises(InvalidRequest, match="no parameter"):
        film_of(GOOD + "&colour=red")
