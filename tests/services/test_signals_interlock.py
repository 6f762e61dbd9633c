"""The interlock: whatever is asked of it, lights are safe; and when nobody asks, the plan runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.services.signals.interlock import (
    Interlock,
    Refusal,
    UnsafeSignal,
    between,
    conflicts,
    states,
)
from madang.services.signals.signal import GREEN, Phase, Signal, read_programme

# North and south straight (0, 1) with lefts that yield (2, 3); lefts alone; east and west (4, 5).
CROSS, LEFTS = {0, 1, 2, 3}, [{3, 4, 5}, {2, 4, 5}, {1, 4, 5}, {0, 4, 5}]
FOES = tuple(frozenset(foes) for foes in [*LEFTS, CROSS, CROSS])
PHASES = (
    Phase("GGggrr", 5, 50),
    Phase("rrGGrr", 5, 20),
    Phase("rrrrGG", 5, 50, walk_s=6, clear_s=9),
)
LINKS = tuple(((f"in{number}", f"out{number}"),) for number in range(6))


def crossroads(**changes: object) -> Signal:
    ins, outs = tuple(f"in{n}" for n in range(6)), tuple(f"out{n}" for n in range(6))
    length = dict.fromkeys((*ins, *outs), 200.0)
    speed = dict.fromkeys((*ins, *outs), 13.9)
    plan = ((0, 30.0), (1, 8.0), (2, 20.0))
    made = Signal("a", PHASES, LINKS, ins, outs, length, speed, plan, foes=FOES)
    return replace(made, **changes)  # type: ignore[arg-type]


def seconds(lock: Interlock, begin: int, end: int) -> list[str]:
    return [lock.shown(float(t)) for t in range(begin, end)]


# --- what a controller gets ---------------------------------------------------------------------


def test_a_change_goes_over_yellow_and_all_red() -> None:
    lock = Interlock(crossroads(), 0.0)
    assert lock.request(2, 10.0) is None
    assert seconds(lock, 10, 16) == ["yyyyrr"] * 3 + ["rrrrrr"] + ["rrrrGG"] * 2


def test_what_both_phases_have_stays_green_and_yields_until_it_is_protected() -> None:
    lock = Interlock(crossroads(), 0.0)
    assert lock.request(1, 10.0) is None
    assert seconds(lock, 10, 15) == ["yyggrr"] * 3 + ["rrggrr"] + ["rrGGrr"]


def test_a_green_that_is_too_short_is_refused_with_the_time_to_wait() -> None:
    lock = Interlock(crossroads(), 0.0)
    assert lock.request(2, 3.0) == Refusal("minimumGreen", 2.0)
    assert lock.request(2, 5.0) is None
    assert lock.request(0, 7.0) == Refusal("changing", 17.0)


def test_people_who_walk_are_not_cut_off() -> None:
    lock = Interlock(crossroads(), 0.0, phase=2)
    assert [lock.pedestrians(t) for t in (0.0, 5.9, 6.0, 14.9, 15.0)] == [
        "walk", "walk", "clear", "clear", "stop",
    ]  # fmt: skip
    lock = Interlock(crossroads(), 0.0, phase=2)
    assert lock.request(0, 8.0) == Refusal("pedestrians", 7.0)
    assert lock.request(0, 15.0) is None
    assert lock.pedestrians(16.0) == "stop"


@pytest.mark.parametrize("phase", [-1, 3, 99, True])
def test_a_phase_that_does_not_exist_is_refused(phase: int) -> None:
    assert Interlock(crossroads(), 0.0).request(phase, 10.0) == Refusal("unknownPhase", 0.0)


# --- when nobody asks ---------------------------------------------------------------------------


def test_the_fixed_plan_runs_when_nobody_has_asked_and_stops_when_somebody_does() -> None:
    lock = Interlock(crossroads(), 0.0, silent_s=30)
    assert lock.mode(29.0) == "control"
    assert lock.mode(30.0) == "plan"
    shown = seconds(lock, 30, 30 + 70)
    assert {"GGggrr", "rrGGrr", "rrrrGG"} <= set(shown)
    for _ in range(100):
        number, green = lock.phase(100.0)
        if lock.request(number, 100.0) is None:
            break
    assert lock.mode(100.0) == "control"
    assert lock.phase(129.0)[0] == number
    assert green >= 0


def test_the_plan_keeps_to_its_cycle_by_the_clock() -> None:
    lock = Interlock(crossroads(offset_s=5.0), 0.0, silent_s=1)
    cycle = 30 + 8 + 20 + 3 * 4
    lock.shown(200.0)
    first = seconds(lock, 210, 210 + cycle)
    assert seconds(lock, 210 + cycle, 210 + 2 * cycle) == first


def test_a_refused_request_does_not_keep_the_plan_away() -> None:
    lock = Interlock(crossroads(), 0.0, silent_s=30)
    for t in range(40):
        lock.request(99, float(t))
    assert lock.mode(40.0) == "plan"


# --- what it does not take ----------------------------------------------------------------------


def test_two_protected_greens_on_ways_that_cross_are_not_taken() -> None:
    phases = (Phase("GGGGrr", 5, 50), *PHASES[1:])
    with pytest.raises(UnsafeSignal, match="links 0 and 3 cross"):
        Interlock(crossroads(phases=phases), 0.0)


@pytest.mark.parametrize(
    "plan", [(), ((7, 20.0),), ((0, 2.0),), ((2, 14.0),)], ids=["none", "phase", "short", "walk"]
)
def test_a_plan_that_cannot_be_shown_is_not_taken(plan: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(UnsafeSignal):
        Interlock(crossroads(plan=plan), 0.0)


def test_a_phase_with_the_wrong_number_of_letters_is_not_taken() -> None:
    with pytest.raises(UnsafeSignal, match="one of the letters"):
        Interlock(crossroads(phases=(Phase("GG"),), plan=((0, 20.0),)), 0.0)


def test_a_programme_of_sumo_becomes_phases_and_a_plan() -> None:
    steps = [(30.0, "Gr"), (3.0, "yr"), (20.0, "rG"), (3.0, "ry"), (10.0, "Gr"), (3.0, "yr")]
    phases, plan = read_programme(steps)
    assert [one.state for one in phases] == ["Gr", "rG"]
    assert plan == ((0, 30.0), (1, 20.0), (0, 10.0))


# --- whatever happens ---------------------------------------------------------------------------

REQUESTS = st.lists(
    st.tuples(st.floats(0, 40), st.integers(-1, 3) | st.none()), min_size=1, max_size=40
)
SAFE = {*states(crossroads())}


@settings(max_examples=150, deadline=None)
@given(REQUESTS, st.floats(1, 60), st.floats(1, 6), st.floats(0, 4))
def test_no_requests_make_it_unsafe(
    requests: list[tuple[float, int | None]], silent_s: float, yellow_s: float, all_red_s: float
) -> None:
    """Every light: green at least the minimum, yellow for as long as it must, never with foes."""
    signal = crossroads(yellow_s=yellow_s, all_red_s=all_red_s)
    lock = Interlock(signal, 0.0, silent_s=silent_s)
    t, shown = 0.0, []
    for passed, phase in requests:
        moment = t
        while moment < t + passed:
            shown.append((moment, lock.shown(moment)))
            moment += 0.25
        t += passed
        if phase is not None:
            lock.request(phase, t)
        shown.append((t, lock.shown(t)))
    for _, state in shown:
        assert state in SAFE
        assert not list(conflicts(signal, state))
    for link in range(6):
        _check_light([(moment, state[link]) for moment, state in shown], signal)


def _check_light(letters: list[tuple[float, str]], signal: Signal) -> None:
    since, last = letters[0][0], letters[0][1]
    first = True
    for moment, letter in letters[1:]:
        if letter == last or {letter, last} <= set(GREEN):
            continue
        lasted = moment - since + 0.25 + 1e-6  # it is looked at every quarter of a second
        if last in GREEN:
            assert letter == "y"
            assert first or lasted >= 5.0
        elif last == "y":
            assert letter == "r" or signal.all_red_s < 0.5
            assert lasted >= signal.yellow_s
        else:
            assert letter in GREEN
        since, last, first = moment, letter, False


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([0, 1, 2]), st.sampled_from([0, 1, 2]))
def test_between_two_phases_nothing_is_green_that_the_old_one_did_not_have(
    old: int, new: int
) -> None:
    signal = crossroads()
    for lost in "yr":
        state = between(signal, old, new, lost)
        for link, letter in enumerate(state):
            if letter in GREEN:
                assert signal.phases[old].serves(link)
                assert signal.phases[new].serves(link)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-50, 200), max_size=30))
def test_a_clock_that_jumps_back_does_no_harm(times: list[float]) -> None:
    lock = Interlock(crossroads(), 0.0)
    greatest = 0.0
    for t in times:
        lock.request(int(abs(t)) % 3, t)
        assert lock.shown(t) in SAFE
        greatest = max(greatest, t)
    assert lock.shown(greatest) == lock.shown(greatest - 10)
