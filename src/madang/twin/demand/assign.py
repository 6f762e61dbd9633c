"""Assignment of trips to roads by SUMO itself: who left which edge, and when.

SUMO runs as a program of its own, so that any process may assign.
"""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from madang.model.errors import MadangError
from madang.twin.demand.counts import Counts
from madang.twin.demand.trips import Trips
from madang.twin.network.programs import run
from madang.twin.network.scenario import Scenario

_WARM_UP_S: Final = 900.0
_TIMEOUT_S: Final = 3600.0


class BadTrips(MadangError):
    """A file of demand cannot be used."""


@dataclass(frozen=True, slots=True)
class Day:
    """Trips of a day of all kinds, in columns, sorted by departure."""

    type: NDArray[np.str_]
    depart_s: NDArray[np.float64]
    start: NDArray[np.str_]
    end: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.depart_s)

    def some(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Day:
        return Day(self.type[which], self.depart_s[which], self.start[which], self.end[which])


@dataclass(frozen=True, slots=True)
class Passed:
    """Which trips were counted where: pairs of a trip's number and a count's number."""

    trip: NDArray[np.int64]
    count: NDArray[np.int64]

    def vehicles(self, counts: int) -> NDArray[np.float64]:
        """Return how many vehicles each count has."""
        return np.bincount(self.count, minlength=counts).astype(float)


def read(file: Path) -> Day:
    """Read the trips of a file of demand.

    Raises:
        BadTrips: it cannot be read, or has no trips.
    """
    rows = []
    try:
        for _, one in ElementTree.iterparse(file, ("end",)):
            if one.tag == "trip":
                row = one.get("type"), one.get("depart"), one.get("from"), one.get("to")
                rows.append((str(row[0]), float(row[1] or 0), str(row[2]), str(row[3])))
            one.clear()
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise BadTrips(f"{file} cannot be read: {error}; write the demand first") from None
    if not rows:
        raise BadTrips(f"{file} has no trips; write the demand first")
    kind, depart, start, end = zip(*rows, strict=True)
    return Day(np.array(kind), np.array(depart), np.array(start), np.array(end))


def by_kind(day: Day) -> list[Trips]:
    """Return the trips of a day by kind of vehicle, as `trips.save` takes them."""
    return [
        Trips(str(kind), one.depart_s, one.start, one.end)
        for kind in np.unique(day.type)
        for one in [day.some(day.type == kind)]
    ]


def assign(
    scenario: Scenario, day: Day, counts: Counts, *, seed: int = 1, spread: float = 1.0
) -> Passed:
    """Let trips drive, and return which of them each count would have seen.

    Args:
        scenario: network and vehicle types.
        day: trips; those from a quarter of an hour before the first count on drive.
        counts: edges and times.
        seed: of SUMO.
        spread: how much slower than they are drivers may think roads to be, at most; 1 sends all
            by the quickest way. [1]

    Raises:
        NetworkError: SUMO cannot run them; the text tells what it said.
    """
    begin = max(float(counts.start_s.min()) - _WARM_UP_S, 0.0)
    end = float(counts.end_s.max())
    driving = np.flatnonzero((day.depart_s >= begin) & (day.depart_s < end))
    with tempfile.TemporaryDirectory(prefix="madang-assign-") as name:
        folder = Path(name)
        _write(day, driving, folder / "trips.rou.xml")
        _run(scenario, folder, begin, end, seed, spread)
        return _passed(folder / "routes.xml", counts)


def _write(day: Day, which: NDArray[np.int64], file: Path) -> None:
    with file.open("w", encoding="utf-8") as out:
        out.write("<routes>\n")
        for number in which.tolist():
            out.write(
                f'<trip id="{number}" type="{day.type[number]}" depart="{day.depart_s[number]:.1f}"'
                f' from="{day.start[number]}" to="{day.end[number]}" departLane="best"'
                ' departPos="random_free" departSpeed="max"/>\n'
            )
        out.write("</routes>\n")


def _run(
    scenario: Scenario, folder: Path, begin: float, end: float, seed: int, spread: float
) -> None:
    arguments = [
        "--net-file", str(scenario.net),
        "--additional-files", str(scenario.types),
        "--route-files", str(folder / "trips.rou.xml"),
        "--begin", f"{begin:.0f}", "--end", f"{end:.0f}", "--seed", str(seed),
        "--weights.random-factor", f"{spread:g}",
        "--time-to-teleport", "-1", "--ignore-route-errors", "true",
        "--vehroute-output", str(folder / "routes.xml"),
        "--vehroute-output.exit-times", "true", "--vehroute-output.write-unfinished", "true",
        "--no-step-log", "true", "--no-warnings", "true", "--xml-validation", "never",
    ]  # fmt: skip
    run("sumo", arguments, _TIMEOUT_S)


def _passed(file: Path, counts: Counts) -> Passed:
    """Return who left a counted edge within a counted time; who is on an edge yet has not."""
    at: dict[str, list[tuple[float, float, int]]] = {}
    for number, (edge, start, end) in enumerate(
        zip(counts.edge.tolist(), counts.start_s.tolist(), counts.end_s.tolist(), strict=True)
    ):
        at.setdefault(edge, []).append((start, end, number))
    trips: list[int] = []
    found: list[int] = []
    own = ""
    for event, one in ElementTree.iterparse(file, ("start", "end")):
        if event == "start":
            own = one.get("id", own) if one.tag == "vehicle" else own
            continue
        if one.tag == "route" and one.get("exitTimes"):
            left = one.get("exitTimes", "").split()
            for edge, time in zip(one.get("edges", "").split(), left, strict=False):
                for start, end, number in at.get(edge, ()):
                    if start <= float(time) < end:
                        trips.append(int(own))
                        found.append(number)
        if one.tag == "vehicle":
            one.clear()
    return Passed(np.array(trips, np.int64), np.array(found, np.int64))
