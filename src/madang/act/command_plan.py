"""What a command comes to as things are now, and whether all allows it to be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from madang.act import command_words as words
from madang.act.command_equipment import Reached
from madang.act.command_rules import Rule, condition
from madang.model.errors import BadRequestData, MadangError
from madang.query.evaluate import matches
from madang.services.city import Thing
from madang.services.service import Text
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.act.command import Command
    from madang.act.command_equipment import Equipment
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity

_SECOND: Final = 1_000_000

_Last = tuple[str, int, dict[str, Any] | None]
"""Id of a command, when it was sent [us], and the parameters of the last lasting one until then."""


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
        row = await self._tenant.get(target)
        if row is None:
            raise Refused(words.no_target(target))
        entity = entity_of(row)
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
        return Plan(entity, reached, rule)

    def is_shown(self, plan: Plan, command: Command) -> bool:
        """Tell whether the target shows that a command has been done."""
        try:
            wanted = plan.rule.shows_done(command.parameters)
        except BadRequestData:  # a parameter that no condition can hold
            return False
        return wanted is not None and matches(wanted, plan.target)

    async def plan_of(self, command: Command) -> Plan | None:
        """Return what a command came to that is out; None if the device has gone meanwhile."""
        row = await self._tenant.get(command.target)
        target = None if row is None else entity_of(row)
        if target is None:
            return None
        reached = await self._equipment.reach(self._tenant.name, target.document)
        rule = None if reached is None else reached.rules.get(command.name)
        return None if reached is None or rule is None else Plan(target, reached, rule)

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

    async def check_apart(self, command: Command, rule: Rule) -> None:
        """Let a command through if the last one like it is long enough ago.

        Raises:
            Refused: it is not.
        """
        if not rule.at_least_apart_s:
            return
        last = (await self._last(command.target)).get(command.name)
        if last is None or last[0] == command.id:
            return
        since_s = (self._tenant.clock.now() - last[1]) / _SECOND
        if since_s < rule.at_least_apart_s:
            raise Refused(words.too_soon(command.name, since_s, rule.at_least_apart_s))

    async def _last(self, target: str) -> dict[str, _Last]:
        """Return the last command of each name that was sent to a target."""
        body = await self._tenant.store.item("act", f"last:{target}")
        return {} if body is None else orjson.loads(body)

    async def remember(
        self, command: Command, is_passing: bool, sending: Awaitable[object]
    ) -> None:
        """Do what counts a command as sent, and in the same transaction remember it as the last.

        Args:
            command: which.
            is_passing: it will be taken back by itself, so what lasts is what was before it.
            sending: counts it as sent.
        """
        last = await self._last(command.target)
        lasting: Any = dict(command.parameters)
        if is_passing:
            before = last.get(command.name)
            lasting = None if before is None else before[2]
        last[command.name] = (command.id, self._tenant.clock.now(), lasting)
        keep = self._tenant.writer.keep("act", f"last:{command.target}", orjson.dumps(last))
        await asyncio.gather(sending, keep)  # begun in one turn, so committed in one group

    async def lasting(self, target: str, name: str) -> dict[str, Any] | None:
        """Return the parameters of the last lasting command of a name to a target."""
        last = (await self._last(target)).get(name)
        return None if last is None else last[2]

    async def is_replaced(self, command: Command, way_back: str) -> bool:
        """Tell whether a later command to the target has been sent, which must not be undone."""
        last = await self._last(command.target)
        alike = [last[name] for name in (command.name, way_back) if name in last]
        newest = max(alike, key=lambda one: one[1], default=None)
        return newest is not None and newest[0] != command.id
