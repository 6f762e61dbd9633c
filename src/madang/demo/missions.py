"""Responders on their way through the simulated city, with a corridor and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from madang.demo.measured import Control, Drive
from madang.model.errors import MadangError
from madang.services.corridor import ahead
from madang.services.corridor.ahead import Timing
from madang.services.corridor.way import Stop, Way

if TYPE_CHECKING:
    from madang.services.signals.signal import Seen

SAMPLE_S: Final = 5
TURNOUT_S: Final = 30.0  # from the alarm, when its way is known, until it sets out
RESPONDER: Final = "responder"
SLACK_M: Final = 30.0  # by which a place on the way may go back


class NoWay(MadangError):
    """The city has no way that is long enough."""


class Mission(NamedTuple):
    """A responder's drive at a time of day."""

    folder: str
    seed: int
    depart_s: float
    """[s since midnight]"""
    control: Control
    helped: bool
    """It gets a corridor."""
    scale: float = 1.0
    """Of the demand. [1]"""
    warm_s: float = 600.0
    """Of traffic before it sets out. [s]"""
    span_s: float = 1_380.0
    """Of traffic from then on. [s]"""
    metres: tuple[float, float] = (2_000.0, 4_000.0)
    """How long its way is. [m]"""


def respond(mission: Mission) -> dict[str, Any]:
    """Drive a mission; return how long it took, and how the queues on its way went."""
    drive = Drive(
        Path(mission.folder),
        mission.depart_s - mission.warm_s,
        mission.seed,
        mission.control,
        mission.scale,
    )
    street = drive.street
    edges = choose(drive, Random(f"{mission.seed} {mission.depart_s}"), mission.metres)
    way, on_way = drive.way(edges)
    queues = Queues(drive, [one.signal for one in on_way])
    responder = Responder(drive, way, on_way, mission.helped)
    drive.until(mission.depart_s - TURNOUT_S, queues.sample)
    responder.dispatched(mission.depart_s)
    drive.until(mission.depart_s, queues.sample)
    street.add(RESPONDER, edges, "emergency", position="base", speed="max")

    def each(now: float) -> None:
        queues.sample(now)
        responder.step(now)

    drive.until(mission.depart_s + mission.span_s, each)
    arrived = street.now
    drive.until(mission.depart_s + mission.span_s, queues.sample)
    indicators = street.indicators()
    lost, trips = drive.close(mission.depart_s)
    return {
        "seed": mission.seed, "control": mission.control, "helped": mission.helped,
        "depart": mission.depart_s, "metres": round(way.metres), "signals": len(on_way),
        "seconds": arrived - mission.depart_s, "stops": responder.stops,
        "standing_s": responder.standing_s, "arrived": arrived,
        "queues": queues.minutes, "delay_s": lost, "trips": trips,
        "running": indicators.running, "pending": indicators.pending,
    }  # fmt: skip


def choose(drive: Drive, random: Random, metres: tuple[float, float]) -> list[str]:
    """Return the edges of a way through the city, from one avenue to another.

    Raises:
        NoWay: none was found.
    """
    roads, sumo = drive.street.roads, drive.street.sumo
    edges = sorted(
        id for id, edge in roads.edges.items()
        if edge.kind == "primary" and edge.length > 80
    )  # fmt: skip
    for _ in range(500):
        start, end = random.sample(edges, 2)
        found = sumo.simulation.findRoute(start, end, "emergency")
        if metres[0] <= found.length <= metres[1]:
            return list(found.edges)
    raise NoWay(f"no way of {metres[0]:.0f} to {metres[1]:.0f} m was found in this city")


class Responder:
    """A responder under way, and the corridor that it is given."""

    def __init__(self, drive: Drive, way: Way, on_way: list[Stop], helped: bool) -> None:
        self._drive, self._way, self._stops, self._helped = drive, way, on_way, helped
        self._metres, self._is_in = 0.0, False
        self.stops = 0
        self.standing_s = 0
        self._stood = False
        self.timing = Timing(pace_kmh=60.0)

    def step(self, now: float) -> None:
        """Look at it; ends with StopIteration when it has arrived."""
        sumo = self._drive.street.sumo
        if RESPONDER not in sumo.vehicle.getIDList():
            if self._is_in:
                self._let_go(now, [])
                raise StopIteration
            return
        self._is_in = True
        stands = sumo.vehicle.getSpeed(RESPONDER) < 0.5
        self.standing_s += stands
        self.stops += stands and not self._stood
        self._stood = stands
        if self._helped:
            self._ask(now)

    def dispatched(self, depart: float) -> None:
        """Ask the first signals before it sets out."""
        if self._helped:
            seen = self._drive.street.seen([stop.signal for stop in self._stops])
            self._drive.ask(ahead.corridor(self._stops, 0.0, depart, seen, self.timing))

    def end(self, now: float) -> None:
        """Give all signals back."""
        self._let_go(now, [])

    def _ask(self, now: float) -> None:
        street = self._drive.street
        here = street.vehicles([RESPONDER])
        if len(here.ids):
            place = float(here.lon[0]), float(here.lat[0])
            self._metres = self._way.metres_of(place, max(0.0, self._metres - SLACK_M))
        coming = [one for one in self._stops if one.metres > self._metres]
        near = [one.signal for one in coming if one.metres - self._metres < 1_200.0]
        seen = street.seen(near)
        wanted = ahead.corridor(self._stops, self._metres, now, seen, self.timing)
        self._let_go(now, [one.signal for one in coming])
        self._drive.ask(wanted)

    def _let_go(self, now: float, coming: list[str]) -> None:
        """Take back what was asked of signals behind it."""
        for stop in self._stops:
            if stop.signal in self._drive.asked and stop.signal not in coming:
                del self._drive.asked[stop.signal]
                over = ahead.over(stop.signal, stop.lanes[0], "emergency", now)
                self._drive.controller.ask(over)


class Queues:
    """How many vehicles stand before some signals, minute by minute."""

    def __init__(self, drive: Drive, signals: Sequence[str]) -> None:
        self._drive, self._signals = drive, list(dict.fromkeys(signals))
        self.minutes: dict[int, float] = {}
        self._some: list[int] = []

    def sample(self, now: float) -> None:
        """Count them every few seconds."""
        if now % SAMPLE_S:
            return
        seen: Mapping[str, Seen] = self._drive.street.seen(self._signals)
        standing = sum(
            one.speed < ahead.STANDING and one.kind != "emergency"
            for signal in seen.values() for lane in signal.lanes.values() for one in lane
        )  # fmt: skip
        self._some.append(standing)
        if len(self._some) == 60 // SAMPLE_S:
            self.minutes[int(now // 60)] = round(fmean(self._some), 2)
            self._some = []
