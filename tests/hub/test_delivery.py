"""Delivery to real HTTP receivers: order, patience, independence, and nothing lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest

from madang.hub import delivery as deliveries
from madang.hub.delivery import Delivery, Policy
from madang.hub.delivery_http import HttpSender
from madang.hub.endpoint import Endpoint, parse
from madang.hub.message import Message, pack
from madang.hub.sent import Statistics
from madang.store.protocol import Delivery as Waiting
from tests.hub.web_receiver import Receiver, until

QUICK = Policy(first_retry_s=0.02, longest_retry_s=0.05)


class Subscriber:
    def __init__(self, uri: str, status: str = "active", **members: Any) -> None:
        self.endpoint: Endpoint = parse({"uri": uri, **members})
        self.statistics = Statistics()
        self.state = status
        self.within = ""

    def status(self, now: int) -> str:
        return self.state


class Storage:
    """Rows as the store keeps them, and what delivery said of them."""

    def __init__(self) -> None:
        self.rows: dict[int, Waiting] = {}
        self.gone: set[int] = set()
        self.reads = 0

    def add(self, subscription: str, *numbers: int, age_s: float = 0.0) -> list[Waiting]:
        added = []
        for n in numbers:
            message = Message("application/json", "https://c.example/", orjson.dumps({"n": n}))
            at = now() - int(age_s * 1e6)
            added.append(Waiting(len(self.rows) + 1, subscription, at, pack(message)))
            self.rows[added[-1].key] = added[-1]
        return added

    def waiting(self) -> list[Waiting]:
        return [row for _, row in sorted(self.rows.items()) if row.key not in self.gone]

    async def read(self, subscription: str | None, after: int, limit: int) -> list[Waiting]:
        self.reads += 1
        await asyncio.sleep(0)
        found = [
            row
            for row in self.waiting()
            if row.key > after and subscription in (None, row.subscription)
        ]
        return found[:limit]

    def settle(self, delivered: list[int], failed: list[tuple[int, int, str]]) -> None:
        self.gone.update(delivered)
        for key, attempts, error in failed:
            self.rows[key] = self.rows[key]._replace(attempts=attempts, error=error)


class World:
    """A delivery with its storage, subscribers and receivers."""

    def __init__(self) -> None:
        self.storage = Storage()
        self.subscribers: dict[str, Subscriber] = {}
        self.receivers: list[Receiver] = []
        self.made: list[Delivery] = []
        self.sender = HttpSender(timeout_s=0.5)

    async def receiver(self) -> Receiver:
        receiver = Receiver()
        await receiver.server.start_server()
        self.receivers.append(receiver)
        return receiver

    def delivery(self, policy: Policy = QUICK, tenant: str = "") -> Delivery:
        made = Delivery(
            self.subscribers.get,
            self.storage.read,
            self.storage.settle,
            {"http": self.sender},
            now,
            nothing,
            tenant,
            policy,
        )
        self.made.append(made)
        return made

    async def close(self) -> None:
        for made in self.made:
            await made.close(grace_s=0.1)
        await self.sender.close()
        for receiver in self.receivers:
            await receiver.server.close()


def now() -> int:
    return time.time_ns() // 1000


async def nothing(id: str, message: Message) -> Message | None:
    return None


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


async def test_a_notification_arrives_with_its_headers(world: World) -> None:
    receiver = await world.receiver()
    info = [{"key": "X-Key", "value": "secret"}]
    world.subscribers["s"] = Subscriber(receiver.uri, receiverInfo=info)
    delivery = world.delivery(tenant="seoul")
    delivery.enqueue(world.storage.add("s", 1))
    await until(lambda: not world.storage.waiting())
    (headers,) = receiver.headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Link"].startswith("<https://c.example/>; rel=")
    assert headers["NGSILD-Tenant"] == "seoul"
    assert headers["X-Key"] == "secret"
    assert "Cookie" not in headers
    statistics = world.subscribers["s"].statistics
    assert (statistics.times_sent, statistics.times_failed, statistics.ok) == (1, 0, True)
    assert statistics.last_success is not None
    assert delivery.touched == {"s"}
    assert (delivery.counters.sent, delivery.counters.waiting) == (1, 0)
    assert sum(delivery.counters.latencies) == 1


async def test_each_subscriber_gets_its_own_in_order(world: World) -> None:
    receivers = [await world.receiver() for _ in range(5)]
    for s, receiver in enumerate(receivers):
        world.subscribers[str(s)] = Subscriber(receiver.uri)
        receiver.answers = lambda n: 503 if n % 7 == 3 else 200
    delivery = world.delivery()
    for n in range(40):
        for s in range(5):
            delivery.enqueue(world.storage.add(str(s), n))
        if n % 10 == 0:
            await asyncio.sleep(0.01)
    await until(lambda: not world.storage.waiting())
    for receiver in receivers:
        assert receiver.numbers == list(range(40))


async def test_it_is_tried_again_until_it_succeeds(world: World) -> None:
    receiver = await world.receiver()
    receiver.answers = lambda n: 500 if n < 4 else 204
    world.subscribers["s"] = Subscriber(receiver.uri)
    delivery = world.delivery()
    delivery.enqueue(world.storage.add("s", 1, 2))
    await until(lambda: receiver.asked == 2)
    statistics = world.subscribers["s"].statistics
    await until(lambda: world.storage.rows[1].attempts > 0)
    assert not statistics.ok
    assert "500" in (world.storage.rows[1].error or "")
    await until(lambda: not world.storage.waiting())
    assert receiver.numbers == [1, 2]
    assert (statistics.times_sent, statistics.times_failed, statistics.ok) == (5, 3, True)
    assert delivery.circuit("s") == {"state": "closed", "waiting": 0}


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_anything_but_success_is_a_failure(world: World, status: int) -> None:
    receiver = await world.receiver()
    receiver.answers = lambda n: (status, {"Location": receiver.uri})
    world.subscribers["s"] = Subscriber(receiver.uri)
    delivery = world.delivery(Policy())
    delivery.enqueue(world.storage.add("s", 1))
    await until(lambda: delivery.counters.failed == 1)
    state = delivery.circuit("s")
    assert (state["state"], state["failures"], state["waiting"]) == ("open", 1, 1)
    assert str(status) in state["error"]
    assert "nextAttempt" in state
    assert receiver.asked == 1


async def test_dead_and_slow_endpoints_delay_nobody_else(
    world: World, unused_tcp_port: int
) -> None:
    well, slow = await world.receiver(), await world.receiver()
    slow.slow_s = 10.0
    for n in range(20):
        world.subscribers[f"dead{n}"] = Subscriber(f"http://127.0.0.1:{unused_tcp_port}/")
        world.subscribers[f"slow{n}"] = Subscriber(slow.uri, timeout=400)
    world.subscribers["well"] = Subscriber(well.uri)
    delivery = world.delivery()
    for n in range(100):
        for name in ("dead", "slow"):
            delivery.enqueue(world.storage.add(f"{name}{n % 20}", n))
        delivery.enqueue(world.storage.add("well", n))
    await until(lambda: len(well.bodies) == 100, 30)
    assert well.numbers == list(range(100))
    await until(lambda: delivery.circuit("slow1").get("failures", 0) > 0)
    assert "no answer in 0.4 s" in delivery.circuit("slow1")["error"]
    assert delivery.circuit("dead1")["failures"] > 0
    assert delivery.counters.waiting == 200


async def test_only_a_window_of_a_queue_is_in_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.hub.waiting.WINDOW_BYTES", 200)
    receiver = await world.receiver()
    world.subscribers["s"] = Subscriber(receiver.uri)
    delivery = world.delivery()
    delivery.enqueue(world.storage.add("s", *range(500)))
    assert delivery._queues["s"].bytes < 400
    await until(lambda: not world.storage.waiting(), 20)
    assert receiver.numbers == list(range(500))
    assert world.storage.reads >= 500 // deliveries.PAGE
    assert delivery._held == 0
    assert not delivery._queues


async def test_what_comes_while_the_store_is_read_keeps_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.hub.waiting.WINDOW_BYTES", 1)
    monkeypatch.setattr(deliveries, "PAGE", 3)
    receiver = await world.receiver()
    world.subscribers["s"] = Subscriber(receiver.uri)
    delivery = world.delivery()
    for n in range(60):
        delivery.enqueue(world.storage.add("s", n))
        await asyncio.sleep(0.001 * (n % 3))
    await until(lambda: not world.storage.waiting())
    assert receiver.numbers == list(range(60))


async def test_a_failing_queue_keeps_one_notification_in_memory(
    world: World, unused_tcp_port: int
) -> None:
    world.subscribers["s"] = Subscriber(f"http://127.0.0.1:{unused_tcp_port}/")
    delivery = world.delivery(Policy())
    delivery.enqueue(world.storage.add("s", *range(50)))
    await until(lambda: delivery.counters.failed == 1)
    delivery.enqueue(world.storage.add("s", *range(50, 100)))
    assert len(delivery._queues["s"].window) == 1
    assert delivery.circuit("s")["waiting"] == 100


async def test_a_restart_sends_what_was_left(world: World) -> None:
    receiver = await world.receiver()
    receiver.answers = lambda n: 500
    world.subscribers |= {name: Subscriber(receiver.uri) for name in ("a", "b")}
    first = world.delivery(Policy())
    first.enqueue([*world.storage.add("a", 1, 2), *world.storage.add("b", 3)])
    await until(lambda: first.counters.failed == 2)
    await first.close()
    assert [row.attempts for row in world.storage.waiting()] == [1, 0, 1]
    receiver.answers = lambda n: 200
    second = world.delivery()
    await second.recover()
    await until(lambda: not world.storage.waiting())
    assert sorted(receiver.numbers) == [1, 2, 3]
    assert receiver.numbers.index(1) < receiver.numbers.index(2)


async def test_closing_lets_arrive_what_is_being_sent(world: World) -> None:
    receiver = await world.receiver()
    receiver.slow_s = 0.1
    world.subscribers["s"] = Subscriber(receiver.uri)
    delivery = world.delivery()
    delivery.enqueue(world.storage.add("s", 1, 2))
    await until(lambda: receiver.asked == 1)
    await delivery.close()
    assert receiver.numbers == [1]
    assert [row.key for row in world.storage.waiting()] == [2]


async def test_a_refused_notification_lets_the_next_one_through(world: World) -> None:
    receiver = await world.receiver()
    world.subscribers["s"] = Subscriber(receiver.uri)
    receiver.answers = lambda n: 422 if n <= 3 else 200
    delivery = world.delivery()
    delivery.enqueue(world.storage.add("s", 1, 2))
    await until(lambda: receiver.numbers == [2])
    assert delivery.circuit("s")["refused"] == 1
    (left,) = await delivery.undelivered("s", 0, 10)
    assert (left.key, left.attempts) == (1, 3)
    assert "422" in (left.error or "")
    delivery.resend("s")
    await until(lambda: receiver.numbers == [2, 1])
    await until(lambda: not world.storage.waiting())
    assert (delivery.counters.waiting, delivery._held) == (0, 0)
    assert not delivery._queues


async def test_undelivered_notifications_can_be_listed_and_sent_again(world: World) -> None:
    receiver = await world.receiver()
    receiver.answers = lambda n: 500
    world.subscribers["s"] = Subscriber(receiver.uri)
    delivery = world.delivery(Policy())
    delivery.enqueue(world.storage.add("s", 1, 2, 3))
    await until(lambda: delivery.counters.failed == 1)
    assert [row.attempts for row in await delivery.undelivered("s", 0, 10)] == [1, 0, 0]
    assert [row.key for row in await delivery.undelivered("s", 1, 1)] == [2]
    receiver.answers = lambda n: 200
    delivery.resend("s")
    await until(lambda: not world.storage.waiting())
    assert receiver.numbers == [1, 2, 3]
    assert await delivery.undelivered("s", 0, 10) == []


async def test_a_paused_subscription_waits_until_it_is_resumed(world: World) -> None:
    receiver = await world.receiver()
    subscriber = world.subscribers["s"] = Subscriber(receiver.uri, status="paused")
    delivery = world.delivery()
    delivery.enqueue(world.storage.add("s", 1, 2))
    await asyncio.sleep(0.05)
    assert receiver.asked == 0
    subscriber.state = "active"
    delivery.wake("s")
    await until(lambda: receiver.numbers == [1, 2])


@pytest.mark.parametrize("why", ["expired", "unknown", "old", "many"])
async def test_what_nobody_waits_for_is_given_up(world: World, why: str) -> None:
    receiver = await world.receiver()
    if why != "unknown":
        state = "expired" if why == "expired" else "active"
        world.subscribers["s"] = Subscriber(receiver.uri, status=state)
    most = 2 if why == "many" else 1000
    delivery = world.delivery(Policy(keep_s=60.0, most_waiting=most))
    numbers: Sequence[int] = range(1, 6)
    delivery.enqueue(world.storage.add("s", *numbers, age_s=61.0 if why == "old" else 0.0))
    await until(lambda: not world.storage.waiting())
    assert receiver.numbers == ([4, 5] if why == "many" else [])
    await until(lambda: delivery.counters.dropped == (3 if why == "many" else 5))


async def test_a_deleted_subscription_is_forgotten(world: World, unused_tcp_port: int) -> None:
    world.subscribers["s"] = Subscriber(f"http://127.0.0.1:{unused_tcp_port}/")
    delivery = world.delivery()
    delivery.enqueue(world.storage.add("s", *range(10)))
    await until(lambda: delivery.counters.failed > 0)
    delivery.forget("s")
    failed = delivery.counters.failed
    await asyncio.sleep(0.1)
    assert delivery.counters.failed == failed
    assert (delivery.counters.waiting, delivery._held) == (0, 0)


async def test_a_busy_endpoint_says_when_to_come_back(world: World) -> None:
    receiver = await world.receiver()
    receiver.answers = lambda n: (429, {"Retry-After": "30"})
    world.subscribers["s"] = Subscriber(receiver.uri)
    delivery = world.delivery(Policy(first_retry_s=0.01))
    delivery.enqueue(world.storage.add("s", 1))
    await until(lambda: delivery.counters.failed == 1)
    timer = delivery._queues["s"].timer
    assert timer is not None
    assert 29 < timer.when() - asyncio.get_running_loop().time() <= 30


async def test_a_cooldown_is_kept(world: World) -> None:
    receiver = await world.receiver()
    receiver.answers = lambda n: 500
    world.subscribers["s"] = Subscriber(receiver.uri, cooldown=60_000)
    delivery = world.delivery()
    delivery.enqueue(world.storage.add("s", 1))
    await until(lambda: delivery.counters.failed == 1)
    timer = delivery._queues["s"].timer
    assert timer is not None
    assert 59 < timer.when() - asyncio.get_running_loop().time() <= 60


def test_delays_grow_to_a_limit_and_scatter() -> None:
    policy = Policy()
    delays = [policy.delay(attempts) for attempts in (1, 2, 3, 20, 10_000)]
    assert 0.8 <= delays[0] <= 1.2
    assert 3.2 <= delays[2] <= 4.8
    assert all(240 <= delay <= 360 for delay in delays[3:])
    assert len({policy.delay(1) for _ in range(10)}) > 1
