"""One run of one policy: a simulation from a start, with one seed. Runs in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from madang.twin.branch.control import control
from madang.twin.branch.measured import Measured, Outputs
from madang.twin.branch.measures import Measures
from madang.twin.branch.policy import given_as
from madang.twin.branch.start import Start
from madang.twin.branch.tasks import Run
from madang.twin.branch.trips import Trip, changed, read, scaled
from madang.twin.branch.warm import fitted, placed, scale_of
from madang.twin.branch.ways import CLASSES, Ways
from madang.twin.network.scenario import Scenario
from madang.twin.street.street import Street

WARM_S: Final = 600.0
"""The network fills for so long before the start. [s]"""
LOOK_S: Final = 60.0
"""Between two looks at how long edges take. [s]"""
SHOW_S: Final = 45.0
"""So long before the start signals are led to the phases that they show in the city. [s]"""
TELL_S: Final = 30.0
"""Of the simulation, between two words on how far it is. [s]"""


def run(task: Run) -> Measured:
    """Run a simulation; return what came of it.

    Raises:
        MadangError: it cannot be run.
    """
    folder = Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    start = Start.of(task.start)
    outputs = Outputs(folder, start.second, start.second + task.seconds)
    begin = max(0.0, float(int(start.second - WARM_S)))
    street = Street(
        Scenario.open(Path(task.scenario)),
        begin,
        task.seed,
        demand=False,
        extra=[outputs.additional()],
        arguments=outputs.arguments(),
    )
    try:
        simulation = _Simulation(street, task, start)
        simulation.go()
    finally:
        street.close()  # SUMO ends its files
    found = outputs.measured(
        simulation.ways, simulation.due, simulation.usual, task.seconds, simulation.stranded
    )
    task.progress.write_text("1")
    return found


class _Simulation:
    """A simulation from its warming up to its end."""

    def __init__(self, street: Street, task: Run, start: Start) -> None:
        self._street, self._task, self._start = street, task, start
        self._begin, self._end = start.second, start.second + task.seconds
        self._first = street.now
        self._policy = given_as(task.policy)
        self.ways = Ways(street.sumo)
        # Until the start all runs of a seed are the same, whatever the policy.
        self._control = control(start.control, street.signals, task.seed)
        self._measures = Measures(street, self.ways, self._policy, self._begin, self._end)
        self.usual: list[Trip] = []
        """Due from the start on, if there were no policy."""
        self.due: list[Trip] = []
        """As they are made under the policy."""
        self.stranded = 0
        """Trips without a way."""

    def go(self) -> None:
        """Run it to its end."""
        street, start, seed = self._street, self._start, self._task.seed
        trips = read(street.scenario.demand, self.ways, _kinds(street.sumo), self._first, self._end)
        self._until(self._begin, [trip for trip in trips if trip.depart < self._begin])
        scale = scale_of(street, start.counts)
        fitted(street, scale, seed)
        placed(street, self.ways, start.vehicles)
        later = [trip for trip in trips if trip.depart >= self._begin]
        self.usual = scaled(later, scale, seed)
        self.due = changed(self.usual, self._policy, self.ways, seed)
        self._measures.begin()
        if self._policy.control not in (None, start.control):
            self._control = control(self._policy.control, street.signals, seed)
        self._until(self._end, self.due)

    def _until(self, end: float, trips: Sequence[Trip]) -> None:
        street, ways = self._street, self.ways
        next_trip, looked, told = 0, street.now, street.now - TELL_S
        while (now := street.now) < end:
            self._measures.at(now)
            if now - looked >= LOOK_S:
                looked = now
                ways.look()
            while next_trip < len(trips) and trips[next_trip].depart < now + 1:
                self._depart(trips[next_trip])
                next_trip += 1
            self._decide(now)
            street.step()
            if now - told >= TELL_S:
                told = now
                part = (now - self._first) / (self._end - self._first)
                self._task.progress.write_text(f"{part:.4f}")

    def _depart(self, trip: Trip) -> None:
        start = self._measures.reachable(trip.start, trip.kind)
        end = self._measures.reachable(trip.end, trip.kind)
        way = self.ways.way(trip.kind, start, end)
        if way is None:
            self.stranded += 1
            return
        self._street.sumo.route.add(trip.id, way)
        self._street.sumo.vehicle.add(
            trip.id,
            trip.id,
            typeID=trip.type,
            depart="now",
            departLane="best",
            departPos="random_free",
            departSpeed="max",
        )

    def _decide(self, now: float) -> None:
        if self._begin - SHOW_S <= now < self._begin:
            for id, phase in self._start.phases:
                if id in self._street.signals:
                    self._street.request(id, phase)
            return
        if self._control is None:
            return
        controller, step_s = self._control
        if (now - self._first) % step_s < 1:
            for id, choice in controller.decide(now, self._street.seen()).items():
                self._street.request(id, choice.phase)


def _kinds(sumo: Any) -> dict[str, str]:
    """Return our kind of each vehicle type of the scenario."""
    names = {name: kind for kind, name in CLASSES.items()} | {"delivery": "truck", "taxi": "car"}
    found = {}
    for type_ in sumo.vehicletype.getIDList():
        kind = names.get(sumo.vehicletype.getVehicleClass(type_))
        if kind is not None:
            found[type_] = kind
    return found
