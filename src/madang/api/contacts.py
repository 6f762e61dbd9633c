"""Contacts over HTTP: people with their channels, groups, rotas; who is on call; test notices."""

from __future__ import annotations

import secrets as chance
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.notify.contacts import Directory, told
from madang.act.notify.rota import Rota, upcoming
from madang.api.bodies import page
from madang.api.surface import Handler, Surface
from madang.hub.operations import Create
from madang.hub.records import Own
from madang.model import time
from madang.model.context import CORE
from madang.model.errors import BadRequestData, InvalidRequest, NgsiError
from madang.model.normalize import entity as normalized
from madang.services import records
from madang.services.records import NOTICE
from madang.services.service import Text
from madang.trust.actions import TenantAction
from madang.trust.events import Event, PersonDeed

if TYPE_CHECKING:
    from madang.act.notify.notices import Notices
    from madang.hub.hub import Hub
    from madang.trust.accounts import Accounts
    from madang.trust.events import Recorder
    from madang.trust.gate import Gate

TURNS = 10  # of a rota that are shown
_TAG = "Incidents"
_TEST = Text("A test of Madang", "마당 시험 알림")
_TEST_TEXT = Text(
    "This is only a test. Nothing has happened.", "시험 알림입니다. 아무 일도 없습니다."
)


def surfaces(
    hub: Hub, notices: Notices, gate: Gate, recorder: Recorder, accounts: Accounts
) -> list[Surface]:
    """Return the routes of contacts.

    Args:
        hub: whose contacts.
        notices: knows them.
        gate: tells who may name addresses inside the city's network.
        recorder: is told of changes.
        accounts: those that contacts may belong to.
    """
    pages, one = _Pages(hub, notices, gate, recorder, accounts), "/contacts/{name}"
    see: TenantAction = "seeIncidents"
    manage: TenantAction = "manageIncidents"
    rows: list[tuple[str, str, Handler, TenantAction, str]] = [
        ("GET", "/contacts", pages.list, manage, "People, groups and rotas"),
        ("GET", one, pages.get, manage, "A contact"),
        ("PUT", one, pages.put, manage, "Keep a contact"),
        ("DELETE", one, pages.remove, manage, "Remove a contact"),
        ("GET", f"{one}/on-call", pages.on_call, see, "Who would be told at a time"),
        ("POST", f"{one}/test", pages.test, manage, "Send a test notice"),
        ("GET", "/notices/push-key", pages.push_key, see, "The key that browsers subscribe with"),
    ]
    return [
        Surface(method, path, handler, action, summary, _TAG)
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(
        self, hub: Hub, notices: Notices, gate: Gate, recorder: Recorder, accounts: Accounts
    ) -> None:
        self._accounts = accounts
        self._hub = hub
        self._notices = notices
        self._gate = gate
        self._recorder = recorder

    async def list(self, request: Request) -> Response:
        directory = await self._directory(request)
        return page(request, directory.names, lambda name: told(name, directory.named(name)))

    async def get(self, request: Request) -> Response:
        name = _name(request)
        return JSONResponse(told(name, (await self._directory(request)).named(name)))

    async def put(self, request: Request) -> Response:
        """Keep a contact; secrets that were made for it are in this answer, and never again."""
        try:
            given = orjson.loads(await request.body())
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"the body is no JSON: {error}") from None
        if isinstance(given, dict) and isinstance(given.get("account"), str):
            given["account"] = self._accounts.named(given["account"]).id
        directory, name = await self._directory(request), _name(request)
        principal, tenant = request.state.principal, request.state.tenant.name
        inside = self._gate.may(principal, "seeSubscriptions", tenant)
        is_new = name not in directory
        contact, secrets = await directory.put(name, given, inside)
        await self._record(request, "contactChanged")
        more = {"secrets": secrets} if secrets else {}
        return JSONResponse(told(name, contact) | more, 201 if is_new else 200)

    async def remove(self, request: Request) -> Response:
        await (await self._directory(request)).remove(_name(request))
        await self._record(request, "contactRemoved")
        return Response(status_code=204)

    async def on_call(self, request: Request) -> Response:
        """Tell names only; ``at`` is now if it is left out."""
        directory, name = await self._directory(request), _name(request)
        contact, text = directory.named(name), request.query_params.get("at")
        now = time.render((await self._tenant(request)).clock.now())
        instant = time.parse(time.checked(text, "at") if text else now)
        at = datetime.fromtimestamp(instant / 1e6, UTC)
        people = directory.people(name, at)
        turns = upcoming(contact, at, TURNS) if isinstance(contact, Rota) else []
        return JSONResponse({
            "name": name,
            "at": time.render(instant),
            "people": [{"name": who, "title": one.title} for who, one in people.items()],
            "turns": [{"from": start.isoformat().replace("+00:00", "Z"), "who": who}
                      for start, who in turns],
        })  # fmt: skip

    async def test(self, request: Request) -> Response:
        """Send a notice; its fate is in the entity that is named in the answer."""
        name = _name(request)
        (await self._directory(request)).named(name)
        id = f"urn:ngsi-ld:{NOTICE}:test:{name}:{chance.token_hex(5)}"
        by = request.state.principal.id
        wanted = records.notice(name, _TEST, _TEST_TEXT, "", True, by)
        document: dict[str, Any] = {
            one: value if isinstance(value, dict) else {"type": "Property", "value": value}
            for one, value in wanted.items()
        }
        content = normalized({"id": id, "type": NOTICE, **document}, CORE)
        (result,) = await (await self._tenant(request)).write([Own(Create(id, content))])
        if isinstance(result, NgsiError):
            raise result
        return JSONResponse({"id": id}, 201)

    async def push_key(self, request: Request) -> Response:
        return JSONResponse({"key": await self._notices.push_key()})

    async def _directory(self, request: Request) -> Directory:
        return await self._notices.directory(request.state.tenant.name)

    async def _tenant(self, request: Request) -> Any:
        return await self._hub.tenant(request.state.tenant.name, create=False)

    async def _record(self, request: Request, action: PersonDeed) -> None:
        state = request.state
        await self._recorder.record(
            Event(
                "account",
                state.principal.id,
                action,
                tenant=state.tenant.name,
                targets=(_name(request),),
                address=state.address,
            )
        )


def _name(request: Request) -> str:
    name = str(request.path_params["name"])
    if len(name) > 100:
        raise BadRequestData("the name of a contact has at most 40 characters")
    return name
