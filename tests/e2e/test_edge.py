"""An edge node and its centre: what the node acknowledged arrives, once and in order."""

from __future__ import annotations

import http.client
import itertools
import os
import random
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.server import API, COMMAND, Server, free_port

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
        command = [str(COMMAND), "edge", "--upstream", self._upstream, "--name", "test-node"]
        command += ["--data", str(self.data), "--port", str(self.port), "--open"]
        command += ["--mqtt-port", str(free_port()), "--config", str(self._config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


class Line:
    """The line between a node and its centre, which can be cut.

    ``up``; ``down``: refused, and what is under way breaks; ``deaf``: the centre hears all, and
    its answers are lost.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.state = "up"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, state: str) -> None:
        self.state = state
        if state == "down":
            for one in list(self._open):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.set("down")
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            if self.state == "down":
                return
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
                self._open |= {near, far}
                back = threading.Thread(target=self._pass, args=(far, near, True), daemon=True)
                back.start()
                self._pass(near, far, False)
                with suppress(OSError):
                    far.shutdown(socket.SHUT_WR)
                back.join(5)
                self._open -= {near, far}

    def _pass(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_answer and self.state == "deaf":
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)


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


def test_what_a_node_takes_arrives_at_its_centre(tmp_path: Path) -> None:
    with Server(tmp_path / "centre") as centre, Node(tmp_path / "edge", centre.url) as node:
        assert push(node, [station(1, 40.0, 0), station(2, 50.0, 0)])["entities"] == 2
        for second in range(1, 6):
            push(node, [station(1, 40.0 + second, second)])
        caught_up(node)
        id = "urn:ngsi-ld:NoiseLevelObserved:1"
        assert series(centre, id) == series(node, id)
        assert [value for _, value in series(centre, id)] == [40.0, 41.0, 42.0, 43.0, 44.0, 45.0]
        here, there = entity(node, id), entity(centre, id)
        assert there["LAeq"]["value"] == 45.0
        assert there["LAeq"]["unitCode"] == here["LAeq"]["unitCode"] == "2N"
        assert status(node)["upstream"] == centre.url


@pytest.mark.slow
def test_what_comes_late_at_the_node_is_history_at_the_centre(tmp_path: Path) -> None:
    with Server(tmp_path / "centre") as centre, Node(tmp_path / "edge", centre.url) as node:
        push(node, [station(1, 60.0, 60)])
        late = push(node, [station(1, float(second), second) for second in range(5)])
        assert late["late"] == 5
        caught_up(node)
        id = "urn:ngsi-ld:NoiseLevelObserved:1"
        assert [value for _, value in series(centre, id)] == [0.0, 1.0, 2.0, 3.0, 4.0, 60.0]
        assert entity(centre, id)["LAeq"]["value"] == 60.0


@pytest.mark.slow
def test_what_is_personal_stays_and_aggregates_leave_as_such(tmp_path: Path) -> None:
    config = """
        [edge.rules.NoiseLevelObserved]
        strip = ["note"]
        aggregate = { LAeq = 60 }
    """
    begun = round(time.time()) // 60 * 60 - 600 - START
    with Server(tmp_path / "centre") as centre:
        with Node(tmp_path / "edge", centre.url, config) as node:
            for second in range(begun, begun + 180, 10):
                push(node, [station(1, float(second - begun), second, note=plain("mine"))])
            person = {"id": "urn:ngsi-ld:Person:1", "type": "Person", "name": plain("Jin")}
            push(node, [person, station(2, 1.0, begun, state=plain("on"))])
            node.wait_for(lambda: len(series(centre, "urn:ngsi-ld:NoiseLevelObserved:1")) == 3, 90)
            caught_up(node)
            found = entity(centre, "urn:ngsi-ld:NoiseLevelObserved:1")
            assert found["LAeq"]["value"] == 145.0
            assert found["LAeq"]["unitCode"] == "2N"
            assert found["LAeq"]["minimum"]["value"] == 120.0
            assert found["LAeq"]["maximum"]["value"] == 170.0
            assert found["LAeq"]["sampleCount"]["value"] == 6
            assert found["LAeq"]["observedAt"][:19] == at(begun + 180)[:19]
            assert "note" not in found
            assert entity(centre, "urn:ngsi-ld:NoiseLevelObserved:2")["state"]["value"] == "on"
            assert centre.request("GET", f"{API}/entities/urn:ngsi-ld:Person:1").status == 404
            caught_up(node)
            sent = status(node)["sent"]
        with Node(tmp_path / "edge", centre.url, config) as node:  # nothing is told anew
            caught_up(node)
            assert status(node)["sent"] <= sent
            values = [value for _, value in series(centre, "urn:ngsi-ld:NoiseLevelObserved:1")]
            assert values == [25.0, 85.0, 145.0]


def plain(value: str) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def test_a_node_needs_a_centre(tmp_path: Path) -> None:
    command = [str(COMMAND), "edge", "--data", str(tmp_path / "edge")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MADANG_")}
    found = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert found.returncode == 2
    assert b"--upstream" in found.stderr


@pytest.mark.slow
def test_a_node_shows_its_key_to_a_centre_where_people_sign_in(tmp_path: Path) -> None:
    with Server(tmp_path / "centre", open=False) as centre:
        made = centre.request(
            "POST",
            "/trust/keys",
            {"name": "node", "kind": "app", "writes": ["NoiseLevelObserved"]},
            centre.local_key(),
        )
        key = made.json()
        assert isinstance(key, dict), made.body
        with Node(tmp_path / "edge", centre.url, key="wrong") as node:
            push(node, [station(1, 40.0, 0)])
            node.wait_for(lambda: "401" in (status(node)["alarm"] or ""))
        with Node(tmp_path / "edge", centre.url, key=key["key"]) as node:
            caught_up(node)
            answer = centre.request(
                "GET", f"{API}/entities/urn:ngsi-ld:NoiseLevelObserved:1", None, centre.local_key()
            )
            assert answer.status == 200


def test_a_hub_without_a_centre_is_no_edge_node(tmp_path: Path) -> None:
    with Server(tmp_path / "hub") as hub:
        assert status(hub) == {"upstream": None}


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


@pytest.mark.slow
def test_nothing_is_lost_when_either_side_is_killed_under_load(tmp_path: Path) -> None:
    chance = random.Random(5)
    centre, stop = Server(tmp_path / "centre"), threading.Event()
    acknowledged: list[tuple[int, int]] = []
    centre.start()
    node = Node(tmp_path / "edge", centre.url)
    node.start()
    load = threading.Thread(target=pusher, args=(node, acknowledged, stop), daemon=True)
    load.start()
    try:
        for turn in range(5):
            time.sleep(chance.uniform(0.3, 1.5))
            victim = node if turn % 2 else centre
            victim.kill()
            time.sleep(chance.uniform(0.1, 1.0))
            victim.start(120)
        time.sleep(1.0)
        stop.set()
        load.join(15)
        caught_up(node)
        assert len(acknowledged) > 300
        check_once_and_in_order(centre, acknowledged)
    finally:
        stop.set()
        node.kill()
        centre.kill()


@pytest.mark.slow
def test_nothing_is_lost_when_the_line_is_cut_or_loses_answers(tmp_path: Path) -> None:
    chance = random.Random(6)
    acknowledged: list[tuple[int, int]] = []
    stop = threading.Event()
    with Server(tmp_path / "centre") as centre:
        line = Line(centre.port)
        with Node(tmp_path / "edge", line.url) as node:
            load = threading.Thread(target=pusher, args=(node, acknowledged, stop), daemon=True)
            load.start()
            for state in ("down", "deaf", "down", "deaf"):
                time.sleep(chance.uniform(0.3, 0.8))
                line.set(state)
                time.sleep(chance.uniform(0.8, 1.5))
                assert status(node)["alarm"]
                line.set("up")
            stop.set()
            load.join(15)
            caught_up(node)
            check_once_and_in_order(centre, acknowledged)
            answer = node.request("GET", "/sense/edge").json()
            assert isinstance(answer, dict)
            assert answer["alarm"] is None
        line.close()
