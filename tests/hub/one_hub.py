"""A hub in a folder, with a real store, and subscriptions to its benches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from madang.hub.hub import Hub
from madang.hub.tenant import Tenant
from madang.hub.tenants import OnPersonal, ReachOf, Tenants
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from tests.hub.web_receiver import Receiver

ID = "urn:ngsi-ld:Subscription:1"


class Place:
    """It can be closed and opened again, with other settings."""

    def __init__(
        self,
        folder: Path,
        reach_of: ReachOf | None = None,
        on_personal: OnPersonal | None = None,
        **settings: Any,
    ) -> None:
        self._folder = folder
        self._trust = reach_of, on_personal
        self._settings = settings
        self._hub: Hub | None = None
        self._tenants: Tenants | None = None

    async def open(self, **settings: Any) -> Tenant:
        given = Settings(data=self._folder, **self._settings | settings)
        self._tenants = Tenants(given, *self._trust)
        self._hub = Hub(SqliteEngine(self._folder / "state"), self._tenants.make)
        await self._hub.start()
        return await self._hub.tenant("", create=True)

    async def close(self) -> None:
        if self._hub is not None and self._tenants is not None:
            await self._hub.close()
            await self._tenants.close()
            self._hub = None


def subscription(receiver: Receiver, **members: Any) -> dict[str, Any]:
    """Return a subscription to benches, with these members instead of its own or besides."""
    notification = {"endpoint": {"uri": receiver.uri}, **members.pop("notification", {})}
    return {
        "id": ID,
        "type": "Subscription",
        "entities": [{"type": "Bench"}],
        "notification": notification,
        **members,
    }
