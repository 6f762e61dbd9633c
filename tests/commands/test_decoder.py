"""``madang device decoder try`` as a person uses it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from madang.commands.decoder import app
from madang.commands.terminal import BadOption

SCRIPT = "function decodeUplink({ bytes, fPort }) { return { data: { b: bytes[1], fPort } }; }"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "maker.js"
    file.write_text(SCRIPT)
    return file


def test_a_payload_is_shown_as_the_script_reads_it(script: Path) -> None:
    found = CliRunner().invoke(app, [str(script), "--hex", "0c 1e", "--port", "7"])
    assert found.exit_code == 0
    assert orjson.loads(found.output) == {
        "data": {"b": 30, "fPort": 7},
        "warnings": [],
        "errors": [],
    }


def test_a_script_that_fails_is_told_with_its_line(script: Path) -> None:
    script.write_text("function Decoder() {\n  return nothing;\n}")
    found = CliRunner().invoke(app, [str(script), "--hex", "00"])
    assert found.exit_code == 1
    assert "nothing is not defined in line 2" in found.output


def test_errors_that_a_script_returns_are_shown(script: Path) -> None:
    script.write_text("function decodeUplink() { return { errors: ['too short'] } }")
    found = CliRunner().invoke(app, [str(script), "--hex", ""])
    assert found.exit_code == 1
    assert orjson.loads(found.output)["errors"] == ["too short"]


def test_a_payload_that_is_no_hex_is_refused(script: Path) -> None:
    found = CliRunner().invoke(app, [str(script), "--hex", "0x12"])
    assert isinstance(found.exception, BadOption)
    assert "pairs of hexadecimal digits" in str(found.exception)
    missing = CliRunner().invoke(app, [str(script.with_name("other.js")), "--hex", "00"])
    assert "cannot be read" in str(missing.exception)
