"""Two hubs with the work of several tenants: shared, and taken over when one is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from madang.hub.duties import DUTIES, Work, lane_of, work_of
from tests.contract.cluster import shared
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, Server
from tests.e2e.test_several_hubs import ROOM, hub, logs, reading, room, told, until

pytestmark = needs_nats
TENANTS = [f"district{number}" for number in range(8)]
WARM = {"type": "Room", "attribute": "temperature", "above": 30, "alert": {"severity": "high"}}
STEPS = 20
ROOMS = "urn:ngsi-ld:Room:"
WORKS: tuple[Work, ...] = ("services", "history", "notifications")
TAKEN_OVER_S = 12.0  # within which one hub has all the work of the other


class District:
    """A tenant, in whose rooms it becomes too warm one after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rooms = 0

    def ask(self, server: Server, method: str, path: str, body: object = None) -> bytes:
        answer = server.request(method, path, body, headers={"NGSILD-Tenant": self.name})
        assert answer.status in (200, 201, 204), answer.body
        return answer.body

    def begin(self, server: Server) -> None:
        self.ask(server, "POST", f"{API}/entities", room(0, temperature=0))
        self.ask(server, "PUT", "/rules", {"warm": WARM})

    def write(self, server: Server) -> None:
        """Let one more room be too warm, and the first one get a new value."""
        self.rooms += 1
        warm = room(self.rooms, temperature=31)
        self.ask(server, "POST", f"{API}/entities", warm)
        self.ask(server, "PATCH", f"{ROOM}0/attrs", reading(self.rooms / 100))

    def alerts(self, server: Server) -> list[dict[str, str]]:
        found = self.ask(server, "GET", f"{API}/entities?type=Alert&options=keyValues&limit=1000")
        alerts: list[dict[str, str]] = orjson.loads(found)
        return alerts

    def is_told_of_all(self, server: Server) -> bool:
        return len(self.alerts(server)) >= self.rooms

    def pasts(self, server: Server, type: str, attribute: str) -> dict[str, list[object]]:
        """Return the values that entities of a type have had, by their ids."""
        path = (
            f"{API}/temporal/entities?type={type}&options=temporalValues&limit=1000"
            "&timerel=after&timeAt=2020-01-01T00:00:00Z&timeproperty=modifiedAt"
        )
        found = orjson.loads(self.ask(server, "GET", path))
        return {one["id"]: [value for value, _ in one[attribute]["values"]] for one in found}

    def check(self, server: Server) -> None:
        """See that history has each value once, and that each warm room made one alert, once."""
        wanted: dict[str, list[object]] = {f"{ROOMS}{n}": [31] for n in range(1, self.rooms + 1)}
        about = sorted(alert["refersTo"] for alert in self.alerts(server))
        assert about == sorted(wanted)
        opened = self.pasts(server, "Alert", "status")
        assert list(opened.values()) == [["open"]] * self.rooms
        wanted[f"{ROOMS}0"] = [number / 100 for number in range(self.rooms + 1)]
        assert self.pasts(server, "Room", "temperature") == wanted


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[list[Server]]:
    url = shared().make("tenants")
    nats = NatsServer()
    nats.start()
    servers = [hub(tmp_path, name, url, nats) for name in ("first", "second")]
    try:
        with logs(servers):
            for server in servers:
                server.environ["MADANG_HISTORY_DRAIN_S"] = "0.5"
                server.start()
            until(lambda: all(told(server, "bus") for server in servers))
            yield servers
    finally:
        for server in servers:
            server.kill()
        nats.kill()


def lanes(server: Server, work: Work) -> list[str]:
    found = orjson.loads(server.request("GET", "/status").body)["hub"]["works"]
    return [duty for duty in found if work_of(duty) == work]


def is_shared_out(hubs: list[Server]) -> bool:
    """Tell whether each hub has two lanes of each work, and no lane is at both."""
    for work in WORKS:
        of_each = [lanes(server, work) for server in hubs]
        if [len({*some}) for some in of_each] != [2, 2] or {*of_each[0]} & {*of_each[1]}:
            return False
    return True


def outbox(server: Server) -> int:
    tenants = orjson.loads(server.request("GET", "/status").body)["tenants"]
    return sum(tenants[name]["outbox"] for name in TENANTS)


def test_the_work_of_tenants_is_shared_and_goes_on_when_a_hub_is_killed(hubs: list[Server]) -> None:
    for work in ("services", "history"):
        assert {lane_of(work, name) for name in TENANTS} == {
            duty for duty in DUTIES if work_of(duty) == work
        }, "the test has a tenant in each lane"
    districts = [District(name) for name in TENANTS]
    for district in districts:
        district.begin(hubs[0])
    took = until(lambda: is_shared_out(hubs), TAKEN_OVER_S)
    print(f"shared out after {took:.1f} s")

    for _ in range(STEPS):
        for district in districts:
            district.write(hubs[district.rooms % 2])
    killed, left = hubs
    killed.kill()
    at = time.monotonic()
    for _ in range(STEPS):
        for district in districts:
            district.write(left)
    until(lambda: len(lanes(left, "history") + lanes(left, "services")) == 8, TAKEN_OVER_S)
    print(f"all work taken over {time.monotonic() - at:.1f} s after the kill")
    until(lambda: all(district.is_told_of_all(left) for district in districts), TAKEN_OVER_S)
    until(lambda: outbox(left) == 0, TAKEN_OVER_S)
    print(f"all rules fired and all in history {time.monotonic() - at:.1f} s after the kill")
    for district in districts:
        district.check(left)

    at = time.monotonic()
    killed.start()  # it is given some of the work, lane by lane, while everything goes on
    while not is_shared_out(hubs):
        assert time.monotonic() - at < 2 * TAKEN_OVER_S
        for district in districts:
            district.write(left)
    print(f"shared out again {time.monotonic() - at:.1f} s after its start")
    until(lambda: all(district.is_told_of_all(left) for district in districts), TAKEN_OVER_S)
    until(lambda: outbox(left) == 0, TAKEN_OVER_S)
    for district in districts:
        for server in hubs:
            district.check(server)
