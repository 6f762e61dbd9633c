"""Signals so close that nobody can wait between them: controlled as one.

Two junctions that fill the short road between them with vehicles which yield can lock for good: in
each stands one with the end of another in his way, and no phase of either frees them. Such a pair
shows phases together, as closely spaced junctions commonly do that run on one controller (Signal
Timing Manual, 2nd edition, NCHRP Report 812, 2015, on diamond interchanges).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from madang.services.signals.layout import foes_of, road_of
from madang.services.signals.signal import GREEN, Phase, Seen, Signal

CLOSE_M = 20.0  # a road between two signals that is shorter does not hold three vehicles
STUCK_S = 20.0  # who stands at green for longer is held by something else
MOST_PHASES = 16  # of a pair; more take too long to search


@dataclass(frozen=True, slots=True)
class Group:
    """Signals that are controlled as one; mostly one signal alone."""

    members: tuple[str, ...]
    signal: Signal
    """All of them as one."""
    phases: tuple[tuple[int, ...], ...]
    """By phase of the group, what each member shows."""
    between: frozenset[str] = frozenset()
    """Lanes from one member to another."""

    def seen(self, seen: Mapping[str, Seen]) -> Seen | None:
        """Return what is known of all of them; None if one is not seen.

        If they show what they never should together, the phase is the one most like it.
        """
        if any(id not in seen for id in self.members):
            return None
        each = [seen[id] for id in self.members]
        shown = [one.phase for one in each]
        alike = [sum(map(int.__eq__, shown, phases)) for phases in self.phases]
        return Seen(
            alike.index(max(alike)),
            min(one.elapsed_s for one in each),
            {lane: vehicles for one in each for lane, vehicles in one.lanes.items()},
            {lane: vehicles for one in each for lane, vehicles in one.out.items()},
        )

    def allowed(self, seen: Seen) -> frozenset[int]:
        """Return which phases may show next.

        Who is between two members is not told to yield, and keeps green until he has left.
        """
        found = list(range(len(self.phases)))
        for link, pairs in enumerate(self.signal.links):
            letters = [phase.state[link] for phase in self.signal.phases]
            for lane, _ in pairs:
                vehicles = seen.lanes.get(lane, ()) if lane in self.between else ()
                if vehicles and letters[seen.phase] == "G" and vehicles[0].wait < STUCK_S:
                    found = [phase for phase in found if letters[phase] == "G"]
                elif vehicles:
                    found = [phase for phase in found if letters[phase] != "g"]
        return frozenset(found or range(len(self.phases)))


def grouped(signals: Mapping[str, Signal]) -> list[Group]:
    """Return signals in groups, which are told of one another by the names of groups."""
    pairs = {id: pair for pair in _pairs(signals) for id in pair.members}
    alone = {
        id: Group((id,), one, tuple((phase,) for phase in range(len(one.phases))))
        for id, one in signals.items()
    }
    groups = {pairs.get(id, alone[id]).signal.id: pairs.get(id, alone[id]) for id in signals}
    name = {id: group.signal.id for group in groups.values() for id in group.members}
    return [replace(group, signal=_renamed(group.signal, name)) for group in groups.values()]


def _renamed(signal: Signal, name: Mapping[str, str]) -> Signal:
    """Return a signal that feeds groups, but not its own."""
    feeds = {
        out: {name.get(id, id): metres for id, metres in next_.items() if name.get(id) != signal.id}
        for out, next_ in signal.feeds.items()
    }
    return replace(signal, feeds=feeds)


def _pairs(signals: Mapping[str, Signal]) -> Iterator[Group]:
    """Yield pairs of close signals, each signal in one at most."""
    near = dict.fromkeys(
        (id, other)
        for id, one in signals.items()
        for next_ in one.feeds.values()
        for other, metres in next_.items()
        if metres < CLOSE_M and other != id and other in signals
    )
    taken: set[str] = set()
    for a, b in ((signals[id], signals[other]) for id, other in near):
        if not {a.id, b.id} & taken and _between(a, b):
            pair = _pair(a, b)
            shown = [len(set(phases)) for phases in zip(*pair.phases, strict=True)]
            if shown == [len(a.phases), len(b.phases)] and len(pair.phases) <= MOST_PHASES:
                taken |= {a.id, b.id}
                yield pair


def _pair(a: Signal, b: Signal) -> Group:
    """Return two signals as one, with the phases in which nobody comes to where he must yield."""
    phases = tuple(
        (one, two)
        for one, two in product(range(len(a.phases)), range(len(b.phases)))
        if _clears(a, a.phases[one].state, b, b.phases[two].state)
        and _clears(b, b.phases[two].state, a, a.phases[one].state)
    )
    foes = tuple(frozenset(foe + len(a.links) for foe in each) for each in foes_of(b))
    signal = Signal(
        f"{a.id}+{b.id}", tuple(_both(a.phases[one], b.phases[two]) for one, two in phases),
        a.links + b.links, a.in_lanes + b.in_lanes, a.out_lanes + b.out_lanes,
        {**a.lane_length, **b.lane_length}, {**a.lane_speed, **b.lane_speed}, (),
        {**a.feeds, **b.feeds}, max(a.yellow_s, b.yellow_s), max(a.all_red_s, b.all_red_s),
        foes_of(a) + foes,
    )  # fmt: skip
    roads = _between(a, b) | _between(b, a)
    between = frozenset(lane for lane in signal.in_lanes if road_of(lane) in roads)
    return Group((a.id, b.id), signal, phases, between)


def _both(a: Phase, b: Phase) -> Phase:
    """Return two phases at once."""
    least_s = max(a.least_s, b.least_s)
    return Phase(a.state + b.state, least_s, max(least_s, min(a.maximum_s, b.maximum_s)))


def _between(a: Signal, b: Signal) -> set[str]:
    """Return the roads that lead from one signal right to another close by."""
    near = {road_of(out) for out, next_ in a.feeds.items() if next_.get(b.id, CLOSE_M) < CLOSE_M}
    return near & {road_of(lane) for lane in b.in_lanes}


def _clears(a: Signal, state: str, b: Signal, next_state: str) -> bool:
    """Return whether nobody whom a signal sends to the next must yield there."""
    sent = {
        road_of(out)
        for pairs, shown in zip(a.links, state, strict=True)
        for _, out in pairs
        if shown in GREEN
    } & _between(a, b)
    return not any(
        shown == "g" and road_of(lane) in sent
        for pairs, shown in zip(b.links, next_state, strict=True)
        for lane, _ in pairs
    )
