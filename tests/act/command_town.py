"""A tenant with devices that take commands, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from madang.act.commands.command import Command
from madang.act.commands.commands import Asked, Commands
from madang.act.commands.equipment import Answer, Letter, Order, OutOfReach, Reached
from madang.act.commands.rules import Rule, checked
from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.model.context import CORE
from madang.model.entity import Document
from madang.model.normalize import entity as normalized
from madang.services.service import Text
from tests.sense.device_city import a_tenant, prop

LAMP = "urn:ngsi-ld:Streetlight:lamp-1"
ANNA, BORA, CHAN = "person:anna", "person:bora", "person:chan"
LEVEL = {"type": "number", "minimum": 0, "maximum": 1}
DIM = {
    "type": "object",
    "properties": {"level": LEVEL},
    "required": ["level"],
    "additionalProperties": False,
}
WORDS = {"en": "Dim", "ko": "밝기 조절"}


def rule(**members: Any) -> Rule:
    return Rule.model_validate({"title": WORDS, "parameters": DIM, **members})


def rules(**members: Any) -> dict[str, Rule]:
    """Return the commands of the lamp: ``dim`` with members of its own, and ``light``."""
    light = rule(acknowledges=True)
    return checked({"dim": rule(**members), "light": light})


@dataclass
class Lamps:
    """Stands in for the devices: what they are sent is kept, what they answer is set."""

    rules: dict[str, Rule]
    is_there: bool = True
    bears_id: bool = True
    at_once: Answer | None = None
    state: str = "active"
    sent: list[Letter] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    on_send: Callable[[Letter], Awaitable[None]] | None = None

    async def reach(self, tenant: str, target: Document) -> Reached | None:
        name = str(target["id"]).rpartition(":")[2]
        if not name.startswith("lamp"):
            return None
        about = f"urn:ngsi-ld:Streetlight:{name}"
        return Reached(tenant, name, about, self.rules, self.state, self.state == "active")

    async def write(self, reached: Reached, order: Order) -> Letter:
        self.orders[order.id] = order
        topic = f"v1/devices/{reached.name}/down"
        return Letter(
            "mqtt", "", topic, b"{}", self.bears_id, order.until, order.id, reached.tenant
        )

    def check(self, letter: Letter) -> None:
        if not self.is_there:
            raise OutOfReach(Text("the lamp is out of reach", "연결할 수 없습니다"))

    async def send(self, letter: Letter) -> Answer | None:
        self.check(letter)
        self.sent.append(letter)
        if self.on_send is not None:
            await self.on_send(letter)
        return self.at_once


class OneTenant:
    """Stands in for a hub that has only the default tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self.open = {"": tenant}
        self.on_open: list[Any] = []
        self.on_work: dict[str, list[Any]] = {"sense": []}
        self.duties = {"sense"}

    async def tenant(self, name: str, create: bool) -> Tenant:
        return self.open[name]


@dataclass
class Street:
    """A lamp, and those who command it."""

    tenant: Tenant
    lamps: Lamps
    commands: Commands

    async def ask(self, level: float = 0.5, by: str = ANNA, **more: Any) -> str:
        asked = Asked(by, LAMP, more.pop("name", "dim"), {"level": level}, **more)
        command, _, _ = await self.commands.ask("", asked)
        return command.id

    async def command(self, id: str) -> Command:
        desk = await self.commands.desk("")
        command, _ = await desk.get(id)
        return command

    async def reason(self, id: str) -> str:
        desk = await self.commands.desk("")
        _, entity = await desk.get(id)
        found = entity.document.get("reason", {})
        return str(found.get("languageMap", {}).get("en", found.get("value", "")))

    async def becomes(self, id: str, *statuses: str) -> Command:
        command = await self.command(id)
        async with asyncio.timeout(10):
            while command.status not in statuses:
                await asyncio.sleep(0.005)
                command = await self.command(id)
        return command

    async def says(self, id: str, status: str, reason: str = "", device: str = "lamp-1") -> None:
        await self.commands.answered("", id, device, Answer(cast("Any", status), reason))

    async def put(self, id: str, **values: Any) -> None:
        await put(self.tenant, id, **values)

    async def restart(self) -> None:
        """End the commands as a crash would, and begin with a process that knows nothing."""
        await self.commands.close()
        self.commands = Commands(cast("Hub", OneTenant(self.tenant)), self.lamps)
        await self.commands.start()


async def put(tenant: Tenant, id: str, **values: Any) -> None:
    type = id.split(":")[2]
    whole: dict[str, Any] = {"id": id, "type": type}
    for name, value in values.items():
        whole[name] = value if isinstance(value, dict) else prop(value)
    await tenant.write([Upsert(id, normalized(whole, CORE), update=True)])


@asynccontextmanager
async def street(folder: Path, **members: Any) -> AsyncIterator[Street]:
    """Open a street whose lamp knows ``dim``, with members of its rule."""
    async with a_tenant(folder) as tenant:
        lamps = Lamps(rules(**members))
        commands = Commands(cast("Hub", OneTenant(tenant)), lamps)
        await put(tenant, LAMP, powerState="on")
        await commands.start()
        found = Street(tenant, lamps, commands)
        try:
            yield found
        finally:
            await found.commands.close()
