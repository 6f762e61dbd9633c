"""The command line as a whole: exit codes, one-sentence errors, quick starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from madang import __version__

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("madang")


def run(*arguments: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version_is_printed(tmp_path: Path) -> None:
    done = run("version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"madang {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["up", "--open", "--host", "0.0.0.0"], "no sign-in"),
        (["up", "--port", "99999"], "--port is 99999"),
        (["find", "--url", "http://127.0.0.1:9"], "start one with `madang up`"),
        (["find", "--near", "here"], "longitude,latitude,metres"),
        (["status", "--url", "http://127.0.0.1:9"], "no hub answers"),
        (["watch", "--url", "http://127.0.0.1:9"], "no hub answers"),
        (["load", "nothing.csv"], "No such file"),
        (["load", "nothing.xyz"], "ending is unknown"),
        (["load", "a.csv", "--mapping", "sdot"], "did you mean 'sdot-nodes'"),
        (["backup", "copy"], "there is no data"),
        (["restore", "copy"], "there is no backup"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("madang: ")
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_variable_is_told_with_the_right_one(tmp_path: Path) -> None:
    done = run("up", cwd=tmp_path, MADANG_PROT="1")
    assert done.returncode == 2
    assert "did you mean MADANG_PORT" in done.stderr


def test_the_doctor_tells_of_bad_settings_and_goes_on(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path, MADANG_PROT="1")
    assert done.returncode == 1
    assert "did you mean MADANG_PORT" in done.stdout
    assert "Disk speed" in done.stdout


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = run("--help", cwd=tmp_path).stdout
    for command in "up load find watch status backup restore doctor version".split():  # noqa: SIM905
        assert command in shown


@pytest.mark.parametrize("heavy", ["polars", "rich", "typer.rich_utils", "aiohttp.client"])
def test_starting_the_hub_does_not_load_what_only_other_commands_need(heavy: str) -> None:
    code = f"import sys, madang.cli, madang.settings_sources; sys.exit({heavy!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0, f"{heavy} is imported by `madang up`"
