"""Subscriptions as their owners and administrators find them, down to the HTTP handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.api import subscriptions as handlers
from madang.api.call import Call
from madang.api.http import Request
from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.model.context import CORE
from madang.model.errors import AlreadyExists, Forbidden, ResourceNotFound
from madang.model.normalize import entity as normalized
from madang.query.reach import WHOLE, Hidden, Reach
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from madang.trust import own_subscriptions
from madang.trust.own_subscriptions import OwnSubscriptions

BODY: dict[str, Any] = {
    "type": "Subscription",
    "entities": [{"type": "Bench"}],
    "notification": {"endpoint": {"uri": "http://hooks.example.org/"}},
}
rights: dict[str, Reach | None] = {}


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Tenant]:
    rights.clear()
    rights.update(dict.fromkeys(("person:ann", "person:bob", "person:root"), WHOLE))
    settings = Settings(data=tmp_path, notify_hosts=["*", "127.0.0.1"])
    tenants = Tenants(settings, lambda _tenant, owner: rights.get(owner))
    hub = Hub(SqliteEngine(tmp_path / "state"), tenants.make)
    await hub.start()
    yield await hub.tenant("", create=True)
    await hub.close()
    await tenants.close()


@pytest.fixture
def ann(tenant: Tenant) -> OwnSubscriptions:
    return OwnSubscriptions(tenant.subscriptions, "person:ann")


@pytest.fixture
def bob(tenant: Tenant) -> OwnSubscriptions:
    return OwnSubscriptions(tenant.subscriptions, "person:bob")


@pytest.fixture
def root(tenant: Tenant) -> OwnSubscriptions:
    return OwnSubscriptions(tenant.subscriptions, "person:root", sees_all=True)


def named(id: str, **members: Any) -> dict[str, Any]:
    return {**BODY, "id": id, **members}


def ids(service: OwnSubscriptions) -> list[str]:
    found, count = service.page(0, 100)
    assert count == len(found)
    return [one.id for one in found]


async def test_each_finds_their_own_and_administrators_all(
    ann: OwnSubscriptions, bob: OwnSubscriptions, root: OwnSubscriptions, tenant: Tenant
) -> None:
    await tenant.subscriptions.create(named("urn:s:hub"), CORE)
    for number in range(3):
        await ann.create(named(f"urn:s:a{number}"), CORE)
    await bob.create(named("urn:s:b"), CORE)
    assert ids(ann) == ["urn:s:a0", "urn:s:a1", "urn:s:a2"]
    assert ids(bob) == ["urn:s:b"]
    assert ids(root) == ["urn:s:hub", "urn:s:a0", "urn:s:a1", "urn:s:a2", "urn:s:b"]
    found, count = ann.page(1, 1)
    assert ([one.id for one in found], count) == (["urn:s:a1"], 3)


@pytest.mark.parametrize("id", ["urn:s:a", "urn:s:none"])
async def test_those_of_others_are_not_there(
    ann: OwnSubscriptions, bob: OwnSubscriptions, id: str
) -> None:
    await ann.create(named("urn:s:a"), CORE)
    for asked in (bob.get, bob.resend):
        with pytest.raises(ResourceNotFound, match=f"there is no subscription {id}"):
            asked(id)
    changed, deleted = bob.update(id, {"q": "a"}, CORE), bob.delete(id)
    for work in (changed, deleted, bob.undelivered(id), bob.circuit(id)):
        with pytest.raises(ResourceNotFound, match=f"there is no subscription {id}"):
            await work
    assert ann.get("urn:s:a").body.get("q") is None


async def test_an_id_is_taken_whoever_has_it(ann: OwnSubscriptions, bob: OwnSubscriptions) -> None:
    await ann.create(named("urn:s:a"), CORE)
    with pytest.raises(AlreadyExists):
        await bob.create(named("urn:s:a"), CORE)


async def test_an_administrator_changes_a_subscription_but_not_whose_it_is(
    ann: OwnSubscriptions, root: OwnSubscriptions
) -> None:
    await ann.create(named("urn:s:a"), CORE)
    await root.update("urn:s:a", {"description": "checked"}, CORE)
    assert ann.get("urn:s:a").owner == "person:ann"
    inside = {"endpoint": {"uri": "http://10.0.0.7/"}}
    with pytest.raises(Forbidden, match="notify_hosts"):
        await ann.update("urn:s:a", {"notification": inside}, CORE)
    await root.update("urn:s:a", {"notification": inside}, CORE)
    await ann.update("urn:s:a", {"description": "mine"}, CORE)
    assert ann.get("urn:s:a").endpoint.host == "10.0.0.7"
    await root.delete("urn:s:a")
    assert ids(ann) == []


async def test_one_cannot_fill_the_hub_with_subscriptions(
    ann: OwnSubscriptions, root: OwnSubscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_subscriptions, "MOST", 2)
    for _ in range(2):
        await ann.create(BODY, CORE)
    with pytest.raises(Forbidden, match="delete some"):
        await ann.create(BODY, CORE)
    for _ in range(3):
        await root.create(BODY, CORE)


class Seen:
    """A tenant as an owner of subscriptions sees it."""

    def __init__(self, tenant: Tenant, service: OwnSubscriptions) -> None:
        self.subscriptions = service
        self.clock = tenant.clock
        self.contexts = tenant.contexts


async def test_the_handlers_count_and_show_what_is_ones_own(
    tenant: Tenant, ann: OwnSubscriptions, bob: OwnSubscriptions, tmp_path: Path
) -> None:
    def call(service: OwnSubscriptions, method: str, query: str = "", body: bytes = b"") -> Call:
        path = "/ngsi-ld/v1/subscriptions"
        request = Request(method, path, query, {"content-type": "application/json"}, body)
        return Call(request, Seen(tenant, service), Settings(data=tmp_path))  # type: ignore[arg-type]

    here = {"endpoint": {"uri": "http://127.0.0.1:9/"}}
    created = orjson.dumps(named("urn:s:a", notification=here))
    assert (await handlers.create(call(ann, "POST", body=created))).status == 201
    for service, count in ((ann, "1"), (bob, "0")):
        response = await handlers.query(call(service, "GET", "count=true"))
        assert ("NGSILD-Results-Count", count) in list(response.headers)
        assert len(orjson.loads(response.body)) == int(count)
    shown = orjson.loads((await handlers.retrieve(call(ann, "GET"), "urn:s:a")).body)
    assert not shown.keys() & {"owner", "inside"}
    for handler in (handlers.retrieve, handlers.undelivered, handlers.resend, handlers.delete):
        with pytest.raises(ResourceNotFound):
            await handler(call(bob, "GET"), "urn:s:a")

    content = normalized({"id": "urn:a:1", "type": "Bench", "phone": "s3cret"}, CORE)
    await tenant.write([Upsert("urn:a:1", content)])
    waiting = await handlers.undelivered(call(ann, "GET"), "urn:s:a")
    assert b"s3cret" in waiting.body
    rights["person:ann"] = Reach(None, (Hidden("phone"),))
    tenant.subscriptions.refresh()
    waiting = await handlers.undelivered(call(ann, "GET"), "urn:s:a")
    assert b"s3cret" not in waiting.body
    assert len(orjson.loads(waiting.body)["notifications"]) == 1
