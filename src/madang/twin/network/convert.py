"""Makes a network file of the roads of a map, and keeps the part that hangs together."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from madang.twin.network import programmes
from madang.twin.network.connected import unreachable
from madang.twin.network.programs import home, run
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import put

_TIMEOUT_S: Final = 1800.0
_ROUNDS: Final = 3  # taking out edges makes a few more unreachable
_TYPES: Final = ("osmNetconvert.typ.xml", "osmNetconvertUrbanDe.typ.xml")
_OPTIONS: Final = (
    "--geometry.remove", "--roundabouts.guess", "--ramps.guess", "--junctions.join",
    "--tls.guess-signals", "--tls.discard-simple", "--tls.join", "--tls.default-type=static",
    "--no-turnarounds.except-deadend", "--remove-edges.isolated", "--keep-edges.components=1",
    "--osm.bike-access", "--osm.turn-lanes", "--output.street-names",
    "--offset.disable-normalization", "--aggregate-warnings=-1",
)  # fmt: skip


class Converted(NamedTuple):
    """A network made of a map."""

    roads: Roads
    said: str
    """By netconvert."""
    before: Roads
    """As it was before edges were taken out."""
    cut: set[str]
    """The edges that were."""


def convert(source: Path, target: Path, middle: tuple[float, float]) -> Converted:
    """Make a network file of OpenStreetMap's roads.

    Args:
        source: XML of OpenStreetMap.
        target: the network file.
        middle: longitude and latitude of the city; the network is projected about it. [degree]

    Raises:
        NetworkError: netconvert refuses the map; the text tells what it said.
    """
    draft = target.with_suffix(".draft.xml")
    maps = home() / "data" / "typemap"
    lon, lat = middle
    said = run("netconvert", [
        f"--osm-files={source}",
        f"--type-files={','.join(str(maps / name) for name in _TYPES)}",
        f"--proj=+proj=tmerc +lat_0={lat:.4f} +lon_0={lon:.4f} +k=1 +ellps=WGS84 +units=m +no_defs",
        f"--output-file={draft}",
        f"--tls.yellow.time={programmes.YELLOW_S:g}",
        f"--tls.allred.time={programmes.ALL_RED_S:g}",
        *_OPTIONS,
    ], _TIMEOUT_S)  # fmt: skip
    before = roads = Roads.read(draft)
    cut: set[str] = set()
    for _ in range(_ROUNDS):
        if not (more := unreachable(roads)):
            break
        cut |= more
        _without(draft, more)
        roads = Roads.read(draft)
    programmes.mend(draft)
    roads = Roads.read(draft)
    draft.replace(target)
    return Converted(roads, said, before, cut)


def _without(path: Path, edges: set[str]) -> None:
    """Take edges out of a network file."""
    names = path.with_suffix(".txt")
    put(names, "\n".join(f"edge:{one}" for one in sorted(edges)))
    after = path.with_suffix(".after.xml")
    run("netconvert", [
        f"--sumo-net-file={path}", f"--remove-edges.input-file={names}",
        f"--output-file={after}", "--output.street-names", "--no-warnings",
        "--offset.disable-normalization",
        f"--tls.yellow.time={programmes.YELLOW_S:g}",
        f"--tls.allred.time={programmes.ALL_RED_S:g}",
    ], _TIMEOUT_S)  # fmt: skip
    names.unlink()
    after.replace(path)
