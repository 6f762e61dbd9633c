"""Two processes on one data folder would lose what the other acknowledged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from madang.lock import FolderInUse, held

HOLD = """
import pathlib, sys
from madang.lock import held
with held(pathlib.Path(sys.argv[1])):
    print('held', flush=True)
    sys.stdin.read()
"""


def test_a_folder_belongs_to_one_process_until_it_ends(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FolderInUse, match="in use by another"), held(tmp_path):
            pass
        other.kill()
    with held(tmp_path):
        pass
