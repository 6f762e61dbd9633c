"""The subscriptions of one tenant: created, changed, kept, matched and delivered.

Source: ETSI GS CIM 009 clauses 5.8.1 to 5.8.6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any
from uuid import uuid4

import structlog

from madang.hub import subscription as stored_as
from madang.hub.delivery import Delivery, Policy, Read, Settle
from madang.hub.endpoint import check
from madang.hub.hosts import Bounds
from madang.hub.matching import Matcher, Rendered
from madang.hub.message import Message, Sender
from madang.hub.notification import completed
from madang.hub.periodic import Ask, Periodic
from madang.hub.subscription import Record, Subscription
from madang.hub.subscription_sight import Lookup, OnPersonal
from madang.model.context import CORE, Context, Names
from madang.model.entity import Entity
from madang.model.errors import AlreadyExists, NgsiError, ResourceNotFound, TooManyResults
from madang.model.view import PLAIN
from madang.query.reach import Reach
from madang.store.protocol import Delivery as Waiting
from madang.store.protocol import Outdated

log = structlog.get_logger("madang.subscriptions")

STATISTICS_S = 2.0  # how often changed statistics are stored
CONTEXT_TURNS = 30  # such turns until an @context that could not be had is asked for again
JUDGE_TURNS = 15  # such turns until owners are judged anew: a key may just have come to its end
START_S = 2.0  # how long the start waits for @contexts of other hosts
MOST = 100_000  # subscriptions of one tenant

Save = Callable[[str, bytes | None], Awaitable[None]]
"""Makes a subscription durable under its id; None removes it and its notifications."""

Resolve = Callable[[Any], Awaitable[Context]]
"""Returns the Context of an @context."""

Implicit = Callable[[object], Awaitable[str]]
"""Returns a URL under which others get an inline @context."""

ReachOf = Callable[[str], Reach | None]
"""Returns what the owner of a subscription may see now; None if it is gone or disabled."""


def nobody(_owner: str) -> None:
    """Know of no owner, as a hub does that nobody told of any."""


class Subscriptions:
    """All that concerns subscriptions: the hub gives it changes, it does the rest."""

    def __init__(
        self,
        *,
        save: Save,
        note: Save,
        resolve: Resolve,
        implicit: Implicit,
        lookup: Lookup,
        ask: Ask,
        add: Callable[[list[Rendered]], Awaitable[None]],
        read: Read,
        settle: Settle,
        senders: Mapping[str, Sender],
        now: Callable[[], int],
        tenant: str = "",
        hosts: Sequence[str] = ("*",),
        bounds: Bounds | None = None,
        policy: Policy | None = None,
        reach_of: ReachOf = nobody,
        on_personal: OnPersonal | None = None,
    ) -> None:
        """Take what it needs of the hub.

        Args:
            save: stores or removes a subscription.
            note: stores one of which only the statistics have changed.
            resolve: finds an @context.
            implicit: gives an inline @context a URL.
            lookup: finds linked entities.
            ask: finds all entities that a periodic subscription is about.
            add: stores notifications that no change called for, then gives them to ``delivery``.
            read: reads stored notifications.
            settle: takes what became of notifications.
            senders: by URI scheme.
            now: the hub's clock. [us since 1970]
            tenant: its name, for the receivers.
            hosts: which may be notified, see :func:`madang.hub.endpoint.permitted`.
            bounds: where they may be if who names them must not have all of them notified.
            policy: how patient delivery is.
            reach_of: see :data:`ReachOf`; when its answers change, call :meth:`refresh`.
            on_personal: see :data:`OnPersonal`.
        """
        self._save = save
        self._note = note
        self._resolve = resolve
        self._implicit = implicit
        self._lookup = lookup
        self._now = now
        self._check = partial(check, allowed=hosts, bounds=bounds or Bounds(), schemes=senders)
        self._reach_of = reach_of
        self._all: dict[str, Subscription] = {}
        self._owned: dict[str, dict[str, Subscription]] = {}
        self._changing = asyncio.Lock()
        self._upkeep: asyncio.Task[None] | None = None
        self._without_context: dict[str, Any] = {}
        self._on_personal = on_personal
        self.matcher = Matcher(on_personal)
        self.delivery = Delivery(
            self._all.get, read, settle, senders, now, self._complete, tenant, policy
        )
        self.periodic = Periodic(ask, add, self._waits, now, on_personal)

    async def start(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Take up stored subscriptions, and send what is still waiting."""
        records = [stored_as.read(body) for _, body in items]
        found = await self._contexts({str(record.context): record.context for record in records})
        for record in sorted(records, key=lambda record: (record.created, record.body["id"])):
            self._put(self._ready(record, found.get(str(record.context))))
        await self._recover()
        self._upkeep = asyncio.get_running_loop().create_task(self._keep_up())

    async def _recover(self) -> None:
        """Take up what is still to be sent."""
        await self.delivery.recover()

    async def _contexts(self, sources: dict[str, Any]) -> dict[str, Context]:
        """Return the Contexts that can be had without holding up the start."""
        found: dict[str, Context] = {}

        async def find(name: str, source: Any) -> None:
            try:
                found[name] = await self._resolve(source)
            except NgsiError as error:
                log.warning("context.missing", context=name, error=str(error))

        if sources:
            tasks = {asyncio.create_task(find(*pair)) for pair in sources.items()}
            _, late = await asyncio.wait(tasks, timeout=START_S)
            for task in late:
                task.cancel()
        return found

    def _ready(self, record: Record, context: Context | None) -> Subscription:
        if context is None:
            # Notifications with full names are as valid; the context is asked for again later.
            self._without_context[record.body["id"]] = record.context
        return record.ready(context or CORE)

    def __len__(self) -> int:
        return len(self._all)

    # --- operations ---------------------------------------------------------------------------

    async def create(
        self, given: object, names: Context, *, owner: str | None = None, inside: bool = True
    ) -> Subscription:
        """Create a subscription (clause 5.8.1).

        Args:
            given: the request's body.
            names: the request's @context.
            owner: whose it is; None is the hub itself.
            inside: who creates it may have hosts inside the city's own network notified.

        Raises:
            AlreadyExists: there is one with its id.
            BadRequestData: it is no valid subscription, or its host must not be notified.
            Forbidden: its host lies inside.
            LdContextNotAvailable: its jsonldContext cannot be fetched.
        """
        now = self._now()
        subscription = stored_as.create(given, names, names, now, self._new_id(), owner, inside)
        self._check(subscription.endpoint, subscription.id)
        if subscription.id in self._all:
            raise AlreadyExists(f"there is a subscription {subscription.id} already")
        context = await self._own_context(subscription.body)
        if context is None and names.url is None:
            # Receivers are told of the @context by a URL, so an inline one is given a URL.
            subscription.body["jsonldContext"] = await self._implicit(names.source)
            context = await self._own_context(subscription.body)
        if context is not None:
            subscription = stored_as.in_context(subscription, context)
        async with self._changing:
            if subscription.id in self._all:
                raise AlreadyExists(f"there is a subscription {subscription.id} already")
            if len(self._all) >= MOST:
                raise TooManyResults(f"a tenant has {MOST:,} subscriptions at most")
            await self._save(subscription.id, subscription.stored())
            self._put(subscription)
        return subscription

    async def update(
        self,
        id: str,
        given: object,
        names: Names,
        *,
        owner: str | None = None,
        inside: bool = True,
    ) -> Subscription:
        """Change a subscription (clause 5.8.2), of an owner or, with None, anybody's.

        Raises:
            ResourceNotFound: there is none with this id.
            BadRequestData: it would not be a valid subscription.
            Forbidden: its new host lies inside, and ``inside`` is false.
            LdContextNotAvailable: its new jsonldContext cannot be fetched.
        """
        async with self._changing:
            old = self.get(id, owner)
            new = stored_as.update(old, given, names, self._now(), inside)
            self._check(new.endpoint, id)
            if new.body.get("jsonldContext") != old.body.get("jsonldContext"):
                context = await self._own_context(new.body)
                if self._all.get(id) is not old:
                    raise Outdated("another hub has changed the subscription meanwhile")
                new = stored_as.in_context(new, context or old.context)
                self._without_context.pop(id, None)
            await self._save(id, new.stored())
            self._put(new)
            self.delivery.wake(id)
        return new

    def get(self, id: str, owner: str | None = None) -> Subscription:
        """Return a subscription (clause 5.8.3), of an owner or, with None, anybody's.

        Raises:
            ResourceNotFound: there is none with this id.
        """
        found = self._all.get(id)
        if found is None or (owner is not None and found.owner != owner):
            raise ResourceNotFound(f"there is no subscription {id}")
        return found

    def page(
        self, offset: int, limit: int, owner: str | None = None
    ) -> tuple[list[Subscription], int]:
        """Return a page of an owner's subscriptions or, with None, of all (clause 5.8.4).

        The oldest comes first; how many there are goes with it.
        """
        found = self._all if owner is None else self._owned.get(owner, {})
        return list(islice(found.values(), offset, offset + limit)), len(found)

    async def delete(self, id: str, owner: str | None = None) -> None:
        """Remove a subscription and what waits for it (clause 5.8.5); see :meth:`get`.

        Raises:
            ResourceNotFound: there is none with this id.
        """
        async with self._changing:
            subscription = self.get(id, owner)
            self._drop(id)
            try:
                await self._save(id, None)
            except NgsiError:
                self._put(subscription)
                raise
            self.delivery.forget(id)

    async def undelivered(self, id: str, after: int = 0, limit: int = 100) -> list[Waiting]:
        """Return notifications that the endpoint has not taken, oldest first, after a key."""
        self.get(id)
        return await self.delivery.undelivered(id, after, limit)

    async def circuit(self, id: str) -> dict[str, Any]:
        """Return how the endpoint of a subscription is doing.

        Raises:
            ResourceNotFound: there is none with this id.
        """
        self.get(id)
        return self.delivery.circuit(id)

    def resend(self, id: str) -> None:
        """Try all undelivered notifications of a subscription again at once."""
        self.get(id)
        self.delivery.resend(id)

    def refresh(self) -> None:
        """Judge all owners anew: policies, keys or accounts have changed.

        From now on nothing is matched, sent or shown but what they may see now, also of what
        waits already.
        """
        for owner, owned in self._owned.items():
            reach = self._reach_of(owner)
            for subscription in owned.values():
                if subscription.judge(reach):
                    self.matcher.put(subscription)
                    self.delivery.wake(subscription.id)

    async def close(self) -> None:
        """Finish what is being sent and store the statistics; the writer must still be there."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep])
        await self.periodic.close()
        await self.delivery.close()
        await self._store_statistics()

    # --- inside -------------------------------------------------------------------------------

    @staticmethod
    def _new_id() -> str:
        return f"urn:ngsi-ld:Subscription:{uuid4()}"

    async def _own_context(self, body: dict[str, Any]) -> Context | None:
        """Return the @context that a subscription names for its notifications, if it does."""
        url = body.get("jsonldContext")
        return None if url is None else await self._resolve(url)

    def _put(self, subscription: Subscription) -> None:
        owner = subscription.owner
        if owner is not None:
            subscription.judge(self._reach_of(owner))
            self._owned.setdefault(owner, {})[subscription.id] = subscription
        self._all[subscription.id] = subscription
        self.matcher.put(subscription)
        self.periodic.put(subscription)

    def _drop(self, id: str) -> None:
        owner = self._all.pop(id).owner
        if owner is not None:
            del self._owned[owner][id]
            if not self._owned[owner]:
                del self._owned[owner]
        self._without_context.pop(id, None)
        self.matcher.remove(id)
        self.periodic.remove(id)

    def _waits(self, id: str) -> bool:
        return bool(self.delivery.circuit(id)["waiting"])

    async def _complete(self, id: str, message: Message) -> Message | None:
        subscription = self._all.get(id)
        if subscription is None:
            return None
        found: dict[str, Entity] = {}

        async def lookup(ids: Collection[str]) -> dict[str, Entity]:
            more = await self._lookup(ids)
            found.update(more)
            return more

        complete = await completed(subscription, message, lookup)
        if complete is not None and subscription.sight is not None and self._on_personal:
            # How each is shown depends on the way to it, so all that they have counts as shown.
            shown = ((one, PLAIN) for one in map(subscription.sight.entity, found.values()) if one)
            subscription.sight.tell(self._on_personal, subscription.owner or "", shown)
        return complete

    async def _keep_up(self) -> None:
        """Store statistics and judge owners from time to time; look for missing @contexts."""
        turn = 0
        while True:
            await asyncio.sleep(STATISTICS_S)
            try:
                await self._store_statistics()
            except NgsiError as error:
                log.warning("statistics.unstored", error=str(error))
            if turn % JUDGE_TURNS == 0:
                self.refresh()
            if self._without_context and turn % CONTEXT_TURNS == 0:
                await self._find_contexts()
            turn += 1

    async def _store_statistics(self) -> None:
        touched, self.delivery.touched = self.delivery.touched, set()
        async with self._changing:
            try:
                await asyncio.gather(*map(self._store_statistics_of, touched))
            except NgsiError:
                self.delivery.touched |= touched
                raise

    async def _store_statistics_of(self, id: str) -> None:
        if (subscription := self._all.get(id)) is not None:
            await self._note(id, subscription.stored())

    async def _find_contexts(self) -> None:
        missing = dict(self._without_context)
        found = await self._contexts({str(source): source for source in missing.values()})
        async with self._changing:
            for id, source in missing.items():
                if self._without_context.get(id) == source and str(source) in found:
                    del self._without_context[id]
                    self._put(stored_as.in_context(self._all[id], found[str(source)]))
