"""Hypotheses of what a signal shows next, tried one slot after the other on the fast model.

A depth-first search with bounds over sequences of phases: the rolling horizon of OPAC (N. H.
Gartner, Transportation Research Record 906, 1983) and PRODYN, with vehicles one by one as in
schedule-driven control (Xie, Smith, Lu and Barlow, Transportation Research Part C 24, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from madang.services.signals.lane import Entry, Service, Standing


@dataclass(frozen=True, slots=True)
class Task:
    """One signal at one moment."""

    entries: Sequence[Entry]
    services: Sequence[Sequence[tuple[Service, ...]]]
    """By entry, by phase, by lane of the entry."""
    least_s: Sequence[float]
    """By phase: shortest green. [s]"""
    phase: int
    elapsed_s: float
    longest_s: float
    """Longest green of the phase that shows; infinite if nobody else waits. [s]"""
    slot_s: float
    slots: int
    intergreen_s: float
    switch_s: float
    """What a change costs beside the delay that it makes. [s]"""
    rest_s: float
    """Until somebody who waits at red in the end will get green. [s]"""
    allowed: frozenset[int]
    """Phases that may show now."""


@dataclass(slots=True)
class Found:
    """The best sequence of phases."""

    cost: float = float("inf")
    """Weighted delay and stops. [s]"""
    phases: tuple[int, ...] = ()
    other: tuple[int, float] = (0, 0.0)
    """The first phase that it is compared with, and about what following it costs. [s]"""
    left: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """By entry and lane: when vehicles leave. [s from now]"""
    tried: int = 0


_MANY = 1 << 24  # more than there are keys of a lane


class Search:
    """Tries the sequences of one task."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.found = Found()
        self._path: list[list[Standing]] = []
        count = len(task.least_s)
        self._phases = range(count)
        kinds = [_kinds(row) for row in task.services]
        self._base = max(count, max((max(row) + 1 for row in kinds), default=1)) + 1
        self._kinds = kinds
        foes = _all_foes(task.services)
        self._rows = [
            [
                (number, entry.memo, kinds[number][phase], foes[number])
                for number, entry in enumerate(task.entries)
            ]
            for phase in self._phases
        ]

    def best(self) -> Found:
        """Return the sequence that costs least."""
        start = [entry.start() for entry in self.task.entries]
        kinds = [row[self.task.phase] + self._base for row in self._kinds]
        self._go(0, self.task.phase, self.task.elapsed_s, 0.0, start, kinds, ())
        self.found.other = self._other(start, kinds)
        return self.found

    def _other(self, start: list[Standing], kinds: list[int]) -> tuple[int, float]:
        """Compare with holding, or if that is best, with the change that looks best.

        After that first phase each slot's best follows: near enough to tell people.
        """
        task = self.task
        at, keys, phase, switching = start, kinds, task.phase, 0.0
        first, cost = phase, self.found.cost
        for depth in range(task.slots):
            options = [
                self._child(depth, phase, next_, switching, at, keys)
                for next_ in self._phases
                if depth or next_ != self.found.phases[0]
            ]
            if not depth and self.found.phases[0] != task.phase:
                options = [one for one in options if one[1] == task.phase]
            if not options:
                break
            cost, phase, switching, at, keys = min(options, key=lambda one: one[0])
            first = first if depth else phase
        return first, cost

    def _go(
        self,
        depth: int,
        phase: int,
        green_s: float,
        extra: float,
        at: list[Standing],
        keys: list[int],
        path: tuple[int, ...],
    ) -> None:
        task, found = self.task, self.found
        if depth == task.slots:
            if extra < found.cost:
                found.cost, found.phases = extra, path
                found.left = tuple(
                    tuple(
                        tuple(moment for slot in self._path for moment in slot[number].left[lane])
                        for lane in range(len(entry.lanes))
                    )
                    for number, entry in enumerate(task.entries)
                )
            return
        options = []
        is_first = all(one == phase for one in path)  # it has shown all the time
        for next_ in self._phases:
            if not depth and next_ not in task.allowed:
                continue
            if next_ != phase and green_s < task.least_s[phase]:
                continue
            if next_ == phase and is_first and green_s >= task.longest_s:
                continue
            options.append(self._child(depth, phase, next_, extra, at, keys))
        if not options:
            options = [self._child(depth, phase, phase, extra, at, keys)]
        options.sort(key=lambda one: one[0])
        for cost, next_, switching, stands, child_keys in options:
            found.tried += 1
            if cost < found.cost:
                self._path.append(stands)
                green = green_s + task.slot_s if next_ == phase else task.slot_s - task.intergreen_s
                paid = cost if depth + 1 == task.slots else switching
                self._go(depth + 1, next_, green, paid, stands, child_keys, (*path, next_))
                self._path.pop()

    def _child(
        self,
        depth: int,
        phase: int,
        next_: int,
        switching: float,
        at: list[Standing],
        keys: list[int],
    ) -> tuple[float, int, float, list[Standing], list[int]]:
        """Return what following with a phase costs at least, and where lanes stand then."""
        base, all_keys = self._base, [*keys]
        if next_ != phase:
            switching += self.task.switch_s
        cost = switching
        stands = [*at]
        for number, memo, kind, foes in self._rows[next_]:
            all_keys[number] = key = keys[number] * base + kind
            for foe in foes:  # it depends on what those did to whom it yields: on their keys
                key = key * _MANY + all_keys[foe]
            known = memo.get(key)
            if known is None:
                known = self._slot(number, depth, phase, next_, at, stands)
                memo[key] = known
            stands[number] = known[0]
            cost += known[1]
        return cost, next_, switching, stands, all_keys

    def _slot(
        self,
        number: int,
        depth: int,
        phase: int,
        next_: int,
        at: list[Standing],
        stands: list[Standing],
    ) -> tuple[Standing, float]:
        """Return where a lane stands after a slot, and what it costs at least."""
        task = self.task
        entry, row = task.entries[number], task.services[number]
        start = depth * task.slot_s
        end = start + task.slot_s
        foes = [self._leaving(service.against, number, stands) for service in row[next_]]
        stand = entry.slot(
            at[number], row[phase], row[next_], start, start + task.intergreen_s, end, foes
        )
        if depth + 1 == task.slots:
            rest = entry.rest(stand, row[next_], end, task.rest_s)
            return stand, stand.cost + entry.waiting(stand, end) + rest
        left_s = (task.slots - depth - 1) * task.slot_s
        more = entry.at_least(stand, row[next_], end, task.intergreen_s, left_s)
        return stand, stand.cost + entry.waiting(stand, end) + more

    def _leaving(
        self, foes: Sequence[tuple[int, int]], number: int, stands: list[Standing]
    ) -> Sequence[float]:
        """Return when vehicles of other lanes leave in the slot.

        Of lanes that yield to one another, one goes by what the other did in the slot before.
        """
        if not foes:
            return ()
        slot_s = self.task.slot_s
        found = [
            moment if entry < number else moment + slot_s
            for entry, lane in foes
            for moment in stands[entry].left[lane]
        ]
        found.sort()
        return found


def _kinds(row: Sequence[tuple[Service, ...]]) -> list[int]:
    """Return by phase a number; phases with the same do the same for an entry. 0 is red."""
    known: dict[tuple[int, ...], int] = {(0,) * len(row[0]): 0}
    return [known.setdefault(tuple(one.kind for one in each), len(known)) for each in row]


def _all_foes(
    services: Sequence[Sequence[tuple[Service, ...]]],
) -> list[tuple[int, ...]]:
    """Return, by entry, whom it yields to in some phase, and whom those yield to, and so on."""
    direct = [
        {entry for each in row for service in each for entry, _ in service.against}
        for row in services
    ]
    found: list[tuple[int, ...]] = []
    for foes in direct:
        every: set[int] = set()
        todo = list(foes)
        while todo:
            foe = todo.pop()
            if foe not in every:
                every.add(foe)
                todo += direct[foe]
        found.append(tuple(sorted(every)))
    return found
