"""Mapping files: what they may say, and what wrong ones are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from madang.sense.files.mapping import (
    Attribute,
    EntityPart,
    Location,
    Mapping,
    MappingError,
    Observed,
    Reading,
    Skip,
    check_columns,
    parse,
    read,
    shipped,
)

ENTITY = '[[entity]]\nid = "urn:x:{no}"\ntype = "Device"\n'


def wrong(content: str) -> str:
    """Return what a mapping that cannot be used is told."""
    with pytest.raises(MappingError) as caught:
        parse(content, "m.toml")
    return str(caught.value)


@pytest.mark.parametrize("name", shipped())
def test_every_mapping_that_comes_with_madang_can_be_read(name: str) -> None:
    mapping = read(name)
    assert mapping.title
    assert mapping.source
    assert mapping.columns()


def test_the_mappings_of_the_recorded_sources_are_shipped() -> None:
    expected = {"sdot-nodes", "sdot-average", "prsa-beijing", "sensor-community"}
    assert expected | {"birmingham-parking", "aot-nodes"} <= set(shipped())


def test_a_mapping_is_found_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ENTITY, encoding="utf-8")
    assert read(str(path)).entity[0].type == "Device"


def test_a_misspelt_name_hears_the_right_one() -> None:
    with pytest.raises(MappingError, match="did you mean 'sdot-nodes'"):
        read("sdot-node")


def test_a_missing_file_is_told_by_name() -> None:
    with pytest.raises(MappingError, match=r"nowhere\.toml cannot be read"):
        read("nowhere.toml")


def test_what_is_not_toml_is_told_so() -> None:
    assert "not valid TOML" in wrong("id: x")


def test_a_mapping_without_an_entity_is_refused() -> None:
    assert "entity" in wrong("title = 'x'")


def test_an_unknown_key_is_named() -> None:
    assert "entity.0.ids: there is no such key" in wrong(ENTITY + "ids = 'x'\n")


def test_an_id_that_is_no_uri_is_refused() -> None:
    assert "must be a URI" in wrong('[[entity]]\nid = "{no}"\ntype = "Device"\n')


@pytest.mark.parametrize(
    ("attribute", "complaint"),
    [
        ('x = { column = "a", value = 1 }', "exactly one of column"),
        ('x = { unit = "CEL" }', "exactly one of column"),
        ('x = { column = "a", unit = "degrees" }', "attributes.x.unit"),
        ('x = { column = "a", type = "Relationship", unit = "CEL" }', "has no unit"),
        ('x = { column = "a", language = "ko" }', "LanguageProperty"),
        ('x = { column = "a", type = "LanguageProperty" }', "LanguageProperty"),
        ('x = { column = "a", kind = "float" }', "attributes.x.kind"),
        ('x = { column = "a", zone = "Asia/Seul" }', "no time zone 'Asia/Seul'"),
        ('"2x" = { column = "a" }', "'2x' cannot be the name"),
        ('observedAt = { column = "a" }', "'observedAt' cannot be the name"),
    ],
)
def test_an_attribute_that_makes_no_sense_is_refused(attribute: str, complaint: str) -> None:
    assert complaint in wrong(f"{ENTITY}[entity.attributes]\n{attribute}\n")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('[location]\nlongitude = "x"', "needs longitude and latitude"),
        ('[location]\ncolumn = "x"', "column and places"),
        ('[observed]\nzone = "UTC"', "either columns or value"),
        ('[observed]\nvalue = "soon"', "is no time"),
        ('[[skip]]\ncolumns = "x"', "needs one of empty"),
        ('[read]\nseparator = "ab"', "read.separator"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(table: str, complaint: str) -> None:
    assert complaint in wrong(f"{table}\n{ENTITY}")


def test_a_mapping_knows_all_the_columns_it_reads() -> None:
    mapping = parse(
        """
        skip = [{ columns = ["a", "b"], empty = true }]
        observed = { columns = ["c", "d"] }
        location = { longitude = "e", latitude = "f" }
        [attributes]
        one = { members = { x = "{g}" } }
        [[entity]]
        id = "urn:x:{h}:{#}"
        type = "T"
        skip = [{ columns = "i", above = 1 }]
        [entity.attributes]
        two = { column = "j" }
        three = { type = "Relationship", template = "urn:y:{k}" }
        """,
        "m.toml",
    )
    assert sorted(mapping.columns()) == list("abcdefghijk")


def test_a_column_that_the_file_has_not_is_named_with_the_nearest() -> None:
    mapping = parse(ENTITY.replace("{no}", "{serial}"), "m.toml")
    with pytest.raises(MappingError, match=r"'serial'.*did you mean 'serial_no'"):
        check_columns(mapping, ["serial_no", "x"])


def test_the_example_in_the_docs_works() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "mapping.md"
    example = page.read_text("utf-8").split("```toml\n", 1)[1].split("```", 1)[0]
    assert parse(example, "the docs").entity[0].type == "WasteContainer"


def test_the_docs_name_every_key_and_every_shipped_mapping() -> None:
    docs = Path(__file__).parents[2] / "docs"
    reference = (docs / "reference" / "mapping.md").read_text("utf-8")
    parts: list[type[BaseModel]] = [Mapping, Reading, Observed, Location, Skip, EntityPart]
    parts.append(Attribute)
    keys = {name for part in parts for name in part.model_fields}
    missing = [key for key in keys if f"`{key}" not in reference and f"[{key}]" not in reference]
    assert missing == []
    how_to = (docs / "how-to" / "load-files.md").read_text("utf-8")
    assert [name for name in shipped() if f"`{name}`" not in how_to] == []
