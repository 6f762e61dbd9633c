"""The feed kind ``gtfs``: timetables become entities of the Smart Data Models UrbanMobility."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.feeds.declaration import parse
from madang.sense.feeds.errors import BadFeed, FeedError, Refused, Unusable
from madang.sense.feeds.fetch import Fetch, Fetcher
from madang.sense.feeds.gtfs import archive, clock
from madang.sense.feeds.kept import Kept
from madang.sense.feeds.pull import Pull
from madang.sense.message import Reading
from madang.sense.schemas import Schemas
from tests.recorded import DATA, needs
from tests.sense.publisher import HEAD, Found, Publisher, publishing, read
from tests.sense.publisher import settings as tuned

TEXT = f'kind = "gtfs"\nurl = "{{url}}/gtfs.zip"\n{HEAD}\n[parameters]\nsystem = "x"\n'
FILES = {
    "agency": "agency_id,agency_name,agency_url,agency_timezone\nA,Bus Company,https://a.test,Asia/Seoul\n",
    "stops": (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station,wheelchair_boarding\n"
        "S1,First,37.51,127.01,0,ST,1\nS2,Second,37.52,127.02,,,\nST,Station,37.51,127.01,1,,\n"
        "E1,Gate,37.511,127.011,2,ST,\nN1,Stairs,,,3,ST,\n"
    ),
    "routes": (
        "route_id,agency_id,route_short_name,route_long_name,route_type,route_color\n"
        "R1,A,1,Here to There,3,ff0000\n"
    ),
    "trips": (
        "route_id,service_id,trip_id,trip_headsign,direction_id,shape_id,bikes_allowed\n"
        "R1,WD,T1,There,0,H1,1\nR1,WD,T2,Night,1,,\n"
    ),
    "stop_times": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "T1,5:30:00,5:31:00,S1,1\nT1,06:00:00,06:00:00,S2,2\n"
        "T2,23:50:00,23:50:00,S1,1\nT2,25:10:00,25:10:00,S2,2\n"
    ),
    "calendar": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "WD,1,1,1,1,1,0,0,20260101,20261231\n"
    ),
    "calendar_dates": "service_id,date,exception_type\nWD,20260301,2\n",
    "shapes": (
        "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n"
        "H1,37.52,127.02,2\nH1,37.51,127.01,1\nH2,37.5,127.0,1\n"
    ),
    "frequencies": "trip_id,start_time,end_time,headway_secs\nT1,06:00:00,10:00:00,600\n",
}  # fmt: skip


def zipped(files: dict[str, str], folder: str = "") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(f"{folder}{name}.txt", content)
    return target.getvalue()


async def reading(folder: Path, content: bytes, more: str = "") -> Found:
    async with publishing() as publisher:
        publisher.pages["/gtfs.zip"] = content
        return await read(publisher, folder, TEXT + more)


def named(found: Found, kind: str, *parts: str) -> dict[str, Any]:
    entity: dict[str, Any] = found.entities[":".join(("urn:ngsi-ld", kind, "x", *parts))]
    return entity


async def test_everything_in_an_archive_becomes_an_entity(tmp_path: Path) -> None:
    found = await reading(tmp_path, zipped(FILES))
    assert not found.bad
    assert {one["type"] for one in found.entities.values()} == {
        "GtfsAgency", "GtfsStop", "GtfsStation", "GtfsAccessPoint", "GtfsRoute", "GtfsTrip",
        "GtfsShape", "GtfsService", "GtfsCalendarRule", "GtfsCalendarDateRule", "GtfsFrequency",
    }  # fmt: skip
    stop = named(found, "GtfsStop", "S1")
    assert stop["name"]["value"] == "First"
    assert stop["location"]["value"] == {"type": "Point", "coordinates": [127.01, 37.51]}
    assert stop["hasParentStation"]["object"] == "urn:ngsi-ld:GtfsStation:x:ST"
    assert stop["operatedBy"]["object"] == ["urn:ngsi-ld:GtfsAgency:x:A"]
    assert stop["wheelChairAccessible"]["value"] == "1"
    route = named(found, "GtfsRoute", "R1")
    assert (route["routeType"]["value"], route["routeColor"]["value"]) == ("3", "ff0000")
    assert route["operatedBy"]["object"] == "urn:ngsi-ld:GtfsAgency:x:A"
    shape = named(found, "GtfsShape", "H1")["location"]["value"]
    assert shape["coordinates"] == [[127.01, 37.51], [127.02, 37.52]]
    assert named(found, "GtfsCalendarRule", "WD")["saturday"]["value"] is False
    assert named(found, "GtfsCalendarDateRule", "WD", "20260301")["exceptionType"]["value"] == "2"
    assert named(found, "GtfsFrequency", "T1", "06%3A00%3A00")["headwaySeconds"]["value"] == 600


async def test_stop_times_are_summed_up_and_may_pass_midnight(tmp_path: Path) -> None:
    found = await reading(tmp_path, zipped(FILES))
    early, night = named(found, "GtfsTrip", "T1"), named(found, "GtfsTrip", "T2")
    assert (early["startTime"]["value"], early["endTime"]["value"]) == ("05:31:00", "06:00:00")
    assert (night["startTime"]["value"], night["endTime"]["value"]) == ("23:50:00", "25:10:00")
    assert night["stopCount"]["value"] == 2
    assert night["hasDestination"]["object"] == "urn:ngsi-ld:GtfsStop:x:S2"
    assert (early["direction"]["value"], early["bikesAllowed"]["value"]) == (0, 1)
    first, last = named(found, "GtfsStop", "S1"), named(found, "GtfsStop", "S2")
    assert first["firstDeparture"]["value"] == "05:31:00"
    assert first["lastDeparture"]["value"] == "23:50:00"
    assert first["tripCount"]["value"] == 2
    assert first["servedBy"]["object"] == ["urn:ngsi-ld:GtfsRoute:x:R1"]
    assert "firstDeparture" not in last, "where a trip ends, nothing departs"


async def test_each_stop_time_is_an_entity_only_where_that_is_asked_for(tmp_path: Path) -> None:
    found = await reading(tmp_path, zipped(FILES), "stop_times = true\n")
    time = named(found, "GtfsStopTime", "T2", "2")
    assert time["arrivalTime"]["value"] == "25:10:00"
    assert time["hasStop"]["object"] == "urn:ngsi-ld:GtfsStop:x:S2"
    few = await reading(tmp_path / "few", zipped(FILES), "trips = false\nshapes = false\n")
    assert not {"GtfsTrip", "GtfsStopTime", "GtfsShape"} & {
        one["type"] for one in few.entities.values()
    }


async def test_an_archive_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/gtfs.zip"] = zipped(FILES)
        first = await read(publisher, tmp_path, TEXT)
        second = await read(publisher, tmp_path, TEXT, first.notes)
    assert first.entities
    assert not second.entities


class Sink:
    """Counts what a reading writes."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def put(self, _tenant: str, readings: Sequence[Reading], *_: object) -> None:
        self.ids += [one.entity["id"] for one in readings]

    async def keep(self, *_: object) -> int:
        raise AssertionError("nothing here is bad")


async def test_of_an_archive_that_has_changed_only_what_differs_is_written(tmp_path: Path) -> None:
    sink, known = Sink(), dict[str, int]()

    async def pull(publisher: Publisher) -> int:
        fetcher = Fetcher(tuned())
        feed = parse(TEXT.replace("{url}", publisher.url), "test")
        fetch = Fetch(fetcher, feed, Kept(tmp_path / "kept"))
        try:
            return (await Pull("", feed, fetch, sink, known).run(())).written
        finally:
            await fetcher.close()

    async with publishing() as publisher:
        publisher.pages["/gtfs.zip"] = zipped(FILES)
        everything = await pull(publisher)
        sink.ids.clear()
        later = FILES["trips"].replace("There,0", "Elsewhere,0")
        publisher.pages["/gtfs.zip"] = zipped(FILES | {"trips": later})
        assert await pull(publisher) == 1
    assert everything > 10
    assert sink.ids == ["urn:ngsi-ld:GtfsTrip:x:T1"]


async def test_tables_may_lie_in_a_folder_and_have_blanks_and_quotes(tmp_path: Path) -> None:
    stops = (
        '\ufeffstop_id, "stop_name",stop_lat,stop_lon\n'
        'S1,"A ""B"", C ", 37.51 ,127.01\nS2,D,37.5,127\n'
    )
    found = await reading(tmp_path, zipped(FILES | {"stops": stops}, "feed/"))
    stop = named(found, "GtfsStop", "S1")
    assert stop["name"]["value"] == 'A "B", C'
    assert stop["location"]["value"]["coordinates"] == [127.01, 37.51]


async def test_rows_that_cannot_be_used_are_told_and_the_others_taken(tmp_path: Path) -> None:
    bad = {
        "stops": FILES["stops"] + "S3,Nowhere,0,0,,,\nS4,Text,x,y,,,\nS1,Again,37.5,127,,,\n",
        "trips": FILES["trips"] + "R9,WD,T9,Lost,0,,\nR1,WD,T3,Odd,7,,\n",
        "stop_times": FILES["stop_times"] + "T9,1:00:00,1:00:00,S1,1\nT1,7.30,7.30,S2,3\n"
        "T1,49:00:00,49:00:00,S2,4\n",
        "calendar_dates": FILES["calendar_dates"] + "WD,tomorrow,1\nWD,20260302,5\n",
    }
    found = await reading(tmp_path, zipped(FILES | bad))
    reasons = "\n".join(one.reason for one in found.bad)
    for text in (
        "stops.txt: stop_id is missing or there twice (1 rows)",
        "trips.txt: route_id names nothing that is there (1 rows)",
        "stop_times.txt: no time such as 25:10:00, or no sequence (2 rows)",
        "stop_times.txt: trip_id names nothing that is there (1 rows)",
        "stop_id S3: longitude and latitude are both 0",
        "stop_id S4: longitude is 'y', expected a number",
        "trip_id T3: direction_id is '7', expected one of 0, 1",
        "service_id WD: date is 'tomorrow'",
        "service_id WD: exception_type is '5'",
    ):
        assert text in reasons
    assert "urn:ngsi-ld:GtfsTrip:x:T1" in found.entities
    assert "urn:ngsi-ld:GtfsTrip:x:T9" not in found.entities


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"trips": None}, "trips.txt is missing"),
        ({"stops": "stop_name\nA\n"}, "stops.txt has no column stop_id"),
        ({"stops": ""}, "stops.txt has no column stop_id"),
    ],
)
async def test_what_is_no_timetable_is_refused(
    tmp_path: Path, files: dict[str, str | None], text: str
) -> None:
    content = {name: found for name, found in (FILES | files).items() if found is not None}
    with pytest.raises(Unusable, match=text):
        await reading(tmp_path, zipped(content))


async def test_what_is_no_zip_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no ZIP archive"):
        await reading(tmp_path, b"<html>moved</html>")
    with pytest.raises(Unusable, match="no ZIP archive"):
        await reading(tmp_path / "cut", zipped(FILES)[:-40])


async def test_an_archive_that_grows_out_of_bounds_is_refused(tmp_path: Path) -> None:
    bomb = FILES | {"shapes": FILES["shapes"] + "0" * 30_000_000}
    content = zipped(bomb)
    assert len(content) < 100_000
    with pytest.raises(Refused, match=r"shapes\.txt"):
        await reading(tmp_path, content)


async def test_an_archive_of_very_many_files_is_refused(tmp_path: Path) -> None:
    many = {f"extra{number}": "" for number in range(archive.MOST_FILES + 1)}
    with pytest.raises(Refused, match="files"):
        await reading(tmp_path, zipped(FILES | many))


@needs("mobility/gtfs", "mobility/gtfs_rt", "iot/ngsi_ld")
@pytest.mark.parametrize(
    ("archive", "trips", "stops"),
    [("gtfs_rt/raba_gtfs.zip", 282, 375), ("gtfs/nyc_subway_excerpt_2024-12_gtfs.zip", 1990, 182)],
)
async def test_what_real_timetables_become_obeys_the_smart_data_models(
    tmp_path: Path, archive: str, trips: int, stops: int
) -> None:
    found = await reading(tmp_path, (DATA / "mobility" / archive).read_bytes())
    assert not found.bad
    kinds = Counter(one["type"] for one in found.entities.values())
    assert (kinds["GtfsTrip"], kinds["GtfsStop"]) == (trips, stops)
    schemas = Schemas(DATA / "iot" / "ngsi_ld")
    known = ("GtfsStop", "GtfsRoute", "GtfsTrip")
    entities = [one for one in found.entities.values() if one["type"] in known]
    assert not [fault for one in entities for fault in schemas.faults(one)]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_table_is_read_or_refused(body: bytes) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        packed.writestr("stops.txt", body)
    with tempfile.NamedTemporaryFile() as file:
        file.write(target.getvalue())
        file.flush()
        try:
            found = archive.tables(Path(file.name), ("stops",), "it")
        except FeedError:
            return
    assert set(found["stops"].columns) >= {"stop_id", "stop_lat"}


@settings(max_examples=100)
@given(st.integers(0, clock.LATEST_S))
def test_a_time_of_day_is_read_as_it_is_written(second: int) -> None:
    frame = pl.DataFrame({"at": [clock.text(second)]})
    assert frame.select(clock.seconds("at")).item() == second


@pytest.mark.parametrize("text", ["", "5:30", "05:61:00", "a:b:c", "5:30:00 pm"])
def test_what_is_no_time_of_day_is_none(text: str) -> None:
    assert pl.DataFrame({"at": [text]}).select(clock.seconds("at")).item() is None


def test_a_declaration_that_cannot_work_is_refused() -> None:
    wrong = TEXT.replace("{url}", "https://a.test") + "trips = false\nstop_times = true\n"
    with pytest.raises(BadFeed, match="stop_times belong to trips"):
        parse(wrong, "test")
