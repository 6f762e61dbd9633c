"""What signals tell one another: who is on the way, and who is about to be let go.

Which lane behind one signal leads to which lane before the next is learned: the same vehicle is
seen by the detectors of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from madang.services.signals.lane import CRUISING
from madang.services.signals.layout import road_of
from madang.services.signals.signal import Seen, Signal, Vehicle

SIGHT_M = 200.0
MEETS_M, ALIKE = 30.0, 0.001  # the same vehicle: distances add up, speeds are the same [m], [m/s]
GUESSED = 3.0  # vehicles that the first guess is worth
STARTED_S = 1.5  # that who starts at the signal needs more
LEAST = 0.1  # share of vehicles for which a lane is told of them

Link = tuple[str, str, str]
"""A signal, a lane behind it, and the next signal."""


class Announcements:
    """Between the signals of an area."""

    def __init__(self, signals: Mapping[str, Signal]) -> None:
        self._signals = signals
        self._releases: dict[str, list[tuple[str, float, float]]] = {}
        self._seen: Mapping[str, Seen] = {}
        self._leads: dict[Link, dict[str, float]] = {}
        """Vehicles of a link that were met again, by lane before the next signal."""
        self._counts: dict[Link, float] = {}
        """Vehicles of a link that should have been."""
        self._fed: dict[str, list[Link]] = {}
        for id, signal in signals.items():
            for out, next_ in signal.feeds.items():
                for other in next_:
                    if other in signals and other != id:
                        self._link((id, out, other))

    def _link(self, link: Link) -> None:
        """Guess at first: the lanes of the same road, if it leads right to the next signal."""
        _, out, other = link
        lanes = self._signals[other].in_lanes
        same = [lane for lane in lanes if road_of(lane) == road_of(out)]
        self._leads[link] = dict.fromkeys(same, GUESSED / max(len(same), 1))
        self._counts[link] = GUESSED
        self._fed.setdefault(other, []).append(link)

    def look(self, seen: Mapping[str, Seen]) -> None:
        """Take note of what detectors see, and learn from vehicles that two signals see."""
        self._seen = seen
        for link in self._counts:
            id, out, other = link
            if id in seen and other in seen:
                self._meet(link, seen[id].out.get(out, ()), seen[other])

    def _meet(self, link: Link, left: Iterable[Vehicle], next_: Seen) -> None:
        id, out, other = link
        metres, leads = self._signals[id].feeds[out][other], self._leads[link]
        for one in left:
            rest = metres - one.distance
            if not MEETS_M < rest < SIGHT_M - MEETS_M or one.speed < 1.0:
                continue
            self._counts[link] += 1.0
            for lane, vehicles in next_.lanes.items():
                if any(
                    abs(two.speed - one.speed) < ALIKE and abs(two.distance - rest) < MEETS_M
                    for two in vehicles
                ):
                    leads[lane] = leads.get(lane, 0.0) + 1.0
                    break

    def part(self, link: Link, lane: str) -> float:
        """Return which share of a link's vehicles come to a lane."""
        return min(1.0, self._leads[link].get(lane, 0.0) / self._counts[link])

    def tell(self, id: str, t: float, releases: Iterable[tuple[str, float, float]]) -> None:
        """Let others know whom a signal will let go: lane behind it, when [s from t], weight."""
        self._releases[id] = [(out, t + moment, weight) for out, moment, weight in releases]

    def kept(self) -> dict[str, Any]:
        """Return what signals have told as JSON."""
        told = {id: [list(one) for one in told] for id, told in self._releases.items()}
        links = [[*link, self._counts[link], leads] for link, leads in self._leads.items()]
        return {"told": told, "links": links}

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Go on with what signals had told."""
        self._releases = {id: [tuple(one) for one in told] for id, told in kept["told"].items()}
        for id, out, other, count, leads in kept["links"]:
            if (id, out, other) in self._counts:
                self._counts[id, out, other] = count
                self._leads[id, out, other] = dict(leads)

    def feeds(self, id: str, lane: str) -> bool:
        """Return whether other signals announce who comes on a lane."""
        return any(self.part(link, lane) > LEAST for link in self._fed.get(id, ()))

    def coming(self, id: str, lane: str, t: float, sight_s: float) -> list[tuple[float, float]]:
        """Return who comes on a lane that its own detectors do not see yet.

        Args:
            id: of the signal.
            lane: before it.
            t: now. [s]
            sight_s: how far detectors see, in travel time. [s]

        Returns:
            When they reach the stop line [s from t], and how much each counts.
        """
        found: list[tuple[float, float]] = []
        for link in self._fed.get(id, ()):
            part = self.part(link, lane)
            if part <= LEAST:
                continue
            other, out, _ = link
            signal = self._signals[other]
            metres, speed = signal.feeds[out][id], max(signal.lane_speed[out], 1.0)
            travel = metres / (CRUISING * speed) + STARTED_S
            for name, moment, weight in self._releases.get(other, ()):
                if name == out and moment > t:
                    found.append((moment - t + travel, weight * part))
            if metres > SIGHT_M and other in self._seen:
                for vehicle in self._seen[other].out.get(out, ()):
                    rest = metres - vehicle.distance
                    if rest > SIGHT_M:
                        found.append((rest / (CRUISING * speed), part))
        return _whole(sorted(found))


def _whole(parts: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return whole vehicles for parts of some: each comes when its parts have."""
    found: list[tuple[float, float]] = []
    sum_ = 0.0
    for at, part in parts:
        sum_ += part
        if sum_ >= 0.99:
            found.append((at, 1.0))
            sum_ -= 1.0
    return found
