"""Connected vehicles of the live twin: which entity drives, and what it says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from madang.twin.live.fleet import SORTS, Fleet
from madang.twin.live.pace import DAY_S, behind
from madang.twin.street.vehicles import Vehicles

BUSES = {"01": ["bus-1", "bus-2"], "02": ["bus-3"]}
HERE = (127.0, 37.5)


def fleet(most: int = 2) -> Fleet:
    sorts = {kind: SORTS[kind]._replace(most=most) for kind in ("passenger", "truck")}
    return Fleet(BUSES, "{kind}-{number}", sorts)


def at(*vehicles: str, lon: float = 127.0, speed: float = 10.0) -> Vehicles:
    count = len(vehicles)
    return Vehicles(
        vehicles,
        np.full(count, lon),
        np.full(count, 37.5),
        np.full(count, speed),
        np.full(count, 359.7),
        ("passenger",) * count,
    )


def test_a_bus_drives_as_one_of_its_line_while_there_is_one() -> None:
    town = fleet()
    assert town.depart("a", "bus", "01", HERE)
    assert town.depart("b", "bus", "01", HERE)
    assert not town.depart("c", "bus", "01", HERE)
    assert not town.depart("d", "bus", "99", HERE)
    assert town.buses == ["bus-1", "bus-2"]
    town.arrive("a")
    assert town.depart("c", "bus", "01", HERE)
    assert town.buses == ["bus-1", "bus-2"]


def test_cars_and_lorries_are_a_sample_and_others_are_not_followed() -> None:
    town = fleet()
    assert [town.depart(id, "passenger", "", HERE) for id in "abc"] == [True, True, False]
    assert town.depart("t", "truck", "", HERE)
    assert not town.depart("s", "ship", "", HERE)
    assert town.under_way == ("a", "b", "t")
    (said,) = town.told(at("t"), "t")
    assert (said["id"], said["vehicleType"]["value"]) == ("lorry-001", "lorry")


def test_a_bus_says_how_late_it_is() -> None:
    town = fleet()
    town.depart("a", "bus", "01", HERE)
    (said,) = town.told(at("a"), "t", {"a": 61.6})
    assert (said["delay"]["value"], said["delay"]["unitCode"]) == (62, "SEC")


def test_a_trip_begins_with_the_parked_car_that_is_nearest() -> None:
    town = fleet()
    for id, lon in (("a", 127.0), ("b", 127.5)):
        town.depart(id, "passenger", "", HERE)
        town.told(at(id, lon=lon), "t")
    town.arrive("a")
    town.arrive("b")
    assert town.depart("c", "passenger", "", (127.4, 37.5))
    (said,) = town.told(at("c", lon=127.41), "t")
    assert said["id"] == "car-002"


def test_a_car_that_has_not_said_anything_is_as_new() -> None:
    town = fleet(most=1)
    town.depart("a", "passenger", "", HERE)
    town.arrive("a")
    assert town.depart("b", "passenger", "", HERE)
    assert [one["id"] for one in town.told(at("b"), "t")] == ["car-001"]


def test_a_car_says_where_it_is_and_first_what_it_is() -> None:
    town = fleet()
    town.depart("a", "passenger", "", HERE)
    (said,) = town.told(at("a"), "2026-11-21T00:00:00Z")
    assert said["location"]["value"] == {"type": "Point", "coordinates": (127.0, 37.5)}
    assert said["location"]["observedAt"] == "2026-11-21T00:00:00Z"
    assert (said["speed"]["value"], said["speed"]["unitCode"]) == (36.0, "KMH")
    assert said["heading"]["value"] == 0
    assert said["vehicleType"]["value"] == "car"
    (said,) = town.told(at("a", lon=127.1), "t")
    assert "vehicleType" not in said


def test_who_stands_still_says_it_once() -> None:
    town = fleet()
    town.depart("a", "passenger", "", HERE)
    assert len(town.told(at("a", speed=0.0), "t")) == 1
    assert town.told(at("a", speed=0.0), "t") == []
    assert len(town.told(at("a", speed=1.0), "t")) == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=60))
def test_no_entity_ever_drives_twice(steps: list[tuple[int, bool]]) -> None:
    town = fleet(most=3)
    for number, is_bus in steps:
        vehicle = f"{'b' if is_bus else 'c'}{number}"
        if vehicle in town.under_way:
            town.arrive(vehicle)
        else:
            town.depart(vehicle, "bus" if is_bus else "passenger", "01", HERE)
        said = [one["id"] for one in town.told(at(*town.under_way), str(number))]
        assert len(said) == len(set(said))
        driven = [town._driven[one][0] for one in town.under_way]
        assert len(driven) == len(set(driven))


@given(st.floats(0, DAY_S - 1), st.floats(-1000, 1000))
def test_being_behind_the_clock_does_not_mind_midnight(now: float, late: float) -> None:
    assert abs(behind(now, (now + late) % DAY_S) - late) < 1e-6
