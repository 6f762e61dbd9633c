"""A sensible mapping for a file that has none, made by looking at its first rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from madang.sense.files import cells
from madang.sense.files.location import Row
from madang.sense.files.mapping import (
    GEOMETRY,
    ID,
    ROW,
    Attribute,
    EntityPart,
    Location,
    Mapping,
    Observed,
    Reading,
    is_name,
)

NULLS = ["NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "-"]
_IDS = (
    "id", "entityid", "equipid", "deviceid", "sensorid", "stationid", "nodeid", "serial",
    "serialnumber", "serialno", "시리얼", "일련번호", "관리번호", "고유번호", "station", "code",
)  # fmt: skip
_LONGITUDES = ("lon", "lng", "long", "longitude", "x", "경도", "epsg4326long")
_LATITUDES = ("lat", "latitude", "y", "위도", "epsg4326lat")
_TIMES = (
    "timestamp", "observedat", "dateobserved", "datetime", "time", "date", "measuredon",
    "lastupdated", "측정시간", "측정일시", "일시",
)  # fmt: skip
_CODE = re.compile(r"0\d")
_MARKS = re.compile(r"[^\w]+|_+")


def mapping_for(
    stem: str, columns: Sequence[str], sample: Sequence[Row], type_name: str | None = None
) -> Mapping:
    """Return a mapping made by looking at the names of the columns and some rows.

    Args:
        stem: name of the file without its endings; the entity type is made of it.
        columns: names of the columns, in order.
        sample: the first rows.
        type_name: entity type, if the caller knows better.
    """
    kind = type_name or type_of(stem)
    identifier = _first(columns, _IDS, lambda name: _all_filled(name, sample))
    location = _location(columns, sample)
    time = _first(columns, _TIMES, lambda name: _all_times(name, sample))
    used = {location.longitude, location.latitude, location.geometry} if location else set()
    used |= {time, ID if identifier == ID else None}
    return Mapping(
        read=Reading(null=NULLS),
        observed=Observed(columns=[time]) if time else None,
        location=location,
        attributes=_attributes([name for name in columns if name not in used], sample),
        entity=[EntityPart(id=f"urn:ngsi-ld:{kind}:{{{identifier or ROW}}}", type=kind)],
    )


def type_of(stem: str) -> str:
    """Return an entity type made of the name of a file.

    >>> type_of("sdot_2025-avg"), type_of("2026 bins")
    ('Sdot2025Avg', 'File2026Bins')
    """
    words = [word for word in _MARKS.split(stem) if word]
    name = "".join(word[:1].upper() + word[1:] for word in words) or "Thing"
    return name if name[0].isalpha() else f"File{name}"


def name_of(column: str) -> str:
    """Return an attribute name made of the name of a column.

    >>> name_of("PM2.5"), name_of("location_name"), name_of("type"), name_of("기온(℃)")
    ('PM2_5', 'location_name', 'type_', '기온')
    """
    name = re.sub(r"\W+", "_", column).strip("_") or "column"
    if not name[0].isalpha():
        name = f"column_{name}"
    return name if is_name(name) else f"{name}_"


def _plain(name: str) -> str:
    return _MARKS.sub("", name).casefold()


def _first(
    columns: Iterable[str], wanted: Sequence[str], fits: Callable[[str], bool]
) -> str | None:
    """Return the column whose name comes first in ``wanted`` and whose cells fit."""
    by_name = {_plain(column): column for column in reversed(list(columns))}
    found = (by_name[name] for name in wanted if name in by_name)
    return next((column for column in found if fits(column)), None)


def _cells(column: str, sample: Sequence[Row]) -> list[Any]:
    found = (row.get(column) for row in sample)
    return [
        cell
        for cell in found
        if cell is not None and not (isinstance(cell, str) and cell.strip() in ("", *NULLS))
    ]


def _all_filled(column: str, sample: Sequence[Row]) -> bool:
    return len(_cells(column, sample)) == len(sample)


def _all(column: str, sample: Sequence[Row], test: Callable[[Any], object]) -> bool:
    """Return whether there are values in a column and the test takes them all."""
    found = _cells(column, sample)
    try:
        for cell in found:
            test(cell)
    except ValueError:
        return False
    return bool(found)


def _quantity(cell: str) -> None:
    """Refuse what is no number, and codes such as 007, which would lose their zeros."""
    cells.number(cell)
    if _CODE.match(cell.strip()):
        raise ValueError("a code")


def _all_times(column: str, sample: Sequence[Row]) -> bool:
    where = cells.zone("")
    return _all_filled(column, sample) and _all(
        column, sample, lambda cell: cells.instant(cell, "", where)
    )


def _location(columns: Sequence[str], sample: Sequence[Row]) -> Location | None:
    if GEOMETRY in columns:
        return Location(geometry=GEOMETRY)

    def is_number(name: str) -> bool:
        return _all(name, sample, cells.number)

    longitude = _first(columns, _LONGITUDES, is_number)
    latitude = _first(columns, _LATITUDES, is_number)
    if longitude is None or latitude is None:
        return None
    return Location(longitude=longitude, latitude=latitude)


def _attributes(columns: Sequence[str], sample: Sequence[Row]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for column in columns:
        name = name_of(column)
        while name in found or name == "location":
            name += "_"
        is_text = all(isinstance(cell, str) for cell in _cells(column, sample))
        is_number = is_text and _all(column, sample, _quantity)
        found[name] = Attribute(column=column, kind="number" if is_number else None)
    return found
