"""Demand fitted to counts: a true demand that nobody knows is found again from what it counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from madang.cli import app
from madang.twin.demand import trips
from madang.twin.demand.assign import BadTrips, Day, assign, by_kind, read
from madang.twin.demand.calibrate import Calibrated, calibrate
from madang.twin.demand.counts import Counts, lines
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario
from tests.twin.street_town import made

BEGIN, END = 300.0, 1200.0  # soon after midnight: five minutes are enough to warm up
SEED = 1
GATES = ("n01", "n02", "n03", "n41", "n42", "n43", "n10", "n20", "n30", "n14", "n24", "n34")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    found = made(tmp_path_factory.mktemp("calibrate") / "town")
    trips.save(by_kind(thought(found)), found.demand)
    return found


def between(scenario: Scenario, flows: dict[tuple[str, str], float], seed: int) -> Day:
    """Return trips between gates: vehicles an hour for each pair."""
    roads, rng = Roads.read(scenario.net), np.random.default_rng(seed)
    into = {one.start: one.id for one in roads.edges.values() if one.start in GATES}
    out = {one.end: one.id for one in roads.edges.values() if one.end in GATES}
    rows = []
    for (start, end), flow in flows.items():
        departs = rng.uniform(0, END, round(flow * END / 3600))
        rows += [(float(depart), into[start], out[end]) for depart in departs]
    rows.sort()
    depart_s, first, last = zip(*rows, strict=True)
    return Day(np.full(len(rows), "passenger"), np.array(depart_s), np.array(first), np.array(last))


def pairs() -> list[tuple[str, str]]:
    return [(a, b) for a in GATES for b in GATES if a[1:] != b[1:] and a != b]


def thought(scenario: Scenario) -> Day:
    """Return the demand as one thinks it is: the same between all gates."""
    return between(scenario, dict.fromkeys(pairs(), 15.0), 1)


def true_counts(scenario: Scenario) -> Counts:
    """Return what is counted of the true demand: more from the west, less elsewhere."""
    flows = {(a, b): 54.0 if a in GATES[:3] else 7.0 for a, b in pairs()}
    edges = [one.id for one in Roads.read(scenario.net).edges.values()]
    asked = Counts(
        np.array(edges), np.full(len(edges), BEGIN), np.full(len(edges), END), np.zeros(len(edges))
    )
    seen = assign(scenario, between(scenario, flows, 7), asked, seed=3)
    return asked.with_vehicles(seen.vehicles(len(asked)))


@pytest.fixture(scope="module")
def counts(scenario: Scenario) -> Counts:
    return true_counts(scenario)


@pytest.fixture(scope="module")
def found(scenario: Scenario, counts: Counts) -> Calibrated:
    return calibrate(scenario, thought(scenario), counts, rounds=2, spreads=(1.0,), seed=SEED)


@pytest.mark.slow
def test_counts_that_were_kept_apart_are_met_better_than_before(found: Calibrated) -> None:
    before, after = found.report.held_out_before, found.report.held_out_after
    assert before.counts == after.counts >= 8
    assert after.error < 0.75 * before.error
    assert after.geh_below_5 >= before.geh_below_5 + 0.15


@pytest.mark.slow
def test_where_more_trips_truly_begin_more_are_found(scenario: Scenario, found: Calibrated) -> None:
    edges = Roads.read(scenario.net).edges
    was, now = (
        np.mean([edges[str(name)].start in GATES[:3] for name in day.start])
        for day in (thought(scenario), found.day)
    )
    assert was == pytest.approx(0.25, abs=0.02)
    assert now > 0.4


@pytest.mark.slow
def test_held_out_edges_are_not_fitted(found: Calibrated, counts: Counts) -> None:
    report = found.report
    assert len(report.held_out) == round(0.25 * len(np.unique(counts.edge)))
    assert report.fitted_before.counts + report.held_out_before.counts == len(counts)


@pytest.mark.slow
def test_a_demand_that_is_right_already_stays(scenario: Scenario) -> None:
    day = thought(scenario)
    edges = [one.id for one in Roads.read(scenario.net).edges.values()]
    size = len(edges)
    asked = Counts(np.array(edges), np.full(size, BEGIN), np.full(size, END), np.zeros(size))
    right = asked.with_vehicles(assign(scenario, day, asked, seed=1).vehicles(size))
    same = calibrate(scenario, day, right, rounds=1, spreads=(1.0,))
    assert same.report.held_out_after.geh_below_5 == 1.0
    assert abs(len(same.day) - len(day)) < 0.03 * len(day)


@pytest.mark.slow
def test_the_command_writes_a_report_and_keeps_the_trips_if_asked(
    scenario: Scenario, counts: Counts, tmp_path: Path
) -> None:
    file, report = tmp_path / "counts.csv", tmp_path / "report.json"
    file.write_text("".join(lines(counts)))
    done = CliRunner().invoke(app, [
        "demand", "calibrate", str(scenario.folder), "--counts", str(file), "--rounds", "1",
        "--seed", str(SEED), "--report", str(report), "--keep",
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "GEH < 5" in done.output
    told = json.loads(report.read_text())
    assert told["held_out"]["after"]["error"] < told["held_out"]["before"]["error"]
    assert len(read(scenario.demand)) == told["trips"]["after"]


def test_a_demand_that_is_not_there_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BadTrips, match="write the demand first"):
        read(tmp_path / "demand.rou.xml")
