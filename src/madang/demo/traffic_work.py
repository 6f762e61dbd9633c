"""The process beside the hub in which traffic of the demo city is made and driven.

It is begun twice: to make the scenario where it is not made yet, and to drive it.
"""

from __future__ import annotations

import hashlib
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from madang.services.process import begun
from madang.twin.live.job import Job

if TYPE_CHECKING:
    from madang.demo.city import DemoCity
    from madang.twin.network.detectors import Station
    from madang.twin.network.roads import Roads

RESIDENTS: Final = 50_000
_MARK: Final = "demo.txt"
"""File of a scenario that says it is the demo's, and by what it was made."""
_FAR_M: Final = 40.0  # at most from a counter to the lane whose traffic it counts
_OF: Final = ("demo", "twin/network", "twin/people", "twin/demand")
"""Folders of the code that makes a scenario: another code makes another one."""


@dataclass(frozen=True, slots=True)
class Making:
    """A scenario that is wanted."""

    folder: Path
    """That holds it."""
    seed: int


def make(job: Making) -> Path:
    """Return the folder of the scenario, made if it is not there yet.

    It is ``city``, which policies are tried on; where somebody has built a city of their own there,
    it is ``demo`` beside it.
    """
    is_ours = not (job.folder / "city").exists() or (job.folder / "city" / _MARK).exists()
    folder, wanted = job.folder / ("city" if is_ours else "demo"), f"{job.seed} {_digest()}"
    mark = folder / _MARK
    if not mark.exists() or mark.read_text("utf-8") != wanted:
        job.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".demo-", dir=job.folder) as name:
            draft = Path(name) / "scenario"
            _make(draft, job.seed)
            (draft / _MARK).write_text(wanted, "utf-8")
            if folder.exists():
                folder.replace(Path(name) / "old")
            draft.replace(folder)
    return folder


def _make(folder: Path, seed: int) -> None:
    from madang.demo import roads
    from madang.demo.city import DemoCity
    from madang.twin.demand import trips
    from madang.twin.network import detectors
    from madang.twin.network.roads import Roads

    scenario, city = roads.build(folder, seed), DemoCity(seed)
    net = Roads.read(scenario.net)
    stations = [*roads.counting_stations(net), *_counters(net, city)]
    detectors.write(scenario.detectors, stations)
    trips.write(scenario, seed, residents=RESIDENTS)


def _counters(net: Roads, city: DemoCity) -> Iterator[Station]:
    """Yield the stations of the city's traffic counters, named as the keys of their entities."""
    from madang.twin.network import detectors

    for sensor in city.sensors:
        if sensor.entity["type"] == "TrafficFlowObserved":
            lon, lat = sensor.entity["location"]["value"]["coordinates"]
            if near := net.near(lon, lat, "passenger", _FAR_M):
                edge = net.lanes[near[0].lane].edge
                key = sensor.entity["id"].rpartition(":")[2]
                yield detectors.station(net, key, edge, near[0].position)


def _digest() -> str:
    """Return what tells scenarios apart that are made by different code."""
    found = hashlib.sha256(version("eclipse-sumo").encode())
    for folder in _OF:
        for file in sorted(Path(str(files("madang"))).joinpath(folder).rglob("*")):
            if file.suffix in (".py", ".toml"):
                found.update(file.read_bytes())
    return found.hexdigest()[:12]


def main() -> None:
    """Do what is asked for on the standard input."""
    job, tell = begun(nice=0)  # people wait for the first car
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the hub, which ends this
    if isinstance(job, Job):
        from madang.twin.live.run import run

        run(job, tell)
    else:
        tell({"scenario": str(make(job))})


if __name__ == "__main__":
    main()
