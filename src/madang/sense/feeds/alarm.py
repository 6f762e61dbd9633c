"""Raises an Alert entity for a feed that fails, and ends it when the feed is back.

Source of the words: Smart Data Models, Alert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from madang.hub.operations import Append, Delete, Operation, Upsert
from madang.model import normalize, time
from madang.model.context import CORE
from madang.model.errors import NgsiError, ResourceNotFound

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.sense.feeds.state import State

PREFIX: Final = "urn:ngsi-ld:Alert:feedFailing:"


async def raised(tenant: Tenant, name: str, url: str, state: State, now: int) -> None:
    """Raise the alarm of a feed, in place of an earlier one."""
    since = state.good or state.added
    last = f"last read well at {time.render(_ms(state.good))}" if state.good else "never read well"
    id = PREFIX + name
    entity: dict[str, Any] = {
        "id": id,
        "type": "Alert",
        "category": _property("environment"),  # of those of the model, the least wrong
        "subCategory": _property("feedFailing"),
        "severity": _property("medium"),
        "alertSource": _property(url),
        "description": _property(f"The feed {name} was {last}: {state.error}"),
        "dateIssued": _property(time.render(_ms(now))),
        "validFrom": _property(time.render(_ms(since))),
    }
    await _write(tenant, Upsert(id, normalize.entity(entity, CORE)))


async def ended(tenant: Tenant, name: str, now: int) -> None:
    """End the alarm of a feed that is back."""
    id = PREFIX + name
    end = {"validTo": _property(time.render(_ms(now)))}
    content = normalize.entity(end, CORE, entity_id=id, fragment=True)
    await _write(tenant, Append(id, content))


async def removed(tenant: Tenant, name: str) -> None:
    """Remove the alarm of a feed that is no more."""
    await _write(tenant, Delete(PREFIX + name))


async def _write(tenant: Tenant, operation: Operation) -> None:
    for result in await tenant.write([operation]):
        if isinstance(result, NgsiError) and not isinstance(result, ResourceNotFound):
            raise result


def _property(value: object) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _ms(at: int) -> int:
    return at // 1000 * 1000
