"""What people ask of incidents, on its way to the service that carries it out, and its answer."""

from __future__ import annotations

import asyncio
import base64
import copy
import secrets as chance
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from madang.act.incidents.deeds import Open, Split, Who, deeds
from madang.act.incidents.incident import INCIDENT, PREFIX, Incident, new, number, of
from madang.act.incidents.parts import check_public, split
from madang.hub.operations import Append, Create, Operation
from madang.hub.records import Own
from madang.model import time
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Conflict, NgsiError, ResourceNotFound
from madang.model.names import shown
from madang.model.normalize import entity as normalized
from madang.query.q import parse
from madang.query.tree import Condition, Geo, HasType, Or, Order, Path, Query, Selector
from madang.services import records
from madang.services.city import Thing
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.services.services import Services
    from madang.store.protocol import Change
    from madang.trust.view import View

WAIT_S = 10.0
"""How long who asks waits for the service."""
MOST_NEARBY = 50
STATES = ("open", "acknowledged", "resolved", "closed")


class Answer(NamedTuple):
    """What became of a request."""

    incident: Incident
    is_done: bool
    """If not, the service is behind; it is kept, and will be done."""


class Requests:
    """Carries requests to the service ``incidents``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def open(self, tenant: Tenant, given: dict[str, Any], who: Who) -> Answer:
        """Begin an incident that no alert told of."""
        wanted = deeds([{"do": "open", **given}])
        assert isinstance(wanted[0], Open)
        id = _new_id(tenant)
        answer = await self._ask(tenant, id, [{"do": "open", **given}], who, is_new=True)
        if answer.is_done:
            return answer
        first, now = wanted[0], time.render(tenant.clock.now())
        asked = new(id, now, first.category, first.severity, first.title.model_dump())
        return Answer(asked, is_done=False)

    async def ask(self, tenant: Tenant, id: str, given: list[dict[str, Any]], who: Who) -> Answer:
        """Have something done to an incident.

        Raises:
            ResourceNotFound: there is none of that id.
            BadRequestData, Conflict: it cannot be done.
        """
        trial = copy.deepcopy(await find(tenant, id))
        now = time.render(tenant.clock.now())
        for one in deeds(given):
            one.apply(trial, who, now)
        return await self._ask(tenant, trial["id"], given, who)

    async def merge(
        self, tenant: Tenant, id: str, other: str, given: dict[str, Any], who: Who
    ) -> Answer:
        """Make another incident a part of one.

        Raises:
            ResourceNotFound: there is one of them not.
            BadRequestData, Conflict: they cannot be one.
        """
        found, part = await find(tenant, id), await find(tenant, other)
        if part["status"] == "closed":
            raise Conflict(f"{number(part['id'])} is closed already, so there is nothing to merge")
        check_public(found, part)
        deed = {"do": "merge", "incident": part["id"], **given}
        return await self.ask(tenant, found["id"], [deed], who)

    async def split(self, tenant: Tenant, id: str, given: dict[str, Any], who: Who) -> Answer:
        """Take alerts out of an incident; return the one that begins with them.

        Raises:
            ResourceNotFound: there is none of that id.
            BadRequestData, Conflict: the alerts are not there to be taken out.
        """
        found, deed = await find(tenant, id), {"do": "split", "incident": _new_id(tenant), **given}
        answer = await self.ask(tenant, found["id"], [deed], who)
        if answer.is_done:
            return Answer(await find(tenant, deed["incident"]), is_done=True)
        (wanted,) = deeds([deed])
        assert isinstance(wanted, Split)
        return Answer(split(found, wanted, who, time.render(tenant.clock.now())), is_done=False)

    async def _ask(
        self,
        tenant: Tenant,
        id: str,
        given: list[dict[str, Any]],
        who: Who,
        is_new: bool = False,
    ) -> Answer:
        """Write the request, and wait until the service has answered it.

        Raises:
            Conflict: the service is off, or somebody else was faster.
        """
        working = await self._services.find(tenant.name, "incidents")
        if not working.is_on:
            raise Conflict(
                "incidents are switched off here; `madang service on incidents` switches them on"
            )
        mark = chance.token_hex(8)
        action = {"id": mark, "by": {"id": who.id, "name": who.name}, "do": given}
        put = {"id": id, "type": INCIDENT, "action": records.json(action)}
        content = normalized(put, CORE)
        operation: Operation = Create(id, content) if is_new else Append(id, content)
        answered = _answered(id, mark)
        changes = tenant.follow(answered, [INCIDENT])
        first = asyncio.ensure_future(anext(changes, None))
        await asyncio.sleep(0)  # it follows from here on
        try:
            (result,) = await tenant.write([Own(operation)])
            if isinstance(result, NgsiError):
                raise result
            await asyncio.wait([first], timeout=WAIT_S)
            is_done = first.done()
        finally:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await changes.aclose()
        incident = await find(tenant, id)
        if incident["refused"].get("action") == mark:
            raise Conflict(incident["refused"]["reason"])
        return Answer(incident, is_done)


def _new_id(tenant: Tenant) -> str:
    day = datetime.fromtimestamp(tenant.clock.now() / 1e6, UTC)
    letters = base64.b32encode(chance.token_bytes(5)).decode().lower()[:6]
    return f"{PREFIX}{day:%Y%m%d}-{letters}"


def _answered(id: str, mark: str) -> Callable[[Change], bool]:
    def test(change: Change) -> bool:
        if change.id != id or change.after is None:
            return False
        return bool(Thing(change.after.document)["lastAction"] == mark)

    return test


# --- reading --------------------------------------------------------------------------------------


async def find(tenant: Tenant, name: str) -> Incident:
    """Return an incident, by its id or by its number.

    Raises:
        ResourceNotFound: there is none.
    """
    id = name if name.startswith(PREFIX) else PREFIX + name
    row = await tenant.get(id)
    if row is None:
        raise ResourceNotFound(
            f"there is no incident {shown(name)}; `madang incident list` tells all"
        )
    return of(Thing(entity_of(row).document))


async def ongoing(tenant: Tenant, name: str) -> str:
    """Return the id of the incident under which one goes on: its own, if it was not merged.

    Raises:
        ResourceNotFound: there is none.
    """
    found = await find(tenant, name)
    while found["merged"]:
        found = await find(tenant, found["merged"])
    return found["id"]


async def listed(
    tenant: Tenant, status: str, limit: int, offset: int, only_public: bool = False
) -> tuple[list[Incident], int]:
    """Return a page of incidents, the latest first, and how many there are.

    Args:
        tenant: whose.
        status: those wanted, with commas; empty is all.
        limit: of the page.
        offset: of the page.
        only_public: only those that everybody may see.

    Raises:
        BadRequestData: there is no such status.
    """
    wanted = status.split(",") if status else []
    if unknown := set(wanted) - set(STATES):
        raise BadRequestData(f"status is one of {', '.join(STATES)}, not {shown(min(unknown))}")
    quoted = ",".join(f'"{one}"' for one in wanted)
    parts = [f"status=={quoted}" if wanted else "startedAt"]
    if only_public:
        parts.append("public==true")
    page = await tenant.query(
        Query(
            (Selector(types=HasType(INCIDENT)),),
            q=parse(";".join(parts), CORE),
            order=(Order(Path("startedAt"), descending=True),),
            limit=limit,
            offset=offset,
            count=True,
        )
    )
    found = [of(Thing(entity_of(row).document)) for row in page.rows]
    return found, page.count or 0


async def nearby(
    seen: Tenant | View, incident: Incident, types: tuple[str, ...], metres: float
) -> list[dict[str, Any]]:
    """Return what is near an incident, the nearest first, as far as the reader sees it."""
    place = incident["location"]
    if place is None or not types:
        return []
    kinds: tuple[Condition, ...] = tuple(HasType(one) for one in types)
    reference = orjson.dumps(place).decode()
    page = await seen.query(
        Query(
            (Selector(types=Or(kinds)),),
            geo=Geo("near", reference, max_distance=metres),
            order=(Order(Path("location"), distance_from=reference),),
            limit=MOST_NEARBY,
        )
    )
    things = [Thing(entity_of(row).document) for row in page.rows]
    return [
        {"id": one.id, "type": one.type, "name": one["name"], "location": one["location"]}
        for one in things
    ]


async def notices(tenant: Tenant, incident: Incident) -> list[Thing]:
    """Return the notices that were sent of an incident, by id."""
    query = Query(
        (Selector(types=HasType(records.NOTICE)),),
        q=parse(f'about=="{incident["id"]}"', CORE),
        limit=1_000,
    )
    page = await tenant.query(query)
    return [Thing(entity_of(row).document) for row in page.rows]
