"""Numbers as files write them, one by one and by whole columns."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.files.notation import Notation, guess, plainly, reader

WHOLE = st.integers(-(10**9), 10**9)
NOTATIONS = [
    Notation(".", ","), Notation(",", "."), Notation(",", ""), Notation(".", ""),
    Notation(",", " "), Notation(".", "'"),
]  # fmt: skip


def written(value: int, cents: int, notation: Notation) -> str:
    whole = f"{abs(value):,}".replace(",", notation.thousands)
    return f"{'-' if value < 0 else ''}{whole}{notation.decimal}{cents:02d}"


@given(
    st.lists(st.tuples(WHOLE, st.integers(0, 99)), min_size=1, max_size=30),
    st.sampled_from(NOTATIONS),
)
def test_numbers_come_back_one_by_one_and_by_columns(
    values: list[tuple[int, int]], notation: Notation
) -> None:
    texts = [written(*value, notation) for value in values]
    expected = [float(f"{value}.{cents:02d}") if value else cents / 100 for value, cents in values]
    assert [float(reader(notation)(text)) for text in texts] == expected
    plain = plainly(pl.Series(texts), notation.decimal, notation.thousands)
    assert plain.cast(pl.Float64).to_list() == expected


@pytest.mark.parametrize(
    ("columns", "separator", "expected"),
    [
        ([["472,071", "10,666,866"], [":"]], ",", Notation(".", ",")),
        ([["1,5", "22,75"], ["3,1"]], ";", Notation(",", "")),
        ([["1.234,5", "7,25"]], ";", Notation(",", ".")),
        ([["1 234,5", "7,25"]], ";", Notation(",", " ")),
        ([["1'234.5", "7.25"]], ",", Notation(".", "'")),
        ([["57.138", "4.70"]], ";", Notation(".", "")),
        ([["Herr, Frau", "a,b"]], ",", Notation(".", "")),
    ],
)
def test_the_notation_is_judged_over_all_columns(
    columns: list[list[str]], separator: str, expected: Notation
) -> None:
    assert guess(columns, separator) == expected


@pytest.mark.parametrize("text", ["1,2,3", "12,34,567", "1.2.3", "", "1_000", "abc", "1,"])
def test_what_is_no_number_is_refused(text: str) -> None:
    for notation in NOTATIONS:
        with pytest.raises(ValueError, match="no number"):
            reader(notation)(text)
