"""From parameters to what they ask for: a query, a view, how to join. All frozen, and remembered.

The same query strings come thousands of times a second, so each is worked out once for an @context.
A ``Query`` body has the same members as the query string has parameters and takes the same way.
Source: ETSI GS CIM 009 clauses 5.2.23 (Query), 5.7.1, 5.7.2, 5.6.21, 6.4.3, 6.5.3, 6.23.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from madang.api import parameters as given
from madang.api.parameters import ALLOWED, Parameters, check_known
from madang.api.query_body import parameters_of
from madang.model import time
from madang.model.context import Context
from madang.model.errors import BadRequestData, InvalidRequest
from madang.model.language import ranges
from madang.model.linked import Join
from madang.model.names import check_uri, shown
from madang.model.view import PLAIN, Format, View
from madang.query import collation, geo, order, pattern, projection, q, scope, types
from madang.query.tree import Condition, Order, Query, Selector

DEEPEST_JOIN: Final = 10

_FORMATS: Final[dict[str, Format]] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}
_FORMAT_WORDS: Final = frozenset(_FORMATS)
_VIEW_WORDS: Final = _FORMAT_WORDS | {"sysAttrs"}
_SYSTEM: Final = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "expiresAt"})
_REMEMBERED: Final = 2048
"""Not more: each entry keeps an @context in memory."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What is wanted of one entity."""

    view: View = PLAIN
    types: Condition | None = None
    """The entity must be of such a type."""
    join: Join | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Which entities are wanted, and what of them."""

    query: Query
    view: View = PLAIN
    join: Join | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Purge:
    """Which entities are to be deleted, or which of their attributes."""

    query: Query
    drop: frozenset[str] = frozenset()
    """Only these attributes are deleted."""
    keep: frozenset[str] = frozenset()
    """Only these attributes are left."""
    local: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """How one or more entities are to be written."""

    types: Condition | None = None
    """The entity must be of such a type."""
    no_overwrite: bool = False
    update: bool = False
    """Upsert: add to an entity that is there, rather than replace it."""
    simplified: bool = False
    """Merge: the body is in the simplified representation."""
    observed_at: str | None = None
    """Merge: for attributes that have no ``observedAt`` of their own."""
    lang: str | None = None
    """Merge: the language of texts given for a LanguageProperty."""
    dataset: str | None = None
    """Delete attribute: the instance with this datasetId."""
    delete_all: bool = False
    """Delete attribute: all its instances."""
    local: bool = False


# --- operations ----------------------------------------------------------------------------------


@lru_cache(maxsize=_REMEMBERED)
def retrieval(query: str, context: Context, geojson: bool = False) -> Retrieval:
    """Return what the query string of Retrieve Entity asks for (clause 6.5.3.1)."""
    parameters = check_known(query, ALLOWED["retrieveEntity"])
    join = _join(parameters)
    return Retrieval(
        _view(parameters, context, join, geojson),
        types_of(parameters, context),
        join,
        given.flag(parameters, "local"),
    )


@lru_cache(maxsize=_REMEMBERED)
def search(query: str, context: Context, geojson: bool, most: int) -> Search:
    """Return what the query string of Query Entities asks for (clause 6.4.3.2).

    Args:
        query: the query string, as it came.
        context: the @context of the request.
        geojson: the answer will be GeoJSON.
        most: the largest page that is served.
    """
    return _search(check_known(query, ALLOWED["queryEntities"]), context, geojson, most)


def body_search(body: object, query: str, context: Context, geojson: bool, most: int) -> Search:
    """Return what a ``Query`` body and its query string ask for (clauses 5.2.23, 6.23.3.1)."""
    selectors, members = parameters_of(body, context)
    outside = check_known(query, ALLOWED["queryBatch"])
    return _search({**members, **outside}, context, geojson, most, selectors)


@lru_cache(maxsize=_REMEMBERED)
def purge(query: str, context: Context) -> Purge:
    """Return what the query string of Purge Entities asks for (clause 6.4.3.3)."""
    parameters = check_known(query, ALLOWED["purgeEntities"])
    asked = matched(parameters, context, None, selectors_of(parameters, context))
    drop = given.names(parameters, "drop", context.expand)
    keep = given.names(parameters, "keep", context.expand)
    if drop and keep:
        raise BadRequestData("drop and keep exclude one another; give one of them")
    return Purge(asked, frozenset(drop), frozenset(keep), given.flag(parameters, "local"))


@lru_cache(maxsize=_REMEMBERED)
def write(operation: str, query: str, context: Context) -> Write:
    """Return what the query string of an operation that writes asks for.

    Args:
        operation: its name, a key of :data:`madang.api.parameters.ALLOWED`.
        query: the query string, as it came.
        context: the @context of the request.
    """
    if not query:
        return _PLAIN_WRITE
    parameters = check_known(query, ALLOWED[operation])
    options = given.words(parameters, "options", _WRITE_WORDS.get(operation, frozenset()))
    formats = given.words(parameters, "format", _FORMAT_WORDS) or options
    lang = given.text(parameters, "lang")
    if lang is not None:
        ranges(lang)
    observed_at = given.text(parameters, "observedAt")
    if observed_at is not None:
        time.checked(observed_at, "observedAt")
    dataset = given.text(parameters, "datasetId")
    if dataset not in (None, "@none"):
        check_uri(dataset, "datasetId")
    return Write(
        types=types_of(parameters, context),
        no_overwrite="noOverwrite" in options,
        update="update" in options,
        simplified=any(_FORMATS.get(word) == "simplified" for word in formats),
        observed_at=observed_at,
        lang=lang,
        dataset=None if dataset == "@none" else dataset,
        delete_all=given.flag(parameters, "deleteAll"),
        local=given.flag(parameters, "local"),
    )


_PLAIN_WRITE: Final = Write()
_WRITE_WORDS: Final[dict[str, frozenset[str]]] = {
    "appendAttributes": frozenset({"noOverwrite"}),
    "updateBatch": frozenset({"noOverwrite"}),
    "upsertBatch": frozenset({"replace", "update"}),
    "mergeEntity": _FORMAT_WORDS,
    "mergeBatch": _FORMAT_WORDS,
}


# --- parts ---------------------------------------------------------------------------------------


def _search(
    parameters: Parameters,
    context: Context,
    geojson: bool,
    most: int,
    selectors: tuple[Selector, ...] | None = None,
) -> Search:
    join = _join(parameters)
    if selectors is None:
        selectors = selectors_of(parameters, context)
    view = _view(parameters, context, join, geojson)
    limit, offset, count = given.page(parameters, most)
    orders, tag = orders_of(parameters, context)
    query = replace(
        matched(parameters, context, join, selectors),
        order=orders,
        collation=tag,
        limit=limit,
        offset=offset,
        count=count,
    )
    return Search(query, view, join, given.flag(parameters, "local"))


def matched(
    parameters: Parameters,
    context: Context,
    join: Join | None,
    selectors: tuple[Selector, ...],
) -> Query:
    """Return the query without order and page (clause 5.7.2.4).

    Raises:
        BadRequestData: nothing is asked for by type, attribute or place, nor locally.
    """
    attributes = given.names(parameters, "attrs", context.expand)
    condition = _q(parameters, "q", context, join)
    place = geo.parse(
        parameters.get("georel"),
        parameters.get("geometry"),
        parameters.get("coordinates"),
        parameters.get("geoproperty"),
        context,
    )
    area = given.text(parameters, "scopeQ")
    _q(parameters, "csf", context, None)  # only for what has registrations, but never wrong
    given.flag(parameters, "splitEntities")
    narrow = (
        "type" in parameters
        or any(selector.types is not None for selector in selectors)
        or not _SYSTEM.issuperset(attributes)
        or (condition is not None and bool(q.attributes(condition)))
        or place is not None
        or given.flag(parameters, "local")
    )
    if not narrow:
        raise BadRequestData(
            "the query is too wide: it needs type, attrs, q or georel, or local=true for everything"
        )
    return Query(
        selectors=selectors,
        # Every entity has the system members, so naming one of them asks for nothing.
        attributes=() if _SYSTEM.intersection(attributes) else attributes,
        q=condition,
        geo=place,
        scope=None if area is None else scope.parse(area),
    )


def _q(parameters: Parameters, name: str, context: Context, join: Join | None) -> Condition | None:
    value = given.text(parameters, name)
    if value is None:
        return None
    return q.parse(
        value,
        context,
        expand_values=given.items(parameters, "expandValues"),
        json_keys=given.items(parameters, "jsonKeys"),
        max_links=0 if join is None else join.level,
    )


def types_of(parameters: Parameters, context: Context) -> Condition | None:
    """Return the condition on types that ``type`` is (clause 4.17)."""
    value = given.text(parameters, "type")
    return None if value is None else types.parse(value, context)


def selectors_of(parameters: Parameters, context: Context) -> tuple[Selector, ...]:
    """Return the one way to be selected that a query string gives (clause 4.17)."""
    ids = given.uris(parameters, "id")
    id_pattern = given.text(parameters, "idPattern")
    if id_pattern is not None:
        pattern.compiled(id_pattern)
    wanted = types_of(parameters, context)
    if parameters.get("type") == "*" and parameters.get("local") == "false":
        raise BadRequestData("type=* is answered locally only, so local must not be false")
    if not ids and id_pattern is None and wanted is None:
        return ()
    # An id takes precedence over a pattern (clause 5.2.8).
    return (Selector(wanted, ids, None if ids else id_pattern),)


def _join(parameters: Parameters) -> Join | None:
    mode = given.text(parameters, "join")
    level = given.whole(parameters, "joinLevel", 1, 1, DEEPEST_JOIN)
    contained_by = given.uris(parameters, "containedBy")
    if mode in (None, "@none"):
        return None
    if mode not in ("inline", "flat"):
        raise BadRequestData(f"join must be inline, flat or @none, not {shown(mode)}")
    return Join(mode == "flat", level, frozenset(contained_by))


def orders_of(parameters: Parameters, context: Context) -> tuple[tuple[Order, ...], str | None]:
    """Return the order of a query string or a body, and the collation (clause 4.23)."""
    if "ordering" in parameters:
        return order.from_object(parameters["ordering"], context)
    tag = given.text(parameters, "collation")
    orders: tuple[Order, ...] = ()
    if "orderBy" in parameters:
        orders = order.parse(
            parameters["orderBy"],
            context,
            coordinates=parameters.get("orderFrom"),
            geometry=parameters.get("orderGeometry"),
        )
    return orders, None if tag is None else collation.parse(tag)


def _view(parameters: Parameters, context: Context, join: Join | None, geojson: bool) -> View:
    options = given.words(parameters, "options", _VIEW_WORDS)
    formats = given.words(parameters, "format", _FORMAT_WORDS)
    if len(formats) > 1:
        raise InvalidRequest("format must be one word")
    # format wins over options (clause 6.3.7).
    words = [word for word in (*formats, *options) if word in _FORMATS]
    lang = given.text(parameters, "lang")
    if lang is not None:
        ranges(lang)
    geometry = given.text(parameters, "geometryProperty")
    if geometry is not None and not geojson:
        raise BadRequestData("geometryProperty goes with Accept: application/geo+json only")
    attributes = given.names(parameters, "attrs", context.expand)
    projections = projection.pair(
        parameters.get("pick"),
        parameters.get("omit"),
        context,
        attrs=bool(attributes),
        max_links=0 if join is None else join.level,
    )
    return View(
        format=_FORMATS[words[0]] if words else "normalized",
        sys_attrs="sysAttrs" in options,
        lang=lang,
        datasets=frozenset(given.uris(parameters, "datasetId", "@none")),
        attrs=frozenset(attributes),
        pick=projections.pick,
        omit=projections.omit,
        geometry="location" if geometry is None else context.expand(geometry),
    )
