"""The syntax tree of an NGSI-LD query: what every parser makes and every engine reads.

All names in the tree are canonical (see :mod:`madang.model`). Every node is frozen and hashable, so
that a compiled query can be cached by its tree.
Source: ETSI GS CIM 009 clauses 4.7.2, 4.9 (q), 4.10 (geo), 4.11 (temporal), 4.17 (types),
4.19 (scope), 4.23 (order).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# --- q ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """A step over a relationship: ``rel{Type:…}`` (``types`` empty when none is named)."""

    relationship: str
    types: tuple[str, ...] = ()
    seen: Condition | None = None
    """What the linked entity must meet to count as there, beside the path itself."""


@dataclass(frozen=True, slots=True)
class Path:
    """What a query term looks at: ``attr.sub.sub[member.member]``, after ``links``."""

    attribute: str
    subs: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    without: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Attributes whose changes do not count for an entity's ``modifiedAt``, each with the types of
    the entities that holds for (of all if it has none)."""


@dataclass(frozen=True, slots=True)
class DateTime:
    """An unquoted DateTime, as microseconds since 1970-01-01T00:00:00Z."""

    instant: int
    text: str


@dataclass(frozen=True, slots=True)
class Date:
    text: str  # YYYY-MM-DD


@dataclass(frozen=True, slots=True)
class Time:
    text: str  # hh:mm:ss[.ffffff]Z


@dataclass(frozen=True, slots=True)
class Uri:
    """An unquoted URI (or, for ``expandValues``, a name that was expanded)."""

    text: str


@dataclass(frozen=True, slots=True)
class Boolean:
    """``true`` or ``false``; no bare bool, for ``True == 1`` would make two trees one."""

    value: bool


Scalar = str | int | float | Boolean | DateTime | Date | Time | Uri


@dataclass(frozen=True, slots=True)
class Range:
    """``low..high``, both ends included."""

    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class Values:
    """A list of alternatives: ``1,2,5`` or ``"a","b"``."""

    items: tuple[Scalar, ...]


Operator = Literal["==", "!=", ">", ">=", "<", "<=", "~=", "!~="]


@dataclass(frozen=True, slots=True)
class Compare:
    path: Path
    operator: Operator
    value: Scalar | Range | Values


@dataclass(frozen=True, slots=True)
class Exists:
    """``attr``: the path is there."""

    path: Path


@dataclass(frozen=True, slots=True)
class Not:
    item: Condition


@dataclass(frozen=True, slots=True)
class And:
    """All of the items hold; of none of them, always."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the items holds; of none of them, never."""

    items: tuple[Condition, ...]


# --- ids, types and scopes --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HasId:
    """The entity is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasType:
    """The entity is of this type (among others)."""

    name: str


@dataclass(frozen=True, slots=True)
class InScope:
    """One of the entity's scopes matches: levels, where ``+`` is any one level.

    ``below`` means the last step was ``#``: the node itself and everything below it.
    ``/#`` is ``InScope((), True)``: the entity has any scope at all.
    """

    levels: tuple[str, ...]
    below: bool = False


# --- geometry ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Geo:
    """A geo-query: how the geometry of ``attribute`` lies to a reference geometry (clause 4.10)."""

    relation: Literal["near", "within", "contains", "intersects", "equals", "disjoint", "overlaps"]
    geometry: str
    """The reference geometry as canonical GeoJSON text."""
    attribute: str = "location"
    min_distance: float | None = None  # [m], near only
    max_distance: float | None = None  # [m], near only


Condition = Compare | Exists | Not | And | Or | HasId | HasType | InScope | Geo


# --- time -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Temporal:
    relation: Literal["before", "after", "between"]
    time_at: int  # [us since 1970]
    end_time_at: int | None = None
    property: Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"] = "observedAt"


# --- order ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    path: Path
    descending: bool = False
    distance_from: str | None = None
    """GeoJSON geometry text when ordered by distance (``;dist-asc``, ``;dist-desc``)."""
    seen: Condition | None = None
    """Entities that do not meet it are ordered as if they had no such value."""


# --- the whole --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selector:
    """One way to be selected: by type, ids and id pattern, all of which must hold if given."""

    types: Condition | None = None
    """A tree of HasType, And, Or; None is any type."""
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Which entities are wanted, in what order, and which page of them."""

    selectors: tuple[Selector, ...] = ()
    """Alternatives; none means every entity."""
    attributes: tuple[str, ...] = ()
    """The entity has at least one of these (``attrs``); none means no such demand."""
    q: Condition | None = None
    geo: Geo | None = None
    scope: Condition | None = None
    reach: Condition | None = None
    """What the reader may see at all (:mod:`madang.query.narrow`); None is everything."""
    order: tuple[Order, ...] = ()
    collation: str | None = None
    limit: int = 20
    offset: int = 0
    count: bool = False
