"""The live map of a city in this process: who shares what; nothing is lost or shown amiss."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from madang.hub import changes
from madang.hub.operations import Delete, Upsert
from madang.hub.tenant import Tenant
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.errors import BadRequestData, NgsiError
from madang.model.normalize import entity as normalized
from madang.query.reach import Hidden, Reach
from madang.query.tree import HasType, InScope, Or
from madang.store.rows import entity_of
from madang.trust.view import View
from madang.web.live import layer as layers
from madang.web.live import live as engine
from madang.web.live.alike import alike
from madang.web.live.asked import Asked, Look, read
from madang.web.live.grid import SCALE, area_of, cell_of
from madang.web.live.live import Live
from madang.web.live.spots import spot_of
from madang.web.live.viewer import Viewer
from tests.trust.twin import Twin, place, prop, twin
from tests.web.live_screen import Screen, Seen

VEHICLES = Asked("Vehicle", "", "speed")
READS_VEHICLES = Reach(Or((HasType("Vehicle"), HasType("Bench"))))
PHONES = Hidden("phone", frozenset({"Person"}))
PLACES = Hidden("location", frozenset({"Person"}), "")
WIDE = [126.0, 37.0, 128.0, 38.0]


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[Twin]:
    async with twin(tmp_path) as found:
        yield found


async def write(tenant: Tenant, *entities: dict[str, Any]) -> None:
    work = [normalized(one, CORE) for one in entities]
    await tenant.write([Upsert(one.document["id"], one, update=True) for one in work])


def made(document: dict[str, Any]) -> Entity:
    return Entity(normalized(document, CORE).document, 0, 0, 0)


def vehicle(name: object, longitude: float = 127.0, **values: Any) -> dict[str, Any]:
    attributes = {key: prop(value) for key, value in values.items()}
    where = place(longitude, 37.5)
    return {"id": f"urn:car:{name}", "type": "Vehicle", "location": where, **attributes}


def look_of(text: str) -> Look:
    said = read(text)
    assert isinstance(said, Look)
    return said


class Looker:
    """A viewer of an engine, without a network."""

    def __init__(self, live: Live, seen: Tenant | View, tenant: Tenant) -> None:
        self.live = live
        self.viewer: Viewer = live.join()
        self.screen = Screen()
        self.problems: list[tuple[str, NgsiError]] = []
        self._seen = seen
        self._tenant = tenant

    def look(self, *wanted: dict[str, Any], bounds: list[float] | None = None) -> None:
        named = [{"name": f"{place}", **one} for place, one in enumerate(wanted)]
        text = json.dumps({"bounds": bounds or WIDE, "zoom": 14, "layers": named})
        self.screen.look([json.dumps(one) for one in wanted])
        self.live.look(self.viewer, look_of(text), self._seen, self._tenant)

    def take(self) -> None:
        self.problems += self.viewer.problems()
        for message in self.viewer.messages():
            self.screen.take(message)

    def sees(self, wanted: dict[str, Any]) -> dict[str, Seen]:
        self.take()
        return self.screen.shows(json.dumps(wanted))

    async def until(self, wanted: dict[str, Any], ids: set[str]) -> None:
        async with asyncio.timeout(20):
            while self.sees(wanted).keys() != ids:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)


CARS = {"type": "Vehicle", "value": "speed"}


# --- who shares ---------------------------------------------------------------------------------


async def test_all_who_reach_the_same_share_a_layer(city: Twin) -> None:
    live = Live()
    lookers = [
        Looker(live, city.view(READS_VEHICLES), city.whole),
        Looker(live, city.view(READS_VEHICLES), city.whole),
        Looker(live, city.view(Reach(READS_VEHICLES.condition, (PHONES,))), city.whole),
    ]
    for one in lookers:
        one.look(CARS)
    assert live.layers == 1
    await write(city.whole, vehicle(1, speed=3))
    for one in lookers:
        await one.until(CARS, {"urn:car:1"})
    assert city.read == []
    other = Looker(live, city.whole, city.whole)
    other.look(CARS)
    assert live.layers == 2
    for one in (*lookers, other):
        live.leave(one.viewer)


async def test_a_layer_ends_with_the_last_who_looks_at_it(city: Twin) -> None:
    live = Live()
    one, other = (Looker(live, city.whole, city.whole) for _ in range(2))
    one.look(CARS)
    other.look(CARS, {"type": "Bench"})
    assert live.layers == 2
    one.look()
    other.look({"type": "Bench"})
    assert live.layers == 1
    live.leave(one.viewer)
    live.leave(other.viewer)
    assert live.layers == 0
    await asyncio.sleep(0.01)
    assert not city.whole.changes.followed


@pytest.mark.parametrize(
    ("asked", "reach", "shares"),
    [
        (VEHICLES, Reach(None, (PLACES,)), True),
        (Asked("Person"), Reach(None, (PLACES,)), False),
        (Asked("Person"), Reach(None, (), (PLACES,)), False),
        (Asked("Person", "", "phone"), Reach(None, (PHONES,)), False),
        (Asked("Person", 'phone=="1"'), Reach(None, (PHONES,)), False),
        (Asked("Person", "nick"), Reach(None, (PHONES,)), True),
        (Asked("Shop", 'modifiedAt>"2020-01-01T00:00:00Z"'), Reach(None, (PHONES,)), False),
        (Asked("Vehicle"), Reach(None, (Hidden("location"),)), False),
    ],
)
async def test_one_who_sees_it_otherwise_has_a_layer_alone(
    city: Twin, asked: Asked, reach: Reach, shares: bool
) -> None:
    one = city.view(reach)
    found = alike(one, city.whole, asked)
    assert (found.source is city.whole) is shares
    assert (found == alike(city.view(reach), city.whole, asked)) is shares


async def test_a_personal_place_is_told_with_consent_alone_and_its_reading_recorded(
    city: Twin,
) -> None:
    live = Live()
    wanted = {"type": "Person"}
    looker = Looker(live, city.view(Reach(None, (PLACES,), ())), city.whole)
    looker.look(wanted)
    walker = {"type": "Person", "location": place(127.0, 37.5)}
    city.consents.add(("urn:walker:2", ""))
    await write(city.whole, {"id": "urn:walker:1", **walker}, {"id": "urn:walker:2", **walker})
    await looker.until(wanted, {"urn:walker:2"})
    assert {id for ids, _, _ in city.read for id in ids} == {"urn:walker:2"}
    live.leave(looker.viewer)


async def test_withdrawn_consent_takes_effect_without_a_change(
    city: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "REREAD_S", 0.1)
    monkeypatch.setattr(engine, "WATCH_S", 0.05)
    live, wanted = Live(), {"type": "Person"}
    looker = Looker(live, city.view(Reach(None, (PLACES,))), city.whole)
    looker.look(wanted)
    city.consents.add(("urn:walker:1", ""))
    location = place(127.0, 37.5)
    await write(city.whole, {"id": "urn:walker:1", "type": "Person", "location": location})
    await looker.until(wanted, {"urn:walker:1"})
    city.consents.clear()
    await looker.until(wanted, set())
    live.leave(looker.viewer)


async def test_what_is_also_of_a_type_with_a_hidden_place_is_left_out(city: Twin) -> None:
    live = Live()
    looker = Looker(live, city.view(Reach(None, (PLACES,))), city.whole)
    looker.look(CARS)
    await write(city.whole, vehicle(1), vehicle(2) | {"type": ["Vehicle", "Person"]})
    await write(city.whole, vehicle(3) | {"type": ["Bench", "Vehicle"]})
    await looker.until(CARS, {"urn:car:1", "urn:car:3"})
    live.leave(looker.viewer)


# --- what is shown ------------------------------------------------------------------------------


async def test_what_happens_while_a_layer_is_filled_is_not_lost(city: Twin) -> None:
    await write(city.whole, *(vehicle(one, speed=0) for one in range(1_200)))
    live = Live()
    looker = Looker(live, city.whole, city.whole)
    looker.look(CARS)
    for turn in range(1, 4):
        await write(city.whole, *(vehicle(one, speed=turn) for one in range(0, 1_200, 100)))
    await city.whole.write([Delete("urn:car:1")])
    await looker.until(CARS, {f"urn:car:{one}" for one in range(1_200) if one != 1})
    async with asyncio.timeout(20):
        while looker.sees(CARS)["urn:car:1100"].value != 3:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    live.leave(looker.viewer)


async def test_who_fell_behind_reads_anew(city: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live()
    looker = Looker(live, city.whole, city.whole)
    looker.look(CARS)
    await write(city.whole, vehicle("old"))
    await looker.until(CARS, {"urn:car:old"})
    monkeypatch.setattr(changes, "BEHIND", 10)
    work = [normalized(vehicle(one), CORE) for one in range(50)]
    await city.whole.write(
        [Delete("urn:car:old"), *(Upsert(one.document["id"], one) for one in work)]
    )
    await looker.until(CARS, {f"urn:car:{one}" for one in range(50)})
    live.leave(looker.viewer)


async def test_a_type_that_changes_moves_an_entity_between_layers(city: Twin) -> None:
    live, benches = Live(), {"type": "Bench", "q": "speed"}
    looker = Looker(live, city.whole, city.whole)
    looker.look(CARS, benches)
    await write(city.whole, vehicle(1, speed=1))
    await looker.until(CARS, {"urn:car:1"})
    changed = normalized(vehicle(1, speed=1) | {"type": "Bench"}, CORE)
    await city.whole.write([Delete("urn:car:1"), Upsert("urn:car:1", changed)])
    await looker.until(CARS, set())
    await looker.until(benches, {"urn:car:1"})
    live.leave(looker.viewer)


async def test_a_layer_of_too_much_says_so(city: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MOST_POINTS", 20)
    live = Live()
    looker = Looker(live, city.whole, city.whole)
    looker.look(CARS, {"type": "Bench"})
    await write(city.whole, *(vehicle(one) for one in range(21)))
    async with asyncio.timeout(20):
        while not looker.problems:
            looker.take()
            await asyncio.sleep(0.01)
    ((name, problem),) = looker.problems
    assert (name, problem.status) == ("0", 403)
    await looker.until({"type": "Bench"}, {"urn:bench:1"})
    live.leave(looker.viewer)


async def test_there_is_an_end_to_layers_and_viewers(
    city: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_LAYERS", 1)
    monkeypatch.setattr(engine, "MOST_VIEWERS", 1)
    live = Live()
    looker = Looker(live, city.whole, city.whole)
    looker.look(CARS, {"type": "Bench"})
    looker.take()
    assert [(name, error.status) for name, error in looker.problems] == [("1", 429)]
    with pytest.raises(NgsiError, match="try again later"):
        live.join()
    live.leave(looker.viewer)


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ({"type": "Point", "coordinates": [127.0, 37.5, 20.0]}, (127.0, 37.5)),
        ({"type": "LineString", "coordinates": [[127.0, 37.0], [127.2, 37.0]]}, (127.1, 37.0)),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]},
            (1.0, 1.0),
        ),
        ({"type": "MultiPoint", "coordinates": [[1.0, 2.0], [1.0, 2.0]]}, (1.0, 2.0)),
        (
            {
                "type": "MultiLineString",
                "coordinates": [[[0, 0], [0.1, 0]], [[10, 10], [20, 10]]],
            },
            (15.0, 10.0),
        ),
    ],
)
def test_every_geometry_is_drawn_at_a_point_of_it(
    geometry: dict[str, Any], expected: tuple[float, float]
) -> None:
    entity = {"id": "urn:a", "type": "T", "location": {"type": "GeoProperty", "value": geometry}}
    spot = spot_of(made(entity), "")
    assert spot is not None
    assert (spot.longitude / SCALE, spot.latitude / SCALE) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("attribute", "value", "word"),
    [
        (prop(3), 3.0, ""),
        (prop("free"), None, "free"),
        (prop(True), None, "true"),
        (prop([1, 2]), None, ""),
        (prop(1e300), None, ""),
        ({"type": "VocabProperty", "vocab": "open"}, None, "open"),
        ([prop(1, datasetId="urn:d:1"), prop(2)], 2.0, ""),
        ([prop(1, datasetId="urn:d:1"), prop(2, datasetId="urn:d:2")], 1.0, ""),
        (prop("x" * 100), None, "x" * 64),
    ],
)
def test_a_value_is_a_number_or_a_word(attribute: Any, value: float | None, word: str) -> None:
    entity = {"id": "urn:a", "type": "T", "location": place(1, 2), "level": attribute}
    spot = spot_of(made(entity), "level")
    assert spot is not None
    assert (None if isnan(spot.value) else spot.value, spot.word) == (value, word)


def test_what_has_no_place_is_not_drawn() -> None:
    assert spot_of(made({"id": "urn:a", "type": "T", "level": 1}), "level") is None


def test_names_and_queries_are_read_as_the_core_context_has_them() -> None:
    asked = {"name": "a", "type": "Vehicle", "q": "speed>", "value": "speed"}
    look = look_of(json.dumps({"bounds": [0, 0, 1, 1], "zoom": 3, "layers": [asked]}))
    assert isinstance(look.layers[0][1], BadRequestData)
    asked["q"] = "speed%3E3"
    look = look_of(json.dumps({"bounds": [0, 0, 1, 1], "zoom": 3, "layers": [asked]}))
    assert look.layers == (("a", Asked("Vehicle", "speed%3E3", "speed")),)


# --- any history --------------------------------------------------------------------------------

WINDOWS = ([126.9, 37.4, 127.0, 37.6], [126.95, 37.4, 127.1, 37.6], WIDE)
WATER = Reach(InScope(("water",), True))


@pytest.mark.parametrize("seed", range(6))
async def test_every_screen_shows_what_its_viewer_may_see_of_its_window(
    city: Twin, seed: int
) -> None:
    """Random writes, deletions and looks; at the end each screen is what the hub's state says."""
    chance, live = random.Random(seed), Live()
    fast = {"type": "Vehicle", "q": "speed>5", "value": "speed"}
    seen: list[Tenant | View] = [city.whole, city.view(WATER), city.view(READS_VEHICLES)]
    lookers = [Looker(live, one, city.whole) for one in seen]
    windows = [WIDE for _ in lookers]
    for one in lookers:
        one.look(CARS, fast)
    for _ in range(150):
        match chance.randrange(5):
            case 0 | 1:
                cars = [
                    vehicle(
                        chance.randrange(30),
                        126.9 + chance.randrange(20) / 100,
                        speed=chance.randrange(10),
                    )
                    | ({"scope": "/water/a"} if chance.random() < 0.5 else {"scope": "/gas"})
                    for _ in range(chance.randrange(1, 6))
                ]
                await write(city.whole, *cars)
            case 2:
                await city.whole.write([Delete(f"urn:car:{chance.randrange(30)}")])
            case 3:
                which = chance.randrange(len(lookers))
                windows[which] = chance.choice(WINDOWS)
                both = [CARS, fast] if chance.random() < 0.8 else [fast]
                lookers[which].look(*both, bounds=windows[which])
            case _:
                await asyncio.sleep(chance.choice((0, 0.005, 0.03)))
                chance.choice(lookers).take()
    for one, window in zip(lookers, windows, strict=True):
        one.look(CARS, fast, bounds=window)
    await asyncio.sleep(0.5)
    for one, window, view in zip(lookers, windows, seen, strict=True):
        area = area_of(*window)
        for wanted, least in ((CARS, -1), (fast, 5)):
            expected = {}
            for number in range(30):
                row = await view.get(f"urn:car:{number}")
                spot = None if row is None else spot_of(entity_of(row), "speed")
                if spot is None or spot.value <= least:
                    continue
                if area.holds(cell_of(spot.longitude, spot.latitude)):
                    expected[f"urn:car:{number}"] = Seen(*spot)
            assert one.sees(wanted) == expected
        live.leave(one.viewer)
