"""Forms of times judged over a column, and columns of times read at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from madang.model.time import parse
from madang.sense.files import cells, dates
from madang.sense.files.mapping import Observed
from madang.sense.files.moments import moments

MINUTES = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)
CLEAR = [
    "%Y/%m/%d %H:%M", "%Y.%m.%d %H:%M", "%Y년 %m월 %d일 %H시 %M분", "%Y%m%d%H%M", "%d-%b-%Y %H:%M",
    "%Y-%m-%d %H:%M", "%b %d, %Y %I:%M %p",
]  # fmt: skip


@given(st.lists(MINUTES, min_size=1, max_size=10), st.sampled_from(CLEAR))
def test_a_form_that_is_found_reads_every_time_as_it_was_meant(
    when: list[datetime], form: str
) -> None:
    texts = [moment.strftime(form) for moment in when]
    found = dates.guess(texts)
    assert found is not None
    read = [cells.instant(text, found, UTC) for text in texts]
    assert read == [moment.isoformat() + "Z" for moment in when]


@given(st.integers(0, 5000), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]))
def test_the_order_of_day_and_month_is_seen_in_a_run_of_days(start: int, form: str) -> None:
    first = datetime(2010, 1, 1) + timedelta(days=start)
    texts = [(first + timedelta(days=n)).strftime(form) for n in range(30)]
    assert dates.guess(texts) == form


def test_an_open_order_is_decided_by_the_run_of_days_else_day_first() -> None:
    assert dates.guess(["01/02/2026", "01/03/2026", "01/04/2026"]) == "%m/%d/%Y"
    assert dates.guess(["01/02/2026", "02/02/2026", "03/02/2026"]) == "%d/%m/%Y"
    assert dates.guess(["05/05/2026"]) == "%d/%m/%Y"
    assert dates.is_ambiguous(["05/04/2026"], "%d/%m/%Y")
    assert not dates.is_ambiguous(["25/04/2026"], "%d/%m/%Y")


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["2026013101", "2026013124"], "%Y%m%d%H"),
        (["1685924330", "1685924331"], ""),
        (["20120101"], "%Y%m%d"),
        (["2026-01-31 오후 3:05:00"], "%Y-%m-%d %p %I:%M:%S"),
        (["10/03/2012 12:00:00 AM", "10/31/2012 11:00:00 PM"], "%m/%d/%Y %I:%M:%S %p"),
        (["2026-01-31T10:00:00+09:00"], ""),
        (["31.01.2026 10:00"], "%d.%m.%Y %H:%M"),
        (["서울 1"], None),
        (["12.5", "13.5"], None),
        (["99999999"], None),
    ],
)
def test_forms_of_real_columns(texts: list[str], form: str | None) -> None:
    assert dates.guess(texts) == form


def test_midnight_at_the_end_of_a_day_is_the_next_day() -> None:
    assert cells.instant("2026-01-31 24:00", "", UTC) == "2026-02-01T00:00:00Z"
    assert cells.instant("2024022924", "%Y%m%d%H", UTC) == "2024-03-01T00:00:00Z"
    with pytest.raises(ValueError, match="no time"):
        cells.instant("2026-01-31 24:30", "", UTC)


ZONES = ["", "Asia/Seoul", "+05:30", "Europe/London", "America/Los_Angeles"]
FORMS = [
    "", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y%m%d%H%M", "%Y %m %d %H", "%Y-%m-%d",
    "%d/%m/%y %H:%M:%S.%f", "%j %Y",
]  # fmt: skip


@given(
    st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)), min_size=1, max_size=20),
    st.sampled_from(FORMS),
    st.sampled_from(ZONES),
)
def test_columns_of_times_are_read_as_single_times_are(
    when: list[datetime], form: str, zone: str
) -> None:
    texts = [moment.strftime(form) if form else moment.isoformat(" ") for moment in when]
    found = moments(pl.DataFrame({"at": texts}), Observed(columns=["at"], format=form, zone=zone))
    assume(found is not None)
    assert found is not None
    for text, moment in zip(texts, found.cast(pl.Datetime("us")).to_physical(), strict=True):
        if moment is not None:
            assert moment == parse(cells.instant(text, form, cells.zone(zone)))


def test_nearly_all_times_are_read_at_once() -> None:
    texts = [f"10/{day:02d}/2026 01:30:00 AM" for day in range(1, 32)]
    spec = Observed(columns=["at"], format="%m/%d/%Y %I:%M:%S %p", zone="Europe/London")
    found = moments(pl.DataFrame({"at": texts}), spec)
    assert found is not None
    assert found.null_count() == 0


def test_what_cannot_be_read_at_once_is_left_to_be_read_singly() -> None:
    texts = ["2026-01-31 10:00:00", "2026-01-31 24:00:00", "nonsense", None]
    found = moments(pl.DataFrame({"at": texts}), Observed(columns=["at"]))
    assert found is not None
    assert found.is_null().to_list() == [False, True, True, True]


@pytest.mark.parametrize("at", [1_685_924_330, 1_685_924_330_000])
def test_seconds_and_milliseconds_are_read(at: int) -> None:
    found = moments(pl.DataFrame({"at": [at]}), Observed(columns=["at"]))
    assert found is not None
    assert found.to_list() == [datetime(2023, 6, 5, 0, 18, 50)]
