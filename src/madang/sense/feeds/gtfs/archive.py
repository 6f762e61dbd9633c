"""A GTFS archive: its tables, read within bounds.

Source: GTFS Schedule Reference (files, required columns); RFC 4180.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from madang.sense.feeds.errors import Refused, Unusable

MOST_FILES: Final = 500
MOST_BYTES: Final = 2_000_000_000
"""Of all tables together, decompressed."""
MOST_EXPANSION: Final = 200
"""How many times larger than the archive its tables may be; timetables come to 5 to 20."""
SMALL: Final = 10_000_000  # bytes; what is smaller may expand as it likes
_CHUNK: Final = 1024 * 1024

COLUMNS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "agency": (
        ("agency_name",),
        ("agency_id", "agency_url", "agency_timezone", "agency_lang", "agency_phone"),
    ),
    "stops": (
        ("stop_id",),
        (
            "stop_code", "stop_name", "stop_desc", "stop_lat", "stop_lon", "zone_id", "stop_url",
            "location_type", "parent_station", "wheelchair_boarding", "platform_code",
        ),
    ),
    "routes": (
        ("route_id", "route_type"),
        (
            "agency_id", "route_short_name", "route_long_name", "route_desc", "route_url",
            "route_color", "route_text_color", "route_sort_order",
        ),
    ),
    "trips": (
        ("route_id", "service_id", "trip_id"),
        (
            "trip_headsign", "trip_short_name", "direction_id", "block_id", "shape_id",
            "wheelchair_accessible", "bikes_allowed",
        ),
    ),
    "stop_times": (
        ("trip_id", "stop_id", "stop_sequence"),
        (
            "arrival_time", "departure_time", "stop_headsign", "pickup_type", "drop_off_type",
            "shape_dist_traveled", "timepoint",
        ),
    ),
    "calendar": (
        ("service_id", "start_date", "end_date"),
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    ),
    "calendar_dates": (("service_id", "date", "exception_type"), ()),
    "shapes": (("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"), ()),
    "frequencies": (("trip_id", "start_time", "end_time", "headway_secs"), ()),
}  # fmt: skip
"""The tables that are read, with the columns they must and may have."""
NEEDED: Final = ("agency", "stops", "routes", "trips", "stop_times")

Tables = dict[str, pl.DataFrame]


def tables(path: Path, names: tuple[str, ...], url: str) -> Tables:
    """Return tables of an archive. All values are texts; what is empty is null.

    A table that is not there, and need not be, has no rows.

    Args:
        path: the archive.
        names: the tables wanted, without ``.txt``.
        url: for messages.

    Raises:
        Unusable: this is no GTFS archive; the text names the file and the column.
        Refused: it is too large when decompressed.
    """
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            files = _files(archive, url)
            missing = [name for name in names if name in NEEDED and name not in files]
            if missing:
                raise Unusable(f"{url} is no GTFS archive: {missing[0]}.txt is missing")
            most = max(SMALL, min(MOST_BYTES, MOST_EXPANSION * path.stat().st_size))
            found: Tables = {}
            for name in names:
                target = Path(folder) / name
                if name in files:
                    most -= _unpacked(archive, files[name], target, most, url)
                    found[name] = _table(target, name, url)
                    target.unlink()
                else:
                    found[name] = _empty(name)
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Unusable(f"{url} is no ZIP archive that can be read: {error}") from None


def _files(archive: zipfile.ZipFile, url: str) -> dict[str, zipfile.ZipInfo]:
    """Return the tables that are there, by name; some publishers put them into a folder."""
    listed = archive.infolist()
    if len(listed) > MOST_FILES:
        raise Refused(f"{url} holds {len(listed):,} files; {MOST_FILES} are the most")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in sorted(listed, key=lambda one: one.filename.count("/")):
        name = info.filename.rpartition("/")[2].removesuffix(".txt")
        if name in COLUMNS and info.filename.endswith(".txt"):
            found.setdefault(name, info)
    return found


def _unpacked(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int, url: str
) -> int:
    """Write out one file and return its size; what its head says of that is not believed."""
    size = 0
    with archive.open(info) as packed, target.open("wb") as file:
        while data := packed.read(_CHUNK):
            size += len(data)
            if size > most:
                raise Refused(
                    f"{url} is far larger when decompressed: {info.filename} has more than"
                    f" {most:,} bytes"
                )
            file.write(data)
    return size


def _table(path: Path, name: str, url: str) -> pl.DataFrame:
    needed, optional = COLUMNS[name]
    try:
        frame = pl.read_csv(
            path,
            infer_schema=False,
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
            low_memory=True,
        )
    except pl.exceptions.NoDataError:
        frame = pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        said = str(error).partition("\n")[0][:200]
        raise Unusable(f"{url}: {name}.txt cannot be read as CSV: {said}") from None
    frame = frame.rename({one: one.strip().strip('"').lower() for one in frame.columns})
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise Unusable(f"{url}: {name}.txt has no column {missing[0]}")
    wanted = [*needed, *(column for column in optional if column in frame.columns)]
    clean = [pl.col(column).str.strip_chars() for column in wanted]
    frame = frame.select(clean).select(
        pl.when(pl.all().str.len_bytes() > 0).then(pl.all()).otherwise(None)
    )
    absent = [column for column in optional if column not in frame.columns]
    return frame.with_columns([pl.lit(None, pl.String).alias(column) for column in absent])


def _empty(name: str) -> pl.DataFrame:
    needed, optional = COLUMNS[name]
    return pl.DataFrame(schema=dict.fromkeys((*needed, *optional), pl.String))
