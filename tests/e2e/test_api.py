"""One flow per surface of the hub, over HTTP, to the server as a user runs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.server import API, Answer, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("api") / "data") as running:
        yield running


def car(number: int, speed: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Car:{number}",
        "type": "Car",
        "speed": {"type": "Property", "value": speed},
        **members,
    }


def data(answer: Answer) -> Any:
    return answer.json()


def test_an_entity_is_made_read_changed_and_deleted(server: Server) -> None:
    path = f"{API}/entities/urn:ngsi-ld:Car:1"
    assert server.request("POST", f"{API}/entities", car(1)).headers["location"] == path
    assert server.request("POST", f"{API}/entities", car(1)).status == 409
    colour = {"colour": {"type": "Property", "value": "red"}}
    assert server.request("POST", f"{path}/attrs", colour).status == 204
    assert server.request("PATCH", f"{path}/attrs/speed", {"value": 9}).status == 204
    assert data(server.request("GET", path)) == {**car(1, 9), **colour}
    assert data(server.request("GET", f"{path}?options=keyValues"))["colour"] == "red"
    assert server.request("DELETE", f"{path}/attrs/colour").status == 204
    assert server.request("PUT", path, car(1, 3)).status == 204
    assert data(server.request("GET", path)) == car(1, 3)
    assert server.request("DELETE", path).status == 204
    assert server.request("GET", path).status == 404


def test_a_batch_tells_of_each_error_and_queries_find_the_rest(server: Server) -> None:
    tenant = {"NGSILD-Tenant": "batch"}
    cars = [car(n, n) for n in range(1, 8)]
    path = f"{API}/entityOperations/create"
    answer = server.request("POST", path, [*cars, {"id": "no uri", "type": "Car"}], tenant)
    assert answer.status == 207
    assert len(data(answer)["success"]) == 7
    assert [error["entityId"] for error in data(answer)["errors"]] == ["no uri"]
    query = f"{API}/entities?type=Car&q=speed%3E2&limit=2&offset=2&count=true"
    page = server.request("GET", query, headers=tenant)
    assert page.headers["ngsild-results-count"] == "5"
    assert [found["speed"]["value"] for found in data(page)] == [5, 6]
    nobody = server.request("GET", query, headers={"NGSILD-Tenant": "nobody"})
    assert nobody.status == 404
    assert data(nobody)["type"].endswith("NonexistentTenant")
    assert data(server.request("GET", f"{API}/types", headers=tenant))["typeList"] == ["Car"]


def test_a_problem_names_the_field_and_what_was_expected(server: Server) -> None:
    answer = server.request("POST", f"{API}/entities", car(5, location={"type": "GeoProperty"}))
    assert answer.status == 400
    assert "location" in data(answer)["detail"]
    assert data(answer)["type"].endswith("BadRequestData")


@pytest.mark.parametrize(
    "path", ["/", "/health", "/ready", "/metrics", "/status", "/openapi.json", "/docs"]
)
def test_the_process_tells_about_itself(server: Server, path: str) -> None:
    assert server.request("GET", path).status == 200


def test_what_expires_is_gone_in_time(server: Server) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert server.request("POST", f"{API}/entities", car(77, expiresAt=soon)).status == 201
    path = f"{API}/entities/urn:ngsi-ld:Car:77"
    assert server.request("GET", path).status == 200
    time.sleep(1.1)
    assert server.request("GET", path).status == 404


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


async def test_a_notification_waits_for_its_subscriber_and_for_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    await asyncio.to_thread(server.start)
    path = f"{API}/subscriptions/urn:ngsi-ld:Subscription:cars"

    async def ask(method: str, path: str, body: object = None) -> Answer:
        return await asyncio.to_thread(server.request, method, path, body)

    try:
        async with Receiver() as receiver:
            subscription = {
                "id": "urn:ngsi-ld:Subscription:cars",
                "type": "Subscription",
                "entities": [{"type": "Car"}],
                "notification": {"endpoint": {"uri": receiver.uri}},
            }
            assert (await ask("POST", f"{API}/subscriptions", subscription)).status == 201
            await ask("POST", f"{API}/entities", car(1))
            await until(lambda: len(receiver.taken) == 1)
            receiver.mood = "failing"
            await ask("POST", f"{API}/entities", car(2))
            waiting = data(await ask("GET", f"{path}/undelivered"))["notifications"]
            assert waiting[0]["notification"]["data"][0]["id"] == car(2)["id"]
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            receiver.mood = "well"
            assert (await ask("POST", f"{path}/resend")).status == 202
            await until(lambda: len(receiver.taken) == 2)
            assert receiver.taken[1]["data"][0]["id"] == car(2)["id"]
    finally:
        server.kill()
