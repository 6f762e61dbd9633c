"""Decisions as people read them and take them back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.server import API, Server

MODULE = """
from madang.services.service import Service, Text

service = Service(
    "shades",
    title=Text("Shades", "차양"),
    purpose=Text("Lowers shades in the sun.", "햇빛에 차양을 내립니다."),
    category="housing",
    needs=["Window"],
    gives=["Window"],
)


@service.on("Window", attributes=["sun"])
async def look(city, change):
    window = await city.get(change.id)
    low = change.put["sun"] > 500
    city.update(change.id, "Window", shade="low" if low else "high")
    if low:
        city.update(change.id, "Window", lit=True)
    what = Text(f"Sun {change.put['sun']}: shade low", f"햇빛 {change.put['sun']}: 차양 내림")
    undo = {change.id: {"shade": "high", "lit": None}} if low else None
    city.decide(what, because=[(window, "sun")], expects={"glare": 0}, undo=undo)
"""
ENTRIES = "[madang.services]\nshades = shades_of_the_city:service\n"
WINDOW = "urn:ngsi-ld:Window:{}"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("decisions")
    package = folder / "package"
    told = package / "shades-1.0.dist-info"
    told.mkdir(parents=True)
    (package / "shades_of_the_city.py").write_text(MODULE, "utf-8")
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: shades\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(ENTRIES)
    environ = {"PYTHONPATH": str(package)}
    with Server(folder / "data", open=False, environ=environ) as server:
        good(server, "PATCH", "/services/shades", {"on": True})
        yield server


def good(server: Server, method: str, path: str, body: object = None) -> Any:
    answer = server.request(method, path, body, server.local_key())
    assert answer.status in (200, 201, 204), answer.body
    return answer.json() if answer.body else None


def put(server: Server, name: str, **values: Any) -> None:
    whole = {key: {"type": "Property", "value": value} for key, value in values.items()}
    entity = {"id": WINDOW.format(name), "type": "Window", **whole}
    good(server, "POST", f"{API}/entityOperations/upsert?options=update", [entity])


def decided(server: Server, name: str, many: int = 1) -> list[dict[str, Any]]:
    """Return the decisions about a window as soon as there are so many."""
    path = f"/decisions?service=shades&entity={WINDOW.format(name)}"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found: list[dict[str, Any]] = good(server, "GET", path)
        if len(found) >= many:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {many} decisions about {name}")


def window(server: Server, name: str) -> dict[str, Any]:
    path = f"{API}/entities/{WINDOW.format(name)}?options=keyValues"
    found: dict[str, Any] = good(server, "GET", path)
    return found


def test_a_decision_tells_what_it_was_based_on_in_both_languages(town: Server) -> None:
    put(town, "told", sun=700)
    [one] = decided(town, "told")
    assert one["what"] == {"en": "Sun 700: shade low", "ko": "햇빛 700: 차양 내림"}
    assert one["basedOn"][0] == {
        "entity": WINDOW.format("told"), "attribute": "sun", "value": 700, "observedAt": None,
    }  # fmt: skip
    assert (one["service"], one["version"], one["expects"]) == ("shades", "1", {"glare": 0})
    assert good(town, "GET", f"/decisions/{one['id']}") == one


def test_what_a_decision_set_is_put_back_and_the_record_says_by_whom(town: Server) -> None:
    put(town, "back", sun=700)
    [one] = decided(town, "back")
    assert window(town, "back")["shade"] == "low"
    undone = good(town, "POST", f"/decisions/{one['id']}/undo", {})
    found = window(town, "back")
    assert found["shade"] == "high"
    assert "lit" not in found
    assert undone["undoneBy"]
    assert undone["undoneAt"]
    again = town.request("POST", f"/decisions/{one['id']}/undo", {}, town.local_key())
    assert again.status == 409
    assert b"undone already" in again.body


def test_what_was_changed_since_is_left_alone(town: Server) -> None:
    put(town, "later", sun=700)
    [one] = decided(town, "later")
    put(town, "later", shade="half")
    refused = town.request("POST", f"/decisions/{one['id']}/undo", {}, town.local_key())
    assert refused.status == 409
    assert b"set to half" in refused.body
    assert window(town, "later")["shade"] == "half"


def test_a_decision_without_a_way_back_says_so(town: Server) -> None:
    put(town, "cloudy", sun=100)
    [one] = decided(town, "cloudy")
    refused = town.request("POST", f"/decisions/{one['id']}/undo", {}, town.local_key())
    assert refused.status == 409
    assert b"names no way back" in refused.body


def test_the_latest_decision_comes_first_and_pages_are_counted(town: Server) -> None:
    put(town, "often", sun=600)
    decided(town, "often")
    put(town, "often", sun=800)
    found = decided(town, "often", 2)
    assert [one["what"]["en"][4:7] for one in found] == ["800", "600"]
    path = f"/decisions?entity={WINDOW.format('often')}&limit=1&offset=1"
    answer = town.request("GET", path, None, town.local_key())
    page: Any = answer.json()
    assert [one["what"]["en"][4:7] for one in page] == ["600"]
    assert answer.headers["ngsild-results-count"] == "2"


@pytest.mark.parametrize(
    ("query", "why"),
    [("service=a%22b", "service"), ("entity=nowhere", "entity"), ("limit=0", "limit")],
)
def test_a_question_that_makes_no_sense_is_refused_by_name(
    town: Server, query: str, why: str
) -> None:
    answer = town.request("GET", f"/decisions?{query}", None, town.local_key())
    told: Any = answer.json()
    assert answer.status == 400
    assert told["detail"].startswith(why)


def test_nobody_forges_a_decision(town: Server) -> None:
    entity = {"id": "urn:ngsi-ld:Decision:shades:x:1", "type": "Decision"}
    answer = town.request("POST", f"{API}/entities", entity, town.local_key())
    assert answer.status == 403


def test_the_command_line_lists_shows_and_undoes(town: Server) -> None:
    put(town, "typed", sun=900)
    [one] = decided(town, "typed")
    name = one["id"].removeprefix("urn:ngsi-ld:Decision:")
    assert "Sun 900: shade low" in town.said("decision", "list", "--service", "shades")
    assert "because sun of urn:ngsi-ld:Window:typed was 900" in town.said("decision", "show", name)
    assert "undone" in town.said("decision", "undo", name, "--yes")
    assert "undone by" in town.said("decision", "show", name)
