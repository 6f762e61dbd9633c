"""What ``sense`` keeps for one tenant: its devices, what was heard of them, its dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from madang.sense.dead_letters import DeadLetters
from madang.sense.devices.registry import Devices
from madang.sense.pasts import Pasts
from madang.sense.quality.live import Inspector
from madang.store.engine import stem

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant


class Station:
    """Made by :meth:`open`, because the registry has to be read first."""

    def __init__(self, tenant: Tenant, devices: Devices, folder: Path) -> None:
        self.tenant = tenant
        self.devices = devices
        self.inspector = Inspector()
        self.letters = DeadLetters(folder / f"{stem(tenant.name)}-letters.sqlite")
        self.pasts = Pasts(tenant)

    @classmethod
    async def open(cls, tenant: Tenant, folder: Path) -> Self:
        """Open what is kept of a tenant.

        Args:
            tenant: whose.
            folder: for what is no entity: the dead letters.
        """
        return cls(tenant, await Devices.open(tenant), folder)

    async def close(self) -> None:
        """Finish what is under way; the tenant is closed after it."""
        await self.devices.close()
        await self.pasts.close()
        await self.letters.close()
