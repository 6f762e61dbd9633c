"""Playbooks over HTTP: TOML that is checked before it is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.incidents.playbook import NAME, PLAYBOOK, Playbook, parse
from madang.api.bodies import members, page, text
from madang.api.surface import Surface
from madang.hub.operations import Delete, Upsert
from madang.hub.records import Own
from madang.model.context import CORE
from madang.model.errors import BadRequestData, NgsiError, ResourceNotFound
from madang.model.names import shown
from madang.model.normalize import entity as normalized
from madang.query.tree import HasType, Query, Selector
from madang.services.city import Thing
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.act.notify.notices import Notices
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant

MOST = 200  # playbooks of a tenant
_TAG = "Incidents"
_PREFIX = f"urn:ngsi-ld:{PLAYBOOK}:"


def surfaces(hub: Hub, notices: Notices) -> list[Surface]:
    """Return the routes of playbooks.

    Args:
        hub: whose playbooks.
        notices: knows the contacts that playbooks may name.
    """
    pages, one = _Pages(hub, notices), "/playbooks/{name}"
    return [
        Surface("GET", "/playbooks", pages.list, "seeIncidents", "Playbooks", _TAG),
        Surface("GET", one, pages.get, "seeIncidents", "A playbook", _TAG),
        Surface("PUT", one, pages.put, "manageIncidents", "Check and keep a playbook", _TAG),
        Surface("DELETE", one, pages.remove, "manageIncidents", "Remove a playbook", _TAG),
    ]


class _Pages:
    def __init__(self, hub: Hub, notices: Notices) -> None:
        self._hub = hub
        self._notices = notices

    async def list(self, request: Request) -> Response:
        found = await _kept(await self._tenant(request))
        return page(request, found, _told)

    async def get(self, request: Request) -> Response:
        thing = await self._one(request)
        return JSONResponse(_told(thing) | {"text": thing["toml"]} | _plan(str(thing["toml"])))

    async def put(self, request: Request) -> Response:
        """Keep a playbook; with ``check`` it is only looked at."""
        body = await members(request, ("text", "check"), ("text",))
        content, name = text(body, "text"), _name(request)
        tenant = await self._tenant(request)
        playbook = parse(content)
        directory = await self._notices.directory(tenant.name)
        if unknown := [one for one in playbook.contacts if one not in directory]:
            raise BadRequestData(
                f"the playbook names {unknown[0]}, who is no contact; add them with `madang people`"
            )
        before = await tenant.get(_PREFIX + name)
        if body.get("check") is True:
            return JSONResponse(_shown(name, playbook) | _plan(content))
        if before is None and len(await _kept(tenant)) >= MOST:
            raise BadRequestData(f"there are {MOST} playbooks already; remove some")
        document: dict[str, Any] = {
            "id": _PREFIX + name,
            "type": PLAYBOOK,
            "title": {"type": "LanguageProperty", "languageMap": playbook.title.model_dump()},
            "toml": {"type": "Property", "value": content},
        }
        content_of = normalized(document, CORE)
        (result,) = await tenant.write([Own(Upsert(_PREFIX + name, content_of))])
        if isinstance(result, NgsiError):
            raise result
        return JSONResponse(_shown(name, playbook), 201 if before is None else 200)

    async def remove(self, request: Request) -> Response:
        thing = await self._one(request)
        (result,) = await (await self._tenant(request)).write([Own(Delete(thing.id))])
        if isinstance(result, NgsiError):
            raise result
        return Response(status_code=204)

    async def _one(self, request: Request) -> Thing:
        name = _name(request)
        row = await (await self._tenant(request)).get(_PREFIX + name)
        if row is None:
            raise ResourceNotFound(f"there is no playbook {name}; `madang playbook list` tells all")
        return Thing(entity_of(row).document)

    async def _tenant(self, request: Request) -> Tenant:
        return await self._hub.tenant(request.headers.get("NGSILD-Tenant", ""), create=False)


async def _kept(tenant: Tenant) -> list[Thing]:
    query = Query((Selector(types=HasType(PLAYBOOK)),), limit=MOST)
    rows = (await tenant.query(query)).rows
    return [Thing(entity_of(row).document) for row in rows]


def _told(thing: Thing) -> dict[str, Any]:
    try:
        return _shown(thing.id.removeprefix(_PREFIX), parse(str(thing["toml"])))
    except NgsiError as error:  # of another version
        return {"name": thing.id.removeprefix(_PREFIX), "title": thing["title"],
                "fault": error.detail}  # fmt: skip


def _shown(name: str, playbook: Playbook) -> dict[str, Any]:
    return {
        "name": name,
        "title": playbook.title.model_dump(),
        "appliesTo": playbook.applies_to,
        "fromSeverity": playbook.from_severity,
        "notify": playbook.notify,
        "steps": len(playbook.steps),
        "public": playbook.public,
    }


def _plan(text: str) -> dict[str, Any]:
    """Return what a playbook has people do and whom it calls by itself, or nothing."""
    try:
        playbook = parse(text)
    except NgsiError:  # of another version; `fault` tells why
        return {}
    return {
        "plan": [one.model_dump(exclude_none=True) for one in playbook.steps],
        "escalate": [one.model_dump() for one in playbook.escalate],
    }


def _name(request: Request) -> str:
    name = str(request.path_params["name"])
    if not re.fullmatch(NAME, name):
        raise BadRequestData(
            f"{shown(name)} is no name such as flood-underpass: up to 40 small letters, digits and"
            " hyphens"
        )
    return name
