"""``madang load --validate``: what breaks the schema stays out, and is told."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from madang.cli import app
from madang.commands.load import load
from madang.sense.schemas import SchemaError
from tests.commands.fake_hub import fake_hub

SCHEMA = {"properties": {"type": {"enum": ["Bin"]}, "level": {"type": "number", "maximum": 1}}}


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    (folder / "Bin").mkdir(parents=True)
    (folder / "Bin" / "schema.json").write_text(json.dumps(SCHEMA))
    return folder


@pytest.fixture
def bins(tmp_path: Path) -> Path:
    file = tmp_path / "bins.json"
    levels = {"type": "Property", "value": 0.5}, {"type": "Property", "value": 50}
    entities = [{"id": f"urn:bin:{n}", "type": "Bin", "level": one} for n, one in enumerate(levels)]
    file.write_text(json.dumps(entities))
    return file


async def test_entities_that_break_the_schema_stay_out(bins: Path, schemas: Path) -> None:
    output = io.StringIO()
    async with fake_hub() as hub:
        is_clean = await asyncio.to_thread(
            load,
            [bins],
            url=hub.url,
            tenant="",
            mapping=None,
            type_name=None,
            errors=None,
            console=Console(file=output, width=200),
            validate=schemas,
        )
    assert not is_clean
    assert [entity["id"] for batch in hub.batches for entity in batch] == ["urn:bin:0"]
    assert (
        "row 2, column level: 50 is greater than the maximum of 1 (rule 'maximum' of Bin)"
        " in urn:bin:1" in output.getvalue()
    )


def test_schemas_that_are_not_there_are_told_before_anything_is_loaded(
    bins: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["load", str(bins), "--validate", str(tmp_path / "gone")])
    assert isinstance(result.exception, SchemaError)


def test_history_is_not_validated(bins: Path, schemas: Path) -> None:
    words = ["load", str(bins), "--history", "--validate", str(schemas)]
    assert CliRunner().invoke(app, words).exit_code == 2
