"""A service at work: what it is told, in which order, with which time, state and chance."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from madang.hub.feed import Event
from madang.model.entity import Entity
from madang.query.tree import Query
from madang.services.city import Change, City
from madang.services.ground import Kept
from madang.services.run import Run, ServiceFailed
from madang.services.service import Indicator, Service, Text

SECOND = 1_000_000
START = 1_795_000_000 * SECOND  # 2026-11-18T11:06:40Z
NAME = Text("Test", "시험")


class Nothing:
    """A city without entities."""

    async def get(self, id: str) -> Entity | None:
        return None

    async def query(self, query: Query) -> list[Entity]:
        return []

    async def frame(self, series: Any) -> Any:
        raise NotImplementedError

    async def compute(self, function: Any, *args: Any) -> Any:
        return function(*args)


def made() -> Service:
    return Service("test", title=NAME, purpose=NAME, category="other",
                   indicators=[Indicator("seen", NAME, "C62", "higher")])  # fmt: skip


def event(number: int, seconds: float = 0, type: str = "Bench", **values: Any) -> Event:
    attributes = {name: {"type": "Property", "value": value} for name, value in values.items()}
    id = "urn:ngsi-ld:Bench:1"
    entity: dict[str, Any] = {"id": id, "type": type, **attributes}
    at = START + int(seconds * SECOND)
    return Event(number, "updated", at, id, (type,), tuple(values), (), entity)


def running(service: Service, kept: Kept | None = None, seed: int = 0) -> Run:
    return Run(service, Nothing(), service.given({}), kept or Kept(0, START), seed)


async def test_a_function_is_called_for_the_changes_it_names() -> None:
    service, seen = made(), []

    @service.on("Bench", attributes=["load"], where="load>50")
    async def heavy(city: City, change: Change) -> None:
        seen.append((change.put["load"], city.now.isoformat()))

    run = running(service)
    await run.change(event(1, load=70))
    await run.change(event(2, load=20))
    await run.change(event(3, colour="red"))
    await run.change(event(4, type="Tree", load=90))
    await run.change(event(5, 1.5, load=51))
    assert seen == [(70, "2026-11-18T11:06:40+00:00"), (51, "2026-11-18T11:06:41.500000+00:00")]
    assert run.kept.position == 5


async def test_values_that_failed_their_tests_are_told_of_only_where_asked_for() -> None:
    service, sound, every = made(), [], []

    @service.on("Bench")
    async def careful(city: City, change: Change) -> None:
        sound.append(sorted(change.put))

    @service.on("Bench", attributes=["load"], failed=True)
    async def curious(city: City, change: Change) -> None:
        every.append(change.put["load"])

    def flagged(number: int, flag: str, **more: Any) -> Event:
        found = event(number, load=9_999, **more)
        assert found.entity is not None
        load = {**found.entity["load"], "quality": {"type": "Property", "value": flag}}
        return replace(found, entity={**found.entity, "load": load})

    run = running(service)
    await run.change(flagged(1, "fail"))
    await run.change(flagged(2, "fail", colour="red"))
    await run.change(flagged(3, "suspect"))
    assert sound == [["colour"], ["load"]]
    assert every == [9_999] * 3
    assert run.kept.position == 3


async def test_an_entity_of_two_types_is_told_of_once() -> None:
    service, seen = made(), []

    @service.on("Bench")
    @service.on("Art")
    async def told(city: City, change: Change) -> None:
        seen.append(change.id)

    both = event(1, load=1)
    run = running(service)
    await run.change(replace(both, types=("Bench", "Art")))
    assert seen == ["urn:ngsi-ld:Bench:1"]


async def test_what_is_due_comes_before_a_later_change() -> None:
    service, seen = made(), list[int | str]()

    @service.every("10s")
    async def tick(city: City) -> None:
        seen.append(city.now.second)

    @service.on("Bench")
    async def change(city: City, change: Change) -> None:
        seen.append("change")

    run = running(service)
    await run.change(event(1, 5, load=1))
    await run.change(event(2, 25, load=1))
    await run.until(START + 30 * SECOND)
    assert seen == ["change", 50, 0, "change", 10]


async def test_a_timer_is_called_once_and_kept() -> None:
    service, seen = made(), []

    @service.on("Bench")
    async def ask(city: City, change: Change) -> None:
        city.at(timedelta(seconds=30), "look", "look", bench=change.id)

    @service.timer
    async def look(city: City, bench: str) -> None:
        seen.append((city.now.isoformat(), bench))

    run = running(service)
    await run.change(event(1, 0, load=1))
    await run.change(event(2, 10, load=1))  # of the same name: put off
    again = running(service, run.kept)
    await again.until(START + 100 * SECOND)
    assert seen == [("2026-11-18T11:07:20+00:00", "urn:ngsi-ld:Bench:1")]
    assert again.kept.timers == {}


async def test_a_timer_that_sets_itself_again_goes_on() -> None:
    service, seen = made(), []

    @service.on("Bench")
    async def ask(city: City, change: Change) -> None:
        city.at(timedelta(seconds=1), "look", "again")

    @service.timer
    async def look(city: City) -> None:
        seen.append(city.now.second)
        city.at(timedelta(seconds=1), "look", "again")

    run = running(service)
    await run.change(event(1))
    await run.until(START + 3 * SECOND)
    assert seen == [41, 42, 43]


async def test_a_call_made_again_does_the_same_under_the_same_ids() -> None:
    service = made()

    @service.on("Bench")
    async def decide(city: City, change: Change) -> None:
        city.state["n"] = city.state.get("n", 0) + 1
        number = city.rng.randrange(10**9)
        city.update("urn:ngsi-ld:Bench:2", "Bench", number=number, n=city.state["n"])
        made = city.decide("Two benches", because=[(change.put, "load")], expects={"load": 1})
        city.learn(made, load=2)
        city.measure("seen", number)

    done = []
    for _ in range(2):
        run = running(service, seed=7)
        await run.change(event(1, load=1))
        await run.change(event(2, load=1))
        done.append([one.document for one in run.effects])
    assert done[0] == done[1]
    ids = [one["id"] for one in done[0]]
    assert len([id for id in ids if ":Decision:" in id]) == len(set(ids)) - 2 == 2
    decision = next(one for one in done[0] if one["type"] == "Decision")
    assert decision["basedOn"]["json"] == [
        {"entity": "urn:ngsi-ld:Bench:1", "attribute": "load", "value": 1, "observedAt": None}
    ]
    assert decision["outcome"]["json"] == {"load": 2}
    other = running(service, seed=8)
    await other.change(event(1, load=1))
    assert other.effects[0].document["number"] != done[0][0]["number"]


async def test_a_call_that_fails_has_done_nothing_and_can_be_left_out() -> None:
    service = made()

    @service.on("Bench")
    async def divide(city: City, change: Change) -> None:
        city.update("urn:ngsi-ld:Bench:2", "Bench", load=1)
        city.update("urn:ngsi-ld:Bench:2", "Bench", share=1 / change.put["load"])

    run = running(service)
    with pytest.raises(ServiceFailed, match=r"test\.divide: ZeroDivisionError") as failed:
        await run.change(event(1, load=0))
    assert run.effects == []
    assert "change.put" in failed.value.trace
    after = running(service, Kept(0, START, skip=failed.value.key))
    await after.change(event(1, load=0))
    await after.change(event(2, load=2))
    assert [one.document["share"]["value"] for one in after.effects] == [0.5]


async def test_what_cannot_be_kept_fails_at_once() -> None:
    service = made()

    @service.on("Bench")
    async def ask(city: City, change: Change) -> None:
        city.at(timedelta(seconds=1), "look", what=object())

    @service.timer
    async def look(city: City) -> None:
        pass

    with pytest.raises(ServiceFailed, match="serializable"):
        await running(service).change(event(1))


def test_options_outside_their_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="price"):
        made().given({"price": 1})


def test_a_service_has_a_plain_name() -> None:
    with pytest.raises(ValueError, match="named like"):
        Service("Not So", title=NAME, purpose=NAME, category="other")
