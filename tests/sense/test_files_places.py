"""Places in degrees, degrees with minutes and seconds, and Korean metres; exchanged or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from madang.sense.files import guess_place, projection
from madang.sense.files.angles import degrees
from madang.sense.files.mapping import Location, MappingError, parse
from madang.sense.files.rows import RowMapper
from madang.sense.files.sample import columns_of

SEOUL = [(126.978, 37.5665), (127.0276, 37.4979), (126.9237, 37.5563)]
BUSAN = [(129.0756, 35.1796), (129.1604, 35.1587), (129.0403, 35.1151)]


def place(
    names: tuple[str, str], pairs: list[tuple[object, object]], **texts: str
) -> Location | None:
    rows = [dict(zip(names, pair, strict=True)) | texts for pair in pairs]
    columns, _ = columns_of([*names, *texts], rows, ",")
    return guess_place.location(columns)


@given(
    st.floats(-179.9, 179.9),
    st.sampled_from(
        [
            "{d}°{m:02d}'{s:07.4f}\"{h}",
            "{d}-{m}-{s:.4f}{h}",
            "{d}도 {m}분 {s:.4f}초{h}",
            "{h} {d} {m} {s:.4f}",
        ]
    ),
)
def test_degrees_minutes_and_seconds_give_the_angle(angle: float, form: str) -> None:
    whole = round(abs(angle) * 3600, 4)
    d, rest = divmod(whole, 3600)
    m, s = divmod(rest, 60)
    text = form.format(d=int(d), m=int(m), s=min(s, 59.9999), h="W" if angle < 0 else "E")
    assert degrees(text) == pytest.approx(angle, abs=1e-7)


@pytest.mark.parametrize("text", ["", "abc", "37°70'N", "N 37 E", "37.5.5", "S37N"])
def test_what_is_no_angle_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no coordinate|60 minutes"):
        degrees(text)


@pytest.mark.parametrize(
    "names", [("경도", "위도"), ("lon", "lat"), ("X", "Y"), ("Longitude", "Latitude")]
)
def test_degrees_are_found_by_their_names(names: tuple[str, str]) -> None:
    assert place(names, [*SEOUL]) == Location(longitude=names[0], latitude=names[1])


def test_exchanged_columns_are_exchanged_back() -> None:
    swapped = [(y, x) for x, y in SEOUL]
    assert place(("경도", "위도"), [*swapped]) == Location(longitude="위도", latitude="경도")
    far = [(40.7, -120.0), (41.2, -100.5)]
    assert place(("lon", "lat"), [*far]) == Location(longitude="lat", latitude="lon")


def test_angles_as_text_and_decimal_commas_are_places() -> None:
    assert place(("경도", "위도"), [("126°58'41\"", "37°33'59\"")]) is not None
    assert place(("lon", "lat"), [("8,682127", "50,110924"), ("8,5", "50,2")]) is not None


@pytest.mark.parametrize("crs", projection.KOREAN)
@pytest.mark.parametrize(
    ("city", "places"), [("서울특별시 중구", SEOUL), ("부산광역시 남구", BUSAN)]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_korean_metres_are_told_by_where_they_would_lie(
    crs: str, city: str, places: list[tuple[float, float]], swapped: bool
) -> None:
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform
    metres = [there(*pair) for pair in places]
    given_ = [(y, x) for x, y in metres] if swapped else metres
    found = place(("X좌표", "Y좌표"), [*given_], 주소=city)
    assert found is not None
    assert found.crs is not None
    pair = ("Y좌표", "X좌표") if swapped else ("X좌표", "Y좌표")
    assert (found.longitude, found.latitude) == pair
    # Two systems of one central meridian differ by the shift of their datum, 300 m.
    back = projection.to_wgs84(found.crs)(*metres[0])
    assert back == pytest.approx(places[0], abs=0.006)


def test_a_code_in_the_header_and_the_name_of_registers_decide() -> None:
    to_5174 = Transformer.from_crs("EPSG:4326", "EPSG:5174", always_xy=True).transform
    metres = [to_5174(*pair) for pair in SEOUL]
    for names in [("좌표정보(X)", "좌표정보(Y)"), ("좌표정보X(EPSG5174)", "좌표정보Y(EPSG5174)")]:
        found = place(names, [*metres], 소재지="서울특별시 종로구")
        assert found is not None
        assert found.crs == "EPSG:5174"
        assert projection.to_wgs84(found.crs)(*metres[0]) == pytest.approx(SEOUL[0], abs=1e-5)


def test_numbers_that_lie_nowhere_in_korea_are_no_place() -> None:
    assert place(("X좌표", "Y좌표"), [(5.0e6, 9.0e6)]) is None
    assert place(("x", "y"), [("a", "b")]) is None


MAPPING = """
[location]
longitude = "x"
latitude = "y"
crs = "EPSG:5186"
[[entity]]
id = "urn:a:{x}"
type = "T"
"""


def test_a_mapping_with_a_system_gives_degrees() -> None:
    made = RowMapper(parse(MAPPING, "m")).entities({"x": "198056.0", "y": "551885.0"})
    assert made[0]["location"]["value"]["coordinates"] == pytest.approx(
        [126.978, 37.5664], abs=1e-3
    )


def test_a_system_that_does_not_exist_is_told() -> None:
    with pytest.raises(MappingError, match="no coordinate reference system"):
        parse(MAPPING.replace("5186", "999999"), "m")
