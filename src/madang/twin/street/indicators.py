"""How the traffic does: delay, stops, who waits to get in, and what goes into the air."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

AIR_S: Final = 10
"""Between two looks at emissions, which are taken to last until the next. [s]"""


class Indicators(NamedTuple):
    """Of all traffic since the beginning of a simulation."""

    at: float
    """Seconds since midnight. [s]"""
    departed: int
    arrived: int
    running: int
    pending: int
    """Vehicles that are due and have not got in yet, for want of room."""
    speed: float
    """Mean of those running; 0 if there is none. [m/s]"""
    standing: int
    """Slower than 0.1 m/s now."""
    delay_s: float
    """Mean time lost by those that have arrived and those still running, with their wait to get
    in. [s]"""
    travel_s: float
    """Mean travel time of those that have arrived. [s]"""
    co2_kg: float
    """By the emission classes of the vehicles (HBEFA). [kg]"""
    nox_g: float
    pmx_g: float


class Tally:
    """Adds up what passes.

    Args:
        sumo: libsumo, running.
    """

    def __init__(self, sumo: Any) -> None:
        self._sumo = sumo
        self._edges = [id for id in sumo.edge.getIDList() if not id.startswith(":")]
        self._steps = self._departed = self._arrived = 0
        self._air = [0.0, 0.0, 0.0]  # CO2, NOx, PMx [mg]

    def step(self) -> None:
        """Take note of a step that is over."""
        simulation, edge = self._sumo.simulation, self._sumo.edge
        self._departed += simulation.getDepartedNumber()
        self._arrived += simulation.getArrivedNumber()
        self._steps += 1
        if self._steps % AIR_S == 0:
            for place, emitted in enumerate(
                (edge.getCO2Emission, edge.getNOxEmission, edge.getPMxEmission)
            ):
                self._air[place] += AIR_S * sum(map(emitted, self._edges))

    def read(self) -> Indicators:
        """Return what it has come to."""
        simulation, vehicle = self._sumo.simulation, self._sumo.vehicle
        ids = vehicle.getIDList()
        speeds = [vehicle.getSpeed(id) for id in ids]
        arrived = int(self._statistic("count"))
        lost = sum(vehicle.getTimeLoss(id) + vehicle.getDepartDelay(id) for id in ids)
        lost += arrived * (self._statistic("timeLoss") + self._statistic("departDelay"))
        everybody = arrived + len(ids)
        return Indicators(
            simulation.getTime(),
            self._departed,
            self._arrived,
            len(ids),
            len(simulation.getPendingVehicles()),
            sum(speeds) / len(ids) if ids else 0.0,
            sum(speed < 0.1 for speed in speeds),
            lost / everybody if everybody else 0.0,
            self._statistic("duration"),
            self._air[0] / 1e6,
            self._air[1] / 1e3,
            self._air[2] / 1e3,
        )

    def _statistic(self, name: str) -> float:
        """Return a mean over the trips that are over, from SUMO's trip statistics."""
        found = self._sumo.simulation.getParameter("", f"device.tripinfo.{name}")
        return float(found) if found else 0.0
