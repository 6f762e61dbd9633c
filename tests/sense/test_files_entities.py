"""Entities of whole files: with a mapping, by a guess, or as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from madang.sense.files.entities import EntityReader, Failure, Loadable
from madang.sense.files.mapping import MappingError, parse
from madang.sense.files.source import open_source


def read(
    path: Path, mapping: str | None = None, type_name: str | None = None
) -> tuple[list[dict[str, Any]], list[Failure], EntityReader]:
    with open_source(path) as source:
        reader = EntityReader(source, parse(mapping, "m") if mapping else None, type_name)
        items = list(reader)
    bodies = [json.loads(item.body) for item in items if isinstance(item, Loadable)]
    return bodies, [item for item in items if isinstance(item, Failure)], reader


def file(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_ngsi_ld_entities_pass_as_they_are(tmp_path: Path) -> None:
    entities = [{"id": "urn:a:1", "type": "T", "x": 1}, {"id": "urn:a:2", "type": "T"}]
    found, failures, reader = read(file(tmp_path, "a.json", entities))
    assert (found, failures, reader.rows) == (entities, [], 2)


def test_an_entity_with_a_context_is_marked(tmp_path: Path) -> None:
    entity = {"id": "urn:a:1", "type": "T", "@context": "https://x.org/c.jsonld"}
    with open_source(file(tmp_path, "a.jsonld", entity)) as source:
        (item,) = EntityReader(source, None, None)
    assert isinstance(item, Loadable)
    assert item.has_context


def test_an_entity_without_id_or_type_is_told_by_row(tmp_path: Path) -> None:
    path = file(tmp_path, "a.json", [{"id": "x y", "type": "T"}, {"id": "urn:a"}, {}])
    _, failures, _ = read(path)
    assert [(failure.row, failure.column) for failure in failures] == [
        (1, "id"),
        (2, "type"),
        (3, "id"),
    ]
    found, failures, _ = read(path, type_name="T")
    assert found == [{"id": "urn:a", "type": "T"}]


def test_features_become_entities_with_location(tmp_path: Path) -> None:
    place = {"type": "Point", "coordinates": [127, 37]}
    features = [
        {"type": "Feature", "geometry": place, "properties": {"equip_id": "A", "avg": 1.5}},
        {"type": "Feature", "geometry": None, "properties": {"equip_id": "B", "avg": None}},
    ]
    path = file(
        tmp_path, "city_sensors.geojson", {"type": "FeatureCollection", "features": features}
    )
    found, failures, _ = read(path)
    assert not failures
    assert found[0] == {
        "id": "urn:ngsi-ld:CitySensors:A",
        "type": "CitySensors",
        "location": {"type": "GeoProperty", "value": place},
        "equip_id": {"type": "Property", "value": "A"},
        "avg": {"type": "Property", "value": 1.5},
    }
    assert found[1].keys() == {"id", "type", "equip_id"}


def test_features_that_are_entities_come_back_as_entities(tmp_path: Path) -> None:
    place = {"type": "Point", "coordinates": [127, 37]}
    feature = {
        "id": "urn:a:1",
        "type": "Feature",
        "geometry": place,
        "properties": {"type": "T", "x": {"type": "Property", "value": 1}},
    }
    found, _, _ = read(file(tmp_path, "a.geojson", feature))
    assert found == [
        {
            "id": "urn:a:1",
            "type": "T",
            "location": {"type": "GeoProperty", "value": place},
            "x": {"type": "Property", "value": 1},
        }
    ]


def test_a_table_without_mapping_is_guessed(tmp_path: Path) -> None:
    table = "시리얼,위도,경도,code,기온(℃),측정시간\nV1,37.5,127.1,007,21.5,2025-01-01 00:00\n"
    found, failures, _ = read(file(tmp_path, "s.csv", table), type_name="Device")
    assert not failures
    assert found == [
        {
            "id": "urn:ngsi-ld:Device:V1",
            "type": "Device",
            "location": {
                "type": "GeoProperty",
                "value": {"type": "Point", "coordinates": [127.1, 37.5]},
            },
            "serialNumber": {"type": "Property", "value": "V1"},
            "code": {"type": "Property", "value": "007", "observedAt": "2024-12-31T15:00:00Z"},
            "temperature": {
                "type": "Property",
                "value": 21.5,
                "unitCode": "CEL",
                "observedAt": "2024-12-31T15:00:00Z",
            },
        }
    ]


def test_a_table_without_an_id_takes_the_row_number(tmp_path: Path) -> None:
    found, _, _ = read(file(tmp_path, "2026 bins.csv", "level\n10\n20\n"))
    assert [entity["id"] for entity in found] == [
        "urn:ngsi-ld:File2026Bins:2",
        "urn:ngsi-ld:File2026Bins:3",
    ]


def test_parquet_is_guessed_with_its_own_types(tmp_path: Path) -> None:
    path = tmp_path / "pv.parquet"
    frame = pl.DataFrame({"station": ["a"], "power": [1.5], "ok": [True]})
    frame.write_parquet(path)
    found, _, _ = read(path)
    assert found[0]["power"]["value"] == 1.5
    assert found[0]["ok"]["value"] is True


MAPPING = """
skip = [{ columns = "n", below = 0 }]
[[entity]]
id = "urn:a:{k}"
type = "T"
[entity.attributes]
n = { column = "n", unit = "CEL" }
"""


def test_good_rows_are_kept_bad_ones_told_by_row_and_column(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", "k,n\na,1\nb,warm\nc\nd,-1\n,5\ne,6\n")
    found, failures, reader = read(path, MAPPING)
    assert [entity["id"] for entity in found] == ["urn:a:a", "urn:a:e"]
    assert [(failure.row, failure.column) for failure in failures] == [(3, "n"), (4, ""), (6, "k")]
    assert (reader.rows, reader.skipped) == (6, 1)


def test_a_mapping_that_does_not_fit_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="column 'n'"):
        read(file(tmp_path, "a.csv", "k,m\na,1\n"), MAPPING)


def test_bytes_that_are_no_text_fail_only_their_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = "".join(f"{n:01000},1\n" for n in range(1500)).encode()
    path.write_bytes(b"k,n\n" + good + b"\xff\xfe,2\nz,3\n")
    found, failures, _ = read(path, MAPPING)
    assert len(found) == 1501
    assert [failure.row for failure in failures] == [1502]
