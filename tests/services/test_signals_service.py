"""The service of the signals: what it tells them, when it leaves them alone, what people read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from madang.services.played import Played, at
from madang.services.signals import wire
from madang.services.signals.service import service
from madang.services.signals.signal import Phase, Seen, Signal, Vehicle
from madang.services.signals.words import told

START = at("2026-03-02 08:00")
SECOND = 1_000_000
ID = "urn:ngsi-ld:TrafficSignal:a"
LANES = ("n", "e", "s", "w")
CROSSING = Signal(
    ID, (Phase("Gr"), Phase("rG")), ((("n", "s"),), (("e", "w"),)), ("e", "n"), ("s", "w"),
    dict.fromkeys(LANES, 200.0), dict.fromkeys(LANES, 13.9), ((0, 20.0), (1, 20.0)),
    foes=(frozenset({1}), frozenset({0})),
)  # fmt: skip
QUEUE = tuple(Vehicle(2 + 7.5 * place, 0.0, 20.0) for place in range(8))


def seen(**lanes: tuple[Vehicle, ...]) -> dict[str, Any]:
    whole = Seen(0, 0.0, {"n": (), "e": (), **lanes}, {})
    return {"type": "JsonProperty", "json": wire.pack_seen(whole)}


async def tells(run: Played, second: int, **attributes: Any) -> None:
    """Let a signal say something."""
    stamp = f"2026-03-02T08:{second // 60:02d}:{second % 60:02d}Z"
    whole = {
        name: {"type": "Property", "value": value, "observedAt": stamp}
        if not isinstance(value, dict)
        else {**value, "observedAt": stamp}
        for name, value in attributes.items()
    }
    await run.put(START + second * SECOND, ID, "TrafficSignal", **whole)


async def crossing(**options: Any) -> Played:
    run = Played(service, START, **options)
    since = {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-02T07:59:45Z"}}
    layout = {"type": "JsonProperty", "json": wire.pack(CROSSING)}
    await tells(run, 0, name="Crossing A", layout=layout, currentPhase=0, controlMode="plan",
                phaseSince=since)  # fmt: skip
    return run


async def test_a_queue_gets_green_and_the_reason_is_told_in_both_languages() -> None:
    run = await crossing()
    await tells(run, 1, approaches=seen(e=QUEUE))
    await run.until(START + 6 * SECOND)
    (command,) = run.things("Command")
    assert command["parameters"] == {"phase": 1}
    reason = run.thing(ID)["switchReason"]
    assert "Phase 1 after" in reason["en"]
    assert "8 wait" in reason["en"]
    assert "대기 8대" in reason["ko"]


async def test_a_signal_that_is_well_as_it_is_is_told_so_now_and_then() -> None:
    run = await crossing()
    for second in range(1, 40, 4):
        await tells(run, second, approaches=seen(n=QUEUE))
    await run.until(START + 40 * SECOND)
    assert {one["parameters"]["phase"] for one in run.things("Command")} == {0}
    assert 2 <= len(run.things("Command")) <= 3
    assert run.thing(ID)["switchReason"] is None


async def test_what_other_code_has_learned_is_not_read() -> None:
    run = await crossing()
    await tells(run, 1, approaches=seen(e=QUEUE))
    run.kept.state.update(learner="older", kept={"junctions": {ID: {"shape": "older"}}})
    await run.until(START + 6 * SECOND)
    assert run.thing(ID)["switchReason"] is not None
    assert run.kept.state["kept"]["junctions"][ID].keys() != {"shape"}


@pytest.mark.parametrize("mode", ["local"])
async def test_a_signal_that_follows_nobody_is_left_alone(mode: str) -> None:
    run = await crossing()
    await tells(run, 1, approaches=seen(e=QUEUE), controlMode=mode)
    await run.until(START + 20 * SECOND)
    assert not run.things("Command")


async def test_a_signal_that_falls_silent_is_left_to_its_plan_and_people_are_told() -> None:
    run = await crossing()
    await tells(run, 1, approaches=seen(e=QUEUE))
    await run.until(START + 20 * SECOND)
    before = len(run.things("Command"))
    await run.until(START + 200 * SECOND)
    assert len(run.things("Command")) == before
    (alert,) = run.things("Alert")
    assert alert["alertSource"] == "service:signals"
    assert "Fixed plan" in run.thing(ID)["switchReason"]["en"]
    await tells(run, 201, approaches=seen(e=QUEUE))
    await run.until(START + 206 * SECOND)
    assert run.things("Alert")[0]["status"] in ("closed", "ended", "resolved")


async def test_who_asks_gets_green_before_those_who_wait() -> None:
    run = await crossing()
    when = {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-02T08:00:15Z"}}
    later = {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-02T08:00:40Z"}}
    await run.put(
        START, "urn:ngsi-ld:SignalPriority:x", "SignalPriority", lane="e", status="asked",
        refSignal={"type": "Relationship", "object": ID}, priorityKind="emergency",
        arrivesAt=when, validTo=later,
    )  # fmt: skip
    await tells(run, 1, approaches=seen(n=QUEUE))
    await run.until(START + 6 * SECOND)
    assert run.things("Command")[0]["parameters"] == {"phase": 1}
    assert "an emergency vehicle is coming" in run.thing(ID)["switchReason"]["en"]


async def test_what_cannot_be_read_stops_no_other_signal() -> None:
    run = await crossing()
    await run.put(
        START, "urn:ngsi-ld:TrafficSignal:broken", "TrafficSignal",
        layout={"type": "JsonProperty", "json": {"phases": 7}}, currentPhase=0,
        approaches={
            "type": "JsonProperty", "json": {"in": 5}, "observedAt": "2026-03-02T08:00:00Z"
        },
        phaseSince={"type": "Property", "value": {"@type": "DateTime",
                                                  "@value": "2026-03-02T08:00:00Z"}},
    )  # fmt: skip
    await tells(run, 1, approaches=seen(e=QUEUE))
    await run.until(START + 6 * SECOND)
    assert run.things("Command")[0]["parameters"] == {"phase": 1}


async def test_after_a_restart_it_goes_on_as_if_nothing_had_been() -> None:
    runs = [await crossing(), await crossing()]
    for run in runs:
        await tells(run, 1, approaches=seen(e=QUEUE))
        await run.until(START + 11 * SECOND)
    runs[1].restart()
    for run in runs:
        await tells(run, 12, approaches=seen(n=QUEUE, e=QUEUE[:2]))
        await run.until(START + 30 * SECOND)
    assert runs[0].written == runs[1].written


async def test_figures_are_written_every_minute() -> None:
    run = await crossing()
    await tells(run, 55, approaches=seen(e=QUEUE))
    await run.until(START + 61 * SECOND)
    figures = {one.id.rpartition(":")[2]: one["currentValue"] for one in run.things(
        "KeyPerformanceIndicator")}  # fmt: skip
    assert figures == {"waiting": 8, "wait": 20.0, "guided": 1}


def test_a_layout_and_what_is_seen_come_through_json_unchanged() -> None:
    assert wire.unpack(ID, orjson.loads(orjson.dumps(wire.pack(CROSSING)))) == CROSSING
    whole = Seen(1, 5.0, {"n": QUEUE, "e": (Vehicle(3.0, 1.0, 0.0, "bus"),)}, {"s": ()})
    packed = orjson.loads(orjson.dumps(wire.pack_seen(whole)))
    assert wire.unpack_seen(1, 5.0, packed) == whole


@pytest.mark.parametrize(
    "layout",
    [{}, {"phases": [], "links": 3}, {**wire.pack(CROSSING), "lanes": {}}],
    ids=["empty", "links", "lanes"],
)
def test_a_wrong_layout_is_named_as_such(layout: dict[str, Any]) -> None:
    with pytest.raises(wire.NotASignal, match="the layout of signal x cannot be read"):
        wire.unpack("x", layout)


@pytest.mark.parametrize("kind", ["hold", "switch", "longest"])
@pytest.mark.parametrize("asked", [None, "bus", "bicycle", "emergency"])
def test_every_reason_is_a_sentence_in_both_languages(kind: str, asked: str | None) -> None:
    why = {"kind": kind, "from": 0, "to": 1, "green_s": 12.2, "waiting": 1, "coming": 0,
           "saves_s": 3.0, "horizon_s": 50.0, "asked": asked, "full": ["x"]}  # fmt: skip
    text = told(why)
    assert text.en.endswith(".")
    assert text.ko.endswith(".")


def test_the_catalogue_is_filled() -> None:
    for field in service.options.model_fields.values():
        assert field.title
        assert field.description
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra["ko"]
    assert service.operator is not None
    assert service.cost is not None
