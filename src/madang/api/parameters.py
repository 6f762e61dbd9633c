"""Query strings: which parameters an operation has, and the plain values among them.

What becomes a query or a view is built in :mod:`madang.api.selection`.
Source: ETSI GS CIM 009 clauses 6.3.10 (paging), 6.3.20 (invalid parameters), 6.4-6.15 (operations).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NoReturn
from urllib.parse import unquote_plus

from madang.model.errors import BadRequestData, InvalidRequest
from madang.model.names import check_uri, shown

Parameters = Mapping[str, Any]
"""Values by name: text from a query string, JSON values from a Query body. Not to be changed."""

FARTHEST: Final = 10**12
"""The largest offset; anything beyond has no use and no meaning to an engine."""

_SHOWN: Final = frozenset({"options", "format", "lang", "datasetId", "attrs", "pick", "omit"})
_LINKED: Final = frozenset({"join", "joinLevel", "containedBy"})
_GEO: Final = frozenset({"georel", "geometry", "coordinates", "geoproperty"})
_MATCHED: Final = (
    frozenset({"id", "idPattern", "type", "q", "scopeQ", "csf", "expandValues", "jsonKeys"}) | _GEO
)
_SPREAD: Final = frozenset({"local", "splitEntities"})
_ORDERED: Final = frozenset({"orderBy", "orderFrom", "orderGeometry", "collation"})
PAGED: Final = frozenset({"limit", "offset", "count"})
_GUARDED: Final = frozenset({"type", "local"})
_WINDOW: Final = frozenset({"timerel", "timeAt", "endTimeAt", "timeproperty", "lastN"})
_AGGREGATED: Final = frozenset({"aggrMethods", "aggrPeriodDuration"})

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "createEntity": frozenset({"local"}),
    "retrieveEntity": _SHOWN | _LINKED | _GUARDED | {"geometryProperty"},
    "replaceEntity": _GUARDED,
    "mergeEntity": _GUARDED | {"options", "format", "observedAt", "lang"},
    "deleteEntity": _GUARDED,
    "queryEntities": _SHOWN
    | _LINKED
    | _MATCHED
    | _SPREAD
    | _ORDERED
    | PAGED
    | {"geometryProperty"},
    "purgeEntities": _MATCHED | _SPREAD | {"attrs", "drop", "keep"},
    "appendAttributes": _GUARDED | {"options"},
    "updateAttributes": _GUARDED,
    "updateAttribute": _GUARDED,
    "replaceAttribute": _GUARDED,
    "deleteAttribute": _GUARDED | {"datasetId", "deleteAll"},
    "createBatch": frozenset({"local"}),
    "upsertBatch": frozenset({"local", "options"}),
    "updateBatch": frozenset({"local", "options"}),
    "mergeBatch": frozenset({"local", "options", "format", "observedAt", "lang"}),
    "deleteBatch": frozenset({"local"}),
    "queryBatch": PAGED | {"options", "format", "local", "geometryProperty"},
    "upsertTemporal": frozenset({"local"}),
    "retrieveTemporal": _SHOWN | _GUARDED | _WINDOW | _AGGREGATED,
    "queryTemporal": _SHOWN | _MATCHED | _SPREAD | _ORDERED | PAGED | _WINDOW | _AGGREGATED,
    "queryTemporalBatch": PAGED | {"options", "format", "local"},
    "deleteTemporal": frozenset({"local"}),
    "appendTemporalAttributes": frozenset({"local"}),
    "deleteTemporalAttribute": frozenset({"local", "datasetId", "deleteAll"}),
    "updateTemporalInstance": frozenset({"local"}),
    "deleteTemporalInstance": frozenset({"local"}),
    "listSubscriptions": PAGED | {"options"},
    "retrieveSubscription": frozenset({"options"}),
}
"""The parameters of every operation; those of distributed operations are accepted as well."""


@lru_cache(maxsize=4096)
def parsed(query: str) -> Parameters:
    """Return the parameters of a query string, decoded.

    Raises:
        InvalidRequest: one is given twice, or is no UTF-8.
    """
    found: dict[str, str] = {}
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name, value = _decoded(name), _decoded(value)
        if name in found:
            raise InvalidRequest(f"the parameter {shown(name)} is given twice")
        found[name] = value
    return found


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{shown(text)} in the query string is no UTF-8") from None


def check_known(query: str, allowed: frozenset[str]) -> Parameters:
    """Return the parameters of a query string, all of them among ``allowed``.

    Raises:
        InvalidRequest: the operation does not have one of them.
    """
    if not query:
        return {}
    found = parsed(query)
    unknown = found.keys() - allowed
    if unknown:
        expected = f"it has {', '.join(sorted(allowed))}" if allowed else "it has none"
        raise InvalidRequest(f"this operation has no parameter {shown(min(unknown))}; {expected}")
    return found


# --- plain values --------------------------------------------------------------------------------


def flag(parameters: Parameters, name: str, default: bool = False) -> bool:
    """Return a parameter that is ``true`` or ``false``."""
    value = parameters.get(name)
    if value is None:
        return default
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise BadRequestData(f"{name} must be true or false, not {shown(value)}")


def whole(parameters: Parameters, name: str, default: int, least: int, most: int) -> int:
    """Return a parameter that is a whole number between two bounds, both allowed."""
    value = parameters.get(name)
    if value is None:
        return default
    number = value
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 16:
        number = int(value)
    if type(number) is not int or not least <= number <= most:
        raise BadRequestData(
            f"{name} must be a whole number from {least} to {most}, not {shown(value)}"
        )
    return number


def text(parameters: Parameters, name: str) -> str | None:
    """Return a parameter that is text."""
    value = parameters.get(name)
    if value is None or type(value) is str:
        return value
    raise BadRequestData(f"{name} must be a string, not {shown(value)}")


def items(parameters: Parameters, name: str) -> tuple[str, ...]:
    """Return a parameter that is a list: comma-separated text, or an array of strings."""
    value = parameters.get(name)
    if value is None:
        return ()
    found = value.split(",") if type(value) is str else value
    if type(found) is not list or not found or not all(type(one) is str and one for one in found):
        raise BadRequestData(
            f"{name} must be a list of one or more strings that are not empty, not {shown(value)}"
        )
    return tuple(found)


def uris(parameters: Parameters, name: str, *others: str) -> tuple[str, ...]:
    """Return a parameter that is a list of URIs, or of the words ``others``."""
    found = items(parameters, name)
    for item in found:
        if item not in others:
            check_uri(item, f"each item of {name}")
    return found


def names(parameters: Parameters, name: str, expand: Callable[[str], str]) -> tuple[str, ...]:
    """Return a parameter that is a list of attribute names, as canonical names."""
    return tuple(map(expand, items(parameters, name)))


def words(parameters: Parameters, name: str, allowed: frozenset[str]) -> tuple[str, ...]:
    """Return the words of ``options`` or ``format``.

    Raises:
        InvalidRequest: one of them means nothing here (clause 6.3.20).
    """
    value = parameters.get(name)
    if value is None:
        return ()
    found = tuple(value.split(",")) if type(value) is str else ()
    if not found or not allowed.issuperset(found):
        _refuse_words(name, value, allowed)
    return found


def _refuse_words(name: str, value: object, allowed: frozenset[str]) -> NoReturn:
    expected = f"one or more of {', '.join(sorted(allowed))}"
    raise InvalidRequest(f"{name} must be {expected}, not {shown(value)}")


def page(parameters: Parameters, most: int, default: int = 20) -> tuple[int, int, bool]:
    """Return ``limit``, ``offset`` and ``count`` (clauses 4.12, 4.13).

    Args:
        parameters: of an operation that has :data:`PAGED`.
        most: the largest page that is served.
        default: the page of a client that sets no limit.
    """
    count = flag(parameters, "count")
    limit = whole(parameters, "limit", min(default, most), 0 if count else 1, most)
    return limit, whole(parameters, "offset", 0, 0, FARTHEST), count


# --- links to other pages ------------------------------------------------------------------------


def page_links(path: str, query: str, limit: int, offset: int, more: bool) -> list[str]:
    """Return the Link headers to the pages before and after this one (clause 6.3.10).

    Args:
        path: of the request, as it came.
        query: the query string of the request, as it came.
        limit: how many items a page has.
        offset: how many items come before this page.
        more: there are items after this page.
    """
    if limit == 0 or (offset == 0 and not more):
        return []
    parts = [part for part in query.split("&") if part and not part.startswith(_PLACE)]
    start = "&".join([*parts, f"limit={limit}&offset="])
    pages = [("prev", max(0, offset - limit))] if offset else []
    if more:
        pages.append(("next", offset + limit))
    base = path.rstrip("/")
    return [
        f'<{base}?{start}{place}>;rel="{relation}";type="application/ld+json"'
        for relation, place in pages
    ]


_PLACE: Final = ("limit=", "offset=")
