"""History over HTTP shows each reader what is within reach, and nothing of the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import orjson
import pytest

from tests.e2e.server import API, Server

PAST = f"{API}/temporal/entities"
PASSWORD = "correct horse battery staple"
WINDOW = "local=true&timerel=after&timeAt=2020-01-01T00:00:00Z&timeproperty=modifiedAt"


def entity(kind: str, number: int, **attributes: object) -> dict[str, object]:
    values = {name: {"type": "Property", "value": value} for name, value in attributes.items()}
    return {"id": f"urn:ngsi-ld:{kind}:{number}", "type": kind, **values}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("past") / "data", open=False) as server:
        local = server.local_key()
        mine = {**entity("Pump", 1, flow=1), "scope": "/Seoul/Water"}
        other = {**entity("Pump", 2, flow=2), "scope": "/Seoul/Roads"}
        moved = {**entity("Pump", 3, flow=3), "scope": "/Seoul/Roads"}
        person = entity("Person", 1, name="Kim", nickname="K")
        for one in (mine, other, moved, person, entity("Vehicle", 1, speed=50)):
            assert server.request("POST", f"{API}/entities", one, local).status == 201
        move = {"scope": "/Seoul/Water", "flow": {"type": "Property", "value": 4}}
        path = f"{API}/entities/urn:ngsi-ld:Pump:3"
        assert server.request("PATCH", path, move, local).status == 204
        yield server


def key(hub: Server, **wanted: object) -> dict[str, str]:
    made = hub.request("POST", "/trust/keys", {"kind": "app", **wanted}, hub.local_key())
    assert made.status == 201, made.body
    return {"Authorization": f"Bearer {orjson.loads(made.body)['key']}"}


def person(hub: Server, role: str, **more: object) -> dict[str, str]:
    wanted = {"login": role, "password": PASSWORD, "roles": [role], **more}
    made = hub.request("POST", "/trust/users", wanted, hub.local_key())
    assert made.status == 201, made.body
    login = {"grant_type": "password", "username": wanted["login"], "password": PASSWORD}
    token = orjson.loads(hub.request("POST", "/token", login).body)
    return {"Authorization": f"Bearer {token['access_token']}"}


def audit(hub: Server, kind: str) -> bytes:
    return hub.request("GET", f"/trust/audit?kind={kind}", headers=hub.local_key()).body


def eventually(test: Callable[[], bool]) -> bool:
    """Tell whether a test comes true within some seconds: what is noted is written soon."""
    end = time.monotonic() + 5
    while not test():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def ids(hub: Server, headers: dict[str, str], query: str = WINDOW) -> list[str]:
    answer = hub.request("GET", f"{PAST}?{query}&count=true", headers=headers)
    assert answer.status == 200, answer.body
    found = [one["id"].removeprefix("urn:ngsi-ld:") for one in orjson.loads(answer.body)]
    assert answer.headers["ngsild-results-count"] == str(len(found))
    return found


def test_a_key_for_one_type_finds_the_past_of_that_type_alone(hub: Server) -> None:
    app = key(hub, name="vehicles", reads=["Vehicle"])
    assert ids(hub, app) == ["Vehicle:1"]
    assert ids(hub, app, f"type=Pump&{WINDOW}") == []
    assert ids(hub, app, f"q=flow>0&{WINDOW}") == []
    answer = hub.request("GET", f"{PAST}/urn:ngsi-ld:Pump:1?{WINDOW}", headers=app)
    unknown = hub.request("GET", f"{PAST}/urn:ngsi-ld:Pump:9?{WINDOW}", headers=app)
    assert (answer.status, unknown.status) == (404, 404)
    assert answer.body.replace(b"Pump:1", b"") == unknown.body.replace(b"Pump:9", b"")


def test_a_department_finds_what_was_in_its_scope_while_it_was(hub: Server) -> None:
    water = person(hub, "department", scopes=["/Seoul/Water"])
    assert ids(hub, water) == ["Pump:1", "Pump:3"]
    answer = hub.request("GET", f"{PAST}/urn:ngsi-ld:Pump:3?{WINDOW}", headers=water)
    flow = orjson.loads(answer.body)["flow"]
    values = [one["value"] for one in (flow if isinstance(flow, list) else [flow])]
    assert values == [4], "3 was measured while the pump was somebody else's"


def test_personal_attributes_have_no_past_for_who_may_not_read_them(hub: Server) -> None:
    operator = person(hub, "operator")
    path = f"{PAST}/urn:ngsi-ld:Person:1?{WINDOW}"
    shown = orjson.loads(hub.request("GET", path, headers=operator).body)
    assert "nickname" in shown
    assert "name" not in shown
    assert ids(hub, operator, f'q=name=="Kim"&{WINDOW}') == []
    assert ids(hub, operator, f'q=nickname=="K"&{WINDOW}') == ["Person:1"]


def test_with_a_purpose_they_are_read_and_the_reading_is_on_record(hub: Server) -> None:
    operator = {**person(hub, "operator", login="medic"), "Purpose": "emergency"}
    path = f"{PAST}/urn:ngsi-ld:Person:1?{WINDOW}"
    assert "name" in orjson.loads(hub.request("GET", path, headers=operator).body)
    assert eventually(lambda: b"urn:ngsi-ld:Person:1" in audit(hub, "personalRead"))


def test_only_who_may_change_every_entity_corrects_history(hub: Server) -> None:
    water = key(hub, name="writer", writes=["Pump"])
    path = f"{PAST}/urn:ngsi-ld:Pump:1/attrs/flow"
    assert hub.request("DELETE", path, headers=water).status == 403
    boss = person(hub, "administrator", tenants=["*"])
    extra = {"flow": [{"type": "Property", "value": 9, "observedAt": "2021-01-01T00:00:00Z"}]}
    add = f"{PAST}/urn:ngsi-ld:Pump:2/attrs"
    assert hub.request("POST", add, extra, boss).status == 204
    assert (
        hub.request("DELETE", f"{PAST}/urn:ngsi-ld:Pump:2/attrs/flow", headers=boss).status == 204
    )
    assert b"changeHistory" in audit(hub, "write")
    hidden = {"name": [{"type": "Property", "value": "Lee", "observedAt": "2021-01-01T00:00:00Z"}]}
    refused = hub.request("POST", f"{PAST}/urn:ngsi-ld:Person:1/attrs", hidden, boss)
    assert refused.status == 403
    assert b"name" in refused.body
