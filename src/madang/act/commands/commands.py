"""Commands of all tenants: asking for one, agreeing to it, calling it off, taking it back."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from madang.act.commands import moves
from madang.act.commands.command import PREFIX, Command, made
from madang.act.commands.desk import Desk
from madang.act.commands.plan import Refused
from madang.act.commands.rules import LONGEST_PARAMETERS, LONGEST_S
from madang.model.errors import AlreadyExists, BadRequestData, Conflict, NgsiError
from madang.services import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from madang.act.commands.equipment import Answer, Equipment, Reached
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity

LONGEST_KEY: Final = 100
LONGEST_REASON: Final = 500
LONGEST_ID: Final = 512


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that somebody wants."""

    by: str
    """Id of who asks."""
    target: str
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    """Chosen by who asks: the same key is the same command, so that asking again does no harm."""
    revert_after_s: float | None = None
    is_dry: bool = False

    def check(self) -> None:
        """Raise BadRequestData if a part of it is too long or out of range."""
        if len(self.key) > LONGEST_KEY:
            raise BadRequestData(f"key may have {LONGEST_KEY} characters")
        if not 0 < len(self.target) <= LONGEST_ID:
            raise BadRequestData(f"target must be the id of an entity, of {LONGEST_ID} characters")
        try:
            size = len(orjson.dumps(self.parameters))
        except (orjson.JSONEncodeError, RecursionError):
            raise BadRequestData("parameters are nested too deeply") from None
        if size > LONGEST_PARAMETERS:
            raise BadRequestData(f"parameters may have {LONGEST_PARAMETERS // 1024} KB of JSON")
        after_s = self.revert_after_s
        if after_s is not None and not 0 < after_s <= LONGEST_S:
            raise BadRequestData(f"revertAfter must be seconds, above 0 and at most {LONGEST_S:g}")

    @property
    def id(self) -> str:
        key = quote(self.key, safe="") if self.key else secrets.token_hex(8)
        return f"{PREFIX}{self.by.replace(':', '-')}:{key}:1"

    def attributes(self, now: int) -> dict[str, Any]:
        """Return the attributes of its entity."""
        found = records.command(
            self.target, self.name, self.parameters, self.by, now, "", self.revert_after_s
        )
        return {**found, "dryRun": True} if self.is_dry else found

    def is_same(self, command: Command) -> bool:
        """Tell whether a command is what was asked for."""
        mine = (self.target, self.name, self.parameters, self.is_dry)
        return mine == (command.target, command.name, dict(command.parameters), command.is_dry)


class Commands:
    """All of them. Started when the devices are, closed before them."""

    def __init__(self, hub: Hub, equipment: Equipment) -> None:
        self._hub = hub
        self._equipment = equipment
        self._desks: dict[str, Desk] = {}
        self._begun: set[str] = set()
        """Tenants whose commands are carried out here."""
        self._opening = asyncio.Lock()

    async def start(self) -> None:
        """Go on with what was under way, in every tenant there is and will be."""
        self._hub.on_work["sense"].append(self._open)
        for tenant in [*self._hub.open.values()]:
            await self._open(tenant)

    async def close(self) -> None:
        """End; what is under way goes on at the next start."""
        for desk in self._desks.values():
            await desk.close()
        self._desks.clear()

    @property
    def entered(self) -> dict[str, Mapping[str, int]]:
        """Return how many commands have come into each state since the start, by tenant."""
        return {name: desk.entered for name, desk in self._desks.items()}

    async def desk(self, tenant: str) -> Desk:
        """Return who carries out the commands of a tenant."""
        return await self._open(await self._hub.tenant(tenant, create=False))

    async def _open(self, tenant: Tenant) -> Desk:
        async with self._opening:
            found = self._desks.get(tenant.name)
            if found is None:
                found = self._desks[tenant.name] = Desk(tenant, self._equipment)
            if "sense" in self._hub.duties and tenant.name not in self._begun:
                self._begun.add(tenant.name)
                await found.start()
            return found

    async def reached(self, tenant: str, target: str) -> Reached | None:
        """Return the device by which a target is commanded, with what it can be told, or None."""
        return await (await self.desk(tenant)).planner.reached(target)

    # --- what people do -----------------------------------------------------------------------

    async def ask(self, tenant: str, asked: Asked) -> tuple[Command, Entity, bool]:
        """Ask for a command; return it, and whether it is new.

        Raises:
            BadRequestData: the target has no such command, or a parameter is out of its limits.
            Conflict: there is another command of that key.
        """
        asked.check()
        desk = await self.desk(tenant)
        try:
            await desk.planner.plan(
                asked.target,
                asked.name,
                asked.parameters,
                comes_back=asked.revert_after_s is not None,
            )
        except Refused as error:
            raise BadRequestData(str(error)) from None
        id, now = asked.id, desk.tenant.clock.now()
        (result,) = await desk.tenant.write([made(id, asked.attributes(now), now)])
        if isinstance(result, NgsiError) and not isinstance(result, AlreadyExists):
            raise result
        command, entity = await desk.get(id)
        is_new = not isinstance(result, NgsiError)
        if not is_new and not asked.is_same(command):
            raise Conflict(f"key: there is another command of this key, {id}; choose another key")
        return command, entity, is_new

    async def approve(self, tenant: str, id: str, who: str) -> Command:
        """Agree to a command.

        Raises:
            Forbidden: who has asked cannot agree.
            Conflict: it waits for nobody, or this one has agreed already.
        """
        desk = await self.desk(tenant)
        command, _ = await desk.get(id)
        plan = await desk.planner.plan_of(command)
        needed = 1 if plan is None else plan.rule.approvals
        return await desk.settle(id, moves.approved(who, needed))

    async def refuse(self, tenant: str, id: str, who: str, reason: str) -> Command:
        """Say no to a command that is not sent yet."""
        desk = await self.desk(tenant)
        return await desk.settle(id, moves.ended("refused", reason[:LONGEST_REASON], who))

    async def cancel(self, tenant: str, id: str, who: str, reason: str) -> Command:
        """Call off a command that is not sent yet."""
        desk = await self.desk(tenant)
        return await desk.settle(id, moves.ended("cancelled", reason[:LONGEST_REASON], who))

    async def revert(self, tenant: str, id: str, who: str) -> Command:
        """Take a command back now.

        Raises:
            Conflict: it was not sent, or nothing takes it back.
        """
        desk = await self.desk(tenant)
        command, _ = await desk.get(id)
        plan = await desk.planner.plan_of(command)
        if plan is None or plan.rule.revert is None:
            raise Conflict(
                f"{command.name} cannot be taken back: the profile of the device does not say how"
                f" ([commands.{command.name}.revert])"
            )
        return await desk.move(id, moves.taken_back(who))

    async def answered(self, tenant: str, id: str, device: str, answer: Answer) -> None:
        """Take note of what a device says; see :meth:`Desk.answered`."""
        await (await self.desk(tenant)).answered(id, device, answer)
