"""How hubs of equal role share the duties out."""

from __future__ import annotations

from hypothesis import given as examples
from hypothesis import strategies as st

from madang.hub.duties import (
    DUTIES,
    LATER_S,
    MOVABLE,
    OF_ROLE,
    Duty,
    Work,
    busy,
    concerns,
    lane_of,
    lane_of_service,
    patience,
    surplus,
    work_of,
)
from madang.services.services import installed

LANES: dict[Work, list[Duty]] = {}
for one in DUTIES:
    LANES.setdefault(work_of(one), []).append(one)
CITY = busy([""])
"""What there is to do where nobody has made a tenant."""


def test_each_duty_is_taken_on_by_a_role_other_than_all() -> None:
    taken = [duty for role, duties in OF_ROLE.items() if role != "all" for duty in duties]
    assert sorted(taken) == sorted(DUTIES)


def test_nothing_is_handed_over_where_nobody_would_take_it() -> None:
    assert surplus(DUTIES, []) is None
    assert patience("services/1", DUTIES, []) == 0


def test_who_has_more_leaves_what_is_free_to_others() -> None:
    assert patience("history/1", ["services/1"], [[]]) == LATER_S
    assert patience("history/1", ["services/1"], [["services/2"]]) == 0
    assert patience("history/1", ["sense"], [[]]) == 0, "devices do not count among workers"
    assert patience("history/1", ["services/1"], [["history/2"]]) == 0, "of history it has less"
    assert patience("sense", ["services/1"], [[]]) == 0, "devices wait for nobody"


def test_lanes_of_history_that_no_tenant_is_in_stay_where_they_are_and_do_not_count() -> None:
    always = ["sense", *LANES["services"], *LANES["notifications"]]
    assert sorted(CITY) == sorted([*always, "history/1"])
    others = [[duty for duty in MOVABLE if duty not in CITY]]
    assert surplus(MOVABLE, [[]], CITY) in CITY
    assert surplus(["services/1", "history/1"], others, CITY) is not None
    assert patience("history/1", others[0], [["services/1"]], CITY) == 0


def test_subscriptions_are_spread_over_the_lanes_and_stay_in_theirs() -> None:
    found = [
        lane_of("notifications", f"urn:ngsi-ld:Subscription:{number}") for number in range(1000)
    ]
    lanes = LANES["notifications"]
    assert all(200 < found.count(lane) < 300 for lane in lanes)
    # What is written here must not change: hubs of two versions work side by side in an update.
    assert found[:4] == [lanes[2], lanes[0], lanes[2], lanes[0]]


def test_a_tenant_as_a_whole_is_in_one_lane_of_services_for_notices_and_one_of_history() -> None:
    for tenant in ("", "north", "south", "강남구"):
        works = [work_of(duty) for duty in DUTIES if concerns(duty, tenant)]
        assert works == ["sense", "services", "history", *["notifications"] * 4]
    assert (lane_of("services", ""), lane_of("history", "")) == ("services/1", "history/1")


@examples(st.text(max_size=20))
def test_the_services_of_a_tenant_are_spread_over_the_lanes(tenant: str) -> None:
    lanes = [lane_of_service(tenant, name) for name in installed()]
    assert {*lanes} == {*LANES["services"]}
    assert max(map(lanes.count, lanes)) <= len(lanes) / 2, "or a better way to cut is to be found"


def test_a_service_stays_in_its_lane() -> None:
    """What is written here must not change: hubs of two versions work side by side."""
    names = ("rules", "air", "parking", "incidents")
    assert [lane_of_service("", name) for name in names] == LANES["services"]
    assert [lane_of_service("강남구", name) for name in names] == [
        "services/3", "services/4", "services/1", "services/2",
    ]  # fmt: skip


@examples(st.lists(st.integers(0, 2), min_size=12, max_size=12), st.integers(1, 3), st.booleans())
def test_duties_come_to_be_shared_out_and_stay_so(
    holders: list[int], hubs: int, is_alone: bool
) -> None:
    """With many tenants, each work by itself; with one tenant, what there is to do."""
    some = CITY if is_alone else frozenset(DUTIES)
    has: list[list[Duty]] = [[] for _ in range(hubs)]
    for duty, holder in zip(MOVABLE, holders, strict=True):
        has[holder % hubs].append(duty)
    for _ in range(3 * len(MOVABLE)):
        for number, mine in enumerate(has):
            others = [one for n, one in enumerate(has) if n != number]
            given = surplus(mine, others, some)
            if given is not None:
                mine.remove(given)
                _taken(given, mine, others, some)
    for number, mine in enumerate(has):
        others = [one for n, one in enumerate(has) if n != number]
        assert surplus(mine, others, some) is None
    of_all = [sum(duty in some for duty in one) for one in has]
    assert max(of_all) - min(of_all) <= 1
    for lanes in LANES.values():
        of_work = [sum(duty in some and duty in lanes for duty in one) for one in has]
        assert max(of_work) - min(of_work) <= 2


def _taken(duty: Duty, giver: list[Duty], others: list[list[Duty]], some: frozenset[Duty]) -> None:
    """Give a duty to a hub that does not wait for others to take it."""
    for one in others:
        rest = [giver, *(other for other in others if other is not one)]
        if patience(duty, one, rest, some) == 0:
            one.append(duty)
            return
    raise AssertionError("everybody waits for another")
