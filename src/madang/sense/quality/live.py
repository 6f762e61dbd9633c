"""Judges values as they come, each against the few before it that are worth remembering.

The tests follow the IOOS QARTOD manuals (gross range, rate of change, spike, flat line, gap), with
what arrival and place tell besides. ``docs/explanation/data-quality.md`` says what each one does;
:mod:`madang.sense.quality.batch` gives the same flags to whole series.

- Tests of the value itself (range, rate, spike, stuck, type) can make it suspect or fail. Tests of
  time and place (gap, duplicate, late, clockSkew, placeMoved) make it suspect: the value may be
  right, but not of this moment or place.
- A value is compared with values that came before it and were measured before it, and that did not
  themselves fail for their range or type. After a gap a series begins anew.
- A value that none of its own tests looked at is ``notEvaluated``, not ``good``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from math import asin, cos, isfinite, radians, sin, sqrt
from typing import Any, Final, NamedTuple

from madang.model import time
from madang.model.attributes import NULL
from madang.model.entity import Attribute, path_of
from madang.sense.message import Reading
from madang.sense.quality.limits import ANY, QUALITY, REASON, Flag, Limits, Why

RANKS: Final[tuple[Flag, ...]] = ("notEvaluated", "good", "suspect", "fail")
"""Flags from the one that says least to the worst; the rank of a flag is its place here."""

NOT_EVALUATED: Final = 0
GOOD: Final = 1
SUSPECT: Final = 2
FAIL: Final = 3

MOST_SERIES: Final = 1_000_000
"""Series that are remembered; beyond, the entities that were heard longest ago are forgotten."""

EARTH: Final = 6_371_008.8
"""Mean radius of the earth. [m]"""

_KINDS: Final = frozenset(("Property", "GeoProperty"))

Place = tuple[float, float]
"""Longitude and latitude. [degree]"""


class Judgement(NamedTuple):
    rank: int
    reasons: tuple[Why, ...]


_FLAGS: Final = tuple({"type": "Property", "value": flag} for flag in RANKS)
"""The sub-attribute of each rank. One for all values: what is in documents is never changed."""

_PASSED: Final = (Judgement(NOT_EVALUATED, ()), Judgement(GOOD, ()))


class _Series:
    """What is remembered of one attribute of one entity. Times in microseconds since 1970."""

    __slots__ = (
        "anchor", "before", "judged", "latest", "numeric", "since", "time", "value", "when",
    )  # fmt: skip

    def __init__(self) -> None:
        self.numeric = False  # whether numbers have been seen
        self.time: int | None = None  # of the newest value
        self.latest: object = None  # the newest value
        self.judged: Judgement | None = None  # what was said of it
        self.value: float | None = None  # the newest number that can be compared with
        self.when = 0  # its time
        self.before: float | None = None  # the one before it
        self.anchor: Any = None  # first number of those that are equal; or the place
        self.since = 0  # when they began to be equal


class Inspector:
    """Judges the values of one tenant, on its event loop."""

    def __init__(self) -> None:
        self._entities: OrderedDict[str, dict[str, _Series]] = OrderedDict()
        self._held = 0

    def knows(self, entity_id: str) -> bool:
        """Return whether anything is remembered of an entity."""
        return entity_id in self._entities

    def judge(self, reading: Reading, received: int) -> Reading:
        """Return a reading whose values carry their flags, and remember the values.

        An attribute that brings a flag of its own, from an edge node, keeps the worse of the two.

        Args:
            received: when the message arrived. [us since 1970]
        """
        entity = reading.entity
        id = entity.get("id")
        if type(id) is not str:
            return reading  # the hub refuses it
        known = self._of(id)
        limits = reading.limits
        judged: dict[str, Any] = {}
        for name, member in entity.items():
            if type(member) is dict:
                of_it = limits.get(name, ANY)
                judged[name] = self._attribute(known, name, member, of_it, received)
            elif type(member) is list:
                of_it = limits.get(name, ANY)
                judged[name] = [
                    self._attribute(known, name, one, of_it, received) if type(one) is dict else one
                    for one in member
                ]
            else:
                judged[name] = member
        self._make_room()
        return Reading(judged, limits, reading.device, reading.provider)

    def learn(self, entity_id: str, document: Mapping[str, Any]) -> None:
        """Remember an entity's current state, as after a restart, or its place after a removal.

        Args:
            document: the entity in normalized form, as it is in the hub.
        """
        known = self._of(entity_id)
        for name, member in document.items():
            for one in member if type(member) is list else (member,):
                if type(one) is dict and one.get("type") in _KINDS:
                    self._learn(self._series(known, path_of(name, one)), one)
        self._make_room()

    def forget(self, entity_id: str) -> None:
        """Forget an entity of which values were judged that were not written."""
        self._held -= len(self._entities.pop(entity_id, ()))

    def _of(self, entity_id: str) -> dict[str, _Series]:
        known = self._entities.get(entity_id)
        if known is None:
            known = self._entities[entity_id] = {}
        else:
            self._entities.move_to_end(entity_id)
        return known

    def _series(self, known: dict[str, _Series], path: str) -> _Series:
        series = known.get(path)
        if series is None:
            series = known[path] = _Series()
            self._held += 1
        return series

    def _make_room(self) -> None:
        while self._held > MOST_SERIES and len(self._entities) > 1:
            _, forgotten = self._entities.popitem(last=False)
            self._held -= len(forgotten)

    def _attribute(
        self,
        known: dict[str, _Series],
        name: str,
        attribute: Attribute,
        limits: Limits,
        received: int,
    ) -> Attribute:
        """Return an attribute with its flag; as it is, if it holds no value that has one."""
        value = attribute.get("value")
        if value is None or value == NULL:
            return attribute
        kind = attribute.get("type") or _kind(value)
        if kind != "Property" and kind != "GeoProperty":
            return attribute
        observed = attribute.get("observedAt")
        try:
            moment = received if observed is None else time.parse(observed)
        except (ValueError, TypeError):
            return attribute  # the hub refuses it
        path = path_of(name, attribute) if "datasetId" in attribute else name
        series = self._series(known, path)
        content = _content(kind, value)
        verdict = _judge(series, content, moment, received, limits)
        return _marked(attribute, verdict)

    def _learn(self, series: _Series, attribute: Attribute) -> None:
        value, observed = attribute.get("value"), attribute.get("observedAt")
        judged = told(attribute) or _PASSED[NOT_EVALUATED]
        content = _content(attribute["type"], value)
        series.numeric = type(content) is float or "type" in judged.reasons
        if type(content) is tuple and "placeMoved" not in judged.reasons:
            series.anchor = content
        if observed is None or "clockSkew" in judged.reasons:
            return
        series.time, series.latest, series.judged = time.parse(observed), content, judged
        failed = judged.rank == FAIL and "range" in judged.reasons
        if type(content) is float and not failed:
            _follow(series, content, series.time, 0.0)


# --- the tests ----------------------------------------------------------------------------------


def _judge(
    series: _Series, content: object, moment: int, received: int, limits: Limits
) -> Judgement:
    """Judge one value, and remember it if it is the newest."""
    delay = (received - moment) / 1e6
    if delay < -limits.skew_s:
        return _alone(series, content, limits, ("clockSkew",))
    late: tuple[Why, ...] = ()
    if limits.late_s is not None and delay > limits.late_s:
        late = ("late",)
    newest = series.time
    if newest is None or moment > newest:
        return _newest(series, content, moment, limits, late)
    if moment < newest:
        return _alone(series, content, limits, late)
    if content == series.latest and series.judged is not None:
        return series.judged  # it was sent twice
    return _alone(series, content, limits, ("duplicate", *late))


def _alone(series: _Series, content: object, limits: Limits, doubts: tuple[Why, ...]) -> Judgement:
    """Judge a value that can be compared with none."""
    if type(content) is float:
        rank = range_of(content, limits)
        reasons: tuple[Why, ...] = ("range", *doubts) if rank > GOOD else doubts
        return Judgement(max(rank, SUSPECT if doubts else rank), reasons)
    if type(content) is tuple:
        return _place(series, content, limits, doubts)
    if series.numeric or is_numeric(limits):
        return Judgement(FAIL, (*doubts, "type"))
    return Judgement(SUSPECT if doubts else NOT_EVALUATED, doubts)


def _newest(
    series: _Series, content: object, moment: int, limits: Limits, doubts: tuple[Why, ...]
) -> Judgement:
    """Judge a value that is newer than all before, and remember it."""
    gap = limits.gap_s
    if gap is not None and series.time is not None and (moment - series.time) / 1e6 > gap:
        doubts = ("gap", *doubts)
        series.value = series.before = None
    if type(content) is float:
        verdict = _number_judged(series, content, moment, limits, doubts)
        series.numeric = True
    else:
        verdict = _alone(series, content, limits, doubts)
    series.time = moment
    series.latest = content
    series.judged = verdict
    return verdict


def _number_judged(
    series: _Series, value: float, moment: int, limits: Limits, doubts: tuple[Why, ...]
) -> Judgement:
    rank = range_of(value, limits)
    if rank == FAIL:
        return Judgement(FAIL, ("range", *doubts))
    reasons: tuple[Why, ...] = ("range",) if rank == SUSPECT else ()
    last = series.value
    if limits.rate_per_s is not None:
        rank = rank or GOOD
        elapsed = (moment - series.when) / 1e6
        if last is not None and abs(value - last) > limits.rate_per_s * elapsed:
            rank, reasons = SUSPECT, (*reasons, "rate")
    if limits.spike is not None:
        rank = rank or GOOD
        if last is not None and series.before is not None:
            distance = min(abs(value - last), abs(value - series.before))
            if distance > limits.spike:
                rank = FAIL if distance > 2 * limits.spike else max(rank, SUSPECT)
                reasons = (*reasons, "spike")
    _follow(series, value, moment, limits.stuck_tolerance)
    if limits.stuck_s is not None:
        rank = rank or GOOD
        equal = (moment - series.since) / 1e6
        if equal >= limits.stuck_s:
            rank = FAIL if equal >= 3 * limits.stuck_s else max(rank, SUSPECT)
            reasons = (*reasons, "stuck")
    if doubts:
        return Judgement(max(rank, SUSPECT), (*reasons, *doubts))
    return Judgement(rank, reasons) if reasons else _PASSED[rank]


def _follow(series: _Series, value: float, moment: int, tolerance: float) -> None:
    """Remember a number that the next ones are compared with."""
    if series.value is None or abs(value - series.anchor) > tolerance:
        series.anchor, series.since = value, moment
    series.before, series.value, series.when = series.value, value, moment


def range_of(value: float, limits: Limits) -> int:
    """Return the rank that the range test gives, NOT_EVALUATED if there is no range."""
    low, high = limits.fail_below, limits.fail_above
    if (low is not None and value < low) or (high is not None and value > high):
        return FAIL
    lower, upper = limits.suspect_below, limits.suspect_above
    if (lower is not None and value < lower) or (upper is not None and value > upper):
        return SUSPECT
    has_range = not (low is None and high is None and lower is None and upper is None)
    return GOOD if has_range else NOT_EVALUATED


def is_numeric(limits: Limits) -> bool:
    """Return whether limits are those of numbers."""
    return not (
        limits.fail_below is None
        and limits.fail_above is None
        and limits.suspect_below is None
        and limits.suspect_above is None
        and limits.rate_per_s is None
        and limits.spike is None
        and limits.stuck_s is None
    )


def _place(series: _Series, place: Place, limits: Limits, doubts: tuple[Why, ...]) -> Judgement:
    """Compare a place with the registered one: what was learnt, or the first that was heard."""
    rank = NOT_EVALUATED if limits.moved_m is None else GOOD
    if series.anchor is None:
        series.anchor = place
    elif limits.moved_m is not None and distance(place, series.anchor) > limits.moved_m:
        doubts = (*doubts, "placeMoved")
    return Judgement(SUSPECT, doubts) if doubts else _PASSED[rank]


def distance(one: Place, other: Place) -> float:
    """Return the distance of two places on a sphere, by the haversine formula. [m]

    Source: R. W. Sinnott, Virtues of the Haversine, Sky and Telescope 68 (1984) 159.

    >>> round(distance((126.978, 37.5665), (126.978, 37.5675)), 1)
    111.2
    """
    east, north = radians(other[0] - one[0]) / 2, radians(other[1] - one[1]) / 2
    half = sin(north) ** 2 + cos(radians(one[1])) * cos(radians(other[1])) * sin(east) ** 2
    return 2 * EARTH * asin(min(1.0, sqrt(half)))


# --- reading and marking ------------------------------------------------------------------------


def _kind(value: object) -> str:
    """Return what a concise attribute is (clause 4.5.21): it leaves its type out."""
    return "GeoProperty" if type(value) is dict and "coordinates" in value else "Property"


def _content(kind: str, value: object) -> object:
    """Return what a value is compared by: a float, a :data:`Place`, text or its hash."""
    if type(value) is float or type(value) is int:
        return _number(value)
    if type(value) is str:  # of a long text it is enough to know whether it has changed
        return value if len(value) <= 100 else hash(value)
    return (kind == "GeoProperty" and place_of(value)) or hash(repr(value))


def _number(value: float) -> float | None:
    """Return a number that can be computed with; None for infinity and what is not a number."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def place_of(geometry: object) -> Place | None:
    """Return the place of a GeoJSON Point; None for other geometries."""
    if isinstance(geometry, dict) and geometry.get("type") == "Point":
        match geometry.get("coordinates"):
            case [int() | float() as east, int() | float() as north, *_]:
                x, y = _number(east), _number(north)
                return None if x is None or y is None else (x, y)
    return None


def told(attribute: Attribute) -> Judgement | None:
    """Return the judgement that an attribute brings with it."""
    flag = attribute.get(QUALITY)
    rank = _value(flag)
    if rank not in RANKS:
        return None
    given = _value(attribute.get(REASON))
    reasons: Iterable[Any] = given if isinstance(given, list) else (given,) if given else ()
    return Judgement(RANKS.index(rank), tuple(reasons))


def _value(attribute: object) -> Any:
    return attribute.get("value") if isinstance(attribute, dict) else None


def _marked(attribute: Attribute, verdict: Judgement) -> Attribute:
    rank, reasons = verdict
    if QUALITY in attribute and (own := told(attribute)) is not None:
        rank = max(rank, own.rank)
        reasons = (*own.reasons, *(one for one in reasons if one not in own.reasons))
    marked = {**attribute, QUALITY: _FLAGS[rank]}
    if reasons:
        marked[REASON] = {"type": "Property", "value": list(reasons)}
    return marked
