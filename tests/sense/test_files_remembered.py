"""Guessed mappings changed by people, written as TOML, and found again by the header."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.files import edit, remembered
from madang.sense.files.guess import mapping_for
from madang.sense.files.mapping import Attribute, Mapping, MappingError, parse, read, shipped
from madang.sense.files.toml_text import written

COLUMNS = ["측정소", "측정일시", "미세먼지", "비고"]
ROWS = [
    {"측정소": "종로", "측정일시": "2026-01-31 10:00", "미세먼지": "31", "비고": "x"},
    {"측정소": "중구", "측정일시": "2026-01-31 10:00", "미세먼지": "28", "비고": "y"},
]


@pytest.fixture
def mapping() -> Mapping:
    return mapping_for("a", COLUMNS, ROWS)


@pytest.mark.parametrize("name", shipped())
def test_what_is_written_is_read_as_the_same(name: str) -> None:
    assert parse(written(read(name)), name) == read(name)


@given(st.text(min_size=1, max_size=20), st.floats(0.001, 1e6), st.text(max_size=10))
def test_any_column_can_be_written(column: str, scale: float, null: str) -> None:
    mapping = Mapping.model_validate(
        {
            "read": {"null": [null]},
            "attributes": {"a": Attribute(column=column, scale=scale).model_dump()},
            "entity": [{"id": "urn:a:{#}", "type": "T"}],
        }
    )
    assert parse(written(mapping), "m") == mapping


def test_a_kept_mapping_is_found_by_the_header_and_replaces_the_one_before(
    tmp_path: Path, mapping: Mapping
) -> None:
    assert remembered.find(tmp_path, COLUMNS) is None
    remembered.keep(tmp_path, COLUMNS, mapping)
    other = edit.with_type(mapping, "Other")
    place = remembered.keep(tmp_path, COLUMNS, other)
    assert remembered.find(tmp_path, [f" {name} " for name in COLUMNS]) == (place, other)
    assert len(list(place.parent.iterdir())) == 1
    assert remembered.find(tmp_path, COLUMNS[:-1]) is None


def test_a_guess_can_be_changed_in_every_way_that_is_asked(mapping: Mapping) -> None:
    assert edit.id_column(mapping) == "측정소"
    changed = edit.with_type(mapping, "AirQualityForecast")
    changed = edit.with_id(changed, "비고")
    changed = edit.with_zone(changed, "UTC")
    changed = edit.renamed(changed, "pm10", "dust")
    changed = edit.changed(changed, "dust", unit="GP")
    changed = edit.without(changed, "description")
    assert changed.entity[0].id == "urn:ngsi-ld:AirQualityForecast:{비고}"
    assert changed.observed is not None
    assert changed.observed.zone == "UTC"
    assert changed.attributes["dust"].unit == "GP"
    assert "description" not in changed.attributes


def test_what_is_impossible_is_said_in_a_sentence(mapping: Mapping) -> None:
    with pytest.raises(MappingError, match="no time zone 'Mars'"):
        edit.with_zone(mapping, "Mars")
    with pytest.raises(MappingError, match="cannot be the name of an attribute"):
        edit.renamed(mapping, "pm10", "type")
    with pytest.raises(MappingError, match="should match pattern"):
        edit.changed(mapping, "pm10", unit="µg")
    with pytest.raises(MappingError, match="there is an attribute description already"):
        edit.renamed(mapping, "pm10", "description")
    with pytest.raises(MappingError, match="cannot be an entity type"):
        edit.with_type(mapping, "a b")
