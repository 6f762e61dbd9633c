"""What recorded values say to one rule, for whole columns at a time.

Of millions of values those are left at which the condition of an entity changes. They are what the
engine would have made of each value; hours, spans, places and sets it then judges itself, as it
does on the live city.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from madang.services.rules.engine import Engine
from madang.services.rules.made import Made, is_bool, is_number
from madang.services.rules.read import read

if TYPE_CHECKING:
    import polars as pl

_PLACE, _VALUE = 0, 1
_ROW: Final = ("at", "kind", "entity", "on", "value")


@dataclass(slots=True)
class Piece:
    """Part of a history. All frames have ``entity`` and ``time`` and are sorted by them."""

    start: int
    end: int
    values: pl.DataFrame
    """With columns ``a`` and, where attributes are compared, ``b``."""
    other: pl.DataFrame
    """``time`` and ``b`` of the entity that others are compared with."""
    places: pl.DataFrame
    """``place`` as GeoJSON text."""
    texts: frozenset[str]
    """Columns that hold plain texts, and not JSON."""
    is_last: bool


@dataclass(slots=True)
class Carried:
    """What goes from one piece to the next."""

    state: dict[str, Any]
    """Of the engine."""
    before: pl.DataFrame | None = None
    """Rows that the next piece needs."""


def play(
    name: str, spec: dict[str, Any], zone: str, region: Any, carried: Carried, piece: Piece
) -> tuple[Carried, list[tuple[str, int, Any, bool]], int]:
    """Play a piece of history to a rule.

    Args:
        name: of the rule.
        spec: the rule as it was written.
        zone: of its hours and days.
        region: geometry of the entity that it names in ``inside``.
        carried: from the piece before.
        piece: what comes now.

    Returns:
        What is carried on, what begins and ends (about whom, when, value, whether it ends), and the
        number of values.
    """
    import polars as pl

    engine = Engine({name: read({name: spec}).rules[name]}, zone)
    engine.take(carried.state)
    made = engine.made[0]
    if made.region is not None:
        made.set_region(region)
    found, before, count = _KINDS[_kind(made)](made, piece, carried.before)
    rows = found
    if made.has_place:
        rows = pl.concat([found, _places(made, piece.places)], how="vertical_relaxed")
    for at, kind, entity, on, value in rows.sort("at", "kind", "entity").iter_rows():
        engine.wake(at)
        if kind == _PLACE:
            engine.moved(made, entity, on, at)
        else:
            engine.latch(made, entity, on, value, at)
    engine.wake(piece.end if piece.is_last else piece.end - 1)
    told = [(one.about, one.at, one.value, one.ended) for one in engine.firings]
    return Carried(carried.state, before), told, count


# --- what values say ----------------------------------------------------------------------------

Found = tuple["pl.DataFrame", "pl.DataFrame | None", int]


def _kind(made: Made) -> str:
    if not made.condition:
        return "place"
    if made.other is not None:
        return "compared"
    if made.condition in ("rises", "falls", "changes"):
        return "rate"
    if made.condition == "silent":
        return "silent"
    return "level" if made.is_level else "equal"


def _nothing(made: Made, piece: Piece, before: pl.DataFrame | None) -> Found:
    return _empty(), None, piece.places.height


def _level(made: Made, piece: Piece, before: pl.DataFrame | None) -> Found:
    import polars as pl

    rows = _numbers(piece.values, piece)
    limit, value = made.limit, pl.col("value")
    back = limit if made.rule.back is None else made.rule.back
    beyond = (value > limit, value <= back) if made.condition == "above" else (
        value < limit, value >= back
    )  # fmt: skip
    on = pl.when(beyond[0]).then(True).when(beyond[1]).then(False)
    return _turns(rows.with_columns(on=on)), None, rows.height


def _equal(made: Made, piece: Piece, before: pl.DataFrame | None) -> Found:
    import polars as pl

    rows = piece.values.select("entity", "time", value="a").drop_nulls("value")
    limit = made.limit if isinstance(made.limit, list) else [made.limit]
    numbers = [float(one) for one in limit if is_number(one)]
    kind = rows.schema["value"]
    value = pl.col("value")
    if kind == pl.Boolean:
        on = value.is_in([one for one in limit if is_bool(one)])
    elif kind.is_numeric():
        on = value.cast(pl.Float64).is_in(numbers)
    elif "a" in piece.texts:
        on = value.is_in([one for one in limit if isinstance(one, str)])
    else:
        texts = [orjson.dumps(one).decode() for one in limit if not is_number(one)]
        on = value.is_in(texts) | value.cast(pl.Float64, strict=False).is_in(numbers).fill_null(
            False
        )
        value = value.str.strip_chars('"')
    rows = rows.with_columns(on=on if made.condition == "is" else ~on, value=value)
    return _turns(rows), None, rows.height


def _rate(made: Made, piece: Piece, before: pl.DataFrame | None) -> Found:
    import polars as pl

    rows = _numbers(piece.values, piece)
    count = rows.height
    if before is not None:
        rows = pl.concat([before, rows]).sort("entity", "time")
    keep = rows.filter(_at("time") >= piece.end - made.within)
    spans = rows.rolling("time", period=f"{made.within}us", closed="both", group_by="entity").agg(
        low=pl.col("value").min(), high=pl.col("value").max(), now=pl.col("value").last()
    )
    up, down = pl.col("now") - pl.col("low"), pl.col("high") - pl.col("now")
    by = {"rises": up, "falls": down, "changes": pl.max_horizontal(up, down)}[made.condition]
    judged = spans.select("entity", "time", value=by).sort("entity", "time")
    judged = judged.filter(_at("time") >= piece.start)
    return _turns(judged.with_columns(on=pl.col("value") >= made.limit)), keep, count


def _compared(made: Made, piece: Piece, before: pl.DataFrame | None) -> Found:
    import polars as pl

    assert made.other is not None
    values = piece.values
    one, two = (_number(values, name, piece) for name in ("a", "b"))
    rows = values.select("entity", "time", a=one, b=two)
    if made.other.entity is not None:
        subjects = rows.select("entity")
        if before is not None:
            subjects = pl.concat([subjects, before.select("entity")])
        others = piece.other.select(
            "time", a=pl.lit(None, pl.Float64), b=_number(piece.other, "b", piece)
        )
        others = subjects.unique().join(others, how="cross").select(rows.columns)
        rows = pl.concat([rows, others])
    count = piece.values.height
    if before is not None:
        rows = pl.concat([before, rows])
    rows = rows.sort("entity", "time", maintain_order=True).with_columns(
        pl.col("a", "b").forward_fill().over("entity")
    )
    keep = rows.group_by("entity", maintain_order=True).last()
    rows = rows.filter(_at("time") >= piece.start).drop_nulls(["a", "b"])
    limit = pl.col("b") + made.other.plus
    on = pl.col("a") > limit if made.condition == "above" else pl.col("a") < limit
    return _turns(rows.select("entity", "time", value="a", on=on)), keep, count


def _silent(made: Made, piece: Piece, before: pl.DataFrame | None) -> Found:
    import polars as pl

    rows = piece.values.drop_nulls("a").select("entity", at=_at("time"))
    count = rows.height
    if before is not None:
        rows = pl.concat([before, rows])
    rows = rows.sort("entity", "at").with_columns(last=pl.col("at").shift(1).over("entity"))
    keep = rows.group_by("entity", maintain_order=True).last().select("entity", "at")
    gap = pl.col("at") - pl.col("last") >= made.silent
    end = piece.end + 1 if piece.is_last else piece.end
    fallen = pl.concat([rows.filter(gap).select("entity", value="last"),
                        keep.select("entity", value="at")])  # fmt: skip
    fallen = fallen.select(
        "entity", "value", at=pl.col("value") + made.silent, on=pl.lit(True)
    ).filter((pl.col("at") >= piece.start) & (pl.col("at") < end))
    first = pl.col("at") == pl.col("at").first().over("entity")
    heard = rows.filter((gap | first) & (pl.col("at") >= piece.start)).select(
        "entity", "at", on=pl.lit(False), value=pl.lit(None, pl.Int64)
    )
    return _told(pl.concat([fallen.select(heard.columns), heard]), _VALUE), keep, count


_KINDS: Final[dict[str, Callable[[Made, Piece, Any], Found]]] = {
    "place": _nothing,
    "level": _level,
    "equal": _equal,
    "rate": _rate,
    "compared": _compared,
    "silent": _silent,
}


def _turns(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows at which an entity's condition turns, and its first one."""
    import polars as pl

    rows = rows.with_columns(_held=pl.col("on").forward_fill().over("entity"))
    before = pl.col("_held").shift(1).over("entity")
    first = pl.int_range(pl.len()).over("entity") == 0
    turned = pl.col("on").is_not_null() & before.ne_missing(pl.col("_held"))
    return _told(rows.filter(first | turned).with_columns(at=_at("time")), _VALUE)


def _places(made: Made, rows: pl.DataFrame) -> pl.DataFrame:
    """Return where entities come into the place of a rule and leave it."""
    import polars as pl

    rows = rows.drop_nulls("place")
    there = [text for text in rows["place"].unique() if made.is_inside(_loaded(text))]
    inside = pl.col("place").is_in(there)
    return _told(rows.select("entity", at=_at("time"), on=inside, value=pl.lit(None)), _PLACE)


def _told(rows: pl.DataFrame, kind: int) -> pl.DataFrame:
    """Return rows as the engine is told of them."""
    import polars as pl

    return rows.select("at", pl.lit(kind).alias("kind"), "entity", "on", "value")


def _empty() -> pl.DataFrame:
    import polars as pl

    kinds = (pl.Int64, pl.Int32, pl.String, pl.Boolean, pl.Null)
    return pl.DataFrame(schema=dict(zip(_ROW, kinds, strict=True)))


def _numbers(frame: pl.DataFrame, piece: Piece) -> pl.DataFrame:
    return frame.select("entity", "time", value=_number(frame, "a", piece)).drop_nulls("value")


def _number(frame: pl.DataFrame, column: str, piece: Piece) -> pl.Expr:
    """Return a column as numbers; what is none is missing."""
    import polars as pl

    if column not in frame.columns:
        return pl.lit(None, pl.Float64)
    kind = frame.schema[column]
    if kind.is_numeric():
        return pl.col(column).cast(pl.Float64)
    if kind == pl.String and column not in piece.texts:
        return pl.col(column).cast(pl.Float64, strict=False)
    return pl.lit(None, pl.Float64)


def _at(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).dt.timestamp("us")


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
