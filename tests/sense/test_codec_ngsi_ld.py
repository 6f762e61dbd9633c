"""The codec ``ngsi-ld``: entities that the sender has written itself."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.message import Told
from tests.sense.codec_messages import decoded, refusal, takes_or_rejects

ENTITY = {
    "id": "urn:ngsi-ld:Sensor:1",
    "type": "Sensor",
    "temperature": {"type": "Property", "value": 21.5, "unitCode": "CEL"},
    "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld",
}


def test_an_entity_is_told_as_it_is() -> None:
    assert decoded("ngsi-ld", ENTITY) == [Told(ENTITY)]
    assert decoded("ngsi-ld", ENTITY, "d1") == [Told(ENTITY, "d1")]


def test_an_array_holds_several_in_their_order() -> None:
    other = {**ENTITY, "id": "urn:ngsi-ld:Sensor:2"}
    assert decoded("ngsi-ld", [ENTITY, other]) == [Told(ENTITY), Told(other)]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"5", "entity 1 must be a JSON object"),
        (b"[]", "empty"),
        (b"{}", "entity 1 has no id"),
        (b'[{"id": "urn:a:b", "type": "T"}, {"id": "urn:a:b"}]', "entity 2 has no type"),
    ],
)
def test_what_is_no_entity_is_refused(body: bytes, text: str) -> None:
    rejected = refusal("ngsi-ld", body)
    assert rejected.reason == "badEntity"
    assert text in str(rejected)


def test_too_many_are_refused() -> None:
    assert refusal("ngsi-ld", orjson.dumps([1] * 10_001)).reason == "tooLarge"


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    takes_or_rejects("ngsi-ld", body)
