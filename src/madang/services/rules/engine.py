"""Rules at work: told of values and places in their order and of time, they say what begins, ends.

All that the engine knows lies in one JSON value: what it does is a function of that, of what it is
told and when, and of nothing else. So the live city, a replayed day and a trial over a month go the
same way, and a restart goes on where it was. A rule keeps something of an entity only while there
is something to remember: that its condition holds, when it was last heard of, the end of its curve.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple

import orjson

from madang.services.city import VALUE_MEMBERS
from madang.services.quality import has_failed
from madang.services.rules.made import Index, Made, Told, compare
from madang.services.rules.rule import DOES, Rule
from madang.services.rules.time import NEVER

MOST: Final = 50_000  # entities that one rule remembers something of
MOST_MET: Final = 200_000  # entities that are known to be known
SHOWN: Final = 20  # last firings that are kept of each rule
_EFFECTS: Final = (*DOES, "title", "on")
_PAIR, _SILENCE = 0, 1

State = dict[str, Any]


class Firing(NamedTuple):
    """A rule begins to hold, for an entity or for a set of them (``about`` is empty), or ends."""

    rule: str
    about: str
    at: int
    value: Any
    """Of the attribute; by how much it changed; how many it holds for; when it was last heard."""
    ended: bool


class Engine:
    """Rules over one state.

    Args:
        rules: by name.
        zone: time zone of hours and days.
    """

    def __init__(self, rules: Mapping[str, Rule], zone: str) -> None:
        working = sorted((name, rule) for name, rule in rules.items() if rule.on)
        self.made = [Made(n, name, rule, zone) for n, (name, rule) in enumerate(working)]
        self.prints = {name: _fingerprint(rule) for name, rule in working}
        self.by_name = {one.name: one for one in self.made}
        self.index = Index(self.made)
        self.firings: list[Firing] = []
        """What began and ended; who acts on it empties the list."""
        self._state: State = {}
        self._kept: list[State] = []  # of each rule
        self._heap: list[tuple[int, int, int, str]] = []
        self._next: dict[tuple[int, int, str], int] = {}
        self._met: set[tuple[str, str]] = set()

    # --- state --------------------------------------------------------------------------------

    def has(self, state: State) -> bool:
        """Tell whether it works on this state already."""
        return self._state is state

    def take(self, state: State) -> list[tuple[str, str]]:
        """Work on a state; return what was on of rules that are gone or look at something else."""
        kept: dict[str, State] = state.setdefault("rules", {})
        state.setdefault("at", 0)
        gone = [name for name, one in kept.items() if self.prints.get(name) != one["of"]]
        over = [
            (name, key)
            for name in sorted(gone)
            for key, pair in sorted(kept.pop(name)["on"].items())
            if pair[1]
        ]
        self._state = state
        self._met.clear()
        self._kept = [
            kept.setdefault(
                one.name,
                {"of": self.prints[one.name], "on": {}, "seen": {}, "inside": {}, "last": {},
                 "past": {}, "two": {}, "members": {}, "true": 0, "count": 0, "fired": []},
            )
            for one in self.made
        ]  # fmt: skip
        for made in self.made:
            if made.is_level and made.is_plain and not made.ids:
                levels = self.index.told[made.type][made.attribute].levels
                for key in self.kept(made)["on"]:
                    levels.hold(key, made)
        self._schedule_all()
        return over

    def kept(self, made: Made) -> State:
        """Return what is kept of a rule."""
        return self._kept[made.number]

    # --- what it is told ----------------------------------------------------------------------

    def wake(self, now: int) -> None:
        """Do all that is due up to an instant. [us since 1970]"""
        while self.due <= now:
            due, number, kind, key = heappop(self._heap)
            del self._next[number, kind, key]
            (self._silence if kind == _SILENCE else self._again)(self.made[number], key, due)
        self._state["at"] = max(self._state["at"], now)

    @property
    def due(self) -> int:
        """When something is next due. [us since 1970]"""
        heap, planned = self._heap, self._next
        while heap and planned.get(heap[0][1:]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def put(self, types: Iterable[str], id: str, document: Mapping[str, Any], now: int) -> None:
        """Take the attributes that were put."""
        for type in types:
            told = self.index.told.get(type)
            if told is None:
                continue
            for name, attribute in document.items():
                found = told.get(name)
                if found is None:
                    continue
                if has_failed(attribute):
                    self._alive(found, id, now)
                else:
                    self._told(found, id, value_of(attribute), now)

    def _told(self, told: Told, id: str, value: Any, now: int) -> None:
        kept = self._kept
        for made in told.by(id, value):
            made.signal(self, made, kept[made.number], id, value, now)
        for made in told.others.get(id, ()):
            kept[made.number]["other"] = value
            for one in list(kept[made.number]["two"]):
                compare(self, made, kept[made.number], one, now)
        for made in told.pairs:
            if id in kept[made.number]["two"]:
                kept[made.number]["two"][id][1] = value
                compare(self, made, kept[made.number], id, now)

    def _alive(self, told: Told, id: str, now: int) -> None:
        """Take a value that failed its quality tests: it says only that something was heard."""
        for made in told.by(id, None):
            if made.condition == "silent":
                self.heard(made, id, now)

    def curious(self, types: Iterable[str], id: str) -> bool:
        """Tell whether some rule must know more of an entity than the change says."""
        return any(type in self.index.curious and (type, id) not in self._met for type in types)

    def meet(self, types: Iterable[str], id: str, document: Mapping[str, Any], now: int) -> None:
        """Get to know an entity as it is: where, and what was known of it before."""
        place = value_of(document.get("location"))
        if len(self._met) > MOST_MET:
            self._met.clear()
        for type in types:
            self._met.add((type, id))
            for made in self.index.curious.get(type, ()):
                if made.concerns(id) and self._is_new(made, id):
                    if made.other is not None and _lacks(self._kept[made.number]["two"], id):
                        names = (made.attribute, made.other.attribute)
                        known = (document.get(name) for name in names)
                        values = [None if has_failed(one) else value_of(one) for one in known]
                        self._kept[made.number]["two"][id] = values
                    if made.has_place:
                        self.moved(made, id, made.is_inside(place), now)

    def located(self, types: Iterable[str], id: str, place: Any, now: int) -> None:
        """Take where an entity is now."""
        for type in types:
            for made in self.index.curious.get(type, ()):
                if made.has_place and made.concerns(id):
                    self.moved(made, id, made.is_inside(place), now)

    def moved(self, made: Made, id: str, inside: bool, now: int) -> None:
        """Take whether an entity is in the place of a rule."""
        kept = self._kept[made.number]
        there = kept["inside"]
        if (id in there) == inside or not self.fits(there, id, kept):
            return
        if inside:
            there[id] = 1
        else:
            del there[id]
        self._join(made, kept, id, now)

    def gone(self, types: Iterable[str], id: str, now: int) -> None:
        """Forget an entity."""
        for type in types:
            for made in self.index.of_type.get(type, ()):
                kept = self._kept[made.number]
                if made.together is None:
                    self._truth(made, kept, id, False, None, now)
                elif id in kept["members"]:
                    kept["true"] -= kept["members"].pop(id)
                    self._count(made, kept, now)
                for name in ("seen", "inside", "last", "past", "two"):
                    kept[name].pop(id, None)
            self._met.discard((type, id))
            for told in self.index.told.get(type, {}).values():
                told.levels.forget(id)

    def seed(self, made: Made, ids: Iterable[str], now: int) -> None:
        """Count entities as heard of now, if they have not been heard of; see ``silent``."""
        for id in ids:
            kept = self._kept[made.number]
            if made.concerns(id) and id not in kept["last"] and self.fits(kept["last"], id, kept):
                kept["last"][id] = now
                self._plan(made, _SILENCE, id, now + made.silent)

    # --- signals ------------------------------------------------------------------------------

    def latch(self, made: Made, id: str, on: bool | None, value: Any, now: int) -> None:
        """Take whether the values of an entity meet a condition; None is as before."""
        kept = self._kept[made.number]
        if made.is_plain:
            if on is not None:
                self._truth(made, kept, id, on, value, now)
            return
        seen = kept["seen"]
        known = seen.get(id)
        if known is None and not made.counts_all and not on:
            return  # what does not hold is remembered only where all must
        if known is not None and (on is None or on == known[0]):
            return
        if not self.fits(seen, id, kept):
            return
        if on or made.counts_all:
            seen[id] = [bool(on), value]
        else:
            del seen[id]
        self._join(made, kept, id, now)

    def heard(self, made: Made, id: str, now: int) -> None:
        """Take that an entity was heard of."""
        kept = self._kept[made.number]
        if not self.fits(kept["last"], id, kept):
            return
        kept["last"][id] = now
        self.latch(made, id, False, None, now)
        if (made.number, _SILENCE, id) not in self._next:
            self._plan(made, _SILENCE, id, now + made.silent)

    def _silence(self, made: Made, id: str, due: int) -> None:
        last = self._kept[made.number]["last"].get(id)
        if last is None:
            return
        if last + made.silent <= due:
            self.latch(made, id, True, last, due)
        else:
            self._plan(made, _SILENCE, id, last + made.silent)

    def _is_new(self, made: Made, id: str) -> bool:
        kept = self._kept[made.number]
        return made.has_place or (made.other is not None and _lacks(kept["two"], id))

    @staticmethod
    def fits(held: Mapping[str, Any], id: str, kept: State) -> bool:
        """Tell whether one more entity can be remembered; that one could not is remembered."""
        if id in held or len(held) < MOST:
            return True
        kept["full"] = True
        return False

    # --- from conditions to firings -----------------------------------------------------------

    def _join(self, made: Made, kept: State, id: str, now: int) -> None:
        """Put value, place and the others of a set together."""
        is_known = id in kept["seen"] or not made.condition
        on, value = kept["seen"].get(id, (not made.condition, None))
        here = not made.has_place or id in kept["inside"]
        if made.together is None:
            self._truth(made, kept, id, on and here, value, now)
            return
        members = kept["members"]
        before = members.pop(id, 0)
        if here and (on or (made.counts_all and is_known)):
            members[id] = int(on)
        kept["true"] += int(on and here) - before
        self._count(made, kept, now)

    def _count(self, made: Made, kept: State, now: int) -> None:
        """Fire if it holds for enough of a set."""
        holds = kept["true"] >= made.wanted(kept["members"])
        self._truth(made, kept, "", holds, kept["true"], now)

    def _truth(self, made: Made, kept: State, key: str, holds: bool, value: Any, now: int) -> None:
        pair = kept["on"].get(key)
        if not holds:
            if pair is not None:
                del kept["on"][key]
                self._next.pop((made.number, _PAIR, key), None)
                if pair[1]:
                    self._fire(made, kept, key, pair[2], now, True)
        elif pair is None and self.fits(kept["on"], key, kept):
            is_open = made.windows is None or made.windows.is_open(now)
            pair = kept["on"][key] = [now if is_open else None, 0, value]
            self._look(made, kept, key, pair, now)

    def _again(self, made: Made, key: str, due: int) -> None:
        """Look again at what holds: for long enough, or no longer within the hours."""
        kept = self._kept[made.number]
        pair = kept["on"][key]
        if made.windows is not None:
            is_open = made.windows.is_open(due)
            if is_open and pair[0] is None:
                pair[0] = due
            elif not is_open and pair[0] is not None:
                was_fired, pair[0], pair[1] = pair[1], None, 0
                if was_fired:
                    self._fire(made, kept, key, pair[2], due, True)
        self._look(made, kept, key, pair, due)

    def _look(self, made: Made, kept: State, key: str, pair: list[Any], now: int) -> None:
        """Fire if it is time, and plan when to look again."""
        due = NEVER
        if pair[0] is not None and not pair[1]:
            due = pair[0] + made.lasts
            if due <= now:
                pair[1], due = 1, NEVER
                self._fire(made, kept, key, pair[2], now, False)
        if made.windows is not None:
            due = min(due, made.windows.edge(now))
        if due < NEVER:
            self._plan(made, _PAIR, key, due)

    def _fire(self, made: Made, kept: State, key: str, value: Any, at: int, ended: bool) -> None:
        self.firings.append(Firing(made.name, key, at, value, ended))
        last: list[list[Any]] = kept["fired"]
        if not ended:
            kept["count"] += 1
            last.append([at, key, value, None])
            del last[:-SHOWN]
            return
        for one in reversed(last):
            if one[1] == key and one[3] is None:
                one[3] = at
                return

    # --- time ---------------------------------------------------------------------------------

    def _plan(self, made: Made, kind: int, key: str, due: int) -> None:
        self._next[made.number, kind, key] = due
        heappush(self._heap, (due, made.number, kind, key))
        if len(self._heap) > 2 * len(self._next) + 1_000:  # most are of plans that were dropped
            self._heap = [(at, *who) for who, at in self._next.items()]
            heapify(self._heap)

    def _schedule_all(self) -> None:
        self._heap, self._next = [], {}
        for made, kept in zip(self.made, self._kept, strict=True):
            for key, (since, fired, _) in kept["on"].items():
                if made.windows is not None:  # of which the hours may be others now
                    self._plan(made, _PAIR, key, self._state["at"])
                elif not fired:
                    self._plan(made, _PAIR, key, since + made.lasts)
            for id, last in kept["last"].items():
                self._plan(made, _SILENCE, id, last + made.silent)


def _fingerprint(rule: Rule) -> str:
    """Return what changes with what a rule looks at, and not with what it does."""
    body = rule.model_dump(mode="json", exclude=set(_EFFECTS))
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]


def _lacks(held: Mapping[str, Any], id: str) -> bool:
    return id not in held and len(held) < MOST


def value_of(attribute: Any) -> Any:
    """Return the value of an attribute of a document, that of its first instance."""
    if attribute.__class__ is list and attribute:
        attribute = attribute[0]
    if attribute.__class__ is not dict:
        return None
    if "value" in attribute:
        return attribute["value"]
    return next((attribute[member] for member in VALUE_MEMBERS if member in attribute), None)
