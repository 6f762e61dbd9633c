"""Counts of vehicles on roads, and how well a model meets them.

GEH (G. E. Havers) compares hourly volumes; below 5 a count is met. A model of which 85 % of the
counts are met is held to be good (UK Department for Transport, TAG unit M3.1).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madang.model.errors import MadangError

MET: Final = 5.0
"""GEH below which a count is met."""
_COLUMNS: Final = ("edge", "start_s", "end_s", "vehicles")
_LARGEST: Final = 50_000_000  # of a file [B]
_MOST: Final = 500_000


class BadCounts(MadangError):
    """A file of counts cannot be used."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Vehicles that left an edge within a time of the day, in columns."""

    edge: NDArray[np.str_]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    vehicles: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.edge)

    def some(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Counts:
        return Counts(
            self.edge[which], self.start_s[which], self.end_s[which], self.vehicles[which]
        )

    def with_vehicles(self, vehicles: NDArray[np.float64]) -> Counts:
        return Counts(self.edge, self.start_s, self.end_s, vehicles)


def read(file: Path) -> Counts:
    """Read counts: CSV with the columns edge, start_s, end_s, vehicles; seconds of the local day.

    Raises:
        BadCounts: it cannot be read, or a row is wrong; the text says which.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise BadCounts(f"{file} is larger than {_LARGEST:,} bytes")
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            missing = [one for one in _COLUMNS if one not in (rows.fieldnames or ())]
            if missing:
                raise BadCounts(
                    f"{file} has no column {missing[0]!r}; it needs {', '.join(_COLUMNS)}"
                )
            return _columns([_row(row, file, number) for number, row in enumerate(rows, 2)], file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadCounts(f"{file} cannot be read: {error}") from None


def _row(row: dict[str, str], file: Path, number: int) -> tuple[str, float, float, float]:
    if number > _MOST:
        raise BadCounts(f"{file} has more than {_MOST:,} rows")
    try:
        start, end, vehicles = (float(row[one]) for one in _COLUMNS[1:])
    except (TypeError, ValueError):
        raise BadCounts(f"{file}, row {number}: start_s, end_s and vehicles are numbers") from None
    if not 0 <= start < end <= 86_400 or not 0 <= vehicles < 1e6:
        raise BadCounts(
            f"{file}, row {number}: a count is from 0 on, within a day of 86,400 s, and ends after"
            " it begins"
        )
    return row["edge"], start, end, vehicles


def _columns(rows: list[tuple[str, float, float, float]], file: Path) -> Counts:
    if not rows:
        raise BadCounts(f"{file} has no counts")
    edge, start, end, vehicles = zip(*rows, strict=True)
    return Counts(np.array(edge), np.array(start), np.array(end), np.array(vehicles))


def lines(counts: Counts) -> Iterable[str]:
    """Yield the lines of a file of counts."""
    yield ",".join(_COLUMNS) + "\n"
    for row in zip(counts.edge, counts.start_s, counts.end_s, counts.vehicles, strict=True):
        yield f"{row[0]},{row[1]:g},{row[2]:g},{row[3]:g}\n"


def geh(model: ArrayLike, count: ArrayLike) -> NDArray[np.float64]:
    """Return the GEH of hourly volumes. [vehicles/h]

    >>> float(geh(100, 100))
    0.0
    >>> round(float(geh(1100, 1000)), 2)
    3.09
    """
    m, c = np.asarray(model, float), np.asarray(count, float)
    found: NDArray[np.float64] = np.sqrt(2 * (m - c) ** 2 / np.maximum(m + c, 1e-9))
    return found


@dataclass(frozen=True, slots=True)
class Fit:
    """How a model meets counts.

    Args:
        counts: how many there are.
        geh_below_5: share of them with a GEH below 5.
        rmse: root of the mean squared error. [vehicles/h]
        error: sum of the absolute errors over the sum of the counts. [1]
        bias: sum of the model over the sum of the counts, less 1. [1]
    """

    counts: int
    geh_below_5: float
    rmse: float
    error: float
    bias: float

    def told(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def fit(model: NDArray[np.float64], counts: Counts) -> Fit:
    """Return how modelled vehicles meet counts."""
    hours = (counts.end_s - counts.start_s) / 3600
    m, c = model / hours, counts.vehicles / hours
    total = max(float(c.sum()), 1e-9)
    return Fit(
        counts=len(counts),
        geh_below_5=float((geh(m, c) < MET).mean()) if len(counts) else 1.0,
        rmse=float(np.sqrt(np.mean((m - c) ** 2))) if len(counts) else 0.0,
        error=float(np.abs(m - c).sum()) / total,
        bias=float(m.sum()) / total - 1,
    )
