"""Tables turned into attribute instances as a mapping says, a column at a time.

The same mappings as :mod:`madang.sense.files.rows`, for years of rows: numbers are converted by
whole columns, everything else once for each different content. What carries no ``observedAt``
(names, places) becomes an instance where it differs from the row of the entity before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from madang.model.time import parse
from madang.sense.files import notation
from madang.sense.files.entities import Failure
from madang.sense.files.location import BadCell
from madang.sense.files.mapping import (
    ROW,
    Attribute,
    EntityPart,
    Mapping,
    MappingError,
    Reading,
    placeholders,
)
from madang.sense.files.moments import moments
from madang.sense.files.rows import RowError, RowMapper

if TYPE_CHECKING:
    import polars as pl

_MEMBERS = ("value", "object", "languageMap", "vocab", "json", "valueList")
_TEXTS = ("Property", "Relationship", "VocabProperty")


class ColumnMapper:
    """Makes instances of tables; what is wrong with rows is told and they are left out."""

    def __init__(self, mapping: Mapping, failed: Callable[[Failure], None]) -> None:
        """Take the mapping, and who is told of rows that cannot be read.

        Raises:
            MappingError: the mapping does not say when rows were observed.
        """
        if mapping.observed is None:
            raise MappingError(
                "history needs times: the mapping has no [observed], which says when rows were"
                " measured"
            )
        self.skipped = 0
        self._mapping = mapping
        self._failed = failed
        self._bad: set[int] = set()
        self._nulls = ["", *mapping.read.null]
        self._number = mapping.read.number
        self._parts = [
            (part, _alone(mapping, part, observed=True), _alone(mapping, part, observed=False))
            for part in mapping.entity
        ]

    def instances(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the instances of a table that has its row numbers in the column ``#``."""
        import polars as pl

        texts = [name for name, kind in table.schema.items() if kind == pl.String]
        frame = table.with_columns(pl.col(name).str.strip_chars() for name in texts).with_columns(
            pl.when(pl.col(name).is_in(self._nulls)).then(None).otherwise(pl.col(name)).alias(name)
            for name in texts
        )
        found = []
        for part, moving, still in self._parts:
            found += [piece for piece in self._part(frame, part, moving, still) if piece.height]
        if not found:
            return pl.DataFrame()
        whole = pl.concat(found, how="diagonal")
        # A row with one bad cell makes nothing, whichever of its entities the cell is of.
        good = whole.filter(~pl.col(ROW).is_in(sorted(self._bad))) if self._bad else whole
        self._bad.clear()
        return good.drop(ROW)

    def _fail(self, failure: Failure) -> None:
        self._bad.add(failure.row)
        self._failed(failure)

    def _part(
        self, frame: pl.DataFrame, part: EntityPart, moving: Mapping, still: Mapping
    ) -> Iterator[pl.DataFrame]:
        """Yield the instances of one kind of entity that rows make."""
        import polars as pl

        attributes = {n: a for n, a in moving.entity[0].attributes.items() if n != _WHEN}
        numeric = {n: a for n, a in attributes.items() if _is_number(a)}
        others = {n: a for n, a in attributes.items() if n not in numeric}
        numbers = sorted({a.column for a in numeric.values() if a.column is not None})
        rows = self._based(frame, moving)
        for place, (name, spec) in enumerate(others.items()):
            rows = self._joined(rows, _only(moving, {name: spec}), f"#{place}", orjson.dumps)
        rows = rows.with_columns(
            _number(pl.col(column), frame.schema[column], self._mapping.read).alias(f"#={column}")
            for column in numbers
        )
        good = self._without_bad(rows, numbers)
        types = part.type if isinstance(part.type, str) else " ".join(part.type)
        keys = [
            pl.col(ROW),
            pl.col("#id").alias("entity"),
            pl.lit(types).alias("type"),
            pl.col("#time").alias("time"),
            pl.lit("Property").alias("kind"),
            pl.lit(True).alias("observed"),
        ]
        for name, spec in numeric.items():
            value = pl.col(f"#={spec.column}")
            if spec.is_scaled:
                value = (value * spec.scale + spec.offset).round_sig_figs(12)
            yield good.select(
                *keys,
                pl.lit(name).alias("attribute"),
                value.alias("number"),
                pl.lit(spec.unit, pl.String).alias("unit"),
            ).drop_nulls("number")
        for place in range(len(others)):
            yield _told(good, types, f"#{place}", observed=True)
        yield self._still(good, still, types)

    def _based(self, frame: pl.DataFrame, moving: Mapping) -> pl.DataFrame:
        """Return the rows that are not skipped, with id and time."""
        import polars as pl

        part = moving.entity[0]
        named = moving.model_copy(
            update={
                "observed": None,
                "skip": [],
                "entity": [part.model_copy(update={"attributes": {}, "skip": []})],
            }
        )
        timed = _only(moving, {_WHEN: Attribute(value=True, observed=True)})
        timed = timed.model_copy(update={"observed": moving.observed})
        skipping = _only(moving, {}).model_copy(update={"skip": [*moving.skip, *part.skip]})
        rows = frame
        if skipping.skip:
            rows = self._joined(rows, skipping, "#kept", lambda entity: entity["id"])
            kept = rows.filter(pl.col("#kept").is_not_null())
            self.skipped += rows.height - kept.height
            rows = kept.drop("#kept")
        rows = self._joined(rows, named, "#id", lambda entity: entity["id"])
        rows = self._timed(rows, timed)
        return rows.filter(pl.col("#id").is_not_null() & pl.col("#time").is_not_null())

    def _timed(self, rows: pl.DataFrame, timed: Mapping) -> pl.DataFrame:
        """Return rows with their times: all at once, and one by one what that cannot read."""
        import polars as pl

        assert timed.observed is not None
        if timed.observed.columns is None:
            value = RowMapper(timed).entities({})[0][_WHEN]["observedAt"]
            return rows.with_columns(pl.lit(parse(value)).cast(pl.Datetime("us")).alias("#time"))
        found = moments(rows, timed.observed)
        if found is None:
            return self._timed_singly(rows, timed)
        quick = rows.with_columns(found.cast(pl.Datetime("us")).alias("#time"))
        if not found.null_count():
            return quick
        slow = self._timed_singly(quick.filter(pl.col("#time").is_null()).drop("#time"), timed)
        return pl.concat([quick.drop_nulls("#time"), slow]).sort(ROW)

    def _timed_singly(self, rows: pl.DataFrame, timed: Mapping) -> pl.DataFrame:
        import polars as pl

        rows = self._joined(rows, timed, "#time", lambda entity: entity[_WHEN]["observedAt"])
        times = rows["#time"].unique().drop_nulls()
        instants = pl.DataFrame(
            {"#time": times, "#at": pl.Series([parse(one) for one in times], dtype=pl.Int64)}
        )
        rows = rows.join(instants, on="#time", how="left", maintain_order="left")
        return rows.with_columns(pl.col("#at").cast(pl.Datetime("us")).alias("#time")).drop("#at")

    def _joined(
        self,
        frame: pl.DataFrame,
        mapping: Mapping,
        name: str,
        take: Callable[[dict[str, Any]], str | bytes],
    ) -> pl.DataFrame:
        """Return rows with a column of what a mapping makes of them, made once a content.

        Rows that it cannot read are told and left out.
        """
        import polars as pl

        mapper = RowMapper(mapping)
        keys = sorted(_columns(mapping)) or [ROW]
        different = frame.select(keys).unique(maintain_order=True)
        made: list[str | None] = []
        wrong: list[str | None] = []
        for row in different.iter_rows(named=True):
            text, problem = _made(mapper, row, take)
            made.append(text)
            wrong.append(problem)
        known = different.with_columns(
            pl.Series(name, made, pl.String), pl.Series("#bad", wrong, pl.String)
        )
        whole = frame.join(known, on=keys, how="left", nulls_equal=True, maintain_order="left")
        if any(wrong):
            bad = whole.filter(pl.col("#bad").is_not_null()).select(ROW, "#bad")
            for number, text in bad.iter_rows():
                for column, reason in orjson.loads(text):
                    self._fail(Failure(number, column, reason))
        return whole.filter(pl.col("#bad").is_null()).drop("#bad")

    def _without_bad(self, frame: pl.DataFrame, numbers: list[str]) -> pl.DataFrame:
        """Tell of cells that are no numbers, and return the rows without any."""
        import polars as pl

        is_bad = [pl.col(name).is_not_null() & pl.col(f"#={name}").is_null() for name in numbers]
        if not is_bad:
            return frame
        wrong = frame.filter(pl.any_horizontal(is_bad))
        if not wrong.height:
            return frame
        mended = [row for row in wrong.iter_rows(named=True) if self._mends(row, numbers)]
        good = frame.filter(~pl.any_horizontal(is_bad))
        return good.vstack(pl.DataFrame(mended, schema=frame.schema)).sort(ROW) if mended else good

    def _mends(self, row: dict[str, Any], numbers: list[str]) -> bool:
        """Read the numbers that Polars could not; tell of those that are none."""
        is_good = True
        for name in numbers:
            if row[name] is None or row[f"#={name}"] is not None:
                continue
            try:
                row[f"#={name}"] = float(self._number(row[name]))
            except ValueError as error:
                self._fail(Failure(row[ROW], name, str(error)))
                is_good = False
        return is_good

    def _still(self, frame: pl.DataFrame, still: Mapping, types: str) -> pl.DataFrame:
        """Return names, places and the like, where they differ from the row before."""
        import polars as pl

        if still.location is None and not still.entity[0].attributes:
            return pl.DataFrame()
        timeless = still.model_copy(update={"observed": None, "skip": []})
        names = sorted(_columns(timeless) - {ROW})
        needed = sorted(_columns(still) - {ROW})
        rows = _changes(frame.select(ROW, "#id", "#time", *needed), names)
        mapper = RowMapper(still)
        texts = []
        for row in rows.iter_rows(named=True):
            try:
                found = mapper.entities(row)
            except (RowError, BadCell) as error:
                self._fail(Failure(row[ROW], "", str(error)))
                found = []
            texts.append(orjson.dumps(found[0]).decode() if found else None)
        told = rows.with_columns(pl.Series("#still", texts, pl.String))
        return _told(told, types, "#still", observed=False)


_WHEN = "urn:madang:when"
"""An attribute of no city, by which the time of a row is read."""


def _alone(mapping: Mapping, part: EntityPart, *, observed: bool) -> Mapping:
    """Return the mapping of one entity with only what carries the row's time, or only the rest."""
    shared = {} if observed else {"location": mapping.location}
    own = {**mapping.attributes, **part.attributes}
    kept = {n: a for n, a in own.items() if _is_observed(a) == observed}
    if observed:
        kept[_WHEN] = Attribute(value=True, observed=True)
    return mapping.model_copy(
        update={
            "attributes": {},
            "location": shared.get("location"),
            "entity": [part.model_copy(update={"attributes": kept})],
        }
    )


def _is_observed(spec: Attribute) -> bool:
    """Tell whether an attribute carries the row's ``observedAt``."""
    return spec.observed is True or (spec.observed is not False and spec.value is None)


def _is_number(spec: Attribute) -> bool:
    is_number = spec.resolved_kind == "number" and not spec.words
    return spec.type == "Property" and spec.column is not None and is_number


def _only(mapping: Mapping, attributes: dict[str, Attribute]) -> Mapping:
    """Return a mapping of these attributes of an entity that is always the same."""
    part = EntityPart(id="urn:madang:row", type="Row", attributes=attributes)
    return mapping.model_copy(
        update={"observed": None, "skip": [], "attributes": {}, "location": None, "entity": [part]}
    )


def _made(
    mapper: RowMapper, row: dict[str, Any], take: Callable[[dict[str, Any]], str | bytes]
) -> tuple[str | None, str | None]:
    """Return what a mapper makes of a row, or its problems as JSON."""
    try:
        found = mapper.entities(row)
    except RowError as error:
        return None, orjson.dumps([list(one) for one in error.problems]).decode()
    text = take(found[0]) if found else None
    return text.decode() if isinstance(text, bytes) else text, None


def _columns(mapping: Mapping) -> set[str]:
    """Return the columns that a mapping of one entity reads."""
    part = mapping.entity[0]
    return mapping.columns() | ({ROW} if ROW in placeholders(part.id) else set())


def _number(column: pl.Expr, kind: Any, reading: Reading) -> pl.Expr:
    import polars as pl

    if kind == pl.String and (reading.decimal, reading.thousands) != (".", ""):
        column = column.map_batches(
            lambda cells: notation.plainly(cells, reading.decimal, reading.thousands), pl.String
        )
    value = column.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value) if kind == pl.String else value.fill_nan(None)


def _told(frame: pl.DataFrame, types: str, column: str, *, observed: bool) -> pl.DataFrame:
    """Return the instances that the JSON of entities in a column holds."""
    import polars as pl

    told = frame.select(
        ROW, pl.col("#id").alias("entity"), pl.col("#time").alias("time"), column
    ).drop_nulls(column)
    found = [{column: text, **one} for text in told[column].unique() for one in _instances(text)]
    schema: dict[str, Any] = {
        column: pl.String, "attribute": pl.String, "kind": pl.String,
        "number": pl.Float64, "text": pl.String, "json": pl.String, "unit": pl.String,
        "longitude": pl.Float64, "latitude": pl.Float64,
    }  # fmt: skip
    made = pl.DataFrame(found, schema=schema, orient="row")
    whole = told.join(made, on=column, how="inner", maintain_order="left").drop(column)
    return whole.with_columns(pl.lit(types).alias("type"), pl.lit(observed).alias("observed"))


def _changes(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return the rows that differ in some columns from the row of their entity before."""
    import polars as pl

    if frame.select("#id", *names).n_unique() == frame["#id"].n_unique():
        earliest = frame.filter(pl.col("#time") == pl.col("#time").min().over("#id"))
        return earliest.unique("#id", keep="first", maintain_order=True)
    ordered = frame.sort("#id", "#time", maintain_order=True)
    differs = [pl.col(n).ne_missing(pl.col(n).shift(1).over("#id")) for n in names]
    first = pl.col("#id") != pl.col("#id").shift(1)
    return ordered.filter(pl.any_horizontal(first.fill_null(True), *differs))


def _instances(text: str) -> Iterator[dict[str, Any]]:
    for name, attribute in orjson.loads(text).items():
        if name in ("id", "type") or not isinstance(attribute, dict):
            continue
        value = next((attribute[member] for member in _MEMBERS if member in attribute), None)
        row: dict[str, Any] = {"attribute": name, "kind": attribute["type"]}
        if isinstance(value, str) and attribute["type"] in _TEXTS:
            row["text"] = value
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            row["number"] = float(value)
        else:
            row["json"] = orjson.dumps(value).decode()
        if isinstance(value, dict) and value.get("type") == "Point":
            row["longitude"], row["latitude"] = value["coordinates"][:2]
        yield row | {"unit": attribute.get("unitCode")}
