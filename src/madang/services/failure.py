"""The alert of a service that cannot go on, so that people hear of it as of anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from madang.hub.operations import Observe
from madang.model import time
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.services import records
from madang.services.city import Thing
from madang.services.records import ALERT
from madang.services.service import Text
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.services.run import ServiceFailed
    from madang.services.service import Service
    from madang.trust.view import View

KIND = "serviceFailure"
LONGEST = 500  # characters of the error; the trace is where services are looked after


async def tell(seen: Tenant | View, service: Service, failure: ServiceFailed, waits: bool) -> None:
    """Raise the alert.

    Args:
        seen: the tenant as the service sees it.
        service: which.
        failure: why.
        waits: for somebody to look; else it is tried again.
    """
    why = str(failure)[:LONGEST]
    title = Text(
        f"The service {service.title.en} has failed",
        f"{service.title.ko} 서비스가 멈췄습니다",
    )
    way_out = (
        Text(f"madang service resume {service.name}", f"madang service resume {service.name}")
        if waits
        else Text("it is tried again", "다시 시도하고 있습니다")
    )
    text = Text(f"{why} - {way_out.en}", f"{why} - {way_out.ko}")
    severity: records.Severity = "high" if waits else "medium"
    found = records.alert(
        KIND, severity, title, text, [], None, failure.at, f"service:{service.name}"
    )
    await put(seen, alert_of(service), found, failure.at)


async def end(seen: Tenant | View, id: str, now: int) -> None:
    """End an alert, if it is open."""
    row = await seen.get(id)
    if row is not None and Thing(entity_of(row).document)["status"] == "open":
        await put(seen, id, records.ended(now), now)


async def put(seen: Tenant | View, id: str, attributes: records.Attributes, at: int) -> None:
    """Write attributes of an alert as of a time; what is newer there stays."""
    observed = time.render(at)
    whole = {
        name: {"observedAt": observed, **value}
        if isinstance(value, dict)
        else {"type": "Property", "value": value, "observedAt": observed}
        for name, value in attributes.items()
    }
    content = normalized({"id": id, "type": ALERT, **whole}, CORE)
    await seen.write([Observe(id, content)])


def alert_of(service: Service) -> str:
    """Return the id of the alert of a service."""
    return f"urn:ngsi-ld:{ALERT}:{service.name}:{KIND}"
