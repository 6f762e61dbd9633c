"""Two processes on one data folder would lose what the other acknowledged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from madang.lock import FolderInUse, FolderUnusable, held

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


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FolderUnusable, match="name another with --data"), held(tmp_path / "file"):
        pass
