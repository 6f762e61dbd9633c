"""A small town to drive in: three streets by three with signals, made by netconvert in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from madang.twin.network import build, detectors, types
from madang.twin.network.detectors import Station
from madang.twin.network.plan import Edge, Node, Plan
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario, put
from madang.twin.street.street import Street

SIDE = 0.0018  # [degree] of latitude, about 200 m
LINES = range(5)  # of which the outermost only lead in and out
MIDDLE = "n22"
BEGIN_S = 8 * 3600.0


def plan() -> Plan:
    nodes = {
        f"n{column}{row}": Node(
            f"n{column}{row}", (126.9 + column * SIDE * 1.26, 37.5 + row * SIDE), inner
        )
        for column in LINES
        for row in LINES
        if (inner := column in (1, 2, 3) and row in (1, 2, 3))
        or column in (1, 2, 3)
        or row in (1, 2, 3)
    }  # fmt: skip
    edges = []
    for column in LINES:
        for row in LINES:
            here = f"n{column}{row}"
            for there, on_line in (
                (f"n{column + 1}{row}", row in (1, 2, 3)),
                (f"n{column}{row + 1}", column in (1, 2, 3)),
            ):
                if on_line and here in nodes and there in nodes:
                    edges += [_edge(here, there), _edge(there, here)]
    return Plan(tuple(nodes.values()), tuple(edges))


def _edge(start: str, end: str) -> Edge:
    return Edge(f"{start}-{end}", start, end, 2, 13.89, "primary", ("길", "Street"))


def made(folder: Path, begin_s: float = BEGIN_S) -> Scenario:
    """Make the scenario, with a bus and some trips from west to east that begin at a time."""
    scenario = Scenario(folder, "small", 1, "Asia/Seoul", (126.9, 37.5, 126.91, 37.51), "generated")
    build.build(plan(), scenario.net, {})
    types.write(scenario.types)
    roads = Roads.read(scenario.net)
    station: Station = detectors.station(roads, "west", "n02-n12", 100.0)
    detectors.write(scenario.detectors, [station])
    trips = "".join(
        f'<trip id="car-{number}" type="passenger" depart="{begin_s + 4 * number:.0f}"'
        ' from="n02-n12" to="n32-n42" departLane="best"/>'
        for number in range(80)
    )
    put(scenario.demand, f"<routes>{trips}</routes>")
    put(
        scenario.buses,
        f'<routes><vehicle id="bus-1" type="bus" depart="{begin_s + 1:.0f}" line="마당01">'
        '<route edges="n20-n21 n21-n22 n22-n23 n23-n24"/></vehicle></routes>',
    )
    scenario.write()
    return Scenario.open(folder)


@contextmanager
def street(folder: Path, **more: Any) -> Iterator[Street]:
    """Open the town's street; in a process of its own only."""
    found = Street(Scenario.open(folder), BEGIN_S, **more)
    try:
        yield found
    finally:
        found.close()


class Elsewhere:
    """A process in which streets may be opened: libsumo must not come into that of the tests."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))

    def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._pool.submit(function, *args).result(60)

    def close(self) -> None:
        self._pool.shutdown()
