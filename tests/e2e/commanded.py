"""Devices that take commands over MQTT (paho, as makers use it), and a hub that they are at."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.server import API, Answer, Server

PASSWORD = "correct horse battery staple"
LAMP = "urn:ngsi-ld:Streetlight:{}"


class Town:
    """A hub as its operators use it."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(
        self, method: str, path: str, body: object = None, as_: dict[str, str] | None = None
    ) -> Answer:
        return self.server.request(method, path, body, as_ or self.server.local_key())

    def good(
        self, method: str, path: str, body: object = None, as_: dict[str, str] | None = None
    ) -> Any:
        answer = self.ask(method, path, body, as_)
        assert answer.status in (200, 201, 204), (answer.status, answer.body)
        return answer.json() if answer.body else None

    def refused(
        self, method: str, path: str, body: object, status: int, as_: dict[str, str] | None = None
    ) -> str:
        answer: Any = self.ask(method, path, body, as_)
        assert answer.status == status, (answer.status, answer.body)
        return str(answer.json()["detail"])

    def profile(self, name: str, text: str) -> None:
        self.good("PUT", f"/profiles/{name}", {"text": text})

    def device(self, name: str, profile: str, **more: Any) -> str:
        """Register a device; return its key."""
        wanted = {"device": name, "profile": profile, "key": True, **more}
        return str(self.good("POST", "/devices", wanted)["key"])

    def put(self, id: str, **values: Any) -> None:
        whole: dict[str, Any] = {"id": id, "type": id.split(":")[2]}
        for name, value in values.items():
            is_whole = isinstance(value, dict)
            whole[name] = value if is_whole else {"type": "Property", "value": value}
        self.good("POST", f"{API}/entityOperations/upsert?options=update", [whole])

    def person(self, login: str, role: str = "operator") -> dict[str, str]:
        """Make an account; return the header by which it asks."""
        account = {"login": login, "password": PASSWORD, "roles": [role]}
        self.good("POST", "/trust/users", account)
        asked = {"grant_type": "password", "username": login, "password": PASSWORD}
        token: Any = self.server.request("POST", "/token", asked).json()
        return {"Authorization": f"Bearer {token['access_token']}"}

    def command(self, target: str, name: str, as_: Any = None, **body: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.good(
            "POST", "/commands", {"target": target, "name": name, **body}, as_
        )
        return found

    def becomes(self, id: str, *statuses: str, wait_s: float = 20) -> dict[str, Any]:
        found: dict[str, Any] = until(
            lambda: self.good("GET", f"/commands/{id}"),
            lambda one: one["status"] in statuses,
            wait_s,
        )
        return found

    def madang(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.server.madang("command", *words)


def until(look: Callable[[], Any], is_done: Callable[[Any], bool], wait_s: float = 20) -> Any:
    end = time.monotonic() + wait_s
    while not is_done(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


class Lamp:
    """A device that does what it is told, once for each id, and says so; comes back by itself.

    Args:
        port: of the broker.
        name: of the device.
        key: its password; none where the broker asks for none.
        says: what it answers; nothing if empty.
    """

    def __init__(
        self, port: int, name: str, key: str = "", says: tuple[str, ...] = ("done",)
    ) -> None:
        self.name = name
        self.says = says
        self.heard: list[dict[str, Any]] = []
        """All that came, repetitions too."""
        self.done: list[dict[str, Any]] = []
        """What it has done, each id once."""
        self._known: set[str] = set()
        self._ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, name, clean_session=False)
        if key:
            self.client.username_pw_set(name, key)
        self.client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._told
        self.client.connect_async("127.0.0.1", port, keepalive=30)
        self.client.loop_start()
        assert self._ready.wait(20), "the lamp could not subscribe"

    def _connected(self, client: Client, *_: object) -> None:
        client.subscribe(f"v1/devices/{self.name}/down", qos=1)

    def _told(self, client: Client, _: object, message: MQTTMessage) -> None:
        order = json.loads(message.payload)
        self.heard.append(order)
        if order["id"] not in self._known:
            self._known.add(order["id"])
            self.done.append(order)
        for status in self.says:
            self.answer(order["id"], status)

    def answer(self, id: str, status: str, reason: str = "") -> None:
        body = {"id": id, "status": status, **({"reason": reason} if reason else {})}
        self.client.publish(f"v1/devices/{self.name}/ack", json.dumps(body), qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
