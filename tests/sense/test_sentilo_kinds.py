"""What sensors of Sentilo measure, and the profiles made of that."""

from __future__ import annotations

import pytest

from madang.model.errors import BadRequestData
from madang.sense.devices.device import Device
from madang.sense.devices.profile import parse
from madang.sense.message import Uplink
from madang.sense.sentilo.kinds import Kind, kind_of


@pytest.mark.parametrize(
    ("sensor", "type", "attribute", "unit"),
    [
        ({"type": "humidity", "unit": "%"}, "WeatherObserved", "relativeHumidity", "P1"),
        ({"type": "humidity", "unit": "grams"}, "WeatherObserved", "relativeHumidity", "GRM"),
        ({"type": "noise", "unit": "dBa"}, "NoiseLevelObserved", "LAeq", "2N"),
        ({"type": "air_quality_pm10", "unit": "ug/m3"}, "AirQualityObserved", "pm10", "GQ"),
        ({"type": "temperature"}, "WeatherObserved", "temperature", "CEL"),
        ({"type": "temperature", "unit": "furlongs"}, "WeatherObserved", "temperature", None),
        ({"type": "crack_detection", "unit": "mm"}, "DeviceMeasurement", "numValue", "MMT"),
        ({"type": "status", "dataType": "TEXT"}, "DeviceMeasurement", "textValue", None),
        ({"type": "temperature", "dataType": "TEXT"}, "DeviceMeasurement", "textValue", None),
        ({"type": "parking", "dataType": "TEXT"}, "ParkingSpot", "status", None),
    ],
)
def test_the_type_says_what_is_measured_and_the_unit_in_what(
    sensor: dict[str, str], type: str, attribute: str, unit: str | None
) -> None:
    kind = kind_of(sensor)
    assert (kind.type, kind.attribute, kind.unit) == (type, attribute, unit)


def read(kind: Kind, value: object) -> object:
    """Return what the profile of a kind makes of a value."""
    profile = parse(kind.profile, kind.profile_name)
    device = Device("rec.A", "urn:ngsi-ld:Device:rec.A", kind.profile_name)
    (reading,) = profile.readings(device, Uplink("rec.A", {"value": value}), 0).readings
    return reading.entity[kind.attribute]["value"]


@pytest.mark.parametrize(
    ("data", "sent", "value"),
    [
        ("number", "12.3", 12.3),
        ("NUMBER", 12.3, 12.3),
        ("boolean", "true", True),
        ("TEXT", "12.3", "12.3"),
        ("JSON", {"ldr": "382"}, {"ldr": "382"}),
        ("JSON", '{"ldr":"382"}', '{"ldr":"382"}'),
        ("IMAGE_LINK", "http://x.test/a.png", "http://x.test/a.png"),
    ],
)
def test_values_are_of_the_data_type_that_the_catalog_gives(
    data: str, sent: object, value: object
) -> None:
    assert read(kind_of({"type": "other", "dataType": data}), sent) == value


def test_limits_hold_in_the_usual_unit_only() -> None:
    assert kind_of({"type": "humidity", "unit": "%"}).high == 100.0
    assert kind_of({"type": "humidity", "unit": "grams"}).high is None


def test_sensors_of_one_kind_share_a_profile() -> None:
    first = kind_of({"type": "humidity", "unit": "%"})
    assert first.profile_name == kind_of({"type": "HUMIDITY"}).profile_name
    assert first.profile_name == "sentilo-humidity-number-p1"


@pytest.mark.parametrize(
    ("sensor", "text"),
    [
        ({}, "type must be"),
        ({"type": "a b"}, "type must be"),
        ({"type": "noise", "dataType": "colour"}, "dataType must be one of NUMBER"),
        ({"type": "noise", "unit": 5}, "unit must be a text"),
    ],
)
def test_a_sensor_that_cannot_be_understood_is_refused(
    sensor: dict[str, object], text: str
) -> None:
    with pytest.raises(BadRequestData, match=text):
        kind_of(sensor)
