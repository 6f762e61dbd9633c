"""The feed kind ``gtfs-realtime``: vehicles, delays and alerts, held against the timetable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.transit import gtfs_realtime_pb2 as proto
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model import time
from madang.sense.feeds.declaration import parse
from madang.sense.feeds.errors import BadFeed, Unusable
from madang.sense.feeds.gtfs_realtime.message import parsed
from madang.sense.schemas import Schemas
from tests.recorded import DATA, needs
from tests.sense.publisher import HEAD, Found, Publisher, publishing, read
from tests.sense.test_gtfs_static import FILES, zipped

NOW = 1_769_992_200  # 2026-02-02T09:30:00+09:00, a Monday
needs_recording = needs("mobility/gtfs_rt", "iot/ngsi_ld")


def text(*urls: str, static: str = "", more: str = "") -> str:
    listed = ", ".join(f'"{{url}}/{url}"' for url in urls)
    named = f'static = "{{url}}/{static}"\n' if static else ""
    return (
        f'kind = "gtfs-realtime"\nurl = [{listed}]\n{HEAD}\n[parameters]\nsystem = "x"\n'
        f"{named}{more}"
    )


def message(timestamp: int = NOW) -> Any:
    made = proto.FeedMessage()
    made.header.gtfs_realtime_version = "2.0"
    made.header.timestamp = timestamp
    return made


def added(made: Any, id: str) -> Any:
    entity = made.entity.add()
    entity.id = id
    return entity


async def reading(folder: Path, made: Any, *, static: bool = True, more: str = "") -> Found:
    async with publishing() as publisher:
        publisher.pages["/now.pb"] = made.SerializeToString()
        publisher.pages["/gtfs.zip"] = zipped(FILES)
        return await read(
            publisher, folder, text("now.pb", static="gtfs.zip" if static else "", more=more)
        )


# --- made for the purpose ------------------------------------------------------------------------


def at_stop(made: Any, trip: str = "T1", day: str = "20260202") -> Any:
    """Add a trip update of a trip, and return what it says of its second stop."""
    update = added(made, trip).trip_update
    update.trip.trip_id, update.trip.start_date = trip, day
    stop = update.stop_time_update.add()
    stop.stop_sequence, stop.stop_id = 2, "S2"
    return stop


async def test_a_delay_follows_from_a_time_and_the_timetable(tmp_path: Path) -> None:
    made = message()
    planned = time.parse("2026-02-01T21:00:00Z") // 1_000_000  # 06:00 in Seoul, on the 2nd
    at_stop(made).arrival.time = planned + 90
    found = await reading(tmp_path, made)
    trip = found.entities["urn:ngsi-ld:GtfsTrip:x:T1"]
    assert (trip["delay"]["value"], trip["delay"]["unitCode"]) == (90, "SEC")
    assert trip["delay"]["observedAt"] == "2026-02-02T00:30:00Z"
    assert trip["inTimetable"]["value"] is True
    assert trip["serviceDate"]["value"] == "2026-02-02"
    assert "hasRoute" not in trip, "what the timetable says is not said again"


async def test_a_time_follows_from_a_delay_and_the_timetable(tmp_path: Path) -> None:
    made = message(time.parse("2026-02-02T16:00:00Z") // 1_000_000)
    at_stop(made, "T2").arrival.delay = 300
    found = await reading(tmp_path, made)
    estimate = found.entities["urn:ngsi-ld:ArrivalEstimation:x:T2:20260202:2"]
    # 25:10 of the 2nd is 01:10 of the 3rd in Seoul.
    assert estimate["arrivalTime"]["value"] == "2026-02-02T16:15:00Z"
    assert estimate["remainingTime"]["value"] == "PT15M0S"
    assert estimate["headSign"]["value"] == "Night"
    assert estimate["hasStop"]["object"] == ["urn:ngsi-ld:GtfsStop:x:S2"]
    assert estimate["expiresAt"] > "2026-02-02T17"


async def test_a_stop_that_is_skipped_and_a_trip_that_is_cancelled_are_told(
    tmp_path: Path,
) -> None:
    made = message()
    stop = at_stop(made)
    stop.schedule_relationship = proto.TripUpdate.StopTimeUpdate.SKIPPED
    made.entity[0].trip_update.trip.schedule_relationship = proto.TripDescriptor.CANCELED
    found = await reading(tmp_path, made)
    estimate = found.entities["urn:ngsi-ld:ArrivalEstimation:x:T1:20260202:2"]
    assert estimate["scheduleRelationship"]["value"] == "skipped"
    assert "remainingTime" not in estimate
    trip = found.entities["urn:ngsi-ld:GtfsTrip:x:T1"]
    assert trip["scheduleRelationship"]["value"] == "canceled"


async def test_a_vehicle_has_its_place_motion_and_trip(tmp_path: Path) -> None:
    made = message()
    told = added(made, "e1").vehicle
    told.vehicle.id, told.vehicle.label, told.vehicle.license_plate = "B 7", "Bus 7", "12A3456"
    told.position.latitude, told.position.longitude = 37.51, 127.01
    told.position.speed, told.position.bearing = 8.5, 90
    told.trip.trip_id, told.timestamp = "T1", NOW - 10
    told.current_status = proto.VehiclePosition.STOPPED_AT
    told.stop_id = "S1"
    told.occupancy_status = proto.VehiclePosition.FEW_SEATS_AVAILABLE
    found = await reading(tmp_path, made)
    bus = found.entities["urn:ngsi-ld:Vehicle:x:B%207"]
    assert bus["location"]["value"]["coordinates"] == [127.01, 37.51]
    assert bus["location"]["observedAt"] == "2026-02-02T00:29:50Z"
    assert (bus["speed"]["value"], bus["speed"]["unitCode"]) == (8.5, "MTS")
    assert bus["vehicleType"]["value"] == "bus"
    assert bus["hasRoute"]["object"] == "urn:ngsi-ld:GtfsRoute:x:R1"
    assert bus["currentStatus"]["value"] == "stoppedAt"
    assert bus["occupancyStatus"]["value"] == "fewSeatsAvailable"
    assert bus["name"]["value"] == "Bus 7"
    assert bus["inTimetable"]["value"] is True


async def test_an_alert_says_what_happens_to_what_and_until_when(tmp_path: Path) -> None:
    made = message()
    told = added(made, "a1").alert
    told.cause, told.effect = proto.Alert.CONSTRUCTION, proto.Alert.DETOUR
    told.severity_level = proto.Alert.SEVERE
    period = told.active_period.add()
    period.start, period.end = NOW, NOW + 3600
    told.informed_entity.add().route_id = "R1"
    told.informed_entity.add().stop_id = "S1"
    for language, words in (("ko", "우회 운행"), ("en", "Detour")):
        one = told.header_text.translation.add()
        one.language, one.text = language, words
    found = await reading(tmp_path, made, more='language = "en"\n')
    alert = found.entities["urn:ngsi-ld:Alert:x:a1"]
    assert alert["name"]["value"] == "Detour"
    assert (alert["subCategory"]["value"], alert["cause"]["value"]) == ("detour", "construction")
    assert alert["severity"]["value"] == "high"
    assert alert["validTo"]["value"] == "2026-02-02T01:30:00Z"
    assert alert["affects"]["object"] == ["urn:ngsi-ld:GtfsRoute:x:R1", "urn:ngsi-ld:GtfsStop:x:S1"]


async def test_what_is_bad_is_told_and_what_is_deleted_left_out(tmp_path: Path) -> None:
    made = message()
    added(made, "nowhere").vehicle.vehicle.id = "1"
    added(made, "nameless").trip_update.trip.route_id = "R1"
    zero = added(made, "zero").vehicle
    zero.position.latitude = zero.position.longitude = 0
    gone = added(made, "gone")
    gone.is_deleted, gone.vehicle.vehicle.id = True, "2"
    found = await reading(tmp_path, made)
    assert not found.entities
    assert [one.reason.partition(";")[0] for one in found.bad] == [
        "entity nowhere: has no position",
        "entity nameless: has no trip_id",
        "entity zero: longitude and latitude are both 0, so the place is unknown",
    ]


async def test_a_message_of_the_same_time_is_not_read_again(tmp_path: Path) -> None:
    made = message()
    at_stop(made).arrival.delay = 5
    async with publishing() as publisher:
        publisher.pages["/now.pb"] = made.SerializeToString()
        first = await read(publisher, tmp_path, text("now.pb"))
        again = await read(publisher, tmp_path, text("now.pb"), first.notes)
    assert first.entities
    assert not again.entities


async def test_the_timetable_is_asked_for_once_a_day_and_not_needed_to_go_on(
    tmp_path: Path,
) -> None:
    made = message()
    at_stop(made).arrival.delay = 5
    async with publishing() as publisher:
        publisher.pages["/now.pb"] = made.SerializeToString()
        publisher.pages["/gtfs.zip"] = zipped(FILES)
        wanted = text("now.pb", static="gtfs.zip")
        await read(publisher, tmp_path, wanted)
        await read(publisher, tmp_path, wanted)
        lost = await read(publisher, tmp_path / "other", text("now.pb", static="gone.zip"))
    assert publisher.paths.count("/gtfs.zip") == 1
    assert "inTimetable" not in lost.entities["urn:ngsi-ld:GtfsTrip:x:T1"]
    assert lost.notes["timetable"]["checked"] is False


async def test_stops_ahead_are_left_out_where_they_are_not_wanted(tmp_path: Path) -> None:
    made = message()
    at_stop(made).arrival.delay = 5
    found = await reading(tmp_path, made, more="estimates = false\n")
    assert list(found.entities) == ["urn:ngsi-ld:GtfsTrip:x:T1"]


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(body: bytes) -> None:
    try:
        found = parsed(body, "it")
    except Unusable:
        return
    assert found.header.gtfs_realtime_version is not None


def test_a_timetable_must_be_at_a_url() -> None:
    wrong = text("now.pb", more='static = "gtfs.zip"\n').replace("{url}", "https://a.test")
    with pytest.raises(BadFeed, match="URL of a timetable"):
        parse(wrong, "test")


# --- recorded -------------------------------------------------------------------------------------


def publish(publisher: Publisher) -> None:
    for file in (DATA / "mobility" / "gtfs_rt").iterdir():
        publisher.pages[f"/{file.name}"] = file.read_bytes()


@needs_recording
async def test_redding_has_all_its_updates_in_the_timetable_and_one_vehicle_on_a_trip(
    tmp_path: Path,
) -> None:
    files = ("raba-vehicle-positions.pb", "raba-trip-updates.pb")
    async with publishing() as publisher:
        publish(publisher)
        found = await read(publisher, tmp_path, text(*files, static="raba_gtfs.zip"))
    assert not found.bad
    counts = found.notes["timetable"]
    assert (counts["vehicles"], counts["vehiclesOnTrip"], counts["vehiclesOnKnownTrip"]) == (
        22,
        1,
        1,
    )
    assert (counts["tripUpdates"], counts["tripUpdatesOfKnownTrip"]) == (9, 9)
    kinds = Counter(one["type"] for one in found.entities.values())
    assert kinds == {"Vehicle": 22, "GtfsTrip": 9, "ArrivalEstimation": 41}
    bus = found.entities["urn:ngsi-ld:Vehicle:x:5701"]
    assert bus["inTimetable"]["value"] is True
    (ahead,) = [one for one in found.entities.values() if "remainingTime" in one]
    assert not Schemas(DATA / "iot" / "ngsi_ld").faults(ahead)
    # It comes at 14:34:01 to a stop where it is due at 14:25.
    trip = found.entities["urn:ngsi-ld:GtfsTrip:x:28c61524-6da8-4506-9a92-22f2f6e91872"]
    assert trip["delay"]["value"] == 541


@needs_recording
async def test_unitrans_is_read_without_a_timetable_and_every_trip_is_there(
    tmp_path: Path,
) -> None:
    files = ("unitrans-vehicle-positions.pb", "unitrans-trip-updates.pb")
    async with publishing() as publisher:
        publish(publisher)
        found = await read(publisher, tmp_path, text(*files))
    assert not found.bad
    assert found.notes["timetable"] == {
        "checked": False, "vehicles": 8, "vehiclesOnTrip": 5, "vehiclesOnKnownTrip": 0,
        "tripUpdates": 37, "tripUpdatesOfKnownTrip": 0, "stops": 516, "knownStops": 0,
    }  # fmt: skip
    kinds = Counter(one["type"] for one in found.entities.values())
    assert (kinds["Vehicle"], kinds["GtfsTrip"]) == (8, 37)
    stop = found.entities["urn:ngsi-ld:ArrivalEstimation:x:U_39_outbound_1435:20250608:3"]
    assert stop["delay"]["value"] == -55


@needs_recording
async def test_the_feed_of_another_city_is_read_and_its_trips_are_marked_as_unknown(
    tmp_path: Path,
) -> None:
    async with publishing() as publisher:
        publish(publisher)
        found = await read(
            publisher, tmp_path, text("unitrans-trip-updates.pb", static="raba_gtfs.zip")
        )
    assert found.notes["timetable"]["tripUpdatesOfKnownTrip"] == 0
    trips = [one for one in found.entities.values() if one["type"] == "GtfsTrip"]
    assert len(trips) == 37
    assert not any(one["inTimetable"]["value"] for one in trips)
