"""The package of a new service: it works as it is made."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from madang.services.scaffold import NotMade, scaffold


def run(folder: Path, *command: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_package_has_a_module_tests_a_page_and_an_entry_point(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    files = scaffold("container_fire", folder)
    assert all(file.is_file() for file in files)
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["name"] == "container-fire"
    assert project["project"]["entry-points"]["madang.services"] == {
        "container_fire": "container_fire.service:service"
    }
    page = (folder / "docs" / "container_fire.md").read_text("utf-8")
    assert page.startswith("# Container fire\n")
    assert "$ madang service on container_fire" in page
    assert not any("${" in file.read_text("utf-8") for file in files)


@pytest.mark.slow
def test_the_tests_of_a_new_package_pass_and_so_does_its_code(tmp_path: Path) -> None:
    scaffold("container_fire", tmp_path / "mine")
    folder = tmp_path / "mine"
    run(folder, "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    run(folder, "ruff", "check", ".")
    run(folder, "ruff", "format", "--check", ".")
    run(folder, "mypy")


@pytest.mark.parametrize("name", ["", "Fire", "9lives", "a-b", "class", "x" * 50, "../up"])
def test_a_name_that_will_not_do_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotMade, match="is named like"):
        scaffold(name, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(NotMade, match="--directory"):
        scaffold("container_fire", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"
