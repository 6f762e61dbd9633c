"""What a controller learns while it runs: turning shares, flows, shared queues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from madang.services.signals.lane import ACCELERATION
from madang.services.signals.layout import Approach, greens, road_of
from madang.services.signals.signal import Seen, Vehicle

KEPT = 0.995  # of what was counted, from one decision to the next
SHORT_M = 80.0  # a longer lane holds the queue
BESIDE_M = 4.0  # nearer than this, two vehicles are on two lanes
LINE_M = 8.0  # from the stop line the first vehicle stands at most
FREE_M = 25.0  # behind the signal, where one who stands holds up those who leave
STARTED_S = 4.0  # after which the first vehicle would have moved
BEHIND_M = 15.0  # and behind a long vehicle that waits in the junction
YIELDED_S = 40.0  # of green after which one that yields does not find a gap any more
FIRST = 2.0  # vehicles that a first one which wants another way counts as
PRIOR = 4.0  # vehicles that equal shares are worth


class Learned:
    """What is known of one signal's lanes."""

    def __init__(self, approaches: Sequence[Approach]) -> None:
        self._approaches = approaches
        self._counts = {
            (one.lane, move.out): PRIOR / len({m.out for m in one.moves})
            for one in approaches
            for move in one.moves
        }
        self.flow = {one.lane: 0.0 for one in approaches}
        self.reach = {one.lane: 50.0 for one in approaches}
        self._length = {one.lane: one.length for one in approaches}
        self.shared = {
            (a.lane, b.lane): True
            for place, a in enumerate(approaches)
            for b in approaches[place + 1 :]
            if road_of(a.lane) == road_of(b.lane) and a.length < SHORT_M
        }
        """Pairs of short lanes, and whether they share the queue behind them."""
        self.stuck: dict[str, set[str]] = {one.lane: set() for one in approaches}
        """By lane, ways that its first vehicle had green for and did not take."""
        self._yielded = {one.lane: 0.0 for one in approaches}
        """By lane, how long its first vehicle stood though all its ways had green. [s]"""
        self.wanted: dict[str, set[str]] = {one.lane: set() for one in approaches}
        """By lane, ways of which its first vehicle wants one, on which it yields for too long."""

    def kept(self) -> dict[str, Any]:
        """Return what has been learned as JSON."""
        counts: dict[str, dict[str, float]] = {}
        for (lane, out), count in self._counts.items():
            counts.setdefault(lane, {})[out] = count
        return {
            "lanes": {
                one.lane: [
                    counts[one.lane], self.flow[one.lane], self.reach[one.lane],
                    sorted(self.stuck[one.lane]),
                ]
                for one in self._approaches
            },
            "apart": [list(pair) for pair, is_shared in self.shared.items() if not is_shared],
            "yielded": {
                lane: [seconds, sorted(self.wanted[lane])]
                for lane, seconds in self._yielded.items() if seconds
            },
        }  # fmt: skip

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Go on with what had been learned; of lanes that are there still."""
        for lane in self.flow.keys() & kept["lanes"].keys():
            counts, self.flow[lane], self.reach[lane], stuck = kept["lanes"][lane]
            self.stuck[lane] = set(stuck)
            for out, count in counts.items():
                if (lane, out) in self._counts:
                    self._counts[lane, out] = count
        for a, b in kept["apart"]:
            if (a, b) in self.shared:
                self.shared[a, b] = False
        yielded = kept.get("yielded", {})  # older versions did not keep it
        for lane in self.flow.keys() & yielded.keys():
            self._yielded[lane], wanted = yielded[lane]
            self.wanted[lane] = set(wanted)

    def share(self, lane: str, outs: Iterable[str]) -> dict[str, float]:
        """Return how a lane's vehicles spread over the lanes behind the signal."""
        counts = {out: self._counts[lane, out] for out in outs}
        total = sum(counts.values())
        return {out: count / total for out, count in counts.items()}

    def arrivals(self, lane: str, vehicles: Sequence[Vehicle]) -> None:
        """Learn a lane's flow: vehicles times speed over length (L. C. Edie, 1963). [1/s]"""
        if vehicles:
            self.reach[lane] = max(self.reach[lane], vehicles[-1].distance)
        far = self.reach[lane] / 2
        flow = sum(one.speed for one in vehicles if one.distance > far) / far
        self.flow[lane] += 0.03 * (flow - self.flow[lane])

    def apart(self, seen: Seen) -> None:
        """Learn which lanes of a road do not share the queue behind them.

        Two vehicles side by side, further up than the lanes begin, are on two lanes.
        """
        for pair in [pair for pair in self.shared if self.shared[pair]]:
            one, two = (
                [v.distance for v in seen.lanes.get(lane, ()) if v.distance > self._length[lane]]
                for lane in pair
            )
            if any(abs(a - b) < BESIDE_M for a in one for b in two):
                self.shared[pair] = False

    def outcome(
        self,
        phase: int,
        expected: Mapping[str, float],
        passed: Mapping[str, int],
    ) -> None:
        """Learn from what came of a step.

        Args:
            phase: that was shown.
            expected: by lane, vehicles that the model let leave.
            passed: by road behind the signal, vehicles that came: on it they change lanes.
        """
        for key in self._counts:
            self._counts[key] *= KEPT
        for road, weights in self._sources(phase, expected).items():
            total = sum(weights.values())
            for (lane, out), weight in weights.items():
                part = passed.get(road, 0) * weight / total
                self._counts[lane, out] += part

    def _sources(
        self, phase: int, expected: Mapping[str, float]
    ) -> dict[str, dict[tuple[str, str], float]]:
        """Return, by road behind the signal, over which ways how many were expected."""
        found: dict[str, dict[tuple[str, str], float]] = {}
        for one in self._approaches:
            outs = {move.out for move in one.moves if greens(move, phase)}
            if outs and expected.get(one.lane, 0.0) > 0:
                for out, share in self.share(one.lane, outs).items():
                    ways = found.setdefault(road_of(out), {})
                    ways[one.lane, out] = expected[one.lane] * share
        return found

    def yielding(self, one: Approach, seen: Seen, step_s: float) -> None:
        """Learn that the first vehicle of a lane yields for too long: it needs protected green.

        Maybe it stands in the junction already, out of sight, and who comes behind cannot pass it.
        """
        lane, vehicles = one.lane, seen.lanes.get(one.lane, ())
        if not vehicles or vehicles[0].wait < step_s or vehicles[0].distance > BEHIND_M:
            self._yielded[lane] = 0.0
            self.wanted[lane].clear()
            return
        green = [move for move in one.moves if greens(move, seen.phase)]
        yields = {move.out for move in green if move.letters[seen.phase] == "g"}
        if not yields or len(green) < len(one.moves) or self.wanted[lane]:
            return
        if all(_is_free(move.out, seen) for move in green):
            self._yielded[lane] += min(step_s, seen.elapsed_s)
        protected = {move.out for move in one.moves if "G" in move.letters} & yields
        if protected and self._yielded[lane] >= YIELDED_S:
            self.wanted[lane] |= protected
            for out in protected:
                self._counts[lane, out] += FIRST / len(protected)

    def is_no_help(self, one: Approach, phase: int) -> bool:
        """Return whether the first vehicle of a lane wants another way than a phase protects."""
        wanted = self.wanted[one.lane]
        return bool(wanted) and not any(
            move.out in wanted and move.letters[phase] == "G" for move in one.moves
        )

    def first(self, one: Approach, seen: Seen, step_s: float) -> None:
        """Learn from the first vehicle of a lane where it wants to go, or not.

        One that stands though its lane has green wants a way that has none.
        """
        lane, stuck = one.lane, self.stuck[one.lane]
        vehicles = seen.lanes.get(lane, ())
        outs = {move.out for move in one.moves}
        green = {move.out for move in one.moves if greens(move, seen.phase)}
        sure = {m.out for m in one.moves if m.letters[seen.phase] == "G" and _is_free(m.out, seen)}
        if not vehicles or vehicles[0].wait < 1 or vehicles[0].distance > LINE_M:
            stuck.clear()
            return
        if vehicles[0].wait < step_s:
            stuck.clear()
        stood_s = min(vehicles[0].wait, seen.elapsed_s)
        if stood_s >= STARTED_S and green and green != outs and green == sure and sure - stuck:
            stuck |= green
            if stuck >= outs:  # something else holds it
                stuck.clear()
                return
            for out in outs - green:
                self._counts[lane, out] += FIRST / len(outs - green)
            for out in green:
                self._counts[lane, out] *= 0.8


def _is_free(out: str, seen: Seen) -> bool:
    """Return whether nobody stands in the first metres of a lane behind the signal."""
    return not any(one.speed < 1.0 and one.distance < FREE_M for one in seen.out.get(out, ()))


def passed(vehicles: Sequence[Vehicle], seconds: float) -> int:
    """Return how many on a lane behind a signal came in the last seconds."""
    return sum(since_s(one) <= seconds for one in vehicles)


def since_s(vehicle: Vehicle) -> float:
    """Return about how long ago a vehicle passed the stop line. [s]"""
    if vehicle.speed < 1.0:
        return float("inf") if vehicle.wait > 1 else vehicle.distance / 5.0
    gaining = min(vehicle.distance, vehicle.speed**2 / (2 * ACCELERATION))
    return gaining / (vehicle.speed / 2) * 0.8 + (vehicle.distance - gaining) / vehicle.speed
