"""What ``find`` and ``watch`` show."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from rich.console import Console

from madang.commands.client import HubError
from madang.commands.read import _table, near_parameters, shown, watch
from tests.commands.fake_hub import fake_hub


@pytest.mark.parametrize("text", ["", "1,2", "a,b,c", "200,0,5", "0,95,5", "1,2,0", "1,2,-3"])
def test_what_is_no_place_and_distance_is_told(text: str) -> None:
    with pytest.raises(HubError, match="--near"):
        near_parameters(text)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        (None, ""),
        ({"type": "Property", "value": 7, "unitCode": "GQ"}, "7 µg/m³"),
        ({"type": "Property", "value": 7, "unitCode": "XYZ"}, "7 XYZ"),
        ({"type": "Relationship", "object": "urn:a"}, "urn:a"),
        ({"type": "LanguageProperty", "languageMap": {"ko": "서울"}}, "서울"),
        (
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [126.98, 37.5]}},
            "126.98000, 37.50000",
        ),
        ({"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": []}}, "Polygon"),
        ({"type": "ListProperty", "valueList": [1, 2]}, "[1,2]"),
        ([{"value": 1}, {"value": 2, "datasetId": "urn:d"}], "1 | 2"),
        ("plain", "plain"),
    ],
)
def test_an_attribute_is_shown_short(attribute: Any, expected: str) -> None:
    assert shown(attribute) == expected


def test_a_table_has_room_for_the_measured_and_names_the_others() -> None:
    entity = {
        "id": "urn:ngsi-ld:T:1",
        "type": ["https://x.org/T", "U"],
        "words": {"type": "Property", "value": "a long text that nobody measured"},
        "level": {"type": "Property", "value": 7, "unitCode": "GQ"},
    }
    _, hidden = _table([entity], None, 30)
    assert hidden == []
    _, hidden = _table([entity | {"more": entity["words"]}], None, 40)
    assert hidden == ["more"]


EVENT = {
    "kind": "updated",
    "at": "2026-01-01T00:00:00Z",
    "id": "urn:a:1",
    "type": "T",
    "attributes": ["x"],
    "entity": {"id": "urn:a:1", "type": "T", "x": {"type": "Property", "value": 5}},
}


async def seen(events: bytes, *, as_json: bool) -> tuple[str, str, str]:
    """Return what is printed, how it ended, and which types were asked for."""
    output = io.StringIO()
    async with fake_hub() as hub:
        hub.events = events
        with pytest.raises(HubError) as ended:
            await watch(
                url=hub.url,
                tenant="",
                type_name="T,U",
                as_json=as_json,
                console=Console(file=output, width=200, emoji=False),
            )
        return output.getvalue(), str(ended.value), hub.requests[0].query["type"]


async def test_changes_are_shown_one_a_line() -> None:
    event = b": hello\n\nevent: change\ndata: " + orjson.dumps(EVENT) + b"\n\n"
    printed, ended, types = await seen(event * 2, as_json=False)
    assert printed.splitlines() == ["2026-01-01T00:00:00Z updated T urn:a:1 x=5"] * 2
    assert "ended the stream" in ended
    assert types == "T,U"


async def test_changes_as_json_are_what_the_hub_sent() -> None:
    event = b"event: change\ndata: " + orjson.dumps(EVENT) + b"\n\n"
    printed, _, _ = await seen(event, as_json=True)
    assert orjson.loads(printed) == EVENT


async def test_a_watcher_that_missed_changes_says_so() -> None:
    _, ended, _ = await seen(b'event: lost\ndata: {"detail": "slow"}\n\n', as_json=False)
    assert "missed changes (slow)" in ended
