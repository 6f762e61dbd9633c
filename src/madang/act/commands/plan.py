"""What a command comes to as things are now, and whether all allows it to be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from madang.act.commands import words
from madang.act.commands.equipment import Reached
from madang.act.commands.rules import Rule, condition
from madang.model.errors import BadRequestData, MadangError
from madang.query.evaluate import matches
from madang.services.city import Thing
from madang.services.service import Text
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.act.commands.command import Command
    from madang.act.commands.equipment import Equipment
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity

_SECOND: Final = 1_000_000

_Last = tuple[str, int, dict[str, Any] | None, dict[str, Any] | None]
"""Id of a command, when it was sent [us], the parameters that last, and those that did before."""


class Refused(MadangError):
    """A command cannot be sent as it is."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


class Plan(NamedTuple):
    """What a command comes to, as things are now."""

    target: Entity
    reached: Reached
    rule: Rule


class Planner:
    """Looks at targets, devices and what was sent before, in one tenant.

    Args:
        tenant: whose.
        equipment: its devices.
    """

    def __init__(self, tenant: Tenant, equipment: Equipment) -> None:
        self._tenant = tenant
        self._equipment = equipment

    async def plan(
        self, target: str, name: str, parameters: dict[str, Any], *, comes_back: bool = False
    ) -> Plan:
        """Return what a command would come to.

        Args:
            target: id of the device, or of an entity that it controls.
            name: of the command.
            parameters: of it.
            comes_back: it is to be taken back later.

        Raises:
            Refused: it cannot be sent as it is.
        """
        entity = await self._entity(target)
        if entity is None:
            raise Refused(words.no_target(target))
        reached = await self._equipment.reach(self._tenant.name, entity.document)
        if reached is None:
            raise Refused(words.no_device(target))
        rule = reached.rules.get(name)
        if rule is None:
            raise Refused(words.no_command(name, reached.name, reached.rules))
        if not reached.is_in_use:
            raise Refused(words.not_in_use(reached.name, reached.state))
        if fault := rule.fault(parameters):
            raise Refused(words.bad_parameters(fault))
        if comes_back and rule.revert is None:
            raise Refused(words.no_way_back(name))
        return Plan(await self._entity(reached.about) or entity, reached, rule)

    async def reached(self, target: str) -> Reached | None:
        """Return the device by which a target is commanded, with what it can be told, or None."""
        entity = await self._entity(target)
        return (
            None
            if entity is None
            else await self._equipment.reach(self._tenant.name, entity.document)
        )

    async def _entity(self, id: str) -> Entity | None:
        row = await self._tenant.get(id)
        return None if row is None else entity_of(row)

    def is_shown(self, plan: Plan, command: Command) -> bool:
        """Tell whether the target shows that a command has been done."""
        try:
            wanted = plan.rule.shows_done(command.parameters)
        except BadRequestData:  # a parameter that no condition can hold
            return False
        return wanted is not None and matches(wanted, plan.target)

    async def plan_of(self, command: Command) -> Plan | None:
        """Return what a command came to that is out; None if the device has gone meanwhile."""
        target = await self._entity(command.target)
        if target is None:
            return None
        reached = await self._equipment.reach(self._tenant.name, target.document)
        rule = None if reached is None else reached.rules.get(command.name)
        if reached is None or rule is None:
            return None
        return Plan(await self._entity(reached.about) or target, reached, rule)

    async def check_interlocks(self, plan: Plan) -> None:
        """Let a command through if every interlock holds.

        Raises:
            Refused: one does not, or nothing is known of what it is about.
        """
        for lock in plan.rule.interlocks:
            about = [plan.target]
            if lock.of:
                to = Thing(plan.target.document)[lock.of]
                ids = to if isinstance(to, list) else [to] if to else []
                about = list((await self._tenant.entities(ids)).values())
                if not about or len(about) < len(set(ids)):
                    raise Refused(words.not_known(lock.of))
            wanted = condition(lock.q)
            if not all(matches(wanted, one) for one in about):
                raise Refused(Text(lock.message.en, lock.message.ko))

    async def check_apart(self, command: Command, plan: Plan) -> None:
        """Let a command through if the last one like it is long enough ago.

        Raises:
            Refused: it is not.
        """
        rule = plan.rule
        if not rule.at_least_apart_s:
            return
        last = (await self._last(plan.reached.about)).get(command.name)
        if last is None or last[0] == command.id:
            return
        since_s = (self._tenant.clock.now() - last[1]) / _SECOND
        if since_s < rule.at_least_apart_s:
            raise Refused(words.too_soon(command.name, since_s, rule.at_least_apart_s))

    async def _last(self, about: str) -> dict[str, _Last]:
        """Return the last command of each name about an entity."""
        body = await self._tenant.store.item("act", f"last:{about}")
        return {} if body is None else orjson.loads(body)

    async def remember(
        self, command: Command, about: str, is_passing: bool, sending: Awaitable[object]
    ) -> None:
        """Do what counts a command as sent, and in the same transaction remember it as the last.

        Args:
            command: which.
            about: id of the entity that it is about.
            is_passing: it will be taken back by itself, so what lasts is what was before it.
            sending: counts it as sent.
        """
        last = await self._last(about)
        own, former = dict(command.parameters), last.get(command.name)
        before = None if former is None else former[2]
        lasting = before if is_passing else own
        if command.reverts:  # should it fail, the next try goes to the same
            before = own
        last[command.name] = (command.id, self._tenant.clock.now(), lasting, before)
        keep = self._tenant.writer.keep("act", f"last:{about}", orjson.dumps(last))
        await asyncio.gather(sending, keep)  # begun in one turn, so committed in one group

    async def before(self, command: Command, about: str, name: str) -> dict[str, Any] | None:
        """Return the parameters of the lasting command of a name from before a command, if known.

        Args:
            command: the last one sent.
            about: id of the entity that it is about.
            name: of the command that takes it back.
        """
        last = (await self._last(about)).get(name)
        if last is None:
            return None
        return last[3] if name == command.name else last[2]

    async def is_last(self, command: Command, about: str) -> bool:
        """Tell whether nothing has been sent since a command was sent, or asked for in vain."""
        last = await self._last(about)
        since = command.sent or command.requested
        return all(id == command.id or at <= since for id, at, *_ in last.values())

    async def is_replaced(self, command: Command, about: str, way_back: str) -> bool:
        """Tell whether a later command has been sent, which must not be undone."""
        last = await self._last(about)
        alike = [last[name] for name in (command.name, way_back) if name in last]
        newest = max(alike, key=lambda one: one[1], default=None)
        if newest is None or newest[0] == command.id:
            return False
        return not newest[0].startswith(f"{command.id}:revert:")  # its own way back
