"""How long history is kept, as an administrator sets it over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.server import API, Server

ROOM = "urn:ngsi-ld:Room:1"
RULES = {
    "policies": [{"name": "a year", "age": "P12M", "attributes": ["n"]}],
    "holds": [{"name": "case 7", "reason": "court order", "types": ["Vehicle"]}],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {"MADANG_HISTORY_DRAIN_S": "0.2"}
    with Server(tmp_path_factory.mktemp("rules") / "data", environ=environ) as server:
        yield server


def values(hub: Server) -> object:
    path = f"{API}/temporal/entities/{ROOM}?local=true&format=temporalValues"
    told = hub.request("GET", path, headers=hub.local_key()).json()
    assert isinstance(told, dict)
    return {name: len(told[name]["values"]) for name in ("n", "m") if name in told}


def test_policies_are_set_and_take_effect(hub: Server) -> None:
    old = {"type": "Property", "value": 1, "observedAt": "2019-01-01T00:00:00Z"}
    body = {"id": ROOM, "type": "Room", "n": old, "m": {"type": "Property", "value": 2}}
    assert hub.request("POST", f"{API}/entities", body, hub.local_key()).status == 201
    assert values(hub) == {"n": 1, "m": 1}
    assert hub.request("PUT", "/history/rules", RULES, hub.local_key()).status == 204
    assert hub.request("GET", "/history/rules", headers=hub.local_key()).json() == RULES
    until = time.monotonic() + 30
    while values(hub) != {"m": 1}:
        assert time.monotonic() < until, "what is older than a year is still there"
        time.sleep(0.2)


def test_rules_that_are_none_are_refused_and_change_nothing(hub: Server) -> None:
    before = hub.request("GET", "/history/rules", headers=hub.local_key()).json()
    answer = hub.request("PUT", "/history/rules", {"policies": [{"name": 1}]}, hub.local_key())
    assert answer.status == 400
    assert b"name of a policy" in answer.body
    assert hub.request("GET", "/history/rules", headers=hub.local_key()).json() == before


def test_nobody_else_sets_rules(hub: Server) -> None:
    with Server(hub.data.with_name("other"), open=False) as other:
        assert other.request("PUT", "/history/rules", RULES).status == 401
