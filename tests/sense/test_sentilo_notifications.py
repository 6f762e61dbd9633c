"""Notifications in Sentilo's form: anybody may choose it, for any entity."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from madang.hub.endpoint import Endpoint
from madang.hub.message import Message
from madang.sense.sentilo.notifications import TOPIC, bodies

AT = "2026-01-31T12:00:00Z"
PLACE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [2.2, 41.4]}}


def told(topic: str, **entity: Any) -> list[dict[str, Any]]:
    value = {"type": "Property", "value": 7, "observedAt": AT}
    data = [{"id": "urn:ngsi-ld:Noise:rec.RE1", "type": "Noise", "noise": value, **entity}]
    message = Message("application/json", None, orjson.dumps({"data": data}))
    info = ((TOPIC, topic),)
    endpoint = Endpoint("https://a.example", "https", "a.example", 443, notifier_info=info)
    return [orjson.loads(body) for body in bodies(message, endpoint)]


@pytest.mark.parametrize("topic", ["", "/", "data", "/data/", "/alarm", "/order", "/x/y/z"])
def test_a_topic_that_is_none_of_sentilo_stops_no_notification(topic: str) -> None:
    alarm = {"type": "Property", "value": "fire", "observedAt": AT}
    assert told(topic, alarm=alarm, order=alarm)


def test_a_sensor_is_told_with_the_place_of_its_value() -> None:
    (one,) = told("/data/rec/RE1", location={**PLACE, "observedAt": AT})
    assert (one["provider"], one["sensor"], one["message"]) == ("rec", "RE1", "7")
    assert one["location"] == "41.4 2.2"


@pytest.mark.parametrize(
    "location",
    [
        [PLACE, {**PLACE, "datasetId": "urn:x"}],
        {"type": "GeoProperty", "value": {"type": "GeometryCollection", "geometries": []}},
    ],
)
def test_other_places_are_left_out(location: Any) -> None:
    if isinstance(location, dict):
        location["observedAt"] = AT
    (one,) = told("/data/rec", location=location)
    assert "location" not in one
