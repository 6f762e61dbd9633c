"""Fixed-time programmes of signals, written into a network: what shows when nobody decides.

Each axis of a junction has a phase for straight on and right, and one for left turns where they
have lanes of their own. Pedestrians cross beside the straight phase: they step on for
:data:`WALK_S` and the last has a second a metre (general walking speed of the traffic signal
manual of the Korean National Police Agency). Between phases come 3 s of yellow and 2 s of all-red.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import quoteattr

from madang.services.signals.signal import GREEN, is_green
from madang.twin.network import net as files
from madang.twin.network.net import Attributes, Net
from madang.twin.network.scenario import put
from madang.twin.network.signals import foes_of, yields_of

YELLOW_S, ALL_RED_S = 3.0, 2.0
CYCLE_S: Final = 100.0
WALK_S: Final = 5.0
PACE: Final = 1.0
"""Of the last pedestrian. [m/s]"""
WIDEST_M: Final = 25.0
"""That people cross at once; wider streets have refuges."""
LEFT_S: Final = 10.0
"""Green of a phase for left turns."""
SHORTEST_S: Final = 5.0
LONGEST_S: Final = 60.0
_LOGIC: Final = re.compile(r"[ \t]*<tlLogic\b.*?</tlLogic>\r?\n", re.DOTALL)


class Green(NamedTuple):
    """A green phase of a programme."""

    state: str
    walk_s: float
    clear_s: float
    is_left: bool

    @property
    def least_s(self) -> float:
        return max(SHORTEST_S, self.walk_s + self.clear_s)


@dataclass(frozen=True, slots=True)
class _Link:
    index: int
    start: str
    end: str
    lane: str
    turn: str


def write(path: Path, offsets: Mapping[str, float]) -> None:
    """Replace the programmes in a network file by ones of our own.

    Args:
        path: the network.
        offsets: by signal, when its cycle begins. [s]
    """
    net = files.read(path)
    made = {}
    for id, greens in sorted(greens_of(net).items()):
        own = {"id": id, "type": "static", "programID": "0", "offset": f"{offsets.get(id, 0.0):g}"}
        made[id] = own, _steps(greens)
    _replace(path, made)


def mend(path: Path) -> None:
    """Mend the programmes that netconvert has made, in a network file.

    Of two protected greens that meet, one yields; every green is as long as pedestrians beside
    it need.
    """
    net = files.read(path)
    width, yields, foes = _widths(net), yields_of(net), foes_of(net)
    links = _links(net)
    made = {}
    for id, (own, steps) in net.programmes.items():
        if id in links:
            mended = [
                _mended(step, list(links[id].values()), width, foes.get(id, ()), yields.get(id, ()))
                if is_green(step["state"])
                else step
                for step in steps
            ]
            made[id] = own, mended
    _replace(path, made)


def _mended(
    step: Attributes,
    links: Sequence[_Link],
    width: Mapping[str, float],
    foes: Sequence[frozenset[int]],
    yields: Sequence[frozenset[int]],
) -> Attributes:
    state = settled(step["state"], foes, yields)
    opened = {link.start for link in links if link.turn == "s" and state[link.index] in GREEN}
    closed = {link.start for link in links} - {
        link.start for link in links if state[link.index] in GREEN
    }
    green = _green(state, [width[edge] for edge in closed] if opened else [], not opened)
    seconds = max(float(step["duration"]), green.least_s)
    return {"duration": f"{seconds:g}", "state": state} | _needs(green)


def _replace(path: Path, made: Mapping[str, tuple[Attributes, Sequence[Attributes]]]) -> None:
    """Put programmes in the place of all that a network file has."""
    text = path.read_text("utf-8")
    first = _LOGIC.search(text)
    if first is None:
        return
    rows = []
    for own, steps in made.values():
        phases = "".join(f"        <phase{_written(step)}/>\n" for step in steps)
        rows.append(f"    <tlLogic{_written(own)}>\n{phases}    </tlLogic>\n")
    put(path, [text[: first.start()], *rows, _LOGIC.sub("", text[first.start() :])])


def _written(attributes: Attributes) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())


def greens_of(net: Net) -> dict[str, list[Green]]:
    """Return the green phases of every signal, the busiest axis first."""
    links = _links(net)
    foes, yields = foes_of(net), yields_of(net)
    width = _widths(net)
    rank = {own["id"]: int(own.get("priority", 0)) for own, _, _ in net.edges}
    ends = {own["id"]: (own["from"], own["to"]) for own, _, _ in net.edges}
    found = {}
    for id, rows in links.items():
        axes = sorted(_axes(rows.values(), ends), key=lambda axis: (-_rank(axis, rank), axis))
        greens = [
            green
            for axis in axes
            for green in _greens(axis, list(rows.values()), axes, width, max(rows) + 1)
        ]
        found[id] = [
            green._replace(state=settled(green.state, foes.get(id, ()), yields.get(id, ())))
            for green in greens
        ]
    return found


def _links(net: Net) -> dict[str, dict[int, _Link]]:
    found: dict[str, dict[int, _Link]] = {}
    for one in net.connections:
        if "tl" in one:
            index, lane = int(one["linkIndex"]), f"{one['from']}_{one['fromLane']}"
            found.setdefault(one["tl"], {})[index] = _Link(
                index, one["from"], one["to"], lane, one["dir"]
            )
    return found


def _rank(axis: Sequence[str], rank: Mapping[str, int]) -> int:
    return max(rank[edge] for edge in axis)


def _widths(net: Net) -> dict[str, float]:
    """Return how wide the street of each edge is, its other direction with it. [m]"""
    own_width = {
        (own["from"], own["to"]): sum(float(lane.get("width", 3.2)) for lane in lanes)
        for own, lanes, _ in net.edges
    }
    return {
        own["id"]: own_width[own["from"], own["to"]] + own_width.get((own["to"], own["from"]), 0.0)
        for own, _, _ in net.edges
    }


def _axes(links: Iterable[_Link], ends: Mapping[str, tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the edges before a signal, those that face one another together."""
    rows = list(links)
    approaches = sorted({link.start for link in rows})
    facing = {
        link.start: other
        for link in rows
        if link.turn == "s"
        for other in approaches
        if ends[other] == ends[link.end][::-1]
    }
    axes = {tuple(sorted({edge, facing.get(edge, edge)})) for edge in approaches}
    return [axis for axis in axes if not any(set(axis) < set(other) for other in axes)]


def _greens(
    axis: Sequence[str],
    links: Sequence[_Link],
    axes: Sequence[Sequence[str]],
    width: Mapping[str, float],
    count: int,
) -> list[Green]:
    own = [link for link in links if link.start in axis]
    lefts = {link.lane for link in own if link.turn in "lLt"}
    others = {link.lane for link in own if link.turn not in "lLt"}
    protected = len(axis) > 1 and bool(lefts) and not lefts & others
    letters = {"s": "G", "r": "g", "R": "g"}
    through, left = ["r"] * count, ["r"] * count
    for link in own:
        is_left = link.turn in "lLt"
        if is_left and protected:
            left[link.index] = "G"
        else:
            through[link.index] = "g" if is_left and len(axis) > 1 else letters.get(link.turn, "G")
    crossed = [width[edge] for other in axes if other != axis for edge in other]
    greens = [_green("".join(through), crossed, False)]
    return [*greens, _green("".join(left), (), True)] if protected else greens


def _green(state: str, crossed: Iterable[float], is_left: bool) -> Green:
    """Return a phase beside which people cross streets of these widths. [m]"""
    clear = round(min(max(crossed, default=0.0), WIDEST_M) / PACE, 1)
    return Green(state, WALK_S if clear else 0.0, clear, is_left)


def settled(state: str, foes: Sequence[frozenset[int]], yields: Sequence[frozenset[int]]) -> str:
    """Return a state in which of two protected greens that meet, one yields.

    >>> settled("GG", (frozenset({1}), frozenset({0})), (frozenset(), frozenset({0})))
    'Gg'
    """
    letters = list(state)
    for link, others in enumerate(foes):
        for other in others:
            if letters[link] == letters[other] == "G":
                gives_way = link if other in yields[link] else other
                letters[gives_way] = "g"
    return "".join(letters)


def durations(greens: Sequence[Green]) -> list[float]:
    """Return how long each green of a cycle of :data:`CYCLE_S` is, or longer where it must be. [s]

    Left turns have :data:`LEFT_S`; of what is left, the first axis has what the others need not,
    or half.
    """
    given = [max(green.least_s, LEFT_S if green.is_left else 0.0) for green in greens]
    through = [number for number, green in enumerate(greens) if not green.is_left]
    spare = CYCLE_S - len(greens) * (YELLOW_S + ALL_RED_S) - sum(given)
    if spare > 0 and through:
        has_two = any(green.is_left for green in greens[through[-1] :])
        shares = through if has_two else through[:1]
        for number in shares:
            given[number] += spare / len(shares)
    return [round(seconds, 1) for seconds in given]


def _steps(greens: Sequence[Green]) -> list[Attributes]:
    rows = []
    for number, (green, seconds) in enumerate(zip(greens, durations(greens), strict=True)):
        following = greens[(number + 1) % len(greens)].state
        rows.append({"duration": f"{seconds:g}", "state": green.state} | _needs(green))
        if len(greens) > 1:
            for length, letter in ((YELLOW_S, "y"), (ALL_RED_S, "r")):
                state = _between(green.state, following, letter)
                rows.append({"duration": f"{length:g}", "state": state})
    return rows


def _needs(green: Green) -> Attributes:
    limits = {"minDur": f"{SHORTEST_S:g}", "maxDur": f"{LONGEST_S:g}"}
    if not green.clear_s:
        return limits
    return limits | {"name": f"walk={green.walk_s:g} clear={green.clear_s:g}"}


def _between(state: str, following: str, letter: str) -> str:
    """Return what shows after a green: what goes on keeps it, what ends has a letter."""
    return "".join(
        letter if now in GREEN and then not in GREEN else ("r" if now not in GREEN else now)
        for now, then in zip(state, following, strict=True)
    )
