"""JSON bodies and query parameters of the surfaces beside NGSI-LD, and answers in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.model import time
from madang.model.errors import BadRequestData, InvalidRequest

_LARGEST_PAGE: Final = 1000
_COUNT: Final = "NGSILD-Results-Count"

T = TypeVar("T")


async def members(
    request: Request, known: Sequence[str], needed: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the members of a request's JSON object.

    Raises:
        InvalidRequest: the body is no JSON object.
        BadRequestData: a member is missing, or is none of the known.
    """
    try:
        body = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    if unknown := sorted(body.keys() - set(known)):
        raise BadRequestData(f"{unknown[0][:100]} is not known here; known are {', '.join(known)}")
    if missing := sorted(set(needed) - body.keys()):
        raise BadRequestData(f"{missing[0]} is missing")
    return body


def text(body: dict[str, Any], member: str) -> str:
    """Return a text that is there, or raise BadRequestData."""
    value = body.get(member)
    if not isinstance(value, str) or not value:
        raise BadRequestData(f"{member} must be a text that is not empty")
    return value


def flag(body: dict[str, Any], member: str) -> bool:
    """Return true or false, or raise BadRequestData."""
    value = body[member]
    if not isinstance(value, bool):
        raise BadRequestData(f"{member} must be true or false")
    return value


def instant(body: dict[str, Any], member: str) -> int | None:
    """Return a DateTime that may be missing, or raise BadRequestData. [us since 1970]"""
    return None if body.get(member) is None else time.parse(time.checked(body[member], member))


def page(request: Request, found: Sequence[Any], show: Callable[[Any], Any]) -> Response:
    """Return the part of a list that ``limit`` and ``offset`` ask for; a header has the count."""
    some, headers = part(request, found)
    return JSONResponse([show(one) for one in some], headers=headers)


def part(request: Request, found: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """Return the part of a list that is asked for, and the header with the count of all."""
    limit, offset = number(request, "limit", 100), number(request, "offset", 0)
    if limit > _LARGEST_PAGE:
        raise BadRequestData(f"limit must be at most {_LARGEST_PAGE}, not {limit}")
    return found[offset : offset + limit], {_COUNT: str(len(found))}


def number(request: Request, name: str, default: int) -> int:
    """Return a whole number that a query parameter names, or raise BadRequestData."""
    value = request.query_params.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise BadRequestData(f"{name} must be a whole number, not {value[:40]!r}")
    return int(value)
