"""What a stranger may not have the hub connect to, however the name leads there."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from madang.hub import hosts
from madang.hub.delivery_http import HttpSender
from madang.hub.delivery_mqtt import MqttSender
from madang.hub.endpoint import parse
from madang.hub.hosts import Bounds, is_named, is_outside, is_own
from madang.hub.message import Message, SendFailed
from tests.hub.web_receiver import Receiver

MESSAGE = Message("application/json", None, b'{"n": 1}')


class Names(AbstractResolver):
    """Answers as a name server would that is asked again and again, each time the next."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            {
                "hostname": host, "host": address, "port": port,
                "family": socket.AF_INET, "proto": 0, "flags": 0,
            }
            for address in answer
        ]  # fmt: skip

    async def close(self) -> None: ...


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names(["127.0.0.1"])
    monkeypatch.setattr(aiohttp, "ThreadedResolver", lambda: made)
    return made


async def send(receiver: Receiver, host: str, bounds: Bounds | None = None) -> None:
    uri = receiver.uri.replace("127.0.0.1", host)
    sender = HttpSender(1.0, bounds)
    try:
        await sender.send(parse({"uri": uri}, inside=False), MESSAGE, "")
    finally:
        await sender.close()


async def test_a_name_that_leads_inside_is_not_notified(receiver: Receiver, names: Names) -> None:
    for answer in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"], ["::1"]):
        names.answers = [answer]
        with pytest.raises(SendFailed, match="notify_hosts"):
            await send(receiver, "hooks.example.org")
    assert receiver.asked == 0


async def test_the_address_that_was_checked_is_the_one_connected_to(
    receiver: Receiver, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "is_public", lambda address: ip_address(address).is_loopback)
    monkeypatch.setattr(hosts, "is_own", lambda address: False)
    names.answers = [["127.0.0.1"], ["10.0.0.1"]]
    await send(receiver, "hooks.example.org")
    assert (receiver.asked, names.asked) == (1, 1)


async def test_a_stranger_does_not_learn_which_names_there_are_inside(
    receiver: Receiver, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SendFailed) as inside:
        await send(receiver, "db.example.org")

    async def unknown(*args: Any, **kwargs: Any) -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr(names, "resolve", unknown)
    with pytest.raises(SendFailed) as absent:
        await send(receiver, "db.example.org")
    assert str(inside.value) == str(absent.value)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "[::1]"),
        *("[::ffff:127.0.0.1]", "127.0.0.1.", "0", "127。0。0。1", "①27.0.0.1", "127.0.0.%31"),
        *("8.8.8.8@127.0.0.1", "8.8.8.8\\@127.0.0.1"),
    ],
)
async def test_this_machine_is_refused_however_it_is_written(receiver: Receiver, host: str) -> None:
    with pytest.raises(SendFailed):
        await send(receiver, host)
    assert receiver.asked == 0


async def test_what_the_settings_name_may_be_inside(receiver: Receiver, names: Names) -> None:
    for named in ("127.0.0.1", "127.0.0.0/8", "hooks.example.org", "*.example.org"):
        await send(receiver, "hooks.example.org", Bounds((named,)))
    with pytest.raises(SendFailed):
        await send(receiver, "hooks.example.org", Bounds(("10.0.0.0/8", "other.example.org")))
    assert receiver.asked == 4


async def test_a_redirect_leads_nowhere(receiver: Receiver) -> None:
    receiver.answers = lambda n: (307, {"Location": receiver.uri + "2"})
    with pytest.raises(SendFailed, match="307"):
        await send(receiver, "127.0.0.1", Bounds(("127.0.0.1",)))
    assert receiver.asked == 1


async def test_a_connection_into_the_network_is_not_shared_with_strangers(
    receiver: Receiver,
) -> None:
    sender = HttpSender(1.0)
    await sender.send(parse({"uri": receiver.uri}), MESSAGE, "")
    with pytest.raises(SendFailed):
        await sender.send(parse({"uri": receiver.uri}, inside=False), MESSAGE, "")
    assert receiver.asked == 1
    await sender.close()


async def test_headers_of_an_older_subscription_do_not_replace_those_of_the_hub(
    receiver: Receiver,
) -> None:
    info = [{"key": "link", "value": "<https://evil.example/>"}, {"key": "X-Key", "value": "1"}]
    endpoint = parse({"uri": receiver.uri, "receiverInfo": info})
    sender = HttpSender(1.0)
    await sender.send(endpoint, Message("application/json", "https://c.example/", b"{}"), "seoul")
    await sender.close()
    assert receiver.headers[0].getall("Link")[0].startswith("<https://c.example/>")
    assert len(receiver.headers[0].getall("Link")) == 1
    assert receiver.headers[0]["X-Key"] == "1"


async def test_a_broker_inside_is_refused_before_it_is_connected_to() -> None:
    accepted = 0

    def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.close()

    server = await asyncio.start_server(arrived, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sender = MqttSender(2.0)
    for host in ("127.0.0.1", "localhost"):
        endpoint = parse({"uri": f"mqtt://{host}:{port}/topic"}, inside=False)
        with pytest.raises(SendFailed, match="notify_hosts"):
            await sender.send(endpoint, MESSAGE, "")
    assert accepted == 0
    await sender.close()
    named = MqttSender(2.0, Bounds(("127.0.0.1",)))
    with pytest.raises(SendFailed):  # it is no broker, but it was connected to
        await named.send(parse({"uri": f"mqtt://127.0.0.1:{port}/t"}, inside=False), MESSAGE, "")
    assert accepted == 1
    await named.close()
    server.close()
    await server.wait_closed()


def test_the_addresses_of_this_machine_are_known_as_its_own() -> None:
    assert is_own("127.0.0.1")
    assert not is_own("8.8.8.8")
    assert not is_outside("127.0.0.1")
    assert is_outside("8.8.8.8")


@pytest.mark.parametrize(
    "address",
    ["168.63.129.16", "192.0.0.192", "::7f00:1", "64:ff9b:1::7f00:1", "fec0::1", "fd00:ec2::254"],
)
def test_metadata_services_and_outdated_ranges_are_not_outside(address: str) -> None:
    assert not is_outside(address)


def test_patterns_name_hosts_and_networks_name_addresses() -> None:
    assert is_named("a.seoul.go.kr", ("*.seoul.go.kr",))
    assert not is_named("seoul.go.kr.evil.org", ("*.seoul.go.kr",))
    assert is_named("10.1.2.3", ("10.0.0.0/8",))
    assert not is_named("10.example.org", ("10.0.0.0/8",))
