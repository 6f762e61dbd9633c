"""Counts, and how well a model meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.twin.demand.counts import BadCounts, Counts, fit, geh, lines, read

FLOWS = st.floats(0, 5000)


@given(FLOWS, FLOWS)
def test_geh_is_the_same_from_both_sides_and_nothing_where_both_agree(a: float, b: float) -> None:
    assert float(geh(a, b)) == pytest.approx(float(geh(b, a)))
    assert float(geh(a, a)) == 0.0


def test_geh_is_that_of_the_textbook() -> None:
    assert float(geh(1200, 1000)) == pytest.approx(np.sqrt(2 * 200**2 / 2200))


def some(vehicles: list[float]) -> Counts:
    count = len(vehicles)
    return Counts(
        np.array([f"e{number}" for number in range(count)]), np.zeros(count),
        np.full(count, 1800.0), np.array(vehicles),
    )  # fmt: skip


def test_a_fit_is_by_the_hour() -> None:
    found = fit(np.array([100.0, 50.0]), some([100.0, 100.0]))
    assert found.geh_below_5 == 0.5  # 100 an hour for 200 is a GEH of 8.2
    assert found.rmse == pytest.approx(100 / np.sqrt(2))
    assert found.error == pytest.approx(0.25)
    assert found.bias == pytest.approx(-0.25)


def test_counts_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "counts.csv"
    file.write_text("".join(lines(some([3, 4]))))
    assert read(file).vehicles.tolist() == [3, 4]
    assert read(file).edge.tolist() == ["e0", "e1"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("edge,start_s,vehicles\n", "no column 'end_s'"),
        ("edge,start_s,end_s,vehicles\na,0,900,many\n", "row 2: .* are numbers"),
        ("edge,start_s,end_s,vehicles\na,900,900,1\n", "ends after it begins"),
        ("edge,start_s,end_s,vehicles\na,0,900,-1\n", "row 2"),
        ("edge,start_s,end_s,vehicles\n", "has no counts"),
    ],
)
def test_what_is_wrong_in_counts_is_named(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "counts.csv"
    file.write_text(text)
    with pytest.raises(BadCounts, match=told):
        read(file)
