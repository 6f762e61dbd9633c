"""Leaks of a water network and behind meters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from madang.services.city import moment
from madang.services.played import Played, at
from madang.services.water import leak as water_leak
from madang.services.water import meter as water_meter
from madang.services.water.home import duration
from madang.services.water.home import service as home_service
from madang.services.water.hydraulics import EXPONENT, Network, resistance, response
from madang.services.water.leak import District, Limits, Row, judge, learn
from madang.services.water.service import service
from tests.recorded import DATA, needs, recorded

METER = "urn:ngsi-ld:WaterConsumptionObserved:H1"
HOUR = 3_600_000_000


# --- hydraulics ---------------------------------------------------------------------------------


def test_a_single_pipe_loses_what_hazen_and_williams_say() -> None:
    loss = resistance(1000, 0.3, 130)
    network = Network(("source", "end"), (0.0, 50.0), ((0, 1, loss),), ((0, 60.0),), ())
    drop = response(network, (1,), 1.0).drop
    assert drop[0, 1] == pytest.approx(EXPONENT * loss * 50.0 ** (EXPONENT - 1), rel=1e-3)
    assert drop[0, 0] == 0.0


def test_two_pipes_share_a_leak_as_their_resistances_have_it() -> None:
    loss = resistance(500, 0.2, 120)
    pipes = ((0, 1, loss), (0, 1, loss))
    network = Network(("source", "end"), (0.0, 50.0), pipes, ((0, 60.0),), ())
    drop = response(network, (1,), 1.0).drop
    alone = EXPONENT * loss * 25.0 ** (EXPONENT - 1)  # half of the flow in each of two
    assert drop[0, 1] == pytest.approx(alone / 2, rel=1e-3)


def test_a_leak_behind_a_valve_does_not_lower_pressure_before_it() -> None:
    loss = resistance(500, 0.2, 120)
    network = Network(
        ("source", "before", "after", "end"), (0.0, 20.0, 0.0, 20.0),
        ((0, 1, loss), (2, 3, loss)), ((0, 60.0), (2, 30.0)), ((1, 2),),
    )  # fmt: skip
    drop = response(network, (1, 3), 1.0).drop
    assert drop[0, 3] == drop[1, 1] == 0.0
    twice = EXPONENT * loss * 40.0 ** (EXPONENT - 1)  # what goes through the valve as well
    assert drop[0, 1] == pytest.approx(twice, rel=1e-3)


# --- the test for leaks -------------------------------------------------------------------------


def ladder(leak_at: int, size: float, days: int, begins: int) -> tuple[District, list[Row]]:
    """Return a row of four junctions behind a source, and days of it with a leak."""
    rng = np.random.default_rng(5)
    loss = resistance(800, 0.2, 110)
    network = Network(
        ("source", "a", "b", "c", "d"), (0.0, 10.0, 10.0, 10.0, 10.0),
        tuple((row, row + 1, loss) for row in range(4)), ((0, 80.0),), (),
    )  # fmt: skip
    rows: list[Row] = []
    for day in range(days):
        demand = rng.normal(10, 0.2, 4) * (0.9 if day % 7 >= 5 else 1.0)
        demand[leak_at - 1] += size if day >= begins else 0.0
        flows = demand[::-1].cumsum()[::-1]
        heads = 80 - np.cumsum(loss * flows**EXPONENT)
        night = 0.3 * 40 + (size if day >= begins else 0.0) + rng.normal(0, 0.4)
        row = [day % 7, flows[0], flows[0] ** EXPONENT, 0.0, 0.0, night]
        rows.append([*row, *(heads + rng.normal(0, 0.003, 4))])
    places = [[0.0, 0.0], *([800.0 * step, 0.0] for step in range(1, 5))]
    return District(network, (1, 2, 3, 4), places), rows


@pytest.mark.parametrize("leak_at", [1, 2, 3, 4])
def test_a_leak_is_found_near_its_junction_with_its_size_and_its_day(leak_at: int) -> None:
    district, rows = ladder(leak_at, 6.0, 40, 34)
    model = learn(rows[:28])
    limits = Limits(20.0, 1.5, 0.5)
    for day in range(30, 35):
        leaks, news = judge(model, rows[:day], 0, 0, district, [], limits)
        assert not news, "before the leak there is none"
    leaks, news = judge(model, rows[:37], 0, 0, district, [], limits)
    assert [one.kind for one in news] == ["new"]
    assert abs(leaks[0]["node"] - leak_at) <= 1, "neighbours look much alike"
    assert leaks[0]["start"] == 34
    assert leaks[0]["size"] == pytest.approx(6.0, abs=1.5)


def test_a_leak_that_is_mended_ends() -> None:
    district, rows = ladder(3, 6.0, 60, 34)
    mended = ladder(3, 0.0, 60, 0)[1]
    rows = rows[:46] + mended[46:]
    model, limits = learn(rows[:28]), Limits(20.0, 1.5, 0.5)
    leaks: list[water_leak.Leak] = []
    changed, kinds = 0, []
    for day in range(30, 56):
        leaks, news = judge(model, rows[:day], 0, changed, district, leaks, limits)
        for one in news:
            if one.kind != "moved":
                kinds.append(one.kind)
                changed = leaks[one.leak]["since"]
    assert kinds == ["new", "ended"]
    assert leaks[0]["size"] == 0.0


def test_without_a_network_the_night_flow_alone_tells_of_a_leak() -> None:
    district, rows = ladder(2, 6.0, 40, 34)
    bare = District(district.network._replace(pipes=()), (), [])
    few: list[Row] = [list(row[: water_leak.PRESSURES]) for row in rows]
    leaks, news = judge(learn(few[:28]), few[:38], 0, 0, bare, [], Limits(20.0, 1.5, 0.5))
    assert [one.kind for one in news] == ["new"]
    assert leaks[0]["node"] == -1
    assert leaks[0]["size"] == pytest.approx(6.0, abs=1.5)


async def test_a_district_learns_and_writes_its_night_flow() -> None:
    played = Played(service, at("2026-03-02 06:00"), learning_days=21)
    main = "urn:ngsi-ld:WaterDistrict:m"
    pipe = "urn:ngsi-ld:Pipe:p"
    link = {"type": "Relationship", "object": pipe}
    await played.put(at("2026-03-02 06:00"), main, "WaterDistrict", inflow=link)
    start = at("2026-03-02 06:00")
    rng = np.random.default_rng(1)
    for hour in range(24 * 30):
        leak = 8.0 if hour >= 24 * 26 else 0.0
        await played.put(
            start + hour * HOUR, pipe, "Pipe", flow=20.0 + leak + float(rng.normal(0, 0.5))
        )
    await played.until(start + 24 * 30 * HOUR)
    assert played.thing(main)["nightFlow"] == pytest.approx(28, abs=1)
    assert played.thing(main)["watchStatus"] == "watching"
    (leak_,) = played.things("WaterLeak")
    assert leak_["flow"] == pytest.approx(8, abs=1)
    assert leak_["status"] == "open"
    (alert,) = played.things("Alert")
    assert alert["category"] == "waterLeak"
    assert "loses about" in alert["description"]["en"]
    assert len(played.things("Notice")) == 1


# --- L-TOWN -------------------------------------------------------------------------------------


@pytest.mark.slow
@needs("water/epanet/L-TOWN.inp", "water/battledim")
async def test_recorded_leaks_of_l_town_are_found_soon_near_and_with_their_size(
    tmp_path: Path,
) -> None:
    pytest.importorskip("wntr")
    from tests.services.ltown import play
    from tests.services.ltown_told import Streets, watched

    data = DATA / "water"
    start = datetime(2018, 12, 10, tzinfo=UTC)  # p523 breaks on 15 January, mended on 1 February
    played = play(data, start, start + timedelta(days=58), tmp_path)
    found = await watched(data, played)
    first = found[0]
    assert moment(first.told) - datetime(2019, 1, 15, 23, tzinfo=UTC) < timedelta(days=2)
    junction = first.last["refJunction"].rpartition(":")[2]
    assert Streets(data).metres(junction, "p523") < 600
    assert first.last["flow"] == pytest.approx(28, rel=0.3) or first.last["status"] == "ended"
    assert len(found) <= 3


# --- meters -------------------------------------------------------------------------------------


async def told(litres: list[float], hours: float = 1.0) -> Played:
    played = Played(home_service, at("2026-03-02 00:00"))
    total = 0.0
    for number, one in enumerate(litres):
        total += one
        value = {"type": "Property", "value": total, "unitCode": "LTR"}
        now = at("2026-03-02 00:00") + int(number * hours * HOUR)
        await played.put(now, METER, "WaterConsumptionObserved", waterConsumption=value)
    return played


async def test_flow_that_has_not_paused_for_a_day_is_a_leak_until_it_pauses() -> None:
    played = await told([10.0] * 24)
    assert played.things("Alert") == []
    played = await told([10.0] * 26)
    (alert,) = played.things("Alert")
    assert alert["status"] == "open"
    assert "at least 10 litres an hour" in alert["description"]["en"]
    assert "240 litres a day" in alert["description"]["en"]
    assert "cistern" in alert["description"]["en"]
    assert played.thing(METER)["alarmInProgress"] == 1
    played = await told([10.0] * 26 + [0.0])
    assert played.things("Alert")[0]["status"] == "closed"
    assert played.thing(METER)["alarmInProgress"] == 0
    assert played.thing(METER)["advice"] is None


async def test_a_meter_that_is_changed_or_silent_is_no_leak() -> None:
    assert (await told([10.0] * 20 + [-100.0] + [10.0] * 20)).things("Alert") == []
    assert (await told([50.0] * 30, hours=7)).things("Alert") == []


def test_more_water_than_ever_is_a_burst() -> None:
    meter = water_meter.new(0.0, 0)
    litres, news = 0.0, []
    for hour in range(24 * 20):
        litres += 600.0 if hour >= 24 * 19 else 40.0 if hour % 24 in (7, 19) else 0.0
        news.append(water_meter.read(meter, litres, (hour + 1) * 3600, 24))
    assert news.index("burst") == 24 * 19 + 1


def test_durations_are_those_of_the_data_model() -> None:
    assert [duration(one) for one in (24, 47, 48, 400)] == [
        "24h < 2d", "24h < 2d", "2d < 4d", "15d < 30d",
    ]  # fmt: skip


def alicante() -> dict[str, list[tuple[int, float]]]:
    """Return seconds since 1970 and litres of each meter."""
    (file,) = recorded("water/daiad_alicante/hourly_meters_2016-03_2017-02.csv.gz")
    frame = pl.read_csv(file, try_parse_dates=True).select(
        "household", pl.col("datetime").dt.epoch("s"), "meter_reading_l"
    )
    found: dict[str, list[tuple[int, float]]] = {}
    for home, second, litres in frame.iter_rows():
        found.setdefault(home, []).append((second, litres))
    return found


def first_leak(readings: list[tuple[int, float]], start: int, rate: float) -> float:
    """Return the hours until a leak that is put in is told; infinite if it is not."""
    meter = water_meter.new(readings[0][1], readings[0][0])
    for second, litres in readings:
        more = max(second - start, 0) / 3600 * rate
        if water_meter.read(meter, litres + more, second, 24) == "leak" and second > start:
            return (second - start) / 3600
    return float("inf")


@pytest.mark.slow
def test_a_leak_put_into_recorded_homes_is_told_after_a_day() -> None:
    hours, had = [], 0
    for readings in list(alicante().values())[::4]:
        start = readings[len(readings) // 2][0]
        alone = first_leak(readings, start, 0.0)
        if alone < 48:  # it leaks by itself then
            had += 1
            continue
        hours.append(first_leak(readings, start, 15.0))
    assert len(hours) >= 15
    assert np.median(hours) <= 30
    assert np.mean([one <= 72 for one in hours]) >= 0.8
