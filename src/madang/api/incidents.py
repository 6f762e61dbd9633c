"""Incidents over HTTP: what there is, what people do about it, what agencies answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.incidents.cap import MEDIA_TYPE, cap_of, sender_of
from madang.act.incidents.deeds import Who
from madang.act.incidents.report import told, whole
from madang.act.incidents.requests import (
    Answer,
    Requests,
    find,
    listed,
    nearby,
    ongoing,
)
from madang.act.notify.channels import Cap, Webhook
from madang.act.notify.contacts import Person
from madang.act.notify.signature import HEADER, is_signed
from madang.api.bodies import members, number, text
from madang.api.surface import Handler, Surface
from madang.model.errors import BadRequestData, InvalidRequest, PayloadTooLarge, Unauthorized
from madang.trust.actions import TenantAction
from madang.trust.principal import Principal

if TYPE_CHECKING:
    from madang.act.notify.notices import Notices
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.services.services import Services

_TAG = "Incidents"
_ONE = "/incidents/{incident}"
_CHANGES = ("status", "owner", "severity", "title", "public", "handOver", "text")
_ANSWER = ("state", "reference", "text")
_LARGEST_ANSWER = 16 * 1024  # bytes of what an agency answers


def surfaces(hub: Hub, services: Services, notices: Notices, url: str) -> list[Surface]:
    """Return what can be done about incidents.

    Args:
        hub: whose incidents.
        services: the service ``incidents`` among them, which carries out what is asked.
        notices: knows the contacts.
        url: under which others reach this hub.
    """
    pages = _Pages(hub, services, notices, url)
    see: TenantAction = "seeIncidents"
    manage: TenantAction = "manageIncidents"
    rows: list[tuple[str, str, Handler, Any, str]] = [
        ("GET", "/incidents", pages.list, see, "Incidents, the latest first"),
        ("POST", "/incidents", pages.open, manage, "Open an incident"),
        ("GET", _ONE, pages.get, see, "An incident, and what is near it"),
        ("PATCH", _ONE, pages.change, manage, "Acknowledge, own, hand over, resolve, close …"),
        ("POST", f"{_ONE}/notes", pages.note, manage, "Write a note"),
        ("POST", f"{_ONE}/steps/{{step}}", pages.step, manage, "Do a step of the playbook"),
        ("POST", f"{_ONE}/calls", pages.call, manage, "Tell a person, a group or an agency"),
        ("POST", f"{_ONE}/merges", pages.merge, manage, "Make another incident a part of it"),
        ("POST", f"{_ONE}/splits", pages.split, manage, "Make alerts an incident of their own"),
        ("POST", f"{_ONE}/agencies/{{agency}}", pages.hear, "seePages", "Answer as an agency"),
        ("GET", f"{_ONE}/cap", pages.cap, see, "An incident in CAP 1.2"),
    ]
    return [
        Surface(method, path, handler, action, summary, _TAG)
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(self, hub: Hub, services: Services, notices: Notices, url: str) -> None:
        self._hub = hub
        self._services = services
        self._notices = notices
        self._requests = Requests(services)
        self._url = url

    # --- reading --------------------------------------------------------------------------------

    async def list(self, request: Request) -> Response:
        tenant, limit = await self._tenant(request), number(request, "limit", 100)
        status = request.query_params.get("status", "")
        found, count = await listed(
            tenant, status, max(min(limit, 1_000), 1), number(request, "offset", 0)
        )
        return JSONResponse(
            [told(one) for one in found], headers={"NGSILD-Results-Count": str(count)}
        )

    async def get(self, request: Request) -> Response:
        incident = await find(await self._tenant(request), _name(request))
        service = await self._services.find(request.state.tenant.name, "incidents")
        options: Any = service.options
        near = await nearby(
            request.state.tenant, incident, options.nearby_types, options.nearby_metres
        )
        return JSONResponse(whole(incident) | {"nearby": near})

    async def cap(self, request: Request) -> Response:
        incident = await find(await self._tenant(request), _name(request))
        return Response(cap_of(incident, sender_of(self._url)), media_type=MEDIA_TYPE)

    # --- doing ----------------------------------------------------------------------------------

    async def open(self, request: Request) -> Response:
        known = ("title", "text", "category", "severity", "location", "area", "alerts")
        body = await members(request, known, ("title",))
        answer = await self._requests.open(await self._tenant(request), body, _who(request))
        return _answered(answer, 201)

    async def change(self, request: Request) -> Response:
        body = await members(request, _CHANGES)
        tenant, who = await self._tenant(request), _who(request)
        wanted = _deeds(body, who)
        for one in wanted:
            if one["do"] == "handOver":
                one["tell"] = one["to"] in await self._notices.directory(tenant.name)
        return _answered(await self._requests.ask(tenant, _name(request), wanted, who))

    async def note(self, request: Request) -> Response:
        body = await members(request, ("text", "public"), ("text",))
        return await self._one(request, {"do": "note", **body}, 201)

    async def step(self, request: Request) -> Response:
        body = await members(request, ("value", "done"))
        return await self._one(
            request, {"do": "step", "step": str(request.path_params["step"]), **body}
        )

    async def call(self, request: Request) -> Response:
        name = text(await members(request, ("to",), ("to",)), "to")
        contact = (await self._notices.directory(request.state.tenant.name)).named(name)
        is_agency = isinstance(contact, Person) and any(
            isinstance(channel, Cap) for channel in contact.channels
        )
        return await self._one(request, {"do": "call", "to": name, "agency": is_agency}, 201)

    async def merge(self, request: Request) -> Response:
        body = await members(request, ("incident", "text"), ("incident",))
        tenant, other = await self._tenant(request), text(body, "incident")
        more = {"text": body["text"]} if "text" in body else {}
        answer = await self._requests.merge(tenant, _name(request), other, more, _who(request))
        return _answered(answer, 201)

    async def split(self, request: Request) -> Response:
        body = await members(request, ("alerts", "title"), ("alerts",))
        tenant = await self._tenant(request)
        answer = await self._requests.split(tenant, _name(request), body, _who(request))
        return _answered(answer, 201)

    async def hear(self, request: Request) -> Response:
        """Take what an agency answers; its signature says that it is the agency."""
        tenant, agency = await self._tenant(request), str(request.path_params["agency"])
        body = await request.body()
        if len(body) > _LARGEST_ANSWER:
            raise PayloadTooLarge(f"an answer has at most {_LARGEST_ANSWER:,} bytes")
        directory = await self._notices.directory(tenant.name)
        contact = directory.named(agency) if agency in directory else None
        signed = contact.channels if isinstance(contact, Person) else []
        secrets = [one.secret for one in signed if isinstance(one, Cap | Webhook)]
        given = request.headers.get(HEADER, "")
        if not any(is_signed(secret, body, given, time.time()) for secret in secrets):
            raise Unauthorized(
                f"the header {HEADER} must sign the time and the body with the secret of the agency"
            )
        answer = _object(body)
        if unknown := sorted(answer.keys() - set(_ANSWER)):
            raise BadRequestData(f"{unknown[0][:60]} is not known here; known are {_ANSWER}")
        deed = {"do": "agency", "agency": agency, **answer}
        who = Who(f"agency:{agency}", contact.title or agency if contact else agency)
        # An agency that was asked about an incident goes on answering there after a merge.
        incident = await ongoing(tenant, _name(request))
        return _answered(await self._requests.ask(tenant, incident, [deed], who))

    async def _one(self, request: Request, deed: dict[str, Any], status: int = 200) -> Response:
        tenant = await self._tenant(request)
        answer = await self._requests.ask(tenant, _name(request), [deed], _who(request))
        return _answered(answer, status)

    async def _tenant(self, request: Request) -> Tenant:
        """Return the whole tenant: who may see incidents sees them whole."""
        return await self._hub.tenant(request.headers.get("NGSILD-Tenant", ""), create=False)


def _deeds(body: dict[str, Any], who: Who) -> list[dict[str, Any]]:
    """Return what members to be changed mean.

    Raises:
        BadRequestData: they mean nothing.
    """
    found: list[dict[str, Any]] = []
    said = {"text": body["text"]} if "text" in body else {}
    if "severity" in body:
        found.append({"do": "severity", "severity": body["severity"]})
    if "title" in body:
        found.append({"do": "title", "title": body["title"]})
    if "public" in body:
        found.append({"do": "public", "public": body["public"]})
    if "owner" in body:
        owner = who.name if body["owner"] == "me" else body["owner"]
        found.append({"do": "own", "owner": owner})
    if "handOver" in body:
        found.append({"do": "handOver", "to": body["handOver"], **said})
    does = {"acknowledged": "acknowledge", "resolved": "resolve", "closed": "close"}
    if "status" in body:
        verb = does.get(body["status"]) if isinstance(body["status"], str) else None
        if verb is None:
            raise BadRequestData(f"status can be set to {', '.join(does)}")
        found.append({"do": verb, **(said if verb != "acknowledge" else {})})
    if not found:
        raise BadRequestData(f"say what to change: {', '.join(_CHANGES[:-1])}")
    return found


def _answered(answer: Answer, status: int = 200) -> Response:
    """Tell what became of it: 202 if the service is behind, for it will be done."""
    body: dict[str, Any] = whole(answer.incident)
    return JSONResponse(body, status if answer.is_done else 202)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidRequest("the body must be a JSON object")
    return found


def _who(request: Request) -> Who:
    principal: Principal = request.state.principal
    return Who(principal.id, principal.name)


def _name(request: Request) -> str:
    return str(request.path_params["incident"])
