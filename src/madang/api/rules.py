"""Rules without code over HTTP: put, looked at, checked, tried on the past, removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from madang.api.bodies import instant, members, page
from madang.api.surface import Handler, Surface
from madang.model.errors import BadRequestData, InvalidRequest, MadangError
from madang.services.rules.book import RuleBook, warnings
from madang.services.rules.read import MOST_BYTES, read, read_toml, schema
from madang.trust.actions import EntityAction, TenantAction

if TYPE_CHECKING:
    from madang.services.rules.trial import Trial
    from madang.services.services import Services

LINES: Final = "application/x-ndjson"
TOML: Final = "application/toml"
_TRIED: Final = ("name", "rule", "since", "until")


def surfaces(services: Services) -> list[Surface]:
    """Return what can be done about rules."""
    pages = _Pages(RuleBook(services))
    one = "/rules/{rule}"
    rows: list[tuple[str, str, Handler, TenantAction | EntityAction, str]] = [
        ("GET", "/rules", pages.list, "seeServices", "Rules and how they go"),
        ("PUT", "/rules", pages.put, "manageServices", "Add rules, or replace those of the names"),
        ("GET", "/rules/schema", pages.schema, "seeServices", "JSON Schema of rules"),
        ("POST", "/rules/check", pages.check, "seeServices", "What is wrong with rules"),
        ("POST", "/rules/try", pages.attempt, "readHistory", "When a rule would have fired"),
        ("GET", one, pages.get, "seeServices", "A rule and its last firings"),
        ("DELETE", one, pages.remove, "manageServices", "Remove a rule"),
    ]
    return [
        Surface(method, path, handler, action, summary, "Services")
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(self, book: RuleBook) -> None:
        self._book = book

    async def list(self, request: Request) -> Response:
        found = await self._book.list(_tenant(request))
        return page(request, found, lambda one: one)

    async def get(self, request: Request) -> Response:
        name = str(request.path_params["rule"])
        return JSONResponse(await self._book.show(_tenant(request), name))

    async def put(self, request: Request) -> Response:
        """Take rules by name; those with other names stay."""
        given = await _rules(request)
        state = await self._book.put(_tenant(request), given)
        return JSONResponse({"rules": sorted(given), "state": state})

    async def remove(self, request: Request) -> Response:
        await self._book.remove(_tenant(request), str(request.path_params["rule"]))
        return Response(status_code=204)

    async def schema(self, request: Request) -> Response:
        return JSONResponse(schema(), media_type="application/schema+json")

    async def check(self, request: Request) -> Response:
        """Say what is wrong with rules, and what they name that has never been seen.

        Of TOML (``Content-Type: application/toml``) also the lines, and the rules as they are read.
        """
        is_toml = request.headers.get("content-type", "").startswith(TOML)
        reading = read_toml(await _text(request)) if is_toml else read(await _rules(request))
        kinds = await request.state.tenant.history.read(lambda lake: lake.kinds())
        return JSONResponse(
            {
                "errors": [one.told() for one in reading.problems],
                "warnings": [one.told() for one in warnings(reading.rules, kinds)],
            }
            | ({"rules": reading.given} if is_toml else {})
        )

    async def attempt(self, request: Request) -> Response:
        """Answer with lines of JSON: how far it is, and at last what it has found."""
        body = await members(request, _TRIED)
        name, tenant = body.get("name", "rule"), request.state.tenant
        if not isinstance(name, str):
            raise BadRequestData("name must be a text")
        if "name" not in body and "rule" not in body:
            raise BadRequestData("give a rule, or the name of one that is kept")
        trial = await self._book.trial(
            _tenant(request), tenant.history, name, body.get("rule"), instant(body, "since"),
            instant(body, "until"), tenant.clock.now(),
        )  # fmt: skip
        return StreamingResponse(self._told(trial), media_type=LINES)

    async def _told(self, trial: Trial) -> AsyncIterator[bytes]:
        try:
            turn = self._book.enter()
        except MadangError as error:
            yield _line({"failed": str(error)})
            return
        try:
            async with turn:
                async for told in trial.run():
                    yield _line(told)
        except MadangError as error:
            yield _line({"failed": str(error)})
        finally:
            self._book.leave()


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


async def _rules(request: Request) -> dict[str, Any]:
    """Return rules by name, not yet checked."""
    body = await _body(request)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is no JSON: {error}") from None
    if not isinstance(given, dict) or not given:
        raise BadRequestData("the body must be a JSON object of rules by name")
    return given


async def _text(request: Request) -> str:
    try:
        return (await _body(request)).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the rules are no text in UTF-8; save them as UTF-8") from None


async def _body(request: Request) -> bytes:
    body = await request.body()
    if len(body) > MOST_BYTES:
        raise InvalidRequest(f"the rules are longer than {MOST_BYTES:,} bytes; put them in parts")
    return body


def _tenant(request: Request) -> str:
    return request.headers.get("NGSILD-Tenant", "")
