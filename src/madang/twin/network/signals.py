"""Signals of a network as controllers and cabinets see them: from its programmes and links.

A phase's ``name`` in the network file tells what pedestrians beside it need:
``walk=7 clear=13`` (:func:`pedestrians`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from madang.services.signals.signal import MAXIMUM_S, MINIMUM_S, Phase, Signal, is_green
from madang.twin.network.net import Attributes, Net

_FAR_M: Final = 2000.0
"""So far ahead the next signals are looked for."""


def signals_of(
    net: Net, length: Mapping[str, float], speed: Mapping[str, float]
) -> dict[str, Signal]:
    """Return the signals of a network by id.

    Args:
        net: the network.
        length: of its lanes. [m]
        speed: limits on its lanes. [m/s]
    """
    links = _links(net)
    signal_at = {pair[0]: id for id, own in links.items() for pairs in own for pair in pairs}
    after: dict[str, list[str]] = {}
    for one in net.connections:
        after.setdefault(_start(one), []).append(_end(one))
    foes = foes_of(net)
    found = {}
    for id, (own, steps) in net.programmes.items():
        if id not in links:
            continue  # it rules nothing that is left of the network
        phases, plan = _programme(steps)
        lanes_in = tuple(sorted({lane for pairs in links[id] for lane, _ in pairs}))
        lanes_out = tuple(sorted({lane for pairs in links[id] for _, lane in pairs}))
        yellow, all_red = intergreen(steps)
        found[id] = Signal(
            id=id, phases=phases, links=links[id],
            in_lanes=lanes_in, out_lanes=lanes_out,
            lane_length={lane: length[lane] for lane in (*lanes_in, *lanes_out)},
            lane_speed={lane: speed[lane] for lane in (*lanes_in, *lanes_out)},
            plan=plan,
            feeds={lane: _next(lane, after, signal_at, length) for lane in lanes_out},
            yellow_s=yellow, all_red_s=all_red,
            foes=_padded(foes.get(id, ()), len(links[id])),
            offset_s=float(own.get("offset", 0.0)),
        )  # fmt: skip
    return found


def _padded(rows: tuple[frozenset[int], ...], count: int) -> tuple[frozenset[int], ...]:
    return (*rows, *(frozenset[int]() for _ in range(count - len(rows))))


def _start(connection: Attributes) -> str:
    return f"{connection['from']}_{connection['fromLane']}"


def _end(connection: Attributes) -> str:
    return f"{connection['to']}_{connection['toLane']}"


def _links(net: Net) -> dict[str, tuple[tuple[tuple[str, str], ...], ...]]:
    """Return the lanes of each link by signal; a link whose edges are gone has none."""
    rows: dict[str, dict[int, list[tuple[str, str]]]] = {}
    for one in net.connections:
        if "tl" in one:
            row = rows.setdefault(one["tl"], {}).setdefault(int(one["linkIndex"]), [])
            row.append((_start(one), _end(one)))
    letters = {id: len(steps[0]["state"]) for id, (_, steps) in net.programmes.items() if steps}
    return {
        id: tuple(tuple(row.get(index, ())) for index in range(max(max(row) + 1, letters[id])))
        for id, row in rows.items()
        if id in letters
    }


def foes_of(net: Net) -> dict[str, tuple[frozenset[int], ...]]:
    """Return, by signal and link, the links whose ways cross or join its own.

    SUMO leaves out a few of one side; who crosses is crossed.
    """
    found = {}
    for signal, rows in _related(net, "foes").items():
        both = [set(row) for row in rows]
        for link, row in enumerate(rows):
            for other in row:
                both[other].add(link)
        found[signal] = tuple(frozenset(row) for row in both)
    return found


def yields_of(net: Net) -> dict[str, tuple[frozenset[int], ...]]:
    """Return, by signal and link, the links that it gives way to when both have green."""
    return _related(net, "response")


def _related(net: Net, kind: str) -> dict[str, tuple[frozenset[int], ...]]:
    """Return a matrix of the junctions' requests by the links of signals.

    The last character of a row tells of link 0. Links of one signal at two junctions do not meet.
    """
    at: dict[str, dict[int, tuple[str, int]]] = {}
    for one in net.connections:
        if "tl" in one and "via" in one:
            via = one["via"]
            junction = via[1:].rpartition("_")[0].rpartition("_")[0]
            lanes = net.junctions.get(junction, ({}, []))[0].get("intLanes", "").split()
            if via in lanes:
                at.setdefault(junction, {})[lanes.index(via)] = one["tl"], int(one["linkIndex"])
    found: dict[str, dict[int, set[int]]] = {}
    for junction, own in at.items():
        for request in net.junctions[junction][1]:
            if (place := own.get(int(request["index"]))) is None:
                continue
            signal, link = place
            row = found.setdefault(signal, {}).setdefault(link, set())
            for other, mark in enumerate(reversed(request[kind])):
                if mark == "1" and other in own and own[other] != place:
                    row.add(own[other][1])
    return {
        signal: tuple(frozenset(rows.get(link, ())) for link in range(_last(rows) + 1))
        for signal, rows in found.items()
    }


def _last(rows: Mapping[int, set[int]]) -> int:
    return max(max(rows), *(max(row, default=0) for row in rows.values()))


def _programme(
    steps: Iterable[Attributes],
) -> tuple[tuple[Phase, ...], tuple[tuple[int, float], ...]]:
    phases: dict[str, Phase] = {}
    plan = []
    for step in steps:
        state = step["state"]
        if is_green(state):
            walk, clear = pedestrians(step.get("name", ""))
            phase = Phase(
                state,
                float(step.get("minDur", MINIMUM_S)),
                float(step.get("maxDur", MAXIMUM_S)),
                walk, clear,
            )  # fmt: skip
            phases.setdefault(state, phase)
            plan.append((list(phases).index(state), max(float(step["duration"]), phase.least_s)))
    return tuple(phases.values()), tuple(plan)


def pedestrians(name: str) -> tuple[float, float]:
    """Return how long people may step on and how long the last needs across. [s]

    >>> pedestrians("walk=7 clear=13.5")
    (7.0, 13.5)
    >>> pedestrians("")
    (0.0, 0.0)
    """
    found = dict(part.split("=", 1) for part in name.split() if "=" in part)
    try:
        return float(found.get("walk", 0)), float(found.get("clear", 0))
    except ValueError:  # somebody else's name for a phase
        return 0.0, 0.0


def intergreen(steps: Iterable[Attributes]) -> tuple[float, float]:
    """Return the longest yellow and the longest all-red of a programme. [s]

    >>> intergreen([{"state": "Gr", "duration": "30"}, {"state": "yr", "duration": "3"}])
    (3.0, 0.0)
    """
    yellow = all_red = 0.0
    for step in steps:
        letters = set(step["state"].lower())
        if "y" in letters:
            yellow = max(yellow, float(step["duration"]))
        elif not letters & {"g", "o"}:
            all_red = max(all_red, float(step["duration"]))
    return yellow or 3.0, all_red


def _next(
    start: str,
    after: Mapping[str, list[str]],
    signal_at: Mapping[str, str],
    length: Mapping[str, float],
) -> dict[str, float]:
    """Return the next signals behind a lane's beginning, and how far their stop lines are. [m]"""
    gone, todo, met = {start: 0.0}, deque([start]), dict[str, float]()
    while todo:
        lane = todo.popleft()
        end = gone[lane] + length[lane]
        if (signal := signal_at.get(lane)) is not None:
            met.setdefault(signal, round(end, 1))
        elif end < _FAR_M:
            for following in after.get(lane, ()):
                if following not in gone:
                    gone[following] = end
                    todo.append(following)
    return met
