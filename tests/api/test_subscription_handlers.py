"""The HTTP face of subscriptions, down to headers and status codes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.api import subscriptions
from madang.api.call import Call
from madang.api.http import Request, Response
from madang.api.negotiation import UnsupportedMediaType
from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenants import Tenants
from madang.model.context import CORE
from madang.model.errors import BadRequestData, InvalidRequest, ResourceNotFound
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store.engine import SqliteEngine

PATH = "/ngsi-ld/v1/subscriptions"
BODY: dict[str, Any] = {
    "type": "Subscription",
    "entities": [{"type": "Bench"}],
    "notification": {"endpoint": {"uri": "http://127.0.0.1:9/"}},
}


class Surface:
    """Calls handlers as the direct lane does."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self.settings = settings
        self.hub = hub

    async def call(
        self, method: str, path: str = "", query: str = "", body: Any = b"", **headers: str
    ) -> Call:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        given = {"content-type": "application/json"} if content else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        tenant = await self.hub.tenant("", create=True)
        return Call(Request(method, PATH + path, query, given, content), tenant, self.settings)

    async def create(self, id: str, **members: Any) -> Response:
        call = await self.call("POST", body={**BODY, "id": id, **members})
        return await subscriptions.create(call)


@pytest.fixture
async def surface(tmp_path: Path) -> AsyncIterator[Surface]:
    settings = Settings(data=tmp_path)
    tenants = Tenants(settings)
    hub = Hub(SqliteEngine(tmp_path / "state"), tenants.make)
    await hub.start()
    yield Surface(settings, hub)
    await hub.close()
    await tenants.close()


def header(response: Response, name: str) -> list[str]:
    return [value for key, value in response.headers if key.lower() == name.lower()]


async def test_creation_says_where_the_subscription_is(surface: Surface) -> None:
    response = await surface.create("urn:s:한")
    assert (response.status, response.body) == (201, b"")
    (location,) = header(response, "location")
    assert location == "/ngsi-ld/v1/subscriptions/urn:s:%ED%95%9C"
    found = await subscriptions.retrieve(await surface.call("GET"), "urn:s:한")
    assert orjson.loads(found.body)["status"] == "active"


async def test_json_ld_answers_carry_the_context_inside(surface: Surface) -> None:
    await surface.create("urn:s:1")
    call = await surface.call("GET", accept="application/ld+json")
    response = await subscriptions.retrieve(call, "urn:s:1")
    assert header(response, "content-type") == ["application/ld+json"]
    assert "@context" in orjson.loads(response.body)


async def test_system_times_are_an_option(surface: Surface) -> None:
    await surface.create("urn:s:1")
    call = await surface.call("GET", query="options=sysAttrs")
    assert "createdAt" in orjson.loads((await subscriptions.retrieve(call, "urn:s:1")).body)
    with pytest.raises(InvalidRequest):
        await subscriptions.retrieve(await surface.call("GET", query="options=all"), "urn:s:1")


async def test_an_older_client_learns_that_it_was_understood(surface: Surface) -> None:
    await surface.create("urn:s:1")
    call = await surface.call("GET", prefer="ngsi-ld=1.0")
    response = await subscriptions.retrieve(call, "urn:s:1")
    assert header(response, "Preference-Applied") == ["ngsi-ld=1.0"]


async def test_a_list_is_paged_and_counted(surface: Surface) -> None:
    for number in range(3):
        await surface.create(f"urn:s:{number}")
    call = await surface.call("GET", "/", "limit=1&offset=1&count=true")
    response = await subscriptions.query(call)
    assert [one["id"] for one in orjson.loads(response.body)] == ["urn:s:1"]
    assert header(response, "NGSILD-Results-Count") == ["3"]
    links = [link for link in header(response, "link") if "rel=" in link and "offset" in link]
    assert [link.split(";")[1] for link in links] == ['rel="prev"', 'rel="next"']


async def test_a_patch_and_a_deletion_answer_without_a_body(surface: Surface) -> None:
    await surface.create("urn:s:1")
    patch = await surface.call(
        "PATCH", body={"isActive": False}, content_type="application/merge-patch+json"
    )
    response = await subscriptions.update(patch, "urn:s:1")
    assert (response.status, response.body) == (204, b"")
    response = await subscriptions.delete(await surface.call("DELETE"), "urn:s:1")
    assert (response.status, response.body) == (204, b"")
    with pytest.raises(ResourceNotFound):
        await subscriptions.retrieve(await surface.call("GET"), "urn:s:1")


async def test_bad_requests_are_told_apart(surface: Surface) -> None:
    for body in (b"", b"{"):
        with pytest.raises(InvalidRequest):
            await subscriptions.create(
                await surface.call("POST", body=body, content_type="application/json")
            )
    with pytest.raises(UnsupportedMediaType):
        await subscriptions.create(
            await surface.call("POST", body=BODY, content_type="application/merge-patch+json")
        )
    with pytest.raises(InvalidRequest):
        await subscriptions.create(await surface.call("POST", query="limit=1", body=BODY))
    with pytest.raises(BadRequestData):
        await subscriptions.retrieve(await surface.call("GET"), "no uri")


async def test_what_was_not_delivered_is_listed_with_the_reason(surface: Surface) -> None:
    await surface.create("urn:s:1")
    tenant = await surface.hub.tenant("", create=False)
    bench = normalized({"id": "urn:a:1", "type": "Bench", "seats": 1}, CORE)
    await tenant.write([Upsert("urn:a:1", bench)])
    response = await subscriptions.undelivered(await surface.call("GET"), "urn:s:1")
    found = orjson.loads(response.body)
    assert found["endpoint"]["waiting"] == 1
    (waiting,) = found["notifications"]
    assert waiting["notification"]["data"][0]["id"] == "urn:a:1"
    beyond = await surface.call("GET", query=f"after={waiting['key']}")
    response = await subscriptions.undelivered(beyond, "urn:s:1")
    assert orjson.loads(response.body)["notifications"] == []
    response = await subscriptions.resend(await surface.call("POST"), "urn:s:1")
    assert response.status == 202
