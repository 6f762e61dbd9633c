"""What a run is measured by: outputs of SUMO read into indicators and figures of each street.

Delay of a trip is time lost on the way and waiting to get in; who never got in counts with all the
time since it was due. Emissions are SUMO's by HBEFA 4 classes of the vehicle types, noise is SUMO's
after Harmonoise.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from madang.twin.branch.trips import Trip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from madang.twin.branch.ways import Ways

REACH_FROM: Final = 150
"""Beginnings of trips from which it is looked how far one gets."""
CELL_M: Final = 250.0
"""Side of the squares in which arrivals and departures of cars are set against each other. [m]"""
STREET: Final = ("flow", "speed", "delay", "co2", "noise")
"""Figures of a street: vehicles an hour, km/h, vehicle hours, kg, dB(A)."""
_TRAFFIC, _AIR, _NOISE, _TRIPS = "edges.xml", "air.xml", "noise.xml", "trips.xml"


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one run."""

    indicators: dict[str, float]
    streets: dict[str, NDArray[Any]]
    """Figures of each edge by name; NaN where nobody drove."""
    edges: list[str]
    names: list[tuple[str, str]]
    """Of the edges' streets, in Korean and in English."""
    shapes: list[list[tuple[float, float]]]
    """Of the edges: longitude and latitude. [degree]"""
    trips: int
    """That were due."""
    stranded: int
    """Trips without a way."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A trip, as SUMO tells of it."""

    delay: float
    seconds: float
    stops: int
    arrived: bool


class Outputs:
    """Files that SUMO writes about one run.

    Args:
        folder: of the files.
        begin: of what is measured. [s since midnight]
        end: of it. [s since midnight]
    """

    def __init__(self, folder: Path, begin: float, end: float) -> None:
        self._folder, self._begin, self._end = folder, begin, end

    def additional(self) -> Path:
        """Write what SUMO shall measure of streets; return the file."""
        file = self._folder / "measure.add.xml"
        period = f'begin="{self._begin:.0f}" end="{self._end:.0f}" excludeEmpty="true"'
        folder = self._folder
        file.write_text(
            "<additional>\n"
            f'<edgeData id="traffic" file="{folder / _TRAFFIC}" {period}/>\n'
            f'<edgeData id="air" type="emissions" file="{folder / _AIR}" {period}/>\n'
            f'<edgeData id="noise" type="harmonoise" file="{folder / _NOISE}" {period}/>\n'
            "</additional>\n"
        )
        return file

    def arguments(self) -> list[str]:
        """Return options of SUMO."""
        return [
            "--tripinfo-output", str(self._folder / _TRIPS),
            "--tripinfo-output.write-unfinished", "true",
            "--device.rerouting.probability", "0",
        ]  # fmt: skip

    def measured(
        self,
        ways: Ways,
        due: Sequence[Trip],
        usual: Sequence[Trip],
        seconds: float,
        stranded: int,
    ) -> Measured:
        """Read the files, which SUMO has finished.

        Args:
            ways: the network.
            due: trips of the time that is measured, as they were made.
            usual: the same as they were before any policy changed them.
            seconds: how long it was. [s]
            stranded: trips without a way.
        """
        streets = self._streets(ways, seconds)
        done = self._trips()
        told = {trip.id: found for trip in due if (found := done.get(trip.id))}
        never = [self._end - trip.depart for trip in due if trip.id not in told]
        count = max(1, len(due))
        arrived = [one for one in told.values() if one.arrived]
        buses = [one for id, one in done.items() if _is_bus(id, told) and one.seconds > 0]
        times = streets.pop("traveltime")
        indicators = {
            "delay": (sum(one.delay for one in told.values()) + sum(never)) / count,
            "stops": sum(one.stops for one in told.values()) / count,
            "travel_time": _mean([one.seconds for one in arrived]),
            "bus_delay": _mean([one.delay for one in buses]),
            "car_trips": float(sum(trip.kind == "car" for trip in due)),
            "arrived": float(len(arrived)),
            "co2": float(np.nansum(streets["co2"])),
            "nox": float(np.nansum(streets.pop("nox"))),
            "pmx": float(np.nansum(streets.pop("pmx"))),
            "noise": _noise(streets["noise"], ways.length),
            **_reached(ways, times, usual),
            "parking": _parking(ways, due, told),
        }
        plain = {name: float(value) for name, value in indicators.items()}
        return Measured(plain, streets, ways.edges, ways.names, ways.shapes, len(due), stranded)

    def _streets(self, ways: Ways, seconds: float) -> dict[str, NDArray[Any]]:
        names = ("flow", "speed", "delay", "co2", "nox", "pmx", "noise", "traveltime")
        found = {name: np.full(len(ways.edges), np.nan) for name in names}
        for edge, told in _edges(self._folder / _TRAFFIC):
            number = ways.index.get(edge)
            if number is not None:
                entered = _number(told, "entered") + _number(told, "departed")
                found["flow"][number] = entered * 3600 / seconds
                found["speed"][number] = 3.6 * _number(told, "speed", np.nan)
                found["delay"][number] = _number(told, "timeLoss") / 3600
                found["traveltime"][number] = _number(told, "traveltime", np.nan)
        for edge, told in _edges(self._folder / _AIR):
            number = ways.index.get(edge)
            if number is not None:
                found["co2"][number] = _number(told, "CO2_abs") / 1e6
                found["nox"][number] = _number(told, "NOx_abs") / 1e3
                found["pmx"][number] = _number(told, "PMx_abs") / 1e3
        for edge, told in _edges(self._folder / _NOISE):
            number = ways.index.get(edge)
            if number is not None:
                found["noise"][number] = _number(told, "noise")
        return found

    def _trips(self) -> dict[str, _Done]:
        """Return what became of each vehicle that departed in the time that is measured."""
        found = {}
        for _, one in ElementTree.iterparse(self._folder / _TRIPS):
            if one.tag != "tripinfo":
                continue
            told = one.attrib
            departed, waited = float(told["depart"]), float(told["departDelay"])
            if departed >= 0 and departed - waited >= self._begin - 1:
                found[told["id"]] = _Done(
                    float(told["timeLoss"]) + waited,
                    float(told["duration"]) + waited,
                    int(told["waitingCount"]),
                    float(told["arrival"]) >= 0,
                )
            one.clear()
        return found


def _is_bus(id: str, told: dict[str, _Done]) -> bool:
    return id not in told and not id.startswith("!")


def _edges(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for _, one in ElementTree.iterparse(file):
        if one.tag == "edge":
            yield one.attrib["id"], one.attrib
            one.clear()


def _number(told: dict[str, str], name: str, missing: float = 0.0) -> float:
    return float(told.get(name, missing))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _noise(levels: NDArray[Any], length: NDArray[Any]) -> float:
    """Return the mean level along all streets by its energy. [dB]"""
    energy = np.nansum(length * 10 ** (levels / 10)) / length.sum()
    return float(10 * np.log10(energy)) if energy > 0 else 0.0


def _reached(ways: Ways, times: NDArray[Any], trips: Sequence[Trip]) -> dict[str, float]:
    """Return the share of places that cars reach in 10 and in 30 minutes. [%]

    Where trips begin stands for where people are, where they end for where they want to go.
    """
    usual = ways.times
    ways.times = np.where(np.isfinite(times) & (times > 0), np.minimum(times, 3600), usual)
    begins = Counter(trip.start for trip in trips if trip.kind == "car").most_common(REACH_FROM)
    ends = np.zeros(len(ways.edges))
    for trip in trips:
        if trip.kind == "car":
            ends[trip.end] += 1
    near, far, all_ = 0.0, 0.0, 0.0
    for start, weight in begins:
        seconds = ways.reach("car", start)
        near += weight * ends[seconds <= 600].sum()
        far += weight * ends[seconds <= 1800].sum()
        all_ += weight * ends.sum()
    ways.times = usual
    return {"reach_10": 100 * near / all_ if all_ else 0.0,
            "reach_30": 100 * far / all_ if all_ else 0.0}  # fmt: skip


def _parking(ways: Ways, trips: Sequence[Trip], told: dict[str, _Done]) -> float:
    """Return how many more places cars need, where more arrive than leave."""
    wide = np.cos(np.radians(ways.middle[:, 1].mean()))
    cells = np.floor(ways.middle * [wide, 1.0] * 111_320 / CELL_M).astype(np.int64)
    balance: Counter[tuple[int, int]] = Counter()
    for trip in trips:
        if trip.kind == "car" and trip.id in told:
            balance[tuple(cells[trip.start])] -= 1
            if told[trip.id].arrived:
                balance[tuple(cells[trip.end])] += 1
    return float(sum(count for count in balance.values() if count > 0))
