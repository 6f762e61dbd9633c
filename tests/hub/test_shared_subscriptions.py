"""Subscriptions of two hubs on one database, where what one does meets what the other has done.

Word is not carried here: a test takes it to the other hub at the moment it is about.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from itertools import count
from typing import Any

import pytest

from madang.hub.duties import Duty
from madang.hub.operations import Upsert
from madang.hub.shared_tenant import SharedTenant
from madang.model.context import CORE
from madang.model.errors import ResourceNotFound
from madang.model.normalize import entity as normalized
from tests.hub import two_hubs
from tests.hub.two_hubs import LANES
from tests.hub.web_receiver import Receiver, until

ID = "urn:ngsi-ld:Subscription:1"


tenants = two_hubs.tenants


def subscription(receiver: Receiver, id: str = ID) -> dict[str, Any]:
    return {
        "id": id,
        "type": "Subscription",
        "entities": [{"type": "Bench"}],
        "notification": {"endpoint": {"uri": receiver.uri}},
    }


async def write(tenant: SharedTenant, seats: int) -> None:
    content = normalized({"id": "urn:a:1", "type": "Bench", "seats": seats}, CORE)
    await tenant.write([Upsert("urn:a:1", content)])


def seats(receiver: Receiver) -> list[int]:
    return [one["seats"]["value"] for body in receiver.bodies for one in body["data"]]


async def locked(tenant: SharedTenant) -> None:
    """Wait until something of this hub is under way in the database, for which the rest waits."""
    for _ in range(1000):
        if tenant.store._lock.locked():
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing is under way")


async def taking_up(tenant: SharedTenant) -> asyncio.Task[Any]:
    """Let a hub be taking up what the other has changed."""
    task = asyncio.create_task(tenant.store.take_up())
    await locked(tenant)
    return task


async def test_a_change_meets_a_subscription_taken_up_while_it_waits_for_its_commit(
    tenants: list[SharedTenant], receiver: Receiver
) -> None:
    one, other = tenants
    await other.subscriptions.create(subscription(receiver), CORE)
    writing = asyncio.create_task(write(one, 4))
    await locked(one)  # it is loading, and what is taken up comes between that and its commit
    await asyncio.gather(one.store.take_up(), writing)
    await until(lambda: seats(receiver) == [4])


async def test_a_notification_of_a_subscription_not_heard_of_yet_is_sent(
    tenants: list[SharedTenant], receiver: Receiver
) -> None:
    one, other = tenants
    await other.subscriptions.create(subscription(receiver), CORE)
    await write(other, 4)
    one.subscriptions.arrivals.hear(1)
    await until(lambda: seats(receiver) == [4])


async def test_a_change_of_a_subscription_does_not_overwrite_one_that_is_being_taken_up(
    tenants: list[SharedTenant], receiver: Receiver
) -> None:
    one, other = tenants
    await one.subscriptions.create(subscription(receiver), CORE)
    await other.store.take_up()
    await other.subscriptions.update(ID, {"q": "seats>100"}, CORE)
    taking = await taking_up(one)
    await one.subscriptions.update(ID, {"description": "benches"}, CORE)
    await taking
    await other.store.take_up()
    for tenant in tenants:
        body = tenant.subscriptions.get(ID).body
        assert (body["q"], body["description"]) == ("seats>100", "benches")


async def test_statistics_do_not_bring_a_deleted_subscription_back(
    tenants: list[SharedTenant], receiver: Receiver
) -> None:
    one, other = tenants
    await one.subscriptions.create(subscription(receiver), CORE)
    await write(one, 4)
    await until(lambda: ID in one.subscriptions.delivery.touched)
    await other.store.take_up()
    await other.subscriptions.delete(ID)
    taking = await taking_up(one)
    await one.subscriptions._store_statistics()
    await taking
    assert await one.store.items("subscription") == []
    with pytest.raises(ResourceNotFound):
        one.subscriptions.get(ID)


async def test_a_deletion_waits_for_a_change_that_is_being_taken_up(
    tenants: list[SharedTenant], receiver: Receiver
) -> None:
    one, other = tenants
    await one.subscriptions.create(subscription(receiver), CORE)
    await other.store.take_up()
    await other.subscriptions.update(ID, {"q": "seats>100"}, CORE)
    taking = await taking_up(one)
    await one.subscriptions.delete(ID)
    await taking
    await other.store.take_up()
    for tenant in tenants:
        with pytest.raises(ResourceNotFound):
            tenant.subscriptions.get(ID)


async def test_what_is_to_be_sent_again_is_stored_as_the_other_hub_left_it(
    tenants: list[SharedTenant], receiver: Receiver
) -> None:
    one, other = tenants
    await one.subscriptions.create(subscription(receiver), CORE)
    await other.store.take_up()
    await one.subscriptions.update(ID, {"q": "seats>100"}, CORE)
    taking = await taking_up(other)
    before = other.store.taken_up
    other.subscriptions.resend(ID)
    await taking
    await until(lambda: other.store.taken_up > before + 1)
    await one.store.take_up()
    for tenant in tenants:
        assert tenant.subscriptions.get(ID).body["q"] == "seats>100"


async def test_lanes_go_from_hub_to_hub_and_each_subscriber_is_told_all_in_order_once(
    tenants: list[SharedTenant], receiver: Receiver
) -> None:
    one, other = tenants
    one.store.on_commit, other.store.on_commit = other.hear, one.hear
    ids = [f"urn:ngsi-ld:Subscription:{number}" for number in range(12)]
    for id in ids:
        await one.subscriptions.create(subscription(receiver, id), CORE)
    await other.store.take_up()
    holders = dict.fromkeys(LANES, one)
    receiver.slow_s = 0.003
    written = asyncio.Event()
    moving = asyncio.create_task(move(tenants, holders, written))
    for number in range(120):
        await write(tenants[number % 2], number)
    written.set()
    print(f"{await moving} times a lane was handed over")
    await until(lambda: len(receiver.bodies) >= 120 * len(ids), 30.0)
    told = defaultdict(list)
    for body in receiver.bodies:
        told[body["subscriptionId"]].append(body["data"][0]["seats"]["value"])
    assert told == {id: list(range(120)) for id in ids}


async def move(
    tenants: list[SharedTenant], holders: dict[Duty, SharedTenant], written: asyncio.Event
) -> int:
    """Hand one lane after the other to the other hub; return how often."""
    for times in count(1):
        lane = random.choice(LANES)
        await holders[lane].rest(lane)
        holders[lane] = tenants[1 - tenants.index(holders[lane])]
        await holders[lane].work(lane)
        if written.is_set():
            return times
    raise AssertionError("the loop has no end")
