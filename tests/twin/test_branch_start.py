"""What a trial begins from is read from the city's entities, now and in the past."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.hub.tenant import Tenant
from madang.model import time
from madang.model.entity import Entity
from madang.model.errors import BadRequestData
from madang.query.tree import HasType, Query
from madang.trust.hiding import row_of
from madang.twin.branch.start import Count, Known, Start, of_city, second_of_day, usual

NOW = time.parse("2027-01-29T00:30:00Z")  # half past nine in Seoul
RECENT, OLD = "2027-01-29T00:29:58Z", "2027-01-28T23:00:00Z"
PLACE = {"type": "Point", "coordinates": [126.9, 37.5]}


def entity(type_: str, id: str, at: str = RECENT, **values: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"id": f"urn:ngsi-ld:{type_}:{id}", "type": type_}
    made["location"] = {"type": "GeoProperty", "value": PLACE, "observedAt": at}
    for name, value in values.items():
        made[name] = {"type": "Property", "value": value, "observedAt": at}
    return made


class City:
    """Entities at present and in the past, asked for as a tenant is."""

    def __init__(self, *now: dict[str, Any], past: Sequence[dict[str, Any]] = ()) -> None:
        self._now, self._past = now, past
        self.history = self

    async def query(self, query: Query) -> Any:
        return SimpleNamespace(rows=[row_of(one) for one in self._of(query, self._now)])

    async def read(self, ask: Any) -> Any:
        return ask(self)

    def states(self, query: Query, at: int) -> Any:
        return list(self._of(query, self._past)), None, False

    def _of(self, query: Query, all: Sequence[dict[str, Any]]) -> list[Entity]:
        (selector,) = query.selectors
        assert isinstance(selector.types, HasType)
        name = selector.types.name
        return [Entity(one, 0, 0, 0) for one in all if one["type"] == name]


async def start(city: City, is_past: bool = False) -> Start:
    return await of_city(cast(Tenant, city), NOW, is_past, "Asia/Seoul")


async def test_vehicles_counts_and_signals_of_the_moment_are_taken() -> None:
    found = await start(
        City(
            entity("Vehicle", "1", vehicleType="car", speed=36, heading=90),
            entity("TrafficFlowObserved", "1", intensity=600),
            entity("TrafficSignal", "demo:n22", currentPhase=1, controlMode="control"),
        )
    )
    assert found.vehicles == (Known(126.9, 37.5, 10.0, 90.0, "car"),)
    assert found.counts == (Count(126.9, 37.5, 600.0),)
    assert found.phases == (("n22", 1),)
    assert found.control == "cognitive"
    assert (found.kind, found.second) == ("now", 9.5 * 3600)


async def test_what_was_told_long_ago_says_nothing_of_now() -> None:
    found = await start(
        City(
            entity("Vehicle", "1", OLD, vehicleType="car", speed=36),
            entity("TrafficFlowObserved", "1", OLD, intensity=600),
        )
    )
    assert (found.vehicles, found.counts) == ((), ())


async def test_what_a_vehicle_of_the_past_is_may_be_told_at_present_only() -> None:
    bus = entity("Vehicle", "7", speed=18)
    found = await start(City(entity("Vehicle", "7", vehicleType="bus"), past=[bus]), is_past=True)
    assert [one.kind for one in found.vehicles] == ["bus"]
    assert found.kind == "past"


async def test_what_is_no_road_user_and_has_no_place_is_left_out() -> None:
    nowhere: dict[str, Any] = {"id": "urn:ngsi-ld:Vehicle:2", "type": "Vehicle"}
    found = await start(City(entity("Vehicle", "1", vehicleType="ferry"), nowhere))
    assert found.vehicles == ()


async def test_without_signals_plans_are_fixed() -> None:
    assert (await start(City())).control == "fixed"


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_time_of_day_is_read(hour: int, minute: int) -> None:
    assert usual(f"{hour:02d}:{minute:02d}").second == 3600 * hour + 60 * minute


@given(st.text(max_size=8))
def test_anything_else_is_refused_in_words(text: str) -> None:
    try:
        second = usual(text).second
    except BadRequestData as error:
        second = 0.0
        assert "08:15" in str(error)  # noqa: PT017
    assert 0 <= second < 86_400


def test_a_day_is_that_of_the_city() -> None:
    assert second_of_day(NOW, "Asia/Seoul") == 9.5 * 3600
    assert second_of_day(NOW, "Atlantic/Canary") == 1800


@pytest.mark.parametrize("control", ["fixed", "cognitive"])
def test_a_start_is_the_same_when_it_is_read_again(control: str) -> None:
    made = Start("now", NOW, 5.0, (Known(1, 2, 3, 4, "car"),), (Count(1, 2, 3),), (("a", 1),),
                 control)  # fmt: skip
    assert Start.of(made.told()) == made
