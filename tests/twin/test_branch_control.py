"""Simple controls of signals choose as their papers say."""

from __future__ import annotations

from madang.services.signals.signal import Phase, Seen, Signal, Vehicle
from madang.twin.branch.control import control

SIGNAL = Signal(
    "s",
    (Phase("Gr"), Phase("rG")),
    ((("west", "east"),), (("south", "north"),)),
    ("west", "south"),
    ("east", "north"),
    {"west": 100.0, "south": 100.0, "east": 100.0, "north": 100.0},
    {"west": 13.9, "south": 13.9, "east": 13.9, "north": 13.9},
    ((0, 30.0), (1, 30.0)),
)
SIGNALS = {"s": SIGNAL}


def seen(phase: int, elapsed_s: float, **lanes: int) -> dict[str, Seen]:
    def queue(lane: str) -> tuple[Vehicle, ...]:
        return tuple(Vehicle(7.5 * place, 0.0) for place in range(lanes.get(lane, 0)))

    before = {lane: queue(lane) for lane in SIGNAL.in_lanes}
    return {"s": Seen(phase, elapsed_s, before, {lane: queue(lane) for lane in SIGNAL.out_lanes})}


def chosen(name: str, look: dict[str, Seen]) -> int:
    found = control(name, SIGNALS, 1)
    assert found is not None
    return found[0].decide(0.0, look)["s"].phase


def test_max_pressure_serves_the_longer_queue() -> None:
    assert chosen("max_pressure", seen(0, 10, west=2, south=5)) == 1


def test_max_pressure_does_not_send_into_a_full_street() -> None:
    assert chosen("max_pressure", seen(0, 10, west=2, south=5, north=6)) == 0


def test_max_pressure_keeps_the_phase_if_nobody_is_there() -> None:
    assert chosen("max_pressure", seen(1, 10)) == 1


def test_actuated_extends_while_somebody_comes() -> None:
    assert chosen("actuated", seen(0, 20, west=1, south=3)) == 0


def test_actuated_goes_on_when_the_longest_green_is_over() -> None:
    assert chosen("actuated", seen(0, 61, west=1, south=3)) == 1


def test_actuated_rests_where_nobody_calls() -> None:
    assert chosen("actuated", seen(0, 61)) == 0


def test_fixed_plans_need_nobody_who_decides() -> None:
    assert control("fixed", SIGNALS, 1) is None
