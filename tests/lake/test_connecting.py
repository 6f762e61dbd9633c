"""DuckDB as history uses it: without pandas, which others may import as always."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASKED = """
import sys, tempfile
from datetime import datetime
from pathlib import Path
from madang.lake.engine import Engine
from madang.lake import memory
with tempfile.TemporaryDirectory() as folder:
    engine = Engine(Path(folder), 200)
    exec(compile(
        "for value in (1, 'a', None, 1.5, datetime.now(), [1], {'a': 1}):\\n"
        "    engine.cursor().execute('SELECT ?', [value]).fetchall()",
        "asked", "exec"), {**vars(memory), "engine": engine, "datetime": datetime})
assert "pandas" not in sys.modules
"""


def test_parameters_bring_no_pandas() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_everybody_else_gets_pandas_as_always() -> None:
    code = ASKED + "import pandas; assert pandas.Timestamp('2026-01-01').year == 2026"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
