"""From parameters to what they ask of the past: which instances, of which entities, shown how.

The parts that the past shares with the present are read by :mod:`madang.api.selection`.
Source: ETSI GS CIM 009 clauses 4.5.19 (aggregation), 4.11 (temporal query), 5.2.21 (TemporalQuery),
5.2.44 (AggregationParams), 5.7.3, 5.7.4, 6.18.3, 6.19.3, 6.24.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, cast, get_args

from madang.api import parameters as given
from madang.api.parameters import ALLOWED, Parameters, check_known
from madang.api.query_body import parameters_of
from madang.api.selection import matched, orders_of, selectors_of, types_of
from madang.lake import periods
from madang.lake.questions import EVERYTHING, Method, Period, Wanted
from madang.model import time
from madang.model.context import Context
from madang.model.errors import BadRequestData, InvalidRequest
from madang.model.evolution import TimeProperty
from madang.model.language import ranges
from madang.model.names import shown
from madang.model.view import View
from madang.query import projection, temporal
from madang.query.tree import Order, Path, Query, Selector, Temporal

Shape = Literal["normalized", "temporalValues", "aggregatedValues"]

SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)
METHODS: Final[frozenset[Method]] = frozenset(get_args(Method))
FAR: Final = time.render(time.LAST)
"""The end of a window that has none."""
MOST_LAST: Final = 10**9
"""The largest ``lastN``: nothing has so many instances."""

_WINDOW: Final = ("timerel", "timeAt", "endTimeAt", "timeproperty")
_SYSTEM: Final = frozenset({"id", "type", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
_BODY: Final = {*_WINDOW, "lastN", "aggrMethods", "aggrPeriodDuration"}
_REMEMBERED: Final = 1024
"""Not more: each entry keeps an @context in memory."""


@dataclass(frozen=True, slots=True)
class History:
    """What is wanted of the past, and how it is to be shown."""

    wanted: Wanted
    view: View
    shape: Shape = "normalized"
    by: TimeProperty = "observedAt"
    """The time that stands beside a value in ``temporalValues``."""
    methods: tuple[Method, ...] = ()
    every: Period | None = None
    """Length of the periods of ``aggregatedValues``; None is the whole window."""


@lru_cache(maxsize=_REMEMBERED)
def retrieval(id: str, query: str, context: Context, most: int) -> History:
    """Return what Retrieve Temporal Evolution asks for (clause 5.7.3).

    Args:
        id: of the entity.
        query: the query string, as it came.
        context: the @context of the request.
        most: how many instances of an attribute an answer has, about.
    """
    parameters = check_known(query, ALLOWED["retrieveTemporal"])
    given.flag(parameters, "local")
    selectors = (Selector(types_of(parameters, context), (id,)),)
    return _history(parameters, context, replace(EVERYTHING, selectors=selectors), most)


@lru_cache(maxsize=_REMEMBERED)
def search(query: str, context: Context, largest: int, most: int) -> History:
    """Return what Query Temporal Evolution asks for (clause 5.7.4).

    Args:
        query: the query string, as it came.
        context: the @context of the request.
        largest: the largest page of entities that is served.
        most: how many instances of an attribute of an entity an answer has, about.
    """
    parameters = check_known(query, ALLOWED["queryTemporal"])
    selectors = selectors_of(parameters, context)
    return _history(parameters, context, _page(parameters, context, selectors, largest), most)


def body_search(body: object, query: str, context: Context, largest: int, most: int) -> History:
    """Return what a ``Query`` body and its query string ask for (clauses 5.2.23, 6.24.3.1)."""
    times = _times(body)
    rest = body
    if isinstance(body, dict):
        linked = body.keys() & {"join", "joinLevel", "containedBy"}
        if linked:
            raise BadRequestData(f"{min(linked)} has no meaning in history; leave it out")
        rest = {name: body[name] for name in body if name not in ("temporalQ", "aggrParams")}
    selectors, members = parameters_of(rest, context)
    outside = check_known(query, ALLOWED["queryTemporalBatch"])
    parameters = {**members, **times, **outside}
    return _history(parameters, context, _page(parameters, context, selectors, largest), most)


# --- parts ---------------------------------------------------------------------------------------


def _times(body: object) -> dict[str, Any]:
    """Return the members of ``temporalQ`` and ``aggrParams`` under the names of parameters."""
    found: dict[str, Any] = {}
    if isinstance(body, dict):
        for name in ("temporalQ", "aggrParams"):
            part = body.get(name, {})
            allowed = _BODY if name == "temporalQ" else {"aggrMethods", "aggrPeriodDuration"}
            if type(part) is not dict or part.keys() - allowed:
                members = ", ".join(sorted(allowed))
                raise BadRequestData(f"{name} must be an object with members among {members}")
            found |= part
    return found


def _page(
    parameters: Parameters, context: Context, selectors: tuple[Selector, ...], largest: int
) -> Query:
    orders, _ = orders_of(parameters, context)
    if any(order.path != _ID or order.distance_from is not None for order in orders):
        raise BadRequestData("history can be ordered by id only: orderBy=id or orderBy=id;desc")
    limit, offset, count = given.page(parameters, largest)
    query = matched(parameters, context, None, selectors)
    return replace(query, order=_only(orders), limit=limit, offset=offset, count=count)


def _only(orders: tuple[Order, ...]) -> tuple[Order, ...]:
    """Return the first of several orders by id, unless it is the usual one."""
    return orders[:1] if orders and orders[0].descending else ()


def _history(parameters: Parameters, context: Context, query: Query, most: int) -> History:
    view = _view(parameters, context)
    methods = _methods(parameters)
    shape = _shape(parameters, bool(methods))
    if shape == "aggregatedValues" and not methods:
        raise BadRequestData(
            "aggregatedValues needs aggrMethods, one or more of " + ", ".join(sorted(METHODS))
        )
    every = _every(parameters)
    window = _window(parameters)
    wanted = Wanted(
        query=query,
        attributes=_attributes(view),
        omitted=() if view.omit is None else tuple(sorted(view.omit.leaves - _SYSTEM)),
        datasets=_datasets(parameters),
        temporal=window,
        last_n=_last_n(parameters),
        most=None if shape == "aggregatedValues" else most,
    )
    return History(
        wanted,
        view,
        shape,
        "observedAt" if window is None else window.property,
        methods if shape == "aggregatedValues" else (),
        every,
    )


def _attributes(view: View) -> tuple[str, ...]:
    """Return the attributes to look for; none means all.

    Where members of the entity itself are asked for, it is shown whatever attributes it has.
    """
    names = view.attrs or (frozenset() if view.pick is None else view.pick.members)
    return () if _SYSTEM & names else tuple(sorted(names))


def _window(parameters: Parameters) -> Temporal | None:
    by = parameters.get("timeproperty")
    if by is not None and parameters.get("timerel") is None:
        # A time property alone says which instances are meant: those that have it (4.11).
        found = temporal.parse("before", FAR, None, by)
        return None if by == "observedAt" else found
    return temporal.parse(*map(parameters.get, _WINDOW))


def _last_n(parameters: Parameters) -> int | None:
    return given.whole(parameters, "lastN", 0, 1, MOST_LAST) or None


def _datasets(parameters: Parameters) -> tuple[str | None, ...] | None:
    found = given.uris(parameters, "datasetId", "@none")
    return tuple(None if one == "@none" else one for one in found) or None


def _methods(parameters: Parameters) -> tuple[Method, ...]:
    found = given.items(parameters, "aggrMethods")
    unknown = set(found) - METHODS
    if unknown:
        raise BadRequestData(
            f"aggrMethods has no method {shown(min(unknown))}; it has {', '.join(sorted(METHODS))}"
        )
    return cast(tuple[Method, ...], tuple(dict.fromkeys(found)))


def _every(parameters: Parameters) -> Period | None:
    text = given.text(parameters, "aggrPeriodDuration")
    if text is None:
        return None
    try:
        every = periods.parse(text)
    except BadRequestData as error:
        raise BadRequestData(f"aggrPeriodDuration is wrong: {error.detail}") from None
    return None if every == Period() else every


def _shape(parameters: Parameters, aggregating: bool) -> Shape:
    options = given.words(parameters, "options", _WORDS | {"sysAttrs"})
    formats = given.words(parameters, "format", _WORDS)
    if len(formats) > 1:
        raise InvalidRequest("format must be one word")
    # format wins over options (clause 6.3.7).
    for shape in SHAPES:
        if shape in formats:
            return shape
    for shape in SHAPES:
        if shape in options:
            return shape
    return "aggregatedValues" if aggregating else "normalized"


_WORDS: Final[frozenset[str]] = frozenset(SHAPES)
_ID: Final = Path("id")


def _view(parameters: Parameters, context: Context) -> View:
    lang = given.text(parameters, "lang")
    if lang is not None:
        ranges(lang)
    attributes = given.names(parameters, "attrs", context.expand)
    projections = projection.pair(
        parameters.get("pick"), parameters.get("omit"), context, attrs=bool(attributes)
    )
    options = parameters.get("options")
    return View(
        sys_attrs=type(options) is str and "sysAttrs" in options.split(","),
        lang=lang,
        attrs=frozenset(attributes),
        pick=projections.pick,
        omit=projections.omit,
    )
