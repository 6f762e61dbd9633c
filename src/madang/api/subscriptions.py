"""Subscriptions over HTTP (ETSI GS CIM 009 clauses 6.10 and 6.11), and what waits for them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import orjson

from madang.api.answers import answer
from madang.api.call import Call
from madang.api.http import Response, json_response
from madang.api.negotiation import accepted, content_type, preferences
from madang.api.parameters import ALLOWED, check_known, page, page_links, whole, words
from madang.hub.message import unpack
from madang.hub.notification import told
from madang.hub.subscription import Subscription
from madang.model import time
from madang.model.context import Context
from madang.model.names import check_uri

_NONE: Final = frozenset({"local"})
_OPTIONS: Final = frozenset({"sysAttrs"})
_UNDELIVERED: Final = frozenset({"after", "limit"})
_LAST_KEY: Final = 2**63 - 1


async def create(call: Call) -> Response:
    """``POST /subscriptions`` (clause 5.8.1)."""
    request, tenant = call.request, call.tenant
    check_known(request.query, _NONE)
    content_type(request.headers.get("content-type"))
    body = call.json()
    names = await call.context(body)
    subscription = await tenant.subscriptions.create(body, names)
    location = f"/ngsi-ld/v1/subscriptions/{quote(subscription.id, safe=':')}"
    return Response(201, headers=[("location", location)])


async def retrieve(call: Call, id: str) -> Response:
    """``GET /subscriptions/{id}`` (clause 5.8.3)."""
    parameters = check_known(call.request.query, ALLOWED["retrieveSubscription"])
    sys_attrs = "sysAttrs" in words(parameters, "options", _OPTIONS)
    accepted(call.request.headers.get("accept"))
    check_uri(id, "the id of a subscription")
    found = call.tenant.subscriptions.get(id)
    names = await call.context()
    return answer(call, _served(call, found, names, sys_attrs), names, _preference(call))


async def query(call: Call) -> Response:
    """``GET /subscriptions`` (clause 5.8.4)."""
    request = call.request
    parameters = check_known(request.query, ALLOWED["listSubscriptions"])
    sys_attrs = "sysAttrs" in words(parameters, "options", _OPTIONS)
    limit, offset, count = page(parameters, call.settings.max_page)
    names = await call.context()
    found, total = call.tenant.subscriptions.page(offset, limit)
    more = offset + len(found) < total
    links = page_links(request.path, request.query, limit, offset, more)
    headers = [*(("link", link) for link in links), *_preference(call)]
    if count:
        headers.append(("NGSILD-Results-Count", str(total)))
    return answer(call, [_served(call, one, names, sys_attrs) for one in found], names, headers)


async def update(call: Call, id: str) -> Response:
    """``PATCH /subscriptions/{id}`` (clause 5.8.2)."""
    request, tenant = call.request, call.tenant
    check_known(request.query, _NONE)
    check_uri(id, "the id of a subscription")
    content_type(request.headers.get("content-type"), patch=True)
    body = call.json()
    names = await call.context(body)
    await tenant.subscriptions.update(id, body, names)
    return Response(204)


async def delete(call: Call, id: str) -> Response:
    """``DELETE /subscriptions/{id}`` (clause 5.8.5)."""
    check_known(call.request.query, _NONE)
    check_uri(id, "the id of a subscription")
    await call.tenant.subscriptions.delete(id)
    return Response(204)


async def undelivered(call: Call, id: str) -> Response:
    """``GET /subscriptions/{id}/undelivered``: how its endpoint fares, and what waits for it."""
    parameters = check_known(call.request.query, _UNDELIVERED)
    limit = whole(parameters, "limit", 20, 1, call.settings.max_page)
    after = whole(parameters, "after", 0, 0, _LAST_KEY)
    service = call.tenant.subscriptions
    within = service.get(id).within
    waiting = await service.undelivered(id, after, limit)
    body: dict[str, Any] = {
        "endpoint": await service.circuit(id),
        "notifications": [
            {
                "key": one.key,
                "changedAt": time.render(one.at),
                "attempts": one.attempts,
                **({"error": one.error} if one.error else {}),
                "notification": orjson.Fragment(told(unpack(one.body), within)),
            }
            for one in waiting
        ],
    }
    return json_response(200, body)


async def resend(call: Call, id: str) -> Response:
    """``POST /subscriptions/{id}/resend``: try everything undelivered again at once."""
    check_known(call.request.query, frozenset())
    call.tenant.subscriptions.resend(id)
    return Response(202)


def _served(call: Call, found: Subscription, names: Context, sys_attrs: bool) -> dict[str, Any]:
    return found.served(names, call.tenant.clock.now(), sys_attrs)


def _preference(call: Call) -> list[tuple[str, str]]:
    """Tell an older client that it was understood: a subscription looks the same to all."""
    applied = preferences(call.request.headers.get("prefer")).applied
    return [] if applied is None else [("Preference-Applied", applied)]
