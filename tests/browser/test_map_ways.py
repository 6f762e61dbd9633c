"""The live map with the city's own base map, at the place of who looks, and where none is drawn."""

from __future__ import annotations

import gzip
import io
import re
import time
from collections.abc import Iterator
from math import asinh, pi, radians, tan
from pathlib import Path
from typing import Any

import duckdb
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from madang.lake.engine import extension
from tests.browser.room import Visit, drawing_chromium
from tests.e2e.chromium import chromium
from tests.e2e.server import API, Server

TYPE = "AirQualityObserved"
HERE = {"longitude": 127.03, "latitude": 37.53}
FAR = "at=126.97000,37.57000,14.00"
WATER, WATER_IN_THE_DARK = (0xCF, 0xE0, 0xE8), (0x12, 0x24, 0x2D)  # map/basemap.ts
ATTRIBUTION = "© The survey office of the city"
NO_DRAWING = ["--disable-3d-apis"]


def under_water() -> bytes:
    """Return a vector tile that is all water."""
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension('spatial')}'")
    (tile,) = connection.execute("""
        SELECT ST_AsMVT({'geometry': ST_AsMVTGeom(area, ST_Extent(area))}, 'water')
        FROM (SELECT ST_MakeEnvelope(0, 0, 1, 1) AS area)
    """).fetchone() or (b"",)
    return gzip.compress(bytes(tile))


def base_map(path: Path) -> Path:
    """Write tiles of the city of these tests, which is a sea."""
    writer: Any = Writer
    tile, zoom = under_water(), 14
    with path.open("wb") as file:
        tiles = writer(file)
        column = int((126.97 + 180) / 360 * 2**zoom)
        row = int((1 - asinh(tan(radians(37.57))) / pi) / 2 * 2**zoom)
        around = range(-4, 5)
        ids = {
            zxy_to_tileid(zoom, column + east, row + south) for east in around for south in around
        }
        for id in sorted(ids):
            tiles.write_tile(id, tile)
        tiles.finalize(
            {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP},
            {"attribution": ATTRIBUTION, "vector_layers": [{"id": "water"}]},
        )
    return path


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ways")
    tiles = base_map(folder / "city.pmtiles")
    with Server(folder / "data", environ={"MADANG_BASEMAP": str(tiles)}) as server:
        for number in range(3):
            measured(server, number, 10.0 + number)
        put(server, "Alert", 1, severity={"type": "Property", "value": "high"})
        yield server


def measured(server: Server, number: int, pm25: float) -> None:
    words = {"en": f"Station {number}", "ko": f"측정소 {number}"}
    put(
        server, TYPE, number,
        name={"type": "LanguageProperty", "languageMap": words},
        pm25={"type": "Property", "value": pm25, "unitCode": "GQ"},
    )  # fmt: skip


def put(server: Server, type_: str, number: int, **attributes: Any) -> None:
    place = {"type": "Point", "coordinates": [126.97 + number / 1000, 37.57]}
    entity = {
        "id": f"urn:ngsi-ld:{type_}:{number}",
        "type": type_,
        "location": {"type": "GeoProperty", "value": place},
        **attributes,
    }
    done = server.request("POST", f"{API}/entityOperations/upsert?options=update", [entity])
    assert done.status in (201, 204), done.body


def becomes(page: Page, colour: tuple[int, int, int]) -> None:
    """Wait until the ground of the map, where nothing else is, has a colour."""
    end, found = time.monotonic() + 20, (0, 0, 0)
    while time.monotonic() < end:
        box = {"x": 700, "y": 640, "width": 4, "height": 4}
        picture = Image.open(io.BytesIO(page.screenshot(clip=box)))  # type: ignore[arg-type]
        found = picture.convert("RGB").getpixel((1, 1))  # type: ignore[assignment]
        if max(abs(one - other) for one, other in zip(found, colour, strict=True)) <= 2:
            return
    pytest.fail(f"the map is {found} there, not {colour}")


def test_the_map_shows_the_base_map_and_where_one_is_and_says_if_it_may_not(hub: Server) -> None:
    with drawing_chromium() as browser:
        visit = Visit(
            browser, hub.url, "en", "desktop", geolocation=HERE, permissions=["geolocation"]
        )
        page = visit.page
        page.goto(f"{hub.url}/control/map?{FAR}&layers=-")
        expect(page.get_by_text(ATTRIBUTION)).to_be_visible(timeout=20_000)
        becomes(page, WATER)
        page.emulate_media(color_scheme="dark")
        becomes(page, WATER_IN_THE_DARK)
        visit.picture("map-with-base-map-in-the-dark")

        page.get_by_role("button", name="Where am I").click()
        expect(page).to_have_url(re.compile(r"at=127\.03\d*%2C37\.53\d*%2C15"))

        visit.context.clear_permissions()  # from now on it is refused
        page.get_by_role("button", name="Where am I").click()
        expect(page.get_by_text("This browser did not say where it is")).to_be_visible()
        assert visit.watched.complaints == []
        assert visit.watched.strangers == []
        visit.close()


def test_a_browser_that_draws_no_maps_shows_the_same_facts(hub: Server) -> None:
    with chromium(*NO_DRAWING) as browser:
        visit = Visit(browser, hub.url, "ko", "phone")
        page = visit.page
        page.goto(f"{hub.url}/control/map")
        expect(page.get_by_text("이 브라우저에서는 지도를 그릴 수 없습니다")).to_be_visible()
        table = page.get_by_role("table")
        expect(table.get_by_role("link", name="측정소 2")).to_be_visible()
        measured(hub, 2, 77.5)
        expect(table).to_contain_text("77.5")  # it is live without a map
        expect(table).to_contain_text("높음")  # how grave an alarm is, in words
        it_says_that_the_hub_is_away_and_goes_on_when_it_is_back(page, hub)
        assert visit.barriers() == []
        visit.picture("map-that-cannot-be-drawn")

        page.get_by_role("combobox", name="지도에서 찾기").fill("측정소 1")
        page.get_by_role("option", name="측정소 1").click()
        expect(page).to_have_url(re.compile("id=urn"))
        expect(page.get_by_role("link", name="상세 화면 열기")).to_be_visible()

        page.goto(f"{hub.url}/city/map")
        page.get_by_role("button", name="움직이는 지도").click()
        expect(page.get_by_text("움직이는 지도를 불러오지 못했습니다")).to_be_visible()
        visit.close()


def it_says_that_the_hub_is_away_and_goes_on_when_it_is_back(page: Page, hub: Server) -> None:
    status = page.get_by_role("status")
    other = page.context.new_page()
    other.goto(f"{hub.url}/control/alarms")
    expect(other.get_by_role("table")).to_be_visible()
    hub.stop()
    expect(other.get_by_role("alert")).to_contain_text("허브에 연결할 수 없습니다.")
    expect(status.filter(has_text=re.compile("연결이 끊겨|계속 시도 중"))).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("브라우저가 오프라인입니다")).to_be_visible()
    hub.start()
    page.context.set_offline(False)
    expect(other.get_by_role("alert")).to_have_count(0)
    expect(status.filter(has_text="실시간")).to_be_visible()
    measured(hub, 2, 66.5)
    expect(page.get_by_role("table")).to_contain_text("66.5")
