"""What is asked of a tenant's history, and what it answers: values, without what finds them.

History is a table of **attribute instances**: one row for every value an attribute ever had, and
rows that say what became of an entity itself. Times are microseconds since 1970-01-01T00:00:00Z,
names canonical (see :mod:`madang.model`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from zlib import crc32

from madang.model.entity import INSTANCE, Attribute, Entity
from madang.model.errors import MadangError
from madang.query.tree import Query, Temporal

TYPE = "type"
"""The attribute of rows about the entity itself; their kind is one of :data:`ABOUT_ENTITY`."""
SCOPE = "scope"
"""The attribute of rows that hold the entity's scopes (a string or a list) as their value."""
ABOUT_ENTITY = ("Created", "Retyped", "Deleted")
PREFIX = "urn:ngsi-ld:Instance:"
EVERYTHING = Query()


class Instance(NamedTuple):
    """One attribute instance, as history keeps it."""

    entity: str
    type: str
    """The entity's types when this was written, joined by blanks."""
    attribute: str
    dataset: str | None
    kind: str
    """``Property``, ``Relationship`` …; ``Scope``; or one of :data:`ABOUT_ENTITY`."""
    time: int
    """``observedAt`` if there is one, else when it was recorded."""
    observed: bool
    """There is an ``observedAt``, and it is ``time``."""
    value: Any
    """The value member as JSON gives it; None where ``deleted``."""
    unit: str | None
    more: Attribute | None
    """All other members: sub-attributes, ``valueType``, ``objectType``."""
    deleted: bool
    """This row says that the instance with this ``dataset`` was deleted, at ``created``."""
    created: int
    """When it was recorded."""
    modified: int | None
    """When it was last changed in history itself, if it ever was."""
    seq: int
    """Number of the change it came with; below zero if it came by another way than the outbox."""
    trace: str | None = None

    @property
    def id(self) -> str:
        """Return the URI of this instance (``instanceId``), the same for ever."""
        path = self.attribute if self.dataset is None else self.attribute + INSTANCE + self.dataset
        return f"{PREFIX}{self.seq}:{crc32(path.encode()):08x}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which instances of which entities are wanted."""

    query: Query = EVERYTHING
    """Which entities. ``q``, ``geo`` and ``scope`` are judged on the instances that lie in the
    window alone (a scope, and a place that was set before it, counts from when it was set until it
    was replaced); entities that have no wanted instance in it are left out. ``limit``, ``offset``
    and ``count`` choose the page; entities come in the order of their ids."""
    attributes: tuple[str, ...] = ()
    """Instances of these attributes only; none named is all of them."""
    omitted: tuple[str, ...] = ()
    """Instances of these attributes not."""
    datasets: tuple[str | None, ...] | None = None
    """Instances with these datasetIds only (None: the default instance); None is all."""
    temporal: Temporal | None = None
    """The window. With ``observedAt``, instances without one are left out; with ``deletedAt``, only
    deletions are in it; without a window, all instances are, deletions included."""
    last_n: int | None = None
    """The newest so many instances of each attribute of each entity, the newest first."""
    most: int | None = None
    """Cut the answer, at one time for all, so that it has about so many instances of each
    attribute of each entity."""


@dataclass(frozen=True, slots=True)
class Past:
    """The history of one entity, as far as it was wanted."""

    id: str
    types: tuple[str, ...]
    instances: list[Instance]
    """By attribute, dataset and time (the property's of the window), ``scope`` rows among them;
    rows about the entity itself are not."""
    created: int | None
    """When the entity was first recorded."""
    modified: int | None
    """When the latest of these, or of what is told of the entity itself, was recorded."""
    deleted: int | None
    """When it was deleted, if it has not been created again."""


@dataclass(frozen=True, slots=True)
class Pasts:
    """A page of histories."""

    entities: list[Past]
    count: int | None
    """How many entities match in all, if the query asked."""
    more: bool
    """There are entities after this page."""
    cut: tuple[int, int] | None = None
    """Start and end of the time that the answer covers if ``most`` cut it; the end is the earlier
    one with ``last_n``."""


Method = Literal[
    "totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq",
    "first", "last", "median",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Period:
    """A duration of ISO 8601: calendar months and exact time are counted apart."""

    months: int = 0
    microseconds: int = 0


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What the instances of one attribute in one period come to."""

    entity: str
    types: tuple[str, ...]
    attribute: str
    dataset: str | None
    kind: str
    start: int
    end: int
    values: dict[Method, float | int | str | None]
    """By method; None where the values are of a kind that it cannot be applied to (clause 4.5.19):
    texts have min, max and counts, booleans count as 0 and 1, arrays by their size, all else has
    counts only."""


@dataclass(frozen=True, slots=True)
class Aggregates:
    """A page of aggregates: those of one entity stand together, by attribute and time."""

    rows: list[Aggregate]
    entities: int
    """How many entities are on this page."""
    count: int | None
    more: bool


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of a frame: values of attributes of entities over time.

    The frame has ``entity``, ``time`` (UTC) and a column for each attribute, sorted by entity and
    time. Without ``every`` there is a row for each time at which any of them has an instance;
    with it, one for each period that has one, or for all periods if ``fill`` says how gaps are
    filled.
    """

    attributes: tuple[str, ...]
    query: Query = EVERYTHING
    """Which entities; ``limit`` and ``offset`` are not used."""
    start: int | None = None
    end: int | None = None
    every: Period | None = None
    method: Method = "avg"
    fill: Literal["none", "null", "previous", "linear"] = "none"
    datasets: tuple[str | None, ...] = (None,)
    together: bool = False
    """One series over all entities instead of one for each; there is no column ``entity``."""
    failed: bool = True
    """Also values that failed their quality tests."""


class Logged(NamedTuple):
    """One change as the log of changes tells it, with what it put and what it deleted."""

    seq: int
    at: int
    kind: Literal["created", "updated", "deleted"]
    id: str
    types: tuple[str, ...]
    put: list[Instance]
    deleted: list[Instance]
    trace: str | None


class Difference(NamedTuple):
    """One entity at two instants; None where it did not exist."""

    id: str
    before: Entity | None
    after: Entity | None


@dataclass(frozen=True, slots=True)
class Policy:
    """How long instances are kept, or from what age only a mean of each period is.

    ``types`` and ``attributes`` say which; empty is all. Age counts from an instance's ``time``.
    """

    name: str
    age: Period
    types: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    every: Period | None = None
    """Keep one instance a period, the mean of its numbers, instead of deleting all. Instances that
    are not numbers are kept."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: nothing of these entities is deleted or thinned out until it is lifted."""

    name: str
    reason: str
    types: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    """Neither types nor ids named means everything."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What operators want to know of a lake."""

    rows: int
    """In the files."""
    waiting: int
    """Taken, not yet drained."""
    bytes: int
    files: int
    drained: int
    """The highest sequence number in the files."""
    first: int | None = None
    last: int | None = None
    """The earliest and the latest ``time``."""


class Kind(NamedTuple):
    """A kind of series: an attribute as entities of some types have it."""

    type: str
    """Entity types, joined by blanks."""
    attribute: str
    kind: str
    """The type of attribute, ``Property`` and so on."""
    form: Literal["number", "text", "boolean", "json"]
    """What the values are: which column they are in (booleans are in ``json``)."""
    unit: str | None


class HeldBack(MadangError):
    """Something is under legal hold and must not be deleted or changed."""
