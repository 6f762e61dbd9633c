"""``madang load`` as a whole: what it says, what it writes, how it ends."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from madang.commands.client import HubError
from madang.commands.load import load
from madang.sense.files.mapping import MappingError
from madang.sense.files.source import FileError
from tests.commands.fake_hub import FakeHub, fake_hub

MAPPING = """
skip = [{ columns = "n", below = 0 }]
[[entity]]
id = "urn:a:{k}"
type = "T"
[entity.attributes]
n = { column = "n", unit = "CEL" }
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("k,n\na,1\nb,warm\nc\nd,-1\ne,6\n")
    return path


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    path = tmp_path / "m.toml"
    path.write_text(MAPPING)
    return str(path)


async def run(
    files: list[Path],
    mapping: str | None = None,
    type_name: str | None = None,
    errors: Path | None = None,
    url: str | None = None,
) -> tuple[bool, str, FakeHub]:
    """Load files into a fake hub; return whether all went well, what was said, and the hub."""
    output = io.StringIO()
    console = Console(file=output, width=200)
    async with fake_hub() as hub:
        is_clean = await asyncio.to_thread(
            load,
            files,
            url=url or hub.url,
            tenant="city",
            mapping=mapping,
            type_name=type_name,
            errors=errors,
            console=console,
        )
    return is_clean, output.getvalue(), hub


async def test_good_rows_are_loaded_and_bad_ones_told(
    table: Path, mapping: str, tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    is_clean, said, hub = await run([table], mapping, errors=errors)
    assert not is_clean
    assert sorted(entity["id"] for batch in hub.batches for entity in batch) == [
        "urn:a:a",
        "urn:a:e",
    ]
    assert {request.headers["NGSILD-Tenant"] for request in hub.requests} == {"city"}
    assert "a.csv: row 3, column n: 'warm' is no number" in said
    assert "2 entities loaded from 5 rows, 1 rows skipped by the mapping, 2 rows failed" in said
    with errors.open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["file", "row", "column", "reason"],
            [str(table), "3", "n", "'warm' is no number"],
            [str(table), "4", "", "has 1 cells where the header has 2"],
        ]


async def test_without_a_fault_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "urn:a", "type": "T"}\n')
    is_clean, said, _ = await run([path])
    assert is_clean
    assert "✓ 1 entities loaded from 1 rows" in said


async def test_a_thousand_bad_rows_do_not_fill_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("oops\n" * 1000)
    _, said, _ = await run([path])
    assert said.count("not valid JSON") == 20
    assert "--errors FILE lists them all" in said
    assert "1,000 rows failed" in said


async def test_a_file_that_breaks_off_keeps_its_beginning(tmp_path: Path) -> None:
    broken, good = tmp_path / "a.parquet", tmp_path / "b.jsonl"
    broken.write_bytes(b"PAR1")
    good.write_text('{"id": "urn:a", "type": "T"}\n')
    is_clean, said, hub = await run([broken, good])
    assert not is_clean
    assert len(hub.batches) == 1
    assert "no readable Parquet" in said


async def test_nothing_is_sent_if_one_of_the_files_is_missing(table: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        await run([table, tmp_path / "b.csv"])


async def test_a_type_beside_a_mapping_is_refused(table: Path, mapping: str) -> None:
    with pytest.raises(MappingError, match="exclude each other"):
        await run([table], mapping, type_name="T")


async def test_without_a_hub_it_says_how_to_start_one(table: Path) -> None:
    with pytest.raises(HubError, match="start one with `madang up`"):
        await run([table], url="http://127.0.0.1:9")


async def test_an_address_that_is_none_is_told(table: Path) -> None:
    with pytest.raises(HubError, match="no address of a hub"):
        await run([table], url="nowhere")
