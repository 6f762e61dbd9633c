"""What help is worth: the same minutes of a city's traffic with it and without, in the twin.

Each drive is a simulation of its own, in a process of its own (libsumo has one a process). Two
drives of one seed are a pair: the same people set out at the same times, and until help begins
everything is the same.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from xml.etree import ElementTree

from madang.services.corridor.way import Approach, Stop, Way, approaches, stops
from madang.services.signals.controller import Priority

if TYPE_CHECKING:
    from madang.services.signals.controller import Controller
    from madang.twin.street.street import Street

Control = Literal["plan", "cognitive"]
MOTOR: Final = ("passenger", "bus", "truck")
STEP_S: Final = 5.0  # as the service decides on signals
_T95: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
"""Student's t, 97.5 %, for 1, 2, … degrees of freedom."""


class Drive:
    """A street whose signals follow their plans or a controller, second by second.

    Args:
        folder: of the scenario.
        begin_s: when it begins. [s since midnight]
        seed: of all chance.
        scale: of the demand. [1]
        control: what signals follow; those that are asked for priority follow a controller anyway.
    """

    def __init__(
        self, folder: Path, begin_s: float, seed: int, control: Control, scale: float = 1.0
    ) -> None:
        from madang.services.signals.controller import Controller, Options
        from madang.twin.network.scenario import Scenario
        from madang.twin.street.street import Street

        self._trips = TemporaryDirectory()
        self._file = Path(self._trips.name) / "trips.xml"
        self.street: Street = Street(
            Scenario.open(folder), begin_s, seed, scale=scale,
            arguments=["--tripinfo-output", str(self._file),
                       "--tripinfo-output.write-unfinished", "true"],
        )  # fmt: skip
        self.controller: Controller = Controller(self.street.signals, seed, Options(step_s=STEP_S))
        self._control = control
        shapes = {id: lane.shape for id, lane in self.street.roads.lanes.items()}
        self.approaches: list[Approach] = [
            one for signal in self.street.signals.values() for one in approaches(signal, shapes)
        ]
        self.asked: dict[str, float] = {}
        """By signal that was asked for priority: until when."""
        self._new: set[str] = set()
        self.led: frozenset[str] = frozenset()
        """Signals that follow the controller in any case."""

    def until(self, end: float, each: Callable[[float], None] | None = None) -> None:
        """Drive on; ``each`` is called before every second, and may end it with StopIteration."""
        street = self.street
        while (now := street.now) < end:
            self._decide(now)
            if each is not None:
                try:
                    each(now)
                except StopIteration:
                    return
            street.step()

    def ask(self, wanted: Iterable[Priority]) -> None:
        """Ask signals for priority; those that were not asked before are decided on at once."""
        for one in wanted:
            if self.asked.get(one.signal, 0.0) <= self.street.now:
                self._new.add(one.signal)
            self.asked[one.signal] = max(one.until, self.asked.get(one.signal, 0.0))
            self.controller.ask(one)

    def _decide(self, now: float) -> None:
        ids: Iterable[str] = self._new
        if now % STEP_S == 0:
            asked = {id for id, until in self.asked.items() if until > now} | self._new | self.led
            ids = self.street.signals if self._control == "cognitive" else asked
        self._new = set()
        if wanted := sorted(ids):
            for id, choice in self.controller.decide(now, self.street.seen(wanted)).items():
                self.street.request(id, choice.phase)

    def close(self, since: float) -> tuple[float, int]:
        """End; return the mean time lost by motor vehicles that were due from then on [s], and how
        many they are. Those still under way count with what they have lost so far."""
        self.street.close()
        lost = [
            float(trip.get("timeLoss", 0)) + float(trip.get("departDelay", 0))
            for _, trip in ElementTree.iterparse(self._file)
            if trip.tag == "tripinfo" and trip.get("vType", "") in MOTOR
            and float(trip.get("depart", 0)) - float(trip.get("departDelay", 0)) >= since
        ]  # fmt: skip
        self._trips.cleanup()
        return round(fmean(lost), 2) if lost else 0.0, len(lost)

    def way(self, edges: Sequence[str]) -> tuple[Way, list[Stop]]:
        """Return a way over edges as a line on the map, as a navigation system would give it."""
        line = [place for edge in edges for place in self.street.roads.edges[edge].shape]
        found = Way([place for place, after in zip(line, [*line[1:], None], strict=True)
                     if place != after])  # fmt: skip
        return found, stops(found, self.approaches)


# --- many of them ---------------------------------------------------------------------------------


def each_alone(
    function: Callable[[Any], Any], jobs: Sequence[Any], processes: int = 1
) -> Iterator[Any]:
    """Yield what a function gives for each job, in any order, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(function, jobs)


class Spread(NamedTuple):
    """Some numbers: their mean and the half width of its 95 % confidence interval."""

    mean: float
    half: float
    least: float
    most: float


def spread(numbers: Sequence[float]) -> Spread:
    """Return mean and spread of numbers (Student's t).

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, half=2.48, least=1.0, most=3.0)
    """
    half = 0.0
    if len(numbers) > 1:
        t = _T95[min(len(numbers) - 2, len(_T95) - 1)]
        half = t * stdev(numbers) / len(numbers) ** 0.5
    return Spread(round(fmean(numbers), 2), round(half, 2), min(numbers), max(numbers))
