"""A service of several hubs that fails at one of them: each tells why, and lets it go on."""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from madang.hub.duties import lane_of_service, work_of
from tests.contract.cluster import Cluster, started
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, Server
from tests.e2e.test_services import ONE, benches
from tests.e2e.test_several_hubs import good, has, is_shared_out, two, until

pytestmark = needs_nats
LANE = lane_of_service("", "benches")
TAKEN_OVER_S = 12.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of its own, to be stopped."""
    found = started()
    yield found
    with contextlib.suppress(AssertionError):  # a test that failed may have left it stopped
        found.stop()
    shutil.rmtree(found.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[list[Server]]:
    folder, nats = tmp_path_factory.mktemp("elsewhere"), NatsServer()
    nats.start()
    try:
        environ = {"PYTHONPATH": benches(folder)}
        with two(folder, cluster.make("elsewhere"), nats, environ) as servers:
            yield servers
    finally:
        nats.kill()


@pytest.fixture
def hubs(pair: list[Server]) -> Iterator[list[Server]]:
    """Return the hub that the service works at, and the other; the service is off."""
    until(lambda: is_shared_out(pair) and all(has_half(one) for one in pair), 2 * TAKEN_OVER_S)
    yield sorted(pair, key=lambda server: not has(server, LANE))
    good(pair[0], "PATCH", ONE, {"on": False})
    wait_for(pair, "off")


def has_half(server: Server) -> bool:
    """Tell whether a hub has two of the four lanes of each work, so that none moves any more."""
    works = orjson.loads(good(server, "GET", "/status"))["hub"]["works"]
    return Counter(map(work_of, works)).items() >= {("services", 2), ("notifications", 2)}


def bench(server: Server, name: str, degrees: float) -> None:
    attributes = {"temperature": {"type": "Property", "value": degrees}}
    made = {"id": f"urn:ngsi-ld:Bench:{name}", "type": "Bench", **attributes}
    good(server, "POST", f"{API}/entityOperations/upsert", [made])


def is_warm(server: Server, name: object) -> bool:
    return b'"status"' in good(server, "GET", f"{API}/entities/urn:ngsi-ld:Bench:{name}")


def leave_out(server: Server, name: str) -> None:
    """Leave the change out that the service fails at, and see that it comes to one behind."""
    good(server, "POST", f"{ONE}/resume", {"skip": True})
    bench(server, name, 30)
    until(lambda: is_warm(server, name))


def shown(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(good(server, "GET", ONE))
    return found


def listed(server: Server) -> dict[str, Any]:
    found: list[dict[str, Any]] = orjson.loads(good(server, "GET", "/services"))
    return next(one for one in found if one["name"] == "benches")


def wait_for(servers: list[Server], state: str, wait_s: float = 10.0) -> None:
    until(lambda: {shown(server)["state"] for server in servers} == {state}, wait_s)


def test_every_hub_tells_that_a_service_has_failed_and_why_and_lets_it_go_on(
    hubs: list[Server],
) -> None:
    worker, other = hubs
    good(other, "PATCH", ONE, {"on": True})
    wait_for(hubs, "running")
    assert other.request("POST", f"{ONE}/resume", {}).status == 409
    bench(other, "hell", 666)
    wait_for(hubs, "failed")
    assert shown(other)["alarm"] == shown(worker)["alarm"]
    assert "benches_of_the_city.py" in shown(other)["alarm"]["trace"]
    assert listed(other) == listed(worker)
    assert "no bench is as hot as hell" in other.said("service", "list")
    assert "failed" in other.said("service", "show", "benches")

    first = shown(worker)["alarm"]["at"]
    assert "goes on" in other.said("service", "resume", "benches")
    until(lambda: (shown(other)["alarm"] or {"at": first})["at"] > first)  # at the same change
    leave_out(other, "behind")
    wait_for(hubs, "running")
    assert shown(other)["alarm"] is shown(worker)["alarm"] is None

    bench(worker, "hell", 666)
    wait_for(hubs, "failed")
    good(other, "PATCH", ONE, {"on": False})
    wait_for(hubs, "off")
    assert shown(other)["alarm"] is shown(worker)["alarm"] is None
    good(worker, "PATCH", ONE, {"on": True})
    wait_for(hubs, "failed")
    leave_out(worker, "last")


def test_the_hub_that_takes_over_a_service_that_has_failed_tells_so(hubs: list[Server]) -> None:
    worker, other = hubs
    good(other, "PATCH", ONE, {"on": True})
    bench(other, "hell", 666)
    wait_for(hubs, "failed")
    worker.kill()
    assert shown(other)["state"] == "failed", "it was told by the one that is gone"
    until(lambda: has(other, LANE), TAKEN_OVER_S)
    wait_for([other], "failed")
    leave_out(other, "taken-over")
    worker.start()
    wait_for(hubs, "running")


def test_a_service_goes_on_by_itself_after_the_database_was_away(
    hubs: list[Server], cluster: Cluster
) -> None:
    worker, other = hubs
    good(other, "PATCH", ONE, {"on": True})
    until(lambda: shown(worker)["behind"] == 0)
    made = [
        {
            "id": f"urn:ngsi-ld:Bench:{number}",
            "type": "Bench",
            "temperature": {"type": "Property", "value": 30},
        }
        for number in range(500)
    ]
    good(other, "POST", f"{API}/entityOperations/upsert", made)
    cluster.stop()  # with nearly all of them to be told of and written to
    until(lambda: shown(worker)["alarm"] is not None, 30.0)
    cluster.start()
    wait_for(hubs, "running", 30.0)
    until(lambda: all(is_warm(other, number) for number in range(500)), 30.0)
