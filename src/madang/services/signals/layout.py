"""What is fixed about a signal, turned the way the search needs it: by lane, and by phase."""

from __future__ import annotations

from dataclasses import dataclass

from madang.services.signals.signal import GREEN, Signal


@dataclass(frozen=True, slots=True)
class Move:
    """A way from a lane to a lane behind the signal."""

    link: int
    out: str
    letters: str
    """By phase: what it shows."""
    against: tuple[tuple[str, ...], ...]
    """By phase: lanes to which it must yield there, if it is green that yields."""


@dataclass(frozen=True, slots=True)
class Approach:
    """A lane before a signal."""

    lane: str
    speed: float
    """Limit. [m/s]"""
    length: float
    """[m]"""
    moves: tuple[Move, ...]


def approaches(signal: Signal) -> tuple[Approach, ...]:
    """Return the lanes before a signal that lead anywhere; those that never yield come first."""
    foes = foes_of(signal)
    by_lane: dict[str, list[Move]] = {}
    for link, pairs in enumerate(signal.links):
        letters = "".join(phase.state[link] for phase in signal.phases)
        against = tuple(_against(signal, foes, link, phase.state) for phase in signal.phases)
        for lane, out in pairs:
            by_lane.setdefault(lane, []).append(Move(link, out, letters, against))
    made = [
        Approach(lane, max(signal.lane_speed[lane], 1.0), signal.lane_length[lane], tuple(moves))
        for lane, moves in by_lane.items()
    ]
    return tuple(sorted(made, key=lambda one: any(any(move.against) for move in one.moves)))


def foes_of(signal: Signal) -> tuple[frozenset[int], ...]:
    """Return by link the links whose ways cross its own, guessed where nothing is known."""
    return signal.foes or _guessed(signal)


def _against(
    signal: Signal, foes: tuple[frozenset[int], ...], link: int, state: str
) -> tuple[str, ...]:
    """Return the lanes to which a link must yield in a state."""
    if state[link] != "g":
        return ()
    own = {lane for lane, _ in signal.links[link]}
    lanes = {lane for foe in foes[link] if state[foe] == "G" for lane, _ in signal.links[foe]} - own
    return tuple(sorted(lanes))


def _guessed(signal: Signal) -> tuple[frozenset[int], ...]:
    """Return which links cross, as far as phases tell: never protected together, other roads."""
    together = {
        (a, b)
        for phase in signal.phases
        for a, one in enumerate(phase.state)
        if one == "G"
        for b, other in enumerate(phase.state)
        if other == "G"
    }
    roads = [{road_of(lane) for lane, _ in pairs} for pairs in signal.links]
    count = range(len(signal.links))
    return tuple(
        frozenset(b for b in count if b != a and not roads[a] & roads[b] and (a, b) not in together)
        for a in count
    )


def road_of(lane: str) -> str:
    """Return the road of a lane, as SUMO names them."""
    return lane.rpartition("_")[0]


def greens(move: Move, phase: int) -> bool:
    """Return whether a way has green in a phase."""
    return move.letters[phase] in GREEN
