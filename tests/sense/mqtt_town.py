"""What tests of the MQTT broker need around it: keys, an intake that records, a shelf, clients."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiomqtt

from madang.hub.hub import Hub
from madang.model.errors import NgsiError, Unauthorized
from madang.sense.intake import Taken
from madang.sense.message import Message
from madang.sense.transports.mqtt_broker import Broker
from madang.settings import Settings
from madang.trust.principal import OPEN, PUBLIC, Principal, Role


def device(name: str, *tenants: str) -> Principal:
    return Principal(
        f"device:{name}",
        "device",
        name,
        frozenset({"device"}),
        frozenset(tenants or ("",)),
        entities=frozenset({f"urn:ngsi-ld:Device:{name}"}),
    )


def app(name: str, role: Role = "app", *tenants: str) -> Principal:
    return Principal(f"app:{name}", "app", name, frozenset({role}), frozenset(tenants or ("",)))


@dataclass
class Keys:
    """Stands in for the gate: keys by name, operators see and send, apps send."""

    keys: dict[str, Principal] = field(
        default_factory=lambda: {
            "jongno": device("jongno-1"),
            "mapo": device("mapo-1"),
            "gateway": app("gateway"),
            "operator": app("operator", "operator"),
            "seoul": app("seoul", "operator", "seoul"),
            "reader": Principal("app:reader", "app", "reader", frozenset({"analyst"})),
        }
    )
    is_open: bool = False

    def principal(self, credential: str | None, address: str) -> Principal:
        if self.is_open:
            return OPEN
        if credential is None:
            return PUBLIC
        if credential not in self.keys:
            raise Unauthorized("this key is not known here")
        return self.keys[credential]

    def may(self, principal: Principal, action: str, tenant: str = "") -> bool:
        if principal is OPEN:
            return True
        if tenant not in principal.tenants:
            return False
        roles = {
            "observe": {"device", "app", "operator"},
            "seeDevices": {"operator", "analyst"},
            "command": {"operator"},
        }
        return not principal.roles.isdisjoint(roles[action])


class Recorder:
    """Stands in for the intake; ``answer`` may wait, refuse or fail."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        """Those that were taken, in the order in which they were begun."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls = 0
        self.refusals: list[NgsiError | Exception] = []
        """Raised by the next calls, one each."""
        self.answer: Callable[[Message], Taken] = lambda _: Taken(1, 1)

    async def take(self, message: Message) -> Taken:
        self.calls += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self.messages.append(message)
        await self.gate.wait()
        return self.answer(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.messages]


class Shelf:
    """Stands in for the hub as the place of retained messages; outlives brokers."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.store = self.writer = self

    async def tenant(self, name: str, create: bool) -> Shelf:
        return self

    async def items(self, kind: str) -> list[tuple[str, bytes]]:
        return list(self.kept.items())

    async def keep(self, kind: str, id: str, body: bytes | None) -> None:
        if body is None:
            self.kept.pop(id, None)
        else:
            self.kept[id] = body


class Town:
    """A broker on a free port, with all that is around it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Settings(data=folder, mqtt_port=0, mqtt_tls_port=0, **settings)
        self.keys = Keys()
        self.intake = Recorder()
        self.shelf = Shelf()
        self.broker = self._new()

    def _new(self) -> Broker:
        return Broker(self.settings, self.keys, self.intake, cast("Hub", self.shelf))

    async def start(self) -> None:
        await self.broker.start()

    async def restart(self) -> None:
        await self.broker.close()
        self.broker = self._new()
        await self.broker.start()

    @property
    def port(self) -> int:
        return self.broker.port


def client(town: Town, key: str, **more: Any) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", town.port, username="x", password=key, **more)


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def run(*command: str) -> tuple[int, str]:
    """Run a program; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    out, error = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, (out + error).decode()
