"""Tries a rule on what has been: how often it would have begun to hold, when, and with what values.

The past is read in pieces of a day or a few, so that a month of thousands of sensors needs little
memory; each piece is judged in the process that computes for services. A value counts from when it
was observed, or else recorded.
"""

from __future__ import annotations

import time as clocks
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import orjson

from madang.lake.questions import Period, Series
from madang.model import time
from madang.query.tree import HasType, Query, Selector
from madang.services.city import moment
from madang.services.rules import text as rule_text
from madang.services.rules.history import Carried, Piece, play
from madang.services.rules.read import read
from madang.services.rules.rule import DOES, Rule

if TYPE_CHECKING:
    import polars as pl

    from madang.hub.feed import Record
    from madang.lake.protocol import Readable

DAY: Final = 86_400_000_000
USUAL: Final = 30 * DAY
MOST: Final = 31 * DAY
PIECE: Final = 300_000
"""Values that are wanted in a piece; a read takes as long as that of 30,000 values by itself."""
LONGEST: Final = 10 * DAY
SHOWN: Final = 1_000
"""Firings that are told one by one, the newest ones; the others are counted."""
_MOST_ENTITIES: Final = 20
"""That are told of with how often it would have fired for them."""

Compute = Callable[..., Awaitable[Any]]
Told = tuple[str, int, Any, bool]


class Trial:
    """A rule on a period of history.

    Args:
        history: as the one who asks sees it.
        compute: does what takes long, beside the event loop.
        name: of the rule.
        spec: the rule as it was written.
        zone: of its hours and days.
        since: first instant. [us since 1970]
        until: last instant. [us since 1970]
    """

    def __init__(
        self, history: Record, compute: Compute, name: str, spec: dict[str, Any], zone: str,
        since: int, until: int,
    ) -> None:  # fmt: skip
        self._history = history
        self._compute = compute
        self._name = name
        self._spec = spec
        self._rule: Rule = read({name: spec}).rules[name]
        self._zone = zone
        self._since = since
        self._until = until
        self._texts: frozenset[str] = frozenset()
        self._region: Any = None
        self._found = _Found(self._rule, zone, since, until)

    async def run(self) -> AsyncIterator[dict[str, Any]]:
        """Yield how far it is (``progress``, 0 to 1), again and again, and then the ``result``."""
        began = clocks.monotonic()
        self._texts = await self._read(self._plain_texts)
        await self._find_region()
        carried = Carried({"at": self._since}, await self._before())
        places = await self._places_before()
        other = await self._other_before()
        start, length = self._since, DAY
        while start < self._until:
            end = min(start + length, self._until)
            piece = await self._piece(start, end, places, other)
            carried, told, count = await self._compute(
                play, self._name, self._spec, self._zone, self._region, carried, piece
            )
            self._found.add(told, count, piece.values)
            places, other = None, piece.other.tail(1)
            start, length = end, _length(piece)
            yield {"progress": round((end - self._since) / (self._until - self._since), 4)}
        yield {"result": self._found.told(clocks.monotonic() - began)}

    # --- reading ------------------------------------------------------------------------------

    async def _read(self, question: Callable[[Readable], Any]) -> Any:
        return await self._history.read(question)

    def _plain_texts(self, lake: Readable) -> frozenset[str]:
        """Return the columns of which all values are texts."""
        other = self._rule.other
        names = {"a": self._rule.attribute, "b": None if other is None else other.attribute}
        forms: dict[str, set[str]] = {}
        for kind in lake.kinds():
            forms.setdefault(kind.attribute, set()).add(kind.form)
        return frozenset(
            column for column, name in names.items()
            if name is not None and forms.get(name) == {"text"}
        )  # fmt: skip

    async def _piece(
        self, start: int, end: int, places: pl.DataFrame | None, other: pl.DataFrame | None
    ) -> Piece:
        import polars as pl

        rule, last = self._rule, end == self._until
        upto = end + 1 if last else end
        values = _values({})
        if rule.attribute is not None:
            values = self._named(await self._frame(self._series(start, upto)))
        others = pl.DataFrame({"time": [], "b": []})
        if rule.other is not None and rule.other.entity is not None:
            others = (await self._frame(self._other_series(start, upto))).select(
                "time", b=rule.other.attribute
            )
            if other is not None and other.height:
                before = other.with_columns(time=_instant(start - 1))
                others = pl.concat([before, others], how="vertical_relaxed")
        where = _values({})
        if rule.area or rule.near or rule.inside:
            where = await self._frame(self._place_series(start, upto))
            where = where.select("entity", "time", place="location")
            if places is not None:
                where = pl.concat([places, where], how="vertical_relaxed")
        return Piece(start, end, values, others, where, self._texts, last)

    async def _frame(self, series: Series) -> pl.DataFrame:
        found: pl.DataFrame = await self._read(lambda lake: lake.frame(series))
        return found

    def _query(self) -> Query:
        ids = tuple(self._rule.ids)
        return Query((Selector(types=HasType(self._rule.type), ids=ids),))

    def _series(self, start: int, end: int, every: Period | None = None) -> Series:
        names = [self._rule.attribute or "location"]
        other = self._rule.other
        if other is not None and other.entity is None:
            names.append(other.attribute)
        heard = self._rule.silent is not None  # for which any value is a sign of life
        return Series(tuple(names), self._query(), start, end, every, "last", failed=heard)

    def _named(self, frame: pl.DataFrame) -> pl.DataFrame:
        other = self._rule.other
        names = {self._rule.attribute or "location": "a"}
        if other is not None and other.entity is None:
            names[other.attribute] = "b"
        return frame.rename(names)

    def _other_series(self, start: int, end: int, every: Period | None = None) -> Series:
        other = self._rule.other
        assert other is not None
        assert other.entity is not None
        query = Query((Selector(ids=(other.entity,)),))
        return Series((other.attribute,), query, start, end, every, "last", failed=False)

    def _place_series(self, start: int, end: int, every: Period | None = None) -> Series:
        return Series(("location",), self._query(), start, end, every, "last")

    # --- what was known before ----------------------------------------------------------------

    @property
    def _ever(self) -> Period:
        return Period(microseconds=self._since)

    async def _before(self) -> pl.DataFrame | None:
        """Return what a piece needs of the time before the first."""
        import polars as pl

        rule = self._rule
        if rule.silent is not None:
            month = max(self._since - MOST, 0)
            found = await self._frame(
                self._series(month, self._since, Period(microseconds=self._since - month))
            )
            ids = pl.Series("entity", sorted({*found["entity"], *rule.ids}), pl.String)
            return pl.DataFrame({"entity": ids}).with_columns(at=pl.lit(self._since))
        if rule.other is None:
            return None
        found = self._named(await self._frame(self._series(0, self._since, self._ever)))
        columns = [self._as_number(found, name) for name in ("a", "b")]
        return found.select("entity", _instant(self._since - 1).alias("time"), *columns)

    def _as_number(self, frame: pl.DataFrame, name: str) -> pl.Expr:
        import polars as pl

        if name not in frame.columns or name in self._texts:
            return pl.lit(None, pl.Float64).alias(name)
        return pl.col(name).cast(pl.Float64, strict=False)

    async def _places_before(self) -> pl.DataFrame | None:
        rule = self._rule
        if not (rule.area or rule.near or rule.inside):
            return None
        found = await self._frame(self._place_series(0, self._since, self._ever))
        return found.select("entity", _instant(self._since).alias("time"), place="location")

    async def _other_before(self) -> pl.DataFrame | None:
        rule = self._rule
        if rule.other is None or rule.other.entity is None:
            return None
        found = await self._frame(self._other_series(0, self._since, self._ever))
        return found.select("time", b=rule.other.attribute)

    async def _find_region(self) -> None:
        """Find the latest place of the entity that the rule names in ``inside``."""
        inside = self._rule.inside
        if inside is None:
            return
        ever = Period(microseconds=self._until)
        query = Query((Selector(ids=(inside.id,)),))
        found = await self._frame(Series(("location",), query, 0, self._until, ever, "last"))
        if found.height and found["location"][0] is not None:
            self._region = orjson.loads(found["location"][0])


def _length(piece: Piece) -> int:
    """Return how long the next piece should be, by how many values this one had. [us]"""
    values = max(piece.values.height, piece.places.height, 1)
    days = (piece.end - piece.start) * PIECE // values // DAY
    return min(max(days * DAY, DAY), LONGEST)


def _values(columns: dict[str, Any]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(columns, {"entity": pl.String, "time": pl.Datetime("us", "UTC")})


def _instant(instant: int) -> pl.Expr:
    import polars as pl

    return pl.lit(instant).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


# --- what came of it ----------------------------------------------------------------------------


class _Found:
    """What a trial has found so far."""

    def __init__(self, rule: Rule, zone: str, since: int, until: int) -> None:
        self._rule = rule
        self._zone = zone
        self._since = since
        self._until = until
        self._count = 0
        self._values = 0
        self._entities: set[str] = set()
        self._held = 0
        self._open: dict[str, dict[str, Any]] = {}
        self._firings: list[dict[str, Any]] = []
        self._days: Counter[str] = Counter()
        self._hours: Counter[int] = Counter()
        self._of: Counter[str] = Counter()

    def add(self, told: list[Told], count: int, values: pl.DataFrame) -> None:
        """Add what a piece has brought."""
        self._values += count
        self._entities.update(values["entity"].unique())
        for about, at, value, ended in told:
            if ended:
                self._end(about, at)
            else:
                self._begin(about, at, value)
        del self._firings[:-SHOWN]

    def _begin(self, about: str, at: int, value: Any) -> None:
        local = moment(at).astimezone(ZoneInfo(self._zone))
        self._count += 1
        self._days[f"{local:%Y-%m-%d}"] += 1
        self._hours[local.hour] += 1
        self._of[about] += 1
        firing = {
            "at": time.render(at), "entity": about or None, "value": value,
            "shown": rule_text.shown(self._rule, value, self._zone), "ended": None, "seconds": None,
        }  # fmt: skip
        self._open[about] = firing | {"since": at}
        self._firings.append(firing)

    def _end(self, about: str, at: int) -> None:
        began = self._open.pop(about, None)
        if began is None:
            return
        self._held += at - began["since"]
        for one in reversed(self._firings):
            if (one["entity"] or "") == about and one["at"] == began["at"]:
                one["ended"], one["seconds"] = time.render(at), (at - began["since"]) / 1e6
                return

    def told(self, seconds: float) -> dict[str, Any]:
        """Return it all as JSON."""
        days = (self._until - self._since) / DAY
        held = self._held + sum(self._until - one["since"] for one in self._open.values())
        about = rule_text.about(self._rule)
        return {
            "from": time.render(self._since),
            "to": time.render(self._until),
            "timeZone": self._zone,
            "about": {"en": about.en, "ko": about.ko},
            "does": [name for name in DOES if getattr(self._rule, name) is not None],
            "entities": len(self._entities),
            "values": self._values,
            "fired": self._count,
            "aDay": round(self._count / days, 3) if days else 0,
            "stillOn": len(self._open),
            "meanSeconds": round(held / self._count / 1e6, 3) if self._count else None,
            "perDay": [{"day": day, "fired": self._days[day]} for day in self._all_days()],
            "perHour": [self._hours[hour] for hour in range(24)],
            "most": [
                {"entity": id or None, "fired": n} for id, n in self._of.most_common(_MOST_ENTITIES)
            ],
            "firings": self._firings,
            "seconds": round(seconds, 3),
        }

    def _all_days(self) -> list[str]:
        zone = ZoneInfo(self._zone)
        first, last = (moment(one).astimezone(zone).date() for one in (self._since, self._until))
        return [str(first + timedelta(n)) for n in range((last - first).days + 1)]
