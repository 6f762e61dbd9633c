"""The alert of a device that does not do as it is told, so that people hear of it.

It runs while the last command to the device has failed or was not answered in time. It is written
right after the command has ended; a crash between the two lets the next command tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from madang.services import failure, records
from madang.services.city import Thing
from madang.services.service import Text

if TYPE_CHECKING:
    from madang.act.commands.command import Command
    from madang.act.commands.plan import Plan
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity

KIND: Final = "commandFailure"
FAILED: Final = frozenset[str](["failed", "timedOut"])
JUDGED: Final = FAILED | {"done"}
"""States that tell whether a device does as it is told."""
_DEVICE: Final = "urn:ngsi-ld:Device:"
_SAID: Final = Text("the device has said that it failed", "장치가 실패했다고 알렸습니다")


async def judge(tenant: Tenant, command: Command, plan: Plan, reason: Text) -> None:
    """Raise or end the alert of a device after its last command has ended."""
    id = f"urn:ngsi-ld:{records.ALERT}:{KIND}:{plan.reached.name}"
    if command.status not in FAILED:
        await failure.end(tenant, id, command.at)
        return
    found = records.alert(
        KIND,
        "medium",
        Text(
            f"{plan.reached.name} has not done {command.name}: {plan.rule.title.en}",
            f"{plan.reached.name} 장치가 명령을 수행하지 않음: {plan.rule.title.ko}",
        ),
        reason,
        [plan.reached.about],
        Thing(plan.target.document)["location"],
        command.at,
        _DEVICE + plan.reached.name,
    )
    await failure.put(tenant, id, found, command.at)


def reason_of(entity: Entity) -> Text:
    """Return why a command ended as it did, in the words that are kept with it."""
    told = Thing(entity.document)["reason"]
    if isinstance(told, dict):
        return Text(str(told["en"]), str(told["ko"]))
    return Text(told, told) if isinstance(told, str) else _SAID
