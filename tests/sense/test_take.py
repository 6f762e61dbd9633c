"""The way in: what is acknowledged is there once, whatever was repeated, late or out of order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.lake.questions import Wanted
from madang.model import time
from madang.model.errors import Forbidden, TooManyRequests
from madang.sense import intake
from madang.sense.dead_letters import Filter
from madang.sense.message import Reading
from madang.trust.principal import OPEN, PUBLIC, Principal
from tests.sense.small_town import NOW, message, past_of, town

pytestmark = pytest.mark.slow

ID = "urn:ngsi-ld:AirQualityObserved:1"
SECOND = 1_000_000


def air(value: Any, at: int, id: str = ID) -> dict[str, Any]:
    attribute = {"type": "Property", "value": value, "observedAt": time.render(at)}
    return {"id": id, "type": "AirQualityObserved", "pm10": attribute}


async def test_what_is_told_twice_and_out_of_order_is_in_history_once(tmp_path: Path) -> None:
    wanted = [(NOW + n * SECOND, n) for n in range(20)]
    sent = [message(air(value, at)) for at, value in wanted]
    choose = random.Random(5)
    async with town(tmp_path) as city:
        for _ in range(3):
            choose.shuffle(sent)
            for done in await asyncio.gather(*map(city.sense.intake.take, sent)):
                assert done.letter is None
        assert await past_of(city, ID, "pm10") == wanted
        row = await (await city.hub.tenant("", create=False)).get(ID)
        assert row is not None
        assert orjson.loads(row.document)["pm10"]["value"] == 19


async def test_it_is_in_history_once_after_a_restart_between(tmp_path: Path) -> None:
    wanted = [(NOW + n * SECOND, n) for n in range(6)]
    sent = [message(air(value, at)) for at, value in wanted]
    for _ in range(2):
        async with town(tmp_path) as city:
            for one in sent:
                await city.sense.intake.take(one)
            assert await past_of(city, ID, "pm10") == wanted


async def test_a_late_value_told_again_leaves_the_log_of_changes_alone(tmp_path: Path) -> None:
    async with town(tmp_path) as city:
        for value, at in [(1, NOW), (2, NOW + SECOND)]:
            await city.sense.intake.take(message(air(value, at)))
        history = (await city.hub.tenant("", create=False)).history

        async def log() -> list[Any]:
            past = await history.read(lambda lake: lake.pasts(Wanted()).entities)
            return [(one.id, one.value) for entity in past for one in entity.instances]

        before = await log()
        again = await city.sense.intake.take(message(air(1, NOW)))
        assert again.late == 1
        assert await log() == before
        await city.sense.intake.take(message(air(5, NOW)))  # a correction
        assert [value for _, value in await log()] == [5, 2]


async def test_messages_of_one_device_take_effect_in_the_order_of_the_calls(tmp_path: Path) -> None:
    """Without times nothing but the order can tell which value is the last."""
    async with town(tmp_path) as city:
        calls = [
            city.sense.intake.take(message({"id": ID, "type": "A", "n": n})) for n in range(200)
        ]
        await asyncio.gather(*calls)
        assert [value for _, value in await past_of(city, ID, "n")] == list(range(200))


async def test_a_message_that_cannot_be_read_is_kept_with_the_reason(tmp_path: Path) -> None:
    async with town(tmp_path) as city:
        station = await city.sense.station("")
        for body, codec, device, reason in [
            (b"{", "ngsi-ld", "", "badPayload"),
            ({"id": "no uri", "type": "A"}, "ngsi-ld", "", "badEntity"),
            ({"t": 1}, "json", "nobody", "unknownDevice"),
            ({"t": 1}, "jsn", "nobody", "noCodec"),
        ]:
            done = await city.sense.intake.take(message(body, codec, device))
            assert (done.reason, done.values) == (reason, 0)
            assert done.letter is not None
            letter = await station.letters.get(done.letter)
            assert letter is not None
            assert letter.detail == done.detail
            assert letter.body == (body if isinstance(body, bytes) else orjson.dumps(body))


async def test_what_is_good_of_a_message_is_written_beside_the_letter(tmp_path: Path) -> None:
    async with town(tmp_path) as city:
        done = await city.sense.intake.take(
            message([air(1, NOW), {"id": ID, "type": "A", "x": {"type": "?"}}])
        )
        assert (done.entities, done.values, done.reason) == (1, 1, "badEntity")
        assert await past_of(city, ID, "pm10") == [(NOW, 1)]


async def test_a_replay_after_the_fix_ends_the_letter(tmp_path: Path) -> None:
    async with town(tmp_path) as city:
        station = await city.sense.station("")
        sender = Principal("app:x", "app", "x", frozenset({"app"}), writes=frozenset({"Other"}))
        # --open lets everybody write, so the refusal is asked of the view of this sender.
        done = await city.sense.intake.take(message(air(1, NOW), principal=sender))
        assert done.reason == "forbidden"
        (letter,) = await station.letters.page(Filter(reason="forbidden"), 9)
        assert "may not createEntity" in str(await city.sense.replay(station, letter, sender))
        again = await station.letters.get(letter.id)
        assert again is not None
        assert again.attempts == 2
        assert await city.sense.replay(station, letter, OPEN) is None
        assert await station.letters.get(letter.id) is None
        assert await past_of(city, ID, "pm10") == [(NOW, 1)]


async def test_who_may_not_send_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    async with town(tmp_path, open=False) as city:
        with pytest.raises(Exception, match="not public"):
            await city.sense.intake.take(message(air(1, NOW), principal=PUBLIC))
        reader = Principal("person:x", "person", "x", frozenset({"citizen"}))
        with pytest.raises(Forbidden, match="may not observe"):
            await city.sense.intake.take(message(air(1, NOW), principal=reader))
        assert (await (await city.sense.station("")).letters.counts())["count"] == 0


async def test_a_device_writes_its_own_entities_only(tmp_path: Path) -> None:
    async with town(tmp_path, open=False) as city:
        sensor = Principal(
            "device:x", "device", "x", frozenset({"device"}), entities=frozenset({ID})
        )
        assert (await city.sense.intake.take(message(air(1, NOW), principal=sensor))).values == 1
        other = message(air(1, NOW, f"{ID}2"), principal=sensor)
        assert (await city.sense.intake.take(other)).reason == "forbidden"
        late = message(air(0, NOW - SECOND), principal=sensor)
        assert (await city.sense.intake.take(late)).late == 1
        assert await past_of(city, ID, "pm10") == [(NOW - SECOND, 0), (NOW, 1)]


async def test_a_flood_of_one_device_is_pushed_back(tmp_path: Path) -> None:
    async with town(tmp_path, open=False, limit_device_per_s=2) as city:
        sensor = Principal(
            "device:x", "device", "x", frozenset({"device"}), entities=frozenset({ID})
        )
        sent = [message(air(n, NOW + n), principal=sensor) for n in range(11)]
        for one in sent[:10]:
            await city.sense.intake.take(one)
        with pytest.raises(TooManyRequests):
            await city.sense.intake.take(sent[10])
        assert len(await past_of(city, ID, "pm10")) == 10
        assert city.sense.intake.figures.refused == 1


async def test_too_much_under_way_is_pushed_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_UNDER_WAY", 10)
    async with town(tmp_path) as city:
        calls = [city.sense.intake.take(message(air(n, NOW + n))) for n in range(30)]
        done = await asyncio.gather(*calls, return_exceptions=True)
        taken = [one for one in done if not isinstance(one, BaseException)]
        assert len(taken) == 10
        assert len(await past_of(city, ID, "pm10")) == 10


async def test_readings_of_a_feed_are_judged_and_the_bad_ones_kept_one_by_one(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as city:
        readings = [Reading(air(n, NOW + n * SECOND)) for n in range(30)]
        readings[7] = Reading({"id": "bad", "type": "A"})
        readings[9] = Reading({"id": ID, "type": "A", "x": {"type": "Wrong", "value": 1}})
        done = await city.sense.intake.put("", readings, OPEN, "feed:air")
        assert done.values == 28
        letters = await (await city.sense.station("")).letters.page(Filter(), 9)
        assert {letter.address for letter in letters} == {"feed:air"}
        assert [orjson.loads(letter.body)["id"] for letter in letters] == [ID, "bad"]
        assert len(await past_of(city, ID, "pm10")) == 28


async def test_every_value_has_a_flag(tmp_path: Path) -> None:
    async with town(tmp_path) as city:
        await city.sense.intake.take(message(air(1, NOW)))
        row = await (await city.hub.tenant("", create=False)).get(ID)
        assert row is not None
        assert orjson.loads(row.document)["pm10"]["quality"]["value"] == "notEvaluated"


def sensor(name: str) -> Principal:
    """Return the key of a registered device that measures the air."""
    own = frozenset({f"urn:ngsi-ld:Device:{name}", f"{ID[:-1]}{name}"})
    return Principal(f"device:{name}", "device", name, frozenset({"device"}), entities=own)


async def test_a_device_cannot_speak_for_another(tmp_path: Path) -> None:
    """Neither is the other one heard, nor do its dead letters have to make room."""
    async with town(tmp_path, open=False) as city:
        station = await city.sense.station("")
        other = await station.devices.add("b", {})
        for body, codec, reason in [
            ({"t": 1}, "json", "forbidden"),
            (b"{", "json", "badPayload"),
            (air(1, NOW, f"{ID[:-1]}a"), "ngsi-ld", "forbidden"),
        ]:
            sent = message(body, codec, "b", principal=sensor("a"))
            done = await city.sense.intake.take(sent)
            assert (done.reason, done.values) == (reason, 0)
        assert other.heard is None
        assert await station.letters.page(Filter("b"), 9) == []
        assert len(await station.letters.page(Filter("device:a"), 9)) == 3
        await city.sense.intake.take(message(b"{", "json", "b", principal=sensor("b")))
        assert len(await station.letters.page(Filter("b"), 9)) == 1


async def test_values_that_may_not_be_written_cast_no_doubt_on_others(tmp_path: Path) -> None:
    async with town(tmp_path, open=False) as city:
        id, tenant = f"{ID[:-1]}b", await city.hub.tenant("", create=False)
        take = city.sense.intake.take
        await take(message(air(1, NOW, id), principal=sensor("b")))
        for n in range(1, 4):
            at = NOW + n * SECOND
            foul = message(air(999, at, id), principal=sensor("a"))
            good = message(air(n, at, id), principal=sensor("b"))
            done = await asyncio.gather(take(foul), take(good))
            assert [one.reason for one in done] == ["forbidden", ""]
            row = await tenant.get(id)
            assert row is not None
            assert orjson.loads(row.document)["pm10"]["quality"]["value"] == "notEvaluated"
        # Nor is anything remembered of what was not written.
        await take(message(air(1, NOW, f"{ID[:-1]}c"), principal=sensor("a")))
        assert not (await city.sense.station("")).inspector.knows(f"{ID[:-1]}c")


async def test_nobody_waits_for_the_context_of_another_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)

        async def never(_: object) -> Any:
            await asyncio.Event().wait()

        monkeypatch.setattr(tenant.contexts, "resolve", never)
        slow = air(1, NOW, f"{ID[:-1]}a") | {"@context": "https://slow.example/context.jsonld"}
        waits = asyncio.create_task(city.sense.intake.take(message(slow, principal=sensor("a"))))
        await asyncio.sleep(0)
        quick = message(air(1, NOW, f"{ID[:-1]}b"), principal=sensor("b"))
        async with asyncio.timeout(10):
            assert (await city.sense.intake.take(quick)).values == 1
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)


async def test_readings_that_are_put_again_still_bring_their_context(tmp_path: Path) -> None:
    """As after the hub was too busy for them."""
    context = {"dust": "https://example.org/dust"}
    async with town(tmp_path) as city:
        told = {"id": ID, "type": "A", "dust": air(1, NOW)["pm10"], "@context": context}
        readings = [Reading(told)]
        assert (await city.sense.intake.put("", readings, OPEN, "file:a")).values == 1
        again = await city.sense.intake.put("", readings, OPEN, "file:a")
        assert (again.values, again.known) == (0, 1)


async def test_a_device_that_cannot_be_let_in_is_told_in_a_letter(tmp_path: Path) -> None:
    async with town(tmp_path) as city:
        devices = (await city.sense.station("")).devices
        text = 'title = "T"\naccept_unknown = true\ntype = "A"\n[attributes.t]\npath = "t"\n'
        await devices.shelf.put("any", text)
        await devices.provisioning.grant(OPEN.id, "any", 9)
        body = [{"device": name, "values": {"t": 1}} for name in ("가", "import", "n1")]
        done = await city.sense.intake.take(message(body, "json"))
        assert (done.reason, done.values) == ("unknownDevice", 2)  # t and refDevice
        assert done.letter is not None


async def test_a_long_message_lets_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "AT_ONCE", 1)
    async with town(tmp_path) as city:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(others())
        work = city.sense.intake.take(message([air(n, NOW, f"{ID}{n}") for n in range(300)]))
        assert (await work).values == 300
        counting.cancel()
        assert turns > 300


async def test_a_replay_goes_on_after_a_sender_who_may_no_longer_send(tmp_path: Path) -> None:
    async with town(tmp_path, open=False) as city:
        station = await city.sense.station("")
        await city.sense.intake.take(message(b"{", principal=sensor("a")))
        (letter,) = await station.letters.page(Filter(), 9)
        citizen = Principal("person:x", "person", "x", frozenset({"citizen"}))
        assert "may not observe" in str(await city.sense.replay(station, letter, citizen))
        again = await station.letters.get(letter.id)
        assert again is not None
        assert (again.reason, again.attempts) == ("forbidden", 2)


async def test_a_letter_says_that_something_was_forbidden_whatever_else_was_wrong(
    tmp_path: Path,
) -> None:
    async with town(tmp_path, open=False) as city:
        body = [{"id": f"{ID[:-1]}a", "type": "A", "x": {"type": "?"}}, air(1, NOW)]
        done = await city.sense.intake.take(message(body, principal=sensor("a")))
        assert done.reason == "forbidden"


async def test_only_the_late_one_of_several_instances_goes_to_history_alone(tmp_path: Path) -> None:
    def both(one: int, two: int, at: int, later: int) -> dict[str, Any]:
        told = air(one, at)
        second = air(two, later)["pm10"] | {"datasetId": "urn:d:2"}
        return {**told, "pm10": [told["pm10"], second]}

    async with town(tmp_path) as city:
        await city.sense.intake.take(message(both(1, 1, NOW, NOW)))
        done = await city.sense.intake.take(message(both(0, 2, NOW - SECOND, NOW + SECOND)))
        assert (done.values, done.late, done.known) == (2, 1, 0)
        row = await (await city.hub.tenant("", create=False)).get(ID)
        assert row is not None
        assert [one["value"] for one in orjson.loads(row.document)["pm10"]] == [1, 2]
        assert await past_of(city, ID, "pm10") == [
            (NOW - SECOND, 0), (NOW, 1), (NOW, 1), (NOW + SECOND, 2),
        ]  # fmt: skip
