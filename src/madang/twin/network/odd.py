"""What is odd in a network, told so that somebody can mend the map: a report, most severe first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from madang.services.signals.signal import GREEN
from madang.twin.network.roads import Roads

MOST_TOLD: Final = 2_000
"""Of one report."""
_SHORT_M: Final = 2.0
_WAYS: Final = 6
_QUOTED: Final = re.compile(r"'([^']*)'")
_SAID: Final = (
    ("Intersecting left turns", "leftTurnsMeet", "opposite left turns cross one another"),
    ("sharp turn", "sharpTurn", "the bend is too sharp to drive at the limit"),
    ("is not connected", "notConnected", "nothing leads on from here, or nothing leads here"),
    ("restriction relation", "restriction", "a turn restriction names streets that are not there"),
    ("Ambiguity in turnarounds", "turnaround", "it is unclear which way leads back"),
    ("Cannot apply turn sign", "turnLanes", "the arrows on the lanes do not fit the streets"),
    ("high cycle time", "longCycle", "the signal's cycle is very long"),
    ("Not joining junctions", "notJoined", "junctions lie close together and were not made one"),
    ("Reducing junction cluster", "notJoined", "junctions close together were made one in part"),
)  # fmt: skip
"""Parts of netconvert's warnings, with what they mean."""


class Odd(NamedTuple):
    """One thing that is odd."""

    kind: str
    what: str
    id: str
    """Of a junction, an edge, a lane or a way."""
    name: str
    place: tuple[float, float] | None


def of_roads(roads: Roads) -> Iterator[Odd]:
    """Yield what is odd in a network as it is."""
    yield from _never_green(roads)
    yield from _dead_lanes(roads)
    yield from _crowded(roads)
    for edge in roads.edges.values():
        if edge.length < _SHORT_M:
            yield Odd("shortEdge", f"the edge is {edge.length:.1f} m long", edge.id,
                      edge.name[0], edge.shape[0])  # fmt: skip


def _never_green(roads: Roads) -> Iterator[Odd]:
    """Yield ways over a junction that its signal plan never opens: closed without a sign."""
    for signal in roads.signals.values():
        for index, pairs in enumerate(signal.links):
            if pairs and not any(phase.state[index] in GREEN for phase in signal.phases):
                edge = roads.edges[roads.lanes[pairs[0][0]].edge]
                yield Odd("neverGreen", "the signal plan never opens this way", signal.id,
                          edge.name[0], edge.shape[-1])  # fmt: skip


def _dead_lanes(roads: Roads) -> Iterator[Odd]:
    """Yield lanes that end where other lanes of their edge go on."""
    for edge in roads.edges.values():
        ends = [lane for lane in edge.lanes if lane not in roads.links]
        drives = [lane for lane in ends if roads.lanes[lane].allowed - {"pedestrian", "bicycle"}]
        if drives and len(ends) < len(edge.lanes):
            yield Odd("deadLane", "a lane ends at the junction and leads nowhere", drives[0],
                      edge.name[0], edge.shape[-1])  # fmt: skip


def _crowded(roads: Roads) -> Iterator[Odd]:
    into = Counter(edge.end for edge in roads.edges.values())
    for edge in roads.edges.values():
        count = into.pop(edge.end, 0)
        if count > _WAYS:
            yield Odd("manyWays", f"{count} streets lead into one junction", edge.end,
                      edge.name[0], edge.shape[-1])  # fmt: skip


def of_closed(closed: Iterable[tuple[str, str, tuple[float, float]]]) -> Iterator[Odd]:
    """Yield what the map says is closed."""
    for reason, name, place in closed:
        yield Odd("closed", f"closed on the map: {reason.replace('_', ' ')}", "", name, place)


def of_cut(roads: Roads, edges: Iterable[str]) -> Iterator[Odd]:
    """Yield edges that were taken out since one cannot get there and away again."""
    for id in edges:
        edge = roads.edges[id]
        yield Odd("cutOff", "cannot be reached and left again; taken out", id,
                  edge.name[0], edge.shape[0])  # fmt: skip


def of_said(said: str, roads: Roads) -> Iterator[Odd]:
    """Yield what netconvert warns of and a person can look after."""
    for line in said.splitlines():
        if line.startswith("Warning: "):
            for part, kind, what in _SAID:
                if part in line:
                    id = _QUOTED.search(line)
                    yield _where(roads, kind, what, id[1] if id else "")
                    break


def _where(roads: Roads, kind: str, what: str, id: str) -> Odd:
    """Return something odd with the place of the edge, lane or junction that it is about."""
    edge = roads.edges.get(id) or roads.edges.get(id.rpartition("_")[0])
    if edge is not None:
        return Odd(kind, what, id, edge.name[0], edge.shape[-1])
    if (point := roads.junctions.get(id)) is not None:
        lon, lat = roads.lonlat(*point)
        return Odd(kind, what, id, "", (round(float(lon), 7), round(float(lat), 7)))
    return Odd(kind, what, id, "", None)


def report(found: Iterable[Odd], left_out: dict[str, int]) -> dict[str, Any]:
    """Return a report as JSON: how many of each kind, and each of them."""
    everything = list(dict.fromkeys(found))
    counts = Counter(one.kind for one in everything)
    return {
        "counts": dict(counts.most_common()),
        "left_out": left_out,
        "told": min(len(everything), MOST_TOLD),
        "odd": [
            {"kind": one.kind, "what": one.what, "id": one.id, "name": one.name,
             "location": list(one.place) if one.place else None}
            for one in everything[:MOST_TOLD]
        ],
    }  # fmt: skip
