"""Two hubs with the services and history of tenants: shared, and taken over when one is killed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from madang.hub.duties import DUTIES, Work, lane_of, lane_of_service, work_of
from tests.contract.cluster import shared
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, Server
from tests.e2e.test_several_hubs import ROOM, hub, logs, reading, room, told, until

pytestmark = needs_nats
TENANTS = ["district0", "district1", "district4", "district5"]
SERVICES = ["incidents", "parking", "rules"]
"""Of each tenant, in lanes of their own: what rules alert of becomes incidents elsewhere."""
WARM = {"type": "Room", "attribute": "temperature", "above": 30, "alert": {"severity": "high"}}
STEPS = 20
ROOMS = "urn:ngsi-ld:Room:"
ZONE = "urn:ngsi-ld:OnStreetParking:1"
WORKS: tuple[Work, ...] = ("services", "history", "notifications")
PACE_S = 0.05  # from one step of all tenants to the next
TAKEN_OVER_S = 12.0  # within which one hub has all the work of the other


class District:
    """A tenant, where one room after the other becomes too warm, and one place to park free."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps = 0

    def ask(self, server: Server, method: str, path: str, body: object = None) -> bytes:
        answer = server.request(method, path, body, headers={"NGSILD-Tenant": self.name})
        assert answer.status in (200, 201, 204), answer.body
        return answer.body

    def begin(self, server: Server) -> None:
        self.ask(server, "POST", f"{API}/entities", room(0, temperature=0))
        self.ask(server, "POST", f"{API}/entities", {"id": ZONE, "type": "OnStreetParking"})
        self.ask(server, "PUT", "/rules", {"warm": WARM})
        for name in SERVICES:
            self.ask(server, "PATCH", f"/services/{name}", {"on": True})

    def works(self, server: Server) -> set[str]:
        """Return the services of this tenant that work at a hub."""
        found = {name: self.ask(server, "GET", f"/services/{name}") for name in SERVICES}
        return {name for name, told in found.items() if orjson.loads(told)["position"] is not None}

    def write(self, server: Server) -> None:
        """Let one more room be too warm, another get a new value, and one more place be free."""
        self.steps += 1
        for made in (room(self.steps, temperature=31), spot(self.steps)):
            self.ask(server, "POST", f"{API}/entities", made)
        self.ask(server, "PATCH", f"{ROOM}0/attrs", reading(self.steps / 100))

    def is_told_of_all(self, server: Server) -> bool:
        done = [self.of(server, type) for type in ("Alert", "Incident")]
        free = self.of(server, "OnStreetParking")[0].get("availableSpotNumber")
        return min(map(len, done)) >= self.steps and free == self.steps

    def of(self, server: Server, type: str) -> list[dict[str, object]]:
        """Return the entities of a type."""
        path = f"{API}/entities?type={type}&options=keyValues&limit=1000"
        found: list[dict[str, object]] = orjson.loads(self.ask(server, "GET", path))
        return found

    def pasts(self, server: Server, type: str, attribute: str) -> dict[str, list[object]]:
        """Return the values that entities of a type have had, by their ids."""
        path = (
            f"{API}/temporal/entities?type={type}&options=temporalValues&limit=1000"
            "&timerel=after&timeAt=2020-01-01T00:00:00Z&timeproperty=modifiedAt"
        )
        found = orjson.loads(self.ask(server, "GET", path))
        return {one["id"]: [value for value, _ in one[attribute]["values"]] for one in found}

    def check(self, server: Server) -> None:
        """See that history has each value once, and that each service did its work, once."""
        wanted: dict[str, list[object]] = {f"{ROOMS}{n}": [31] for n in range(1, self.steps + 1)}
        assert Counter(one["refersTo"] for one in self.of(server, "Alert")) == Counter([*wanted])
        assert len(self.of(server, "Decision")) == self.steps
        alerts = [one["alerts"] for one in self.of(server, "Incident")]
        assert Counter(alerts) == Counter(one["id"] for one in self.of(server, "Alert"))
        for type in ("Alert", "Incident"):
            opened = self.pasts(server, type, "status")
            assert list(opened.values()) == [["open"]] * self.steps
        counted = self.pasts(server, "OnStreetParking", "availableSpotNumber")
        assert counted == {ZONE: [*range(1, self.steps + 1)]}
        wanted[f"{ROOMS}0"] = [number / 100 for number in range(self.steps + 1)]
        assert self.pasts(server, "Room", "temperature") == wanted


def spot(number: int) -> dict[str, object]:
    return {
        "id": f"urn:ngsi-ld:ParkingSpot:{number}",
        "type": "ParkingSpot",
        "status": {"type": "Property", "value": "free"},
        "refParkingSite": {"type": "Relationship", "object": ZONE},
    }


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


def share_services(hubs: list[Server], district: District) -> bool:
    """Tell whether each service of a tenant works at one of the hubs, and each hub has some."""
    first, second = (district.works(server) for server in hubs)
    return bool(first and second) and sorted([*first, *second]) == SERVICES


class Writing:
    """Writes into all districts, one after the other, as long as the block lasts."""

    def __init__(self, districts: list[District], server: Server) -> None:
        self._districts = districts
        self._server = server
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _write(self) -> None:
        try:
            while not self._ending.wait(PACE_S):
                for district in self._districts:
                    district.write(self._server)
        except BaseException as error:
            self._failure = error


def test_the_work_of_tenants_is_shared_and_goes_on_when_a_hub_is_killed(hubs: list[Server]) -> None:
    lanes_of_history = {lane_of("history", name) for name in TENANTS}
    assert lanes_of_history == {duty for duty in DUTIES if work_of(duty) == "history"}
    for tenant in TENANTS:
        assert len({lane_of_service(tenant, name) for name in SERVICES}) == len(SERVICES)
    districts = [District(name) for name in TENANTS]
    for district in districts:
        district.begin(hubs[0])
    took = until(lambda: is_shared_out(hubs), TAKEN_OVER_S)
    print(f"shared out after {took:.1f} s")
    until(lambda: all(share_services(hubs, district) for district in districts))

    for _ in range(STEPS):
        for district in districts:
            district.write(hubs[district.steps % 2])
    killed, left = hubs
    with Writing(districts, left):
        begun = districts[-1].steps
        until(lambda: districts[-1].steps > begun)
        killed.kill()
        at = time.monotonic()
        until(lambda: len(lanes(left, "history") + lanes(left, "services")) == 8, TAKEN_OVER_S)
        until(lambda: all(district.works(left) == {*SERVICES} for district in districts))
        print(f"all work taken over {time.monotonic() - at:.1f} s after the kill")
    until(lambda: all(district.is_told_of_all(left) for district in districts), TAKEN_OVER_S)
    until(lambda: outbox(left) == 0, TAKEN_OVER_S)
    print(f"all services done and all in history {time.monotonic() - at:.1f} s after the kill")

    at = time.monotonic()
    killed.start()  # it is given some of the work, lane by lane, while everything goes on
    with Writing(districts, left):
        until(lambda: is_shared_out(hubs), 2 * TAKEN_OVER_S)
    print(f"shared out again {time.monotonic() - at:.1f} s after its start")
    until(lambda: all(share_services(hubs, district) for district in districts))
    until(lambda: all(district.is_told_of_all(left) for district in districts), TAKEN_OVER_S)
    until(lambda: outbox(left) == 0, TAKEN_OVER_S)
    print(f"{sum(district.steps for district in districts)} steps in all")
    for district in districts:
        for server in hubs:
            district.check(server)
