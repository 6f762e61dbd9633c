"""The self-test of devices: each requirement is passed by the good and failed by the bad."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import orjson
import pytest

from madang.model import time
from madang.sense.devices import conformance, listening
from madang.sense.devices import profile as profiles
from madang.sense.devices.conformance import REQUIREMENTS, Sent, check, passes
from madang.sense.devices.listening import Listener
from tests.e2e.mqtt_maker import connected

AIR = profiles.parse(profiles.shipped()["open-air-station"], "open-air-station")
NOW = 1_767_182_400_000_000
MINUTE = 60_000_000
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "open-device-specification.md"


def body(at: int, **fields: object) -> bytes:
    return orjson.dumps({"observedAt": time.render(at), "temperature": 21.3} | fields)


def sent(*bodies: bytes, qos: int = 1, retained: bool = False) -> list[Sent]:
    return [
        Sent(one, f"message {number}", NOW + 10 * MINUTE, "t", qos, retained)
        for number, one in enumerate(bodies, 1)
    ]


def outcomes(messages: list[Sent], live: bool = False) -> dict[str, str]:
    return {one.number: one.outcome for one in check(messages, AIR, live=live)}


GOOD = [body(NOW + n * MINUTE, pm25=n) for n in range(4)]


def test_good_messages_pass_all_that_can_be_told_of_them() -> None:
    found = check(sent(*GOOD), AIR, live=True)
    assert passes(found)
    passed = {one.number for one in found if one.outcome == "pass"}
    assert passed == set(REQUIREMENTS) - {"M1", "M4", "M5", "M6", "M7"}


@pytest.mark.parametrize(
    ("number", "bad"),
    [
        ("P1", b"temperature=21.3"),
        ("P2", body(NOW, note="x" * 70_000)),
        ("P3", body(NOW, pm10="much")),
        ("P4", orjson.dumps({"observedAt": time.render(NOW), "strange": 1})),
        ("P5", body(NOW, pm10=-999)),
        ("P5", body(NOW, pm10="")),
        ("T1", b'{"temperature": 21.3}'),
        ("T2", b'{"observedAt": "2025-12-31T21:00:00+09:00", "temperature": 21.3}'),
        ("T3", body(NOW + 600 * MINUTE)),
        ("V1", body(NOW, pm10=5000)),
    ],
)
def test_a_message_that_breaks_a_requirement_fails_it(number: str, bad: bytes) -> None:
    assert outcomes(sent(bad))[number] == "fail"
    assert outcomes(sent(*GOOD))[number] == "pass"


@pytest.mark.parametrize(("number", "fields"), [("P6", {"odd": 1}), ("V2", {"pm10": 1.23456})])
def test_what_a_device_should_do_only_warns(number: str, fields: dict[str, object]) -> None:
    found = check(sent(body(NOW, **fields)), AIR)
    assert {one.number: one.outcome for one in found}[number] == "warn"
    assert passes(found)


def test_order_interval_and_ways_of_sending_are_told() -> None:
    assert outcomes(sent(GOOD[1], GOOD[0]))["T4"] == "fail"
    assert outcomes(sent(GOOD[0], GOOD[0]))["T4"] == "fail"
    often = [body(NOW + n * MINUTE // 2) for n in range(5)]
    assert outcomes(sent(*often))["T5"] == "warn"
    assert outcomes(sent(*GOOD, qos=0), live=True)["M2"] == "fail"
    assert outcomes(sent(*GOOD, retained=True), live=True)["M3"] == "fail"


def test_the_specification_has_the_same_requirements() -> None:
    rows = re.findall(r"^\| ([PTVM]\d) \| (must|should) \| (.+?) \|$", PAGE.read_text(), re.M)
    told = {number: (level, text.replace("`", "")) for number, level, text in rows}
    assert told == REQUIREMENTS


async def listened(
    *, topic: str = "v1/devices/d1/up", clean: bool = False, qos: int = 1
) -> Listener:
    listener = Listener(5)
    port = await listener.start("127.0.0.1", 0)
    client = await asyncio.to_thread(connected, port, "d1", "d1", "mdg_key", is_clean=clean)
    try:
        for number in range(8):
            client.publish(topic, body(NOW + number * MINUTE), qos)
            await asyncio.sleep(0.05)
        await asyncio.wait_for(listener.done.wait(), 20)
    finally:
        await asyncio.to_thread(client.loop_stop)
        await listener.close()
    return listener


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_device_that_sends_again_and_comes_back_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "PATIENCE_S", 0.5)
    verdicts = dict((await listened()).verdicts())
    assert verdicts == {"M1": [], "M4": [], "M5": [], "M6": [], "M7": []}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_device_on_another_topic_with_a_clean_session_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "PATIENCE_S", 0.5)
    verdicts = dict((await listened(topic="v1/device/d1", clean=True)).verdicts())
    assert verdicts["M1"] == ["it sent to 'v1/device/d1'"]
    assert verdicts["M7"] == ["it asks for a clean session"]
    assert conformance.LARGEST == 65536
