"""The live map over HTTP: each reader finds, and sees standing, moving and past, what is theirs."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from tests.e2e.server import API, Answer, Server, ServerFailed

Headers = dict[str, str]
WRITER: Any = Writer  # its functions have no types


def prop(value: object) -> dict[str, object]:
    return {"type": "Property", "value": value}


def place(kind: str, coordinates: object) -> dict[str, object]:
    return {"type": "GeoProperty", "value": {"type": kind, "coordinates": coordinates}}


SQUARE = [[[127.0, 37.5], [127.001, 37.5], [127.001, 37.501], [127.0, 37.5]]]
CITY = [
    {"id": "urn:b:hall", "type": "Building", "name": prop("시청 City Hall"), "height": prop(40),
     "location": place("Polygon", SQUARE)},
    {"id": "urn:v:1", "type": "Vehicle", "name": prop("City Bus 1"), "speed": prop(30),
     "location": place("Point", [127.0, 37.5])},
    {"id": "urn:p:kim", "type": "Person", "name": prop("Kim City"), "nickname": prop("K"),
     "location": place("Point", [127.0, 37.5])},
]  # fmt: skip


def tiles(path: Path) -> Path:
    with path.open("wb") as file:
        writer = WRITER(file)
        writer.write_tile(zxy_to_tileid(1, 1, 0), gzip.compress(b"tile"))
        writer.finalize(
            {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP, "min_zoom": 1,
             "max_zoom": 1, "min_lon_e7": 0, "min_lat_e7": 0, "max_lon_e7": 1, "max_lat_e7": 1,
             "center_zoom": 1, "center_lon_e7": 0, "center_lat_e7": 0},
            {"vector_layers": []},
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("map")
    environ = {"MADANG_BASEMAP": str(tiles(folder / "city.pmtiles"))}
    with Server(folder / "data", open=False, environ=environ) as server:
        for one in CITY:
            made = server.request("POST", f"{API}/entities", one, server.local_key())
            assert made.status == 201, made.body
        yield server


@pytest.fixture(scope="module")
def boss(hub: Server) -> Headers:
    return hub.local_key()


@pytest.fixture(scope="module")
def app(hub: Server) -> Headers:
    """Return the key of an app that may read vehicles alone."""
    wanted = {"kind": "app", "name": "buses", "reads": ["Vehicle"]}
    made = hub.request("POST", "/trust/keys", wanted, hub.local_key())
    assert made.status == 201, made.body
    return {"Authorization": f"Bearer {orjson.loads(made.body)['key']}"}


def asked(hub: Server, path: str, headers: Headers, **more: str) -> Answer:
    return hub.request("GET", path, headers={**headers, **more})


def found(hub: Server, words: str, headers: Headers, more: str = "") -> list[str]:
    answer = asked(hub, f"/ui/search?words={quote(words)}{more}", headers)
    assert answer.status == 200, answer.body
    return [one["id"] for one in orjson.loads(answer.body)]


def test_everybody_finds_what_they_may_see_by_name(
    hub: Server, boss: Headers, app: Headers
) -> None:
    assert set(found(hub, "city", boss)) == {"urn:b:hall", "urn:v:1", "urn:p:kim"}
    assert found(hub, "시청", boss) == ["urn:b:hall"]
    assert found(hub, "city", boss, "&types=Vehicle") == ["urn:v:1"]
    assert len(found(hub, "city", boss, "&limit=1")) == 1
    assert found(hub, "city", app) == ["urn:v:1"]
    assert found(hub, "hall", app) == []


def test_a_name_that_is_hidden_from_somebody_finds_nothing_for_them(
    hub: Server, boss: Headers
) -> None:
    wanted = {"login": "op", "password": "correct horse battery", "roles": ["operator"]}
    assert hub.request("POST", "/trust/users", wanted, boss).status == 201
    login = {"grant_type": "password", "username": "op", "password": wanted["password"]}
    token = orjson.loads(hub.request("POST", "/token", login).body)
    operator = {"Authorization": f"Bearer {token['access_token']}"}
    assert found(hub, "kim", operator) == ["urn:p:kim"], "its id is no secret"
    assert found(hub, "kim city", operator) == [], "its name is personal"


def test_what_is_found_has_its_name_and_a_place_alone(hub: Server, boss: Headers) -> None:
    [one] = orjson.loads(asked(hub, "/ui/search?words=hall", boss).body)
    assert one.keys() == {"id", "type", "name", "location"}
    assert one["location"]["value"] == {"type": "Point", "coordinates": [127.0005, 37.5005]}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/ui/search", "words is missing"),
        ("/ui/search?words=" + "a" * 101, "words may have 100 characters"),
        ("/ui/search?words=a&limit=51", "limit must be a whole number from 1 to 50"),
        ("/ui/search?words=a&colour=red", "no parameter"),
        ("/map/base", "type is missing"),
        ("/map/base?type=" + ",".join(f"T{n}" for n in range(21)), "20 types at once"),
        ("/map/types?limit=1", "no parameter"),
        ("/map/past?type=Vehicle", "start is missing"),
        ("/map/tiles/1/x/0", "must be a whole number"),
    ],
)
def test_what_is_wrong_is_said_in_a_problem_document(
    hub: Server, boss: Headers, path: str, says: str
) -> None:
    answer = asked(hub, path, boss)
    assert answer.status == 400
    assert says in orjson.loads(answer.body)["detail"]


def test_what_stands_still_is_sent_once_for_as_long_as_it_stays(
    hub: Server, boss: Headers, app: Headers
) -> None:
    path = "/map/base?type=Building"
    first = asked(hub, path, boss)
    content = orjson.loads(first.body)
    assert content["features"][0]["properties"]["height"] == 40
    assert asked(hub, path, boss, **{"If-None-Match": first.headers["etag"]}).status == 304
    packed = asked(hub, path, boss, **{"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == first.body
    assert orjson.loads(asked(hub, path, app).body)["features"] == []
    body = {"height": prop(50)}
    assert hub.request("PATCH", f"{API}/entities/urn:b:hall", body, boss).status == 204
    end = time.monotonic() + 5
    while asked(hub, path, boss).headers["etag"] == first.headers["etag"]:
        assert time.monotonic() < end, "the change was not seen in 5 s"
    assert orjson.loads(asked(hub, path, boss).body)["features"][0]["properties"]["height"] == 50


def test_the_kinds_of_things_are_those_that_one_may_see(
    hub: Server, boss: Headers, app: Headers
) -> None:
    def types(headers: Headers) -> dict[str, str]:
        content = orjson.loads(asked(hub, "/map/types", headers).body)
        assert content["basemap"]["maxzoom"] == 1
        return {one["type"]: one["geometry"] for one in content["types"]}

    assert types(boss) == {"Building": "polygon", "Vehicle": "point", "Person": "point"}
    assert types(app) == {"Vehicle": "point"}


def test_the_past_is_a_film_of_what_one_may_see(hub: Server, boss: Headers, app: Headers) -> None:
    body = {"location": place("Point", [127.1, 37.6]), "speed": prop(50)}
    assert hub.request("PATCH", f"{API}/entities/urn:v:1", body, boss).status == 204
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = now - timedelta(minutes=5), now + timedelta(seconds=10)
    span = f"start={start:%Y-%m-%dT%H:%M:%SZ}&end={end:%Y-%m-%dT%H:%M:%SZ}&step=5"
    film = orjson.loads(asked(hub, f"/map/past?type=Vehicle&value=speed&{span}", app).body)
    assert film["ids"] == ["urn:v:1"]
    assert film["names"] == [{"": "City Bus 1"}]
    assert film["values"][-1] == [50]
    assert film["values"][0] == [None], "it did not exist five minutes ago"
    hidden = orjson.loads(asked(hub, f"/map/past?type=Building&{span}", app).body)
    assert hidden["ids"] == []
    seen = asked(hub, f"/map/past?type=Building&{span}", boss, **{"Accept-Encoding": "gzip"})
    content = gzip.decompress(seen.body) if "content-encoding" in seen.headers else seen.body
    assert orjson.loads(content)["ids"] == ["urn:b:hall"]


def test_tiles_of_the_base_map_are_passed_through(hub: Server, app: Headers) -> None:
    answer = asked(hub, "/map/tiles/1/1/0", app)
    assert (answer.status, answer.headers["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(answer.body) == b"tile"
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    again = asked(hub, "/map/tiles/1/1/0", app, **{"If-None-Match": answer.headers["etag"]})
    assert again.status == 304
    assert asked(hub, "/map/tiles/1/0/0", app).status == 204
    assert asked(hub, "/map/tiles/1/0/0", {}).status == 401


def test_a_base_map_that_cannot_be_read_stops_the_start_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(b"no tiles")
    server = Server(tmp_path / "data", environ={"MADANG_BASEMAP": str(tmp_path / "wrong")})
    with pytest.raises(ServerFailed, match="leave the setting out"):
        server.start()
