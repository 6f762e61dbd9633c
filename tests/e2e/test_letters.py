"""Dead letters from outside: seen, replayed after the fix and removed, over HTTP and commands."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.server import Server

PATH = "/sense/letters"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("letters") / "data") as server:
        yield server


def push(server: Server, body: object, path: str = "/sense/up/ngsi-ld") -> Any:
    return orjson.loads(server.request("POST", path, body).body)


def letters(server: Server, query: str = "") -> Any:
    answer = server.request("GET", PATH + query)
    assert answer.status == 200, answer.body
    return answer.json()


def command(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return server.madang("letters", *words)


def test_a_message_is_replayed_after_the_device_was_registered(server: Server) -> None:
    push(server, {"value": 1, "x": "é"}, "/devices/late-1/up?codec=json")
    (one,) = letters(server, "?device=late-1")["letters"]
    assert one["reason"] == "unknownDevice"
    whole = server.request("GET", f"{PATH}/{one['id']}").json()
    assert whole["body"]["text"] == '{"value":1,"x":"é"}'  # type: ignore[index]

    before = command(server, "replay", str(one["id"]))
    assert before.returncode == 1
    assert "no device is named 'late-1'" in before.stderr
    assert "0 replayed, 1 still bad" in before.stdout
    listed = command(server, "list", "--device", "late-1")
    assert "unknownDevice" in listed.stdout
    assert letters(server, "?device=late-1")["letters"][0]["attempts"] == 2

    device = {
        "id": "urn:ngsi-ld:Device:late-1",
        "type": "Device",
        "profile": {"type": "Property", "value": "late"},
    }
    profile = "type = 'Thing'\n[attributes.level]\npath = 'value'\nunit = 'P1'\n"
    assert server.request("PUT", "/profiles/late", {"text": profile}).status == 201
    assert server.request("POST", "/ngsi-ld/v1/entities", device).status == 201
    after = command(server, "replay", "--device", "late-1")
    assert after.returncode == 0, after.stdout + after.stderr
    assert letters(server, "?device=late-1")["letters"] == []
    entity = server.request("GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:Thing:late-1").json()
    assert entity["level"]["value"] == 1  # type: ignore[index]


def test_letters_are_paged_and_removed(server: Server) -> None:
    for n in range(5):
        push(server, {"n": n}, "/devices/paged/up?codec=json")
    first = letters(server, "?device=paged&limit=2")
    assert first["count"] >= 5
    last = first["letters"][-1]["id"]
    rest = letters(server, f"?device=paged&before={last}")["letters"]
    assert len(first["letters"] + rest) == 5
    assert command(server, "remove", str(last)).stdout == "1 removed\n"
    assert command(server, "remove", "--device", "paged").stdout == "4 removed\n"
    assert command(server, "remove").returncode == 2


@pytest.mark.parametrize("path", ["/0", "/x", "/99999999", "/" + "9" * 30])
def test_a_letter_that_is_not_there_is_404(server: Server, path: str) -> None:
    assert server.request("GET", PATH + path).status == 404
    assert server.request("DELETE", PATH + path).status == 404


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?before=x", "?devise=1"])
def test_a_wrong_parameter_is_named(server: Server, query: str) -> None:
    answer = server.request("GET", PATH + query)
    assert answer.status == 400
    assert query[1:].split("=", maxsplit=1)[0].encode() in answer.body


def test_only_those_who_manage_devices_read_bodies(tmp_path: Path) -> None:
    with Server(tmp_path / "data", open=False) as closed:
        assert closed.request("GET", PATH).status == 401
        assert closed.request("GET", PATH, headers=closed.local_key()).status == 200
