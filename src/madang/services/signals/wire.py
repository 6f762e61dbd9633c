"""Signals as JSON: how the entity ``TrafficSignal`` says what it is and what its detectors see.

``layout`` (fixed) and ``approaches`` (every few seconds) are JSON values of that entity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madang.model.errors import MadangError
from madang.services.signals.signal import Phase, Seen, Signal, Vehicle

MOST_LINKS, MOST_VEHICLES = 200, 500  # of a signal, on a lane


class NotASignal(MadangError):
    """The layout of a signal, or what it sees, cannot be read."""


def pack(signal: Signal) -> dict[str, Any]:
    """Return what is fixed about a signal as JSON; :func:`unpack` reads it."""
    return {
        "phases": [
            [one.state, one.minimum_s, one.maximum_s, one.walk_s, one.clear_s]
            for one in signal.phases
        ],
        "links": [[list(pair) for pair in pairs] for pairs in signal.links],
        "lanes": {
            lane: [signal.lane_length[lane], signal.lane_speed[lane]]
            for lane in (*signal.in_lanes, *signal.out_lanes)
        },
        "plan": [list(step) for step in signal.plan],
        "feeds": {lane: dict(next_) for lane, next_ in signal.feeds.items() if next_},
        "yellow": signal.yellow_s,
        "allRed": signal.all_red_s,
        "foes": [sorted(foes) for foes in signal.foes],
        "offset": signal.offset_s,
    }  # fmt: skip


def unpack(id: str, layout: Mapping[str, Any]) -> Signal:
    """Return a signal from its layout.

    Args:
        id: of the signal, as ``feeds`` of others name it.
        layout: as :func:`pack` made it.

    Raises:
        NotASignal: it is none.
    """
    try:
        links = tuple(
            tuple((str(lane), str(out)) for lane, out in pairs) for pairs in layout["links"]
        )
        if len(links) > MOST_LINKS:
            raise ValueError(f"{len(links)} links, more than {MOST_LINKS}")
        lanes = layout["lanes"]
        signal = Signal(
            id,
            tuple(Phase(str(state), *map(float, times)) for state, *times in layout["phases"]),
            links,
            tuple(sorted({lane for pairs in links for lane, _ in pairs})),
            tuple(sorted({out for pairs in links for _, out in pairs})),
            {lane: float(length) for lane, (length, _) in lanes.items()},
            {lane: float(speed) for lane, (_, speed) in lanes.items()},
            tuple((int(phase), float(green)) for phase, green in layout["plan"]),
            {
                lane: {other: float(metres) for other, metres in next_.items()}
                for lane, next_ in layout.get("feeds", {}).items()
            },
            float(layout["yellow"]), float(layout["allRed"]),
            tuple(frozenset(map(int, foes)) for foes in layout.get("foes", ())),
            float(layout.get("offset", 0)),
        )  # fmt: skip
        for lane in (*signal.in_lanes, *signal.out_lanes):
            lanes[lane]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotASignal(
            f"the layout of signal {id} cannot be read ({type(error).__name__}: {error}); it needs"
            " phases, links, lanes, plan, yellow and allRed, as madang city build writes them"
        ) from error
    return signal


def pack_seen(seen: Seen) -> dict[str, Any]:
    """Return what detectors see as JSON: by lane, distance, speed, wait and kind of each."""
    return {
        "in": {lane: [_packed(one) for one in vehicles] for lane, vehicles in seen.lanes.items()},
        "out": {lane: [_packed(one) for one in vehicles] for lane, vehicles in seen.out.items()},
    }


def unpack_seen(phase: int, elapsed_s: float, approaches: Mapping[str, Any]) -> Seen:
    """Return what detectors see.

    Args:
        phase: that shows.
        elapsed_s: how long it has been green. [s]
        approaches: as :func:`pack_seen` made it.

    Raises:
        NotASignal: it cannot be read.
    """
    try:
        return Seen(phase, elapsed_s, _lanes(approaches["in"]), _lanes(approaches["out"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotASignal(
            f"what a signal sees cannot be read ({type(error).__name__}: {error}); it needs in and"
            " out, by lane a list of [distance, speed, wait, kind]"
        ) from error


def _packed(one: Vehicle) -> list[Any]:
    kind = [] if one.kind == "passenger" else [one.kind]
    return [round(one.distance, 1), round(one.speed, 1), round(one.wait), *kind]


def _lanes(lanes: Mapping[str, Any]) -> dict[str, tuple[Vehicle, ...]]:
    return {
        lane: tuple(sorted(_vehicle(*one) for one in vehicles[:MOST_VEHICLES]))
        for lane, vehicles in lanes.items()
    }


def _vehicle(distance: float, speed: float, wait: float = 0.0, kind: str = "passenger") -> Vehicle:
    return Vehicle(float(distance), float(speed), float(wait), str(kind))
