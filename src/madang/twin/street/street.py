"""One simulation of a scenario in SUMO: second by second, with cabinets that nobody can pass.

libsumo holds one simulation a process, so a :class:`Street` lives in a process of its own: never in
the hub. Vehicles never teleport: a jam stays a jam.

Source: P. Alvarez Lopez et al., Microscopic Traffic Simulation using SUMO, IEEE ITSC 2018.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from madang.model.errors import MadangError
from madang.services.signals.interlock import SILENT_S, Interlock, Mode, Refusal
from madang.twin.network import detectors
from madang.twin.network.roads import Roads
from madang.twin.street.detectors import Count, count
from madang.twin.street.indicators import Indicators, Tally
from madang.twin.street.sight import Sight
from madang.twin.street.vehicles import Vehicles, vehicles

if TYPE_CHECKING:
    from madang.services.signals.signal import Seen
    from madang.twin.network.scenario import Scenario


class StreetFailed(MadangError):
    """SUMO cannot run a scenario, or has ended; the message has its reason."""


class Ahead(NamedTuple):
    """A signal on the way of a vehicle."""

    signal: str
    lane: str
    """Before the signal, on which the vehicle will come."""
    distance: float
    """To the stop line. [m]"""


class Street:
    """See the module. The only one of its process; close it before another is made.

    Args:
        scenario: network and demand.
        begin_s: when it begins. [s since midnight]
        seed: of chance; the same seed drives the same.
        demand: people drive as the scenario's demand says; else there are only buses, and who is
            added.
        scale: of the demand. [1]
        extra: additional files of SUMO.
        arguments: more of SUMO's options.

    Raises:
        StreetFailed: SUMO does not take it.
        UnsafeSignal: a signal of the network would let ways cross.
    """

    def __init__(
        self,
        scenario: Scenario,
        begin_s: float,
        seed: int = 1,
        demand: bool = True,
        scale: float = 1.0,
        extra: Sequence[Path] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        self.scenario = scenario
        self.roads = Roads.read(scenario.net)
        self.sumo = _libsumo()
        """libsumo itself, for what is not here."""
        self.stations = detectors.read(scenario.detectors) if scenario.detectors.exists() else {}
        self.signals = self.roads.signals
        # The fixed plan runs from the first second on: nobody has asked for long enough.
        self._cabinets = {
            id: Interlock(signal, begin_s - SILENT_S) for id, signal in self.signals.items()
        }
        self._lights: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._closed: dict[str, tuple[str, ...]] = {}
        """Who might use a lane that is closed now."""
        self._sight = Sight(self.sumo, self.roads)
        self._start(_options(scenario, begin_s, seed, demand, scale, extra, arguments))
        self._tally = Tally(self.sumo)
        self._show()

    def _start(self, options: list[str]) -> None:
        try:
            self.sumo.start(options)
        except _errors(self.sumo) as error:
            raise StreetFailed(f"SUMO does not start: {error}") from error

    @property
    def now(self) -> float:
        """Seconds since the scenario's midnight. [s]"""
        return float(self.sumo.simulation.getTime())

    def step(self) -> None:
        """Let one second pass.

        Raises:
            StreetFailed: SUMO has ended.
        """
        self._show()
        try:
            self.sumo.simulationStep()
        except _errors(self.sumo) as error:
            raise StreetFailed(f"SUMO has ended at {self.now:.0f} s: {error}") from error
        for id in self.sumo.simulation.getArrivedIDList():
            self._kinds.pop(id, None)
        self._tally.step()

    def close(self) -> None:
        """End the simulation."""
        self.sumo.close()

    # --- signals ------------------------------------------------------------------------------

    def seen(self, ids: Iterable[str] | None = None) -> dict[str, Seen]:
        """Return what the detectors of signals see now; of all signals if none are named."""
        t = self.now
        wanted = self._cabinets if ids is None else ids
        phases = {id: self._cabinets[id].phase(t) for id in wanted}
        return self._sight.seen(phases, self._kinds)

    def request(self, signal: str, phase: int) -> Refusal | None:
        """Ask a cabinet for a phase (the one that shows: to hold it); None: it is granted."""
        return self._cabinets[signal].request(phase, self.now)

    def phase(self, signal: str) -> tuple[int, float]:
        """Return the phase that shows, or is led to, and for how long it is green. [s]"""
        return self._cabinets[signal].phase(self.now)

    def mode(self, signal: str) -> Mode:
        """Return whether a controller is followed, or the fixed plan runs."""
        return self._cabinets[signal].mode(self.now)

    def lights(self, signal: str) -> str:
        """Return the state that a signal shows, in SUMO's letters."""
        return self._lights[signal]

    def _show(self) -> None:
        """Let the lights show what the cabinets say for the coming second."""
        t, show = self.now, self.sumo.trafficlight.setRedYellowGreenState
        for id, cabinet in self._cabinets.items():
            state = cabinet.shown(t)
            if self._lights.get(id) != state:
                self._lights[id] = state
                show(id, state)

    # --- what is measured ---------------------------------------------------------------------

    def vehicles(self, ids: Sequence[str] | None = None) -> Vehicles:
        """Return where vehicles are; all of them if none are named."""
        wanted = self.sumo.vehicle.getIDList() if ids is None else ids
        return vehicles(self.sumo, self.roads, wanted, self._kinds)

    def counts(self) -> dict[str, Count]:
        """Return what each station of detectors has seen in its last whole period."""
        return {id: count(self.sumo, tuple(one.loops)) for id, one in self.stations.items()}

    def indicators(self) -> Indicators:
        """Return how the traffic does since the beginning."""
        return self._tally.read()

    # --- what happens on it -------------------------------------------------------------------

    def add(
        self,
        id: str,
        edges: Sequence[str],
        kind: str = "passenger",
        *,
        lane: str = "best",
        position: str = "base",
        speed: str = "max",
        line: str = "",
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Let a vehicle depart now.

        Args:
            id: of it.
            edges: its way, or only its first and last edge: then it takes the quickest way.
            kind: a vehicle type of the scenario.
            lane: ``first``, ``best``, ``free`` or the number of a lane.
            position: ``base``, ``free`` or metres from the beginning of the edge.
            speed: ``max`` or metres a second.
            line: of a bus.
            parameters: generic ones of SUMO, such as those of devices.

        Raises:
            StreetFailed: there is no such edge or type, or no way.
        """
        try:
            way = list(edges)
            if len(way) == 2:
                found = self.sumo.simulation.findRoute(way[0], way[1], kind, self.now)
                way = list(found.edges)
            self.sumo.route.add(f"!{id}", way)
            self.sumo.vehicle.add(
                id, f"!{id}", typeID=kind, depart="now", departLane=lane, departPos=position,
                departSpeed=speed, line=line,
            )  # fmt: skip
            for name, value in (parameters or {}).items():
                self.sumo.vehicle.setParameter(id, name, value)
        except _errors(self.sumo) as error:
            raise StreetFailed(f"vehicle {id} cannot depart: {error}") from error

    def ahead(self, id: str) -> tuple[Ahead, ...]:
        """Return the signals on the way of a vehicle, the next one first."""
        return tuple(
            Ahead(signal, self.signals[signal].links[link][0][0], distance)
            for signal, link, distance, _ in self.sumo.vehicle.getNextTLS(id)
            if signal in self.signals
        )

    def stop_vehicle(self, id: str) -> None:
        """Let a vehicle brake as hard as it can and stand in its lane, as after a crash."""
        vehicle = self.sumo.vehicle
        vehicle.setSpeedMode(id, 0)  # it heeds nobody any more
        vehicle.setLaneChangeMode(id, 0)
        vehicle.setDecel(id, vehicle.getEmergencyDecel(id))
        vehicle.setSpeed(id, 0.0)

    def free_vehicle(self, id: str) -> None:
        """Let a vehicle that was stopped drive on."""
        vehicle = self.sumo.vehicle
        vehicle.setSpeedMode(id, _CAREFUL)
        vehicle.setLaneChangeMode(id, _CHANGES)
        vehicle.setSpeed(id, -1.0)

    def remove_vehicle(self, id: str) -> None:
        """Take a vehicle off the road."""
        self.sumo.vehicle.remove(id)

    def close_edge(self, edge: str, kinds: Sequence[str] = ()) -> None:
        """Close an edge; who would have come through looks for another way, and who is bound for
        it waits before it.

        Args:
            edge: which.
            kinds: classes that may still use it, such as ``emergency`` or ``bicycle``.
        """
        lanes, vehicle = self.sumo.lane, self.sumo.vehicle
        for lane in self._lanes(edge):
            self._closed.setdefault(lane, tuple(lanes.getAllowed(lane)))
            lanes.setAllowed(lane, list(kinds) or ["authority"])  # SUMO takes none for all
        for id in vehicle.getIDList():
            if edge in vehicle.getRoute(id)[vehicle.getRouteIndex(id) + 1 :]:
                vehicle.rerouteTraveltime(id)

    def open_edge(self, edge: str) -> None:
        """Open an edge for those who might use it before it was closed."""
        for lane in self._lanes(edge):
            if lane in self._closed:
                self.sumo.lane.setAllowed(lane, list(self._closed.pop(lane)))

    def _lanes(self, edge: str) -> list[str]:
        return [f"{edge}_{number}" for number in range(self.sumo.edge.getLaneNumber(edge))]


_CAREFUL, _CHANGES = 31, 1621  # SUMO's usual speed mode and lane change mode


def _options(
    scenario: Scenario,
    begin_s: float,
    seed: int,
    demand: bool,
    scale: float,
    extra: Sequence[Path],
    arguments: Sequence[str],
) -> list[str]:
    """Return the command line of SUMO."""
    return [
        "sumo",
        "--net-file", str(scenario.net),
        *_files("--route-files", [scenario.buses, *([scenario.demand] if demand else [])]),
        *_files("--additional-files", [*scenario.additional, *extra]),
        "--begin", f"{begin_s:.0f}",
        "--seed", str(seed),
        "--scale", f"{scale:g}",
        "--step-length", "1",
        "--time-to-teleport", "-1",
        "--collision.action", "warn",
        "--ignore-route-errors", "true",
        "--device.tripinfo.probability", "1",
        "--no-step-log", "true",
        "--no-warnings", "true",
        *arguments,
    ]  # fmt: skip


def _files(option: str, files: Iterable[Path]) -> list[str]:
    """Return an option for those of some files that there are."""
    found = [str(file) for file in files if file.exists()]
    return [option, ",".join(found)] if found else []


def _libsumo() -> Any:
    import sumo

    os.environ["SUMO_HOME"] = sumo.SUMO_HOME
    with redirect_stdout(StringIO()):  # it warns of a pyarrow that this process does not load
        import libsumo

    return libsumo


def _errors(sumo: Any) -> tuple[type[Exception], ...]:
    return sumo.TraCIException, sumo.FatalTraCIError, RuntimeError
