"""Policies do on a small town's streets what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from madang.twin.branch.start import Count, Known, Start, usual
from tests.twin.branch_driven import tried
from tests.twin.street_town import Elsewhere, made

pytestmark = pytest.mark.slow
# Cars go from n02 to n42, straight on along row 2 through n12, n22, n32.
THROUGH = "n12-n22"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("branch") / "city").folder


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    found = Elsewhere()
    yield found
    found.close()


@pytest.fixture(scope="module")
def usually(elsewhere: Elsewhere, town: Path) -> dict[str, Any]:
    found: dict[str, Any] = elsewhere(tried, town, "title = 'as it is'")
    return found


def test_traffic_is_measured(usually: dict[str, Any]) -> None:
    assert usually["trips"] == 60
    assert usually["arrived"] > 20
    assert usually["streets"]["flow"][THROUGH] > 300
    assert usually["co2"] > 0
    assert 40 < usually["noise"] < 90
    assert usually["reach_30"] == 100
    assert usually["parking"] == usually["arrived"]


def test_the_same_seed_drives_the_same_and_another_does_not(
    elsewhere: Elsewhere, town: Path, usually: dict[str, Any]
) -> None:
    assert elsewhere(tried, town, "title = 'x'")["delay"] == usually["delay"]
    assert elsewhere(tried, town, "title = 'x'", 2)["delay"] != usually["delay"]


def test_a_closure_sends_everybody_another_way(elsewhere: Elsewhere, town: Path) -> None:
    found = elsewhere(tried, town, f"[[closure]]\nedges = ['{THROUGH}']\nto_min = 90")
    flow = found["streets"]["flow"]
    assert not flow[THROUGH] > 0  # NaN: nobody
    assert flow["n12-n13"] > 0 or flow["n12-n11"] > 0
    assert found["arrived"] > 5
    assert found["stranded"] == 0


def test_a_closed_lane_leaves_the_street_open(elsewhere: Elsewhere, town: Path) -> None:
    found = elsewhere(tried, town, f"[[closure]]\nedges = ['{THROUGH}']\nlanes = 1")
    assert found["streets"]["flow"][THROUGH] > 300


def test_nobody_drives_through_a_superblock(
    elsewhere: Elsewhere, town: Path, usually: dict[str, Any]
) -> None:
    block = "[[superblock]]\nplace = [126.9045, 37.5036]\nradius_m = 150"
    found = elsewhere(tried, town, block)
    assert not found["streets"]["flow"][THROUGH] > 0
    assert found["travel_time"] > usually["travel_time"]


def test_a_price_makes_some_drive_around_and_some_not_at_all(
    elsewhere: Elsewhere, town: Path, usually: dict[str, Any]
) -> None:
    price = f"[[price]]\nedges = ['{THROUGH}', 'n12-n11', 'n12-n13']\namount = 5\n"
    found = elsewhere(tried, town, price + "value_of_time = 60\nelasticity = -0.4")
    assert 0 < found["car_trips"] < usually["car_trips"]
    small = f"[[price]]\nedges = ['{THROUGH}']\namount = 5\nvalue_of_time = 60\nelasticity = 0"
    around = elsewhere(tried, town, small)
    assert around["car_trips"] == usually["car_trips"]
    assert not around["streets"]["flow"][THROUGH] > 0


def test_a_speed_limit_is_kept(elsewhere: Elsewhere, town: Path) -> None:
    limit = f"[[speed_limit]]\nedges = ['{THROUGH}']\nspeed_kmh = 18"
    assert elsewhere(tried, town, limit)["streets"]["speed"][THROUGH] < 18 * 1.15


def test_a_bus_line_takes_people_out_of_cars(
    elsewhere: Elsewhere, town: Path, usually: dict[str, Any]
) -> None:
    stops = "stops = [[126.9011, 37.5036], [126.908, 37.5036]]\nfrom_cars = 0.5"
    found = elsewhere(tried, town, f"[[bus_line]]\n{stops}\nheadway_min = 1")
    assert 10 < found["car_trips"] < 50
    back = "n32-n22"
    assert found["streets"]["flow"][back] > 0
    assert not usually["streets"]["flow"][back] > 0


def test_who_rides_a_bicycle_does_not_drive(elsewhere: Elsewhere, town: Path) -> None:
    found = elsewhere(tried, town, "[[bicycles]]\nshare = 1\nlanes = {edges = ['n12-n22']}")
    assert found["car_trips"] == 0
    assert found["trips"] == 60


def test_signals_can_be_controlled_otherwise(
    elsewhere: Elsewhere, town: Path, usually: dict[str, Any]
) -> None:
    found = elsewhere(tried, town, "[signals]\ncontrol = 'max_pressure'")
    assert found["arrived"] >= usually["arrived"] - 5
    assert found["delay"] != usually["delay"]


def test_known_cars_go_on_from_where_they_are(elsewhere: Elsewhere, town: Path) -> None:
    begin = usual("08:02")
    known = Known(126.9063, 37.50715, 5.0, 90.0, "car")  # on row 4, where nobody drives
    within = Known(126.904536, 37.5036, 5.0, 90.0, "car")  # a junction
    start = Start("now", 0, begin.second, (within, known), (Count(126.9011, 37.5036, 900.0),))
    flow = elsewhere(tried, town, "title = 'x'", 1, start)["streets"]["flow"]
    assert any(flow[edge] > 0 for edge in ("n23-n33", "n33-n32", "n33-n43", "n33-n23"))


def test_a_place_outside_the_city_is_refused(elsewhere: Elsewhere, town: Path) -> None:
    found = elsewhere(tried, town, "[[speed_limit]]\nplace = [0, 0]\nspeed_kmh = 30")
    assert "speed_limit[0] of 'policy' is on no street of the network" in found["error"]


def test_a_time_at_which_nobody_drives_is_refused(elsewhere: Elsewhere, town: Path) -> None:
    found = elsewhere(tried, town, "title = 'x'", 1, usual("03:00"))
    assert "nobody drives in the scenario at that time" in found["error"]


def test_streets_are_found_by_their_name(elsewhere: Elsewhere, town: Path) -> None:
    found = elsewhere(tried, town, "[[speed_limit]]\nstreets = ['street']\nspeed_kmh = 10")
    speeds = [one for one in found["streets"]["speed"].values() if not math.isnan(one)]
    assert speeds
    assert max(speeds) < 10 * 1.6  # buses and cars have speed factors of their own


def test_until_the_start_all_policies_are_the_same(elsewhere: Elsewhere, town: Path) -> None:
    start = Start("now", 0, usual("08:02").second, (), (Count(126.9011, 37.5036, 700.0),) * 2)
    found = [
        elsewhere(tried, town, text, 1, start)["trips"]
        for text in ("title = 'x'", "[signals]\ncontrol = 'max_pressure'")
    ]
    assert found[0] == found[1] != 50  # the usual ones, made to fit the counts
