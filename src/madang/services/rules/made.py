"""Rules made ready to work: limits as numbers, spans as microseconds, and who is told of what.

Of a thousand rules on one attribute only those can change their mind whose limits lie between the
last value of an entity and the next one. So a change costs by what it changes, and not by how many
rules there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from madang.services.rules import place as rule_place
from madang.services.rules import time as rule_time
from madang.services.rules.rule import Rule
from madang.services.rules.time import Windows

if TYPE_CHECKING:
    from madang.services.rules.engine import Engine

MOST_LAST: Final = 100_000  # values that are remembered to be compared with the next
LONGEST: Final = 4_096  # points of a curve that are remembered

Signal = Callable[["Engine", "Made", dict[str, Any], str, Any, int], None]
"""Takes the engine, the rule, what is kept of it, an entity, a value and the time."""


class Made:
    """One rule, ready to work.

    Args:
        number: its place among those of the engine.
        name: of it.
        rule: as it was written.
        zone: time zone of its hours and days.
    """

    def __init__(self, number: int, name: str, rule: Rule, zone: str) -> None:
        self.number = number
        self.name = name
        self.rule = rule
        self.type = rule.type
        self.attribute = rule.attribute or ""
        self.condition = rule.condition
        self.limit = rule.limit
        self.other = rule.other
        self.ids = frozenset(rule.ids)
        self.together = rule.together
        self.counts_all = self.together == "all"
        """Whether those count, too, for which it does not hold."""
        self.lasts = 0 if rule.for_ is None else rule_time.span(rule.for_)
        self.within = 0 if rule.within is None else rule_time.span(rule.within)
        self.silent = 0 if rule.silent is None else rule_time.span(rule.silent)
        self.windows = _windows(rule, zone)
        self.region = None if rule.inside is None else rule.inside.id
        self.has_place = bool(rule.area or rule.near or rule.inside)
        self.is_plain = self.together is None and not self.has_place
        """Whether what its values say is all there is to it."""
        self.is_level = isinstance(self.limit, float) and self.condition in ("above", "below")
        self.test = judge_of(rule)
        self.signal = _signal_of(self)
        self.is_inside = rule_place.matcher(rule) if self.has_place else lambda _place: True

    def set_region(self, geometry: Any) -> None:
        """Take where the entity is that the rule names in ``inside``."""
        self.is_inside = rule_place.matcher(self.rule, geometry)

    def concerns(self, id: str) -> bool:
        """Tell whether the rule is about an entity of its type."""
        return not self.ids or id in self.ids

    def wanted(self, members: Mapping[str, int]) -> int:
        """Return for how many of a set it must hold."""
        if isinstance(self.together, int):
            return self.together
        return 1 if self.together == "any" else max(len(members), len(self.ids), 1)


def _windows(rule: Rule, zone: str) -> Windows | None:
    hours = [rule.hours] if isinstance(rule.hours, str) else rule.hours or []
    days = [rule.days] if isinstance(rule.days, str) else rule.days or []
    if not hours and not days:
        return None
    found = [day for text in days for day in rule_time.weekdays(text)]
    return Windows([rule_time.hours(text) for text in hours], found, zone)


# --- what values say ----------------------------------------------------------------------------


def is_number(value: Any) -> bool:
    """Tell whether a value is a number; true and false are none."""
    return value.__class__ is float or value.__class__ is int


def judge_of(rule: Rule) -> Callable[[Any], bool | None]:
    """Return whether a value meets a condition by itself; None is as before."""
    if isinstance(rule.above, float):
        return _above(rule.above, rule.above if rule.back is None else rule.back)
    if isinstance(rule.below, float):
        return _below(rule.below, rule.below if rule.back is None else rule.back)
    wanted = rule.limit if isinstance(rule.limit, list) else [rule.limit]
    known = [(is_bool(one), one) for one in wanted]
    is_not = rule.condition == "is_not"

    def equal(value: Any) -> bool | None:
        if value is None:
            return None
        if value.__class__ in (dict, list):
            return is_not
        return ((is_bool(value), value) in known) != is_not

    return equal


def is_bool(value: Any) -> bool:
    """Tell whether a value is true or false, which Python takes for 1 and 0."""
    return value.__class__ is bool


def _above(limit: float, back: float) -> Callable[[Any], bool | None]:
    def test(value: Any) -> bool | None:
        return True if value > limit else False if value <= back else None

    return test


def _below(limit: float, back: float) -> Callable[[Any], bool | None]:
    def test(value: Any) -> bool | None:
        return True if value < limit else False if value >= back else None

    return test


def _signal_of(made: Made) -> Signal:
    if made.condition in ("rises", "falls", "changes"):
        return _rate
    if made.condition == "silent":
        return _heard
    if made.other is not None:
        return _compared
    return _level if made.is_level else _equal


def _level(engine: Engine, made: Made, kept: dict[str, Any], id: str, value: Any, now: int) -> None:
    if is_number(value):
        engine.latch(made, id, made.test(value), value, now)


def _equal(engine: Engine, made: Made, kept: dict[str, Any], id: str, value: Any, now: int) -> None:
    engine.latch(made, id, made.test(value), value, now)


def _heard(engine: Engine, made: Made, kept: dict[str, Any], id: str, value: Any, now: int) -> None:
    engine.heard(made, id, now)


def _compared(
    engine: Engine, made: Made, kept: dict[str, Any], id: str, value: Any, now: int
) -> None:
    """Compare with the last value of the other attribute (or of the other entity)."""
    if id in kept["two"]:
        kept["two"][id][0] = value
        compare(engine, made, kept, id, now)


def compare(engine: Engine, made: Made, kept: dict[str, Any], id: str, now: int) -> None:
    """Compare the two values that are known of an entity."""
    assert made.other is not None
    one, other = kept["two"][id]
    if made.other.entity is not None:
        other = kept.get("other")
    if is_number(one) and is_number(other):
        limit = other + made.other.plus
        engine.latch(made, id, one > limit if made.condition == "above" else one < limit, one, now)


def _rate(engine: Engine, made: Made, kept: dict[str, Any], id: str, value: Any, now: int) -> None:
    """Compare with the least and the greatest value of the span that ends now."""
    if not is_number(value):
        return
    past = kept["past"]
    if id not in past and not engine.fits(past, id, kept):
        return
    low, high = past.setdefault(id, [[], []])
    by = float("-inf")
    if made.condition != "falls":
        by = max(by, value - _extreme(low, value, now, made.within, 1))
    if made.condition != "rises":
        by = max(by, _extreme(high, value, now, made.within, -1) - value)
    engine.latch(made, id, by >= made.limit, by, now)


def _extreme(curve: list[list[Any]], value: float, now: int, within: int, sign: int) -> float:
    """Add a value; return the least (sign 1) or greatest (sign -1) of the span.

    Only those are kept that can still become it: each is less (greater) than all that follow.
    """
    while curve and curve[0][0] < now - within:
        del curve[0]
    while curve and (curve[-1][1] - value) * sign >= 0:
        del curve[-1]
    curve.append([now, value])
    del curve[:-LONGEST]
    return float(curve[0][1])


# --- who is told --------------------------------------------------------------------------------


class Levels:
    """Limits of rules on one attribute, in order."""

    def __init__(self) -> None:
        self._edges: list[tuple[float, Made]] = []
        self._values: list[float] = []
        self._above: list[tuple[float, Made]] = []
        self._below: list[tuple[float, Made]] = []
        self._last: dict[str, float] = {}
        self._held: dict[str, list[Made]] = {}

    def add(self, made: Made) -> None:
        if made.rule.back is not None and made.rule.back != made.limit:
            insort(self._edges, (made.rule.back, made), key=_order)
        insort(self._edges, (made.limit, made), key=_order)
        insort(self._above if made.condition == "above" else self._below, (made.limit, made),
               key=_order)  # fmt: skip
        self._values = [value for value, _ in self._edges]

    def hold(self, id: str, made: Made) -> None:
        """Take that a rule held for an entity before the first value that comes now."""
        self._held.setdefault(id, []).append(made)

    def forget(self, id: str) -> None:
        self._last.pop(id, None)
        self._held.pop(id, None)

    def crossed(self, id: str, value: float) -> list[Made]:
        """Return the rules whose limits lie between the last value of an entity and this one."""
        last = self._last.get(id)
        if last is None:
            return self._first(id, value)
        self._last[id] = value
        low, high = (last, value) if last <= value else (value, last)
        first, end = bisect_left(self._values, low), bisect_right(self._values, high)
        return [made for _, made in self._edges[first:end]] if first != end else []

    def _first(self, id: str, value: float) -> list[Made]:
        """Return the rules that hold by the first value of an entity, or held before."""
        if len(self._last) >= MOST_LAST:
            return [made for _, made in self._edges]
        self._last[id] = value
        above = self._above[: bisect_left(self._above, value, key=_limit)]
        below = self._below[bisect_right(self._below, value, key=_limit) :]
        return [*(made for _, made in above + below), *self._held.pop(id, ())]


def _order(edge: tuple[float, Made]) -> tuple[float, int]:
    return edge[0], edge[1].number


def _limit(edge: tuple[float, Made]) -> float:
    return edge[0]


class Told:
    """The rules that look at one attribute of one type."""

    def __init__(self) -> None:
        self.levels = Levels()
        self._has_levels = False
        self._of_id: dict[str, list[Made]] = {}
        self._rest: list[Made] = []
        self.others: dict[str, list[Made]] = {}
        """By entity, the rules that compare the values of others with its."""
        self.pairs: list[Made] = []
        """Rules that compare another value of the same entity with it."""

    def add(self, made: Made) -> None:
        if made.ids:
            for id in sorted(made.ids):
                self._of_id.setdefault(id, []).append(made)
        elif made.is_level and made.is_plain:
            self._has_levels = True
            self.levels.add(made)
        else:
            self._rest.append(made)

    def by(self, id: str, value: Any) -> Sequence[Made]:
        """Return the rules that a value of an entity may mean something to."""
        found = self._rest
        if self._has_levels and is_number(value):
            crossed = self.levels.crossed(id, value)
            if crossed:
                found = found + crossed
        if self._of_id and id in self._of_id:
            found = found + self._of_id[id]
        return found


class Index:
    """The rules by what they are told of."""

    def __init__(self, rules: Iterable[Made]) -> None:
        self.told: dict[str, dict[str, Told]] = {}
        self.of_type: dict[str, list[Made]] = {}
        self.curious: dict[str, list[Made]] = {}
        """Rules that must know of an entity where it is, or another of its values."""
        self.regions: dict[str, list[Made]] = {}
        """By entity whose place is the area of rules."""
        for made in rules:
            self._add(made)

    def _add(self, made: Made) -> None:
        self.of_type.setdefault(made.type, []).append(made)
        if made.attribute:
            self._told(made.type, made.attribute).add(made)
        if made.region is not None:
            self.regions.setdefault(made.region, []).append(made)
        if made.has_place or (made.other is not None):
            self.curious.setdefault(made.type, []).append(made)
        other = made.other
        if other is None:
            return
        told = self._told(other.type or made.type, other.attribute)
        if other.entity is not None:
            told.others.setdefault(other.entity, []).append(made)
        else:
            told.pairs.append(made)

    def _told(self, type: str, attribute: str) -> Told:
        return self.told.setdefault(type, {}).setdefault(attribute, Told())
