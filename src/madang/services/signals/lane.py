"""The fast model of the lanes before a signal: vehicles in their order, a headway apart.

A vertical queue with a deterministic server (G. F. Newell, Applications of Queueing Theory, 1982),
vehicle by vehicle: each leaves when it can be at the stop line, the one before it is a headway
away, its way is green, those it must yield to leave a gap, and the exit has room. Short lanes of
one road share the queue behind them (:class:`Entry`): who waits there holds up the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf, sqrt
from typing import NamedTuple

ACCELERATION = 2.6  # [m/s2]
CRUISING = 0.95  # of the limit, on the way
STARTING_S = 1.8  # from green to the first standing vehicle's front at the stop line
RUNNING_S = 0.7  # so long after green ends those who cannot stop still pass
BEFORE_S, AFTER_S = 2.0, 0.7  # gap that a yielding vehicle needs until the next, since the last
PASSING_S = 1.5  # until one who was held up by another's queue follows


class Service(NamedTuple):
    """What a phase does for a lane."""

    kind: int
    """Phases with the same kind do the same for it; 0 is red."""
    served: float
    """Share of its vehicles whose way is green."""
    yielding: float
    """Share of those served who must yield."""
    against: tuple[tuple[int, int], ...]
    """To lanes of entries: their numbers."""


RED = Service(0, 0.0, 0.0, ())


class Standing(NamedTuple):
    """Where an entry stands in a hypothesis; by lane."""

    gone: tuple[int, ...]
    """Vehicles that have left."""
    ready: tuple[float, ...]
    """When the stop line is free for the next. [s]"""
    cost: float
    """Of those who have left. [s]"""
    left: tuple[tuple[float, ...], ...]
    """When they left in the last slot. [s]"""


class Coming(NamedTuple):
    """A vehicle on its way to the stop line."""

    at: float
    """When it could be there. [s from now]"""
    weight: float
    """How much it counts."""
    stands: bool
    distance: float = inf
    """[m]"""


class Lane:
    """Vehicles of a lane.

    Args:
        coming: in their order.
        headway: between two that leave. [s]
        room: vehicles that the exits take now.
        refill: vehicles a second for which they get room.
        stop_s: what a stop costs beside its delay. [s]
    """

    __slots__ = (
        "arrive", "coming", "headway", "refill", "room", "stop_s", "stops", "sums", "weight",
    )  # fmt: skip

    def __init__(
        self,
        coming: Sequence[Coming],
        headway: float,
        room: float,
        refill: float,
        stop_s: float,
    ) -> None:
        self.coming = coming
        self.headway, self.room, self.refill, self.stop_s = headway, room, refill, stop_s
        self.arrive: list[float] = []
        self.weight: list[float] = []
        self.stops: list[bool] = []
        self.sums: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
        last = weights = moments = stops = 0.0
        for at, weight, stands, _ in coming:
            last = max(last, at)
            weights, moments = weights + weight, moments + weight * last
            stops += 0.0 if stands else weight * stop_s
            self.arrive.append(last)
            self.weight.append(weight)
            self.stops.append(not stands)
            self.sums.append((weights, moments, stops))

    def waiting(self, gone: int, end: float) -> float:
        """Return what those who have come but not left have cost up to a time. [s]

        Args:
            gone: how many have left.
            end: the time. [s]
        """
        come = bisect_left(self.arrive, end, gone)
        if come <= gone:
            return 0.0
        weights = self.sums[come][0] - self.sums[gone][0]
        return end * weights - (self.sums[come][1] - self.sums[gone][1])

    def rest(self, gone: int, end: float, begin: float) -> float:
        """Return what those who wait at the end of a hypothesis will still cost. [s]

        Args:
            gone: how many have left.
            end: the time. [s]
            begin: until the first can leave. [s]
        """
        come = bisect_left(self.arrive, end, gone)
        if come <= gone:
            return 0.0
        weights = self.sums[come][0] - self.sums[gone][0]
        mean = begin + self.headway * (come - gone - 1) / 2
        return weights * mean + self.sums[come][2] - self.sums[gone][2]

    def at_least(self, gone: int, end: float, begin: float, horizon_s: float) -> float:
        """Return what those who have come but not left will cost after a time at least. [s]

        Args:
            gone: how many have left.
            end: the time. [s]
            begin: until the first can leave. [s]
            horizon_s: until the end of the hypothesis. [s]
        """
        waiting = bisect_left(self.arrive, end, gone) - gone
        if waiting <= 0:
            return 0.0
        leave = int((horizon_s - begin) / self.headway) + 1 if horizon_s > begin else 0
        leave = min(leave, waiting)
        mean = begin + self.headway * max(leave - 1, 0) / 2
        return leave * mean + (waiting - leave) * horizon_s

    def next(self, gone: int, ready: float, service: Service, foes: Sequence[float]) -> float:
        """Return when the next vehicle leaves, if nothing but its own lane holds it. [s]"""
        come = self.arrive[gone]
        at = come if come > ready else ready
        if foes and service.yielding:
            at += service.yielding * (_gap(at, foes) - at)
        if gone >= self.room:
            at = max(at, (gone + 1 - self.room) / self.refill)
        return at

    def cost(self, gone: int, at: float) -> float:
        """Return what it costs that a vehicle leaves at a time. [s]"""
        delay = at - self.arrive[gone]
        stop = self.stop_s if delay > 2.0 and self.stops[gone] else 0.0
        return self.weight[gone] * (delay + stop)


class Entry:
    """Lanes of one road that share the queue behind them; mostly one lane alone.

    Args:
        lanes: one or more.
        rooms: by lane, vehicles that it holds before they stand in the way of the others.
    """

    __slots__ = ("ahead", "lanes", "memo", "none")

    def __init__(self, lanes: Sequence[Lane], rooms: Sequence[int]) -> None:
        self.lanes = lanes
        self.memo: dict[int, tuple[Standing, float]] = {}
        self.none: tuple[tuple[float, ...], ...] = ((),) * len(lanes)
        self.ahead = _ahead(lanes, rooms) if len(lanes) > 1 else []
        """By lane and vehicle, by lane: how many must have left before it can."""

    def start(self) -> Standing:
        """Return where it stands now."""
        count = len(self.lanes)
        return Standing((0,) * count, (0.0,) * count, 0.0, self.none)

    def waiting(self, at: Standing, end: float) -> float:
        """Return what those who wait have cost; see :meth:`Lane.waiting`. [s]"""
        pairs = zip(self.lanes, at.gone, strict=True)
        return sum(lane.waiting(gone, end) for lane, gone in pairs)

    def rest(self, at: Standing, now: Sequence[Service], end: float, red_s: float) -> float:
        """Return what those who wait will still cost; see :meth:`Lane.rest`. [s]"""
        return sum(
            lane.rest(gone, end, 0.0 if service.served else red_s)
            for lane, gone, service in zip(self.lanes, at.gone, now, strict=True)
        )

    def at_least(
        self, at: Standing, now: Sequence[Service], end: float, lost_s: float, horizon_s: float
    ) -> float:
        """Return what those who wait will cost at least; see :meth:`Lane.at_least`. [s]"""
        return sum(
            lane.at_least(gone, end, 0.0 if service.served else lost_s, horizon_s)
            for lane, gone, service in zip(self.lanes, at.gone, now, strict=True)
        )

    def slot(
        self,
        at: Standing,
        before: Sequence[Service],
        now: Sequence[Service],
        start: float,
        switch: float,
        end: float,
        foes: Sequence[Sequence[float]],
    ) -> Standing:
        """Return where it stands after a slot.

        Args:
            at: where it stands before.
            before, now: by lane, what phases before and in the slot do for it.
            start, end: of the slot. [s]
            switch: when green begins if the phase changes, else the start. [s]
            foes: by lane, when those it yields to leave in the slot. [s]
        """
        ready, ends, services = list(at.ready), [0.0] * len(now), list(now)
        for number, (old, new) in enumerate(zip(before, now, strict=True)):
            if new.served > 0:
                begin = start if old.served > 0 else switch + STARTING_S
                ends[number] = end
            elif old.served > 0:
                begin, services[number] = start, old
                ends[number] = start + RUNNING_S
            else:
                begin = start
            ready[number] = max(ready[number], begin)
        if not any(ends):
            return at if at.left == self.none else at._replace(left=self.none)
        if len(ready) == 1:
            return self._alone(at, ready[0], ends[0], services[0], foes[0])
        return self._together(at, ready, ends, services, foes)

    def _alone(
        self, at: Standing, ready: float, end: float, service: Service, foes: Sequence[float]
    ) -> Standing:
        """Let vehicles of the only lane leave until its green ends."""
        lane, gone, cost = self.lanes[0], at.gone[0], at.cost
        count, headway = len(lane.arrive), lane.headway / service.served
        left: list[float] = []
        while gone < count:
            moment = lane.next(gone, ready, service, foes)
            if moment >= end:
                break
            cost += lane.cost(gone, moment)
            ready = moment + headway
            left.append(moment)
            gone += 1
        return Standing((gone,), (ready,), cost, (tuple(left),))

    def _together(
        self,
        at: Standing,
        ready: list[float],
        ends: list[float],
        services: Sequence[Service],
        foes: Sequence[Sequence[float]],
    ) -> Standing:
        """Let vehicles of all lanes leave, the first first, unless others stand in their way."""
        gone, cost = list(at.gone), at.cost
        left: list[list[float]] = [[] for _ in gone]
        freed = [-inf] * len(gone)
        while True:
            best, who = inf, -1
            for number, lane in enumerate(self.lanes):
                if gone[number] >= len(lane.arrive) or not ends[number]:
                    continue
                need = self.ahead[number][gone[number]]
                if any(have < least for have, least in zip(gone, need, strict=True)):
                    continue
                moment = lane.next(
                    gone[number], max(ready[number], freed[number]), services[number], foes[number]
                )
                if moment < ends[number] and moment < best:
                    best, who = moment, number
            if who < 0:
                return Standing(tuple(gone), tuple(ready), cost, tuple(map(tuple, left)))
            lane = self.lanes[who]
            cost += lane.cost(gone[who], best)
            ready[who] = best + lane.headway / services[who].served
            left[who].append(best)
            gone[who] += 1
            for number, others in enumerate(self.ahead):
                if (
                    number != who
                    and gone[number] < len(others)
                    and others[gone[number]][who] == gone[who]
                ):
                    freed[number] = best + PASSING_S


def _ahead(lanes: Sequence[Lane], rooms: Sequence[int]) -> list[list[tuple[int, ...]]]:
    """Return for each vehicle how many of each lane must have left before it can."""
    return [
        [
            tuple(
                0
                if other is lane
                else max(0, sum(1 for two in other.coming if two.distance < one.distance) - room)
                for other, room in zip(lanes, rooms, strict=True)
            )
            for one in lane.coming
        ]
        for lane in lanes
    ]


def _gap(at: float, foes: Sequence[float]) -> float:
    """Return the first time from a time on at which nobody comes that one must yield to."""
    for foe in foes:
        if foe - BEFORE_S < at < foe + AFTER_S:
            at = foe + AFTER_S
    return at


def reach_s(distance: float, speed: float, limit: float) -> float:
    """Return how long a vehicle needs to the stop line if nothing holds it. [s]

    >>> round(reach_s(95, 10, 10), 1), round(reach_s(0, 0, 14), 1)
    (10.0, 0.0)
    """
    limit *= CRUISING
    speed = min(speed, limit)
    gaining = (limit * limit - speed * speed) / (2 * ACCELERATION)
    if distance <= gaining:
        faster = sqrt(speed * speed + 2 * ACCELERATION * distance)
        return max(0.0, faster - speed) / ACCELERATION  # squares of tiny speeds are 0
    return (limit - speed) / ACCELERATION + (distance - gaining) / limit
