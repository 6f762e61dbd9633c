"""The city in memory on which services are tested and replayed."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from madang.lake.questions import Period, Series
from madang.query.tree import HasType, Query, Selector
from madang.services.city import Change, City
from madang.services.played import GoesRound, Played, at
from madang.services.run import ServiceFailed
from madang.services.service import Service, Text

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-service.md"
NAME = Text("Test", "시험")
NOON = at("2026-07-01 12:00")
MINUTE = 60_000_000
BENCH = "urn:ngsi-ld:Bench:1"


def made(*gives: str) -> Service:
    return Service("test", title=NAME, purpose=NAME, category="other",
                   needs=["Bench"], gives=gives)  # fmt: skip


async def test_the_test_of_the_page_that_tells_how_to_write_a_service_passes() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    module: dict[str, Any] = {"__name__": "container_fire"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), module)
    tests = [found for name, found in module.items() if name.startswith("test_")]
    for test in tests:
        await test()
    assert len(tests) == 1


async def test_history_has_what_was_put_and_what_the_service_wrote() -> None:
    service, seen = made("Bench"), list[tuple[list[Any], list[Any]]]()

    @service.on("Bench", attributes=["load"])
    async def double(city: City, change: Change) -> None:
        frame = await city.history(Series(("load", "twice")))
        seen.append((frame["load"].to_list(), frame["twice"].to_list()))
        city.update(change.id, "Bench", twice=2 * change.put["load"])

    played = Played(service, NOON)
    for minute, load in enumerate([1, 2.5, 3]):
        await played.put(NOON + minute * MINUTE, BENCH, "Bench", load=load)
    assert seen == [([], []), ([1], [2]), ([1, 2.5], [2, 5])]
    await played.until(NOON + 10 * MINUTE)
    frame = await played.ground.frame(
        Series(("load",), every=Period(microseconds=2 * MINUTE), method="max")
    )
    assert frame["load"].to_list() == [2.5, 3]


async def test_history_knows_texts_places_and_what_was_removed() -> None:
    played = Played(made(), NOON)
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [127.0, 37.5]}}
    await played.put(NOON, BENCH, "Bench", colour="red", location=place, load=1)
    removed = played.ground.remove(BENCH, ["colour"], NOON + MINUTE)
    assert removed is not None
    assert removed.deleted == ("colour",)
    await played.delete(NOON + 2 * MINUTE, BENCH)
    query = Query((Selector(types=HasType("Bench")),))
    frame = await played.ground.frame(Series(("colour", "load"), query=query))
    assert frame.select("entity", "colour", "load").rows() == [(BENCH, "red", 1)]
    assert played.things("Bench") == []


async def test_a_service_that_writes_what_it_does_not_give_fails_as_it_does_on_the_hub() -> None:
    service = made()

    @service.on("Bench")
    async def stray(city: City, change: Change) -> None:
        city.update("urn:ngsi-ld:Tree:1", "Tree", height=1)

    with pytest.raises(ServiceFailed, match="Tree, which it does not say that it gives"):
        await Played(service, NOON).put(NOON, BENCH, "Bench", load=1)


async def test_a_service_that_answers_itself_for_ever_is_stopped() -> None:
    service = made("Bench")

    @service.on("Bench", attributes=["load"])
    async def more(city: City, change: Change) -> None:
        city.update(change.id, "Bench", load=change.put["load"] + 1)

    with pytest.raises(GoesRound, match="answers its own writes"):
        await Played(service, NOON).put(NOON, BENCH, "Bench", load=1)


async def test_what_is_due_sees_the_city_before_a_later_change() -> None:
    service, seen = made(), list[tuple[int, Any]]()

    @service.on("Bench")
    async def ask(city: City, change: Change) -> None:
        city.at(timedelta(minutes=1), "look", "look")

    @service.timer
    async def look(city: City) -> None:
        found = await city.find("Bench")
        seen.append((city.now.minute, found[0]["load"]))

    played = Played(service, NOON)
    await played.put(NOON, BENCH, "Bench", load=1)
    await played.put(NOON + 5 * MINUTE, BENCH, "Bench", load=2)
    await played.until(NOON + 9 * MINUTE)
    assert seen == [(1, 1), (6, 2)]


async def test_entities_are_found_by_type_in_order_and_page() -> None:
    played = Played(made(), NOON)
    for name in "dbca":
        await played.put(NOON, f"urn:ngsi-ld:Bench:{name}", "Bench", load=ord(name))
    await played.put(NOON, "urn:ngsi-ld:Tree:1", "Tree", load=1)
    await played.delete(NOON, "urn:ngsi-ld:Bench:b")

    async def found(**more: Any) -> list[str]:
        query = Query((Selector(types=HasType("Bench")),), **more)
        return [one.id[-1] for one in await played.ground.query(query)]

    assert await found() == ["a", "c", "d"]
    assert await found(limit=1, offset=1) == ["c"]
    assert len(await played.ground.query(Query())) == 4
