"""How hubs of equal role share the duties out."""

from __future__ import annotations

from hypothesis import given as examples
from hypothesis import strategies as st

from madang.hub.duties import DUTIES, LANES, LATER_S, OF_ROLE, Duty, lane_of, patience, surplus

WORK = OF_ROLE["worker"]


def test_each_duty_is_taken_on_by_a_role_other_than_all() -> None:
    taken = [duty for role, duties in OF_ROLE.items() if role != "all" for duty in duties]
    assert sorted(taken) == sorted(DUTIES)


def test_nothing_is_handed_over_where_nobody_would_take_it() -> None:
    assert surplus(DUTIES, []) is None
    assert patience(DUTIES, []) == 0


def test_who_has_more_leaves_what_is_free_to_others() -> None:
    assert patience(["services"], [[]]) == LATER_S
    assert patience(["services"], [["history"]]) == 0
    assert patience(["sense"], [[]]) == 0, "devices do not count among workers"


def test_subscriptions_are_spread_over_the_lanes_and_stay_in_theirs() -> None:
    found = [lane_of(f"urn:ngsi-ld:Subscription:{number}") for number in range(1000)]
    assert all(200 < found.count(lane) < 300 for lane in LANES)
    # What is written here must not change: hubs of two versions work side by side in an update.
    assert found[:4] == [LANES[2], LANES[0], LANES[2], LANES[0]]


@examples(st.lists(st.sampled_from(range(3)), min_size=6, max_size=6), st.integers(1, 3))
def test_duties_come_to_be_shared_out_and_stay_so(holders: list[int], hubs: int) -> None:
    has: list[list[Duty]] = [[] for _ in range(hubs)]
    for duty, holder in zip(WORK, holders, strict=True):
        has[holder % hubs].append(duty)
    for _ in WORK:
        for number, mine in enumerate(has):
            others = [one for n, one in enumerate(has) if n != number]
            given = surplus(mine, others)
            if given is not None:
                mine.remove(given)
                min(others, key=len).append(given)
    sizes = sorted(map(len, has))
    assert sizes[-1] - sizes[0] <= 1
