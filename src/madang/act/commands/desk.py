"""Carries out the commands of one tenant: looks at each that is not over until it is.

What is to be done follows from the entity alone, so a restart goes on where the process ended.

A command to a device that is told its id goes out at least once, always under that id: after a
crash it is told again unless the device has answered. One to a device that could not tell a
repetition (The Things Stack, Sparkplug, Ultralight) goes out at most once: it counts as sent before
it is handed over. Nothing is sent later than its timeout after it was asked for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from madang.act.commands import failure, moves, words
from madang.act.commands.command import KEPT_US, OVER, WAITING, Command, Move, made, read
from madang.act.commands.equipment import Answer, Letter, Order, OutOfReach, Unwritable
from madang.act.commands.plan import Plan, Planner, Refused
from madang.act.follow import Follower
from madang.hub.records import Own
from madang.model.errors import AlreadyExists, NgsiError, ResourceNotFound
from madang.services import records
from madang.services.records import COMMAND
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.act.commands.equipment import Equipment
    from madang.act.commands.moves import Then
    from madang.act.commands.rules import Rule
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity
    from madang.services.service import Text

APPROVAL_S: Final = 24 * 3600.0
"""How long a command may wait for those who have to agree. [s]"""
REACH_S: Final = 1.0
"""Between two tries to hand a message over."""
LOOK_S: Final = 1.0
"""Between two looks at whether a target shows that a command is done."""
_SECOND: Final = 1_000_000
_USUAL_S: Final = 30.0  # timeout of a command whose rule has gone meanwhile


class Desk:
    """See the module.

    Args:
        tenant: whose commands.
        equipment: its devices.
    """

    def __init__(self, tenant: Tenant, equipment: Equipment) -> None:
        self.tenant = tenant
        self._equipment = equipment
        self._follower = Follower(tenant, "commands", [COMMAND], WAITING, self._handle)
        self.planner = Planner(tenant, equipment)
        self._told: set[str] = set()
        """Commands out that this process has handed over itself."""
        self._sending: dict[str, asyncio.Event] = {}
        self._hurdles: dict[str, Text] = {}
        """Why a command cannot be handed over at present, by id."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.entered: Counter[str] = Counter()
        """How many commands have come into each state since the start."""

    async def start(self) -> None:
        await self._follower.start()

    async def close(self) -> None:
        await self._follower.close()

    async def get(self, id: str) -> tuple[Command, Entity]:
        """Return a command.

        Raises:
            ResourceNotFound: there is none of that id.
        """
        row = await self.tenant.get(id)
        entity = None if row is None else entity_of(row)
        if entity is None or COMMAND not in entity.types:
            raise ResourceNotFound(f"there is no command {id[:200]}")
        return read(entity), entity

    async def move(self, id: str, then: Then, rule: Rule | None = None) -> Command:
        """Change a command; return it as it is then.

        Args:
            id: of the command.
            then: what becomes of it.
            rule: says how long it is kept if this ends it.

        Raises:
            NgsiError: it is not there, or the change is refused.
        """
        move = Move(id, then, _kept_us(rule))
        (result,) = await self.tenant.write([Own(move)])
        if isinstance(result, NgsiError):
            raise result
        assert result.entity is not None
        command = read(result.entity)
        if move.entered:
            self.entered[move.entered] += 1
            await self._judge(command, result.entity)
        if command.status in OVER:
            self._told.discard(id)
            self._hurdles.pop(id, None)
            if command.reverts:
                self._follower.look(command.reverts)
        return command

    async def _judge(self, command: Command, entity: Entity) -> None:
        """Raise or end the alert of the device, if this was its last command."""
        if command.status not in failure.JUDGED or command.is_dry:
            return
        plan = await self.planner.plan_of(command)
        if plan is None or plan.rule.keep_s is not None:  # the next one comes soon enough
            return
        if await self.planner.is_last(command, plan.reached.about):
            await failure.judge(self.tenant, command, plan, failure.reason_of(entity))

    async def settle(self, id: str, then: Then) -> Command:
        """Change a command that must not be sent at the same time.

        Raises:
            NgsiError: it is not there, or the change is refused.
        """
        command, _ = await self.get(id)
        plan = await self.planner.plan_of(command)
        async with self._turn(command.target if plan is None else plan.reached.about):
            return await self.move(id, then)

    async def answered(self, id: str, device: str, answer: Answer) -> None:
        """Take note of what a device says about a command; return when that is durable.

        Raises:
            ResourceNotFound: there is no such command to this device.
        """
        sending = self._sending.get(id)
        if sending is not None:
            await sending.wait()
        command, _ = await self.get(id)
        plan = await self.planner.plan_of(command)
        if plan is None or plan.reached.name != device:
            raise ResourceNotFound(f"there is no command {id[:200]} to the device {device}")
        await self.move(id, moves.answered(answer, plan.rule), plan.rule)

    # --- one look at one command --------------------------------------------------------------

    async def _handle(self, entity: Entity) -> float | None:
        """Do what is due; return after how many seconds something else is. [s]"""
        command = read(entity)
        if command.status in ("requested", "waiting"):
            return await self._begin(command)
        if command.revert_due and self._left_s(command.revert_at) <= 0:
            return await self._take_back(command)
        if command.status in OVER:
            return self._left_s(command.revert_at)
        return await self._watch(command)

    def _left_s(self, instant: float) -> float:
        return (instant - self.tenant.clock.now()) / _SECOND

    async def _begin(self, command: Command) -> float | None:
        """Send a command, or see why it cannot be sent."""
        is_way_back = command.revert_after_s is not None
        try:
            plan = await self.planner.plan(
                command.target, command.name, dict(command.parameters), comes_back=is_way_back
            )
        except Refused as error:
            await self.move(command.id, moves.refused(error.why))
            return None
        rule = plan.rule
        free = command.is_dry or command.reverts  # what is taken back was agreed to before
        if not free and len(command.approved) < rule.approvals:
            return await self._await_approval(command)
        until = max(command.requested, command.approved_at) + int(rule.timeout_s * _SECOND)
        if self._left_s(until) <= 0:
            why = words.not_sent(rule.timeout_s, self._hurdles.get(command.id))
            await self.move(command.id, moves.timed_out(why, rule), rule)
            return None
        async with self._turn(plan.reached.about):
            return await self._send(command, plan, until)

    async def _await_approval(self, command: Command) -> float | None:
        left_s = self._left_s(command.requested) + APPROVAL_S
        if left_s <= 0:
            why = words.not_approved(APPROVAL_S / 3600)
            await self.move(command.id, moves.timed_out(why, None))
            return None
        await self.move(command.id, moves.waits)
        return left_s

    async def _send(self, command: Command, plan: Plan, until: int) -> float | None:
        """Send a command if all allows it now."""
        id = command.id
        try:
            await self.planner.check_interlocks(plan)
            if not command.reverts:
                await self.planner.check_apart(command, plan)
            order = Order(id, command.name, command.parameters, until, plan.rule)
            letter = await self._equipment.write(plan.reached, order)
        except (Refused, Unwritable) as error:
            await self.move(id, moves.refused(error.why), plan.rule)
            return None
        if command.is_dry:
            await self.move(id, moves.tried(letter.shown()))
            return None
        sending = self._sending[id] = asyncio.Event()
        try:
            answer = await self._handed_over(command, plan, letter)
        except OutOfReach as error:
            return await self._out_of_reach(command, error.why, until)
        finally:
            del self._sending[id]
            sending.set()
        return await self._after_sending(command, plan.rule, answer)

    async def _handed_over(self, command: Command, plan: Plan, letter: Letter) -> Answer | None:
        """Hand a message over and count it as sent, in the order that the module tells.

        Raises:
            OutOfReach: nobody has taken it.
        """
        if letter.bears_id:
            answer = await self._equipment.send(letter)
            await self._count(command, plan)
        else:
            self._equipment.check(letter)
            await self._count(command, plan)
            try:
                answer = await self._equipment.send(letter)
            except OutOfReach as error:
                answer = Answer("failed", error.why.en)
        self._told.add(command.id)
        self._hurdles.pop(command.id, None)
        return answer

    async def _count(self, command: Command, plan: Plan) -> None:
        is_passing = moves.passes(command, plan.rule)
        sending = self.move(command.id, moves.sent)
        await self.planner.remember(command, plan.reached.about, is_passing, sending)

    async def _after_sending(
        self, command: Command, rule: Rule, answer: Answer | None
    ) -> float | None:
        if answer is None and not rule.acknowledges:
            answer = Answer("done")
        if answer is not None:
            await self.move(command.id, moves.answered(answer, rule), rule)
        return LOOK_S if rule.done_when else rule.timeout_s

    async def _out_of_reach(self, command: Command, why: Text, until: int) -> float:
        """Say once why it is not handed over, and try again soon."""
        if self._hurdles.get(command.id) != why:
            self._hurdles[command.id] = why
            await self.move(command.id, moves.hindered(why))
        return max(0.0, min(REACH_S, self._left_s(until)))

    async def _watch(self, command: Command) -> float | None:
        """See to a command that is out."""
        plan = await self.planner.plan_of(command)
        rule = None if plan is None else plan.rule
        timeout_s = _USUAL_S if rule is None else rule.timeout_s
        until = max(command.sent, command.acknowledged) + int(timeout_s * _SECOND)
        if plan is not None and rule is not None:
            if self.planner.is_shown(plan, command):
                await self.move(command.id, moves.answered(Answer("done"), rule), rule)
                return None
            if self._left_s(until) > 0 and command.id not in self._told:
                return await self._tell_again(command, plan, until)
        left_s = self._left_s(until)
        if left_s <= 0:
            await self.move(command.id, moves.timed_out(words.silent(timeout_s), rule), rule)
            return None
        return min(left_s, LOOK_S) if rule is not None and rule.done_when else left_s

    async def _tell_again(self, command: Command, plan: Plan, until: int) -> float | None:
        """See to a command that another process has sent, which may not have arrived."""
        rule = plan.rule
        if command.status == "acknowledged":
            self._told.add(command.id)
            return 0.0
        order = Order(command.id, command.name, command.parameters, until, rule)
        try:
            letter = await self._equipment.write(plan.reached, order)
            if not letter.bears_id and not rule.acknowledges:
                await self.move(command.id, moves.timed_out(words.LOST, rule), rule)
                return None
            answer = await self._equipment.send(letter) if letter.bears_id else None
        except OutOfReach as error:
            return await self._out_of_reach(command, error.why, until)
        except Unwritable:  # the profile has changed meanwhile: it may have arrived all the same
            answer = None
        self._told.add(command.id)
        await self._after_sending(command, rule, answer)
        return 0.0

    def _turn(self, target: str) -> asyncio.Lock:
        """Return the lock by which commands to one target take turns."""
        found = self._turns.get(target)
        if found is None:
            found = self._turns[target] = asyncio.Lock()
        return found

    # --- taking back --------------------------------------------------------------------------

    async def _take_back(self, command: Command) -> float | None:
        """Send the command that takes one back, and see what came of it."""
        id = f"{command.id}:revert:{command.revert_at}"
        row = await self.tenant.get(id)
        if row is None:
            return await self._ask_back(command, id)
        back = read(entity_of(row))
        if back.status not in OVER:
            return None  # its end is told here
        if back.status == "done":
            await self.move(command.id, moves.reverted)
        else:
            await self.move(command.id, moves.stays(words.not_taken_back(back.status, id)))
        return None

    async def _ask_back(self, command: Command, id: str) -> float | None:
        plan = await self.planner.plan_of(command)
        revert = None if plan is None else plan.rule.revert
        if plan is None or revert is None:
            await self.move(command.id, moves.stays(words.no_way_back(command.name)))
            return None
        about = plan.reached.about
        if await self.planner.is_replaced(command, about, revert.command):
            await self.move(command.id, moves.stays(words.TAKEN_BACK_LATER))
            return None
        now = self.tenant.clock.now()
        by = command.reverted_by or command.by
        before = await self.planner.before(command, about, revert.command)
        parameters = revert.parameters if before is None else before
        wanted = records.command(command.target, revert.command, parameters, by, now)
        wanted["reverts"] = records.link(command.id)
        (result,) = await self.tenant.write([made(id, wanted, now)])
        if isinstance(result, NgsiError) and not isinstance(result, AlreadyExists):
            raise result
        return None


def _kept_us(rule: Rule | None) -> int:
    """Return how long the state has a command that is over. [us]"""
    return KEPT_US if rule is None or rule.keep_s is None else int(rule.keep_s * _SECOND)
