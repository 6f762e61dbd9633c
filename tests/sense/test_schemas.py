"""Entities held to JSON Schemas: which field breaks which rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from madang.sense.files.entities import Failure, Loadable
from madang.sense.schemas import Fault, SchemaError, Schemas, key_values
from tests.recorded import recorded

COMMON = "https://schemas.example/data-models/common-schema.json"

SPOT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "required": ["id", "type", "status"],
    "allOf": [
        {"$ref": f"{COMMON}#/definitions/Dated"},
        {
            "properties": {
                "type": {"enum": ["ParkingSpot"]},
                "status": {"enum": ["free", "occupied"]},
                "width": {"type": "number", "minimum": 0},
                "category": {"type": "array", "items": {"type": "string"}},
                "shape": {
                    "oneOf": [
                        {
                            "properties": {
                                "type": {"enum": ["Point"]},
                                "coordinates": {"type": "array", "items": {"type": "number"}},
                            }
                        },
                        {
                            "properties": {
                                "type": {"enum": ["Line"]},
                                "coordinates": {"minItems": 2},
                            }
                        },
                    ]
                },
            }
        },
    ],
}
DATED = {"definitions": {"Dated": {"properties": {"seen": {"format": "date-time"}}}}}
GOOD: dict[str, Any] = {"id": "urn:spot:1", "type": "ParkingSpot", "status": "free"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "schemas"
    (place / "Parking" / "ParkingSpot").mkdir(parents=True)
    (place / "Parking" / "ParkingSpot" / "schema.json").write_text(json.dumps(SPOT))
    (place / "common-schema.json").write_text(json.dumps(DATED))
    return place


def test_an_entity_that_keeps_all_rules_has_no_faults(folder: Path) -> None:
    assert Schemas(folder).faults(GOOD | {"seen": "2026-11-20T08:00:00Z", "width": 2.5}) == []


@pytest.mark.parametrize(
    ("changed", "path", "reason", "rule"),
    [
        ({"status": "full"}, "status", '"full" is not one of "free" or "occupied"', "enum"),
        ({"width": "wide"}, "width", '"wide" is not of type "number"', "type"),
        ({"width": -1}, "width", "-1 is less than the minimum of 0", "minimum"),
        ({"category": ["a", 5]}, "category[1]", '5 is not of type "string"', "type"),
        ({"seen": "yesterday"}, "seen", '"yesterday" is not a "date-time"', "format"),
        (
            {"shape": {"type": "Point", "coordinates": [1, "x"]}},
            "shape.coordinates[1]",
            '"x" is not of type "number"',
            "type",
        ),
    ],
)
def test_a_broken_rule_is_named_with_the_field(
    folder: Path, changed: dict[str, Any], path: str, reason: str, rule: str
) -> None:
    told = f"{reason} (rule '{rule}' of ParkingSpot)"
    assert Schemas(folder).faults(GOOD | changed) == [Fault(path, told)]


def test_what_is_missing_is_named(folder: Path) -> None:
    (fault,) = Schemas(folder).faults({"id": "urn:spot:1", "type": "ParkingSpot"})
    assert fault.path == "status"
    assert "required" in fault.reason


def test_every_type_of_an_entity_counts(folder: Path) -> None:
    (fault,) = Schemas(folder).faults(GOOD | {"type": ["ParkingSpot", "Charger"]})
    assert fault == Fault("type", f"there is no schema of the type Charger in {folder}")


def test_all_representations_are_looked_at_as_key_values() -> None:
    place = {"type": "Point", "coordinates": [1, 2]}
    assert key_values(
        {
            "@context": "https://schemas.example/context.jsonld",
            "id": "urn:a",
            "type": "https://smartdatamodels.org/dataModel.Parking/ParkingSpot",
            "https://smartdatamodels.org/dataModel.Parking/status": {
                "type": "Property",
                "value": "free",
            },
            "location": {"type": "GeoProperty", "value": place},
            "place": place,
            "refParkingSite": {"type": "Relationship", "object": "urn:b"},
            "name": {"type": "LanguageProperty", "languageMap": {"ko": "마당", "en": "yard"}},
            "seen": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-01-01"}},
            "concise": {"value": 5, "unitCode": "CEL"},
            "several": [
                {"type": "Property", "value": 1},
                {"type": "Property", "value": 2, "datasetId": "urn:d"},
            ],
            "list": [1, 2],
            "plain": {"a": 1},
        }
    ) == {
        "id": "urn:a",
        "type": "ParkingSpot",
        "status": "free",
        "location": place,
        "place": place,
        "refParkingSite": "urn:b",
        "name": "마당",
        "seen": "2026-01-01",
        "concise": 5,
        "several": 1,
        "list": [1, 2],
        "plain": {"a": 1},
    }


def test_one_schema_is_for_every_entity_and_finds_what_it_refers_to_above_it(folder: Path) -> None:
    schemas = Schemas(folder / "Parking" / "ParkingSpot" / "schema.json")
    assert schemas.faults(GOOD) == []
    assert [fault.path for fault in schemas.faults(GOOD | {"type": "Other"})] == ["type"]
    assert [fault.path for fault in schemas.faults(GOOD | {"seen": "x"})] == ["seen"]


def test_of_files_of_one_name_the_one_whose_folders_agree_is_taken(folder: Path) -> None:
    for domain, kind in (("Weather", "number"), ("Energy", "string")):
        (folder / domain).mkdir()
        (folder / domain / "shared.json").write_text(json.dumps({"type": kind}))
    (folder / "Wind").mkdir()
    url = "https://schemas.example/dataModel.Weather/shared.json"
    schema = {"properties": {"speed": {"$ref": url}}}
    (folder / "Wind" / "schema.json").write_text(json.dumps(schema))
    entity = {"id": "urn:w", "type": "Wind", "speed": 5}
    assert Schemas(folder).faults(entity) == []


def test_entities_that_break_rules_become_failures_of_their_row(folder: Path) -> None:
    def loadable(row: int, **changed: Any) -> Loadable:
        body = json.dumps(GOOD | changed).encode()
        return Loadable(row, "urn:spot:1", body, False)

    failure = Failure(3, "id", "is no URI")
    items: list[Loadable | Failure] = [loadable(1), loadable(2, width=-1, seen="x"), failure]
    good, *failures = Schemas(folder).checked(items)
    assert good == items[0]
    assert failures[-1] is failure
    told = [one for one in failures[:-1] if isinstance(one, Failure)]
    assert sorted((one.row, one.column) for one in told) == [(2, "seen"), (2, "width")]
    assert all(one.reason.endswith("in urn:spot:1") for one in told)


def test_a_long_value_does_not_fill_the_screen(folder: Path) -> None:
    (fault,) = Schemas(folder).faults(GOOD | {"width": "x" * 10_000})
    assert len(fault.reason) < 400


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda place: place / "gone", "is not there"),
        (lambda place: place / "Empty", "has no schema.json"),
        (lambda place: place / "Broken" / "Broken" / "schema.json", "is no JSON"),
        (lambda place: place / "Wrong" / "Wrong" / "schema.json", "cannot be used"),
        (lambda place: place / "Lost" / "Lost" / "schema.json", "cannot be used"),
    ],
)
def test_schemas_that_cannot_be_used_are_refused_with_the_reason(
    tmp_path: Path, make: Any, reason: str
) -> None:
    (tmp_path / "Empty").mkdir()
    lost = json.dumps({"$ref": "https://schemas.example/lost.json"})
    for name, text in (("Broken", "{"), ("Wrong", '{"type": "banana"}'), ("Lost", lost)):
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / name / "schema.json").write_text(text)
    with pytest.raises(SchemaError, match=reason):
        Schemas(make(tmp_path)).faults(GOOD)


# --- the Smart Data Models ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def models() -> Schemas:
    (folder,) = recorded("iot/ngsi_ld")
    return Schemas(folder)


def example(kind: str, name: str = "example.json") -> Any:
    (file,) = recorded(f"iot/ngsi_ld/*/{kind}/{name}")
    return json.loads(file.read_bytes())


def test_the_published_examples_obey_their_schemas_but_for_known_slips(models: Schemas) -> None:
    folders = [path.parent for path in recorded("iot/ngsi_ld/**/schema.json")]
    assert len(folders) == 56
    broken = {
        folder.name: sorted({fault.path.rpartition(".")[2] for fault in faults})
        for folder in folders
        if (faults := models.faults(example(folder.name)))
    }
    assert broken == {
        "AirQualityObserved": ["dateObserved", "tsp"],  # no time zone; 73.3 where whole numbers are
        "CityWork": ["closes", "endDate", "opens"],  # times without zone, an hour 24
    }


def test_the_normalized_examples_are_read_as_key_values(models: Schemas) -> None:
    for kind in ("ParkingSpot", "WasteContainer", "Streetlight", "WeatherObserved"):
        assert models.faults(example(kind, "example-normalized.jsonld")) == []


@pytest.mark.parametrize(
    ("kind", "field", "value", "path", "told"),
    [
        ("AirQualityObserved", "tsp", 73.3, "tsp", '73.3 is not of type "integer"'),
        ("ParkingSpot", "status", "maybe", "status", '"maybe" is not one of'),
        (
            "ParkingSpot",
            "location",
            {"type": "Point", "coordinates": ["a", 1]},
            "location.coordinates[0]",
            '"a" is not of type "number"',
        ),
        ("WasteContainer", "fillingLevel", 1.5, "fillingLevel", "maximum of 1"),
        ("WeatherObserved", "temperature", "warm", "temperature", 'not of type "number"'),
        ("Device", "dateInstalled", "2016-13-01", "dateInstalled", "date-time"),
        ("Device", "macAddress", "not-a-mac", "macAddress", "does not match"),
    ],
)
def test_broken_variants_are_named_properly(
    models: Schemas, kind: str, field: str, value: Any, path: str, told: str
) -> None:
    good = example(kind)
    before = {fault.path for fault in models.faults(good)}
    found = {fault.path: fault.reason for fault in models.faults(good | {field: value})}
    assert path in found
    assert told in found[path]
    assert set(found) - before <= {path}
