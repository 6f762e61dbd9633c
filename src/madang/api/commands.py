"""Commands over HTTP: asking for one, agreeing to it, refusing, cancelling, taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.commands.command import PREFIX, read, shown
from madang.act.commands.commands import Asked, Commands
from madang.api.bodies import flag, members, text
from madang.api.surface import Handler, Surface
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Forbidden, ResourceNotFound
from madang.model.names import check_uri
from madang.query.q import parse
from madang.query.tree import HasType, Order, Path, Query, Selector
from madang.services.records import COMMAND
from madang.store.rows import entity_of
from madang.trust.events import CommandDeed, Event, Recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Set

    from madang.act.commands.command import Command
    from madang.act.commands.rules import Rule
    from madang.trust.actions import EntityAction, TenantAction
    from madang.trust.principal import Principal

_ONE: Final = "/commands/{command}"
_KNOWN: Final = ("target", "name", "parameters", "key", "revertAfter", "dryRun")
_MOST: Final = 1000
_USUAL: Final = 100


def surfaces(
    commands: Commands, recorder: Recorder, find: Callable[[str], Principal | None]
) -> list[Surface]:
    """Return what can be done about commands.

    Args:
        commands: those of all tenants.
        recorder: the audit log.
        find: returns who has an id, for their names.
    """
    pages = _Pages(commands, recorder, find)
    rows: list[tuple[str, str, Handler, TenantAction | EntityAction, str]] = [
        ("POST", "/commands", pages.ask, "command", "Tell a device to do something"),
        ("GET", "/commands", pages.list, "readEntity", "Commands, the latest first"),
        ("GET", "/commands/offers", pages.offers, "command", "What a target can be told to do"),
        ("GET", _ONE, pages.get, "readEntity", "A command and what became of it"),
        ("POST", f"{_ONE}/approve", pages.approve, "command", "Agree to a command"),
        ("POST", f"{_ONE}/refuse", pages.refuse, "command", "Say no to a command"),
        ("POST", f"{_ONE}/cancel", pages.cancel, "command", "Call off a command"),
        ("POST", f"{_ONE}/revert", pages.revert, "command", "Take back a command"),
    ]
    return [
        Surface(method, path, handler, action, summary, "Commands")
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(
        self,
        commands: Commands,
        recorder: Recorder,
        find: Callable[[str], Principal | None],
    ) -> None:
        self._commands = commands
        self._recorder = recorder
        self._find = find

    async def ask(self, request: Request) -> Response:
        """Answer 201 with the command; 200 if there was one of the key already."""
        body = await members(request, _KNOWN, ("target", "name"))
        principal = request.state.principal
        parameters = body.get("parameters", {})
        if not isinstance(parameters, dict):
            raise BadRequestData("parameters must be a JSON object of values by name")
        asked = Asked(
            principal.id,
            text(body, "target"),
            text(body, "name"),
            parameters,
            text(body, "key") if "key" in body else "",
            _seconds(body),
            "dryRun" in body and flag(body, "dryRun"),
        )
        tenant = request.state.tenant
        if await tenant.get(asked.target) is None:
            raise ResourceNotFound(f"target: there is no entity {asked.target[:200]}")
        command, entity, is_new = await self._commands.ask(tenant.name, asked)
        if is_new:
            await self._record(request, "commandAsked", command)
        headers = {"Location": f"/commands/{command.id}"}
        return JSONResponse(self._named(shown(command, entity)), 201 if is_new else 200, headers)

    async def list(self, request: Request) -> Response:
        """Return commands; ``status``, ``target`` and ``limit`` narrow them."""
        wanted = []
        for name, attribute in (("status", "status"), ("target", "commandTarget")):
            value = request.query_params.get(name)
            if value:
                quoted = value[:512].replace("\\", "").replace('"', "")
                wanted.append(f'{attribute}=="{quoted}"')
        query = Query(
            (Selector(types=HasType(COMMAND)),),
            q=parse(";".join(wanted), CORE) if wanted else None,
            order=(Order(Path("createdAt"), descending=True),),
            limit=_limit(request),
        )
        page = await request.state.tenant.query(query)
        found = [(read(one), one) for one in map(entity_of, page.rows)]
        titles = await self._titles(request.state.tenant.name, {one.target for one, _ in found})
        return JSONResponse(
            [
                self._named(shown(one, entity)) | titles.get((one.target, one.name), {})
                for one, entity in found
            ]
        )

    async def _titles(self, tenant: str, targets: Set[str]) -> dict[tuple[str, str], Any]:
        """Return what commands are called, by target and name, while the device has them."""
        found: dict[tuple[str, str], Any] = {}
        for target in targets:
            reached = await self._commands.reached(tenant, target)
            for name, rule in reached.rules.items() if reached else ():
                found[target, name] = {"title": rule.title.model_dump(mode="json")}
        return found

    async def offers(self, request: Request) -> Response:
        """``{device, state, isInUse, commands}`` of a ``target``; null if no device controls it."""
        target, tenant = request.query_params.get("target", ""), request.state.tenant
        check_uri(target, "target")
        if await tenant.get(target) is None:
            raise ResourceNotFound(f"target: there is no entity {target[:200]}")
        reached = await self._commands.reached(tenant.name, target)
        if reached is None:
            return JSONResponse({"device": None, "state": "", "isInUse": False, "commands": []})
        return JSONResponse(
            {
                "device": reached.name,
                "state": reached.state,
                "isInUse": reached.is_in_use,
                "commands": [_offer(name, rule) for name, rule in reached.rules.items()],
            }
        )

    async def get(self, request: Request) -> Response:
        row = await request.state.tenant.get(_id(request))
        entity = None if row is None else entity_of(row)
        if entity is None or COMMAND not in entity.types:
            raise ResourceNotFound(f"there is no command {_id(request)[:200]}")
        return JSONResponse(self._named(shown(read(entity), entity)))

    async def approve(self, request: Request) -> Response:
        who = request.state.principal
        if who.kind != "person":
            raise Forbidden(
                "a command is approved by a person who has signed in with an account of their own,"
                " not with a key or as the user of this machine"
            )
        return await self._done(request, "commandApproved", self._commands.approve)

    async def refuse(self, request: Request) -> Response:
        return await self._done(request, "commandRefused", self._commands.refuse, True)

    async def cancel(self, request: Request) -> Response:
        return await self._done(request, "commandCancelled", self._commands.cancel, True)

    async def revert(self, request: Request) -> Response:
        return await self._done(request, "commandReverted", self._commands.revert)

    async def _done(
        self,
        request: Request,
        action: CommandDeed,
        do: Callable[..., Awaitable[Command]],
        has_reason: bool = False,
    ) -> Response:
        """Do something to a command, put it on record, and return the command as it is then."""
        body = await members(request, ("reason",) if has_reason else ())
        reason = (text(body, "reason") if "reason" in body else "",) if has_reason else ()
        tenant = request.state.tenant
        id = _id(request)
        if await tenant.get(id) is None:
            raise ResourceNotFound(f"there is no command {id[:200]}")
        command = await do(tenant.name, id, request.state.principal.id, *reason)
        await self._record(request, action, command)
        return await self.get(request)

    async def _record(self, request: Request, action: CommandDeed, command: Command) -> None:
        state = request.state
        await self._recorder.record(
            Event(
                "command",
                state.principal.id,
                action,
                tenant=state.tenant.name,
                targets=(command.target, command.id),
                address=state.address,
                detail={"name": command.name},
            )
        )

    def _named(self, told: dict[str, Any]) -> dict[str, Any]:
        """Add the names of those whose ids are in a command."""
        ids = [told["requestedBy"], *told["approvedBy"], told.get("endedBy", "")]
        people = {id: found.name for id in ids if id and (found := self._find(id)) is not None}
        return {**told, "people": people} if people else told


def _offer(name: str, rule: Rule) -> dict[str, Any]:
    """Return a command as who asks for one needs to know it; how it is sent is left out."""
    told = rule.model_dump(mode="json", exclude={"payload", "done_when", "acknowledges"})
    return {"name": name, **told}


def _id(request: Request) -> str:
    id = str(request.path_params["command"])
    return id if id.startswith(PREFIX) else PREFIX + id


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", str(_USUAL))
    if not (given.isascii() and given.isdigit() and 0 < len(given) < 5 and 0 < int(given) <= _MOST):
        raise BadRequestData(f"limit must be a number from 1 to {_MOST}, not {given[:40]!r}")
    return int(given)


def _seconds(body: dict[str, Any]) -> float | None:
    value = body.get("revertAfter")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise BadRequestData("revertAfter must be a number of seconds")
    return None if value is None else float(value)
