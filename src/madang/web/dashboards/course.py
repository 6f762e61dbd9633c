"""How values of many entities went over time, from aggregates of history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from madang.lake.questions import Period as Length
from madang.lake.questions import Series
from madang.query.tree import HasType, Query, Selector
from madang.web.dashboards.tiles import Of, Period, condition

if TYPE_CHECKING:
    import polars

    from madang.hub.tenant import Tenant
    from madang.lake.protocol import Readable
    from madang.trust.view import View

SECOND: Final = 1_000_000  # [us]
SPANS: Final[dict[Period, tuple[int, int]]] = {
    "hour": (3_600, 60),
    "day": (86_400, 900),
    "week": (7 * 86_400, 7_200),
    "month": (30 * 86_400, 21_600),
}
"""Of each period, its length and that of its steps. [s]"""


class Asked(NamedTuple):
    """A course that is wanted."""

    type: str
    q: str
    attribute: str
    of: Of
    period: Period


class Point(NamedTuple):
    at: int
    """Start of the step. [s since 1970]"""
    value: float


Course = list[Point]


async def course(tenant: Tenant | View, asked: Asked, now: int) -> Course:
    """Return one course of all entities together.

    Args:
        tenant: as the reader sees it.
        asked: what is wanted.
        now: where it ends. [us since 1970]
    """
    found = await courses(tenant, asked, now, None)
    return found.get("", [])


async def courses(
    tenant: Tenant | View, asked: Asked, now: int, groups: Mapping[str, str] | None
) -> dict[str, Course]:
    """Return a course of each group; of all together, under the empty name, without groups.

    Args:
        tenant: as the reader sees it.
        asked: what is wanted.
        now: where they end. [us since 1970]
        groups: the group of each entity by its id; those without one are left out.
    """
    if not tenant.history.is_open:
        return {}
    wanted = _series(asked, now)
    return await tenant.history.read(lambda lake: _read(lake, wanted, asked, groups))


async def course_of(
    tenant: Tenant | View, id: str, attributes: tuple[str, ...], now: int
) -> dict[str, Course]:
    """Return how attributes of one entity went over the last day, by their names."""
    if not tenant.history.is_open:
        return {}
    length, step = SPANS["day"]
    wanted = Series(
        attributes=attributes,
        query=Query((Selector(ids=(id,)),)),
        start=(now // SECOND - length) // step * step * SECOND,
        end=now // SECOND * SECOND,
        every=Length(microseconds=step * SECOND),
    )
    frame = await tenant.history.read(lambda lake: lake.frame(wanted))
    times = frame["time"].dt.epoch("s").to_list() if not frame.is_empty() else []
    return {
        name: [
            Point(at, float(value))
            for at, value in zip(times, frame[name].to_list(), strict=True)
            if isinstance(value, int | float)
        ]
        for name in attributes
        if times
    }


def _series(asked: Asked, now: int) -> Series:
    length, step = SPANS[asked.period]
    end = now // SECOND
    start = (end - length) // step * step
    return Series(
        attributes=(asked.attribute,),
        query=Query((Selector(types=HasType(asked.type)),), q=condition(asked.q)),
        start=start * SECOND,
        end=end * SECOND,
        every=Length(microseconds=step * SECOND),
        # A sum needs of each entity what it said last; who is silent for a step has not gone.
        fill="previous" if asked.of == "sum" else "none",
    )


def _read(
    lake: Readable, wanted: Series, asked: Asked, groups: Mapping[str, str] | None
) -> dict[str, Course]:
    """Ask the lake, in its thread: the mean of each entity in each step, then what they come to."""
    import polars

    frame = lake.frame(wanted)
    (name,) = wanted.attributes
    if frame.is_empty():
        return {}
    numbers = frame.select(
        polars.col("entity"),
        polars.col("time").dt.epoch("s").alias("at"),
        polars.col(name).cast(polars.Float64, strict=False).alias("value"),
    ).drop_nulls("value")
    if groups is None:
        numbers = numbers.with_columns(polars.lit("").alias("group"))
    else:
        known = {"entity": list(groups), "group": list(groups.values())}
        numbers = numbers.join(polars.DataFrame(known), on="entity")
    found: dict[str, Course] = {}
    for group, at, number in (
        numbers.group_by("group", "at").agg(_method(asked.of)).sort("group", "at").iter_rows()
    ):
        found.setdefault(group, []).append(Point(int(at), float(number)))
    return found


def _method(of: Of) -> polars.Expr:
    import polars

    column = polars.col("value")
    methods = {
        "avg": column.mean, "median": column.median, "min": column.min, "max": column.max,
        "sum": column.sum, "count": column.count,
    }  # fmt: skip
    return methods[of]()
