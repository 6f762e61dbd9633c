"""Replays: a service does on recorded history what it did, or would have done, on the live city."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from madang.hub.operations import Delete, DeleteAttribute, Operation, Upsert
from madang.hub.tenant import Tenant
from madang.lake.frozen import freeze
from madang.lake.questions import Period, Series
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.query.reach import WHOLE
from madang.services.city import Change, City
from madang.services.replay.replay import Job, effects_file, replay
from madang.services.service import Indicator, Options, Service, Text, option
from madang.services.services import Services
from tests.recorded import needs, recorded
from tests.sense.small_town import town

NAME = Text("Test", "시험")
BENCH = "urn:ngsi-ld:Bench:"
SECOND = 1_000_000
DAY = 86_400 * SECOND


class Limits(Options):
    heavy: int = option(50, "Heavy", "무거움", "From here on a bench is heavy. [kg]", ge=1, le=200)


def keeper(*, hears: bool = True) -> Service:
    """A service that does some of everything, in answer to changes and to time.

    Args:
        hears: what it writes depends on what it has written itself, which live is there a moment
            later than in a replay.
    """
    service = Service(
        "keeper", title=NAME, purpose=NAME, category="other", needs=["Bench"],
        gives=["Bench", "Counter"], options=Limits,
        indicators=[Indicator("heavy", NAME, "C62", "lower")],
    )  # fmt: skip

    @service.on("Bench", attributes=["load"])
    async def weigh(city: City, change: Change) -> None:
        loads: dict[str, float] = city.state.setdefault("loads", {})
        loads[change.id] = change.put["load"]
        city.at(timedelta(milliseconds=150), "look", change.id, bench=change.id)
        if change.put["load"] >= city.options.heavy:
            chance = city.rng.randrange(1000)
            city.update(change.id, "Bench", status="heavy", chance=chance)
            city.decide(f"{change.id} is heavy", because=[(change.put, "load")])
        else:
            city.remove(change.id, "Bench", "status")
        city.measure("heavy", sum(load >= city.options.heavy for load in loads.values()))

    @service.on("Bench", attributes=["status"])
    async def hear(city: City, change: Change) -> None:
        """Hear what it has written itself, and what others have."""
        city.state["heard"] = city.state.get("heard", 0) + 1

    @service.timer
    async def look(city: City, bench: str) -> None:
        found = await city.find("Bench", "load>0")
        thing = await city.get(bench) if hears else None
        status = "gone" if thing is None else str(thing["status"])
        city.update(f"urn:ngsi-ld:Counter:{len(found)}", "Counter", seen=[bench, status],
                    heard=city.state.get("heard", 0) if hears else 0)  # fmt: skip

    return service


async def put(tenant: Tenant, name: str, **attributes: Any) -> None:
    whole = {n: {"type": "Property", "value": value} for n, value in attributes.items()}
    document = {"id": BENCH + name, "type": "Bench", **whole}
    await write(tenant, Upsert(BENCH + name, normalized(document, CORE), update=True))


async def write(tenant: Tenant, operation: Operation) -> None:
    (result,) = await tenant.write([operation])
    assert not isinstance(result, Exception), result


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await found():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def played(
    tenant: Tenant, service: Service, folder: Path, start: int, end: int, *options: dict[str, Any]
) -> dict[str, Any]:
    """Replay a service; return what came of it, with the effects of each run."""
    folder.mkdir()  # noqa: ASYNC240
    frozen = await tenant.history.read(lambda lake: freeze(lake, WHOLE, folder))
    runs = [service.given(values).model_dump(mode="json") for values in options or ({},)]
    job = Job(service.name, runs, start, end, frozen, str(folder))
    found = await replay(service, job, lambda _part, _changes: None)
    for number, run in enumerate(found["runs"]):
        lines = effects_file(folder, number).read_text().splitlines()
        run["all"] = [orjson.loads(line) for line in lines]
    return found


# --- the same as in reality ---------------------------------------------------------------------


async def test_a_replay_of_what_a_live_service_did_does_the_same_again(tmp_path: Path) -> None:
    async with town(tmp_path / "data", open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        services = Services(city.hub, city.trust.gate)
        service = keeper(hears=False)
        services.catalogue = {"keeper": service}
        await put(tenant, "before", load=70, status="old")
        start = tenant.clock.now()
        working = await services.switch("", "keeper", True)
        done: list[dict[str, Any]] = []
        live = working.live
        assert live is not None
        really = live._write

        async def noted(effects: Any) -> None:
            done.extend(orjson.loads(orjson.dumps([one.document for one in effects])))
            await really(effects)

        live._write = noted  # type: ignore[method-assign]
        for n, (name, load) in enumerate([("a", 40), ("b", 60), ("a", 80), ("before", 20)], 1):
            await put(tenant, name, load=load)
            await until(lambda n=n: _looked(done, n))  # type: ignore[misc]
        await write(tenant, DeleteAttribute(BENCH + "b", "load"))
        await write(tenant, Delete(BENCH + "a"))
        await put(tenant, "b", load=55)
        await until(lambda: _looked(done, 5))
        await until(lambda: _caught_up(working, tenant))
        end = tenant.clock.now()
        await services.close()
        found = await played(tenant, service, tmp_path / "replay", start, end)
        (run,) = found["runs"]
        assert run["failure"] is None
        assert run["all"] == done
        assert run["decisions"] == found["recorded"]["decisions"] == 3
        (indicator,) = found["indicators"]
        assert indicator["replayed"] == [indicator["recorded"]]


async def _looked(done: list[dict[str, Any]], times: int) -> bool:
    return len([one for one in done if one["type"] == "Counter"]) == times


async def _caught_up(working: Any, tenant: Tenant) -> bool:
    return bool(working.live.position == tenant.history.last)


async def test_two_replays_are_the_same_and_two_settings_are_not(tmp_path: Path) -> None:
    async with town(tmp_path / "data", open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        start = tenant.clock.now()
        for n in range(40):
            await put(tenant, str(n % 7), load=n * 37 % 101)
        end = tenant.clock.now()
        service = keeper()
        one = await played(tenant, service, tmp_path / "1", start, end, {}, {"heavy": 90})
        await put(tenant, "later", load=100)
        two = await played(tenant, service, tmp_path / "2", start, end, {}, {"heavy": 90})
        digests = [run["digest"] for run in one["runs"]]
        assert digests == [run["digest"] for run in two["runs"]]
        assert one["runs"][0]["all"] == two["runs"][0]["all"]
        low, high = one["runs"]
        assert 0 < high["decisions"] < low["decisions"]
        assert (low["options"], high["options"]) == ({"heavy": 50}, {"heavy": 90})
        assert one["changes"] == 40


async def test_nothing_is_written_to_the_city(tmp_path: Path) -> None:
    async with town(tmp_path / "data", open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        start = tenant.clock.now()
        await put(tenant, "a", load=90)
        last = tenant.history.last
        found = await played(
            tenant, keeper(), tmp_path / "replay", start, tenant.clock.now() + SECOND
        )
        assert found["runs"][0]["effects"] > 3
        assert tenant.history.last == last
        assert await tenant.get("urn:ngsi-ld:Counter:1") is None


# --- what it is told ----------------------------------------------------------------------------


async def test_what_others_did_to_what_it_alone_had_made_is_told_only_if_it_makes_it_again(
    tmp_path: Path,
) -> None:
    async with town(tmp_path / "data", open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        service, heard = keeper(), list[str]()

        @service.on("Counter", attributes=["note"])
        async def noted(city: City, change: Change) -> None:
            heard.append(change.id)

        services = Services(city.hub, city.trust.gate)
        services.catalogue = {"keeper": service}
        start = tenant.clock.now()
        working = await services.switch("", "keeper", True)
        await put(tenant, "a", load=90)
        counter = "urn:ngsi-ld:Counter:1"

        async def made() -> bool:
            return await tenant.get(counter) is not None

        await until(made)
        whole = {"id": counter, "type": "Counter", "note": {"type": "Property", "value": "hello"}}
        await write(tenant, Upsert(counter, normalized(whole, CORE), update=True))
        await until(lambda: _caught_up(working, tenant))
        await services.close()
        end = tenant.clock.now()
        assert heard == [counter]
        await played(tenant, service, tmp_path / "same", start, end)
        assert heard == [counter] * 2
        service.on_timer.clear()  # so that it does not make the counter

        @service.timer
        async def look(city: City, bench: str) -> None:
            return

        await played(tenant, service, tmp_path / "other", start, end)
        assert heard == [counter] * 2


async def test_what_was_loaded_from_files_is_told_at_its_times_and_its_history_can_be_asked(
    tmp_path: Path,
) -> None:
    service = Service("asker", title=NAME, purpose=NAME, category="other",
                      needs=["Bench"], gives=["Bench"])  # fmt: skip
    told: list[tuple[str, float, list[float], list[float]]] = []

    @service.on("Bench", attributes=["load"])
    async def ask(city: City, change: Change) -> None:
        hourly = Series(("load", "twice"), every=Period(microseconds=3600 * SECOND))
        frame = await city.history(hourly)
        twice = frame["twice"].drop_nulls().to_list() if "twice" in frame.columns else []
        told.append(
            (city.now.strftime("%H:%M"), change.put["load"], frame["load"].to_list(), twice)
        )
        city.update(change.id, "Bench", twice=2 * change.put["load"])

    async with town(tmp_path / "data", open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        start = 1_767_225_600 * SECOND  # 2026-01-01
        hours = [start + n * 3600 * SECOND for n in range(-2, 3)]
        frame = pl.DataFrame(
            {
                "entity": BENCH + "1", "type": "Bench", "attribute": "load",
                "time": pl.Series(hours).cast(pl.Datetime("us")),
                "number": [10.0, 20.0, 30.0, 40.0, 50.0],
            }
        )  # fmt: skip
        await tenant.history.change(lambda lake: lake.load(frame, created=tenant.clock.now()))
        found = await played(tenant, service, tmp_path / "replay", start, start + DAY)
        assert told == [
            ("01:00", 40, [10, 20, 30], []),
            ("02:00", 50, [10, 20, 30, 40], [80]),
        ]
        assert (found["entities"], found["changes"]) == (1, 2)


async def test_a_service_that_fails_says_when_and_why(tmp_path: Path) -> None:
    service = keeper()

    @service.on("Bench", attributes=["load"])
    async def fragile(city: City, change: Change) -> None:
        if change.put["load"] == 13:
            raise LookupError("thirteen")

    async with town(tmp_path / "data", open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        start = tenant.clock.now()
        for load in (1, 13, 2):
            await put(tenant, "a", load=load)
        found = await played(tenant, service, tmp_path / "replay", start, tenant.clock.now())
        (run,) = found["runs"]
        assert run["failure"]["message"] == "keeper.fragile: LookupError: thirteen"
        assert "raise LookupError" in run["failure"]["trace"]


# --- recorded -----------------------------------------------------------------------------------


@pytest.mark.slow
@needs("mobility/parking/birmingham_2016.csv.gz")
async def test_two_price_rules_are_compared_on_recorded_car_parks(tmp_path: Path) -> None:
    from madang.services.parking.service import service

    (file,) = recorded("mobility/parking/birmingham_2016.csv.gz")
    async with town(tmp_path / "data", open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        rows = birmingham(file, parks=4)
        await tenant.history.change(lambda lake: lake.load(rows, created=tenant.clock.now()))
        start = int(rows["time"].min().timestamp()) * SECOND - DAY  # type: ignore[union-attr]
        weekly = {"period_days": 7, "time_zone": "Europe/London"}
        found = await played(
            tenant, service, tmp_path / "replay", start, start + 80 * DAY,
            weekly, weekly | {"step_up": 0.5},
        )  # fmt: skip
        small, large = found["runs"]
        assert small["decisions"] == large["decisions"] > 50
        assert small["digest"] != large["digest"]


def birmingham(file: Path, parks: int | None = None) -> pl.DataFrame:
    """Return recorded counts of car parks as instances of history."""
    rows = pl.read_csv(file, try_parse_dates=True).rename({"LastUpdated": "local"})
    names = rows["SystemCodeNumber"].unique().sort()[:parks]
    rows = rows.filter(pl.col("SystemCodeNumber").is_in(names.implode()))
    rows = rows.unique(["SystemCodeNumber", "local"], keep="first", maintain_order=True)
    local = pl.col("local").dt.replace_time_zone("Europe/London", ambiguous="earliest")
    code = pl.col("SystemCodeNumber").str.replace_all(" ", "-")
    return rows.select(
        entity="urn:ngsi-ld:OffStreetParking:" + code,
        type=pl.lit("OffStreetParking"),
        time=local.dt.convert_time_zone("UTC").dt.replace_time_zone(None),
        totalSpotNumber=pl.col("Capacity").cast(pl.Float64),
        occupiedSpotNumber=pl.col("Occupancy").cast(pl.Float64),
    ).unpivot(index=["entity", "type", "time"], variable_name="attribute", value_name="number")
