"""Files read row by row, in every form and with every fault."""

from __future__ import annotations

import gzip
import io
import json
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.files.grid import Record
from madang.sense.files.jsonstream import BrokenJson, json_items
from madang.sense.files.mapping import Reading
from madang.sense.files.separator import guess_separator
from madang.sense.files.source import FileError, open_source


def rows(path: Path, reading: Reading | None = None) -> list[Record]:
    with open_source(path, reading) as source:
        return list(source.records())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_of_any_encoding_and_separator(folder: Path, encoding: str, separator: str) -> None:
    path = folder / "a.csv"
    lines = [["시리얼", "위도"], ["V02", "37.5"]]
    path.write_bytes("\r\n".join(separator.join(line) for line in lines).encode(encoding))
    assert rows(path) == [Record(2, {"시리얼": "V02", "위도": "37.5"})]


def test_compressed_csv_is_read_and_its_progress_is_that_of_the_file(folder: Path) -> None:
    path = folder / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with open_source(path) as source:
        assert list(source.records()) == [Record(2, {"a": "1", "b": "2"})]
        assert source.position == source.size
        assert source.stem == "a"


def test_a_row_of_another_width_is_told_and_the_others_kept(folder: Path) -> None:
    path = folder / "a.csv"
    path.write_text('a,b\n1,2\n3\n\n5,"6\n7"\n8,9,10\n11,12\n')
    found = rows(path)
    assert [(record.row, record.problem) for record in found if record.problem] == [
        (3, "has 1 cells where the header has 2"),
        (6, "has 3 cells where the header has 2"),
    ]
    assert [record.values["b"] for record in found if record.values] == ["2", "6\n7", "12"]


def test_columns_without_a_name_or_with_the_same_get_one(folder: Path) -> None:
    path = folder / "a.csv"
    path.write_text(",x,x\n1,2,3\n")
    assert rows(path)[0].values == {"column_1": "1", "x": "2", "x_2": "3"}


def test_a_mapping_may_say_how_the_file_is_written(folder: Path) -> None:
    path = folder / "a.txt"
    path.write_bytes("a|b,c\né|1\n".encode("latin-1"))
    reading = Reading(separator="|", encoding="latin-1")
    assert rows(path, reading) == [Record(2, {"a": "é", "b,c": "1"})]


def test_separators_within_quotes_do_not_count() -> None:
    assert guess_separator('"a,b,c";d') == ";"


def test_a_file_that_is_cut_off_gives_its_beginning_and_an_error(folder: Path) -> None:
    path = folder / "a.csv.gz"
    content = "a,b\n" + "".join(f"{n},{n * n}\n" for n in range(100_000))
    path.write_bytes(gzip.compress(content.encode())[:-2000])
    found: list[Record] = []
    with open_source(path) as source, pytest.raises(FileError, match="any further"):
        found.extend(source.records())
    assert len(found) > 1000


@pytest.mark.parametrize("name", ["a.doc", "a", "a.gz"])
def test_an_unknown_ending_is_told_what_is_known(folder: Path, name: str) -> None:
    with pytest.raises(FileError, match=r"expected \.csv"):
        open_source(folder / name)


def test_a_missing_or_empty_file_is_an_error(folder: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        open_source(folder / "a.csv")
    (folder / "a.csv").touch()
    with pytest.raises(FileError, match="no header"):
        rows(folder / "a.csv")


def test_parquet_comes_in_rows(folder: Path) -> None:
    path = folder / "a.parquet"
    pl.DataFrame({"a": [1, None], "b": ["x", "y"]}).write_parquet(path)
    assert rows(path) == [Record(1, {"a": 1, "b": "x"}), Record(2, {"a": None, "b": "y"})]


def test_what_only_calls_itself_parquet_is_an_error(folder: Path) -> None:
    (folder / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(FileError, match="no readable Parquet"):
        rows(folder / "a.parquet")


def test_json_lines_keep_the_good_ones(folder: Path) -> None:
    path = folder / "a.jsonl"
    path.write_text('{"id": 1}\nnonsense\n\n[1]\n{"id": 2}\n')
    found = rows(path)
    assert [record.values.get("id") for record in found] == [1, None, None, 2]
    assert "not valid JSON" in found[1].problem
    assert found[2] == Record(4, {}, "is no JSON object")


def test_a_broken_array_gives_what_is_before_the_break(folder: Path) -> None:
    path = folder / "a.json"
    path.write_text('[{"id": 1}, {"id": 2}, {"id": oops}, {"id": 4}]')
    found = rows(path)
    assert [record.row for record in found if record.values] == [1, 2]
    assert found[-1].row == 3
    assert "nothing behind it" in found[-1].problem


def test_features_of_a_collection_are_items_wherever_they_stand() -> None:
    text = '{"metadata": {"n": 2}, "features": [{"a": 1}, {"a": 2}], "type": "FeatureCollection"}'
    assert list(json_items(io.StringIO(text))) == [{"a": 1}, {"a": 2}]
    assert list(json_items(io.StringIO('{"features": [], "type": "FeatureCollection"}'))) == []


def test_an_entity_may_have_an_attribute_called_features() -> None:
    entity = {"id": "urn:a", "type": "T", "features": [1]}
    assert list(json_items(io.StringIO(json.dumps(entity)))) == [entity]


class Drip(io.StringIO):
    """A stream that gives a few characters at a time, so that windows end anywhere."""

    def read(self, size: int | None = -1) -> str:
        return super().read(3)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4).filter("features".__ne__), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5))
def test_items_of_an_array_are_those_of_the_json_library(items: list[object]) -> None:
    assert list(json_items(Drip(json.dumps(items, indent=1)))) == items


@given(st.text(alphabet='[]{},:"a1 \\nul', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BrokenJson):
        list(json_items(io.StringIO(text)))


def test_not_a_number_is_no_json() -> None:
    with pytest.raises(BrokenJson, match="NaN"):
        list(json_items(io.StringIO("[NaN]")))


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(BrokenJson):
        list(json_items(io.StringIO("[" * 200_000)))
