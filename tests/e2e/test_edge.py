"""An edge node and its centre: what the node acknowledged arrives, once and in order."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.e2e.edge_city import (
    START,
    Node,
    at,
    caught_up,
    entity,
    plain,
    push,
    series,
    station,
    status,
)
from tests.e2e.server import API, COMMAND, Server


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


def test_what_comes_late_at_the_node_is_history_at_the_centre(tmp_path: Path) -> None:
    with Server(tmp_path / "centre") as centre, Node(tmp_path / "edge", centre.url) as node:
        push(node, [station(1, 60.0, 60)])
        late = push(node, [station(1, float(second), second) for second in range(5)])
        assert late["late"] == 5
        caught_up(node)
        id = "urn:ngsi-ld:NoiseLevelObserved:1"
        assert [value for _, value in series(centre, id)] == [0.0, 1.0, 2.0, 3.0, 4.0, 60.0]
        assert entity(centre, id)["LAeq"]["value"] == 60.0


def test_what_is_personal_stays_and_aggregates_leave_as_such(tmp_path: Path) -> None:
    config = """
        [edge.rules.NoiseLevelObserved]
        strip = ["note"]
        aggregate = { LAeq = 6 }
    """
    begun = round(time.time()) // 6 * 6 - 600 - START
    with Server(tmp_path / "centre") as centre:
        with Node(tmp_path / "edge", centre.url, config) as node:
            for second in range(begun, begun + 18):
                push(node, [station(1, float(second - begun), second, note=plain("mine"))])
            person = {"id": "urn:ngsi-ld:Person:1", "type": "Person", "name": plain("Jin")}
            push(node, [person, station(2, 1.0, begun, state=plain("on"))])
            node.wait_for(lambda: len(series(centre, "urn:ngsi-ld:NoiseLevelObserved:1")) == 3, 90)
            caught_up(node)
            found = entity(centre, "urn:ngsi-ld:NoiseLevelObserved:1")
            assert found["LAeq"]["value"] == 14.5
            assert found["LAeq"]["unitCode"] == "2N"
            assert found["LAeq"]["minimum"]["value"] == 12.0
            assert found["LAeq"]["maximum"]["value"] == 17.0
            assert found["LAeq"]["sampleCount"]["value"] == 6
            assert found["LAeq"]["observedAt"][:19] == at(begun + 18)[:19]
            assert "note" not in found
            assert entity(centre, "urn:ngsi-ld:NoiseLevelObserved:2")["state"]["value"] == "on"
            assert centre.request("GET", f"{API}/entities/urn:ngsi-ld:Person:1").status == 404
            caught_up(node)
            sent = status(node)["sent"]
        with Node(tmp_path / "edge", centre.url, config) as node:  # nothing is told anew
            caught_up(node)
            assert status(node)["sent"] <= sent
            values = [value for _, value in series(centre, "urn:ngsi-ld:NoiseLevelObserved:1")]
            assert values == [2.5, 8.5, 14.5]


def test_records_of_services_stay_at_the_node_and_their_alerts_arrive(tmp_path: Path) -> None:
    loud = {"type": "NoiseLevelObserved", "attribute": "LAeq", "above": 80, "alert": {}}
    alerts = f"{API}/entities?type=Alert&options=keyValues"
    with Server(tmp_path / "centre") as centre, Node(tmp_path / "edge", centre.url) as node:
        assert node.request("PUT", "/rules", {"loud": loud}).status == 200
        push(node, [station(1, 90.0, 0)])
        node.wait_for(lambda: node.request("GET", "/decisions").json() != [], 60)
        caught_up(node)
        centre.wait_for(lambda: centre.request("GET", alerts).json() != [], 60)
        letters: Any = centre.request("GET", "/sense/letters").json()
        assert letters["letters"] == []
        assert centre.request("GET", "/decisions").json() == []


def test_a_node_needs_a_centre(tmp_path: Path) -> None:
    command = [str(COMMAND), "edge", "--data", str(tmp_path / "edge")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MADANG_")}
    found = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert found.returncode == 2
    assert b"--upstream" in found.stderr


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
