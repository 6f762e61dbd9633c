"""Commands on their way: each state, who must agree, what must hold, and what a restart does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from madang.act.commands import desk as command_desk
from madang.act.commands.command import KEPT_US, made
from madang.act.commands.commands import Asked
from madang.act.commands.equipment import Answer, Letter
from madang.hub.operations import Delete, Upsert
from madang.hub.records import Own
from madang.lake.questions import Wanted
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Conflict, Forbidden, ResourceNotFound
from madang.model.normalize import entity as normalized
from madang.services import records
from tests.act.command_town import ANNA, BORA, CHAN, LAMP, Street, street
from tests.sense.device_city import prop
from tests.sense.small_town import town

BACK = {"command": "light", "parameters": {"level": 1.0}}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_desk, "REACH_S", 0.02)
    monkeypatch.setattr(command_desk, "LOOK_S", 0.02)


async def timeline(town: Street, id: str) -> list[str]:
    pasts = await town.tenant.history.read(lambda lake: lake.pasts(Wanted()).entities)
    found = [
        (one.time, one.value)
        for past in pasts
        for one in past.instances
        if (one.entity, one.attribute) == (id, "status")
    ]
    return [str(value) for _, value in sorted(found)]


# --- the way -----------------------------------------------------------------------------------


async def test_a_command_is_sent_acknowledged_and_done_and_its_history_tells(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as town:
        id = await town.ask(0.5)
        await town.becomes(id, "sent")
        await town.says(id, "acknowledged")
        assert (await town.command(id)).acknowledged
        await town.says(id, "done")
        command = await town.command(id)
        assert command.status == "done"
        assert [letter.id for letter in town.lamps.sent] == [id]
        assert town.lamps.orders[id].parameters == {"level": 0.5}
        assert await timeline(town, id) == ["requested", "sent", "acknowledged", "done"]
        entity = (await town.tenant.entities([id]))[id]
        assert entity.expires is not None
        assert abs(entity.expires - KEPT_US - town.tenant.clock.now()) < 60_000_000


async def test_a_rule_says_how_long_a_command_that_comes_all_the_time_is_kept(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, acknowledges=False, keep_s=60) as town:
        id = await town.ask()
        await town.becomes(id, "done")
        entity = (await town.tenant.entities([id]))[id]
        assert entity.expires is not None
        assert 0 < entity.expires - town.tenant.clock.now() <= 60_000_000


async def test_one_that_fails_of_those_that_come_all_the_time_is_no_alert(tmp_path: Path) -> None:
    async with street(tmp_path, keep_s=60) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        await town.says(id, "failed", "the lamp is busy")
        assert await town.tenant.entities(["urn:ngsi-ld:Alert:commandFailure:lamp-1"]) == {}


async def test_a_device_may_fail_and_say_why(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        await town.says(id, "failed", "the driver does not answer")
        assert (await town.command(id)).status == "failed"
        assert await town.reason(id) == "the driver does not answer"


async def test_a_device_that_stays_silent_lets_the_command_time_out(tmp_path: Path) -> None:
    async with street(tmp_path, timeout_s=0.2) as town:
        id = await town.ask()
        await town.becomes(id, "timedOut")
        assert "said nothing for 0.2 s" in await town.reason(id)
        await town.says(id, "done")  # late, but true
        assert (await town.command(id)).status == "done"
        assert await town.reason(id) == ""


async def test_each_word_of_the_device_gives_it_more_time(tmp_path: Path) -> None:
    async with street(tmp_path, timeout_s=0.6) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        for _ in range(3):
            await asyncio.sleep(0.3)
            await town.says(id, "acknowledged")
        assert (await town.command(id)).status == "acknowledged"
        await town.becomes(id, "timedOut")


async def test_a_device_that_does_not_acknowledge_is_done_when_it_is_sent(tmp_path: Path) -> None:
    async with street(tmp_path, acknowledges=False) as town:
        id = await town.ask()
        await town.becomes(id, "done")
        assert await timeline(town, id) == ["requested", "sent", "done"]


async def test_an_answer_at_once_is_taken(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        town.lamps.at_once = Answer("failed", "no such lamp")
        id = await town.ask()
        await town.becomes(id, "failed")
        assert await timeline(town, id) == ["requested", "sent", "failed"]


async def test_an_answer_that_comes_before_the_sending_is_written_waits_for_it(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as town:
        answers: list[asyncio.Task[None]] = []

        async def answer(letter: Letter) -> None:
            answers.append(asyncio.ensure_future(town.says(letter.id, "done")))
            await asyncio.sleep(0.05)

        town.lamps.on_send = answer
        id = await town.ask()
        await town.becomes(id, "done")
        assert await timeline(town, id) == ["requested", "sent", "done"]
        await answers[0]


async def test_a_device_answers_for_its_own_commands_only(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        with pytest.raises(ResourceNotFound):
            await town.says(id, "done", device="lamp-2")
        with pytest.raises(ResourceNotFound):
            await town.says("urn:ngsi-ld:Command:x:y:1", "done")
        assert (await town.command(id)).status == "sent"


async def test_what_a_target_shows_ends_a_command_of_a_device_that_says_nothing(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, done_when="illuminanceLevel=={level}") as town:
        id = await town.ask(0.5)
        await town.becomes(id, "sent")
        await town.put(LAMP, illuminanceLevel=0.4)
        await asyncio.sleep(0.1)
        assert (await town.command(id)).status == "sent"
        await town.put(LAMP, illuminanceLevel=0.5)
        await town.becomes(id, "done")


# --- out of reach ------------------------------------------------------------------------------


async def test_a_device_out_of_reach_is_tried_until_the_command_is_worth_nothing(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, timeout_s=0.3) as town:
        town.lamps.is_there = False
        id = await town.ask()
        await asyncio.sleep(0.1)
        assert "out of reach" in await town.reason(id)
        await town.becomes(id, "timedOut")
        assert "could not be sent within 0.3 s" in await town.reason(id)
        town.lamps.is_there = True
        await asyncio.sleep(0.1)
        assert not town.lamps.sent


async def test_a_device_that_comes_back_in_time_gets_the_command(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        town.lamps.is_there = False
        id = await town.ask()
        await asyncio.sleep(0.1)
        town.lamps.is_there = True
        await town.becomes(id, "sent")
        assert await town.reason(id) == ""


async def test_what_was_asked_for_long_ago_is_not_sent(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        long_ago = town.tenant.clock.now() - 60_000_000
        wanted = records.command(LAMP, "dim", {"level": 0.1}, "service:lights", long_ago)
        id = "urn:ngsi-ld:Command:lights:dusk:1"
        await town.tenant.write([made(id, wanted, long_ago)])
        await town.becomes(id, "timedOut")
        assert not town.lamps.sent


# --- what must hold ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"level": 2}, "parameters.level: 2 is greater than the maximum of 1"),
        ({"level": "half"}, "parameters.level"),
        ({}, "level"),
        ({"level": 0.5, "colour": "red"}, "colour"),
    ],
    ids=str,
)
async def test_parameters_out_of_their_limits_are_refused_at_once(
    tmp_path: Path, asked: dict[str, Any], named: str
) -> None:
    async with street(tmp_path) as town:
        with pytest.raises(BadRequestData, match=named):
            await town.commands.ask("", Asked(ANNA, LAMP, "dim", asked))


async def test_what_no_device_knows_is_refused_with_what_it_knows(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        await town.put("urn:ngsi-ld:Bench:b", load=1)
        for target, name, told in (
            (LAMP, "explode", "it knows dim, light"),
            ("urn:ngsi-ld:Bench:b", "dim", "no device is known"),
            ("urn:ngsi-ld:Bench:c", "dim", "there is no entity"),
        ):
            with pytest.raises(BadRequestData, match=told):
                await town.commands.ask("", Asked(ANNA, target, name, {"level": 0.5}))


async def test_a_service_that_asks_for_what_cannot_be_is_told_by_the_command(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as town:
        wanted = records.command(
            LAMP, "dim", {"level": 7}, "service:lights", town.tenant.clock.now()
        )
        id = "urn:ngsi-ld:Command:lights:dusk:1"
        await town.tenant.write([made(id, wanted, town.tenant.clock.now())])
        await town.becomes(id, "refused")
        assert "maximum of 1" in await town.reason(id)


async def test_an_interlock_holds_a_command_back_also_if_nothing_is_known(tmp_path: Path) -> None:
    lock = {"q": 'powerState=="on"', "message": {"en": "the lamp is off", "ko": "꺼져 있습니다"}}
    door = {
        "q": 'status=="closed"',
        "of": "refCabinet",
        "message": {"en": "the cabinet is open", "ko": "함이 열려 있습니다"},
    }
    async with street(tmp_path, interlocks=[lock, door]) as town:
        first = await town.ask()
        await town.becomes(first, "refused")
        assert "nothing is known of its refCabinet" in await town.reason(first)
        cabinet = "urn:ngsi-ld:Cabinet:1"
        await town.put(LAMP, refCabinet={"type": "Relationship", "object": cabinet})
        await town.put(cabinet, status="open")
        second = await town.ask()
        await town.becomes(second, "refused")
        assert await town.reason(second) == "the cabinet is open"
        await town.put(cabinet, status="closed")
        await town.becomes(await town.ask(), "sent")
        await town.put(LAMP, powerState="off")
        fourth = await town.ask()
        await town.becomes(fourth, "refused")
        assert await town.reason(fourth) == "the lamp is off"
        assert len(town.lamps.sent) == 1


async def test_two_commands_keep_their_distance_also_over_a_restart(tmp_path: Path) -> None:
    async with street(tmp_path, at_least_apart_s=60) as town:
        await town.becomes(await town.ask(), "sent")
        await town.restart()
        second = await town.ask()
        await town.becomes(second, "refused")
        assert "at least 60 s apart" in await town.reason(second)


async def test_a_device_that_is_not_in_use_is_not_commanded(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        town.lamps.state = "retired"
        with pytest.raises(BadRequestData, match="lamp-1 is retired"):
            await town.ask()


async def test_a_dry_run_goes_all_the_way_but_sends_nothing(tmp_path: Path) -> None:
    async with street(tmp_path, approvals=2) as town:
        id = await town.ask(is_dry=True)
        await town.becomes(id, "done")
        assert not town.lamps.sent
        assert "nothing was sent" in await town.reason(id)
        document = (await town.tenant.entities([id]))[id].document
        assert document["wire"]["json"]["address"] == "v1/devices/lamp-1/down"
        town.lamps.rules["dim"] = town.lamps.rules["dim"].model_copy(
            update={"interlocks": [_never()]}
        )
        second = await town.ask(is_dry=True)
        await town.becomes(second, "refused")


def _never() -> Any:
    from madang.act.commands.rules import Interlock

    return Interlock.model_validate(
        {"q": 'powerState=="never"', "message": {"en": "never", "ko": "불가"}}
    )


# --- who agrees --------------------------------------------------------------------------------


async def test_a_command_waits_for_two_others_and_one_person_counts_once(tmp_path: Path) -> None:
    async with street(tmp_path, approvals=2) as town:
        id = await town.ask(by=ANNA)
        await town.becomes(id, "waiting")
        with pytest.raises(Forbidden, match="cannot approve it"):
            await town.commands.approve("", id, ANNA)
        await town.commands.approve("", id, BORA)
        with pytest.raises(Conflict, match="already"):
            await town.commands.approve("", id, BORA)
        await asyncio.sleep(0.05)
        assert (await town.command(id)).status == "waiting"
        assert not town.lamps.sent
        await town.commands.approve("", id, CHAN)
        command = await town.becomes(id, "sent")
        assert command.approved == (BORA, CHAN)


async def test_one_person_may_refuse_and_who_asked_may_cancel(tmp_path: Path) -> None:
    async with street(tmp_path, approvals=1) as town:
        first, second = await town.ask(), await town.ask()
        await town.commands.refuse("", first, BORA, "there is a festival")
        await town.commands.cancel("", second, ANNA, "")
        assert (await town.command(first)).status == "refused"
        assert await town.reason(first) == "there is a festival"
        assert (await town.command(second)).status == "cancelled"
        with pytest.raises(Conflict, match="refused"):
            await town.commands.approve("", first, CHAN)
        await asyncio.sleep(0.05)
        assert not town.lamps.sent


async def test_what_is_sent_cannot_be_cancelled_and_nobody_who_agrees_in_time_is_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with street(tmp_path) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        with pytest.raises(Conflict, match="take it back with revert"):
            await town.commands.cancel("", id, ANNA, "")
    monkeypatch.setattr(command_desk, "APPROVAL_S", 0.2)
    async with street(tmp_path / "two", approvals=1) as town:
        id = await town.ask()
        await town.becomes(id, "timedOut")
        assert "not approved" in await town.reason(id)


# --- taking back -------------------------------------------------------------------------------


async def test_a_command_is_taken_back_by_itself_when_its_time_is_over(tmp_path: Path) -> None:
    async with street(tmp_path, revert={**BACK, "after_s": 0.2}) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        await town.says(id, "done")
        assert (await town.command(id)).revert_due
        await _until_sent(town, 2)
        back = town.lamps.sent[1].id
        assert town.lamps.orders[back].name == "light"
        assert (await town.command(back)).reverts == id
        await town.becomes(back, "sent")
        await town.says(back, "done")
        await town.becomes(id, "reverted")


async def test_one_goes_back_to_what_the_last_lasting_command_said(tmp_path: Path) -> None:
    back = {"command": "dim", "parameters": {"level": 1.0}}
    async with street(tmp_path, revert=back) as town:
        for level, after_s in ((0.3, None), (0.9, 60.0), (0.8, 0.1)):
            id = await town.ask(level, revert_after_s=after_s)
            await town.becomes(id, "sent")
            await town.says(id, "done")
        await _until_sent(town, 4)
        assert town.lamps.orders[town.lamps.sent[3].id].parameters == {"level": 0.3}


async def test_a_lasting_command_is_taken_back_to_the_one_before_it(tmp_path: Path) -> None:
    back = {"command": "dim", "parameters": {"level": 1.0}}
    async with street(tmp_path, revert=back) as town:
        ids = []
        for level in (0.3, 0.6):
            ids.append(await town.ask(level))
            await town.becomes(ids[-1], "sent")
            await town.says(ids[-1], "done")
        await town.commands.revert("", ids[1], BORA)
        await _until_sent(town, 3)
        assert town.lamps.orders[town.lamps.sent[2].id].parameters == {"level": 0.3}
        await town.becomes(town.lamps.sent[2].id, "sent")
        await town.commands.revert("", ids[0], BORA)
        await _until_left(town, ids[0])
        assert "a later command" in await town.reason(ids[0])


async def test_one_device_keeps_its_distance_by_whichever_id_it_is_told(tmp_path: Path) -> None:
    async with street(tmp_path, at_least_apart_s=60) as town:
        await town.becomes(await town.ask(), "sent")
        other = "urn:ngsi-ld:Device:lamp-1"
        await town.put(other, name="the lamp itself")
        asked = Asked(ANNA, other, "dim", {"level": 0.1})
        command, _, _ = await town.commands.ask("", asked)
        await town.becomes(command.id, "refused")
        assert "at least 60 s apart" in await town.reason(command.id)


async def test_who_asks_may_say_after_how_long_and_a_revert_outlives_a_restart(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, revert=BACK) as town:
        id = await town.ask(revert_after_s=0.3)
        await town.becomes(id, "sent")
        await town.says(id, "done")
        await town.restart()
        await _until_sent(town, 2)
        assert (await town.command(town.lamps.sent[1].id)).reverts == id


async def test_a_later_command_is_not_undone_by_the_end_of_an_earlier_one(tmp_path: Path) -> None:
    async with street(tmp_path, revert={**BACK, "after_s": 0.2}) as town:
        first = await town.ask(0.5)
        await town.becomes(first, "sent")
        await town.says(first, "done")
        second = await town.ask(0.6, revert_after_s=60.0)
        await town.becomes(second, "sent")
        await town.says(second, "done")
        await _until_left(town, first)
        assert "a later command" in await town.reason(first)
        assert len(town.lamps.sent) == 2


async def test_a_person_takes_a_command_back_now_and_again_if_that_failed(tmp_path: Path) -> None:
    async with street(tmp_path, revert=BACK) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        await town.commands.revert("", id, BORA)
        await _until_sent(town, 2)
        back = town.lamps.sent[1].id
        assert (await town.command(back)).by == BORA
        await town.becomes(back, "sent")
        await town.says(back, "failed", "stuck")
        await _until_left(town, id)
        assert "not taken back" in await town.reason(id)
        await town.says(id, "done")
        await town.commands.revert("", id, BORA)
        await _until_sent(town, 3)
        third = town.lamps.sent[2].id
        await town.becomes(third, "sent")
        await town.says(third, "done")
        await town.becomes(id, "reverted")


async def test_what_nothing_takes_back_says_so(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        with pytest.raises(BadRequestData, match="does not say how"):
            await town.ask(revert_after_s=5.0)
        id = await town.ask()
        await town.becomes(id, "sent")
        with pytest.raises(Conflict, match="cannot be taken back"):
            await town.commands.revert("", id, ANNA)


async def _until_sent(town: Street, count: int) -> None:
    async with asyncio.timeout(10):
        while len(town.lamps.sent) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def _until_left(town: Street, id: str) -> None:
    """Wait until nothing more is done to take a command back."""
    async with asyncio.timeout(10):
        while (await town.command(id)).revert_due:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# --- restarts and repetitions ------------------------------------------------------------------


async def test_a_device_that_knows_ids_is_told_again_after_a_restart_under_the_same_id(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as town:
        id = await town.ask()
        await town.becomes(id, "sent")
        await town.restart()
        await _until_sent(town, 2)
        assert {letter.id for letter in town.lamps.sent} == {id}
        await town.says(id, "acknowledged")
        await town.restart()
        await asyncio.sleep(0.1)
        assert len(town.lamps.sent) == 2  # it has it


async def test_a_device_that_cannot_tell_is_never_told_twice(tmp_path: Path) -> None:
    async with street(tmp_path, timeout_s=0.5) as town:
        town.lamps.bears_id = False
        stuck = asyncio.Event()

        async def never(letter: Letter) -> None:
            await stuck.wait()

        town.lamps.on_send = never
        id = await town.ask()
        await _until_sent(town, 1)
        assert (await town.command(id)).status == "sent"  # before it is handed over
        town.lamps.on_send = None
        await town.restart()
        await town.becomes(id, "timedOut")
        assert len(town.lamps.sent) == 1


async def test_a_device_that_neither_tells_nor_answers_may_have_missed_it(tmp_path: Path) -> None:
    async with street(tmp_path, acknowledges=False) as town:
        town.lamps.bears_id = False
        stuck = asyncio.Event()

        async def never(letter: Letter) -> None:
            await stuck.wait()

        town.lamps.on_send = never
        id = await town.ask()
        await _until_sent(town, 1)
        await town.restart()
        await town.becomes(id, "timedOut")
        assert "nobody knows whether it has arrived" in await town.reason(id)


async def test_an_answer_to_what_a_killed_process_has_sent_is_believed(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        town.lamps.is_there = False
        id = await town.ask()  # it was handed over, but the process was killed before it wrote that
        await town.says(id, "done")
        command = await town.command(id)
        assert command.status == "done"
        assert command.sent
        assert not town.lamps.sent


async def test_the_same_key_is_the_same_command(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        first, second = await town.ask(key="dusk/1"), await town.ask(key="dusk/1")
        assert first == second
        with pytest.raises(Conflict, match="another key"):
            await town.ask(0.7, key="dusk/1")
        assert await town.ask(by=BORA, key="dusk/1") != first
        await town.becomes(first, "sent")
        assert len(town.lamps.sent) <= 2


@pytest.mark.parametrize(
    "asked",
    [
        Asked(ANNA, LAMP, "dim", {"level": 0.5}, key="k" * 101),
        Asked(ANNA, LAMP, "dim", {"level": "x" * 20_000}),
        Asked(ANNA, "x" * 600, "dim"),
        Asked(ANNA, LAMP, "dim", {"level": 0.5}, revert_after_s=-1.0),
        Asked(ANNA, LAMP, "dim", {"level": 0.5}, revert_after_s=float("nan")),
    ],
    ids=["key", "parameters", "target", "revertAfter", "nan"],
)
async def test_what_is_too_long_is_refused(tmp_path: Path, asked: Asked) -> None:
    async with street(tmp_path) as town:
        with pytest.raises(BadRequestData):
            await town.commands.ask("", asked)


# --- nobody else writes them -------------------------------------------------------------------


async def test_nobody_but_madang_writes_changes_or_deletes_a_command(tmp_path: Path) -> None:
    async with street(tmp_path) as town:
        id = await town.ask()
        forged = "urn:ngsi-ld:Command:me:now:1"
        for type in ("Command", ["Streetlight", "Command"]):
            whole = {"id": forged, "type": type, "status": prop("requested")}
            (result,) = await town.tenant.write([Upsert(forged, normalized(whole, CORE))])
            assert isinstance(result, Forbidden)
            assert "POST /commands" in str(result)
        change = {"id": id, "type": "Command", "status": prop("done")}
        for operation in (Upsert(id, normalized(change, CORE), update=True), Delete(id)):
            (result,) = await town.tenant.write([operation])
            assert isinstance(result, Forbidden)
        lamp = {"id": LAMP, "type": "Command", "x": prop(1)}
        (result,) = await town.tenant.write([Upsert(LAMP, normalized(lamp, CORE), update=True)])
        assert isinstance(result, Forbidden)
        (result,) = await town.tenant.write([Own(Delete(id))])
        assert not isinstance(result, Exception)


async def test_a_tenant_that_is_made_later_has_its_commands_carried_out(tmp_path: Path) -> None:
    async with town(tmp_path) as city:
        await city.commands.start()
        busan = await city.hub.tenant("busan", create=True)
        now = busan.clock.now()
        wanted = records.command(LAMP, "dim", {"level": 0.5}, "service:lights", now)
        id = "urn:ngsi-ld:Command:lights:dusk:1"
        await busan.write([made(id, wanted, now)])
        desk = await city.commands.desk("busan")
        async with asyncio.timeout(10):
            while (await desk.get(id))[0].status != "refused":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await city.commands.close()
