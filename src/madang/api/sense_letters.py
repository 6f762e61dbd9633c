"""Dead letters over HTTP: which messages could not be used and why; replay them after a fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.surface import Surface
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.sense.dead_letters import Filter, Letter
from madang.trust.principal import LOCAL, OPEN, Principal

if TYPE_CHECKING:
    from madang.sense.sense import Sense
    from madang.sense.station import Station

Find = Callable[[str], Principal | None]

USUAL_PAGE = 100
MOST = 1_000  # letters of a page, or replayed by one request
_LAST = 2**63 - 1
_LONGEST = 500  # [characters] of a parameter
_NO_SENDER = (
    "its sender was not allowed to write this and is no more, so it cannot be replayed; remove it,"
    " or send it with a key that may"
)


def surfaces(sense: Sense, find: Find) -> list[Surface]:
    """Return what can be done about dead letters.

    Args:
        sense: what has them.
        find: returns the principal of an id, for replays are done as who sent the message.
    """
    pages, tag = _Pages(sense, find), "Devices"
    one = "/sense/letters/{letter}"
    return [
        Surface("GET", "/sense/letters", pages.page, "seeDevices", "Dead letters", tag),
        Surface(
            "DELETE", "/sense/letters", pages.remove, "manageDevices", "Remove dead letters", tag
        ),
        Surface(
            "POST",
            "/sense/letters/replay",
            pages.replay,
            "manageDevices",
            "Replay dead letters after a fix, the oldest first",
            tag,
        ),
        Surface("GET", one, pages.get, "manageDevices", "A dead letter with its body", tag),
        Surface("DELETE", one, pages.remove_one, "manageDevices", "Remove a dead letter", tag),
    ]


class _Pages:
    def __init__(self, sense: Sense, find: Find) -> None:
        self._sense = sense
        self._find = find

    async def page(self, request: Request) -> Response:
        """``{count, byReason, byDevice, replaced, letters}``, the newest first.

        ``before`` is for the next page.
        """
        station, wanted = await self._station(request), _filter(request)
        limit = _number(request, "limit", USUAL_PAGE, MOST)
        letters = await station.letters.page(wanted, limit)
        counts = await station.letters.counts()
        return JSONResponse(counts | {"letters": [letter.shown() for letter in letters]})

    async def get(self, request: Request) -> Response:
        station = await self._station(request)
        letter = await station.letters.get(_id(request))
        if letter is None:
            raise _missing(request)
        return JSONResponse(letter.shown(whole=True))

    async def remove(self, request: Request) -> Response:
        station, wanted = await self._station(request), _filter(request)
        return JSONResponse({"removed": await station.letters.remove(wanted)})

    async def remove_one(self, request: Request) -> Response:
        station = await self._station(request)
        if not await station.letters.remove(Filter(), _id(request)):
            raise _missing(request)
        return Response(status_code=204)

    async def replay(self, request: Request) -> Response:
        """Take messages as if they came now; those that are good now are letters no more."""
        station, wanted = await self._station(request), _filter(request, "id")
        number = _number(request, "id", 0, _LAST)
        if number:
            letter = await station.letters.get(number)
            if letter is None:
                raise ResourceNotFound(f"there is no dead letter {number}")
            letters = [letter]
        else:
            letters = list(await station.letters.page(wanted, MOST))
        done: list[int] = []
        failed: list[dict[str, Any]] = []
        for letter in reversed(letters):
            sender = self._sender(letter, request.state.principal)
            detail: str | None = _NO_SENDER
            if sender is not None:
                detail = await self._sense.replay(station, letter, sender)
            if detail is None:
                done.append(letter.id)
            else:
                failed.append({"id": letter.id, "detail": detail})
        return JSONResponse({"replayed": len(done), "failed": failed})

    def _sender(self, letter: Letter, asks: Principal) -> Principal | None:
        """Return who sent a message; who asks for the replay if the sender is no more.

        What the sender was refused is not done with the rights of somebody else: None.
        """
        for known in (LOCAL, OPEN):
            if letter.sender == known.id:
                return known
        return self._find(letter.sender) or (None if letter.reason == "forbidden" else asks)

    async def _station(self, request: Request) -> Station:
        return await self._sense.station(request.state.tenant.name)


def _filter(request: Request, *others: str) -> Filter:
    known = {"device", "reason", "before", "limit", *others}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise BadRequestData(
            f"there is no parameter {unknown[0][:60]!r}; there are {sorted(known)}"
        )
    device, reason = (
        request.query_params.get(name, "")[:_LONGEST] for name in ("device", "reason")
    )
    return Filter(device, reason, _number(request, "before", 0, _LAST))


def _number(request: Request, name: str, otherwise: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and 1 <= int(text) <= most):
        raise BadRequestData(f"{name} must be a whole number from 1 to {most}, not {text[:40]!r}")
    return int(text)


def _id(request: Request) -> int:
    text = request.path_params["letter"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise _missing(request)
    return int(text)


def _missing(request: Request) -> ResourceNotFound:
    return ResourceNotFound(f"there is no dead letter {request.path_params['letter'][:40]!r}")
