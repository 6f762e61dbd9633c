"""The street: SUMO second by second, behind cabinets, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin import street_driven
from tests.twin.street_town import BEGIN_S, Elsewhere, made


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("street") / "town").folder


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    found = Elsewhere()
    yield found
    found.close()


def test_traffic_flows_by_the_fixed_plan_and_is_measured(town: Path, elsewhere: Elsewhere) -> None:
    found = elsewhere(street_driven.by_itself, town)
    assert found["now"] == BEGIN_S + 300
    assert found["mode"] == "plan"
    assert found["phases"] >= 2
    assert found["shown"] > found["phases"]  # yellow and red between them
    assert found["counts"]["west"].vehicles > 5
    assert found["counts"]["west"].speed > 3
    assert 0 < found["counts"]["west"].occupancy < 1
    told = found["indicators"]
    assert told["departed"] == told["arrived"] + told["running"] >= 50
    assert told["delay_s"] > 0
    assert told["travel_s"] > 60
    assert told["co2_kg"] > 1
    assert len(found["ids"]) == told["running"]
    assert all(126.89 < lon < 126.92 for lon in found["lon"])
    assert all(37.49 < lat < 37.52 for lat in found["lat"])
    assert all(0 <= speed < 25 for speed in found["speed"])


def test_the_same_seed_drives_the_same(town: Path, elsewhere: Elsewhere) -> None:
    one, same, other = elsewhere(street_driven.twice, town)
    assert one == same
    assert one != other


def test_a_cabinet_grants_a_phase_when_it_is_safe_and_holds_it(
    town: Path, elsewhere: Elsewhere
) -> None:
    found = elsewhere(street_driven.asked, town)
    assert found["unknown"].reason == "unknownPhase"
    assert found["refusals"][-1] is None
    assert found["phase"] == found["other"]
    assert found["shown"][-1] == found["state"]
    assert any("y" in state for state in found["shown"])
    assert found["mode"] == "control"


def test_detectors_see_who_comes_and_who_has_passed(town: Path, elsewhere: Elsewhere) -> None:
    found = elsewhere(street_driven.seen, town)
    assert found["nearest"] == sorted(found["nearest"], reverse=True)
    assert max(found["nearest"]) <= 200
    assert min(found["nearest"]) < 20
    assert found["behind"] == 1
    assert found["all"] == 9


def test_a_car_that_crashes_stands_in_its_lane_until_it_is_freed(
    town: Path, elsewhere: Elsewhere
) -> None:
    found = elsewhere(street_driven.crashed, town)
    assert [one["signal"] for one in found["ahead"]] == ["n12", "n22", "n32"]
    assert found["ahead"][0]["lane"].startswith("n02-n12_")
    assert found["stood"] == [0.0]
    assert found["goes"][0] > 1


def test_who_would_come_through_a_closed_street_takes_another_way(
    town: Path, elsewhere: Elsewhere
) -> None:
    found = elsewhere(street_driven.closed, town)
    assert "n12-n22" not in found["me"]
    assert "n12-n22" not in found["later"]
    assert "n12-n22" in found["help"]
    assert "n12-n22" in found["last"]


def test_what_cannot_depart_says_why(town: Path, elsewhere: Elsewhere) -> None:
    assert "me cannot depart" in elsewhere(street_driven.refused, town)
