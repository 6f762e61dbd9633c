"""Runs the programs of Eclipse SUMO that make and route networks, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from madang.model.errors import MadangError

_TOLD: Final = 600  # characters of what a program says are told


class NetworkError(MadangError):
    """A network cannot be made from what was given, or cannot be read."""


def home() -> Path:
    """Return the folder of Eclipse SUMO.

    Its package is not imported: that would point the geographic library of this process, which is
    another version, to SUMO's data.
    """
    found = importlib.util.find_spec("sumo")
    if found is None or found.origin is None:
        raise NetworkError("Eclipse SUMO is missing: install the package eclipse-sumo")
    return Path(found.origin).parent


def run(program: str, arguments: Sequence[str], timeout_s: float) -> str:
    """Run a program and return what it says.

    Args:
        program: such as ``netconvert``.
        arguments: of its command line.
        timeout_s: how long it may take. [s]

    Raises:
        NetworkError: it failed or took too long; the text tells what it said.
    """
    place = home()
    data = str(place / "data" / "proj")
    environment = os.environ | {"SUMO_HOME": str(place), "PROJ_DATA": data, "PROJ_LIB": data}
    try:
        done = subprocess.run(
            [str(place / "bin" / program), *arguments],
            capture_output=True, env=environment, timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NetworkError(
            f"{program} has not ended within {timeout_s:.0f} s; try a smaller area (--boundary)"
        ) from None
    except OSError as error:
        raise NetworkError(
            f"{program} cannot be run ({error.strerror}): reinstall the package eclipse-sumo"
        ) from error
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode != 0:
        errors = [line for line in said.splitlines() if line.startswith("Error")]
        told = " ".join(errors or said.split("\n")[-3:])[:_TOLD]
        raise NetworkError(f"{program} failed: {told}")
    return said
