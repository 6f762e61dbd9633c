"""Pictures without scripts, and what values mean by guidelines."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from madang.web.dashboards import draw, units
from madang.web.dashboards.guidelines import applying, guidelines
from madang.web.dashboards.show import Show
from madang.web.texts import Texts

NUMBERS = st.floats(-1e9, 1e9)
COURSES = st.lists(st.tuples(st.integers(0, 10**9), NUMBERS), min_size=2, unique_by=lambda p: p[0])


@given(COURSES.map(sorted), st.text(max_size=30))
def test_every_course_becomes_a_picture_whose_title_cannot_break_out(
    course: list[tuple[float, float]], title: str
) -> None:
    for picture in (draw.spark(course, title), draw.lines([course], title, "then", "now")):
        clean = "".join(one for one in picture if one.isprintable())
        assert ElementTree.fromstring(clean).tag == "svg"
        assert "nan" not in picture
        assert "inf" not in picture.replace(str(Markup.escape(title)), "")


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    course = [(0, 1.0), (10, 2.0), (20, 1.5), (90, 1.0), (100, 2.0)]
    line = draw.spark(course, "x").split('class="line" d="')[1].split('"')[0]
    assert line.count("M") == 2


@given(NUMBERS, st.floats(1e-6, 1e9))
def test_ticks_lie_within_and_are_few(low: float, size: float) -> None:
    found = draw.ticks(low, low + size)
    assert len(found) <= 6
    slack = 1e-6 * max(abs(low), size, 1)
    assert all(low - slack <= one <= low + size + slack for one in found)


@given(st.lists(st.tuples(st.floats(-179, 179), st.floats(-84, 84)), min_size=1, max_size=30))
def test_a_frame_holds_most_places(places: list[tuple[float, float]]) -> None:
    frame = draw.Frame.around(places)
    drawn = [frame.at(*place) for place in places]
    assert all(math.isfinite(one) for place in drawn for one in place)
    for axis, size in enumerate((frame.width, frame.height)):
        assert sum(0 <= place[axis] <= size for place in drawn) >= len(places) // 2


def test_one_wrong_place_does_not_make_a_city_a_dot() -> None:
    city = [(127 + x / 100, 37.5 + y / 100) for x in range(6) for y in range(6)]
    frame = draw.Frame.around([*city, (0.0, 0.0)])
    assert all(frame.holds(*one) for one in city)
    assert not frame.holds(0.0, 0.0)
    (left, _), (right, _) = frame.at(127.0, 37.5), frame.at(127.05, 37.5)
    assert right - left > 200


def test_streets_are_drawn_in_whole_pixels_and_what_does_not_fit_is_left_out() -> None:
    frame = draw.Frame.around([(127.0, 37.5), (127.1, 37.6)])
    street = {"type": "LineString", "coordinates": [[127.0, 37.5], [127.05, 37.55], [127.1, 37.6]]}
    wild = {
        "type": "Polygon",
        "coordinates": [
            [[127.0 + (n * 7 % 97) / 1000, 37.5 + (n * 13 % 89) / 1000] for n in range(6000)]
        ],
    }
    drawn = draw.ground(frame, [("street", street), ("building", wild)])
    assert 'class="street"' in drawn
    assert "building" not in drawn
    assert "." not in drawn.split('d="')[1].split('"')[0]


# --- guidelines ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "unit", "value", "grade", "kind"),
    [
        ("pm25", "GQ", 15.0, "Good", "good"),
        ("pm25", "GQ", 15.1, "Moderate", "good"),
        ("pm25", "GQ", 36.0, "Bad", "warn"),
        ("pm25", "GQ", 76.0, "Very bad", "bad"),
        ("pm10", "GQ", 81.0, "Bad", "warn"),
        ("o3", "59", 0.03, "Good", "good"),
        ("no2", "59", 0.061, "Bad", "warn"),
    ],
)
def test_air_is_judged_by_the_korean_grades(
    attribute: str, unit: str, value: float, grade: str, kind: str
) -> None:
    (now,) = [one for one in applying("AirQualityObserved", attribute, unit) if one.over == "now"]
    found = now.judge(value)
    assert (found["grade"]["en"], found["kind"]) == (grade, kind)
    assert found["source"]
    assert found["url"].startswith("https://")


def test_the_mean_of_a_day_is_judged_by_the_who_guideline_of_2021() -> None:
    (who,) = [one for one in applying("AirQualityObserved", "pm25", "GQ") if one.over == "day"]
    assert (who.limit, who.judge(15.0)["kind"], who.judge(15.2)["kind"]) == (15, "good", "warn")


def test_values_in_another_unit_are_not_judged() -> None:
    assert applying("AirQualityObserved", "pm25", "GP") == []
    assert applying("AirQualityObserved", "pm25", None) == []


def test_every_guideline_names_its_source_and_rises() -> None:
    for one in guidelines():
        limits = [band.upto for band in one.bands if band.upto is not None]
        assert limits == sorted(limits)
        assert one.bands[-1].upto is None
        assert one.source
        assert all(band.title and band.title.en and band.title.ko for band in one.bands)


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [(3, "3 s ago", "3초 전"), (130, "2 min ago", "2분 전"), (7300, "2 h ago", "2시간 전"),
     (90_000, "1 d ago", "1일 전"), (-5, "0 s ago", "0초 전")],
)  # fmt: skip
def test_ages_are_said_in_both_languages(seconds: int, english: str, korean: str) -> None:
    now = 1_790_000_000_000_000
    for language, said in (("en", english), ("ko", korean)):
        found = Show(Texts(language), now, str).age(now - seconds * 1_000_000)
        assert f">{said}</time>" in found
        assert 'datetime="2026-' in found


def test_numbers_are_as_precise_as_they_are_large() -> None:
    show = Show(Texts("en"), 0, str)
    told = [show.number(one) for one in (1234.5, 21.84, 0.0312, 7.0)]
    assert told == ["1,234", "21.8", "0.031", "7"]
    assert units.sign("GQ") == "µg/m³"
