"""One signal: from what is seen and learned to hypotheses, and from what is found to facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from madang.services.signals.announce import Announcements
from madang.services.signals.lane import RED, Coming, Entry, Lane, Service, reach_s
from madang.services.signals.layout import Approach, approaches, road_of
from madang.services.signals.learn import Learned, passed
from madang.services.signals.search import Found, Search, Task
from madang.services.signals.signal import GREEN, Seen, Signal, Vehicle

Kind = Literal["emergency", "bus", "bicycle"]
WEIGHT: dict[Kind, float] = {"emergency": 500.0, "bus": 10.0, "bicycle": 250.0}
"""Vehicles that one who asks for green counts as; a group of bicycles is asked for as one."""
LONGER_S: dict[Kind, float] = {"emergency": float("inf"), "bus": 20.0, "bicycle": 120.0}
"""Beyond its longest time a phase may go on so long for those who asked. [s]"""
SLOT_S = 10.0  # between changes in a hypothesis
LEAST_SHARE = 0.15  # of a lane's vehicles; for fewer, a phase does nothing for it
LENGTH_M = 7.5  # of a standing vehicle with the gap before it
CROWDED_S = 10.0  # shortest green if those who turn across others crowd before those
TURNING, TURNING_M = 2, 15.0  # so many of a lane that yields, so near to the stop line
ACROSS, ACROSS_M = 3, 30.0  # so many to whom they yield
NEAR_S = 8.0  # a responder so near keeps green


class Priority(NamedTuple):
    """Somebody who asks for green."""

    signal: str
    lane: str
    """Before the signal, on which they come."""
    arrives_s: float
    """When they reach the stop line, by the clock of :meth:`Controller.decide`. [s]"""
    kind: Kind
    until: float
    """When they are past it at the latest; then the request is forgotten. [s]"""


class Choice(NamedTuple):
    """What a signal is to show, and why."""

    phase: int
    why: dict[str, Any]
    """Facts as JSON; :func:`madang.services.signals.words.told` makes sentences of them."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a controller works."""

    step_s: float = 10.0
    """Between two decisions. [s]"""
    slot_s: float = SLOT_S
    """Between changes in a hypothesis. [s]"""
    slots: int = 5
    switch_s: float = 1.0
    """What a change must save. [s]"""
    rest_s: float = 15.0
    """Until somebody who waits at red at a hypothesis' end will get green. [s]"""
    stop_s: float = 4.0
    """What a stop costs beside its delay. [s]"""
    patience_s: float = 60.0
    """Somebody who has waited for this long counts twice. [s]"""
    headway_s: float = 1.8
    """Between two who leave one after the other. [s]"""
    refill: float = 0.1
    """Vehicles a second for which a standing exit gets room."""


class Expected(NamedTuple):
    """What a choice should have led to by the next."""

    phase: int
    left: dict[str, float]
    """By lane, vehicles that leave."""


class Junction:
    """Decides for one signal."""

    def __init__(self, signal: Signal, options: Options, announced: Announcements) -> None:
        self.signal, self.options, self._announced = signal, options, announced
        self._approaches = approaches(signal)
        self._number = {one.lane: number for number, one in enumerate(self._approaches)}
        self.learned = Learned(self._approaches)
        self._expected: Expected | None = None
        self._crowded: int | None = None
        """The phase chosen, if those who turn across others crowded before it."""
        self._outs = [{move.out for move in one.moves} for one in self._approaches]

    def decide(
        self, t: float, seen: Seen, asked: list[Priority], allowed: frozenset[int]
    ) -> Choice:
        """Return what to show now, of phases that are allowed."""
        self._learn(seen)
        options = self.options
        lanes = {one.lane: self._lane(t, one, seen, asked) for one in self._approaches}
        groups = self._groups()
        place = {
            one.lane: (entry, number)
            for entry, group in enumerate(groups)
            for number, one in enumerate(group)
        }
        services = {one.lane: self._services(one, place) for one in self._approaches}
        entries = [
            Entry([lanes[one.lane] for one in group], [_holds(one.length) for one in group])
            for group in groups
        ]
        task = Task(
            entries,
            [list(zip(*(services[one.lane] for one in group), strict=True)) for group in groups],
            self._least_s(), seen.phase, seen.elapsed_s,
            self._longest_s(seen, services, asked), options.slot_s, options.slots,
            self.signal.intergreen_s, options.switch_s, options.rest_s,
            self._held(t, seen.phase, services, asked, allowed),
        )  # fmt: skip
        found = Search(task).best()
        left = {lane: found.left[entry][number] for lane, (entry, number) in place.items()}
        self._expected = Expected(
            found.phases[0],
            {lane: float(sum(at < options.step_s for at in left[lane])) for lane in left},
        )
        self._crowded = found.phases[0] if self._crowds(found.phases[0], seen) else None
        self._announced.tell(self.signal.id, t, self._releases(left))
        return Choice(found.phases[0], self._why(seen, task, found, services, asked))

    def _groups(self) -> list[list[Approach]]:
        """Return lanes that share the queue behind them together, the others alone."""
        group = {one.lane: [one] for one in self._approaches}
        for (a, b), is_shared in self.learned.shared.items():
            if is_shared and group[a] is not group[b]:
                group[a] += group[b]
                for one in group[b]:
                    group[one.lane] = group[a]
        unique = {id(each): each for each in group.values()}
        return sorted(
            unique.values(),
            key=lambda each: any(any(move.against) for one in each for move in one.moves),
        )

    def kept(self) -> dict[str, Any]:
        """Return what it has learned and expects as JSON."""
        expected = None if self._expected is None else [*self._expected]
        return {
            "learned": self.learned.kept(), "expected": expected, "crowded": self._crowded,
        }  # fmt: skip

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Go on where another one was."""
        self.learned.keep(kept["learned"])
        self._expected = Expected(*kept["expected"]) if kept["expected"] else None
        self._crowded = kept.get("crowded")  # older versions did not keep it

    def _learn(self, seen: Seen) -> None:
        for one in self._approaches:
            self.learned.arrivals(one.lane, seen.lanes.get(one.lane, ()))
            self.learned.first(one, seen, self.options.step_s)
            self.learned.yielding(one, seen, self.options.step_s)
        self.learned.apart(seen)
        if self._expected is not None and self._expected.phase == seen.phase:
            new: dict[str, int] = {}
            for out, vehicles in seen.out.items():
                road = road_of(out)
                new[road] = new.get(road, 0) + passed(vehicles, self.options.step_s)
            self.learned.outcome(*self._expected, new)

    def _lane(self, t: float, one: Approach, seen: Seen, asked: list[Priority]) -> Lane:
        options, learned = self.options, self.learned
        vehicles = seen.lanes.get(one.lane, ())
        coming = [
            Coming(
                reach_s(vehicle.distance, vehicle.speed, one.speed),
                1.0 + vehicle.wait / options.patience_s,
                vehicle.speed < 2.0,
                vehicle.distance,
            )
            for vehicle in vehicles
        ]
        sight_s = learned.reach[one.lane] / one.speed
        announced = self._announced.coming(self.signal.id, one.lane, t, sight_s)
        coming += [Coming(at, weight, False) for at, weight in announced]
        if not self._announced.feeds(self.signal.id, one.lane):
            coming += _background(learned.flow[one.lane], sight_s, options.slot_s * options.slots)
        coming += [
            Coming(max(0.0, ask.arrives_s - t), WEIGHT[ask.kind], False)
            for ask in asked
            if ask.lane == one.lane
        ]
        coming.sort()
        return Lane(
            coming, options.headway_s, self._room(one, seen), options.refill, options.stop_s
        )

    def _room(self, one: Approach, seen: Seen) -> float:
        """Return how many vehicles of a lane its exits take until they stand to the junction."""
        shares = self.learned.share(one.lane, self._outs[self._number[one.lane]])
        return min(
            (_room(seen.out.get(out, ())) / share for out, share in shares.items() if share > 0.1),
            default=float("inf"),
        )

    def _services(self, one: Approach, place: Mapping[str, tuple[int, int]]) -> list[Service]:
        """Return what each phase does for a lane."""
        shares = self.learned.share(one.lane, self._outs[self._number[one.lane]])
        stuck = self.learned.stuck[one.lane]
        found: list[Service] = []
        kinds: dict[tuple[float, float, tuple[tuple[int, int], ...]], Service] = {}
        for phase in range(len(self.signal.phases)):
            green = {move.out: move for move in one.moves if move.letters[phase] in GREEN}
            served = sum(shares[out] for out in green)
            if served < LEAST_SHARE or green.keys() <= stuck or self.learned.is_no_help(one, phase):
                found.append(RED)
                continue
            held = {out: move for out, move in green.items() if move.against[phase]}
            lanes = {lane for move in held.values() for lane in move.against[phase]}
            against = tuple(sorted(place[lane] for lane in lanes))
            key = served, sum(shares[out] for out in held) / served, against
            found.append(kinds.setdefault(key, Service(len(kinds) + 1, *key)))
        return found

    def _least_s(self) -> list[float]:
        """Return by phase how long it must be green. [s]

        Who turns across others waits for them inside the junction, unseen. If green ends too soon
        for that, those who follow get into the way of the next phase, and all may stand for ever.
        """
        least = [phase.least_s for phase in self.signal.phases]
        if self._crowded is not None:
            least[self._crowded] = max(least[self._crowded], CROWDED_S)
        return least

    def _crowds(self, phase: int, seen: Seen) -> bool:
        """Return whether those who turn across others in a phase wait, and those others too."""

        def near(lane: str, near_m: float) -> int:
            return sum(vehicle.distance < near_m for vehicle in seen.lanes.get(lane, ()))

        return any(
            near(one.lane, TURNING_M) >= TURNING
            and sum(near(lane, ACROSS_M) for lane in move.against[phase]) >= ACROSS
            for one in self._approaches
            for move in one.moves
        )

    def _held(
        self,
        t: float,
        phase: int,
        services: Mapping[str, list[Service]],
        asked: list[Priority],
        allowed: frozenset[int],
    ) -> frozenset[int]:
        """Return which phases may show next, of those that are allowed.

        A responder who is about to pass keeps green: it may still wait for a gap at the stop line,
        or brake at yellow, where the model has it gone already.
        """
        near = [
            services[ask.lane]
            for ask in asked
            if ask.kind == "emergency" and ask.arrives_s - t < NEAR_S
            if ask.lane in services and services[ask.lane][phase].served > 0
        ]
        kept = {one for one in allowed if all(each[one].served > 0 for each in near)}
        return frozenset(kept) or allowed

    def _longest_s(
        self, seen: Seen, services: Mapping[str, list[Service]], asked: list[Priority]
    ) -> float:
        """Return how long the phase that shows may be green; infinite if nobody else waits. [s]

        It may go on for a responder whom it serves, and a while for others who have asked.
        """
        served = {
            ask.kind
            for ask in asked
            if ask.lane in services and services[ask.lane][seen.phase].served > 0
        }
        waits = any(
            vehicle.wait > 0
            for one in self._approaches
            if services[one.lane][seen.phase].served <= 0
            for vehicle in seen.lanes.get(one.lane, ())
        )
        if not waits or len(self.signal.phases) < 2:
            return float("inf")
        phase = self.signal.phases[seen.phase]
        longer = max((LONGER_S[kind] for kind in served), default=0.0)
        return max(phase.maximum_s + longer, phase.least_s)

    def _releases(self, left: Mapping[str, tuple[float, ...]]) -> list[tuple[str, float, float]]:
        """Return by lane behind the signal when who leaves, and how much each counts."""
        return [
            (out, moment, share)
            for number, one in enumerate(self._approaches)
            if left[one.lane]
            for out, share in self.learned.share(one.lane, self._outs[number]).items()
            for moment in left[one.lane]
        ]

    def _why(
        self,
        seen: Seen,
        task: Task,
        found: Found,
        services: Mapping[str, list[Service]],
        asked: list[Priority],
    ) -> dict[str, Any]:
        """Return the facts behind a choice."""
        phase, old = found.phases[0], seen.phase
        other, cost = found.other
        served = [
            seen.lanes.get(one.lane, ())
            for one in self._approaches
            if services[one.lane][phase].served > 0
        ]
        waiting = sum(vehicle.speed < 0.1 for lane in served for vehicle in lane)
        helped = [
            ask.kind
            for ask in asked
            if ask.lane in services and services[ask.lane][phase].served > 0
        ]
        kind = (
            "hold" if phase == old else "longest" if seen.elapsed_s >= task.longest_s else "switch"
        )
        return {
            "kind": kind, "from": old, "to": phase, "green_s": round(seen.elapsed_s, 1),
            "waiting": waiting, "coming": sum(map(len, served)) - waiting,
            "saves_s": round(max(0.0, cost - found.cost), 1), "against": other,
            "horizon_s": task.slots * task.slot_s, "plan": list(found.phases),
            "asked": min(helped, key=list(WEIGHT).index, default=None),
            "full": sorted(out for out, one in seen.out.items() if _room(one) < 1),
            "tried": found.tried,
        }  # fmt: skip


def _room(vehicles: tuple[Vehicle, ...]) -> float:
    """Return how many vehicles a lane behind the signal takes."""
    for number, vehicle in enumerate(vehicles):
        if vehicle.speed < 1.0:
            return max(0.0, (vehicle.distance - 5.0) // LENGTH_M - number)
    return float("inf")


def _holds(length: float) -> int:
    """Return how many standing vehicles a lane holds."""
    return max(1, int(length / LENGTH_M))


def _background(flow: float, sight_s: float, horizon_s: float) -> list[Coming]:
    """Return arrivals beyond what detectors see, as often as usual."""
    if flow < 0.01:
        return []
    gap = 1.0 / flow
    count = int((horizon_s - sight_s) / gap + 0.5)
    return [Coming(sight_s + gap * (number + 0.5), 1.0, False) for number in range(count)]
