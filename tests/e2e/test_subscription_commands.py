"""``madang subscription`` from outside: an endpoint fails, what waits is seen and sent again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from tests.contract.cluster import shared
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.receiver import Receiver
from tests.e2e.server import API, Server
from tests.e2e.test_several_hubs import LANE, good, has, reading, room, two, until

ID = "urn:ngsi-ld:Subscription:1"
ROOM_1 = f"{API}/entities/urn:ngsi-ld:Room:1/attrs"


async def test_a_failing_endpoint_is_seen_and_sent_to_again(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        with Server(tmp_path / "data") as server:
            await asyncio.to_thread(fail_and_mend, server, receiver)


def fail_and_mend(server: Server, receiver: Receiver) -> None:
    said = server.said
    assert "no subscription" in said("subscription", "list")
    hidden = receiver.uri.replace("//", "//ann:secret@")
    id = said("subscription", "add", "--to", hidden, "--type", "Room", "--watch", "temperature",
              "--name", "Rooms", "--format", "simplified").strip()  # fmt: skip
    listed = said("subscription", "list")
    assert all(word in listed for word in (id, "Rooms", receiver.uri, "active"))
    assert "secret" not in listed
    good(server, "POST", f"{API}/entities", room(1, temperature=0))
    until(lambda: len(receiver.taken) == 1)
    assert receiver.taken[0]["data"][0]["temperature"] == 0

    receiver.mood = "failing"
    for value in (1, 2):
        good(server, "PATCH", ROOM_1, reading(value))
    until(lambda: "503" in said("subscription", "waiting", id))
    waiting = said("subscription", "waiting", id)
    assert "endpoint fails; 2 wait; next attempt at" in waiting
    assert "urn:ngsi-ld:Room:1" in waiting
    assert "failing" in said("subscription", "list", "--failing")
    told = orjson.loads(said("subscription", "waiting", id, "--json", "--limit", "1"))
    assert [one["notification"]["data"][0]["temperature"] for one in told["notifications"]] == [1]

    receiver.mood = "well"
    assert "sent again" in said("subscription", "resend", id)
    until(lambda: len(receiver.taken) == 3, 0.9)  # its own next attempt is a second off or more
    until(lambda: "No subscription fails." in said("subscription", "list", "--failing"))
    assert "takes notifications; 0 wait" in said("subscription", "waiting", id)

    assert "paused" in said("subscription", "pause", id)
    good(server, "PATCH", ROOM_1, reading(3))
    assert "paused" in said("subscription", "list")
    said("subscription", "resume", id)
    good(server, "PATCH", ROOM_1, reading(4))
    until(lambda: len(receiver.taken) == 4)
    assert receiver.taken[-1]["data"][0]["temperature"] == 4
    assert orjson.loads(said("subscription", "show", id))["subscriptionName"] == "Rooms"
    said("subscription", "remove", "--yes", id)
    assert "no subscription" in said("subscription", "list")


async def test_an_endpoint_that_stays_away_is_an_alert_until_it_is_back(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        with Server(tmp_path / "data") as server:
            await asyncio.to_thread(stay_away, server, receiver)


def stay_away(server: Server, receiver: Receiver) -> None:
    receiver.mood = "failing"
    good(server, "POST", f"{API}/entities", room(1, temperature=0))
    for id, kind in ((ID, "Room"), (f"{ID}:gone", "Room"), (f"{ID}:idle", "Nothing")):
        server.said("subscription", "add", "--to", receiver.uri, "--type", kind, "--id", id)
    good(server, "PATCH", ROOM_1, reading(1))
    first, gone = (f"urn:ngsi-ld:Alert:endpointFailure:{id}" for id in (ID, f"{ID}:gone"))
    until(lambda: alerts(server) == {first: "open", gone: "open"}, 60)
    server.stop()
    server.start()
    server.said("subscription", "remove", "--yes", f"{ID}:gone")
    until(lambda: alerts(server) == {first: "open", gone: "closed"})
    receiver.mood = "well"
    server.said("subscription", "resend", ID)
    until(lambda: alerts(server) == {first: "closed", gone: "closed"})


def alerts(server: Server) -> dict[str, str]:
    """Return the status of each alert, by id."""
    found = orjson.loads(good(server, "GET", f"{API}/entities?type=Alert&options=keyValues"))
    return {one["id"]: one["status"] for one in found}


def test_what_cannot_be_done_is_told_in_words(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        for words, reason in (
            (("add", "--to", "http://a.example/"), "--type"),
            (("add", "--to", "ftp://a.example/", "--type", "Room"), "http, https, mqtt"),
            (("add", "--to", "nats:bus", "--type", "Room"), "setting bus"),
            (("waiting", ID), ID),
            (("resend", ID), ID),
            (("pause", ID), ID),
            (("remove", "--yes", ID), ID),
        ):
            done = server.madang("subscription", *words)
            assert done.returncode != 0
            assert reason in done.stderr


@needs_nats
async def test_any_hub_tells_what_waits_at_another(tmp_path: Path) -> None:
    nats = NatsServer()
    nats.start()
    async with Receiver() as receiver:
        with two(tmp_path, shared().make("waiting_1"), nats) as hubs:
            await asyncio.to_thread(ask_the_other, hubs, receiver)
    nats.kill()


def ask_the_other(hubs: list[Server], receiver: Receiver) -> None:
    until(lambda: any(has(hub, LANE) for hub in hubs))
    other = next(hub for hub in hubs if not has(hub, LANE))
    receiver.mood = "failing"
    good(other, "POST", f"{API}/entities", room(1, temperature=0))
    other.said("subscription", "add", "--to", receiver.uri, "--type", "Room", "--id", ID)
    for value in range(3):
        good(other, "PATCH", ROOM_1, reading(value))
    for hub in hubs:
        until(lambda hub=hub: "endpoint fails; 3 wait" in hub.said("subscription", "waiting", ID))  # type: ignore[misc]
        until(lambda hub=hub: "failing" in hub.said("subscription", "list"))  # type: ignore[misc]
    receiver.mood = "well"
    other.said("subscription", "resend", ID)
    until(lambda: len(receiver.taken) == 3)
    until(lambda: "takes notifications; 0 wait" in other.said("subscription", "waiting", ID))
