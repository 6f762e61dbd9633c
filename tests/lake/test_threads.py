"""DuckDB takes of the machine what the process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from madang.lake.engine import Engine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are given out on Linux")
def test_an_engine_starts_no_more_threads_than_it_has_cores(tmp_path: Path) -> None:
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    engine = Engine(tmp_path)
    try:
        found = engine.cursor().execute("SELECT current_setting('threads')").fetchone()
    finally:
        os.sched_setaffinity(0, mine)
        engine.close()
    assert found == (1,)
