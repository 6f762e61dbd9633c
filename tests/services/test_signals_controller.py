"""The controller: who gets green, what is foreseen, what is learned, and that it is explained."""

from __future__ import annotations

import itertools

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from madang.services.signals.controller import Controller, Options, Priority
from madang.services.signals.lane import RED, Coming, Entry, Lane, Service, reach_s
from madang.services.signals.search import Search, Task
from madang.services.signals.signal import Phase, Seen, Signal, Vehicle

GREEN = Service(1, 1.0, 0.0, ())
BOTH = frozenset((0, 1))


def crossing(id: str = "a", phases: tuple[Phase, ...] = (Phase("Gr"), Phase("rG"))) -> Signal:
    """Return one road from north to south, and one from east to west, 13.9 m/s."""
    lanes = [f"{id}_{side}" for side in "nesw"]
    north, east, south, west = lanes
    return Signal(
        id, phases, (((north, south),), ((east, west),)), (north, east), (south, west),
        dict.fromkeys(lanes, 200.0), dict.fromkeys(lanes, 13.9),
        tuple((number, 20.0) for number in range(len(phases))),
    )  # fmt: skip


def queue(count: int, first: float = 2.0, wait: float = 20.0) -> tuple[Vehicle, ...]:
    return tuple(Vehicle(first + 7.5 * place, 0.0, wait) for place in range(count))


def seen(
    north: tuple[Vehicle, ...] = (), east: tuple[Vehicle, ...] = (), phase: int = 0,
    elapsed: float = 20.0, out: tuple[Vehicle, ...] = (), id: str = "a",
) -> dict[str, Seen]:  # fmt: skip
    return {id: Seen(phase, elapsed, {f"{id}_n": north, f"{id}_e": east}, {f"{id}_w": out})}


# --- what it chooses ----------------------------------------------------------------------------


def test_who_waits_gets_green_if_nobody_else_comes() -> None:
    choice = Controller({"a": crossing()}).decide(0.0, seen(east=queue(3)))["a"]
    assert choice.phase == 1
    assert choice.why["kind"] == "switch"
    assert choice.why["waiting"] == 3
    assert choice.why["saves_s"] > 20
    orjson.dumps(choice.why)


def test_green_is_held_for_a_platoon_and_goes_to_one_who_waits_when_it_has_passed() -> None:
    controller = Controller({"a": crossing()})
    platoon = tuple(Vehicle(20.0 + 20 * place, 13.9) for place in range(6))
    one = queue(1)
    assert controller.decide(0.0, seen(platoon, one))["a"].phase == 0
    assert controller.decide(10.0, seen((), one))["a"].phase == 1


def test_nobody_is_sent_into_an_exit_that_is_full() -> None:
    controller = Controller({"a": crossing()})
    full = tuple(Vehicle(3.0 + 7.5 * place, 0.0, 50.0) for place in range(20))
    choice = controller.decide(0.0, seen(queue(2), queue(9), out=full))["a"]
    assert choice.phase == 0
    assert choice.why["full"] == ["a_w"]
    assert controller.decide(0.0, seen(queue(2), queue(9)))["a"].phase == 1


def test_a_green_that_is_too_short_is_not_left() -> None:
    phases = Phase("Gr", minimum_s=15), Phase("rG")
    controller = Controller({"a": crossing(phases=phases)})
    assert controller.decide(0.0, seen(east=queue(9), elapsed=10))["a"].phase == 0
    assert controller.decide(0.0, seen(east=queue(9), elapsed=15))["a"].phase == 1


def test_nobody_waits_for_ever() -> None:
    controller = Controller({"a": crossing()})
    endless = tuple(Vehicle(5.0 + 20 * place, 13.9) for place in range(10))
    choice = controller.decide(0.0, seen(endless, queue(1), elapsed=60))["a"]
    assert choice.phase == 1
    assert choice.why["kind"] == "longest"


def test_a_responder_gets_green_before_it_comes_and_the_queue_before_it_is_cleared() -> None:
    controller = Controller({"a": crossing()})
    controller.ask(Priority("a", "a_e", 15.0, "emergency", 60.0))
    platoon = tuple(Vehicle(20.0 + 20 * place, 13.9) for place in range(6))
    choice = controller.decide(0.0, seen(platoon, queue(6)))["a"]
    assert choice.phase == 1
    assert choice.why["asked"] == "emergency"
    forgotten = controller.decide(100.0, seen(platoon, ()))["a"]
    assert forgotten.phase == 0
    assert forgotten.why["asked"] is None


def test_a_responder_about_to_pass_keeps_green() -> None:
    """It may wait for a gap, or brake at yellow, at which the model lets pass who is so near."""
    crowd, near = queue(12, wait=90.0), (Vehicle(1.5, 1.0, 0.0, "emergency"),)
    shown = []
    for is_asked in (False, True):
        controller = Controller({"a": crossing()})
        if is_asked:
            controller.ask(Priority("a", "a_n", 100.1, "emergency", 104.1))
        shown.append(controller.decide(100.0, seen(near, crowd))["a"].phase)
    assert shown == [1, 0]


def test_a_signal_says_downstream_whom_it_will_let_go() -> None:
    first, second = crossing("a"), crossing("b")
    joined = Signal(
        "b", second.phases, ((("a_s", "b_s"),), (("b_e", "b_w"),)), ("a_s", "b_e"), ("b_s", "b_w"),
        {**second.lane_length, "a_s": 250.0}, {**second.lane_speed, "a_s": 13.9}, second.plan,
    )  # fmt: skip
    first = Signal(
        "a", first.phases, first.links, first.in_lanes, first.out_lanes, first.lane_length,
        first.lane_speed, first.plan, {"a_s": {"b": 250.0}},
    )  # fmt: skip
    controller = Controller({"a": first, "b": joined})
    nobody = Seen(1, 20.0, {}, {})
    coming = {**seen(queue(8)), "b": nobody}
    assert controller.decide(0.0, coming)["b"].why["plan"][-1] == 0
    assert controller.decide(0.0, {**seen(), "b": nobody})["b"].why["plan"][-1] == 1


@pytest.mark.parametrize(("turning", "phase"), [(0, 1), (3, 0)])
def test_who_turns_across_a_crowd_has_green_long_enough_to_leave_the_junction(
    turning: int, phase: int
) -> None:
    """Two wait inside, unseen; those behind them would stand in the next phase's way."""
    north, south, east = ("n_0", "e_out"), ("s_0", "n_out"), ("e_0", "w_out")
    lanes = (*north, *south, *east)
    signal = Signal(
        "a", (Phase("gGr"), Phase("rrG")), ((north,), (south,), (east,)),
        ("n_0", "s_0", "e_0"), ("e_out", "n_out", "w_out"),
        dict.fromkeys(lanes, 200.0), dict.fromkeys(lanes, 13.9), ((0, 20.0), (1, 20.0)),
    )  # fmt: skip
    first, second = Controller({"a": signal}), Controller({"a": signal})
    before = Seen(1, 20.0, {"n_0": queue(turning), "s_0": queue(9), "e_0": ()}, {})
    assert first.decide(0.0, {"a": before})["a"].phase == 0
    second.keep(orjson.loads(orjson.dumps(first.kept())))
    after = Seen(0, 7.0, {"n_0": queue(turning), "s_0": (), "e_0": queue(9)}, {})
    assert second.decide(10.0, {"a": after})["a"].phase == phase


# --- what it learns -----------------------------------------------------------------------------


def test_one_who_does_not_go_at_green_wants_another_way() -> None:
    """Of a lane with two ways, a phase that serves one does not help whom it did not move."""
    signal = Signal(
        "a", (Phase("Grr"), Phase("GGr"), Phase("rrG")),
        ((("n", "s"),), (("n", "w"),), (("e", "w"),)), ("e", "n"), ("s", "w"),
        dict.fromkeys("nesw", 200.0), dict.fromkeys("nesw", 13.9),
        ((0, 20.0), (1, 20.0), (2, 20.0)),
    )  # fmt: skip
    controller = Controller({"a": signal})
    blocked = Seen(0, 10.0, {"n": queue(4, wait=40.0), "e": ()}, {})
    assert controller.decide(0.0, {"a": blocked})["a"].phase == 1


def test_one_who_finds_no_gap_for_long_gets_green_that_need_not_yield() -> None:
    """It may stand in the junction, unseen: those behind it and those across wait for ever."""
    signal = Signal(
        "a", (Phase("gGr"), Phase("Grr"), Phase("rrG")),
        ((("n", "e"),), (("s", "n2"),), (("e2", "w"),)), ("n", "s", "e2"), ("e", "n2", "w"),
        dict.fromkeys(("n", "s", "e", "e2", "n2", "w"), 200.0),
        dict.fromkeys(("n", "s", "e", "e2", "n2", "w"), 13.9),
        ((0, 20.0), (1, 20.0), (2, 20.0)),
    )  # fmt: skip
    kept, shown = None, []
    for step in range(9):
        left = queue(1, first=10.0, wait=10.0 * step)
        state = Seen(0, 5.0 + 10.0 * step, {"n": left, "s": queue(1, wait=0.5), "e2": ()}, {})
        controller = Controller({"a": signal})
        if kept is not None:
            controller.keep(orjson.loads(orjson.dumps(kept)))
        shown.append(controller.decide(10.0 * step, {"a": state})["a"].phase)
        kept = controller.kept()
    assert shown[0] == 0
    assert shown[-1] == 1


def test_what_is_learned_goes_on_in_another_controller() -> None:
    first = Controller({"a": crossing()})
    states = [seen(queue(step % 5), queue(3), phase=step % 2) for step in range(20)]
    for step, state in enumerate(states[:10]):
        first.decide(10.0 * step, state)
    second = Controller({"a": crossing()})
    second.keep(orjson.loads(orjson.dumps(first.kept())))
    for step, state in enumerate(states[10:], 10):
        assert first.decide(10.0 * step, state) == second.decide(10.0 * step, state)


# --- the fast model -----------------------------------------------------------------------------


def entry(*arrivals: float) -> Entry:
    return Entry([Lane([Coming(at, 1.0, True) for at in arrivals], 2.0, 1e9, 1.0, 0.0)], [20])


def test_a_queue_leaves_a_headway_apart_after_the_first_has_started() -> None:
    of = entry(0.0, 1.0, 2.0)
    at = of.slot(of.start(), (RED,), (GREEN,), 0.0, 3.0, 10.0, [()])
    assert at.left == ((4.8, 6.8, 8.8),)


def test_who_waits_in_a_short_lane_holds_up_those_behind() -> None:
    """Left turners wait in a lane for one; the second stands in the way of who goes on."""
    left = Lane([Coming(0.0, 1.0, True, 2.0), Coming(2.0, 1.0, True, 10.0)], 2.0, 1e9, 1.0, 0.0)
    ahead = Lane([Coming(3.0, 1.0, True, 18.0)], 2.0, 1e9, 1.0, 0.0)
    of = Entry([left, ahead], [1, 1])
    services = (RED, GREEN)
    at = of.slot(of.start(), services, services, 0.0, 0.0, 10.0, [(), ()])
    assert at.gone == (0, 0)
    services = (GREEN, GREEN)
    at = of.slot(of.start(), services, services, 0.0, 0.0, 10.0, [(), ()])
    assert at.gone == (2, 1)


def test_who_yields_waits_for_a_gap() -> None:
    of = entry(0.0)
    yielding = Service(1, 1.0, 1.0, ((1, 0),))
    foes = [1.0, 2.5, 4.0]
    at = of.slot(of.start(), (yielding,), (yielding,), 0.0, 0.0, 10.0, [foes])
    assert at.left[0][0] > 4.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 40), max_size=10),
    st.lists(st.floats(0, 40), max_size=10),
    st.integers(0, 1),
)
def test_the_search_finds_what_trying_everything_finds(
    north: list[float], east: list[float], phase: int
) -> None:
    lanes = [entry(*sorted(north)), entry(*sorted(east))]
    rows = [[(GREEN,), (RED,)], [(RED,), (GREEN,)]]
    task = Task(lanes, rows, (0.0, 0.0), phase, 20.0, float("inf"), 10.0, 4, 3.0, 4.0, 12.0, BOTH)
    found = Search(task).best()
    best = min(_by_hand(task, phases) for phases in itertools.product((0, 1), repeat=4))
    assert found.cost == pytest.approx(best, abs=1e-6)


def test_a_green_that_must_end_ends_where_it_costs_least() -> None:
    """Ten come in 20 s: the cross street has its turn before, though it would be free after."""
    crowd, few = entry(*(20.0 + 2 * one for one in range(10))), entry(0.0)
    rows = [[(GREEN,), (RED,)], [(RED,), (GREEN,)]]
    task = Task([crowd, few], rows, (0.0, 0.0), 0, 30.0, 50.0, 10.0, 4, 3.0, 4.0, 12.0, BOTH)
    found = Search(task).best()
    assert found.phases[:2] in ((1, 0), (0, 1))
    assert found.phases[2:] == (0, 0)


def test_the_first_phase_is_one_that_is_allowed() -> None:
    rows = [[(GREEN,), (RED,)], [(RED,), (GREEN,)]]
    lanes = [entry(), entry(*range(9))]
    for phase in BOTH:
        only = frozenset((phase,))
        task = Task(lanes, rows, (0.0, 0.0), 0, 30.0, 50.0, 10.0, 4, 3.0, 4.0, 12.0, only)
        assert Search(task).best().phases == (phase, 1, 1, 1)


def _by_hand(task: Task, phases: tuple[int, ...]) -> float:
    total = 0.0
    for number, of in enumerate(task.entries):
        at, before = of.start(), task.phase
        for slot, phase in enumerate(phases):
            row, start = task.services[number], slot * task.slot_s
            at = of.slot(at, row[before], row[phase], start, start + 3, start + 10, [()])
            before = phase
        end, last = 10.0 * len(phases), task.services[number][before]
        total += at.cost + of.waiting(at, end) + of.rest(at, last, end, task.rest_s)
    changes = zip((task.phase, *phases), phases, strict=False)
    return total + task.switch_s * sum(a != b for a, b in changes)


@given(st.floats(0, 300), st.floats(0, 20), st.floats(5, 25))
@example(0.0, 2.2e-311, 5.0)
def test_who_is_nearer_is_there_sooner(distance: float, speed: float, limit: float) -> None:
    assert 0 <= reach_s(distance, speed, limit) <= reach_s(distance + 10, speed, limit)


def test_how_it_works_can_be_set() -> None:
    short = Controller({"a": crossing()}, options=Options(slots=2))
    assert len(short.decide(0.0, seen())["a"].why["plan"]) == 2
