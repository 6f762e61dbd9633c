"""Watch-over tags: whom they tell, what they show, and what they must not keep or show."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.query.distance import between
from madang.services.played import Played, at
from madang.services.watch_over import hours, tags
from madang.services.watch_over import place as places
from madang.services.watch_over.search import ENDED, OPEN
from madang.services.watch_over.service import service
from tests.recorded import needs, recorded

TAG, PERSON = "urn:ngsi-ld:WatchTag:t7", "urn:ngsi-ld:Person:kim"
HOME, SCHOOL = "urn:ngsi-ld:SafeZone:t7-home", "urn:ngsi-ld:SafeZone:school"
DOOR, STOP = "urn:ngsi-ld:TagSighting:door", "urn:ngsi-ld:TagSighting:bus-stop-12"
SEARCH = "urn:ngsi-ld:TagSearch:s1"
MINUTE = 60_000_000
MONDAY = at("2026-03-02 08:00")
AT_HOME, AT_SCHOOL, AWAY = (126.980, 37.570), (126.990, 37.570), (127.010, 37.580)
ADL = "elderly/uci_adl/OrdonezA_ADLs.txt"


def area(place: tuple[float, float], half: float = 0.0005) -> dict[str, Any]:
    lon, lat = place
    ring = [[lon - half, lat - half], [lon + half, lat - half], [lon + half, lat + half],
            [lon - half, lat + half], [lon - half, lat - half]]  # fmt: skip
    return {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}}


def link(id: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": id}


async def family(start: int = MONDAY, **options: Any) -> Played:
    """Return a tag with a home, and a school on weekdays."""
    run = Played(service, start, **options)
    await run.put(
        start, TAG, "WatchTag", refPerson=link(PERSON), name="Grandma Kim", contacts="Kim family"
    )
    await run.put(
        start, HOME, "SafeZone", refTag=link(TAG), zoneKind="home", name="Home",
        location=area(AT_HOME),
    )  # fmt: skip
    await run.put(
        start, SCHOOL, "SafeZone", refTag=link(TAG), zoneKind="safe", name="Day centre",
        location=area(AT_SCHOOL), hours="Mo-Fr 08:30-16:00",
    )  # fmt: skip
    return run


async def seen(
    run: Played, minute: float, place: tuple[float, float], source: str = DOOR, **more: Any
) -> None:
    now = MONDAY + round(minute * MINUTE)
    await run.until(now)
    where = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": list(place)}}
    values = {"refTag": link(TAG), "location": where, **more}
    await run.put(now, source, "TagSighting", **values)


async def asked(run: Played, minute: float, hours: float = 2, **more: Any) -> None:
    now = MONDAY + round(minute * MINUTE)
    await run.until(now)
    await run.put(
        now, SEARCH, "TagSearch", refTag=link(TAG), reason="Left without a coat, it is freezing",
        legalBasis="vitalInterest", requestedBy="person:9f2c", hours=hours, status="requested",
        **more,
    )  # fmt: skip


def told(run: Played) -> list[str]:
    """Return what people were told, in the order of the ids, which is that of time here."""
    found = [one for one in run.written if one["type"] == "Notice"]
    return [one["text"]["languageMap"]["en"] for one in found]


def decided(run: Played) -> list[dict[str, str]]:
    return [one["description"]["languageMap"] for one in run.written
            if one["type"] == "Decision" and "description" in one]  # fmt: skip


def figure(run: Played, name: str) -> Any:
    return run.thing(f"urn:ngsi-ld:KeyPerformanceIndicator:watch_over:{name}")["currentValue"]


# --- leaving and coming back --------------------------------------------------------------------


async def test_at_home_nobody_is_told_anything() -> None:
    run = await family()
    for minute in (1, 20, 40):
        await seen(run, minute, AT_HOME)
    assert run.thing(TAG)["whereabouts"] == "home"
    assert told(run) == []


async def test_the_family_is_told_when_the_tag_has_been_out_for_some_minutes() -> None:
    run = await family(outside_minutes=5)
    await seen(run, 1, AT_HOME)
    await seen(run, 10, AWAY)
    await run.until(MONDAY + 14 * MINUTE)
    assert told(run) == []
    await run.until(MONDAY + 16 * MINUTE)
    assert told(run) == ["Grandma Kim has been out of the safe zones since 08:10."]
    (notice,) = run.things("Notice")
    assert notice["to"] == "Kim family"
    assert notice["urgent"] is True
    assert "안심 구역 밖" in notice.attribute("text")["languageMap"]["ko"]
    assert figure(run, "told") == 1


async def test_who_is_back_soon_enough_worries_nobody() -> None:
    run = await family(outside_minutes=5)
    await seen(run, 10, AWAY)
    await seen(run, 13, AT_HOME)
    await run.until(MONDAY + 30 * MINUTE)
    assert told(run) == []


async def test_coming_back_is_told_and_learned() -> None:
    run = await family(outside_minutes=5)
    await seen(run, 10, AWAY)
    await seen(run, 30, AT_HOME)
    assert told(run)[1] == "Grandma Kim is in a safe zone again (Home), after 20 minutes."
    assert run.things("Decision")[0]["outcome"] == {"minutesOut": 20.0}
    assert figure(run, "minutesOut") == 20.0


async def test_a_sighting_that_is_not_accurate_enough_to_be_sure_is_no_leaving() -> None:
    run = await family(outside_minutes=0)
    near = (AT_HOME[0] + 0.002, AT_HOME[1])  # 132 m from the edge of home
    await seen(run, 1, near, accuracy=200)
    assert run.thing(TAG)["whereabouts"] == "home"
    await seen(run, 2, near, accuracy=20)
    assert run.thing(TAG)["whereabouts"] == "out"
    await seen(run, 3, near, accuracy=50_000)  # tells nothing
    assert run.thing(TAG)["whereabouts"] == "out"


async def test_a_zone_is_safe_in_its_hours_only() -> None:
    run = await family(outside_minutes=5, silent_minutes=1440)
    await seen(run, 60, AT_SCHOOL)  # 09:00
    assert run.thing(TAG)["whereabouts"] == "safe"
    await seen(run, 479, AT_SCHOOL)  # 15:59
    await run.until(MONDAY + 484 * MINUTE)
    assert told(run) == []
    await run.until(MONDAY + 500 * MINUTE)
    assert "out of the safe zones since 16:00" in told(run)[0]


async def test_hours_go_by_the_clock_of_the_city() -> None:
    run = await family(time_zone="Asia/Seoul")  # 17:00 there, the day centre is closed
    await seen(run, 60, AT_SCHOOL)
    assert run.thing(TAG)["whereabouts"] == "out"


async def test_a_tag_that_is_not_seen_is_told_of_once_and_again_when_it_is_seen() -> None:
    run = await family(silent_minutes=60)
    await seen(run, 1, AT_HOME)
    await run.until(MONDAY + 180 * MINUTE)
    assert told(run) == ["Grandma Kim has not been seen for 60 minutes, last at 08:01."]
    await seen(run, 200, AT_HOME)
    assert told(run)[1] == "Grandma Kim is seen again."


async def test_a_tag_that_sends_its_own_place_is_called_as_its_sightings_are() -> None:
    run = await family()
    now = MONDAY + MINUTE
    where = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": list(AT_HOME)}}
    await run.put(now, "urn:ngsi-ld:TagSighting:t7", "TagSighting", location=where, accuracy=8)
    assert run.thing(TAG)["whereabouts"] == "home"


async def test_what_is_wrong_with_a_zone_is_said_at_the_zone_in_both_languages() -> None:
    run = await family()
    await run.put(MONDAY, SCHOOL, "SafeZone", hours="Monday 9 to 5")
    problem = run.thing(SCHOOL).attribute("problem")["languageMap"]
    assert "expected hours such as" in problem["en"]
    assert "Mo-Fr 08:30-16:00" in problem["ko"]
    await run.put(MONDAY, SCHOOL, "SafeZone", hours="24/7")
    assert "problem" not in run.thing(SCHOOL)


# --- privacy ------------------------------------------------------------------------------------


async def test_outside_a_search_only_a_coarse_square_is_shown_and_sightings_are_taken_away() -> (
    None
):
    run = await family(coarse_m=500)
    await seen(run, 1, AWAY, rssi=-70)
    tag, sighting = run.thing(TAG), run.thing(DOOR)
    assert list(sighting) == []
    assert "location" not in tag
    square = shapely.from_geojson(orjson.dumps(tag["likelyArea"]))
    west, south, east, north = square.bounds
    assert square.contains(shapely.Point(AWAY))
    assert between(west, south, east, south) == pytest.approx(500, rel=0.01)
    assert between(west, south, west, north) == pytest.approx(500, rel=0.01)


async def test_no_exact_place_is_in_anything_written_outside_a_search() -> None:
    run = await family(outside_minutes=1, silent_minutes=30)
    for minute, place in ((1, AT_HOME), (10, AWAY), (20, AT_HOME)):
        await seen(run, minute, place)
    await run.until(MONDAY + 120 * MINUTE)
    text = orjson.dumps(run.written).decode()
    assert "[127.01,37.58]" not in text
    assert "[126.98,37.57]" not in text


async def test_decisions_name_the_tag_and_not_the_person() -> None:
    run = await family(outside_minutes=1, silent_minutes=30)
    await seen(run, 1, AWAY)
    await run.until(MONDAY + 60 * MINUTE)
    assert len(decided(run)) == 2
    assert all("Kim" not in one["en"] + one["ko"] and "t7" in one["en"] for one in decided(run))


async def test_public_receivers_count_only_in_a_search() -> None:
    run = await family()
    await seen(run, 1, AT_HOME)
    await seen(run, 2, AWAY, STOP, network="public")
    assert run.thing(TAG)["whereabouts"] == "home"
    assert list(run.thing(STOP)) == []  # taken away all the same
    await asked(run, 3)
    await seen(run, 4, AWAY, STOP, network="public")
    assert run.thing(TAG)["whereabouts"] == "out"
    assert run.thing(TAG)["location"]["coordinates"] == list(AWAY)


async def test_tags_that_nobody_registered_leave_no_trace() -> None:
    run = await family()
    before = len(run.written)
    await seen(run, 1, AT_HOME, refTag=link("urn:ngsi-ld:WatchTag:stranger"))
    assert len(run.written) == before + 1  # the sighting loses what it said
    assert "stranger" not in orjson.dumps(run.kept.state).decode()


async def test_a_tag_too_many_is_told_so_and_the_others_are_watched_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = await family()
    monkeypatch.setattr(tags, "MOST", 1)
    other = "urn:ngsi-ld:WatchTag:other"
    await run.put(MONDAY, other, "WatchTag", name="Other")
    assert "as many tags" in run.thing(other).attribute("problem")["languageMap"]["en"]
    await seen(run, 1, AT_HOME)
    assert run.thing(TAG)["whereabouts"] == "home"


async def test_the_sealed_place_is_gone_after_some_hours() -> None:
    run = await family(keep_hours=2)
    await seen(run, 1, AT_HOME)
    assert "126.98" in orjson.dumps(run.kept.state["tags"]).decode()
    await run.until(MONDAY + 130 * MINUTE)
    assert "126.98" not in orjson.dumps(run.kept.state["tags"]).decode()
    assert "likelyArea" not in run.thing(TAG)


# --- search -------------------------------------------------------------------------------------


async def test_a_search_shows_the_last_place_tells_all_and_is_on_record() -> None:
    run = await family(desk="Search desk")
    await seen(run, 1, AWAY)
    await asked(run, 3)
    tag = run.thing(TAG)
    assert tag["location"]["coordinates"] == list(AWAY)
    assert tag["searching"] is True
    assert run.thing(SEARCH)["status"] == OPEN
    words = "person:9f2c opened a search for t7 until 10:03; legal basis: vital interest."
    assert decided(run)[-1]["en"] == words
    (alert,) = run.things("Alert")
    assert (alert["severity"], alert["status"], alert["location"]) == ("high", "open", None)
    assert sorted({one["to"] for one in run.things("Notice")}) == ["Kim family", "Search desk"]
    assert figure(run, "searches") == 1


async def test_the_likely_area_grows_as_somebody_walks_until_the_next_sighting() -> None:
    run = await family(walking_m_s=1, likely_m=800)
    await seen(run, 1, AWAY, accuracy=20)
    await asked(run, 3)
    sizes = []
    for minute in (3, 11, 21, 31):
        await run.until(MONDAY + minute * MINUTE)
        sizes.append(_radius(run))
    assert sizes == [pytest.approx(size, rel=0.02) for size in (140, 560, 800, 800)]
    await seen(run, 32, AT_SCHOOL, STOP, accuracy=20, network="public")
    assert _radius(run) == pytest.approx(20, rel=0.05)


def _radius(run: Played) -> float:
    shape = shapely.from_geojson(orjson.dumps(run.thing(TAG)["likelyArea"]))
    west, south, _, north = shape.bounds
    return between(west, south, west, north) / 2


async def test_a_sighting_in_a_search_is_a_decision_and_told_but_not_each_of_many() -> None:
    run = await family()
    await asked(run, 1)
    for minute in (2, 3, 4, 20):
        await seen(run, minute, AWAY, STOP, network="public")
    found = [one["en"] for one in decided(run) if "was seen" in one["en"]]
    assert found == ["t7 was seen. The place is shown at the tag."] * 2


async def test_a_search_ends_by_itself_and_hides_what_it_showed() -> None:
    run = await family(silent_minutes=1440)
    await seen(run, 1, AWAY)
    await asked(run, 3, hours=1)
    await seen(run, 30, AWAY, STOP, network="public")
    await run.until(MONDAY + 64 * MINUTE)
    tag = run.thing(TAG)
    assert "location" not in tag
    assert tag["searching"] is False
    assert len(tag["likelyArea"]["coordinates"][0]) == 5  # the square again
    search = run.thing(SEARCH)
    assert (search["status"], search["endReason"]) == (ENDED, "expired")
    (alert,) = run.things("Alert")
    assert alert["status"] == "closed"
    opened = next(one for one in run.things("Decision") if "opened a search" in str(one.document))
    assert opened["outcome"] == {"sightings": 1, "minutes": 60.0, "ended": "expired"}


async def test_a_search_is_never_longer_than_the_options_allow() -> None:
    run = await family(search_hours=2)
    await asked(run, 1, hours=40)
    await run.until(MONDAY + 122 * MINUTE)
    assert run.thing(SEARCH)["status"] == ENDED


async def test_a_search_that_is_closed_ends_at_once() -> None:
    run = await family()
    await seen(run, 1, AWAY)
    await asked(run, 3)
    await run.put(MONDAY + 10 * MINUTE, SEARCH, "TagSearch", status="closing", closedBy="person:9")
    assert run.thing(SEARCH)["endReason"] == "closed"
    assert "location" not in run.thing(TAG)


async def test_a_restart_in_a_search_changes_nothing() -> None:
    runs = [await family(), await family()]
    for run in runs:
        await seen(run, 1, AWAY)
        await asked(run, 3)
    runs[1].restart()
    for run in runs:
        await seen(run, 30, AT_SCHOOL)
        await run.until(MONDAY + 300 * MINUTE)
    assert runs[0].written == runs[1].written


# --- places and hours ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "when", "expected"),
    [("24/7", "2026-03-01 03:00", True), ("Mo-Fr 08:30-16:00", "2026-03-02 08:29", False),
     ("Mo-Fr 08:30-16:00", "2026-03-02 08:30", True),
     ("Mo-Fr 08:30-16:00", "2026-03-06 16:00", False),
     ("Mo-Fr 08:30-16:00", "2026-03-07 09:00", False), ("09:00-10:00", "2026-03-07 09:00", True),
     ("Sa-Mo 09:00-10:00", "2026-03-01 09:30", True), ("Su 22:00-06:00", "2026-03-02 05:59", True),
     ("Mo,We 08:00-09:00,10:00-11:00", "2026-03-04 10:30", True),
     ("Mo 08:00-09:00; Tu 10:00-24:00", "2026-03-03 23:59", True)],
)  # fmt: skip
def test_hours_are_read_as_on_openstreetmap(text: str, when: str, expected: bool) -> None:
    assert hours.is_open(hours.parse(text), datetime.fromisoformat(when)) is expected


@pytest.mark.parametrize(
    "text", ["", ";", "Monday", "Mo-Fr", "Xx 08:00-09:00", "Mo 8-9", "25:00-26:00", "Mo " * 200]
)
def test_hours_that_are_none_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"Mo-Fr|at most"):
        hours.parse(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_hours(text: str) -> None:
    try:
        found = hours.parse(text)
    except ValueError:
        return
    assert all(0 <= start < end <= hours.WEEK + hours.DAY for start, end in found)


LONGITUDE, LATITUDE = st.floats(-179, 179), st.floats(-75, 75)


@settings(max_examples=150, deadline=None)
@given(LONGITUDE, LATITUDE, st.integers(100, 5000))
def test_a_square_holds_its_place_and_says_no_more_than_the_square(
    longitude: float, latitude: float, size: int
) -> None:
    square = places.cell(longitude, latitude, size)
    west, south, east, north = shapely.from_geojson(orjson.dumps(square)).bounds
    assert west - 1e-5 <= longitude <= east + 1e-5
    assert south - 1e-5 <= latitude <= north + 1e-5
    inner = west + 0.3 * (east - west), south + 0.6 * (north - south)
    assert places.cell(*inner, size) == square


@settings(max_examples=150, deadline=None)
@given(LONGITUDE, LATITUDE, st.floats(0.001, 0.02), st.floats(0.001, 0.02))
def test_distances_are_those_on_the_ellipsoid(
    longitude: float, latitude: float, east: float, north: float
) -> None:
    zone = area((longitude, latitude), 1e-7)["value"]
    found = places.metres_off(zone, longitude + east, latitude + north)
    assert found == pytest.approx(
        between(longitude, latitude, longitude + east, latitude + north), rel=0.01, abs=1
    )


# --- a recorded person --------------------------------------------------------------------------


@needs(ADL)
async def test_each_recorded_leaving_of_a_person_who_lives_alone_is_told_once() -> None:
    """Ordonez A: 14 days with labelled activities; seen each 20 minutes and at the door."""
    (file,) = recorded(ADL)
    lines = [line.split() for line in file.read_text().splitlines()[2:] if line.strip()]
    leavings = [
        (at(f"{line[0]} {line[1]}"), at(f"{line[2]} {line[3]}"))
        for line in lines if line[4] == "Leaving"
    ]  # fmt: skip
    start, end = at("2011-11-28 12:00"), at("2011-12-11 06:00")
    run = await family(start, outside_minutes=5)
    moments = set(range(start, end, 20 * MINUTE)) | {edge for one in leavings for edge in one}
    for now in sorted(moments):
        is_out = any(first <= now < last for first, last in leavings)
        await run.until(now)
        where = {"type": "Point", "coordinates": list(AWAY if is_out else AT_HOME)}
        place = {"type": "GeoProperty", "value": where}
        await run.put(now, DOOR, "TagSighting", refTag=link(TAG), location=place)
    left = [text for text in told(run) if "out of the safe zones" in text]
    back = [text for text in told(run) if "safe zone again" in text]
    expected = [one for one in leavings if one[1] - one[0] > 7 * MINUTE]
    assert len(left) == len(back) == len(expected) == 14
    clock = [datetime.fromisoformat(f"2011-01-01 {text[-6:-1]}") for text in left]
    for shown, (first, _) in zip(clock, expected, strict=True):
        minutes = (first // MINUTE) % 1440
        assert 0 <= shown.hour * 60 + shown.minute - minutes <= 2
