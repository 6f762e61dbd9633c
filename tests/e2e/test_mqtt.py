"""MQTT at a hub as a city runs it: devices with keys, and nothing lost when it is killed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.certificate import certificate
from tests.e2e.mosquitto import SUB, Mosquitto, needs_clients, needs_mosquitto, published
from tests.e2e.mqtt_maker import Maker
from tests.e2e.server import API, Server, free_port

PROFILE = """
title = "A counter"
type = "AirQualityObserved"

[attributes]
pm10 = { path = "n", unit = "GQ" }
"""
ENTITY = "urn:ngsi-ld:AirQualityObserved:counter"
TOPIC = "v1/devices/counter/up"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", open=False) as running:
        yield running


def put_up(server: Server) -> str:
    """Register the device; return its key."""
    local = server.local_key()
    assert server.request("PUT", "/profiles/counter", {"text": PROFILE}, local).status == 201
    wanted = {"device": "counter", "profile": "counter", "key": True}
    made = server.request("POST", "/devices", wanted, local)
    assert made.status == 201, made.body
    return str(json.loads(made.body)["key"])


def publish(server: Server, key: str, topic: str, text: str, *more: str) -> tuple[int, str]:
    account = ("-V", "5", "-u", "counter", "-P", key)
    return published(server.mqtt_port, topic, text, *account, *more)


def body(number: int) -> str:
    """Return a message that was measured in its own second."""
    hours, seconds = divmod(number, 3600)
    at = f"2026-11-01T{hours:02}:{seconds // 60:02}:{seconds % 60:02}Z"
    return json.dumps({"observedAt": at, "values": {"n": number}})


def numbers(server: Server) -> list[int]:
    """Return all values of the counter that history has."""
    local, found = server.local_key(), []
    after = "2026-10-31T00:00:00Z"
    while True:
        path = (
            f"{API}/temporal/entities/{ENTITY}?attrs=pm10&format=temporalValues"
            f"&timerel=after&timeAt={after}"
        )
        answer = server.request("GET", path, headers=local)
        assert answer.status in (200, 206), answer.body
        pairs = json.loads(answer.body)["pm10"]["values"]
        found += [int(value) for value, at in pairs if at > after]  # `after` has the instant itself
        if answer.status == 200:
            return found
        after = max(at for _, at in pairs)


@needs_clients
def test_what_a_device_publishes_can_be_asked_for_at_once(server: Server) -> None:
    key = put_up(server)
    assert publish(server, key, TOPIC, body(7)) == (0, "")
    found = server.request("GET", f"{API}/entities/{ENTITY}", headers=server.local_key())
    pm10 = json.loads(found.body)["pm10"]
    assert (pm10["value"], pm10["unitCode"]) == (7, "GQ")


@needs_clients
def test_a_device_is_told_what_was_wrong_and_it_is_kept(server: Server) -> None:
    key = put_up(server)
    _, said = publish(server, key, TOPIC, "{ no JSON")
    assert "failed" in said.lower(), said
    letters = server.request("GET", "/sense/letters", headers=server.local_key())
    assert b"badPayload" in letters.body
    _, said = publish(server, key, "v1/devices/other/up", body(1))
    assert "Not authorized" in said


@needs_clients
def test_a_key_is_out_as_soon_as_it_is_revoked(server: Server) -> None:
    key = put_up(server)
    gone = server.request("DELETE", "/devices/counter/key", headers=server.local_key())
    assert gone.status < 300, gone.body
    code, said = publish(server, key, TOPIC, body(1))
    assert code, said


@needs_clients
def test_retained_messages_survive_the_end_of_the_process(server: Server) -> None:
    local = json.loads((server.data / "local.key").read_bytes())["key"]
    assert publish(server, local, "notes/a", "kept", "-r") == (0, "")
    server.kill()
    server.start()
    local = json.loads((server.data / "local.key").read_bytes())["key"]
    heard = subprocess.run(
        [str(SUB), "-p", str(server.mqtt_port), "-u", "x", "-P", local,
         "-t", "notes/#", "-C", "1", "-W", "5"],
        capture_output=True, timeout=20, text=True, check=False,
    )  # fmt: skip
    assert heard.stdout == "kept\n", heard.stderr


@needs_clients
def test_with_a_certificate_it_is_mqtt_over_tls(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    port = free_port()
    data = tmp_path / "data"
    environ = {
        "MADANG_TLS_CERTIFICATE": str(chain),
        "MADANG_TLS_KEY": str(key),
        "MADANG_MQTT_TLS_PORT": str(port),
    }
    server = Server(data, environ=environ, open=False)
    server.launch()
    try:
        server.wait_for(lambda: (data / "local.key").exists() and "ready" in server.log_end())
        local = json.loads((data / "local.key").read_bytes())["key"]
        code, said = publish(server, local, "a", "1")
        assert code, said  # the plain port is not open
        server.mqtt_port = port
        assert publish(server, local, "a", "1", "--cafile", str(chain)) == (0, "")
    finally:
        server.kill()


def test_every_acknowledged_message_is_there_once_though_the_hub_is_killed(tmp_path: Path) -> None:
    environ = {"MADANG_LIMIT_DEVICE_PER_S": "0"}
    with Server(tmp_path / "data", environ=environ, open=False) as server:
        maker = Maker(server.mqtt_port, "counter", put_up(server), TOPIC, body)
        try:
            for _ in range(2):
                maker.wait(80)
                server.kill()
                server.start()
            maker.wait(80)
        finally:
            maker.stop()
        found = numbers(server)
    assert len(found) == len(set(found))
    assert maker.numbers <= set(found)
    assert len(found) >= 240


def test_a_device_faster_than_its_limit_waits_and_loses_nothing(tmp_path: Path) -> None:
    environ = {"MADANG_LIMIT_DEVICE_PER_S": "20"}
    with Server(tmp_path / "data", environ=environ, open=False) as server:
        maker = Maker(server.mqtt_port, "counter", put_up(server), TOPIC, body)
        began = time.monotonic()
        try:
            maker.wait(180)  # a hundred at once, and then twenty a second
        finally:
            maker.stop()
        assert time.monotonic() - began > 2
        found = numbers(server)
    assert len(found) == len(set(found))
    assert maker.numbers <= set(found)


@needs_mosquitto
async def test_messages_of_mosquitto_are_there_once_though_the_hub_is_killed(
    tmp_path: Path,
) -> None:
    mosquitto = Mosquitto(free_port(), tmp_path / "mosquitto")
    mosquitto.admit("city", "secret")
    table = {"host": "127.0.0.1", "port": mosquitto.port, "topics": ["field/{device}/data"]}
    table |= {"username": "city", "password": "secret"}
    environ = {"MADANG_MQTT_BROKERS": json.dumps({"field": table})}
    async with mosquitto:
        with Server(tmp_path / "data", environ=environ, open=False) as server:
            await asyncio.to_thread(put_up, server)
            arguments = (mosquitto.port, "city", "secret", "field/counter/data", body)
            maker = await asyncio.to_thread(Maker, *arguments)
            try:
                for _ in range(2):
                    await asyncio.to_thread(maker.wait, 100)
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                await asyncio.to_thread(maker.wait, 100)
            finally:
                await asyncio.to_thread(maker.stop)
            found = await asyncio.to_thread(settled, server, maker.numbers)
            metrics = server.request("GET", "/metrics", headers=server.local_key()).body
    assert len(found) == len(set(found))
    assert maker.numbers <= set(found)
    assert b'madang_mqtt_broker_connected{broker="field"} 1.0' in metrics


def settled(server: Server, wanted: set[int]) -> list[int]:
    """Return what history has, when all that is wanted is there or after a while."""
    for _ in range(100):
        found = numbers(server)
        if wanted <= set(found):
            break
        time.sleep(0.2)
    return found
