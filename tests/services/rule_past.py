"""A recorded past in memory, as trials of rules read it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
import polars as pl

from madang.lake.questions import Kind, Series
from madang.services.rules.trial import Trial

T = TypeVar("T")
Row = tuple[int, str, str, Any]
"""When, entity, attribute, value."""

TYPE = "Sensor"


def moment(instant: int) -> datetime:
    return datetime.fromtimestamp(instant // 1_000_000, UTC).replace(
        microsecond=instant % 1_000_000
    )


class PastInMemory:
    """Values of entities of one type; the lake answers in the same form."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = sorted(rows, key=lambda row: row[:3])
        self._found_forms: dict[str, set[str]] = {}
        for _, _, name, value in self.rows:
            self._found_forms.setdefault(name, set()).add(_form(value))
        self.last = 0
        self.is_open = True

    async def read(self, question: Callable[[Any], T]) -> T:
        return question(self)

    async def newest(self) -> int:
        return self.last

    def kinds(self) -> list[Kind]:
        return [
            Kind(TYPE, name, "Property", form, None)  # type: ignore[arg-type]
            for name in sorted(self._found_forms)
            for form in sorted(self._forms(name))
        ]

    def _forms(self, name: str) -> set[str]:
        return self._found_forms.get(name, set())

    def frame(self, series: Series) -> pl.DataFrame:
        ids = {id for one in series.query.selectors for id in one.ids}
        start, end = series.start or 0, series.end or 2**62
        found: dict[tuple[str, int], dict[str, Any]] = {}
        first = bisect_left(self.rows, start, key=_when)
        last = bisect_left(self.rows, end, key=_when)
        for at, id, name, value in self.rows[first:last]:
            if name in series.attributes and (not ids or id in ids):
                key = (id, at) if series.every is None else (id, start)
                found.setdefault(key, {})[name] = value
        columns: dict[str, Any] = {
            "entity": pl.Series([id for id, _ in sorted(found)], dtype=pl.String),
            "time": pl.Series(
                [moment(at) for _, at in sorted(found)], dtype=pl.Datetime("us", "UTC")
            ),
        }
        for name in series.attributes:
            forms = self._forms(name)
            plain = len(forms) == 1 and forms != {"json"}
            values = [found[key].get(name) for key in sorted(found)]
            if not plain and forms:
                values = [None if v is None else orjson.dumps(v).decode() for v in values]
            kinds: dict[str, Any] = {
                "number": pl.Float64, "text": pl.String, "boolean": pl.Boolean,
            }  # fmt: skip
            kind = kinds[min(forms)] if plain else pl.String if forms else pl.Float64
            columns[name] = pl.Series(values, dtype=kind, strict=False)
        return pl.DataFrame(columns)


def _when(row: Row) -> int:
    return row[0]


def _form(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "json"


async def here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


async def tried(
    past: PastInMemory, spec: dict[str, Any], since: int, until: int, zone: str = "UTC"
) -> dict[str, Any]:
    """Return what a trial finds."""
    trial = Trial(past, here, "one", spec, zone, since, until)
    told = [one async for one in trial.run()]
    result: dict[str, Any] = told[-1]["result"]
    return result
