"""Figures that days are drawn from, and policies: what is wrong in a file is named."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.twin.people import figures, places, policy, summary
from madang.twin.people.figures import BadFigures
from madang.twin.people.policy import BadPolicy
from madang.twin.people.population import draw
from madang.twin.people.town import Town, town

KOREA = resources.files("madang.twin.people").joinpath("files/korea.toml").read_text("utf-8")


def test_each_published_figure_says_where_it_is_from_and_what_it_was_read_in() -> None:
    for one in figures.korea().published:
        assert one.source
        assert one.address.startswith("https://")
        assert one.checked in ("report", "press")


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ('"infant", "pupil_6"', '"infant", "pupil_7"', "'pupil_7' is no group"),
        ('needs = "main"', 'needs = "mian"', "'mian' names no slot"),
        ("part_time = 0.22", "part_time = 1.22", "part_time is a share"),
        ('"07:40", 35', '"7.40", 35', "'7.40' is no time"),
        ("[households]", "[houses]", "lacks 'households'"),
        ("sizes = [0.355,", "sizes = [", "households.sizes must be 5 numbers"),
        ("name = ", "name = = ", "is not TOML"),
    ],
)
def test_what_is_wrong_in_figures_is_named(was: str, becomes: str, told: str) -> None:
    lines = KOREA.replace(
        'groups = ["senior", "pupil_6", "infant"]', 'groups = ["infant", "pupil_6"]'
    )
    assert was in lines
    with pytest.raises(BadFigures, match=told):
        figures.parsed(lines.replace(was, becomes), "own.toml")


def test_shares_of_a_slot_above_one_are_refused() -> None:
    with pytest.raises(BadFigures, match="worker in slot main sum to more than 1"):
        figures.parsed(KOREA.replace('0.14, start = "10:40"', '0.94, start = "10:40"'), "own.toml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadFigures, match="cannot be read"):
        figures.read(tmp_path / "none.toml")


@given(st.text(max_size=200))
def test_any_text_is_figures_or_refused_in_words(text: str) -> None:
    with pytest.raises(BadFigures):
        figures.parsed(text, "any.toml")


# --- policies -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def somewhere() -> Town:
    return town(places.made(10_000, 4, 1), figures.korea())


def moved(where: Town, text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return summary.moved(draw(where, 10_000, 1), True, 1, policy.parsed(text, where))


def measure(name: str) -> int:
    return summary.MEASURES.index(name)


def test_a_policy_that_changes_nothing_moves_nobody(somewhere: Town) -> None:
    found = moved(somewhere, 'name = "nothing"')
    assert (found[0] == found[1]).all()


def test_a_price_moves_drivers_to_other_modes_and_most_where_it_is_asked(somewhere: Town) -> None:
    car, transit = measure("car_trips"), measure("transit_trips")
    everywhere = moved(somewhere, "[[price]]\nwon = 4000").sum(axis=(1, 2))
    assert everywhere[1, car] < 0.75 * everywhere[0, car]
    assert everywhere[1, transit] > 1.1 * everywhere[0, transit]
    one = moved(somewhere, '[[price]]\nwon = 4000\ndistrict = "District 2"').sum(axis=(1, 2))
    assert everywhere[1, car] < one[1, car] < one[0, car]


def test_work_from_home_takes_trips_from_those_who_work_alone(somewhere: Town) -> None:
    found = moved(somewhere, "remote_work = 0.5").sum(axis=1)[:, :, measure("trips")]
    worker, pupil = figures.GROUPS.index("worker"), figures.GROUPS.index("pupil_6")
    assert found[1, worker] < 0.85 * found[0, worker]
    assert found[1, pupil] == found[0, pupil]


def test_faster_buses_draw_from_cars(somewhere: Town) -> None:
    found = moved(somewhere, "[time]\ntransit = 0.6").sum(axis=(1, 2))
    assert found[1, measure("transit_trips")] > 1.15 * found[0, measure("transit_trips")]
    assert found[1, measure("car_trips")] < found[0, measure("car_trips")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[price]]\nwon = 1\ndistrict = "Distric 2"', "did you mean 'District 2'"),
        ("[[price]]\nwon = -1", "won must be a number from 0"),
        ("[time]\nhorse = 1", "time.horse is no mode"),
        ("remote = 0.1", "'remote' is nothing a policy has"),
        ("remote_work = 2", "remote_work must be a number from 0 to 1"),
        ("remote_work = ", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_policy_is_named(somewhere: Town, text: str, told: str) -> None:
    with pytest.raises(BadPolicy, match=told):
        policy.parsed(text, somewhere)
