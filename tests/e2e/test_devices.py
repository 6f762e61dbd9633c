"""Devices from outside: registered, given keys, heard, labelled, tested, over HTTP and terminal."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.sense.devices import profile as profiles
from tests.e2e.mqtt_maker import connected
from tests.e2e.server import API, COMMAND, Server, free_port
from tests.recorded import DATA, needs

NODES = "iot/sdot_seoul/sensor_longitude_latitude.csv"
MINE = 'type = "WaterObserved"\ninterval_s = 600\n[attributes]\nheight = { unit = "MTR" }\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("devices") / "data"
    with Server(folder, "--mqtt-port", "0", open=False) as server:
        yield server


def asked(server: Server, method: str, path: str, body: object = None, key: str = "") -> Any:
    """Send a request, as the user of this machine or with a key; return status and body."""
    headers = {"Authorization": f"Bearer {key}"} if key else server.local_key()
    answer = server.request(method, path, body, headers)
    try:
        return answer.status, answer.json()
    except orjson.JSONDecodeError:
        return answer.status, answer.body


def typed(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return server.madang("device", *words)


def good(server: Server, *words: str) -> str:
    done = typed(server, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def added(server: Server, name: str, profile: str) -> str:
    """Register a device and return its key."""
    body = {"device": name, "profile": profile, "key": True}
    status, made = asked(server, "POST", "/devices", body)
    assert status == 201, made
    return str(made["key"])


def values(server: Server, id: str) -> dict[str, Any]:
    status, found = asked(server, "GET", f"{API}/entities/{id}")
    assert status == 200, found
    return {name: one.get("value") for name, one in found.items() if isinstance(one, dict)}


def test_a_device_is_added_and_what_it_sends_becomes_entities(server: Server) -> None:
    key = good(
        server, "add", "air-1", "--profile", "open-air-station", "--place", "126.98,37.57",
        "--set", "owner=Seoul", "--set", "serialNumber=SN 1",
    ).strip()  # fmt: skip
    assert key.startswith("mdg_")
    body = {"observedAt": "2026-01-31T12:00:00Z", "pm25": 12.34, "batteryLevel": 0.8, "co2": 5}
    status, taken = asked(server, "POST", "/devices/air-1/up", body, key)
    assert (status, taken["entities"]) == (200, 2), taken

    found = values(server, "urn:ngsi-ld:AirQualityObserved:air-1")
    assert (found["pm25"], found["co2"]) == (12.3, 5)
    assert found["location"]["coordinates"] == [126.98, 37.57]
    assert values(server, "urn:ngsi-ld:Device:air-1")["batteryLevel"] == 0.8
    _, shown = asked(server, "GET", "/devices/SN%201")
    assert shown["entities"] == ["urn:ngsi-ld:AirQualityObserved:air-1"]
    assert shown["owner"] == ["Seoul"]
    assert shown["lastHeard"]
    assert shown["controlledProperty"] == [
        "airPollution",
        "atmosphericPressure",
        "humidity",
        "temperature",
    ]
    flags = shown["quality"]
    assert (flags["fail"], flags["suspect"]) == (1, 1), "carbon dioxide of 5 ppm; pm25 is late"
    _, (listed,) = asked(server, "GET", "/devices?q=air-1")
    for name in ("quality", "battery", "entities", "lastHeard"):
        assert listed[name] == shown[name]
    assert listed["battery"] == 0.8
    assert listed["location"]["coordinates"] == [126.98, 37.57]


def test_a_bad_field_is_told_and_the_others_are_written(server: Server) -> None:
    key = added(server, "air-2", "open-air-station")
    status, told = asked(server, "POST", "/devices/air-2/up", {"pm25": "much", "pm10": 7}, key)
    assert status == 400
    assert told["detail"] == "pm25: 'much' is no number"
    assert values(server, "urn:ngsi-ld:AirQualityObserved:air-2")["pm10"] == 7


def test_a_key_reaches_its_own_device_only_and_ends_when_it_should(server: Server) -> None:
    first = added(server, "k-1", "open-noise-meter")
    added(server, "k-2", "open-noise-meter")
    _, told = asked(server, "POST", "/devices/k-2/up", {"LAeq": 50}, first)
    assert told["status"] == 403 or told["reason"] == "forbidden", told
    assert asked(server, "GET", f"{API}/entities/urn:ngsi-ld:NoiseLevelObserved:k-2")[0] == 404

    second = asked(server, "POST", "/devices/k-1/key", {"overlap_s": 0})[1]["key"]
    assert asked(server, "POST", "/devices/k-1/up", {"LAeq": 50}, first)[0] == 401
    assert asked(server, "POST", "/devices/k-1/up", {"LAeq": 50}, second)[0] == 200
    good(server, "key", "k-1", "--revoke")
    assert asked(server, "POST", "/devices/k-1/up", {"LAeq": 50}, second)[0] == 401


def test_a_new_profile_lets_the_key_of_a_device_write_its_entities(
    server: Server, tmp_path: Path
) -> None:
    key = added(server, "p-1", "open-noise-meter")
    (tmp_path / "gauge.toml").write_text(MINE)
    assert "is kept" in good(server, "profile", "put", str(tmp_path / "gauge.toml"))
    good(server, "change", "p-1", "--profile", "gauge")
    assert asked(server, "POST", "/devices/p-1/up", {"height": 1.5}, key)[0] == 200
    assert values(server, "urn:ngsi-ld:WaterObserved:p-1")["height"] == 1.5
    other = MINE.replace("WaterObserved", "FloodMonitoring")
    assert asked(server, "PUT", "/profiles/gauge", {"text": other})[0] == 204
    assert asked(server, "POST", "/devices/p-1/up", {"height": 1.6}, key)[0] == 200
    assert values(server, "urn:ngsi-ld:FloodMonitoring:p-1")["height"] == 1.6
    assert asked(server, "PUT", "/profiles/gauge", {"text": MINE})[0] == 204
    refused = typed(server, "profile", "remove", "gauge", "--yes")
    assert "1 devices use the profile gauge" in refused.stderr
    assert good(server, "profile", "show", "gauge").strip() == MINE.strip()


def test_a_retired_device_is_not_heard(server: Server) -> None:
    key = added(server, "old-1", "open-noise-meter")
    asked(server, "PATCH", "/devices/old-1", {"deviceState": "retired"})
    _, told = asked(server, "POST", "/devices/old-1/up", {"LAeq": 50}, key)
    assert "device old-1 is retired" in told["detail"]


def test_a_device_registers_itself_with_a_key_for_so_many(server: Server) -> None:
    words = ("provision", "--profile", "open-noise-meter", "--count", "1")
    key = good(server, *words).strip()
    body = {"serialNumber": "New 1", "firmwareVersion": "1.0"}
    status, made = asked(server, "POST", "/devices/register", body, key)
    assert (status, made["device"]) == (201, "New-1")
    assert asked(server, "POST", "/devices/New-1/up", {"LAeq": 40}, made["key"])[0] == 200
    assert asked(server, "POST", "/devices/New-1/up", {"LAeq": 41}, key)[0] in (400, 403)
    status, told = asked(server, "POST", "/devices/register", {"serialNumber": "New 2"}, key)
    assert (status, told["detail"][:29]) == (403, "this key has let in as many d")
    assert asked(server, "POST", "/devices/register", body, made["key"])[0] == 403


def test_a_device_is_let_in_by_its_first_message_where_the_profile_says_so(server: Server) -> None:
    text = f"accept_unknown = true\n{MINE}"
    assert asked(server, "PUT", "/profiles/open-door", {"text": text})[0] == 201
    wanted = {"profile": "open-door", "count": 5}
    _, made = asked(server, "POST", "/devices/provisioning", wanted)
    status, told = asked(server, "POST", "/devices/x-77/up", {"height": 2}, made["key"])
    assert status == 200, told
    assert values(server, "urn:ngsi-ld:WaterObserved:x-77")["height"] == 2
    _, grants = asked(server, "GET", "/devices/provisioning")
    assert {"key": made["id"], "profile": "open-door", "left": 4} in grants
    assert asked(server, "DELETE", f"/devices/provisioning/{made['id']}")[0] == 204
    assert asked(server, "POST", "/devices/x-78/up", {"height": 2}, made["key"])[0] == 401


def test_who_may_not_look_after_devices_is_refused(server: Server) -> None:
    key = added(server, "low-1", "open-noise-meter")
    assert asked(server, "GET", "/devices", key=key)[0] == 403
    assert asked(server, "POST", "/devices", {"device": "x"}, key)[0] == 403
    assert asked(server, "PUT", "/profiles/x", {"text": MINE}, key)[0] == 403


def test_what_is_wrong_is_told_with_the_way_out(server: Server) -> None:
    assert (
        "serial is not known here; known are device"
        in typed(server, "add", "x", "--set", "serial=1").stderr
    )
    assert "no profile 'nope'" in typed(server, "add", "x", "--profile", "nope").stderr
    assert "no device 'nobody'" in typed(server, "show", "nobody").stderr
    assert typed(server, "add", "a/b").returncode == 2
    status, told = asked(server, "PUT", "/profiles/bad", {"text": 'type = "A"\nunits = 1'})
    assert (status, told["detail"][:27]) == (400, "the profile bad: units: the")


def test_labels_are_images_and_sheets(server: Server, tmp_path: Path) -> None:
    good(server, "add", "lab-1", "--no-key")
    good(server, "label", "lab-1", "-o", str(tmp_path / "one.png"))
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    good(server, "label", "lab-1", "-o", str(tmp_path / "one.svg"))
    assert b"<svg" in (tmp_path / "one.svg").read_bytes()
    good(server, "label", "--search", "lab-", "-o", str(tmp_path / "all.html"))
    assert "<b>lab-1</b>" in (tmp_path / "all.html").read_text()


def test_a_device_that_falls_silent_is_listed_and_raises_an_alarm(server: Server) -> None:
    text = f"silent_after_s = 0.3\n{MINE}".replace("600", "0.1")
    asked(server, "PUT", "/profiles/hasty", {"text": text})
    key = added(server, "quiet-1", "hasty")
    until = time.monotonic() + 20
    while not asked(server, "GET", "/devices/quiet-1")[1]["silent"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert "quiet-1" in good(server, "list", "--silent")
    alarm = f"{API}/entities/urn:ngsi-ld:Alert:deviceSilent:quiet-1"
    assert "validTo" not in asked(server, "GET", alarm)[1]
    asked(server, "POST", "/devices/quiet-1/up", {"height": 1}, key)
    while "validTo" not in asked(server, "GET", alarm)[1]:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_table_is_taken_as_far_as_it_is_good(server: Server, tmp_path: Path) -> None:
    table = tmp_path / "nodes.csv"
    table.write_bytes("시리얼;위도;경도\nT1;37.5;127\nT2;200;127\nT 3;37.6;127.1\n".encode("cp949"))
    done = typed(
        server, "import", str(table), "--profile", "sdot-seoul", "--set", "owner=Seoul",
        "--keys", str(tmp_path / "keys.csv"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "row 3: longitude 127 and latitude 200 are no place" in done.stderr
    assert done.stdout == "2 devices registered, 1 rows refused\n"
    lines = (tmp_path / "keys.csv").read_text().split()
    assert [line.partition(",")[0] for line in lines] == ["device", "T1", "T-3"]
    assert (tmp_path / "keys.csv").stat().st_mode & 0o077 == 0
    assert asked(server, "GET", "/devices/T%203")[1]["owner"] == ["Seoul"]


@needs(NODES)
def test_the_sensors_of_seoul_are_registered_and_heard(server: Server, tmp_path: Path) -> None:
    nodes, keys = DATA / NODES, tmp_path / "keys.csv"
    done = good(server, "import", str(nodes), "--profile", "sdot-seoul", "--keys", str(keys))
    assert done == "851 devices registered, 0 rows refused\n"
    name, key = keys.read_text().split()[1].split(",")
    row = nodes.read_text("utf-8-sig").splitlines()[1].split(",")
    assert name == row[0]
    record = {"기온": 1253, "소음": 61, "pm25 보정": 9.5, "측정시간": "202508010312"}
    status, taken = asked(server, "POST", f"/devices/{name}/up", record, key)
    assert (status, taken["entities"]) == (200, 3), taken
    weather = values(server, f"urn:ngsi-ld:WeatherObserved:{name}")
    assert weather["temperature"] == 25.3
    assert weather["location"]["coordinates"] == [float(row[2]), float(row[1])]
    _, listed = asked(server, "GET", "/devices?profile=sdot-seoul&limit=1000")
    assert len([one for one in listed if one["device"].startswith("V02Q")]) == 851
    again = typed(server, "import", str(nodes), "--profile", "sdot-seoul")
    assert again.stdout == "0 devices registered, 851 rows refused\n"


def test_all_is_there_after_a_crash(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--mqtt-port", "0", open=False)
    server.start()
    try:
        key = added(server, "c-1", "open-noise-meter")
        asked(server, "PUT", "/profiles/mine", {"text": MINE})
        server.kill()
        server.start()
        assert asked(server, "POST", "/devices/c-1/up", {"LAeq": 50}, key)[0] == 200
        assert asked(server, "GET", "/profiles/mine")[1]["origin"] == "city"
    finally:
        server.stop()


def test_a_profile_is_tried_and_a_device_tested_without_a_hub(tmp_path: Path) -> None:
    nobody = Server(tmp_path / "nothing")
    message = tmp_path / "m.json"
    message.write_bytes(b'{"observedAt": "2026-01-31T12:00:00Z", "pm25": 5000}')
    shown = good(nobody, "profile", "try", "open-air-station", str(message), "--json")
    (row,) = orjson.loads(shown)
    assert (row["attribute"], row["value"], row["quality"]) == ("pm25", 5000, "fail")
    (tmp_path / "mine.toml").write_text(profiles.shipped()["open-air-station"])
    done = typed(nobody, "test", str(message), "--profile", str(tmp_path / "mine.toml"))
    assert done.returncode == 1
    assert "fail  V1" in done.stdout
    message.write_bytes(b'{"observedAt": "2026-01-31T12:00:00Z", "pm25": 50}')
    assert "The device conforms" in good(nobody, "test", str(message))


def test_a_device_of_a_tenant_is_heard_in_that_tenant_only(server: Server) -> None:
    here = {"NGSILD-Tenant": "north"}
    entity = {"id": "urn:ngsi-ld:District:1", "type": "District"}
    server.request("POST", f"{API}/entities", entity, server.local_key() | here)
    key = good(server, "add", "n-1", "--profile", "open-noise-meter", "--tenant", "north").strip()
    own = {"Authorization": f"Bearer {key}"}
    assert server.request("POST", "/devices/n-1/up", {"LAeq": 50}, own | here).status == 200
    assert server.request("POST", "/devices/n-1/up", {"LAeq": 50}, own).status == 403
    assert asked(server, "GET", "/devices/n-1")[0] == 404
    noise = f"{API}/entities/urn:ngsi-ld:NoiseLevelObserved:n-1"
    assert server.request("GET", noise, None, server.local_key() | here).status == 200


def test_a_device_connects_to_the_self_test_and_passes(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [COMMAND, "device", "test", "--listen", str(port), "--host", "127.0.0.1", "--wait", "40",
         "--messages", "4", "--profile", "open-noise-meter"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "Let the device connect" in process.stderr.readline()
    client = connected(port, "noise-1", "noise-1", "mdg_key")
    try:
        for number in range(6):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600 + 60 * number))
            body = orjson.dumps({"observedAt": at, "LAeq": 50.0 + number})
            client.publish("v1/devices/noise-1/up", body, 1)
            time.sleep(0.1)
        told, _ = process.communicate(timeout=60)
    finally:
        client.disconnect()
        client.loop_stop()
    assert process.returncode == 0, told
    assert "fail" not in told
    assert "The device conforms, as far as was seen (0 requirements were not)." in told
