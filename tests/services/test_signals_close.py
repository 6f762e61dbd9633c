"""Signals so close that nobody can wait between them: what they show together."""

from __future__ import annotations

from dataclasses import replace

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.services.signals.close import grouped
from madang.services.signals.controller import Controller
from madang.services.signals.signal import Phase, Seen, Signal, Vehicle
from madang.services.signals.think import Job, think
from madang.services.signals.wire import pack, pack_seen

LANES = ("north_0", "south_0", "west_0", "east_0", "there_0", "back_0")
YIELD, PROTECTED = 0, 1


def two(metres: float = 12.0) -> dict[str, Signal]:
    """Return two signals with a road between them, on which each sends the other who yields.

    From north by way of the lane ``there`` to the east, from south by ``back`` to the west.
    """
    lengths = dict.fromkeys(LANES, 200.0) | {"there_0": metres, "back_0": metres}
    phases = Phase("Gg"), Phase("rG")
    return {
        id: Signal(
            id, phases, (((come, out),), ((near, away),)), (come, near), (out, away),
            lengths, dict.fromkeys(LANES, 13.9), ((0, 20.0), (1, 20.0)), {out: {other: metres}},
        )
        for id, come, out, near, away, other in (
            ("a", "north_0", "there_0", "back_0", "west_0", "b"),
            ("b", "south_0", "back_0", "there_0", "east_0", "a"),
        )
    }  # fmt: skip


def queue(count: int, first: float = 2.0, wait: float = 30.0) -> tuple[Vehicle, ...]:
    return tuple(Vehicle(first + 7.5 * place, 0.0, wait) for place in range(count))


def seen(
    shown: tuple[int, int] = (PROTECTED, PROTECTED), elapsed: float = 20.0,
    **lanes: tuple[Vehicle, ...],
) -> dict[str, Seen]:  # fmt: skip
    of = {"a": ("north", "back"), "b": ("south", "there")}
    return {
        id: Seen(shown[place], elapsed, {f"{road}_0": lanes.get(road, ()) for road in of[id]}, {})
        for place, id in enumerate(of)
    }


def shown(controller: Controller, state: dict[str, Seen]) -> tuple[int, int]:
    choices = controller.decide(0.0, state)
    return choices["a"].phase, choices["b"].phase


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(0, 1)] * 2), max_size=6))
def test_neither_sends_the_other_who_must_yield_there(
    steps: list[tuple[int, int, int, int]],
) -> None:
    controller, phases = Controller(two()), (PROTECTED, PROTECTED)
    for north, south, there, back in steps:
        state = seen(
            phases, north=queue(north), south=queue(south), there=queue(there), back=queue(back)
        )
        phases = shown(controller, state)
        assert phases != (YIELD, YIELD)


def test_far_from_each_other_both_do_as_is_best_for_them() -> None:
    state = seen(north=queue(9), south=queue(9))
    assert shown(Controller(two(250.0)), state) == (YIELD, YIELD)
    assert sorted(shown(Controller(two()), state)) == [YIELD, PROTECTED]


def test_who_is_between_them_keeps_green_until_he_has_left() -> None:
    crowd = queue(20)
    passing = (Vehicle(6.0, 8.0),)
    between = seen((YIELD, PROTECTED), south=crowd, there=passing)
    assert shown(Controller(two()), between)[1] == PROTECTED
    assert shown(Controller(two()), seen((YIELD, PROTECTED), south=crowd)) == (PROTECTED, YIELD)
    held = seen((YIELD, PROTECTED), south=crowd, there=(Vehicle(2.0, 0.0, 40.0),))
    assert shown(Controller(two()), held)[1] == PROTECTED  # he would have to yield


def test_what_they_never_show_together_is_left() -> None:
    assert shown(Controller(two()), seen((YIELD, YIELD))) != (YIELD, YIELD)


def test_each_is_explained_in_its_own_phases() -> None:
    choices = Controller(two()).decide(
        0.0, seen((PROTECTED, YIELD), south=queue(2), north=queue(9))
    )
    for id, old, new in (("a", PROTECTED, YIELD), ("b", YIELD, PROTECTED)):
        why = choices[id].why
        assert (why["kind"], why["from"], why["to"]) == ("switch", old, new)
        assert why["plan"][0] == choices[id].phase == new
        orjson.dumps(why)


def test_if_one_is_not_seen_both_are_left_to_their_plans() -> None:
    state = seen(north=queue(9))
    del state["b"]
    assert Controller(two()).decide(0.0, state) == {}


def test_what_is_learned_of_both_goes_on_in_another_controller() -> None:
    states = [seen(north=queue(step % 5), south=queue(2)) for step in range(12)]
    first, second = Controller(two()), Controller(two())
    for step, state in enumerate(states[:6]):
        first.decide(10.0 * step, state)
    second.keep(orjson.loads(orjson.dumps(first.kept())))
    for step, state in enumerate(states[6:], 6):
        assert first.decide(10.0 * step, state) == second.decide(10.0 * step, state)


def test_others_are_told_of_a_pair_by_its_name_and_it_not_of_itself() -> None:
    signals = two()
    far = replace(signals["a"], id="c", feeds={"there_0": {"a": 300.0}})
    pair, alone = grouped({**signals, "c": far})
    assert (pair.members, alone.members) == (("a", "b"), ("c",))
    assert pair.phases == ((YIELD, PROTECTED), (PROTECTED, YIELD), (PROTECTED, PROTECTED))
    assert alone.signal.feeds == {"there_0": {pair.signal.id: 300.0}}
    assert not any(pair.signal.feeds.values())


def test_a_pair_that_could_not_show_every_phase_is_not_made() -> None:
    signals = two()
    signals["b"] = replace(signals["b"], phases=(Phase("Gg"), Phase("rg")))
    assert [group.members for group in grouped(signals)] == [("a",), ("b",)]


def test_the_service_keeps_them_from_filling_the_road_between() -> None:
    signals, state = two(), seen(north=queue(9), south=queue(9))
    names = {id: f"urn:ngsi-ld:TrafficSignal:{id}" for id in signals}
    jobs = [
        Job(names[id], pack(one), PROTECTED, 20.0, pack_seen(state[id]))
        for id, one in signals.items()
    ]
    thought = think(jobs, (), None, 0.0, 5.0, 50.0)
    assert sorted(thought.choices[id]["to"] for id in names.values()) == [YIELD, PROTECTED]
