"""@contexts over HTTP: where a request may hold its own, and the resource /jsonldContexts.

Source: ETSI GS CIM 009 clauses 6.3.5 (JSON-LD @context in requests) and 6.29, 6.30
(/jsonldContexts); RFC 8288 (Link).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, get_args

import orjson

from madang.api.http import Request, Response, json_response
from madang.api.negotiation import LD_JSON, content_type
from madang.hub.contexts import PATH, Contexts, Kind
from madang.model.context import Context
from madang.model.errors import BadRequestData, InvalidRequest
from madang.model.names import shown

RELATION: Final = "http://www.w3.org/ns/json-ld#context"

# One link: <target>, then parameters with a token, a quoted string or nothing as value.
_LINK = re.compile(r'\s*<([^>]*)>((?:\s*;\s*[\w!#$&+\-.^`|~*]+(?:\s*=\s*(?:"[^"]*"|[^\s";,]*))?)*)')
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s";,]+))', re.IGNORECASE)


# --- the @context of a request ---


@lru_cache(maxsize=1024)
def linked(header: str | None) -> str | None:
    """Return the URL of the @context that a Link header names, if it names one.

    Raises:
        BadRequestData: it names several, or cannot be read.

    >>> linked('<https://a.example/c>; rel="http://www.w3.org/ns/json-ld#context"')
    'https://a.example/c'
    """
    if not header or RELATION not in header:
        return None
    found = [target for target, relations in _links(header) if RELATION in relations]
    if len(found) > 1:
        raise BadRequestData("the Link header names more than one @context; only one is allowed")
    return found[0] if found else None


def _links(header: str) -> list[tuple[str, list[str]]]:
    links = []
    position = 0
    while match := _LINK.match(header, position):
        relation = _RELATION.search(match[2])
        links.append((match[1], (relation[1] or relation[2] or "").split() if relation else []))
        position = match.end()
        rest = header[position:].lstrip()
        if not rest:
            return links
        if not rest.startswith(","):
            break
        position = len(header) - len(rest) + 1
    raise BadRequestData(
        f"the Link header {shown(header)} cannot be read; "
        f'<URL>; rel="{RELATION}"; type="application/ld+json" was expected'
    )


def link_source(request: Request) -> str | None:
    """Return the URL of the @context in the Link header, if there is one."""
    header = request.headers.get("link")
    return None if header is None else linked(header)


def source_of(request: Request, body: object = None) -> object:
    """Return what a request names as its ``@context``: a URL, an inline value, or None.

    Args:
        request: the request; its Content-Type matters only if there is a body.
        body: the body as JSON; None if there is none, or if no @context can be in it (an array
            of ids, say). For an array of entities see :func:`item_source`.

    Raises:
        BadRequestData: it is where it must not be, or missing where it must be.
    """
    link = link_source(request)
    if body is None:
        return link
    return _source(is_ld_json(request), link, body)


def item_source(request: Request, item: object) -> object:
    """Return what one entity of a batch names as its ``@context``.

    The rule holds for each entity, so a breach fails that one alone; call :func:`check_batch`
    before for what fails the whole request.

    Raises:
        BadRequestData: it is where it must not be, or missing where it must be.
    """
    return _source(is_ld_json(request), link_source(request), item)


def check_batch(request: Request) -> None:
    """Raise BadRequestData if a batch in JSON-LD comes with an @context in the Link header."""
    if is_ld_json(request) and link_source(request) is not None:
        raise BadRequestData(_BOTH)


def is_ld_json(request: Request) -> bool:
    """Return whether the body is JSON-LD, which carries its @context inside."""
    return content_type(request.headers.get("content-type"), patch=True) == LD_JSON


_BOTH: Final = (
    "a body in application/ld+json carries its @context inside, so none may be in the Link header"
)


def _source(ld_json: bool, link: str | None, body: object) -> object:
    inside = isinstance(body, dict) and "@context" in body
    if not ld_json:
        if inside:
            raise BadRequestData(
                "a body in application/json must not hold @context; name it in the Link header, "
                "or send the body as application/ld+json"
            )
        return link
    if link is not None:
        raise BadRequestData(_BOTH)
    if not inside:
        raise BadRequestData("a body in application/ld+json must hold @context")
    source = body["@context"]  # type: ignore[index]
    if source is None:
        raise BadRequestData("@context must be a URL, an object or an array, not null")
    return source


async def context_of(request: Request, contexts: Contexts, body: object = None) -> Context:
    """Return the Context to read and answer a request with; see :func:`source_of`.

    Raises:
        BadRequestData: the @context is misplaced, missing or invalid.
        LdContextNotAvailable: it is remote and cannot be fetched.
    """
    source = source_of(request, body)
    return contexts.known(source) or await contexts.resolve(source)


# --- /jsonldContexts ---


async def add(request: Request, contexts: Contexts, parameters: dict[str, str]) -> Response:
    """POST /jsonldContexts: store a context (clause 5.13.2)."""
    _check_parameters(parameters, ())
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict) or "@context" not in body:
        raise InvalidRequest("the body must be a JSON object with the member @context")
    id = await contexts.add(body["@context"])
    return Response(201, headers=[("location", PATH + id)])


async def catalogue(request: Request, contexts: Contexts, parameters: dict[str, str]) -> Response:
    """GET /jsonldContexts: the URLs of all contexts, or their details (clause 5.13.3)."""
    _check_parameters(parameters, ("details", "kind"))
    kind = parameters.get("kind")
    if kind is not None and kind not in get_args(Kind):
        raise BadRequestData(f"kind must be one of {', '.join(get_args(Kind))}, not {shown(kind)}")
    found: list[Any] = contexts.catalogue(kind)
    if not _flag(parameters, "details"):
        found = [details["URL"] for details in found]
    return json_response(200, found)


async def serve(
    request: Request, contexts: Contexts, parameters: dict[str, str], id: str
) -> Response:
    """GET /jsonldContexts/{id}: a stored context, or what is known of it (clause 5.13.4)."""
    _check_parameters(parameters, ("details",))
    if _flag(parameters, "details"):
        return json_response(200, contexts.details(id))
    return json_response(200, {"@context": contexts.content(id)})


async def delete(
    request: Request, contexts: Contexts, parameters: dict[str, str], id: str
) -> Response:
    """DELETE /jsonldContexts/{id}: remove a context or fetch it again (clause 5.13.5)."""
    _check_parameters(parameters, ("reload",))
    if _flag(parameters, "reload"):
        await contexts.reload(id)
    else:
        await contexts.delete(id)
    return Response(204)


def _check_parameters(parameters: dict[str, str], known: tuple[str, ...]) -> None:
    for name in parameters:
        if name not in known:
            raise InvalidRequest(f"there is no query parameter {shown(name)} here")


def _flag(parameters: dict[str, str], name: str) -> bool:
    value = parameters.get(name, "false")
    if value not in ("true", "false"):
        raise BadRequestData(f"{name} must be true or false, not {shown(value)}")
    return value == "true"
