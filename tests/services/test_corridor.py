"""Ways and stop lines, groups of bicycles, and what is asked of signals ahead."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.services.corridor import ahead
from madang.services.corridor.ahead import Timing
from madang.services.corridor.platoon import groups
from madang.services.corridor.way import Approach, Stop, Way, read, stops, told
from madang.services.signals.signal import Seen, Vehicle

METRE = 1 / 111_195.0
EAST = METRE / math.cos(math.radians(37.5))


def place(u: float, v: float) -> tuple[float, float]:
    """Return a place so many metres east and north of the middle."""
    return 127.0 + u * EAST, 37.5 + v * METRE


def lane(
    signal: str, name: str, at: tuple[float, float], heading: float, *leaves: float
) -> Approach:
    return Approach(signal, name, place(*at), heading, leaves)


# --- ways ---------------------------------------------------------------------------------------


def test_a_way_has_the_stop_lines_along_it_in_their_order() -> None:
    way = Way([place(0, 0), place(0, 1000)])
    lanes = [lane("far", "b", (3, 800), 0, 0), lane("near", "a", (3, 300), 0, 0)]
    assert [(one.signal, round(one.metres)) for one in stops(way, lanes)] == [
        ("near", 300), ("far", 800),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        lane("s", "oncoming", (-3, 300), 180, 180),
        lane("s", "crossing", (-5, 300), 90, 90),
        lane("s", "parallel", (60, 300), 0, 0),
    ],
)
def test_lanes_that_do_not_lead_along_the_way_are_not_on_it(other: Approach) -> None:
    assert stops(Way([place(0, 0), place(0, 1000)]), [other]) == []


def test_where_the_way_turns_left_the_lane_for_left_turns_is_asked() -> None:
    way = Way([place(0, 0), place(0, 300), place(-500, 330)])
    lanes = [lane("s", "straight", (4, 290), 0, 0), lane("s", "left", (1, 290), 0, 270)]
    assert stops(way, lanes) == [Stop("s", ("left",), 290.0)]


def test_a_lane_that_leads_nowhere_else_comes_first() -> None:
    lanes = [lane("s", "mixed", (5, 300), 0, 0, 90), lane("s", "only", (2, 300), 0, 0)]
    (stop,) = stops(Way([place(0, 0), place(0, 1000)]), lanes)
    assert stop.lanes == ("only", "mixed")


def test_a_signal_that_is_passed_twice_is_there_twice() -> None:
    square = [(0, 0), (0, 400), (400, 400), (400, -200), (0, -200), (0, 400)]
    found = stops(Way([place(*one) for one in square]), [lane("s", "l", (2, 150), 0, 0)])
    assert [round(one.metres / 10) for one in found] == [15, 215]


def test_a_place_is_found_beside_the_way_but_not_behind_where_one_is_already() -> None:
    way = Way([place(0, 0), place(0, 500), place(20, 500), place(20, 0)])
    assert round(way.metres_of(place(9, 100))) == 100
    assert round(way.metres_of(place(9, 100), after=400)) == 920
    assert round(way.off(place(-30, 100))) == 30


@pytest.mark.parametrize("line", [[], [place(0, 0)], [place(0, one) for one in range(5_001)]])
def test_a_way_of_no_or_very_many_places_is_refused(line: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="a way has 2 to 5,000 places"):
        Way(line)


def test_stop_lines_are_read_as_they_were_told_and_rubbish_is_left_out() -> None:
    one = lane("s", "l", (2, 150), 0.0, 0.0, 90.0)
    assert read("s", told([one])) == [one]
    assert read("s", {"l": {"at": [1], "heading": "north"}, "m": None}) == []
    assert read("s", ["l"]) == []


# --- a responder --------------------------------------------------------------------------------

STOPS = [Stop("a", ("a1",), 300.0), Stop("b", ("b1", "b2"), 600.0), Stop("c", ("c1",), 5_000.0)]


def test_a_responder_asks_signals_ahead_for_when_it_comes_and_far_ones_later() -> None:
    asked = ahead.corridor(STOPS, 0.0, 1_000.0, {}, Timing(pace_kmh=36, margin_s=0))
    assert [(one.signal, one.lane, one.arrives_s) for one in asked] == [("a", "a1", 1_030.0)]
    assert asked[0].until > 1_030.0
    asked = ahead.corridor(STOPS, 200.0, 1_020.0, {}, Timing(pace_kmh=36, margin_s=0))
    assert [one.arrives_s for one in asked] == [1_030.0, 1_060.0]


def test_a_queue_before_it_lets_it_come_later_to_the_signals_behind() -> None:
    queue = tuple(Vehicle(7.0 * number, 0.0, 20.0) for number in range(20))
    seen = {"a": Seen(0, 0.0, {"a1": queue}, {})}
    asked = ahead.corridor(STOPS, 200.0, 0.0, seen, Timing(pace_kmh=36, margin_s=0))
    assert [one.arrives_s for one in asked] == [8.0 + 2.0]  # 42 s until it is through: b is far
    assert asked[0].until > ahead.clears(14)


def test_what_is_behind_is_not_asked_and_can_be_taken_back() -> None:
    assert ahead.corridor(STOPS[:2], 700.0, 0.0, {}, Timing()) == []
    over = ahead.over("a", "a1", "emergency", 50.0)
    assert over.until == 50.0


def test_a_signal_that_is_near_is_told_the_time_at_which_it_comes_and_not_before() -> None:
    (asked,) = ahead.corridor(STOPS[:1], 250.0, 0.0, {}, Timing(pace_kmh=36, margin_s=4))
    assert asked.arrives_s == 5.0


# --- bicycles -----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 200), st.floats(0, 8)), max_size=30),
    st.integers(2, 6),
    st.floats(5, 40),
)
def test_groups_are_disjoint_large_enough_and_close_together(
    riders: list[tuple[float, float]], least: int, gap: float
) -> None:
    found = groups(riders, least, gap)
    assert sum(one.riders for one in found) <= len(riders)
    for one in found:
        assert one.riders >= least
        assert one.tail - one.head <= gap * (one.riders - 1) + 1e-9
    assert all(b.head - a.tail > gap for a, b in pairwise(found))


def test_four_are_no_group_and_neither_are_five_far_apart() -> None:
    assert groups([(10.0 * n, 5.0) for n in range(4)]) == []
    assert groups([(50.0 * n, 5.0) for n in range(5)]) == []


def test_a_wave_runs_before_a_group_at_its_pace_and_lasts_until_the_last_is_through() -> None:
    (group,) = groups([(50.0 + 5 * n, 5.0) for n in range(5)])
    avenue = [Stop("a", ("a1",), 200.0), Stop("b", ("b1",), 400.0), Stop("z", ("z1",), 2_000.0)]
    asked = ahead.wave(avenue, 0, group, 0.0, 75.0, 2.0)
    assert [(one.signal, round(one.arrives_s)) for one in asked] == [("a", 8), ("b", 48)]
    assert asked[0].until > 70 / 5
    both = [Stop("a", ("a1", "a2"), 200.0)]
    near = group._replace(head=10.0, tail=30.0)
    asked = ahead.wave(both, 0, near, 0.0, 75.0, 8.0)
    assert [(one.lane, one.arrives_s) for one in asked] == [("a1", 0.0), ("a2", 9.0)]


def test_a_bus_asks_when_it_is_near_and_knows_that_it_calls_at_a_stop_before() -> None:
    stop = Stop("a", ("a1",), 200.0)
    assert ahead.bus(stop, 0.0, 10.0, 0.0, False, 10.0) is None
    asked = ahead.bus(stop, 0.0, 10.0, 0.0, False, 30.0)
    called = ahead.bus(stop, 0.0, 10.0, 0.0, True, 60.0)
    assert asked is not None
    assert called is not None
    assert (asked.arrives_s, called.arrives_s) == (20.0, 35.0)
