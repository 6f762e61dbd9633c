"""Keys at a running hub: they write what they may, and are told what they may see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.receiver import Receiver
from tests.e2e.server import API, Answer, Server

SECRET = "s3cret"
HOSTS = {"MADANG_NOTIFY_HOSTS": "*,127.0.0.1"}
Headers = dict[str, str]


class Asking:
    """Asks a hub without holding up the receiver, which runs in this loop."""

    def __init__(self, hub: Server) -> None:
        self.hub = hub
        self.local = hub.local_key()

    async def __call__(
        self, method: str, path: str, body: object = None, headers: Headers | None = None
    ) -> Answer:
        given = self.local if headers is None else headers
        return await asyncio.to_thread(self.hub.request, method, path, body, given)

    async def key(self, **grants: Any) -> tuple[str, Headers]:
        wanted = {"kind": "app", "name": "app", **grants}
        made = await self("POST", "/trust/keys", wanted)
        assert made.status == 201, made.body
        found = orjson.loads(made.body)
        return found["id"], {"Authorization": f"Bearer {found['key']}"}

    async def write(self, id: str, type: str = "Bench", **members: Any) -> None:
        given = [{"id": f"urn:a:{id}", "type": type, "code": SECRET, **members}]
        answer = await self("POST", f"{API}/entityOperations/upsert", given)
        assert answer.status in (201, 204), answer.body


def subscription(uri: str, id: str = "urn:s:1") -> dict[str, Any]:
    return {
        "id": id,
        "type": "Subscription",
        "entities": [{"type": "Bench"}, {"type": "Tree"}],
        "notification": {"endpoint": {"uri": uri}},
    }


async def until_told(receiver: Receiver, id: str) -> None:
    async with asyncio.timeout(10):
        while id not in orjson.dumps(receiver.taken).decode():  # noqa: ASYNC110 - it has none
            await asyncio.sleep(0.02)


async def test_a_key_is_told_what_it_may_see_until_it_is_switched_off(tmp_path: Path) -> None:
    with Server(tmp_path / "data", open=False, environ=HOSTS) as hub:
        ask = Asking(hub)
        marked = await ask(
            "POST",
            "/trust/marks",
            {"types": ["Bench"], "attribute": "code", "sensitivity": "internal"},
        )
        assert marked.status in (200, 201, 204), marked.body
        id, ann = await ask.key(reads=["Bench"])
        _, bob = await ask.key(reads=["Tree"])
        async with Receiver() as receiver:
            made = await ask("POST", f"{API}/subscriptions", subscription(receiver.uri), ann)
            assert made.status == 201, made.body
            assert (await ask("GET", f"{API}/subscriptions/urn:s:1", None, bob)).status == 404
            listed = await ask("GET", f"{API}/subscriptions?count=true", None, bob)
            assert (listed.json(), listed.headers["ngsild-results-count"]) == ([], "0")
            mine = await ask("GET", f"{API}/subscriptions", None, ann)
            assert [one["id"] for one in orjson.loads(mine.body)] == ["urn:s:1"]
            assert (await ask("GET", f"{API}/subscriptions/urn:s:1")).status == 200

            await ask.write("tree", "Tree")
            await ask.write("bench", seats=4)
            await until_told(receiver, "urn:a:bench")
            (entity,) = [one for body in receiver.taken for one in body["data"]]
            assert entity["seats"]["value"] == 4
            assert SECRET not in orjson.dumps(receiver.taken).decode()
            await writes_its_own_types_alone(ask)

            off = await ask("PATCH", f"/trust/keys/{id}", {"disabled": True})
            assert off.status in (200, 204), off.body
            await ask.write("later", seats=5)
            shown = (await ask("GET", f"{API}/subscriptions/urn:s:1")).json()
            assert isinstance(shown, dict)
            assert shown["status"] == "paused"
            assert "gone" in shown["statusReason"]
            assert "urn:a:later" not in orjson.dumps(receiver.taken).decode()


async def writes_its_own_types_alone(ask: Asking) -> None:
    _, key = await ask.key(reads=["Bench"], writes=["Bench"])
    batch = [{"id": "urn:a:b2", "type": "Bench"}, {"id": "urn:a:t2", "type": "Tree"}]
    answer = await ask("POST", f"{API}/entityOperations/upsert", batch, key)
    assert answer.status == 207
    result: Any = answer.json()
    assert result["success"] == ["urn:a:b2"]
    assert [(one["entityId"], one["error"]["status"]) for one in result["errors"]] == [
        ("urn:a:t2", 403)
    ]
    for method, body in (("DELETE", None), ("PATCH", {"seats": 1})):
        answers = [
            await ask(method, f"{API}/entities/urn:a:{id}", body, key) for id in ("tree", "none")
        ]
        assert [one.status for one in answers] == [404, 404]
        assert answers[0].body.replace(b"tree", b"none") == answers[1].body
    moved = await ask("PATCH", f"{API}/entities/urn:a:b2", {"type": ["Bench", "Tree"]}, key)
    assert moved.status == 403, moved.body


async def test_a_key_has_the_hub_notify_public_hosts_only(tmp_path: Path) -> None:
    with Server(tmp_path / "data", open=False) as hub:
        ask = Asking(hub)
        _, ann = await ask.key(reads=["Bench"])
        for uri in ("http://127.0.0.1:9/", "http://169.254.169.254/latest/", hub.url):
            refused = await ask("POST", f"{API}/subscriptions", subscription(uri), ann)
            assert refused.status == 403
            assert b"notify_hosts" in refused.body
        async with Receiver() as receiver:
            sly = f"http://sly.localhost.:{receiver.uri.rpartition(':')[2]}"
            assert (await ask("POST", f"{API}/subscriptions", subscription(sly), ann)).status == 403
            own = await ask("POST", f"{API}/subscriptions", subscription(receiver.uri, "urn:s:2"))
            assert own.status == 201, own.body
            await ask.write("bench", seats=4)
            await until_told(receiver, "urn:a:bench")
