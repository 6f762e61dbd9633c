"""An edge node and its centre as tests use them, and what tells whether all arrived."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.server import API, Server

START = 1_770_000_000  # 2026-02-02T02:40:00Z [s]
HISTORY = "/ngsi-ld/v1/temporal/entities"


class Node(Server):
    """``madang edge`` over one data folder."""

    def __init__(self, data: Path, upstream: str, config: str = "", **environ: str) -> None:
        given = {f"MADANG_EDGE_{name.upper()}": value for name, value in environ.items()}
        super().__init__(data, environ=given)
        self._upstream = upstream
        self._config = data.with_name(data.name + ".toml")
        self._config.write_text(config)

    def launch(self) -> None:
        self._run(
            "edge", "--upstream", self._upstream, "--name", "test-node",
            "--data", str(self.data), "--port", str(self.port), "--open",
            "--mqtt-port", str(self.mqtt_port), "--config", str(self._config),
        )  # fmt: skip


def at(second: float) -> str:
    moment = time.gmtime(START + second)
    return time.strftime("%Y-%m-%dT%H:%M:%S", moment) + f".{round(second % 1 * 1000):03d}Z"


def station(number: int, value: float, second: float, **more: Any) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:NoiseLevelObserved:{number}",
        "type": "NoiseLevelObserved",
        "LAeq": {"type": "Property", "value": value, "unitCode": "2N", "observedAt": at(second)},
        **more,
    }


def push(server: Server, entities: list[dict[str, Any]]) -> dict[str, Any]:
    answer = server.request("POST", "/sense/up/ngsi-ld", entities)
    assert answer.status == 200, answer.body
    found = answer.json()
    assert isinstance(found, dict)
    return found


def status(server: Server) -> dict[str, Any]:
    found = server.request("GET", "/sense/edge").json()
    assert isinstance(found, dict)
    return found


def caught_up(node: Server, wait_s: float = 60.0) -> None:
    """Wait until the centre has acknowledged all that the node has."""
    end = time.monotonic() + wait_s
    while (found := status(node))["behind"] or found["alarm"]:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def told(server: Server) -> list[dict[str, Any]]:
    """Return all changes of a hub in their order, from its own feed."""
    end = f"urn:ngsi-ld:Mark:{time.monotonic_ns()}"
    server.request("POST", f"{API}/entities", {"id": end, "type": "Mark"})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/changes?after=0")
    found: list[dict[str, Any]] = []
    with connection.getresponse() as answer:
        while not found or found[-1]["id"] != end:
            line = answer.readline()
            if line.startswith(b"data: "):
                found.append(orjson.loads(line[6:]))
    connection.close()
    return found[:-1]


def series(server: Server, id: str, attribute: str = "LAeq") -> list[tuple[str, Any]]:
    """Return times and values of an attribute, the oldest first."""
    path = f"{HISTORY}/{id}?options=temporalValues&timerel=after&timeAt=2020-01-01T00:00:00Z"
    answer = server.request("GET", path + "&lastN=1000")
    if answer.status == 404:
        return []
    found = answer.json()
    assert isinstance(found, dict), found
    values = found.get(attribute, {}).get("values", [])
    return sorted((moment, value) for value, moment in values)


def entity(server: Server, id: str) -> dict[str, Any]:
    answer = server.request("GET", f"{API}/entities/{id}")
    found = answer.json()
    assert isinstance(found, dict)
    return found


def plain(value: str) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def pusher(node: Server, acknowledged: list[tuple[int, int]], stop: threading.Event) -> None:
    """Push values of ten sensors, one after the other, and note what was acknowledged."""
    for number in itertools.count():
        sensor, turn = number % 10, number // 10
        while not stop.is_set():
            with suppress(OSError):
                answer = node.request(
                    "POST", "/sense/up/ngsi-ld", [station(sensor, turn, turn)], timeout_s=10
                )
                if answer.status == 200:
                    acknowledged.append((sensor, turn))
                    break
            time.sleep(0.05)
        if stop.is_set():
            return
        time.sleep(0.002)


def check_once_and_in_order(centre: Server, acknowledged: list[tuple[int, int]]) -> None:
    """Fail if the centre lacks anything acknowledged, has it twice, or got it out of its order."""
    came: dict[str, list[float]] = {}
    for event in told(centre):
        if event["entity"] and "LAeq" in event["entity"]:
            came.setdefault(event["id"], []).append(event["entity"]["LAeq"]["value"])
    for sensor in range(10):
        id = f"urn:ngsi-ld:NoiseLevelObserved:{sensor}"
        assert came[id] == sorted(set(came[id])), f"{id}: twice or out of order"
        kept = series(centre, id)
        assert [value for _, value in kept] == list(range(len(kept))), f"{id}: a gap or twice"
        assert [at(turn)[:19] for turn in range(len(kept))] == [when[:19] for when, _ in kept]
        assert len(kept) > max(turn for one, turn in acknowledged if one == sensor)
        assert entity(centre, id)["LAeq"]["value"] == kept[-1][1]
