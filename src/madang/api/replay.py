"""Replays of city services over HTTP: begin one, see how far it is and what came of it, end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.responses import StreamingResponse as Streaming

from madang.api.bodies import instant, members, page
from madang.api.surface import Handler, Surface
from madang.model.entity import Document, Entity
from madang.model.errors import BadRequestData
from madang.services.replay.replays import MOST_RUNS, Replay, Replays
from madang.trust.view import View

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

_LINES: Final = 500  # read and sent at once


def surfaces(replays: Replays) -> list[Surface]:
    """Return what can be done about replays."""
    pages = _Pages(replays)
    all, one = "/services/{service}/replays", "/services/{service}/replays/{replay}"
    rows: list[tuple[str, str, Handler, str]] = [
        ("POST", all, pages.begin, "Try a service on recorded history"),
        ("GET", all, pages.list, "Replays of a service"),
        ("GET", one, pages.get, "How far a replay is, and what came of it"),
        ("GET", f"{one}/effects", pages.effects, "What a replay would have written"),
        ("DELETE", one, pages.remove, "End a replay and forget it"),
    ]
    return [
        Surface(method, path, handler, "manageServices", summary, "Services")
        for method, path, handler, summary in rows
    ]


class _Pages:
    def __init__(self, replays: Replays) -> None:
        self._replays = replays

    async def begin(self, request: Request) -> Response:
        body = await members(request, ("from", "to", "runs"), ("from", "to"))
        start, end = instant(body, "from"), instant(body, "to")
        if start is None or end is None:
            raise BadRequestData("from and to must be DateTimes, such as 2027-01-31T00:00:00Z")
        runs = _runs(body.get("runs", [{}]))
        made = await self._replays.begin(_tenant(request), _service(request), start, end, runs)
        where = f"{request.url.path.rstrip('/')}/{made.id}"
        return JSONResponse(made.shown(), 201, {"Location": where})

    async def list(self, request: Request) -> Response:
        found = self._replays.list(_tenant(request), _service(request))
        return page(request, found, lambda one: one.shown())

    async def get(self, request: Request) -> Response:
        replay = self._find(request)
        return JSONResponse(replay.shown() | {"result": _result(replay, request.state.tenant)})

    async def effects(self, request: Request) -> Response:
        """Send entities as NGSI-LD, one a line, as far as who asks may read them.

        ``run`` is the number of a run, ``type`` (several with commas) narrows to entity types.
        """
        run = request.query_params.get("run", "0")
        if not (run.isascii() and run.isdigit() and len(run) < 3):
            raise BadRequestData("run must be the number of a run; the first is 0")
        file = self._replays.effects(self._find(request), int(run))
        types = frozenset(filter(None, request.query_params.get("type", "").split(",")))
        lines = _lines(file, request.state.tenant, types)
        return Streaming(lines, media_type="application/x-ndjson")

    async def remove(self, request: Request) -> Response:
        await self._replays.remove(self._find(request))
        return Response(status_code=204)

    def _find(self, request: Request) -> Replay:
        id = str(request.path_params["replay"])
        return self._replays.find(_tenant(request), _service(request), id)


def _runs(given: Any) -> list[dict[str, Any]]:
    is_list = isinstance(given, list) and 0 < len(given) <= MOST_RUNS
    if not is_list or not all(isinstance(one, dict) for one in given):
        raise BadRequestData(
            f"runs must be an array of 1 to {MOST_RUNS} objects, each with the options that differ"
            ' from those that are set: [{}, {"hold_minutes": 90}]'
        )
    runs: list[dict[str, Any]] = given
    return runs


def _result(replay: Replay, seen: Tenant | View) -> dict[str, Any] | None:
    """Return what came of a replay, with the decisions that its reader may read."""
    if replay.result is None:
        return None
    runs = [
        run | {"decided": [one for one in run["decided"] if _sees(seen, one)]}
        for run in replay.result["runs"]
    ]
    return replay.result | {"runs": runs}


def _sees(seen: Tenant | View, document: Document) -> bool:
    """Tell whether all of an entity may be read."""
    if not isinstance(seen, View):
        return True
    entity = Entity(document, 0, 0, 0)
    return seen.sight.entity(entity) is entity


async def _lines(
    file: Path, seen: Tenant | View, types: frozenset[str] = frozenset()
) -> AsyncIterator[bytes]:
    def wanted(line: bytes) -> bool:
        document = orjson.loads(line)
        return (not types or document["type"] in types) and _sees(seen, document)

    with file.open("rb") as stream:
        while lines := await asyncio.to_thread(lambda: [stream.readline() for _ in range(_LINES)]):
            yield b"".join(one for one in lines if one and wanted(one))
            if not lines[-1]:
                return


def _tenant(request: Request) -> str:
    return request.headers.get("NGSILD-Tenant", "")


def _service(request: Request) -> str:
    return str(request.path_params["service"])
