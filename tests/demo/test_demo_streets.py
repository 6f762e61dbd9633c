"""Where the incident of the demo city happens, and the way on which help comes."""

from __future__ import annotations

from typing import Any

import pytest

from madang.demo import streets
from madang.demo.quarter import quarter
from madang.services.corridor.way import Way, metres_between


def segments() -> list[dict[str, Any]]:
    found = quarter(1).entities
    return [one for one in found
            if one["type"] == "RoadSegment" and one["roadClass"]["value"] == "primary"]  # fmt: skip


def test_help_comes_along_avenues_to_the_middle_of_the_city() -> None:
    place, way = streets.scene(segments())
    assert way[-1] == place
    assert streets.LEAST_M <= streets.length(way) <= streets.MOST_M + 400
    corners = {tuple(at) for one in segments() for at in one["location"]["value"]["coordinates"]}
    assert sum(one in corners for one in way) >= len(way) - 1


def test_a_place_on_the_way_is_as_far_along_as_was_asked() -> None:
    _, way = streets.scene(segments())
    for metres in (0.0, 500.0, 1_500.0):
        assert abs(Way(way).metres_of(streets.at(way, metres)) - metres) < 2.0


def test_signs_stand_on_both_sides_and_the_car_comes_from_the_south() -> None:
    place = (127.0, 37.5)
    west, east = streets.around(place, 150.0)
    assert round(metres_between(west, place)) == round(metres_between(east, place)) == 150
    assert round(metres_between(streets.moved(place, -26.0), place)) == 26


def test_a_city_without_avenues_is_told_apart() -> None:
    with pytest.raises(streets.NoStreets, match="is it a demo city"):
        streets.scene([])
