"""The address on the label of a device, opened with a phone by whoever stands before it.

Who looks after devices comes to the device in the control room. Everybody else is shown what it
measures, as far as they may see that, and where to sign in. A name that no device has is answered
like a device of which nothing may be seen, so that nobody finds out names of devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from madang.api.surface import Surface
from madang.store.rows import entity_of
from madang.web.dashboards import present
from madang.web.dashboards.show import Show

if TYPE_CHECKING:
    from madang.api.sense_devices import Stations
    from madang.api.site import Site
    from madang.trust.gate import Gate
    from madang.web.dashboards.facts import Facts, Look

MOST: Final = 50  # things of a device on its page


class CityDevices:
    """The pages at one address.

    Args:
        sense: knows the devices of each tenant.
    """

    def __init__(self, site: Site, facts: Facts, gate: Gate, sense: Stations) -> None:
        self._site = site
        self._facts = facts
        self._gate = gate
        self._sense = sense

    def surfaces(self) -> list[Surface]:
        path, summary = "/city/devices/{device}", "What a device measures, for all"
        return [Surface("GET", path, self.show, "seePages", summary, "Pages")]

    async def show(self, request: Request) -> Response:
        name = str(request.path_params["device"])
        tenant, principal = request.headers.get("NGSILD-Tenant", ""), request.state.principal
        if self._gate.may(principal, "seeDevices", tenant):
            return self._site.redirect(f"/control/devices/{quote(name, safe='')}")
        things = await self._things(
            self._facts.look(principal, tenant, request.state.address), tenant, name
        )
        status = 200 if things else 404
        show = Show(self._site.texts(request), self._facts.now, self._site.pages.url)
        return self._site.answer(
            request, "city_device.html", status, device=name, things=things, show=show
        )

    async def _things(self, look: Look, tenant: str, name: str) -> list[tuple[str, present.Told]]:
        """Return id and name of what a device writes, as far as it may be seen."""
        if look.seen is None:
            return []
        devices = (await self._sense.station(tenant)).devices
        device = devices.find(name)
        profile = None if device is None else devices.profile(device.profile)
        if device is None or profile is None:
            return []
        ids = profile.entity_ids(device.name)[:MOST]
        rows = [row for id in ids if (row := await look.seen.get(id)) is not None]
        return [(row.id, present.name_of(entity_of(row))) for row in rows]
