"""The stream of changes over NATS, as programs of others follow it and as services live on it."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.bus.stream import PARTITIONS, partition_of
from tests.contract.cluster import shared
from tests.e2e.certificate import certificate
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, Server
from tests.e2e.stream_reader import StreamReader
from tests.e2e.test_several_hubs import ROOM, good, has, hub, reading, room, told, two, until

pytestmark = needs_nats
numbers = count()
ROOMS = 40
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "follow-changes-over-nats.md"
HOT: dict[str, Any] = {
    "title": {"en": "Hot", "ko": "더움"}, "type": "Room", "attribute": "temperature",
    "above": 100, "alert": {"severity": "high", "kind": "heat"},
}  # fmt: skip


@pytest.fixture
def nats() -> Iterator[NatsServer]:
    server = NatsServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def database() -> str:
    return shared().make(f"stream_{next(numbers)}")


def raise_all(hubs: list[Server], value: int) -> None:
    """Raise the temperature of every room, by one hub after the other."""
    for number in range(ROOMS):
        good(hubs[number % len(hubs)], "PATCH", f"{ROOM}{number}/attrs", reading(value))


def various(hubs: list[Server]) -> None:
    """Change entities in ways that a change can tell of; the last is an entity of type Last."""
    id = "urn:ngsi-ld:Lamp:1"
    lamp = f"{API}/entities/{id}"
    power = {"type": "Property", "value": 5.5, "unitCode": "WTT", "datasetId": "urn:a"}
    name = {"type": "LanguageProperty", "languageMap": {"ko": "가로등", "en": "Lamp"}}
    street = {"type": "Relationship", "object": "urn:ngsi-ld:Street:1"}
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [127.0, 37.5]}}
    first, second = hubs
    good(first, "POST", f"{API}/entities", {
        "id": id, "type": ["Lamp", "Device"], "scope": ["/north"], "name": name,
        "power": [power, {**power, "datasetId": "urn:b"}], "location": place,
    })  # fmt: skip
    good(second, "POST", f"{lamp}/attrs", {"street": street, "scope": ["/south", "/old"]})
    good(first, "DELETE", f"{lamp}/attrs/power?datasetId=urn:a")
    good(second, "PATCH", lamp, {"name": "urn:ngsi-ld:null", "type": "Light"})
    good(first, "PUT", lamp, {"id": id, "type": "Lamp", "power": {**power, "value": 6}})
    good(second, "DELETE", lamp)
    good(first, "POST", f"{API}/entities", {"id": id, "type": "Lamp"})
    good(second, "POST", f"{API}/entities", {"id": "urn:ngsi-ld:Last:1", "type": "Last"})


def changes(hub: Server, last: int) -> list[dict[str, Any]]:
    """Return all changes up to a number, as the hub tells them over HTTP."""
    found: list[dict[str, Any]] = []
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=30)
    with closing(connection):
        connection.request("GET", "/changes?after=0")
        answer = connection.getresponse()
        while not found or found[-1]["position"] < last:
            line = answer.readline()
            if line.startswith(b"data: "):
                found.append(orjson.loads(line[6:]))
    return found


def test_a_program_of_others_is_told_all_and_goes_on_where_it_was(
    tmp_path: Path, database: str, nats: NatsServer
) -> None:
    with two(tmp_path, database, nats) as hubs:
        until(lambda: any(has(hub, "history/1") for hub in hubs))
        with StreamReader([nats], range(PARTITIONS)) as reader:
            made = [room(number, temperature=0) for number in range(ROOMS)]
            good(hubs[0], "POST", f"{API}/entityOperations/create", made)
            raise_all(hubs, 1)
            until(lambda: len(reader.changes()) == 2 * ROOMS)
        raise_all(hubs, 2)
        various(hubs)
        with StreamReader([nats], range(PARTITIONS)) as later:
            until(lambda: good(hubs[0], "GET", f"{API}/entities?type=Last") != b"[]")
            until(lambda: any(change["type"] == "Last" for change in later.changes()))
        found = reader.changes() + later.changes()
        wanted = changes(hubs[0], found[-1]["position"])
        assert list(map(sorted_names, found)) == list(map(sorted_names, wanted))
        for partition in range(PARTITIONS):
            for change in reader.told[partition] + later.told[partition]:
                assert partition_of(change["id"]) == partition


def sorted_names(change: dict[str, Any]) -> dict[str, Any]:
    """Return a change with its names in one order."""
    return {**change, "attributes": sorted(change["attributes"]),
            "deleted": sorted(change["deleted"])}  # fmt: skip


def test_the_program_of_the_how_to_reads_with_the_rights_of_the_how_to(
    tmp_path: Path, database: str, nats: NatsServer
) -> None:
    program, users = (written(HOW_TO, kind) for kind in ("python", "text"))
    with two(tmp_path, database, nats) as hubs:
        with StreamReader([nats], ()) as reader:
            until(lambda: reader.place != "")
        nats.kill()
        for name, value in {
            "PLACE": reader.place, "$BUS_PASSWORD": nats.password, "$READER_PASSWORD": "change-me",
        }.items():  # fmt: skip
            users = users.replace(name, value)
        nats.authorization = users
        nats.start()
        until(lambda: all(told(hub, "bus") for hub in hubs))
        (tmp_path / "program.py").write_text(program.replace("4222", str(nats.port)))
        with ExitStack() as shares:
            outputs = [tmp_path / f"{share}.log" for share in range(4)]
            for share, output in enumerate(outputs):
                command = [sys.executable, "-u", "program.py", reader.place, str(share)]
                log = shares.enter_context(output.open("w"))
                process = shares.enter_context(subprocess.Popen(command, cwd=tmp_path, stdout=log))
                shares.callback(process.kill)
            made = [room(number, temperature=0) for number in range(ROOMS)]
            good(hubs[0], "POST", f"{API}/entityOperations/create", made)
            ids = [str(one["id"]) for one in made]
            until(lambda: sorted(ids) == sorted(i for output in outputs for i in told_ids(output)))
        for share, output in enumerate(outputs):
            assert {partition_of(id) % 4 for id in told_ids(output)} == {share}


def told_ids(output: Path) -> list[str]:
    """Return the entities that the program has told of in whole lines."""
    lines = output.read_text().splitlines(keepends=True)
    return [orjson.loads(line)["id"] for line in lines if line.endswith("\n")]


def written(page: Path, kind: str, number: int = 0) -> str:
    """Return the first or a later code of a kind on a page of the documentation."""
    return page.read_text().split(f"```{kind}\n")[1 + number].split("```", 1)[0]


def test_services_go_on_while_nats_is_away_and_has_lost_the_stream(
    tmp_path: Path, database: str, nats: NatsServer
) -> None:
    with two(tmp_path, database, nats) as hubs:
        good(hubs[0], "POST", f"{API}/entityOperations/create",
             [room(number, temperature=0) for number in range(ROOMS)])  # fmt: skip
        good(hubs[0], "PUT", "/rules", {"hot": HOT})
        print(f"with the stream: {heated(hubs, range(10)):.2f} s")
        large = room(ROOMS, temperature=101, note="x" * 1_100_000)  # for a message of NATS
        good(hubs[0], "POST", f"{API}/entities", large)
        took = until(lambda: large["id"] in heat_alerts(hubs[0]))
        print(f"of a change that is too large for the stream: {took:.2f} s")
        nats.kill()
        print(f"without NATS: {heated(hubs, range(10, 20)):.2f} s")
        nats.forget()
        nats.start()
        until(lambda: all(told(hub, "bus") for hub in hubs))
        print(f"with a new stream: {heated(hubs, range(20, 30)):.2f} s")
        with StreamReader([nats], range(PARTITIONS)) as reader:
            print(f"with it: {heated(hubs, range(30, ROOMS)):.2f} s")
            heat = {f"urn:ngsi-ld:Room:{number}" for number in range(30, ROOMS)}
            until(lambda: heat <= {change["id"] for change in reader.changes()})
        positions = [change["position"] for change in reader.changes()]
        assert positions == [*range(positions[0], positions[0] + len(positions))]
        assert heat_alerts(hubs[0]) == {f"urn:ngsi-ld:Room:{number}" for number in range(ROOMS + 1)}


def test_hubs_reach_a_server_by_tls_if_they_know_who_signed_its_certificate(
    tmp_path: Path, database: str
) -> None:
    chain, key = certificate(tmp_path)
    nats = NatsServer(tls=(chain, key))
    nats.start()
    stranger = hub(tmp_path, "stranger", database, nats)
    with two(tmp_path, database, nats, {"SSL_CERT_FILE": str(chain)}) as hubs:
        good(hubs[0], "POST", f"{API}/entityOperations/create",
             [room(number, temperature=0) for number in range(ROOMS)])  # fmt: skip
        good(hubs[0], "PUT", "/rules", {"hot": HOT})
        print(f"over TLS: {heated(hubs, range(ROOMS)):.2f} s")
        stranger.start()
        until(lambda: "CERTIFICATE_VERIFY_FAILED" in stranger.log_end())
        assert not told(stranger, "bus")
        stranger.stop()
    nats.kill()


def heated(hubs: list[Server], rooms: range) -> float:
    """Heat some rooms; return how long it takes until there is an alert of each. [s]"""
    for number in rooms:
        good(hubs[number % 2], "PATCH", f"{ROOM}{number}/attrs", reading(101))
    wanted = {f"urn:ngsi-ld:Room:{number}" for number in rooms}
    return until(lambda: wanted <= heat_alerts(hubs[0]))


def heat_alerts(hub: Server) -> set[str]:
    """Return the rooms that there is an alert of, of which each has one."""
    found = orjson.loads(good(hub, "GET", f"{API}/entities?type=Alert&limit=100&options=keyValues"))
    rooms = [one["refersTo"] for one in found if one.get("category") != "service"]
    assert len(rooms) == len(set(rooms))
    return set(rooms)
