"""What leaves the people twin: counts of ten or more, also as seen from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from madang.cli import app
from madang.twin.people.counts import LEAST, shown, withheld

TABLES = arrays(
    np.int64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 40)
)


@given(TABLES)
def test_no_count_from_1_to_9_is_shown(
    table: np.ndarray[tuple[int, int], np.dtype[np.int64]],
) -> None:
    known = shown(table)
    known = known[~np.isnan(known)]
    assert ((known == 0) | (known >= LEAST)).all()


@given(TABLES)
def test_none_is_withheld_alone_beside_others_that_are_shown(
    table: np.ndarray[tuple[int, int], np.dtype[np.int64]],
) -> None:
    hide = withheld(table)
    for cells, hidden in [*zip(table, hide, strict=True), *zip(table.T, hide.T, strict=True)]:
        if hidden.sum() == 1:
            assert not cells[~hidden].any()  # nothing was left to withhold with it


@given(TABLES)
def test_what_need_not_be_withheld_is_shown(
    table: np.ndarray[tuple[int, int], np.dtype[np.int64]],
) -> None:
    if not ((table > 0) & (table < LEAST)).any():
        assert (shown(table) == table).all()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "price.toml"
    file.write_text('name = "price"\n[[price]]\nwon = 3000\n')
    return file


def asked(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["residents", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_no_command_lets_out_fewer_than_ten(tmp_path: Path, policy: Path) -> None:
    file = tmp_path / "day.csv"
    rows = json.loads(asked("day", "--residents", "400", "--json", "--out", str(file)))
    told = [value for row in rows for name, value in row.items() if name != "time"]
    with file.open() as lines:
        told += [int(row["persons"]) for row in csv.DictReader(lines) if row["persons"]]
    found = json.loads(asked("effect", "--residents", "400", "--policy", str(policy), "--json"))
    for row in found:
        told.append(row["persons"])
        told += [row[name][when] for name in ("trips", "car_trips", "transit_trips", "travellers",
                 "drivers", "active_trips") for when in ("before", "after")]  # fmt: skip
    assert any(value is None for value in told)
    assert not [value for value in told if value is not None and 0 < value < LEAST]


def test_a_day_is_a_table_and_a_picture(tmp_path: Path) -> None:
    text = asked("day", "--residents", "3000", "--every", "120", "--district", "District 1")
    assert "sleep" in text
    assert "08:00" in text
    assert "most" in text


def test_drawn_days_are_held_against_the_published_with_their_source() -> None:
    done = CliRunner().invoke(app, ["residents", "check", "--residents", "2000", "--json"])
    rows = json.loads(done.stdout)
    assert done.exit_code == (0 if all(row["met"] for row in rows) else 1)
    assert sum(row["met"] for row in rows) >= len(rows) - 2
    assert all("Statistics Korea" in row["source"] or "Transport" in row["source"] for row in rows)


def test_a_district_that_is_not_there_is_told_with_those_that_are() -> None:
    done = CliRunner().invoke(app, ["residents", "day", "--residents", "500", "--district", "X"])
    assert done.exit_code != 0
    assert "District 1" in str(done.exception)
