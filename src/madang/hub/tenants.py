"""Makes tenants whole: what all of them share, and how their parts are tied together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from madang.hub.context_fetch import Fetcher
from madang.hub.context_fetch import Policy as ContextPolicy
from madang.hub.contexts import Contexts
from madang.hub.delivery import Policy
from madang.hub.delivery_http import Bodies, HttpSender
from madang.hub.delivery_mqtt import MqttSender
from madang.hub.history import Histories, History
from madang.hub.hosts import Bounds
from madang.hub.lakes import Lakes
from madang.hub.remote_contexts import RemoteContexts
from madang.hub.shared_subscriptions import SharedSubscriptions
from madang.hub.shared_tenant import SharedTenant
from madang.hub.subscription import Subscription
from madang.hub.subscriptions import Subscriptions, nobody
from madang.hub.tenant import Tenant
from madang.model.entity import Entity
from madang.query.reach import Reach
from madang.settings import Settings
from madang.store.protocol import Store
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.bus.nats import Bus

ReachOf = Callable[[str, str], Reach | None]
"""Returns what an owner of subscriptions may see now, of a tenant: takes the tenant, the owner."""

OnPersonal = Callable[[str, str, frozenset[str], frozenset[str], frozenset[str]], None]
"""Is told of personal data in notifications: tenant, owner, entities, persons, attributes."""


class Tenants:
    """The cache of remote contexts and the connections to endpoints, shared by all tenants."""

    def __init__(
        self,
        settings: Settings,
        reach_of: ReachOf | None = None,
        on_personal: OnPersonal | None = None,
        forms: Mapping[str, Bodies] | None = None,
    ) -> None:
        """Take the settings, who knows owners of subscriptions and what they read, and the other
        forms that notifications can have (see :class:`madang.hub.delivery_http.HttpSender`)."""
        self._settings = settings
        self._reach_of = reach_of
        self._on_personal = on_personal
        self._fetcher = Fetcher(
            ContextPolicy(
                tuple(settings.context_hosts),
                settings.allow_private_contexts,
                settings.context_timeout_s,
                settings.context_max_bytes,
            )
        )
        self._remote = RemoteContexts(
            self._fetcher,
            entries=settings.context_cache_entries,
            age_s=settings.context_cache_age_s,
        )
        self._histories = Histories(
            Lakes(settings), settings.history_memory_mb, settings.history_drain_s
        )
        named = tuple(host for host in settings.notify_hosts if host != "*")
        self._bounds = Bounds(named, (urlsplit(settings.url).hostname or ""))
        http = HttpSender(settings.notify_timeout_s, self._bounds, forms)
        mqtt = MqttSender(settings.notify_timeout_s, self._bounds)
        self._senders: dict[str, Any] = {"http": http, "https": http, "mqtt": mqtt, "mqtts": mqtt}

    def carry(self, bus: Bus) -> None:
        """Let subscriptions have notifications sent over the bus; no tenant may be open yet."""
        from madang.hub.delivery_nats import NatsSender  # only who uses it pays for it

        self._senders["nats"] = NatsSender(bus, self._settings.notify_timeout_s, self._bounds)

    async def start(self) -> None:
        """Load what takes long before anybody is answered."""
        await self._histories.start()

    async def make(self, name: str, store: Store) -> Tenant:
        """Return a tenant with its contexts and subscriptions taken up from the store."""
        if self._settings.bus:
            return await self._make_shared(name, store)
        tenant = Tenant(name, store)
        writer = tenant.writer
        tenant.history = History(name, store, writer.keep, self._histories)
        await self._add_contexts(tenant)
        tenant.subscriptions = Subscriptions(**self._parts(tenant))
        writer.matcher = tenant.subscriptions.matcher
        writer.on_deliveries = tenant.subscriptions.delivery.enqueue
        await tenant.subscriptions.start(await store.items("subscription"))
        return tenant

    async def _make_shared(self, name: str, store: Any) -> Tenant:
        """Return a tenant that other hubs work on as well."""
        tenant = SharedTenant(name, store)
        writer = tenant.writer
        tenant.history = History(name, store, writer.keep, self._histories)
        await self._add_contexts(tenant)
        tenant.subscriptions = SharedSubscriptions(
            known=tenant.contexts.known, count=store.waiting, **self._parts(tenant)
        )
        writer.matcher = tenant.subscriptions.matcher
        writer.on_deliveries = tenant.subscriptions.arrivals.own
        await tenant.subscriptions.start(await store.items("subscription"))
        tenant.listen()
        return tenant

    async def _add_contexts(self, tenant: Tenant) -> None:
        tenant.contexts = Contexts(
            self._remote,
            partial(tenant.writer.keep, "context"),
            await tenant.store.items("context"),
            base_url=self._settings.url,
        )

    def _parts(self, tenant: Tenant) -> dict[str, Any]:
        """Return what subscriptions need of the hub."""

        async def ask(subscription: Subscription) -> AsyncIterator[list[Entity]]:
            async for rows in tenant.stream(subscription.query):
                yield [entity_of(row) for row in rows]

        name, writer = tenant.name, tenant.writer
        return {
            "save": partial(writer.keep, "subscription", is_guarded=True),
            "note": partial(writer.keep, "subscription"),
            "resolve": tenant.contexts.resolve,
            "implicit": tenant.contexts.implicit,
            "lookup": tenant.entities,
            "ask": ask,
            "add": writer.add_deliveries,
            "read": tenant.store.deliveries,
            "settle": writer.settle,
            "senders": self._senders,
            "now": tenant.clock.now,
            "tenant": name,
            "hosts": self._settings.notify_hosts,
            "bounds": self._bounds,
            "policy": Policy(keep_s=self._settings.notify_keep_s),
            "reach_of": partial(self._reach_of, name) if self._reach_of else nobody,
            "on_personal": partial(self._on_personal, name) if self._on_personal else None,
        }

    async def close(self) -> None:
        """Close the connections; the tenants must have been closed before."""
        for sender in set(self._senders.values()):
            await sender.close()
        await self._remote.close()
        await self._fetcher.close()
        self._histories.close()
