"""Makes a network file from a plan: plain XML, netconvert, and programmes of our own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from madang.twin.network import programmes
from madang.twin.network.plan import Plan
from madang.twin.network.programs import run

_TIMEOUT_S: Final = 120.0


def build(plan: Plan, target: Path, offsets: Mapping[str, float]) -> None:
    """Make the network file of a plan.

    Args:
        plan: what is drawn.
        target: the file.
        offsets: by signal, when its cycle begins. [s]

    Raises:
        NetworkError: netconvert refuses the plan; the text tells what it said.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        made = folder / target.name
        arguments = [f"--{option}={file}" for option, file in plan.write(folder).items()]
        run("netconvert", [
            *arguments,
            f"--proj={plan.projection}",
            f"--output-file={made}",
            "--output.street-names=true",
            "--no-turnarounds=true",
            "--no-internal-links=false",
            "--junctions.corner-detail=5",
            "--junctions.scurve-stretch=1",
            "--offset.disable-normalization=true",
            f"--tls.yellow.time={programmes.YELLOW_S:g}",
            f"--tls.allred.time={programmes.ALL_RED_S:g}",
            "--no-warnings=true",
        ], _TIMEOUT_S)  # fmt: skip
        programmes.write(made, offsets)
        made.replace(target)
