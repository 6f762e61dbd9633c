"""Projected coordinates to WGS 84, and which of Korea's projections a table uses.

Sources: EPSG registry (through PROJ); National Geographic Information Institute of Korea for which
systems are in use: 5186 since 2010, 5181 before, 5174 in the registers of local government
(Bessel), 5179 for the whole country (UTM-K, also Naver and the road name addresses).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from statistics import median

Convert = Callable[[float, float], tuple[float, float]]

KOREAN = ("EPSG:5186", "EPSG:5174", "EPSG:5181", "EPSG:5179", "EPSG:5187", "EPSG:5185")
"""The likelier first, for those that put the same numbers into Korea."""

WEST, SOUTH, EAST, NORTH = 124.5, 33.0, 132.0, 38.7
"""South Korea with its islands. [degrees]"""

_CODE = re.compile(r"(?<!\d)(2097|4326|3857|50\d\d|51\d\d)(?!\d)")
_REGISTER = re.compile(r"좌표정보")  # as the registers of local government (LOCALDATA) call it
_REGIONS = {
    "서울": (126.98, 37.57), "부산": (129.08, 35.18), "대구": (128.60, 35.87),
    "인천": (126.70, 37.46), "광주광역": (126.85, 35.16), "대전": (127.38, 36.35),
    "울산": (129.31, 35.54), "세종": (127.29, 36.48), "경기": (127.20, 37.45),
    "강원": (128.30, 37.75), "충청북": (127.80, 36.75), "충북": (127.80, 36.75),
    "충청남": (126.85, 36.50), "충남": (126.85, 36.50), "전라북": (127.15, 35.72),
    "전북": (127.15, 35.72), "전라남": (126.90, 34.85), "전남": (126.90, 34.85),
    "경상북": (128.75, 36.35), "경북": (128.75, 36.35), "경상남": (128.25, 35.35),
    "경남": (128.25, 35.35), "제주": (126.55, 33.38),
}  # fmt: skip
"""About the middle of each province and large city. [longitude, latitude]"""


@cache
def to_wgs84(crs: str) -> Convert:
    """Return what converts easting and northing to longitude and latitude.

    Raises:
        ValueError: the registry has no such system.

    >>> [round(part, 3) for part in to_wgs84("EPSG:5186")(198056.0, 551885.0)]
    [126.978, 37.566]
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        transformer = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    except ProjError:
        raise ValueError(f"there is no coordinate reference system {crs!r}") from None

    @lru_cache(maxsize=65536)
    def convert(east: float, north: float) -> tuple[float, float]:
        longitude, latitude = transformer.transform(east, north)
        if not (math.isfinite(longitude) and math.isfinite(latitude)):
            raise ValueError(f"{east:g}, {north:g} is no place in {crs}")
        return round(longitude, 7), round(latitude, 7)

    return convert


def is_in_korea(longitude: float, latitude: float) -> bool:
    return WEST <= longitude <= EAST and SOUTH <= latitude <= NORTH


def guess_korean(
    names: tuple[str, str], xs: Sequence[float], ys: Sequence[float], texts: Sequence[str]
) -> tuple[str, bool] | None:
    """Return the projection of two columns, and whether they are exchanged; None if it is none.

    Args:
        names: of the columns; they may say the code.
        xs: what should be eastings. [m]
        ys: what should be northings. [m]
        texts: other cells of the table, which may name a province.
    """
    if not xs or not ys:
        return None
    x, y = median(xs), median(ys)
    if max(abs(x), abs(y)) < 1000:  # degrees
        return None
    found = [
        (crs, swapped, place)
        for crs in _candidates(names)
        for swapped in (False, True)
        if (place := _place(crs, (y, x) if swapped else (x, y))) is not None
    ]
    if not found:
        return None
    home = _home(texts)
    if home is not None:
        # A system that moves the places by a degree is told by the province they name.
        found.sort(key=lambda one: round(math.dist(one[2], home) / 0.4))
    return found[0][:2]


def _candidates(names: tuple[str, str]) -> Sequence[str]:
    written = " ".join(names)
    code = _CODE.search(written)
    if code is not None:
        return (f"EPSG:{code[1]}",)
    if _REGISTER.search(written):
        return ("EPSG:5174", *(one for one in KOREAN if one != "EPSG:5174"))
    return KOREAN


def _place(crs: str, position: tuple[float, float]) -> tuple[float, float] | None:
    try:
        place = to_wgs84(crs)(*position)
    except ValueError:
        return None
    return place if is_in_korea(*place) else None


def _home(texts: Sequence[str]) -> tuple[float, float] | None:
    """Return the middle of the province that most cells begin with."""
    counts: dict[tuple[float, float], int] = {}
    for text in texts:
        for name, place in _REGIONS.items():
            if text.startswith(name):
                counts[place] = counts.get(place, 0) + 1
    return max(counts, key=lambda place: counts[place]) if counts else None
