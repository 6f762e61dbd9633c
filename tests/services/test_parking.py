"""Smart parking: occupancy, prices in SFpark's steps, and where drivers are led."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from madang.services.parking.service import service
from madang.services.parking.sfpark import Prices, period_end, seconds, sentence, stepped
from madang.services.played import Played, at
from tests.recorded import recorded

A, B, C = (f"urn:ngsi-ld:OffStreetParking:{name}" for name in "ABC")
BLOCK = "urn:ngsi-ld:OnStreetParking:block-1"
MONDAY = "2026-03-02"
DAY = 86_400_000_000


def point(lon: float, lat: float = 0.0) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def playing(**options: Any) -> Played:
    given = {"period_days": 1, "bands": [[9, 12]], "hold_minutes": 1440, **options}
    return Played(service, at(f"{MONDAY} 00:00"), **given)


async def day(played: Played, number: int, occupied: int, id: str = A, total: int = 1000) -> None:
    """Let a car park have one occupancy from 8 o'clock of a day to its end."""
    start = at(f"{MONDAY} 00:00") + number * DAY
    await played.put(
        start + DAY // 3, id, "OffStreetParking",
        totalSpotNumber=total, availableSpotNumber=total - occupied,
    )  # fmt: skip
    await played.until(start + DAY)


def decisions(played: Played) -> list[str]:
    return [str(one["description"]["en"]) for one in played.things("Decision")]


# --- the rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("occupancy", "price"),
    [(1.0, 2.75), (0.801, 2.75), (0.8, 2.5), (0.7, 2.5), (0.6, 2.5), (0.599, 2.25), (0.3, 2.25),
     (0.299, 2.0), (0.0, 2.0)],
)  # fmt: skip
def test_each_step_of_the_rule(occupancy: float, price: float) -> None:
    assert stepped(2.5, occupancy, Prices()) == price


def test_prices_stay_between_floor_and_cap() -> None:
    rule = Prices(floor=1, cap=3)
    assert [stepped(price, 0.9, rule) for price in (2.75, 2.9, 3.0)] == [3.0, 3.0, 3.0]
    assert [stepped(price, 0.1, rule) for price in (1.5, 1.2, 1.0)] == [1.0, 1.0, 1.0]


def test_a_sentence_names_the_limit_that_holds_a_price() -> None:
    rule = Prices()
    assert sentence("A", (9, 12), 0.9, 6, 6, rule).en.endswith("6.00 USD an hour stays, the cap")
    assert sentence("A", (9, 12), 0.9, 6, 6, rule).ko.endswith("시간당 6.00 USD 유지, 최고 요금")
    assert sentence("A", (9, 12), 0.1, 0.25, 0.25, rule).en.endswith("stays, the floor")
    assert sentence("A", (9, 12), 0.7, 2.5, 2.5, rule).en.endswith("2.50 USD an hour stays")


def test_time_is_shared_out_to_the_bands_by_the_clock_of_the_city() -> None:
    rule = Prices(bands=((9, 12), (12, 15)), time_zone="Asia/Seoul")
    start = at("2026-03-01 23:30") // 1_000_000  # 08:30 in Seoul
    found: dict[tuple[int, int], int] = {}
    for band, passed in seconds(start, start + 5 * 3600, rule):
        found[band] = found.get(band, 0) + passed
    assert found == {(9, 12): 3 * 3600, (12, 15): 5400}


def test_a_period_ends_at_midnight_though_the_clocks_change() -> None:
    rule = Prices(period_days=7, time_zone="Europe/London")
    now = datetime(2026, 3, 25, 10, tzinfo=ZoneInfo("Europe/London"))
    assert period_end(now, rule).isoformat() == "2026-04-01T00:00:00+01:00"


@pytest.mark.parametrize(
    "options",
    [{"bands": [[9, 12], [11, 15]]}, {"bands": [[12, 9]]}, {"bands": [[20, 25]]}, {"bands": []},
     {"floor": 3, "cap": 2}, {"time_zone": "Asia/Seol"}, {"time_zone": "../etc"}, {"step_up": -1},
     {"currency": "won"}, {"period_days": 0}, {"steps": 1}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        service.given(options)


def test_every_option_has_titles_in_both_languages_and_a_description() -> None:
    for field in service.options.model_fields.values():
        assert field.title
        assert field.description
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra["ko"]


# --- prices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("occupied", "price"), [(860, 2.75), (700, 2.5), (450, 2.25), (200, 2.0)])
async def test_a_period_sets_the_price_of_the_next(occupied: int, price: float) -> None:
    played = playing()
    await day(played, 0, occupied)
    assert played.thing(A)["pricePerHour9To12"] == price
    assert played.thing(A).attribute("pricePerHour9To12")["priceCurrency"]["value"] == "USD"
    assert len(decisions(played)) == 1


async def test_a_decision_tells_its_figures_what_it_expects_and_what_came_of_it() -> None:
    played = playing()
    await day(played, 0, 860)
    await day(played, 1, 760)
    first, second = played.things("Decision")
    assert first["description"] == {
        "en": "Mean occupancy 9-12 h in A was 86 % over 1 day (goal 60-80 %):"
        " 2.50 -> 2.75 USD an hour",
        "ko": "A, 1일간 9-12시 평균 점유율 86 % (목표 60-80 %): 시간당 2.50 -> 2.75 USD",
    }
    assert second["description"]["en"] == (
        "Mean occupancy 9-12 h in A was 76 % over 1 day (goal 60-80 %): 2.75 USD an hour stays"
    )
    assert first["madeBy"] == "parking 1"
    assert first["basedOn"][0] == {
        "entity": A, "attribute": "occupancy", "value": 0.86, "observedAt": "2026-03-02T08:00:00Z",
    }  # fmt: skip
    assert first["expects"] == {"meanOccupancy": [0.6, 0.8]}
    assert first["undo"] == {A: {"pricePerHour9To12": 2.5}}
    assert first["outcome"] == {"meanOccupancy": 0.76, "inGoal": True}
    assert second["outcome"] is None


async def test_prices_go_down_to_the_floor_and_up_to_the_cap() -> None:
    played = playing(floor=2, cap=3)
    seen = []
    for number, occupied in enumerate([100, 100, 900, 900, 900, 900, 900]):
        await day(played, number, occupied)
        seen.append(played.thing(A)["pricePerHour9To12"])
    assert seen == [2.0, 2.0, 2.25, 2.5, 2.75, 3.0, 3.0]


async def test_a_price_changes_only_once_a_period() -> None:
    played = playing(period_days=7)
    for number in range(14):
        await day(played, number, 900)
    assert len(decisions(played)) == 2
    assert played.thing(A)["pricePerHour9To12"] == 3.0


async def test_bands_have_prices_of_their_own() -> None:
    played = playing(bands=[[9, 12], [12, 15]])
    await played.put(at(f"{MONDAY} 09:00"), A, "OffStreetParking", totalSpotNumber=10,
                     availableSpotNumber=1)  # fmt: skip
    await played.put(at(f"{MONDAY} 12:00"), A, "OffStreetParking", availableSpotNumber=8)
    await played.until(at("2026-03-03 00:00"))
    assert played.thing(A)["pricePerHour9To12"] == 2.75
    assert played.thing(A)["pricePerHour12To15"] == 2.0


async def test_the_mean_counts_how_long_and_not_how_often() -> None:
    played = playing()
    await played.put(at(f"{MONDAY} 09:00"), A, "OffStreetParking", totalSpotNumber=10,
                     availableSpotNumber=0)  # fmt: skip
    for minute in range(40, 60):  # 20 messages of the last twenty minutes
        free = 10 if minute % 2 else 9
        await played.put(
            at(f"{MONDAY} 11:{minute}"), A, "OffStreetParking", availableSpotNumber=free
        )
    await played.until(at("2026-03-03 00:00"))
    assert "was 89.4 %" in decisions(played)[0]  # (160 + 10 * 0.1) / 180


async def test_a_silent_sensor_sets_no_price() -> None:
    played = playing(hold_minutes=60)
    await played.put(at(f"{MONDAY} 09:00"), A, "OffStreetParking", totalSpotNumber=10,
                     availableSpotNumber=0)  # fmt: skip
    await played.until(at("2026-03-03 00:00"))
    assert decisions(played) == []


async def test_a_price_set_by_hand_is_where_the_next_step_begins() -> None:
    played = playing()
    await day(played, 0, 900)
    await played.put(at("2026-03-03 07:00"), A, "OffStreetParking", pricePerHour9To12=4)
    await day(played, 1, 900)
    assert played.thing(A)["pricePerHour9To12"] == 4.25


async def test_the_indicator_is_the_share_of_time_in_the_goal() -> None:
    played = playing()
    await played.put(at(f"{MONDAY} 09:00"), A, "OffStreetParking", totalSpotNumber=10,
                     availableSpotNumber=3)  # fmt: skip
    await played.put(at(f"{MONDAY} 10:00"), A, "OffStreetParking", availableSpotNumber=0)
    await played.until(at("2026-03-03 00:00"))
    (indicator,) = played.things("KeyPerformanceIndicator")
    assert indicator["currentValue"] == 33.3
    assert indicator.attribute("currentValue")["unitCode"] == "P1"


async def test_a_restart_changes_nothing_and_two_runs_are_the_same() -> None:
    runs = [playing(), playing(), playing()]
    for number, occupied in enumerate([900, 1000, 400, 100]):
        for played in runs:
            await day(played, number, occupied)
        runs[2].restart()
    assert runs[0].written == runs[1].written == runs[2].written


# --- counts -------------------------------------------------------------------------------------


def spot(number: int) -> str:
    return f"urn:ngsi-ld:ParkingSpot:block-1:{number}"


async def taken(played: Played, minute: int, number: int, status: str, **more: Any) -> None:
    now = at(f"{MONDAY} 10:{minute:02}")
    await played.put(now, spot(number), "ParkingSpot", status=status, **more)


async def test_spots_are_counted_for_their_block() -> None:
    played = playing()
    home = {"refParkingSite": {"type": "Relationship", "object": BLOCK}}
    await played.put(at(f"{MONDAY} 09:59"), BLOCK, "OnStreetParking", name="Block 1")
    for number, status in enumerate(["free", "occupied", "occupied", "occupied", "closed"]):
        await taken(played, number, number, status, **home)
    assert (played.thing(BLOCK)["occupancy"], played.thing(BLOCK)["availableSpotNumber"]) == (
        0.75,
        1,
    )
    await taken(played, 10, 1, "free")
    assert (played.thing(BLOCK)["occupancy"], played.thing(BLOCK)["availableSpotNumber"]) == (
        0.5,
        2,
    )
    await played.delete(at(f"{MONDAY} 10:11"), spot(0))
    assert played.thing(BLOCK)["occupancy"] == 0.6667
    other = {"refParkingSite": {"type": "Relationship", "object": f"{BLOCK}0"}}
    await taken(played, 12, 1, "free", **other)
    assert played.thing(BLOCK)["occupancy"] == 1.0
    assert played.thing(f"{BLOCK}0")["availableSpotNumber"] == 1


async def test_spots_that_were_there_before_the_service_are_counted_too() -> None:
    played = playing()
    home = {"type": "Relationship", "object": BLOCK}
    for number in range(4):
        document = {
            "id": spot(number),
            "type": "ParkingSpot",
            "status": {"type": "Property", "value": "occupied"},
            "refParkingSite": home,
        }
        played.ground.write(document, at(f"{MONDAY} 00:00"))
    await taken(played, 0, 0, "free")
    assert played.thing(BLOCK)["occupancy"] == 0.75


@pytest.mark.parametrize(
    ("counts", "occupancy", "free"),
    [({"availableSpotNumber": 25}, 0.75, 25), ({"occupiedSpotNumber": 75}, 0.75, 25),
     ({"occupiedSpotNumber": 104}, 1.0, 0), ({"occupiedSpotNumber": -3}, 0.0, 100),
     ({"availableSpotNumber": "many"}, None, "many"), ({"availableSpotNumber": 1e300}, None, 1e300),
     ({"availableSpotNumber": True}, None, True)],
    ids=str,
)  # fmt: skip
async def test_car_parks_count_themselves_and_miscount(
    counts: dict[str, Any], occupancy: float | None, free: Any
) -> None:
    played = playing()
    await played.put(at(f"{MONDAY} 10:00"), A, "OffStreetParking", totalSpotNumber=100, **counts)
    assert (played.thing(A)["occupancy"], played.thing(A)["availableSpotNumber"]) == (
        occupancy,
        free,
    )


async def test_a_closed_car_park_counts_for_nothing() -> None:
    played = playing()
    await played.put(at(f"{MONDAY} 08:00"), A, "OffStreetParking", totalSpotNumber=10,
                     availableSpotNumber=0, status=["closed"])  # fmt: skip
    await played.put(at(f"{MONDAY} 08:30"), A, "OffStreetParking", availableSpotNumber=1)
    await played.until(at("2026-03-03 00:00"))
    assert decisions(played) == []
    assert played.thing(A)["occupancy"] is None
    await played.put(at("2026-03-03 08:00"), A, "OffStreetParking", status=["open"])
    assert played.thing(A)["occupancy"] == 0.9


async def test_a_spot_whose_zone_is_no_uri_is_left_out() -> None:
    played = playing()
    await taken(played, 0, 0, "free", refParkingSite='the "old" market')
    await taken(played, 1, 1, "free", refParkingSite=["a", "b"])
    assert played.written == []


# --- guidance -----------------------------------------------------------------------------------


async def test_a_full_zone_leads_to_the_nearest_with_free_places() -> None:
    played = playing()
    for minute, (id, lon, free) in enumerate([(A, 0.0, 5), (B, 0.01, 5), (C, 0.02, 5)]):
        await played.put(at(f"{MONDAY} 10:0{minute}"), id, "OffStreetParking", location=point(lon),
                         totalSpotNumber=10, availableSpotNumber=free)  # fmt: skip
    assert played.thing(A)["guidance"] is None

    async def count(minute: int, id: str, free: int) -> None:
        now = at(f"{MONDAY} 10:{minute}")
        await played.put(now, id, "OffStreetParking", availableSpotNumber=free)

    def sign(id: str) -> tuple[str, str | None]:
        text = played.thing(id)["guidance"]["en"]
        return text, played.thing(id).attribute("guidance").get("refParkingSite", {}).get("object")

    await count(10, A, 0)
    assert sign(A) == ("Full. The nearest free places are 1113 m away: B.", B)
    assert "1113 m" in played.thing(A)["guidance"]["ko"]
    await count(11, B, 0)
    assert sign(A) == ("Full. The nearest free places are 2226 m away: C.", C)
    assert sign(B)[1] == C
    await count(12, C, 0)
    assert {sign(id) for id in (A, B, C)} == {("Full. No free places are known.", None)}
    await count(13, B, 1)
    assert (sign(A)[1], sign(B), sign(C)[1]) == (B, ("There are free places.", None), B)
    await played.delete(at(f"{MONDAY} 10:20"), B)
    assert sign(A) == ("Full. No free places are known.", None)


# --- recorded -----------------------------------------------------------------------------------

LONDON = "Europe/London"
PARKS = [
    "BHMBCCMKT01",
    "NIA North",
    "BHMBCCTHL01",
    "Others-CCCPS202",
    "Broad Street",
    "BHMBRCBRG01",
]
BANDS = [(9, 12), (12, 15)]
HOLD = timedelta(hours=1)


def birmingham() -> pl.DataFrame:
    """Return counts by car park in the order of their local times."""
    (file,) = recorded("mobility/parking/birmingham_2016.csv.gz")
    rows = pl.read_csv(file, try_parse_dates=True)
    rows = rows.rename({"SystemCodeNumber": "park", "LastUpdated": "time"})
    return rows.filter(pl.col("park").is_in(PARKS)).sort("time", "park", maintain_order=True)


def means(rows: pl.DataFrame, start: datetime) -> dict[tuple[str, int, tuple[int, int]], float]:
    """Return mean occupancy by car park, week and band, where half of the band is known."""
    over = pl.col("time").shift(-1).over("park", order_by="time").fill_null(datetime(2017, 1, 1))
    rows = rows.with_columns(
        end=pl.min_horizontal(over, pl.col("time") + HOLD),
        share=(pl.col("Occupancy") / pl.col("Capacity")).clip(0, 1),
        week=(pl.col("time").dt.date() - start.date()).dt.total_days() // 7,
    )
    found = {}
    for low, high in BANDS:
        date = pl.col("time").dt.truncate("1d")
        opens, closes = date + timedelta(hours=low), date + timedelta(hours=high)
        inside = pl.min_horizontal("end", closes) - pl.max_horizontal("time", opens)
        seconds = inside.dt.total_seconds().clip(0)
        weeks = rows.group_by("park", "week").agg(
            known=seconds.sum(), weighted=(seconds * pl.col("share")).sum()
        )
        for park, week, known, weighted in weeks.iter_rows():
            if known >= 7 * (high - low) * 3600 / 2:
                found[park, week, (low, high)] = round(weighted / known, 3)
    return found


def rule(price: float, occupancy: float) -> float:
    """SFpark's rule once more, in quarters of a dollar."""
    quarters = round(price * 4)
    if occupancy > 0.8:
        quarters += 1
    elif 0.3 <= occupancy < 0.6:
        quarters -= 1
    elif occupancy < 0.3:
        quarters -= 2
    return min(max(quarters, 1), 24) / 4


async def test_recorded_car_parks_are_counted_and_priced_as_computed_by_other_means() -> None:
    rows = birmingham()
    start = rows["time"][0]
    assert rows.filter(pl.col("Occupancy") > pl.col("Capacity")).height > 0
    assert rows.filter(pl.col("Occupancy") < 0).height > 0
    zone = ZoneInfo(LONDON)

    def instant(local: datetime) -> int:
        return int(local.replace(tzinfo=zone).timestamp()) * 1_000_000

    played = Played(
        service, instant(start), period_days=7, bands=BANDS, time_zone=LONDON, hold_minutes=60,
        currency="GBP",
    )  # fmt: skip
    for park, capacity, occupied, time in rows.iter_rows():
        await played.put(
            instant(time), f"urn:ngsi-ld:OffStreetParking:{park.replace(' ', '-')}",
            "OffStreetParking", name=park, totalSpotNumber=capacity, occupiedSpotNumber=occupied,
        )  # fmt: skip
    weeks = 1 + (rows["time"][-1] - start) // timedelta(days=7)
    await played.until(instant(start.replace(hour=0, minute=0, second=0) + timedelta(7 * weeks)))

    last = rows.group_by("park").last()
    for park, capacity, occupied, _ in last.iter_rows():
        there = played.thing(f"urn:ngsi-ld:OffStreetParking:{park.replace(' ', '-')}")
        share = min(max(occupied / capacity, 0), 1)
        assert there["occupancy"] == pytest.approx(share, abs=6e-5)
        assert there["availableSpotNumber"] == min(max(capacity - occupied, 0), capacity)

    told: dict[tuple[str, tuple[int, int]], list[tuple[float, float, float]]] = {}
    pattern = re.compile(
        r"Mean occupancy (\d+)-(\d+) h in (.+) was ([\d.]+) % over 7 days \(goal 60-80 %\): "
        r"([\d.]+)(?: -> ([\d.]+))? GBP an hour(?: stays(?:, the floor|, the cap)?)?"
    )
    for document in played.written:
        if document["type"] == "Decision" and "description" in document:
            words = document["description"]["languageMap"]["en"]
            found = pattern.fullmatch(words)
            assert found, words
            key = found[3], (int(found[1]), int(found[2]))
            figures = round(float(found[4]) / 100, 3), float(found[5]), float(found[6] or found[5])
            told.setdefault(key, []).append(figures)

    computed: dict[tuple[str, tuple[int, int]], list[tuple[float, float, float]]] = {}
    for (park, _, band), mean in sorted(means(rows, start).items()):
        path = computed.setdefault((park, band), [])
        old = path[-1][2] if path else 2.5
        path.append((mean, old, rule(old, mean)))
    assert len(computed) >= 10
    assert told == computed
