"""What pages of entities ask beside NGSI-LD: counts, rights, how fast things change, and what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.e2e.server import API, Server

BENCH = "urn:ngsi-ld:Bench:1"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("ui") / "data", open=False) as server:
        local = server.local_key()
        for count, state in enumerate(("good", "wet", "wet")):
            bench = {"id": BENCH, "type": "Bench", "state": state, "seats": count}
            made = server.request("POST", f"{API}/entityOperations/upsert", [bench], local)
            assert made.status in (201, 204), made.body
        yield server


def person(hub: Server, role: str) -> dict[str, str]:
    login = f"{role}@example.org"
    body = {"login": login, "password": PASSWORD, "roles": [role]}
    assert hub.request("POST", "/trust/users", body, hub.local_key()).status in (201, 409)
    asked = {"grant_type": "password", "username": login, "password": PASSWORD}
    token = orjson.loads(hub.request("POST", "/token", asked).body)
    return {"Authorization": f"Bearer {token['access_token']}"}


def told(hub: Server, path: str, headers: dict[str, str] | None = None) -> Any:
    answer = hub.request("GET", path, None, headers or hub.local_key())
    assert answer.status == 200, answer.body
    return answer.json()


def test_types_are_counted_as_far_as_they_are_seen(hub: Server) -> None:
    near = {"type": "Relationship", "object": "urn:ngsi-ld:Tree:1"}
    lamp = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "near": near, "on": True}
    assert hub.request("POST", f"{API}/entities", lamp, hub.local_key()).status == 201
    found = {one.pop("type"): one for one in told(hub, "/ui/types")}
    assert found["Bench"] == {"count": 1, "relations": []}
    assert found["Lamp"] == {"count": 1, "relations": ["near"]}
    public = {one["type"] for one in told(hub, "/ui/types", person(hub, "citizen"))}
    assert not public & {"Bench", "Lamp"}


def test_rights_are_those_that_writing_asks_for(hub: Server) -> None:
    path = f"/ui/rights?entity={BENCH}"
    both, neither = {"update": True, "delete": True}, {"update": False, "delete": False}
    assert told(hub, path, person(hub, "operator")) == {**both, "public": None}
    assert told(hub, path, person(hub, "analyst")) == {**neither, "public": None}
    assert told(hub, path) == {**both, "public": None}
    missing = hub.request("GET", "/ui/rights?entity=urn:x:none", None, hub.local_key())
    assert missing.status == 404
    wrong = hub.request("GET", "/ui/rights?entity=bench", None, hub.local_key())
    assert wrong.status == 400
    assert b"entity must be a URI" in wrong.body


def test_nobody_may_change_what_madang_alone_writes(hub: Server) -> None:
    playbook = 'title = { en = "Flood", ko = "침수" }\n'
    answer = hub.request("PUT", "/playbooks/flood", {"text": playbook}, hub.local_key())
    assert answer.status == 201, answer.body
    found = told(hub, f"{API}/entities?type=Playbook")
    path = f"/ui/rights?entity={quote(found[0]['id'])}"
    assert told(hub, path) == {"update": False, "delete": False, "public": None}


def test_what_everybody_sees_is_said_without_the_attributes_that_are_marked(hub: Server) -> None:
    local = hub.local_key()
    post = {"id": "urn:ngsi-ld:Post:1", "type": "Post", "height": 3, "battery": 0.5}
    assert hub.request("POST", f"{API}/entities", post, local).status == 201
    mark = {"attribute": "battery", "types": ["Post"], "sensitivity": "internal"}
    assert hub.request("POST", "/trust/marks", mark, local).status == 204
    assert hub.request("POST", "/trust/public", {"type": "Post"}, local).status == 204
    assert told(hub, "/ui/rights?entity=urn:ngsi-ld:Post:1")["public"] == ["height"]
    assert told(hub, f"/ui/rights?entity={BENCH}")["public"] is None


def test_the_pulse_goes_up_with_each_change(hub: Server) -> None:
    before = told(hub, "/ui/pulse")["position"]
    path = f"{API}/entities/{BENCH}/attrs"
    assert hub.request("PATCH", path, {"seats": 2}, hub.local_key()).status == 204
    deadline = time.monotonic() + 5
    while told(hub, "/ui/pulse")["position"] <= before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_changes_have_the_values_before_and_after_the_latest_first(hub: Server) -> None:
    changes = told(hub, f"/ui/changes?entity={BENCH}&limit=200")
    assert changes == sorted(changes, key=lambda one: one["at"], reverse=True)
    states = [
        (one.get("before"), one["value"])
        for change in reversed(changes)
        for one in change["attributes"]
        if one["name"] == "state"
    ]
    assert states[:2] == [(None, "good"), ("good", "wet")]
    assert len(told(hub, f"/ui/changes?entity={BENCH}&limit=1")) == 1
    for wrong in ("0", "201", "x"):
        path = f"/ui/changes?entity={BENCH}&limit={wrong}"
        assert hub.request("GET", path, None, hub.local_key()).status == 400


def test_a_deletion_is_a_change_too(hub: Server) -> None:
    path = f"{API}/entities/urn:ngsi-ld:Kiosk:2"
    body = {"id": "urn:ngsi-ld:Kiosk:2", "type": "Kiosk", "old": 1}
    assert hub.request("POST", f"{API}/entities", body, hub.local_key()).status == 201
    assert hub.request("DELETE", f"{path}/attrs/old", None, hub.local_key()).status == 204
    (latest, *_) = told(hub, "/ui/changes?entity=urn:ngsi-ld:Kiosk:2")
    assert latest["attributes"] == [{"name": "old", "before": 1, "deleted": True}]
