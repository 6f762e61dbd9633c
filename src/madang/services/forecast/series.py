"""Series of the city: values of an attribute of entities, at equal steps of time.

Steps in which nothing came are filled with what came at the same time a week or a day before, for a
line through a night would teach models a day that never was.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from madang.lake.questions import Period, Series
from madang.query.tree import HasType, Query, Selector
from madang.services.city import City
from madang.services.service import H, Handler, OnChange, Options, Service

if TYPE_CHECKING:
    import polars

Values = NDArray[np.float64]

MOST_KINDS = 20  # of series, in the options of a service
DAY = 86_400  # [s]
WEEK = 7 * DAY
SECOND = 1_000_000  # [us]


class SeriesService(Service):
    """A service for any series: it reads the types that its options name, and no others."""

    handler: Handler | None = None

    def on_series(self, handler: H) -> H:
        """Call the function below with the city and each change that puts a value of a series.

        It is told of values that failed their quality tests as well, and judges them itself.
        """
        self.handler = handler
        return handler

    def fitted(self, options: Options) -> Service:
        found = copy(self)
        wanted: tuple[Wanted, ...] = getattr(options, "series", ())
        found.needs = tuple(sorted({one.type for one in wanted}))
        if self.handler is not None:
            found.on_change = [
                OnChange(one.type, frozenset({one.attribute}), None, None, True, self.handler)
                for one in wanted
            ]
        return found


class Wanted(Options):
    """Which series: an attribute of all entities of a type, or of some."""

    type: str = Field(min_length=1, max_length=256, description="Type of the entities.")
    attribute: str = Field(min_length=1, max_length=256, description="The attribute, a number.")
    entities: tuple[str, ...] = Field(
        (), max_length=1000, description="Ids of the entities; none is all of the type."
    )

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.entities)) < len(self.entities):
            raise ValueError("entities names one twice; name each once")
        return self


def steps(seconds: int, step_s: int) -> int:
    """Return how many steps a time has; 0 if it is no whole number of at least two.

    >>> [steps(DAY, 900), steps(DAY, 3600), steps(DAY, 86_400), steps(WEEK, 86_400)]
    [96, 24, 0, 7]
    """
    many, rest = divmod(seconds, step_s)
    return many if many >= 2 and not rest else 0


async def read(city: City, wanted: Wanted, start: int, end: int, step_s: int) -> dict[str, Values]:
    """Return the values of each entity in the steps of a time; NaN where there are none.

    Args:
        city: whose history.
        wanted: which series.
        start: a multiple of the step. [us since 1970]
        end: likewise, not in it. [us since 1970]
        step_s: length of a step; its value is the mean of what came in it. [s]
    """
    selector = Selector(types=HasType(wanted.type), ids=wanted.entities)
    frame = await city.history(
        Series(
            (wanted.attribute,),
            Query((selector,)),
            start=start,
            end=end,
            every=Period(microseconds=step_s * SECOND),
            failed=False,
        )
    )
    if frame.is_empty() or not frame.schema[wanted.attribute].is_numeric():
        return {}
    return gridded(frame, wanted.attribute, start, end, step_s)


def gridded(
    frame: polars.DataFrame, attribute: str, start: int, end: int, step_s: int
) -> dict[str, Values]:
    """Return the column of a frame with ``entity`` and ``time`` as one array an entity."""
    import polars as pl

    count = (end - start) // (step_s * SECOND)
    place = (pl.col("time").dt.epoch("us") - start) // (step_s * SECOND)
    rows = frame.select("entity", place=place, value=pl.col(attribute).cast(pl.Float64))
    rows = rows.filter(pl.col("place").is_between(0, count - 1) & pl.col("value").is_finite())
    found: dict[str, Values] = {}
    for (entity,), part in (
        rows.sort("entity", "place").partition_by("entity", as_dict=True).items()
    ):
        values = np.full(count, np.nan)
        values[part["place"].to_numpy()] = part["value"].to_numpy()
        found[str(entity)] = values
    return found


def filled(values: Values, step_s: int) -> Values:
    """Return a series from its first value to its last, without gaps."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return values[:0]
    values = values[known[0] : known[-1] + 1].copy()
    for season in (steps(WEEK, step_s), steps(DAY, step_s)):
        for place in np.flatnonzero(np.isnan(values)) if season else ():
            if place >= season:
                values[place] = values[place - season]
    gaps = np.isnan(values)
    if gaps.any():
        at = np.arange(len(values))
        values[gaps] = np.interp(at[gaps], at[~gaps], values[~gaps])
    return values


def key(wanted: Wanted, entity: str) -> str:
    """Return what a series is called in ids: type, attribute and the end of the entity's id."""
    tail = entity.removeprefix(f"urn:ngsi-ld:{wanted.type}:")
    return f"{wanted.type}:{wanted.attribute}:{tail}"


def number(value: Any) -> float | None:
    """Return a value that is a number whose square is one too; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e150:
        return None
    return None if value != value else float(value)
