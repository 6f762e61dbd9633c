"""The logic of the control room that needs no browser, by Node's own test runner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_logic_of_the_front_end_does_what_its_tests_say() -> None:
    words = [sys.executable, "-m", "tools.front_end", "test"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
