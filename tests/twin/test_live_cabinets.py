"""Cabinets of the live twin: what they do with commands, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from madang.services.signals.interlock import Interlock, Mode, Refusal
from madang.services.signals.signal import Phase, Signal
from madang.twin.live.cabinets import WAIT_S, Ack, Cabinets

CROSSING = Signal(
    "s",
    (Phase("Gr", 5.0), Phase("rG", 5.0)),
    ((("west_0", "east_0"),), (("south_0", "north_0"),)),
    ("west_0", "south_0"),
    ("east_0", "north_0"),
    {},
    {},
    ((0, 30.0), (1, 30.0)),
    foes=(frozenset({1}), frozenset({0})),
)


class Lights:
    """One crossing, and a clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cabinet = Interlock(CROSSING, 0.0)

    def request(self, signal: str, phase: int) -> Refusal | None:
        return self.cabinet.request(phase, self.now)

    def mode(self, signal: str) -> Mode:
        return self.cabinet.mode(self.now)


@pytest.fixture
def lights() -> Lights:
    return Lights()


@pytest.fixture
def cabinets(lights: Lights) -> Cabinets:
    return Cabinets(lights)


def order(id: str, command: str = "showPhase", **parameters: Any) -> dict[str, Any]:
    return {"id": id, "command": command, "parameters": parameters}


def said(cabinets: Cabinets, *orders: dict[str, Any]) -> list[tuple[str, str]]:
    return [(ack.id, ack.status) for one in orders for ack in cabinets.take("s", one)]


def test_a_phase_that_is_safe_is_shown_at_once(lights: Lights, cabinets: Cabinets) -> None:
    lights.now = 10.0
    assert said(cabinets, order("a", phase=1)) == [("a", "done")]
    assert lights.cabinet.phase(lights.now)[0] == 1
    assert cabinets.mode("s") == "control"


def test_a_phase_that_is_not_safe_yet_waits_for_the_interlock(
    lights: Lights, cabinets: Cabinets
) -> None:
    lights.now = 2.0
    assert said(cabinets, order("a", phase=1)) == [("a", "acknowledged")]
    assert [*cabinets.step()] == []
    lights.now = 5.0
    assert [*cabinets.step()] == [Ack("s", "a", "done")]
    assert [*cabinets.step()] == []


def test_a_newer_command_takes_the_place_of_one_that_waits(
    lights: Lights, cabinets: Cabinets
) -> None:
    lights.now = 2.0
    assert said(cabinets, order("a", phase=1)) == [("a", "acknowledged")]
    assert said(cabinets, order("b", phase=0)) == [("a", "failed"), ("b", "done")]
    lights.now = 9.0
    assert [*cabinets.step()] == []


def test_what_is_told_twice_is_done_once(lights: Lights, cabinets: Cabinets) -> None:
    lights.now = 10.0
    assert said(cabinets, order("a", phase=1)) == [("a", "done")]
    lights.now = 30.0
    assert said(cabinets, order("b", phase=0)) == [("b", "done")]
    assert said(cabinets, order("b", phase=0)) == [("b", "done")]
    assert said(cabinets, order("c", phase=7)) == [("c", "failed")]


def test_what_the_interlock_never_lets_is_given_up(cabinets: Cabinets, lights: Lights) -> None:
    lights.now = 2.0
    assert said(cabinets, order("a", phase=1)) == [("a", "acknowledged")]
    lights.request = lambda signal, phase: Refusal("changing", 1.0)  # type: ignore[method-assign]
    lights.now = 2.0 + WAIT_S
    (ack,) = cabinets.step()
    assert (ack.id, ack.status) == ("a", "failed")


def test_a_cabinet_that_is_set_to_its_own_plan_follows_nobody(
    lights: Lights, cabinets: Cabinets
) -> None:
    lights.now = 2.0
    assert said(cabinets, order("a", phase=1)) == [("a", "acknowledged")]
    assert said(cabinets, order("b", "setMode", mode="local")) == [("a", "failed"), ("b", "done")]
    assert cabinets.mode("s") == "local"
    lights.now = 10.0
    assert said(cabinets, order("c", phase=1)) == [("c", "failed")]
    assert said(cabinets, order("d", "setMode", mode="remote")) == [("d", "done")]
    assert said(cabinets, order("e", phase=1)) == [("e", "done")]


@pytest.mark.parametrize(
    "wrong",
    [order("a", "dance"), order("a", "setMode", mode="odd"), order("a"), order("a", phase="x")],
)
def test_what_a_cabinet_does_not_know_fails_with_a_reason(
    cabinets: Cabinets, wrong: dict[str, Any]
) -> None:
    (ack,) = cabinets.take("s", wrong)
    assert ack.status == "failed"
    assert ack.body()["reason"]


def test_the_plan_runs_when_nobody_asks_any_more(lights: Lights, cabinets: Cabinets) -> None:
    lights.now = 10.0
    assert said(cabinets, order("a", phase=1)) == [("a", "done")]
    lights.now = 60.0
    assert cabinets.mode("s") == "plan"
