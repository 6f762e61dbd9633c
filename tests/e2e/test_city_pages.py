"""The pages of the city from outside: no scripts, small, and only what the reader may see."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from tests.e2e.server import Server
from tests.e2e.small_city import CLOSED, KOREAN, OPEN, PAGE, STATIONS, City, small_city

LARGEST = 100 * 1024  # [bytes on the wire], issue 7
THING = f"/city/things/urn:ngsi-ld:{OPEN}:01"
PAGES = [
    "/", "/city", "/city/map", f"/city/map?type={OPEN}", "/city/data", f"/city/data/{OPEN}", THING,
    "/city?wall=1", "/city/incidents",
]  # fmt: skip


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with small_city(tmp_path_factory.mktemp("city")) as opened:
        yield opened


class Outline(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.styled = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.styled += "style" in given
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("headers", [PAGE, KOREAN], ids=["en", "ko"])
def test_every_page_stands_in_order_in_both_languages(
    city: City, path: str, headers: dict[str, str]
) -> None:
    page = city.page(path, headers)
    outline = Outline(page)
    assert f'<html lang="{headers["Accept-Language"]}">' in page
    assert outline.tags.count("h1") == 1
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.styled == 0  # the content security policy lets none through
    inline = re.findall(r"<script(?![^>]*(?:src=|ld\+json))", page)
    assert inline == []


@pytest.mark.parametrize("path", PAGES)
def test_every_page_weighs_less_than_100_kilobytes_in_all(city: City, path: str) -> None:
    assert city.weight(path) < LARGEST


def test_a_page_comes_within_a_second(city: City) -> None:
    city.page("/city")
    began = time.perf_counter()
    city.page("/city")
    assert time.perf_counter() - began < 1.0


def test_links_of_the_pages_lead_somewhere(city: City) -> None:
    found = {link for path in PAGES for link in Outline(city.page(path)).links}
    inside = sorted(link for link in found if link.startswith("/") and "#" not in link)
    things = [link for link in inside if link.startswith("/city/things/")]
    for link in [*(one for one in inside if one not in things), *things[:3]]:
        answer = city.server.request("GET", link, headers=PAGE)
        assert answer.status in (200, 303), (link, answer.status)


# --- the city now -------------------------------------------------------------------------------


def test_the_city_says_a_value_its_meaning_its_age_and_its_course(city: City) -> None:
    page = city.page("/city")
    assert "Fine dust in the air (PM2.5)" in page
    assert re.search(r'<p class="big">2\d(\.\d)? <span class="unit">µg/m³</span>', page)
    assert "Korean air quality grade" in page
    assert ">Moderate</span>" in page
    assert re.search(r"WHO 2021 guideline for a day</a> \(15\): mean of the last \d+ h 2\d", page)
    assert ">exceeded</span>" in page
    assert re.search(r"Mean of 24, newest <time [^>]*>\d+ (s|min) ago</time>", page)
    assert 'aria-label="In the last day between ' in page
    assert re.search(r"<span>East</span>.*<span>West</span>|<span>West</span>.*East", page, re.S)


def test_the_city_says_what_is_missing(city: City) -> None:
    assert "the city publishes no values of this kind yet (Noise meters)" in city.page("/city")
    assert "공개하지 않았습니다(소음 측정기)" in city.page("/city", KOREAN)


def test_who_has_signed_in_sees_what_they_may(city: City) -> None:
    analyst = city.person("ana", "analyst")
    page = city.page("/city", analyst)
    assert '<p class="big">62 <span class="unit">dB</span>' in page
    assert "Control room" in page
    assert "Control room" not in city.page("/city")


def test_values_that_are_old_are_left_out_and_it_is_said(city: City) -> None:
    extra = {"bands": [{"kind": "good"}]}
    tile = {"kind": "number", "title": {"en": "N"}, "type": OPEN, "attribute": "pm10", **extra}
    old = {"type": "Property", "value": 900, "observedAt": "2026-01-01T00:00:00Z"}
    new = {"type": "Property", "value": 10}
    ids = [f"urn:ngsi-ld:{OPEN}:{number:02d}" for number in range(2)]
    city.write(
        [{"id": id, "type": OPEN, "pm10": one} for id, one in zip(ids, (old, new), strict=True)]
    )
    (fact,) = city.ask("POST", "/dashboards/facts", {"tiles": [tile]}).json()["tiles"]  # type: ignore[index]
    assert (fact["value"], fact["entities"], fact["old"]) == (10, 1, 1)


def test_the_wall_comes_again_by_itself_and_goes_round(city: City) -> None:
    def refresh(path: str) -> str:
        return city.server.request("GET", path, headers=PAGE).headers["refresh"]

    assert refresh("/city?wall=1") == "60; url=/city/dashboards/city?wall=1&every=60"
    first = refresh("/city/dashboards/city?wall=1&every=15&next=a,b")
    assert first == "15; url=/city/dashboards/a?wall=1&every=15&next=b,city"
    assert city.server.request("GET", "/city?wall=1&every=1", headers=PAGE).status == 400
    assert "<header" in city.page("/city?wall=1")  # hidden by its style, so nothing is lost


# --- map, data sets, things ---------------------------------------------------------------------


def test_the_map_shows_the_same_as_its_table(city: City) -> None:
    page = city.page(f"/city/map?type={OPEN}")
    assert page.count("<circle") >= STATIONS
    table = page.split("The same as a table")[1]
    assert table.count('<th scope="row">') == STATIONS
    found = orjson.loads(
        city.server.request("GET", f"/city/map/places?type={OPEN}&attribute=pm25").body
    )
    assert len(found["features"]) == STATIONS
    assert found["features"][0]["properties"]["unit"] == "µg/m³"


def test_what_is_not_published_is_not_there(city: City) -> None:
    for path in (
        f"/city/map?type={CLOSED}",
        f"/city/data/{CLOSED}",
        f"/city/download/csv/{CLOSED}",
        f"/city/things/urn:ngsi-ld:{CLOSED}:01",
        "/city/things/urn:ngsi-ld:Nothing:1",
    ):
        assert city.server.request("GET", path, headers=PAGE).status == 404, path
    places = city.server.request("GET", f"/city/map/places?type={CLOSED}").body
    assert orjson.loads(places)["features"] == []
    assert CLOSED not in city.page("/city/data")


def test_what_is_hidden_and_what_is_not_there_answer_alike(city: City) -> None:
    def answer(id: str) -> bytes:
        body = city.server.request("GET", f"/city/things/{id}", headers={"Accept": "*/*"}).body
        return body.replace(id.encode(), b"")

    hidden, absent = f"urn:ngsi-ld:{CLOSED}:01", f"urn:ngsi-ld:{CLOSED}:99"
    assert answer(hidden) == answer(absent)


def test_a_data_set_says_what_it_is_and_how_to_get_it(city: City) -> None:
    page = city.page(f"/city/data/{OPEN}")
    assert "What is in the air" in page
    assert f": {STATIONS}, kept up to date" in page
    assert "µg/m³" in page
    assert "Page 1 of 2" in page
    assert "Station 23" in city.page(f"/city/data/{OPEN}?page=2")
    block = page.split('<script type="application/ld+json">')[1].split("</script>")[0]
    told = orjson.loads(block)
    assert told["@type"] == "Dataset"
    assert "pm25" in told["variableMeasured"]
    for one in told["distribution"]:
        path = "/" + one["contentUrl"].split("/", 3)[3]
        assert city.server.request("GET", path).status == 200, path


def test_a_data_set_can_be_taken_along(city: City) -> None:
    answer = city.server.request("GET", f"/city/download/csv/{OPEN}")
    assert answer.headers["content-disposition"] == f'attachment; filename="{OPEN}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert len(rows) == STATIONS
    assert float(rows[1]["pm25"]) > 20
    assert float(rows[1]["longitude"]) > 127
    found = orjson.loads(city.server.request("GET", f"/city/download/geojson/{OPEN}").body)
    assert len(found["features"]) == STATIONS
    assert found["features"][0]["geometry"]["type"] == "Point"
    history = city.server.request("GET", f"/history/export?type={OPEN}&format=csv")
    assert history.status == 200
    assert history.body.count(b"\n") > STATIONS * 20


def test_no_text_of_a_sensor_gets_out_of_its_place(city: City) -> None:
    evil = "</script><script>alert(1)</script>"
    name = {"type": "Property", "value": evil}
    cell = {"type": "Property", "value": "=HYPERLINK(1)"}
    city.write(
        [
            {
                "id": f"urn:ngsi-ld:{OPEN}:02",
                "type": OPEN,
                "name": name,
                "license": name,
                "note": cell,
            }
        ]
    )
    time.sleep(5.1)  # what was read is kept for five seconds
    for path in (f"/city/data/{OPEN}", f"/city/things/urn:ngsi-ld:{OPEN}:02", "/city/map", "/city"):
        assert "<script>alert" not in city.page(path), path
    assert b"'=HYPERLINK" in city.server.request("GET", f"/city/download/csv/{OPEN}").body


def test_a_thing_shows_its_values_their_course_and_its_place(city: City) -> None:
    page = city.page(THING)
    assert "<h1>Station 1</h1>" in page
    assert "µg/m³" in page
    assert 'class="spark"' in page
    assert 'class="places"' in page
    assert "측정소 1" in city.page(THING, KOREAN)


# --- the start page -----------------------------------------------------------------------------


def test_the_start_page_is_the_door_for_both_kinds_of_people(city: City) -> None:
    page = city.page("/")
    assert "µg/m³" in page
    for path in ("/city", "/city/map", "/city/data", "/city/incidents", "/catalogue", "/sign-in"):
        assert f'href="{path}"' in page
    assert 'href="/control"' not in page
    assert 'href="/control"' in city.page("/", city.person("opal", "operator"))
    assert 'href="/control"' not in city.page("/", city.person("cid", "citizen"))


def test_only_who_has_not_signed_in_is_told_to_where_there_is_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", open=False)
    try:
        server.start(90)
        empty = City(server)
        person = empty.person("cid", "citizen")
        for path in ("/city/map", "/city/data"):
            assert "After signing in" in empty.page(path), path
            page = empty.page(path, person)
            assert "After signing in" not in page, path
            assert "that you may see" in page, path
    finally:
        server.stop()
