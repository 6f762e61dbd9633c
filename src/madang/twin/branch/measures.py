"""What a policy changes about streets while a simulation runs: closures, prices, limits, buses."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from madang.model.errors import MadangError
from madang.twin.branch.ways import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from madang.twin.branch.policy import Bicycles, BusLine, Closure, Policy, Price, Where
    from madang.twin.branch.ways import Ways
    from madang.twin.street.street import Street

OWN: Final = "!"
"""Begins the names of vehicles that a policy adds."""
_STOP_M: Final = 20.0
"""Before the end of an edge, so that a bus does not stand in a junction. [m]"""


class BadPolicy(MadangError):
    """A policy does not fit the network."""


class _Deed(NamedTuple):
    at: float
    """[s since midnight]"""
    do: Callable[[], None]


class Measures:
    """Those of one policy, on one simulation.

    Args:
        street: the simulation.
        ways: its network.
        policy: what is tried.
        begin: of the trial. [s since midnight]
        end: of it. [s since midnight]

    Raises:
        BadPolicy: a place of it is nowhere in the network.
    """

    def __init__(
        self, street: Street, ways: Ways, policy: Policy, begin: float, end: float
    ) -> None:
        self._street, self._ways, self._policy = street, ways, policy
        self._begin, self._end = begin, end
        self._due: list[_Deed] = []
        self._areas = {
            f"{name}[{number}]": self._within(one, f"{name}[{number}]")
            for name in ("closure", "superblock", "price", "speed_limit")
            for number, one in enumerate(getattr(policy, name))
        }
        self._lines = [self._line(one, n) for n, one in enumerate(policy.bus_line)]

    def _within(self, where: Where, name: str) -> NDArray[Any]:
        found = self._ways.within(where)
        if not found.any():
            raise BadPolicy(
                f"{name} of {self._policy.title!r} is on no street of the network; check its names"
                " and places, or make radius_m larger"
            )
        return found

    def begin(self) -> None:
        """Put in force what holds from the start on, and plan the rest."""
        policy, ways = self._policy, self._ways
        for number, block in enumerate(policy.superblock):
            area = self._areas[f"superblock[{number}]"]
            ways.blocks.append(area)
            ways.limit_to(area, block.speed_kmh / 3.6)
        for number, limit in enumerate(policy.speed_limit):
            ways.limit_to(self._areas[f"speed_limit[{number}]"], limit.speed_kmh / 3.6)
        for number, price in enumerate(policy.price):
            self._price(price, self._areas[f"price[{number}]"])
        for number, closure in enumerate(policy.closure):
            self._closure(closure, self._areas[f"closure[{number}]"])
        for number, bicycles in enumerate(policy.bicycles):
            self._room(bicycles, f"bicycles[{number}].lanes")
        for line, ways_of_line in zip(policy.bus_line, self._lines, strict=True):
            self._buses(line, ways_of_line)
        self._due.sort(key=lambda deed: deed.at)
        if policy.superblock:
            self._around()

    def at(self, now: float) -> None:
        """Do what is due. [s since midnight]"""
        while self._due and self._due[0].at <= now:
            self._due.pop(0).do()

    def reachable(self, edge: int, kind: str) -> int:
        """Return an edge, or the nearest that a kind may use if that one is closed."""
        if self._ways.takes(edge, kind):
            return edge
        return self._ways.near(self._ways.middle[edge], kind)

    # --- what there is ------------------------------------------------------------------------

    def _plan(self, from_min: float, to_min: float | None, do: Any, undo: Any) -> None:
        self._due.append(_Deed(self._begin + 60 * from_min, do))
        if to_min is not None and self._begin + 60 * to_min < self._end:
            self._due.append(_Deed(self._begin + 60 * to_min, undo))

    def _price(self, price: Price, area: NDArray[Any]) -> None:
        seconds = 3600 * price.amount / price.value_of_time
        self._plan(
            price.from_min,
            price.to_min,
            lambda: self._ways.charge(area, seconds),
            lambda: self._ways.charge(area, -seconds),
        )

    def _closure(self, closure: Closure, area: NDArray[Any]) -> None:
        if closure.lanes is not None:
            lanes = [lane for number in np.flatnonzero(area)
                     for lane in self._ways.lanes[number][: closure.lanes]
                     if len(self._ways.lanes[number]) > closure.lanes]  # fmt: skip
            whole = area & (np.array([len(one) for one in self._ways.lanes]) <= closure.lanes)
        else:
            lanes, whole = [], area
        names = [CLASSES[kind] for kind in closure.kinds]
        before = {lane: self._street.sumo.lane.getDisallowed(lane) for lane in lanes}

        def close() -> None:
            for lane in lanes:
                self._street.sumo.lane.setDisallowed(lane, sorted({*before[lane], *names}))
            self._ways.shut(whole, closure.kinds)
            self._around()

        def open_() -> None:
            for lane in lanes:
                self._street.sumo.lane.setDisallowed(lane, before[lane])
            self._ways.reopen(whole, closure.kinds)

        self._plan(closure.from_min, closure.to_min, close, open_)

    def _around(self) -> None:
        """Let those find another way who are under way and cannot go on as they meant to."""
        vehicle = self._street.sumo.vehicle
        kinds = {name: kind for kind, name in CLASSES.items()}
        for id in vehicle.getIDList():
            kind = kinds.get(vehicle.getVehicleClass(id))
            here = self._ways.index.get(vehicle.getRoadID(id))
            if kind not in ("car", "truck", "bicycle") or here is None:
                continue  # buses keep to their stops
            rest = vehicle.getRoute(id)[vehicle.getRouteIndex(id) :]
            numbers = [self._ways.index[edge] for edge in rest]
            is_open = all(self._ways.takes(number, kind) for number in numbers[1:])
            if is_open and not self._through(numbers, kind):
                continue
            way = self._ways.way(kind, here, self.reachable(numbers[-1], kind))
            if way is not None:
                vehicle.setRoute(id, way)

    def _through(self, numbers: list[int], kind: str) -> bool:
        """Return whether a way leads through a superblock in which it neither begins nor ends."""
        return kind in ("car", "truck") and any(
            block[numbers].any() and not block[numbers[0]] and not block[numbers[-1]]
            for block in self._ways.blocks
        )

    def _room(self, bicycles: Bicycles, name: str) -> None:
        if bicycles.lanes is None:
            return
        for number in np.flatnonzero(self._within(bicycles.lanes, name)):
            lanes = self._ways.lanes[number]
            if len(lanes) > 1:
                self._street.sumo.lane.setAllowed(lanes[0], ["bicycle", "emergency"])

    # --- buses --------------------------------------------------------------------------------

    def _line(self, line: BusLine, number: int) -> list[list[list[str]]]:
        """Return the ways from stop to stop, there and back; a way back there need not be."""
        sides = [self._ways.beside(stop, "bus") for stop in line.stops]
        found = [legs for order in (sides, sides[::-1]) if (legs := self._legs(order))]
        if not found:
            raise BadPolicy(f"bus_line[{number}]: no way leads from stop to stop; move one")
        return found

    def _legs(self, sides: Sequence[Sequence[int]]) -> list[list[str]]:
        """Return the quickest ways from stop to stop, each on the side that suits; else nothing."""
        ways = self._ways
        best: dict[int, tuple[float, list[int]]] = {edge: (0.0, [edge]) for edge in sides[0]}
        for edges in sides[1:]:
            reached = {}
            for edge in edges:
                comes = [
                    (seconds + ways.cost("bus", before, edge), [*stops, edge])
                    for before, (seconds, stops) in best.items()
                    if before != edge
                ]
                reached[edge] = min(comes, default=(np.inf, []))
            best = reached
        seconds, stops = min(best.values())
        if not np.isfinite(seconds):
            return []
        return [way for pair in pairwise(stops) if (way := ways.way("bus", *pair))]

    def _buses(self, line: BusLine, directions: list[list[list[str]]]) -> None:
        types = self._street.sumo.vehicletype.getIDList()
        if "bus" not in types:
            raise BadPolicy("the scenario has no vehicle type named bus, so no line can be added")
        every = 60 * line.headway_min
        for way, legs in enumerate(directions):
            edges = [legs[0][0], *(edge for leg in legs for edge in leg[1:])]
            route = f"{OWN}{line.name} {way}"
            self._street.sumo.route.add(route, edges)
            stops = [leg[-1] for leg in legs]
            for number in range(int((self._end - self._begin) / every) + 1):
                bus = partial(self._bus, line, route, number, stops)
                self._due.append(_Deed(self._begin + every * number, bus))

    def _bus(self, line: BusLine, route: str, number: int, stops: list[str]) -> None:
        sumo, id = self._street.sumo, f"{route} {number}"
        sumo.vehicle.add(id, route, typeID="bus", departLane="best", line=line.name)
        for edge in stops:
            lanes = self._ways.lanes[self._ways.index[edge]]
            lane = next((n for n, one in enumerate(lanes) if self._carries(one)), 0)
            length = float(self._ways.length[self._ways.index[edge]])
            at = max(length - _STOP_M, length / 2)
            sumo.vehicle.setStop(id, edge, at, lane, line.dwell_s)

    def _carries(self, lane: str) -> bool:
        allowed = self._street.sumo.lane.getAllowed(lane)
        return not allowed or "bus" in allowed
