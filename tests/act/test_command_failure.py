"""The alert that runs while the last command to a device has failed; the figures of commands."""

from __future__ import annotations

import asyncio
from pathlib import Path

from madang.act.commands.equipment import Answer
from madang.services.city import Thing
from madang.store.rows import entity_of
from tests.act.command_town import LAMP, Street, street

ALERT = "urn:ngsi-ld:Alert:commandFailure:lamp-1"


async def alert(town: Street) -> Thing | None:
    row = await town.tenant.get(ALERT)
    return None if row is None else Thing(entity_of(row).document)


async def state(town: Street, wanted: str | None) -> bool:
    """Tell whether the alert is, or soon comes to be, in a state; None: there is none."""
    for _ in range(100):
        found = await alert(town)
        if found is not None and found["status"] == wanted:
            return True
        await asyncio.sleep(0.001 if wanted is None else 0.05)
    return found is None and wanted is None


async def asked(town: Street, said: str, reason: str = "") -> str:
    """Ask for a command that the lamp answers at once; return its id."""
    town.lamps.at_once = Answer(said, reason)  # type: ignore[arg-type]
    id = await town.ask()
    await town.becomes(id, said)
    return id


async def test_a_device_that_fails_raises_an_alert_that_says_why_and_about_what(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as town:
        await asked(town, "done")
        assert await state(town, None)
        await asked(town, "failed", "no such lamp")
        assert await state(town, "open")
        found = await alert(town)
        assert found is not None
        assert (found["category"], found["status"]) == ("commandFailure", "open")
        assert (found["refersTo"], found["severity"]) == (LAMP, "medium")
        assert found["description"] == {"en": "no such lamp", "ko": "no such lamp"}
        assert found["title"]["ko"] == "lamp-1 장치가 명령을 수행하지 않음: 밝기 조절"


async def test_the_alert_ends_when_a_command_is_done_and_is_raised_anew_later(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as town:
        await asked(town, "failed")
        assert await state(town, "open")
        await asked(town, "done")
        assert await state(town, "closed")
        await asked(town, "failed")
        assert await state(town, "open")


async def test_a_device_that_says_nothing_raises_it_too_and_a_late_answer_ends_it(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, timeout_s=0.2) as town:
        id = await town.ask()
        await town.becomes(id, "timedOut")
        assert await state(town, "open")
        found = await alert(town)
        assert found is not None
        assert "said nothing for 0.2 s" in found["description"]["en"]
        await town.says(id, "done")
        assert await state(town, "closed")


async def test_a_device_out_of_reach_raises_it(tmp_path: Path) -> None:
    async with street(tmp_path, timeout_s=0.2) as town:
        town.lamps.is_there = False
        await town.becomes(await town.ask(), "timedOut")
        assert await state(town, "open")


async def test_an_older_command_says_nothing_any_more(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        older = await town.ask()
        await town.becomes(older, "sent")
        await asked(town, "done")
        await town.says(older, "failed")
        assert await state(town, None)


async def test_what_was_refused_called_off_or_tried_raises_nothing(tmp_path: Path) -> None:
    async with street(tmp_path, approvals=1) as town:
        id = await town.ask()
        await town.becomes(id, "waiting")
        await town.commands.cancel("", id, "person:anna", "")
        await town.becomes(await town.ask(is_dry=True), "done")
        assert await state(town, None)


async def test_states_that_commands_come_into_are_counted(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        await asked(town, "done")
        await asked(town, "failed")
        assert await state(town, "open")
        assert dict(town.commands.entered[""]) == {"sent": 2, "done": 1, "failed": 1}
