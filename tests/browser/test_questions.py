"""Questions of analysts in the control room: drawn on a map, taken along as files, asked again."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import polars
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.room import Visit, click_in_the_middle
from tests.e2e.server import API, Server

expect.set_options(timeout=20_000)
TYPE = "AirQualityObserved"
STATIONS = {f"urn:ngsi-ld:{TYPE}:{number}": 10.5 + number for number in range(3)}
WHERE = f"""SELECT entity, max(pm25) AS pm25,
  max(location_longitude) AS longitude, max(location_latitude) AS latitude
FROM {TYPE} GROUP BY entity ORDER BY entity"""
COUNT = f"SELECT count(*) AS n FROM {TYPE}"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("questions") / "data") as server:
        stations = [
            {
                "id": id,
                "type": TYPE,
                "pm25": {"type": "Property", "value": value, "unitCode": "GQ"},
                "location": {"type": "GeoProperty", "value": place(number)},
            }
            for number, (id, value) in enumerate(STATIONS.items())
        ]
        done = server.request("POST", f"{API}/entityOperations/upsert", stations)
        assert done.status == 201, done.body
        yield server


def place(number: int) -> dict[str, object]:
    """Return one of three places in a row."""
    return {"type": "Point", "coordinates": [126.97 + number / 1000, 37.57]}


def test_an_answer_of_sql_is_seen_on_a_map_whose_marks_are_things(
    visit: Visit, hub: Server
) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/query?sql={quote(WHERE)}")
    rows = page.get_by_role("table", name="Result").locator("tbody tr")
    expect(rows).to_have_count(len(STATIONS))
    page.get_by_role("group", name="Show as").get_by_role("button", name="Map").click()
    expect(page.get_by_text("3 places")).to_be_visible()
    expect(page).to_have_url(re.compile("view=map"))
    visit.picture("answer-on-a-map")
    click_in_the_middle(page)
    expect(page).to_have_url(re.compile(r"/entities/urn%3Angsi-ld%3AAirQualityObserved%3A1$"))
    page.go_back()
    expect(page.get_by_text("3 places")).to_be_visible()
    page.go_back()
    expect(rows).to_have_count(len(STATIONS))


def test_what_is_shown_is_taken_along_as_a_file(visit: Visit, hub: Server, tmp_path: Path) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/query?sql={quote(WHERE)}")
    expect(page.get_by_role("table", name="Result").locator("tbody tr")).to_have_count(3)
    found = {kind: saved(page, kind, tmp_path) for kind in ("CSV", "JSON", "PARQUET", "ARROW")}

    text = csv.DictReader(io.StringIO(found["CSV"].read_text("utf-8")))
    assert {row["entity"]: float(row["pm25"]) for row in text} == STATIONS
    objects = json.loads(found["JSON"].read_bytes())
    assert {row["entity"]: row["pm25"] for row in objects} == STATIONS
    assert list(objects[0]) == ["entity", "pm25", "longitude", "latitude"]
    parquet = polars.read_parquet(found["PARQUET"])
    assert dict(parquet.select("entity", "pm25").rows()) == STATIONS
    arrow = polars.read_ipc_stream(found["ARROW"])
    assert dict(arrow.select("entity", "pm25").rows()) == STATIONS


def test_places_are_taken_along_as_geojson(visit: Visit, hub: Server, tmp_path: Path) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/query?tab=ngsi&type={TYPE}&q={quote('pm25>11')}")
    expect(page.get_by_role("table", name=TYPE).locator("tbody tr")).to_have_count(2)
    places = json.loads(saved(page, "GEOJSON", tmp_path).read_bytes())
    assert places["type"] == "FeatureCollection"
    assert [one["geometry"] for one in places["features"]] == [place(1), place(2)]
    text = csv.DictReader(io.StringIO(saved(page, "CSV", tmp_path).read_text("utf-8")))
    assert [float(row["pm25"]) for row in text] == [11.5, 12.5]


def saved(page: Page, kind: str, folder: Path) -> Path:
    """Take an answer along and return the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name=kind, exact=True).click()
    assert download.value.suggested_filename == f"madang.{kind.lower()}"
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def test_back_goes_to_the_question_before_and_its_answer(visit: Visit, hub: Server) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/query?sql={quote(COUNT)}")
    result = page.get_by_role("table", name="Result")
    expect(result).to_contain_text("3")
    editor = page.get_by_role("textbox", name="SQL")
    editor.press("Control+a")
    editor.press_sequentially("SELECT 41 + 1 AS answer")
    editor.press("Control+Enter")
    expect(result).to_contain_text("42")
    page.get_by_role("link", name="NGSI-LD").click()
    page.get_by_label("Type").fill(TYPE)
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("table", name=TYPE).locator("tbody tr")).to_have_count(3)
    page.get_by_label("Condition").fill("pm25>12")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("table", name=TYPE).locator("tbody tr")).to_have_count(1)

    page.go_back()
    expect(page.get_by_label("Condition")).to_have_value("")
    expect(page.get_by_role("table", name=TYPE).locator("tbody tr")).to_have_count(3)
    page.go_back()
    page.go_back()
    expect(result).to_contain_text("42")
    page.go_back()
    expect(editor).to_contain_text("count(*)")
    expect(result).to_contain_text("3")
    page.go_forward()
    expect(result).to_contain_text("42")


@pytest.mark.parametrize("chosen", ["count", "*", "SELECT count(*) AS n FROM"])
def test_what_is_chosen_is_typed_over_by_keys_and_as_korean_is_typed(
    visit: Visit, hub: Server, chosen: str
) -> None:
    """The visit fails if the browser complains of a style that the policy forbids."""
    page = visit.page
    page.goto(f"{hub.url}/control/query?sql={quote(COUNT)}")
    editor = page.get_by_role("textbox", name="SQL")
    choose(page, chosen)
    page.keyboard.type("max")
    expect(editor).to_have_text(COUNT.replace(chosen, "max"))
    choose(page, "max")
    typing = page.context.new_cdp_session(page)
    for text in ("ㅎ", "하", "한"):
        typing.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": 1, "selectionEnd": 1}
        )
    typing.send("Input.insertText", {"text": "한글"})
    expect(editor).to_have_text(COUNT.replace(chosen, "한글"))
    editor.press("Control+z")
    editor.press("Control+z")
    expect(editor).to_have_text(COUNT)


def test_tables_that_come_late_take_nothing_from_who_types_already(
    visit: Visit, hub: Server
) -> None:
    """The cursor, what can be undone and the focus stay; completion knows the tables then."""
    page = visit.page
    held: list[Route] = []
    page.route("**/history/sql/tables", lambda route: held.append(route))
    page.goto(f"{hub.url}/control/query?sql={quote(COUNT)}")
    editor = page.get_by_role("textbox", name="SQL")
    choose(page, "count")
    page.keyboard.type("max")
    expect(editor).to_have_text(COUNT.replace("count", "max"))
    with page.expect_response("**/history/sql/tables"):
        held[0].continue_()
    expect(page.locator("#main details").get_by_text(TYPE).first).to_be_attached()
    page.keyboard.press("Control+z")
    expect(editor).to_have_text(COUNT)
    page.keyboard.press("Control+End")
    page.keyboard.type(f" WHERE {TYPE[:9]}")
    expect(page.get_by_role("option", name=TYPE)).to_be_visible()


def choose(page: Page, text: str) -> None:
    """Choose a text in the editor by the keyboard."""
    editor = page.get_by_role("textbox", name="SQL")
    expect(page.locator("#main textarea")).to_have_count(0)  # it is no plain field any more
    expect(editor).to_contain_text(text)
    start = editor.inner_text().index(text)
    editor.press("Control+Home")
    for _ in range(start):
        page.keyboard.press("ArrowRight")
    for _ in text:
        page.keyboard.press("Shift+ArrowRight")


def test_what_is_wrong_is_said_in_korean_and_in_the_words_of_the_hub(
    browser: Browser, hub: Server
) -> None:
    visit = Visit(browser, hub.url, "ko", "phone")
    page = visit.page
    page.goto(f"{hub.url}/control/query?sql={quote('SELECT nothing FROM nowhere')}")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("입력한 내용에 잘못된 곳이 있습니다.")
    expect(alert.locator("[lang=en]")).to_contain_text("nowhere")
    page.goto(f"{hub.url}/control/entities/urn:ngsi-ld:{TYPE}:none")
    expect(alert).to_contain_text("그런 것이 없습니다.")
    expect(alert).to_contain_text("그사이 삭제되었을 수 있습니다.")
    expect(alert.locator("[lang=en]")).to_contain_text(f"{TYPE}:none")
    assert visit.barriers() == []
    visit.picture("problem")
    visit.close()
