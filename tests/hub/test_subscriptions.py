"""Subscriptions in a whole hub: a real store, a real receiver, and a stop in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.hub import subscriptions as service
from madang.hub.operations import Create, Delete, Upsert
from madang.hub.tenant import Tenant
from madang.model.context import CORE, Context, build
from madang.model.errors import (
    AlreadyExists,
    BadRequestData,
    LdContextNotAvailable,
    ResourceNotFound,
)
from madang.model.normalize import entity as normalized
from tests.hub.one_hub import ID, Place, subscription
from tests.hub.web_receiver import Receiver, until

INLINE = build([{"Bench": "https://city.example/Bench"}, {"oak": "https://city.example/oak"}], str)


async def write(tenant: Tenant, number: int, names: Context = CORE, **values: Any) -> None:
    body = {"id": f"urn:a:{number}", "type": "Bench", "seats": number, **values}
    content = normalized(body, names)
    await tenant.write([Upsert(content.document["id"], content)])


def seats(receiver: Receiver) -> list[int]:
    return [one["seats"]["value"] for body in receiver.bodies for one in body["data"]]


async def test_a_written_entity_reaches_its_subscriber(place: Place, receiver: Receiver) -> None:
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver), CORE)
    for number in range(20):
        await write(tenant, number)
    await until(lambda: len(seats(receiver)) == 20)
    assert seats(receiver) == list(range(20))
    assert len({body["id"] for body in receiver.bodies}) == len(receiver.bodies)
    await until(lambda: not tenant.subscriptions.delivery._queues)
    served = tenant.subscriptions.get(ID).served(CORE, tenant.clock.now())
    assert served["notification"]["timesSent"] == len(receiver.bodies)


async def test_operations_know_what_there_is(place: Place, receiver: Receiver) -> None:
    tenant = await place.open()
    all_of_them = tenant.subscriptions
    await all_of_them.create(subscription(receiver), CORE)
    with pytest.raises(AlreadyExists):
        await all_of_them.create(subscription(receiver), CORE)
    await all_of_them.create(subscription(receiver, id="urn:s:2"), CORE)
    assert [one.id for one in all_of_them.page(0, 1)[0]] == [ID]
    assert [one.id for one in all_of_them.page(1, 9)[0]] == ["urn:s:2"]
    assert all_of_them.page(0, 1)[1] == 2
    await all_of_them.delete(ID)
    for asked in (all_of_them.get, all_of_them.resend):
        with pytest.raises(ResourceNotFound):
            asked(ID)
    with pytest.raises(ResourceNotFound):
        await all_of_them.delete(ID)
    with pytest.raises(ResourceNotFound):
        await all_of_them.update(ID, {"description": "new"}, CORE)


async def test_a_stop_loses_no_notification_and_no_statistics(
    place: Place, receiver: Receiver
) -> None:
    receiver.answers = lambda n: 200 if n == 1 else 503
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver, q="seats>=0"), CORE)
    await write(tenant, 1)
    await until(lambda: seats(receiver) == [1])
    for number in (2, 3, 4):
        await write(tenant, number)
    await until(lambda: tenant.subscriptions.delivery.counters.failed == 1)
    await place.close()

    receiver.answers = lambda n: 200
    tenant = await place.open()
    await until(lambda: seats(receiver) == [1, 2, 3, 4])
    await write(tenant, 5)
    await until(lambda: seats(receiver) == [1, 2, 3, 4, 5])
    statistics = tenant.subscriptions.get(ID).statistics
    assert statistics.times_failed == 1
    assert statistics.times_sent >= 4


async def test_deleting_a_subscription_drops_what_waits_for_it(
    place: Place, receiver: Receiver
) -> None:
    receiver.answers = lambda n: 503
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver), CORE)
    await write(tenant, 1)
    assert len(await tenant.subscriptions.undelivered(ID)) == 1
    await tenant.subscriptions.delete(ID)
    assert await tenant.store.deliveries() == []
    await write(tenant, 2)
    assert await tenant.store.deliveries() == []


async def test_a_patch_takes_effect_at_once(place: Place, receiver: Receiver) -> None:
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver), CORE)
    await tenant.subscriptions.update(ID, {"isActive": False}, CORE)
    await write(tenant, 1)
    await tenant.subscriptions.update(ID, {"isActive": True, "q": "seats>2"}, CORE)
    await write(tenant, 2)
    await write(tenant, 3)
    await until(lambda: seats(receiver) == [3])


async def test_a_resumed_subscription_sends_what_had_to_wait(
    place: Place, receiver: Receiver
) -> None:
    receiver.answers = lambda n: 503 if n == 1 else 200
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver), CORE)
    await write(tenant, 1)
    await until(lambda: receiver.asked == 1)
    await tenant.subscriptions.update(ID, {"isActive": False}, CORE)
    await tenant.subscriptions.update(ID, {"isActive": True}, CORE)
    await until(lambda: seats(receiver) == [1])


async def test_an_inline_context_is_given_a_url(place: Place, receiver: Receiver) -> None:
    tenant = await place.open()
    made = await tenant.subscriptions.create(subscription(receiver), INLINE)
    url = made.served(INLINE, tenant.clock.now())["jsonldContext"]
    assert url in [one["URL"] for one in tenant.contexts.catalogue("ImplicitlyCreated")]
    await write(tenant, 1, INLINE, oak=True)
    await until(lambda: len(receiver.bodies) == 1)
    assert receiver.headers[0]["Link"].startswith(f"<{url}>")
    assert receiver.bodies[0]["data"][0]["type"] == "Bench"
    assert "oak" in receiver.bodies[0]["data"][0]


async def test_the_context_for_notifications_is_there_after_a_restart(
    place: Place, receiver: Receiver
) -> None:
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver, q="oak==true"), INLINE)
    await place.close()
    tenant = await place.open()
    await write(tenant, 1, INLINE, oak=True)
    await until(lambda: len(receiver.bodies) == 1)
    assert "oak" in receiver.bodies[0]["data"][0]


async def test_a_context_that_cannot_be_had_is_refused_and_nothing_kept(
    place: Place, receiver: Receiver, unused_tcp_port: int
) -> None:
    tenant = await place.open()
    missing = {"jsonldContext": f"http://127.0.0.1:{unused_tcp_port}/c.jsonld"}
    with pytest.raises(LdContextNotAvailable):
        await tenant.subscriptions.create(subscription(receiver, **missing), CORE)
    assert tenant.subscriptions.page(0, 9) == ([], 0)
    await tenant.subscriptions.create(subscription(receiver), CORE)
    with pytest.raises(LdContextNotAvailable):
        await tenant.subscriptions.update(ID, missing, CORE)
    assert "jsonldContext" not in tenant.subscriptions.get(ID).body


async def test_without_its_context_a_subscription_notifies_with_full_names_for_a_while(
    place: Place, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STATISTICS_S", 0.3)
    monkeypatch.setattr(service, "CONTEXT_TURNS", 1)
    tenant = await place.open()
    made = await tenant.subscriptions.create(subscription(receiver), INLINE)
    item = orjson.loads(made.stored())
    url, item["context"] = item["context"], "http://127.0.0.1:9/none.jsonld"
    await tenant.writer.keep("subscription", ID, orjson.dumps(item))
    await place.close()
    tenant = await place.open()
    await write(tenant, 1, INLINE, oak=True)
    await until(lambda: len(receiver.bodies) == 1)
    assert "https://city.example/oak" in receiver.bodies[0]["data"][0]
    tenant.subscriptions._without_context[ID] = url
    await until(lambda: not tenant.subscriptions._without_context)
    await write(tenant, 2, INLINE, oak=True)
    await until(lambda: len(receiver.bodies) == 2)
    assert "oak" in receiver.bodies[1]["data"][0]


async def test_only_allowed_hosts_are_notified(tmp_path: Path, receiver: Receiver) -> None:
    place = Place(tmp_path, notify_hosts=["*.city.example"])
    tenant = await place.open()
    with pytest.raises(BadRequestData, match="127"):
        await tenant.subscriptions.create(subscription(receiver), CORE)
    await place.close()


async def test_statistics_are_stored_from_time_to_time(
    place: Place, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STATISTICS_S", 0.05)
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver), CORE)
    await write(tenant, 1)
    await until(lambda: not tenant.subscriptions.delivery.touched and bool(receiver.bodies))
    await write(tenant, 2)  # is committed after the statistics, which were handed over before it
    await until(lambda: tenant.subscriptions.delivery.counters.sent == 2)
    ((_, stored),) = await tenant.store.items("subscription")
    assert orjson.loads(stored)["statistics"]["times_sent"] >= 1


async def test_linked_entities_come_along(place: Place, receiver: Receiver) -> None:
    tenant = await place.open()
    street = normalized({"id": "urn:st:1", "type": "Street", "name": "Sejong-daero"}, CORE)
    await tenant.write([Create("urn:st:1", street)])
    asked = subscription(receiver, notification={"join": "flat"}, q='on{name}=="Sejong-daero"')
    await tenant.subscriptions.create(asked, CORE)
    link = {"type": "Relationship", "object": "urn:st:1"}
    elsewhere = {"type": "Relationship", "object": "urn:st:2"}
    await write(tenant, 1, on=elsewhere)
    await write(tenant, 2, on=link)
    await until(lambda: len(receiver.bodies) == 1)
    assert [one["id"] for one in receiver.bodies[0]["data"]] == ["urn:a:2", "urn:st:1"]
    await until(lambda: not tenant.subscriptions.delivery._queues)


async def test_a_deletion_is_told(place: Place, receiver: Receiver) -> None:
    tenant = await place.open()
    asked = subscription(receiver, notificationTrigger=["entityDeleted"])
    await tenant.subscriptions.create(asked, CORE)
    await write(tenant, 1)
    await tenant.write([Delete("urn:a:1")])
    await until(lambda: len(receiver.bodies) == 1)
    assert receiver.bodies[0]["data"][0].keys() == {"id", "type", "deletedAt"}


async def test_a_periodic_subscription_is_told_all_there_is_again_and_again(
    place: Place, receiver: Receiver
) -> None:
    tenant = await place.open()
    for number in range(30):
        await write(tenant, number)
    await tenant.subscriptions.create(subscription(receiver, timeInterval=0.1, q="seats<25"), CORE)
    await until(lambda: len(receiver.bodies) >= 3)
    for body in receiver.bodies:
        assert sorted(one["seats"]["value"] for one in body["data"]) == list(range(25))
    await tenant.subscriptions.update(ID, {"q": "seats>100"}, CORE)
    await until(lambda: not tenant.subscriptions.delivery._queues)
    heard = len(receiver.bodies)
    await write(tenant, 99)
    await tenant.subscriptions.update(ID, {"q": "seats==99"}, CORE)
    await until(lambda: len(receiver.bodies) > heard)
    assert [one["id"] for one in receiver.bodies[-1]["data"]] == ["urn:a:99"]


async def test_a_periodic_subscription_does_not_pile_up(place: Place, receiver: Receiver) -> None:
    receiver.answers = lambda n: 503
    tenant = await place.open()
    await write(tenant, 1)
    await tenant.subscriptions.create(subscription(receiver, timeInterval=0.02), CORE)
    await until(lambda: receiver.asked == 1)
    for number in range(10):
        await write(tenant, number)
    assert len(await tenant.subscriptions.undelivered(ID)) == 1


async def test_tenants_have_their_own_subscriptions(place: Place, receiver: Receiver) -> None:
    tenant = await place.open()
    assert place._hub is not None
    other = await place._hub.tenant("busan", create=True)
    await other.subscriptions.create(subscription(receiver), CORE)
    await write(tenant, 1)
    await write(other, 2)
    await until(lambda: seats(receiver) == [2])
    assert receiver.headers[0]["NGSILD-Tenant"] == "busan"
    assert tenant.subscriptions.page(0, 9) == ([], 0)
