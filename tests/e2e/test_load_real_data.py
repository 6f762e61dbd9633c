"""Recorded city data, loaded as a user loads it, checked against Polars on the same files.

The figures to compare with are worked out here from the files alone, with other code than the
hub's: distances by the haversine formula, areas by the sides of a convex polygon.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiomqtt
import polars as pl
import pytest
from aiohttp import web

from tests.e2e.mosquitto import Mosquitto, needs_mosquitto
from tests.e2e.server import API, Server, free_port
from tests.recorded import DATA, needs

pytestmark = needs("iot/air_prsa_beijing", "iot/air_sensor_community_aberdeen", "iot/sdot_seoul")

NODES = DATA / "iot/sdot_seoul/sensor_longitude_latitude.csv"
MEANS = DATA / "iot/sdot_seoul/sdot_2025_08_avg.geojson.gz"
STATIONS = ("Dongsi", "Changping")
LATER_STATIONS = ("Aotizhongxin", "Wanshouxigong")
DUST_SENSORS = (5331, 7789, 8554)
LATER_DUST_SENSOR = 8733
ROWS, LATER_ROWS = 3000, 4000
CITY_HALL = (126.978, 37.5665)

PRSA_COLUMNS = {
    "pm25": "PM2.5", "pm10": "PM10", "so2": "SO2", "no2": "NO2", "co": "CO", "o3": "O3",
    "temperature": "TEMP", "dewPoint": "DEWP", "pressure": "PRES", "precipitation": "RAIN",
    "windSpeed": "WSPM",
}  # fmt: skip


def prsa_file(station: str) -> Path:
    return DATA / f"iot/air_prsa_beijing/PRSA_Data_{station}_20130301-20170228.csv.gz"


def dust_file(sensor: int) -> Path:
    return DATA / f"iot/air_sensor_community_aberdeen/sds011_{sensor}_2018-02.csv.gz"


def prsa(station: str, rows: int) -> pl.DataFrame:
    """Return the first rows of a station with the time of each in UTC."""
    frame = pl.read_csv(prsa_file(station), null_values="NA", infer_schema_length=None)
    local = pl.datetime("year", "month", "day", "hour", time_zone="Asia/Shanghai")
    utc = local.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return frame.head(rows).with_columns(utc.alias("at"))


def dust(sensor: int, rows: int) -> pl.DataFrame:
    return pl.read_csv(dust_file(sensor), separator=";").head(rows)


def means() -> pl.DataFrame:
    features = json.loads(gzip.decompress(MEANS.read_bytes()))["features"]
    rows = [
        feature["properties"]
        | dict(zip(("lon", "lat"), feature["geometry"]["coordinates"], strict=True))
        for feature in features
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def cut(source: Path, folder: Path, rows: int) -> Path:
    """Write the header and the first rows of a compressed table to a folder."""
    target = folder / source.name.removesuffix(".gz")
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        target.write_text("".join(islice(stream, rows + 1)), encoding="utf-8")
    return target


def load(server: Server, mapping: str, *files: Path) -> None:
    """Run ``madang load`` and see that it says all went well."""
    server.said("load", "--mapping", mapping, *map(str, files), timeout_s=300)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A hub that was started and loaded as a user would."""
    folder = tmp_path_factory.mktemp("city")
    server = Server(folder / "data")
    server.start()
    load(server, "sdot-nodes", NODES)
    load(server, "sdot-average", MEANS)
    load(server, "prsa-beijing", *[cut(prsa_file(name), folder, ROWS) for name in STATIONS])
    load(server, "sensor-community", *[cut(dust_file(no), folder, ROWS) for no in DUST_SENSORS])
    yield server
    assert server.stop() == 0


def found(server: Server, **query: str) -> dict[str, dict[str, Any]]:
    """Return all entities that match, by id, read page by page."""
    entities: dict[str, dict[str, Any]] = {}
    while True:
        page = query | {"limit": "500", "offset": str(len(entities)), "count": "true"}
        answer = server.request("GET", f"{API}/entities?{urlencode(page)}")
        assert answer.status == 200, answer.body
        items: Any = answer.json()
        entities |= {item["id"]: item for item in items}
        if not items or len(entities) == int(answer.headers["ngsild-results-count"]):
            return entities


def ids(kind: str, frame: pl.DataFrame, column: str) -> set[str]:
    return {f"urn:ngsi-ld:{kind}:S-DoT:{serial}" for serial in frame[column]}


def test_every_node_is_found_by_type_with_its_korean_name(city: Server) -> None:
    nodes = pl.read_csv(NODES)
    devices = found(city, type="Device")
    assert devices.keys() == ids("Device", nodes, "시리얼")
    for serial, latitude, longitude in nodes.iter_rows():
        device = devices[f"urn:ngsi-ld:Device:S-DoT:{serial}"]
        assert device["location"]["value"]["coordinates"] == [longitude, latitude]
        assert device["name"]["languageMap"]["ko"].endswith(serial)


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("NoiseLevelObserved", ["avg_noise"]),
        ("WeatherObserved", ["avg_temperature", "avg_uv", "avg_wind_speed", "avg_wind_dir"]),
    ],
)
def test_a_type_has_the_nodes_that_measure_it(city: Server, kind: str, columns: list[str]) -> None:
    measuring = means().filter(pl.any_horizontal(pl.col(columns).is_not_null()))
    assert found(city, type=kind).keys() == ids(kind, measuring, "equip_id")


@pytest.mark.parametrize(
    ("kind", "q", "condition"),
    [
        ("NoiseLevelObserved", "LAeq>65", pl.col("avg_noise") > 65),
        ("NoiseLevelObserved", "LAeq==40..45", pl.col("avg_noise").is_between(40, 45)),
        (
            "WeatherObserved",
            "temperature>=31;uvIndex<1.5",
            (pl.col("avg_temperature") >= 31) & (pl.col("avg_uv") < 1.5),
        ),
        (
            "WeatherObserved",
            'areaServed=="강남구","중구";temperature',
            pl.col("gu").is_in(["강남구", "중구"]) & pl.col("avg_temperature").is_not_null(),
        ),
        (
            "WeatherObserved",
            'address[addressLocality]~="^강"',
            pl.col("gu").str.starts_with("강")
            & pl.any_horizontal(
                pl.col("avg_temperature", "avg_uv", "avg_wind_speed", "avg_wind_dir").is_not_null()
            ),
        ),
        (
            "AirQualityObserved",
            "so2>0.004|o3>0.03",
            (pl.col("avg_so2") > 0.004) | (pl.col("avg_o3") > 0.03),
        ),
    ],
)  # fmt: skip
def test_values_are_compared_as_polars_does(
    city: Server, kind: str, q: str, condition: pl.Expr
) -> None:
    expected = ids(kind, means().filter(condition), "equip_id")
    assert expected, "the condition must match something to show anything"
    matching = found(city, type=kind, q=q)
    assert {identifier for identifier in matching if "S-DoT" in identifier} == expected


def distance_m(longitude: float, latitude: float) -> pl.Expr:
    """Return the great-circle distance of ``lon`` and ``lat`` from a place. [m]"""
    east = (pl.col("lon") - longitude).radians()
    north = (pl.col("lat") - latitude).radians()
    half = (north / 2).sin().pow(2) + (east / 2).sin().pow(2) * (
        pl.col("lat").radians().cos() * math.cos(math.radians(latitude))
    )
    return 2 * 6_371_008.8 * half.sqrt().arcsin()


@pytest.mark.parametrize("metres", [500, 2000, 7500])
def test_distance_is_that_of_the_great_circle(city: Server, metres: int) -> None:
    nodes = pl.read_csv(NODES, new_columns=["serial", "lat", "lon"])
    away = distance_m(*CITY_HALL)
    # The hub measures on the ellipsoid, which differs from the sphere by up to 0.5 per cent.
    surely = ids("Device", nodes.filter(away <= metres * 0.995), "serial")
    perhaps = ids("Device", nodes.filter(away <= metres * 1.005), "serial")
    near = found(
        city,
        type="Device",
        georel=f"near;maxDistance=={metres}",
        geometry="Point",
        coordinates=json.dumps(CITY_HALL),
    )
    assert surely
    assert surely <= near.keys() <= perhaps


def test_area_is_that_within_the_sides_of_the_polygon(city: Server) -> None:
    corners = [(126.90, 37.50), (127.05, 37.48), (127.10, 37.57), (126.95, 37.60)]
    inside = pl.lit(value=True)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        side = (x2 - x1) * (pl.col("lat") - y1) - (y2 - y1) * (pl.col("lon") - x1)
        inside = inside & (side > 0)
    loud = means().filter(inside & (pl.col("avg_noise") > 60))
    within = found(
        city,
        type="NoiseLevelObserved",
        q="LAeq>60",
        georel="within",
        geometry="Polygon",
        coordinates=json.dumps([[*corners, corners[0]]]),
    )
    assert len(loud) > 20
    assert within.keys() == ids("NoiseLevelObserved", loud, "equip_id")


@pytest.mark.parametrize("station", STATIONS)
def test_a_station_has_the_last_value_of_each_quantity_and_its_time(
    city: Server, station: str
) -> None:
    identifier = f"urn:ngsi-ld:AirQualityObserved:Beijing:{station}"
    entity = found(city, id=identifier, type="AirQualityObserved")[identifier]
    rows = prsa(station, ROWS)
    for name, column in PRSA_COLUMNS.items():
        value, at = rows.filter(pl.col(column).is_not_null()).select(column, "at").row(-1)
        assert entity[name]["value"] == value, name
        assert entity[name]["observedAt"] == at, name
    assert entity["pm25"]["unitCode"] == "GQ"


@pytest.mark.parametrize("sensor", DUST_SENSORS)
def test_a_dust_sensor_shows_its_last_row(city: Server, sensor: int) -> None:
    identifier = f"urn:ngsi-ld:AirQualityObserved:sensor.community:{sensor}"
    entity = found(city, id=identifier, type="AirQualityObserved")[identifier]
    last = dust(sensor, ROWS).row(-1, named=True)
    assert entity["pm10"]["value"] == last["P1"]
    assert entity["pm25"]["value"] == last["P2"]
    assert entity["pm25"]["observedAt"] == last["timestamp"] + "Z"
    assert entity["location"]["value"]["coordinates"] == [last["lon"], last["lat"]]


def test_the_city_serves_what_it_counts(city: Server) -> None:
    shown = city.said("find", "--type", "Device", "--limit", "1", "--json")
    assert json.loads(shown)[0]["type"] == "Device"


def subscribe(server: Server, **subscription: Any) -> None:
    answer = server.request(
        "POST", f"{API}/subscriptions", {"type": "Subscription", **subscription}
    )
    assert answer.status == 201, answer.body


Values = dict[str, list[tuple[float, str]]]
"""Value and time of what was notified, in order, by entity."""


class Inbox:
    """What a subscriber was told about one attribute."""

    def __init__(self, attribute: str, expected: int) -> None:
        self.seen: Values = defaultdict(list)
        self._attribute = attribute
        self._missing = expected
        self._complete = asyncio.Event()

    def take(self, notification: dict[str, Any]) -> None:
        for entity in notification["data"]:
            value = entity[self._attribute]
            self.seen[entity["id"]].append((value["value"], value["observedAt"]))
            self._missing -= 1
        if self._missing <= 0:
            self._complete.set()

    async def complete(self) -> Values:
        """Wait for as many as expected, and a little longer for any too many."""
        with suppress(TimeoutError):  # the comparison shows what is missing
            await asyncio.wait_for(self._complete.wait(), 60)
        await asyncio.sleep(1.0)
        return self.seen


@asynccontextmanager
async def http_subscriber(inbox: Inbox) -> AsyncIterator[str]:
    """Listen as a real HTTP endpoint; yield its address."""

    async def take(request: web.Request) -> web.Response:
        inbox.take(await request.json())
        return web.Response()

    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/notify", take)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/notify"
    finally:
        await runner.cleanup()


async def test_an_http_subscriber_gets_what_matches_while_more_is_loaded(
    city: Server, tmp_path: Path
) -> None:
    expected: Values = {}
    for station in LATER_STATIONS:
        rows = prsa(station, LATER_ROWS).filter(pl.col("PM2.5") > 150)
        identifier = f"urn:ngsi-ld:AirQualityObserved:Beijing:{station}"
        expected[identifier] = list(rows.select("PM2.5", "at").iter_rows())
    count = sum(map(len, expected.values()))
    assert count > 100
    inbox = Inbox("pm25", count)
    async with http_subscriber(inbox) as uri:
        subscribe(
            city,
            entities=[{"type": "AirQualityObserved", "idPattern": ":Beijing:"}],
            watchedAttributes=["pm25"],
            q="pm25>150",
            notification={
                "attributes": ["pm25"],
                "endpoint": {"uri": uri, "accept": "application/json"},
            },
        )
        files = [cut(prsa_file(name), tmp_path, LATER_ROWS) for name in LATER_STATIONS]
        await asyncio.to_thread(load, city, "prsa-beijing", *files)
        assert await inbox.complete() == expected


@needs_mosquitto
async def test_an_mqtt_subscriber_gets_what_matches_while_more_is_loaded(
    city: Server, tmp_path: Path
) -> None:
    dusty = dust(LATER_DUST_SENSOR, LATER_ROWS).filter(pl.col("P1") >= 10)
    rows = dusty.select(pl.col("P1"), pl.col("timestamp") + "Z").iter_rows()
    expected = {f"urn:ngsi-ld:AirQualityObserved:sensor.community:{LATER_DUST_SENSOR}": list(rows)}
    count = len(dusty)
    assert count > 100
    inbox = Inbox("pm10", count)
    async with Mosquitto(free_port(), tmp_path / "mosquitto") as broker:
        port = broker.port

        async def listen(client: aiomqtt.Client) -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                inbox.take(json.loads(message.payload)["body"])

        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("city/dust", qos=1)
            listening = asyncio.create_task(listen(client))
            subscribe(
                city,
                entities=[{"type": "AirQualityObserved", "idPattern": "sensor.community"}],
                watchedAttributes=["pm10"],
                q="pm10>=10",
                notification={
                    "endpoint": {
                        "uri": f"mqtt://127.0.0.1:{port}/city/dust",
                        "accept": "application/json",
                        "notifierInfo": [{"key": "MQTT-QoS", "value": "1"}],
                    }
                },
            )
            file = cut(dust_file(LATER_DUST_SENSOR), tmp_path, LATER_ROWS)
            await asyncio.to_thread(load, city, "sensor-community", file)
            assert await inbox.complete() == expected
            listening.cancel()
