"""What the hub asks of an engine that keeps the state of one tenant.

One store holds one tenant. Only the hub writes, one turn at a time: it loads the entities that a
group of operations touches, works out their new state in memory, and commits everything that
follows from it (state, history outbox, notifications waiting to be sent) in **one** transaction.
When ``commit`` returns, all of it is on the disk; when it raises, none of it is. An engine that
others may write to as well (PostgreSQL) refuses a commit whose entities have changed since they
were loaded: :class:`Outdated`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from madang.model.entity import Entity
from madang.model.errors import MadangError
from madang.query.tree import Query

ItemKind = Literal[
    "subscription",
    "context",
    "setting",
    # Of sense: what fields of devices mean, what is fetched, and its own notes.
    "profile",
    "feed",
    "sense",
    # What city services are set to, and what they keep.
    "service",
    # Of web: what people have put together from tiles.
    "dashboard",
    # Of act: when which command was last sent to a target.
    "act",
    # Whom to tell, and how, sealed.
    "contact",
    # The system store only (trust/records.py):
    "account",
    "login",
    "passkey",
    "key",
    "session",
    "secret",
    "link",
    "policy",
    "mark",
    "public",
    "consent",
]


class Row(NamedTuple):
    """One entity as it is read: the document as JSON text, and its system times."""

    id: str
    document: bytes
    created: int
    modified: int
    written: int
    expires: int | None
    """The earliest expiry of the entity or anything in it."""
    times: bytes | None
    """Stamps by path as JSON: ``{path: [created, modified, expires?]}``."""


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row]
    count: int | None
    """How many entities match in all, if the query asked."""
    more: bool = False
    """There are entities after this page."""


@dataclass(frozen=True, slots=True)
class Documents:
    """A page of which only the documents are wanted, as JSON text."""

    texts: list[str]
    count: int | None
    more: bool


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """A combination of entity types and attributes that entities of this tenant have."""

    types: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    """Name and attribute types (more than one with multi-attributes), sorted by name."""
    count: int


ChangeKind = Literal["created", "updated", "deleted"]


@dataclass(slots=True)
class Change:
    """One acknowledged write to one entity, as history and followers see it."""

    kind: ChangeKind
    at: int
    id: str
    before: Entity | None
    after: Entity | None
    attributes: tuple[str, ...]
    """Names of attributes created or updated."""
    deleted: tuple[str, ...] = ()
    """Names of attributes deleted, as paths of their instances."""
    trace: str = ""
    number: int = 0
    """Its sequence number, once it is durable and somebody follows."""


class Delivery(NamedTuple):
    """A notification waiting to be sent; ``key`` orders those of one subscription."""

    key: int
    subscription: str
    at: int
    body: bytes
    attempts: int = 0
    error: str | None = None


class Block(NamedTuple):
    """Changes of one commit as the outbox keeps them."""

    last: int
    """The sequence number of the last of them."""
    size: int
    body: bytes
    """A JSON array of so many changes; see :func:`madang.store.rows.outbox_row`."""


@dataclass(slots=True)
class Batch:
    """Everything one transaction commits."""

    states: dict[str, Entity | None] = field(default_factory=dict)
    """New state by id; None is a deletion."""
    changes: list[Change] = field(default_factory=list)
    """In the order they happened; they become the history outbox."""
    items: dict[tuple[ItemKind, str], bytes | None] = field(default_factory=dict)
    """The hub's own things (subscriptions, hosted contexts); None removes."""
    deliveries: list[tuple[str, int, bytes]] = field(default_factory=list)
    """Notifications to keep until sent: subscription, time, body."""
    delivered: list[int] = field(default_factory=list)
    """Keys of deliveries that are done with."""
    failed: list[tuple[int, int, str]] = field(default_factory=list)
    """Deliveries that failed: key, attempts so far, what went wrong."""
    is_guarded: bool = False
    """Its items bear on what other hubs commit: they take them up before they commit any more."""
    known: int | None = None
    """:attr:`Store.taken_up` when it, or the first of its items, was worked out; None is now."""
    judged: set[str] = field(default_factory=set)
    """Entities that an answer goes by though they stay as they are, such as one that exists
    already: they must still be as they were loaded."""


class Outdated(MadangError):
    """A commit is based on what another writer has changed since it was loaded.

    Nothing was committed; loading again and working it out anew will do.
    """

    def __init__(self, reason: str, items: Collection[tuple[ItemKind, str]] = ()) -> None:
        super().__init__(reason)
        self.items = items
        """The hub's own things that another hub has changed since; they have been taken up."""


class Item(NamedTuple):
    """One of the hub's own things, as another hub has left it."""

    kind: ItemKind
    id: str
    body: bytes | None
    """None: it is gone."""


class Store(Protocol):
    """The state of one tenant, durable."""

    next_expiry: int | None
    """When something next expires, or an earlier instant. [us since 1970]"""

    @property
    def last_change(self) -> int:
        """The sequence number of the last change."""

    async def newest(self) -> int:
        """Return the sequence number of the last change, whichever hub it came from."""

    @property
    def taken_up(self) -> int:
        """Up to which number the items of other hubs have been taken up; 0 if there are none."""

    async def load(self, ids: Collection[str]) -> dict[str, Entity]:
        """Return those of the entities that exist, expired or not, for the writer's turn."""

    async def commit(self, batch: Batch) -> Sequence[int]:
        """Commit a batch; return the keys given to its deliveries, in their order.

        Raises:
            Outdated: another writer was faster; nothing was committed.
        """

    async def get(self, id: str) -> Row | None:
        """Return one entity as last committed."""

    async def query(self, query: Query, now: int) -> Page:
        """Return a page of the entities that match and have not expired at ``now``.

        Raises:
            TooComplexQuery: it takes longer than the engine's time limit.
        """

    async def documents(self, query: Query, now: int) -> Documents:
        """Return the same page as :meth:`query` does, without times."""

    def stream(self, query: Query, now: int) -> AsyncIterator[list[Row]]:
        """Yield all matching entities in chunks, from one consistent snapshot."""

    async def shapes(self, query: Query | None = None, now: int = 0) -> list[Shape]:
        """Return the shapes that have at least one entity, with exact counts.

        Args:
            query: only entities that match it, and have not expired at ``now``, are there and
                are counted; None counts all. Order and page do not matter.

        Raises:
            TooComplexQuery: it takes longer than the engine's time limit.
        """

    @property
    def generation(self) -> int:
        """A number that changes before a combination of types and attributes has its first
        entity, and when it has lost its last."""

    def layouts(self, query: Query) -> list[tuple[tuple[str, ...], frozenset[str]]]:
        """Return types and attribute names of which entities that match may be."""

    async def expired(self, now: int, limit: int) -> list[str]:
        """Return ids of entities in which something has expired, the earliest first."""

    async def items(self, kind: ItemKind) -> list[tuple[str, bytes]]:
        """Return all of the hub's own things of a kind, by id."""

    async def item(self, kind: ItemKind, id: str) -> bytes | None:
        """Return one of the hub's own things as last committed."""

    async def deliveries(
        self, subscription: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Delivery]:
        """Return waiting notifications in order, of one subscription or all."""

    async def outbox(self, after: int, limit: int) -> list[Block]:
        """Return blocks of history not yet drained, in order.

        Args:
            after: blocks that hold a change after this number.
            limit: as many blocks as make up so many changes.
        """

    async def drained(self, upto: int) -> None:
        """Forget outbox rows up to a sequence number: the lake has them."""

    async def backup(self, target: Path) -> None:
        """Copy a consistent snapshot to a file while the store is in use."""

    async def check(self) -> list[str]:
        """Return what is wrong with the store, one sentence each; empty is sound."""

    async def size(self) -> dict[str, int]:
        """Return figures for operators: entities, bytes, outbox rows, waiting deliveries."""

    async def close(self) -> None:
        """Write out what is open and release the engine."""


class Engine(Protocol):
    """Opens the stores of all tenants of one place."""

    @property
    def is_shared(self) -> bool:
        """Several hubs work there at the same time."""

    async def claim(self) -> None:
        """Make this process the only hub of the place, for as long as the engine is open.

        Where it is shared, it is one of several.

        Raises:
            MadangError: another hub works there.
        """

    async def open(self, tenant: str, create: bool) -> Store | None:
        """Return the tenant's store, made if ``create``; None if there is no such tenant."""

    async def system(self) -> Store:
        """Return the store of what belongs to no tenant: accounts, keys, policies."""

    async def tenants(self) -> list[str]:
        """Return the tenants that exist; the default one is the empty string."""

    async def close(self) -> None: ...
