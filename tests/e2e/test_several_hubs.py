"""Two hubs on one PostgreSQL from outside: used as one, cut off from NATS, one of them killed."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from types import MappingProxyType

import orjson
import psycopg
import pytest

from madang.hub.duties import DUTIES, MOVABLE, busy, lane_of, lane_of_service
from madang.store.postgres.schema import SYSTEM
from tests.contract.cluster import shared
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.receiver import Receiver
from tests.e2e.server import API, Server

pytestmark = needs_nats
numbers = count()
ROOM = f"{API}/entities/urn:ngsi-ld:Room:"
SECRET = "0123456789abcdef0123456789abcdef"
LANE = lane_of("notifications", "urn:ngsi-ld:Subscription:1")


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    server = NatsServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory, nats: NatsServer) -> Iterator[list[Server]]:
    """Two hubs that nothing happens to."""
    with two(tmp_path_factory.mktemp("hubs"), database(), nats) as servers:
        yield servers


def database() -> str:
    """Make a database; return its address."""
    return shared().make(f"shared_{next(numbers)}")


def hub(folder: Path, name: str, url: str, nats: NatsServer, *, open: bool = True) -> Server:
    """Return one of several hubs; the first to be started has devices."""
    environ = {
        "MADANG_STORE": url,
        "MADANG_BUS": nats.url,
        "MADANG_BUS_PASSWORD": nats.password,
        "MADANG_SECRET_KEY": SECRET,
        "MADANG_HISTORY_PATH": str(folder / "history"),
    }
    return Server(folder / name, environ=environ, open=open)


@contextlib.contextmanager
def logs(servers: list[Server]) -> Iterator[None]:
    """Print how the servers' logs end if something fails."""
    try:
        yield
    except BaseException:
        print("\n".join(server.log_end() for server in servers))
        raise


@contextlib.contextmanager
def two(
    folder: Path,
    url: str,
    nats: NatsServer,
    environ: Mapping[str, str] = MappingProxyType({}),
    *,
    open: bool = True,
) -> Iterator[list[Server]]:
    """Start two hubs; the first has devices."""
    servers = [hub(folder, name, url, nats, open=open) for name in ("first", "second")]
    for server in servers:
        server.environ |= environ
    try:
        with logs(servers):
            servers[0].start()
            until(lambda: has(servers[0], "sense"))
            servers[1].start()
            until(lambda: told(servers[0], "bus") and told(servers[1], "bus"))
            yield servers
    finally:
        for server in servers:
            server.stop()


def until(condition: Callable[[], bool], wait_s: float = 10.0) -> float:
    """Wait until something is so; return how long that took. [s]"""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < wait_s, f"not so after {wait_s:g} s"
        time.sleep(0.02)
    return time.monotonic() - began


def told(server: Server, what: str) -> bool:
    """Return what a hub says of itself among the others: such as whether it reaches its bus."""
    found = orjson.loads(server.request("GET", "/status", headers=server.local_key()).body)
    return bool(found["hub"][what])


def has(server: Server, duty: str) -> bool:
    """Return whether a hub does something that one does for all."""
    found = orjson.loads(server.request("GET", "/status", headers=server.local_key()).body)
    return duty in found["hub"]["works"]


def room(number: int, **values: object) -> dict[str, object]:
    attributes = {name: {"type": "Property", "value": value} for name, value in values.items()}
    return {"id": f"urn:ngsi-ld:Room:{number}", "type": "Room", **attributes}


def reading(value: float) -> dict[str, object]:
    return {"temperature": {"type": "Property", "value": value}}


def good(server: Server, method: str, path: str, body: object = None) -> bytes:
    answer = server.request(method, path, body)
    assert answer.status in (200, 201, 204), answer.body
    return answer.body


def value(server: Server, number: int) -> object:
    return orjson.loads(good(server, "GET", f"{ROOM}{number}?options=keyValues"))["temperature"]


def test_what_one_acknowledges_the_other_sees_at_once(hubs: list[Server]) -> None:
    for number in range(40):
        one, other = hubs[number % 2], hubs[1 - number % 2]
        good(one, "POST", f"{API}/entities", room(number, temperature=number))
        assert value(other, number) == number
        good(other, "PATCH", f"{ROOM}{number}/attrs", reading(number + 0.5))
        assert value(one, number) == number + 0.5
        # An attribute and a type that there have not been before: shapes must be learnt.
        new = {f"a{number}": {"type": "Property", "value": 1}}
        good(one, "POST", f"{ROOM}{number}/attrs", new)
        found = orjson.loads(good(other, "GET", f"{API}/entities?type=Room&attrs=a{number}"))
        assert [entity["id"] for entity in found] == [f"urn:ngsi-ld:Room:{number}"]
        thing = {"id": f"urn:ngsi-ld:T:{number}", "type": f"T{number}"}
        good(other, "POST", f"{API}/entities", thing)
        assert len(orjson.loads(good(one, "GET", f"{API}/entities?type=T{number}"))) == 1


def test_a_hub_without_the_bus_is_refused_while_others_share_the_database(
    hubs: list[Server], tmp_path: Path
) -> None:
    alone = Server(
        tmp_path / "alone", environ={"MADANG_STORE": str(hubs[0].environ["MADANG_STORE"])}
    )
    alone.launch()
    with pytest.raises(Exception, match="another hub works on postgres://"):
        alone.wait_for(alone.ready)


def test_two_hubs_that_write_one_entity_lose_nothing(hubs: list[Server]) -> None:
    """Each adds attributes of its own to the same entity, so a lost write would be seen."""
    good(hubs[0], "POST", f"{API}/entities", room(100, temperature=0))

    def write(server: Server, name: str) -> None:
        for number in range(30):
            new = {f"{name}{number}": {"type": "Property", "value": number}}
            good(server, "POST", f"{ROOM}100/attrs", new)

    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(hubs * 2, "bcde", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for server in hubs:
        found = orjson.loads(good(server, "GET", f"{ROOM}100?options=keyValues"))
        assert {f"{name}{n}" for name in "bcde" for n in range(30)} <= found.keys()


def past(server: Server, number: int) -> list[object]:
    """Return the temperatures that a room has had."""
    path = f"{API}/temporal/entities/urn:ngsi-ld:Room:{number}"
    found = orjson.loads(good(server, "GET", f"{path}?options=temporalValues"))
    return [value for value, _ in found["temperature"]["values"]]


def test_any_hub_answers_and_changes_the_past(hubs: list[Server]) -> None:
    good(hubs[0], "POST", f"{API}/entities", room(300, temperature=0))
    for number in range(1, 30):
        one, other = hubs[number % 2], hubs[1 - number % 2]
        good(one, "PATCH", f"{ROOM}300/attrs", reading(number))
        assert past(other, 300) == list(range(number + 1))
    path = f"{API}/temporal/entities/urn:ngsi-ld:Room:300"
    good(hubs[1], "DELETE", path)
    for server in hubs:
        assert server.request("GET", path).status == 404
    values = {"type": "Property", "value": 7, "observedAt": "2026-01-01T00:00:00Z"}
    old = {"id": "urn:ngsi-ld:Room:301", "type": "Room", "temperature": [values]}
    for server in hubs:  # loaded at both, there once
        assert server.request("POST", f"{API}/temporal/entities", old).status in (201, 204)
    assert past(hubs[0], 301) == past(hubs[1], 301) == [7]


async def test_every_change_is_matched_with_the_newest_subscriptions(hubs: list[Server]) -> None:
    async with Receiver() as receiver:
        await asyncio.to_thread(subscribe_and_write, hubs, receiver)


def subscription(uri: str, number: int) -> dict[str, object]:
    return {
        "id": f"urn:ngsi-ld:Subscription:{number}",
        "type": "Subscription",
        "entities": [{"type": "Room"}],
        "notification": {"endpoint": {"uri": uri}},
    }


def temperatures(receiver: Receiver) -> list[float]:
    return [one["data"][0]["temperature"]["value"] for one in receiver.taken]


def subscribe_and_write(hubs: list[Server], receiver: Receiver) -> None:
    good(hubs[0], "POST", f"{API}/entities", room(200, temperature=-1))
    for turn in range(10):
        one, other = hubs[turn % 2], hubs[1 - turn % 2]
        path = f"{API}/subscriptions/urn:ngsi-ld:Subscription:{turn}"
        good(one, "POST", f"{API}/subscriptions", subscription(receiver.uri, turn))
        good(other, "PATCH", f"{ROOM}200/attrs", reading(turn))
        until(lambda turn=turn: temperatures(receiver) == list(range(turn + 1)))  # type: ignore[misc]
        if turn < 2:  # the sending is counted where it was done, and seen on both
            until(lambda path=path: all(b'"timesSent":1' in good(h, "GET", path) for h in hubs))  # type: ignore[misc]
        good(other, "PATCH", path, {"q": "temperature>100"})
        good(one, "PATCH", f"{ROOM}200/attrs", reading(50))
        assert b"temperature>100" in good(one, "GET", path)
        good(one, "DELETE", path)
        good(other, "PATCH", f"{ROOM}200/attrs", reading(200))
    assert temperatures(receiver) == list(range(10))
    assert len({one["id"] for one in receiver.taken}) == 10


@contextlib.contextmanager
def following(server: Server) -> Iterator[list[tuple[int, float]]]:
    """Follow the changes of rooms; yield positions and temperatures as they come."""
    found: list[tuple[int, float]] = []
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with closing(connection):
        connection.request("GET", "/changes?type=Room")
        sock = connection.sock
        answer = connection.getresponse()

        def read() -> None:
            with contextlib.suppress(
                OSError, ValueError, http.client.HTTPException, AttributeError
            ):
                while line := answer.readline():
                    if line.startswith(b"data: "):
                        event = orjson.loads(line[6:])
                        now = event["entity"]["temperature"]["value"]
                        found.append((event["position"], now))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        yield found
        sock.shutdown(socket.SHUT_RDWR)  # the thread waits for more
        thread.join()


def test_changes_of_all_hubs_come_in_their_order_with_nats_and_without(tmp_path: Path) -> None:
    nats = NatsServer()
    nats.start()
    try:
        with two(tmp_path, database(), nats) as hubs:
            good(hubs[0], "POST", f"{API}/entities", room(1, temperature=-1))
            with following(hubs[0]) as first, following(hubs[1]) as second:
                for number in range(90):
                    if number == 30:
                        nats.kill()
                    if number == 60:
                        nats.start()
                    good(hubs[number % 2], "PATCH", f"{ROOM}1/attrs", reading(number))
                for seen in (first, second):
                    until(lambda seen=seen: bool(seen) and seen[-1][1] == 89)  # type: ignore[misc]
                    # The one before the first may still be told: it was on its way.
                    assert [found for _, found in seen[-90:]] == list(range(90))
                    positions = [position for position, _ in seen]
                    assert positions == list(range(positions[0], positions[-1] + 1))
    finally:
        nats.kill()


def test_a_key_works_on_the_other_hub_at_once_and_no_longer_once_revoked(
    tmp_path: Path, nats: NatsServer
) -> None:
    with two(tmp_path, database(), nats, open=False) as hubs:
        for turn in range(6):
            one, other = hubs[turn % 2], hubs[1 - turn % 2]
            local, wish = one.local_key(), {"kind": "app", "name": f"k{turn}", "reads": ["S"]}
            made = orjson.loads(one.request("POST", "/trust/keys", wish, local).body)
            header = {"Authorization": f"Bearer {made['key']}"}

            def asked(server: Server = other, header: dict[str, str] = header) -> int:
                return server.request("GET", f"{API}/entities?type=S", headers=header).status

            assert asked() == 200
            gone = one.request("DELETE", f"/trust/keys/{made['id']}", headers=local)
            assert gone.status == 204
            assert until(lambda asked=asked: asked() == 401, 1.0) < 1.0  # type: ignore[misc]


def test_a_policy_of_a_newer_version_ends_a_hub_that_cannot_read_it(
    tmp_path: Path, nats: NatsServer
) -> None:
    url = database()
    with two(tmp_path, url, nats) as hubs:
        body = orjson.dumps({"text": "forbid (principal, action, resource) unless tomorrow;"})
        with psycopg.connect(url, autocommit=True) as newer:
            newer.execute(
                f"WITH c AS (UPDATE {SYSTEM}.counter SET items = items + 1 RETURNING items)"
                f" INSERT INTO {SYSTEM}.item (kind, id, body, number)"
                " SELECT 'policy', 'newer', %s, items FROM c",
                (body,),
            )
        for server in hubs:
            until(lambda server=server: not answers(server), 30.0)  # type: ignore[misc]
            assert "policy.unusable" in server.log_end()


def answers(server: Server) -> bool:
    try:
        return server.ready()
    except OSError:
        return False


async def test_a_killed_hub_loses_nothing_and_the_other_takes_its_work(
    tmp_path: Path, nats: NatsServer
) -> None:
    async with Receiver() as receiver:
        with two(tmp_path, database(), nats) as hubs:
            await asyncio.to_thread(write_and_kill, hubs, receiver)


def write_and_kill(hubs: list[Server], receiver: Receiver) -> None:
    until(lambda: is_shared_out(hubs))
    sender, other = sorted(hubs, key=lambda hub: not has(hub, LANE))
    good(sender, "POST", f"{API}/subscriptions", subscription(receiver.uri, 1))
    good(other, "POST", f"{API}/entities", room(1, temperature=0))
    for number in range(1, 60):
        if number == 20:
            sender.kill()
            killed = time.monotonic()
        writer = sender if number < 20 and number % 2 else other
        good(writer, "PATCH", f"{ROOM}1/attrs", reading(number))
    until(lambda: set(temperatures(receiver)) == set(range(60)))
    print(f"notified of all {time.monotonic() - killed:.1f} s after the kill")
    assert has(other, LANE)
    assert past(other, 1) == list(range(60))
    sender.start()
    assert value(sender, 1) == 59
    other.stop()  # in order: the work is handed on at once
    print(f"the work was handed on in {until(lambda: has(sender, LANE), 3.0):.1f} s")
    good(sender, "PATCH", f"{ROOM}1/attrs", reading(60))
    until(lambda: set(temperatures(receiver)) == set(range(61)))
    order: dict[str, float] = {}  # of each notification's first coming
    for one in receiver.taken:
        order.setdefault(one["id"], one["data"][0]["temperature"]["value"])
    assert list(order.values()) == list(range(61))  # one id each, whoever made and sent it
    print(f"{len(receiver.taken) - len(order)} came twice, under the same id")


def test_two_hubs_share_the_work_out_and_tell_who_does_what(hubs: list[Server]) -> None:
    until(lambda: is_shared_out(hubs))
    found = orjson.loads(good(hubs[0], "GET", "/status"))["hub"]
    assert [node["role"] for node in found["nodes"]] == ["all", "all"]
    for server in hubs:
        until(lambda server=server: _printed(server))  # type: ignore[misc]


def is_shared_out(hubs: list[Server]) -> bool:
    """Tell whether each duty is done once, and neither hub has two more than the other."""
    first, second = (orjson.loads(good(hub, "GET", "/status"))["hub"]["works"] for hub in hubs)
    some = [duty for duty in MOVABLE if duty in busy([""])]
    counts = [len([duty for duty in works if duty in some]) for works in (first, second)]
    return sorted([*first, *second]) == sorted(DUTIES) and abs(counts[0] - counts[1]) < 2


def _printed(server: Server) -> bool:
    """Tell whether the command line tells of both hubs and their work."""
    printed = server.said("status")
    return all(word in printed for word in (f":{server.port}", "services/1", "sense since"))


def test_contacts_can_be_changed_at_any_hub(hubs: list[Server]) -> None:
    def names(server: Server) -> list[str]:
        return [one["name"] for one in orjson.loads(good(server, "GET", "/contacts"))]

    kim = {
        "kind": "person",
        "title": "Kim",
        "channels": [{"kind": "email", "address": "kim@city.kr"}],
    }
    good(hubs[0], "PUT", "/contacts/kim", kim)
    until(lambda: names(hubs[1]) == ["kim"])
    good(hubs[1], "DELETE", "/contacts/kim")
    until(lambda: names(hubs[0]) == [])


def test_a_service_switched_on_at_one_hub_works_at_the_one_that_has_its_lane(
    hubs: list[Server],
) -> None:
    until(lambda: is_shared_out(hubs))
    other, worker = sorted(hubs, key=lambda hub: has(hub, lane_of_service("", "parking")))

    def state(server: Server) -> tuple[str, object]:
        found = orjson.loads(good(server, "GET", "/services/parking"))
        return found["state"], found["position"]

    assert state(other) == state(worker) == ("off", None)
    good(other, "PATCH", "/services/parking", {"on": True})
    until(lambda: state(worker)[0] == "running" and state(worker)[1] is not None)
    assert state(other) == ("running", None)
    assert f"lane: {lane_of_service('', 'parking')}" in other.said("service", "show", "parking")
    good(other, "PATCH", "/services/parking", {"on": False})
    until(lambda: state(worker) == ("off", None))
