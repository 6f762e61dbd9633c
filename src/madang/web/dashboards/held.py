"""Dashboards as personal data: which somebody made, and what becomes of them at their erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from madang.model import time
from madang.web.dashboards.book import disown, owned
from madang.web.dashboards.tiles import body

if TYPE_CHECKING:
    from madang.hub.hub import Hub


class HeldDashboards:
    """The dashboards of all tenants that people made (:class:`madang.trust.personal.Held`).

    Args:
        hub: whose tenants.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def about(self, account: str) -> list[dict[str, Any]]:
        """Return the dashboards that an account made."""
        return [
            {
                "tenant": tenant.name,
                "dashboard": {
                    "name": one.name,
                    "ownerName": one.owner_name,
                    "modifiedAt": time.render(one.modified),
                    "content": body(one.content),
                },
            }
            for tenant in list(self._hub.open.values())
            for one in await owned(tenant, f"person:{account}")
        ]

    async def erase(self, account: str) -> list[dict[str, Any]]:
        """Remove those that nobody else sees, and the owner of the others; return which."""
        done = []
        for tenant in list(self._hub.open.values()):
            for one in await owned(tenant, f"person:{account}"):
                gone = ["content", "owner"] if await disown(tenant, one) else ["owner"]
                told = {"tenant": tenant.name, "id": f"dashboard {one.name}", "attributes": gone}
                done.append(told)
        return done
