from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from madang.sense.feeds import state as states
from madang.sense.feeds.state import State

S = 1_000_000
EVERY = 300.0


def waits(trouble: states.Trouble, every_s: float, times: int) -> list[float]:
    """Return how long it is waited after each of so many failures in a row. [s]"""
    state, found = State(), []
    for _ in range(times):
        state.went_wrong(0, every_s, trouble, "why", 0)
        found.append(state.next / S)
    return found


def test_a_good_reading_is_followed_by_the_next_after_about_the_interval() -> None:
    state = State(failures=3, trouble="unavailable", error="why")
    state.went_well(0, EVERY)
    assert 0.95 * EVERY <= state.next / S <= 1.05 * EVERY
    assert (state.failures, state.trouble, state.error, state.readings) == (0, "", "", 1)


def test_what_may_pass_is_tried_again_soon_and_then_ever_later() -> None:
    found = waits("unavailable", EVERY, 8)
    assert 60 <= found[0] <= 63
    assert 120 <= found[1] <= 126
    assert max(found) <= 945


def test_a_slow_feed_is_tried_again_before_its_next_turn() -> None:
    assert waits("unavailable", 86_400, 1)[0] <= 63


def test_a_no_is_not_asked_for_again_soon() -> None:
    found = waits("refused", 10, 12)
    assert found[0] >= 900
    assert found[-1] >= 86_400


def test_a_publisher_that_asks_to_wait_is_left_alone() -> None:
    state = State()
    state.went_wrong(0, EVERY, "unavailable", "why", 7200)
    assert state.next == 7200 * S


def test_an_alarm_is_due_after_three_intervals_or_at_once_for_a_no() -> None:
    state = State(added=0, good=1000 * S)
    state.went_wrong(1100 * S, EVERY, "unavailable", "why", 0)
    assert not state.needs_alarm(1900 * S, EVERY)
    assert state.needs_alarm(1901 * S, EVERY)
    state.went_wrong(1100 * S, EVERY, "refused", "why", 0)
    assert state.needs_alarm(1100 * S, EVERY)
    state.went_well(1200 * S, EVERY)
    assert not state.needs_alarm(9999 * S, EVERY)


def test_a_state_of_another_version_can_be_read() -> None:
    state = states.load(b'{"readings": 7, "somethingNewer": true}')
    assert (state.readings, state.on) == (7, True)


@given(
    failures=st.integers(0, 100),
    readings=st.integers(0, 2**40),
    error=st.text(max_size=50),
    notes=st.dictionaries(st.text(max_size=5), st.integers(-(2**50), 2**50)),
)
def test_a_state_comes_back_as_it_was_kept(
    failures: int, readings: int, error: str, notes: dict[str, int]
) -> None:
    state = State(failures=failures, readings=readings, error=error, notes=notes)
    assert states.load(state.dump()) == state


@given(
    every_s=st.floats(5, 31 * 86_400),
    trouble=st.sampled_from(["unavailable", "refused", "unusable", "fault"]),
    times=st.integers(1, 40),
)
def test_no_publisher_is_hammered_and_none_is_given_up(
    every_s: float, trouble: states.Trouble, times: int
) -> None:
    found = waits(trouble, every_s, times)
    assert all(wait >= min(every_s, 60) for wait in found)
    assert all(wait <= max(every_s, 86_400) * 1.05 for wait in found)
