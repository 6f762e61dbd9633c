"""A map of a quantity from stations, and how far it may be wrong: ordinary kriging in numpy.

Pure functions. The variogram (exponential, with a nugget) is fitted to what stations differed over
several hours, by weighted least squares; its scale is such that the errors which the method makes
at each station from all others (leave one out) are as large as it says.

Sources: N. A. C. Cressie, Statistics for Spatial Data, Wiley 1993, sections 2.6 and 3.2;
O. Dubrule, Cross validation of kriging in a unique neighborhood, Mathematical Geology 15 (1983)
687-699; CoverageJSON 1.0, OGC 21-069r2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, hypot, radians
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Place = Sequence[float]
"""Longitude and latitude. [degree]"""

FEWEST = 5  # stations; of fewer nothing can be said of their distances
MOST_CELLS = 2_500
BINS = 12  # of distances
KM_PER_DEGREE = 111.195  # of latitude
TINY = 1e-9


class Variogram(NamedTuple):
    """How much two places differ, by their distance."""

    nugget: float
    """Half the mean square of the difference of two neighbours."""
    sill: float
    """What distance adds to it in the end."""
    reach: float
    """Distance at which it has added 63 %. [km]"""

    def covariance(self, distance: Array) -> Array:
        """Return how much two values have in common, of two places that are not the same."""
        return np.asarray(self.sill * np.exp(-distance / self.reach))


def local(places: Sequence[Place], middle: Place) -> Array:
    """Return places on a plane around a middle, shape (place, 2). [km]"""
    found = np.asarray(places, dtype=float).reshape(-1, 2) - np.asarray(middle, dtype=float)
    degree = np.array([KM_PER_DEGREE * cos(radians(middle[1])), KM_PER_DEGREE])
    return np.asarray(found * degree)


def distances(here: Array, there: Array) -> Array:
    """Return how far places are from others. [km]"""
    return np.asarray(np.sqrt(((here[:, None, :] - there[None, :, :]) ** 2).sum(axis=2)))


def fitted(points: Array, rows: Array) -> Variogram:
    """Return the variogram that suits what stations told.

    Args:
        points: of the stations. [km]
        rows: their values, NaN where there is none, shape (hour, station).
    """
    first, second = np.triu_indices(len(points), 1)
    apart = np.hypot(*(points[first] - points[second]).T)
    gaps = (rows[:, first] - rows[:, second]) ** 2 / 2
    seen = np.isfinite(gaps)
    near = (apart <= max(apart.max() / 1.5, TINY)) & seen.any(axis=0)
    counts = seen.sum(axis=0)[near]
    halves = np.nansum(gaps[:, near], axis=0)
    order = np.argsort(apart[near], kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, len(order))) if len(part)]
    weight = np.array([counts[part].sum() for part in parts], dtype=float)
    height = np.array([halves[part].sum() for part in parts]) / weight
    length = np.array([np.average(apart[near][part], weights=counts[part]) for part in parts])
    reaches = np.geomspace(max(length[0], TINY * 10) / 2, max(length[-1], TINY * 20) * 2, 24)
    tries = [_heights(length, height, weight, float(reach)) for reach in reaches]
    return min(tries)[1]


def _heights(length: Array, height: Array, weight: Array, reach: float) -> tuple[float, Variogram]:
    """Return the error of the best nugget and sill at a reach, neither below zero, and them."""
    rise, root = 1 - np.exp(-length / reach), np.sqrt(weight)
    options = []
    for columns in ((0, 1), (0,), (1,)):
        table = np.stack([np.ones_like(rise), rise])[list(columns)].T
        found = np.zeros(2)
        found[list(columns)] = np.linalg.lstsq(table * root[:, None], height * root, rcond=None)[0]
        if (found >= 0).all():
            error = float((weight * (found[0] + found[1] * rise - height) ** 2).sum())
            options.append((error, Variogram(float(found[0]), float(found[1]), reach)))
    return min(options)


def _system(points: Array, variogram: Variogram) -> Array:
    """Return the inverse of the kriging equations of stations."""
    size = len(points)
    table = np.zeros((size + 1, size + 1))
    table[:size, :size] = variogram.covariance(distances(points, points))
    table[range(size), range(size)] += max(variogram.nugget, 1e-6 * variogram.sill, TINY)
    table[size, :size] = table[:size, size] = 1
    return np.asarray(np.linalg.inv(table))


def left_out(points: Array, values: Array, variogram: Variogram) -> tuple[Array, Array]:
    """Return at each station how far the others are wrong about it, and how far they expect to be.

    Args:
        points: of the stations. [km]
        values: theirs, of one hour or of several, shape (station,) or (station, hour).
        variogram: of them.

    Returns:
        Value less estimate, and standard deviation before scaling.
    """
    inverse = _system(points, variogram)
    size = len(points)
    own = np.diag(inverse)[:size]
    wrong = (inverse[:size, :size] @ values).T / own
    return wrong.T, np.sqrt(1 / own)


def estimated(
    points: Array, values: Array, variogram: Variogram, there: Array
) -> tuple[Array, Array]:
    """Return value and standard deviation (before scaling) at other places."""
    inverse = _system(points, variogram)
    size = len(points)
    sides = np.ones((size + 1, len(there)))
    sides[:size] = variogram.covariance(distances(points, there))
    weights = inverse @ sides
    whole = variogram.nugget + variogram.sill
    variance = whole - (weights * sides).sum(axis=0)
    return weights[:size].T @ values, np.sqrt(np.maximum(variance, 0))


def scale(points: Array, rows: Array, variogram: Variogram) -> float:
    """Return by what standard deviations are to be multiplied, so that they are true."""
    squares: list[float] = []
    there = np.isfinite(rows)
    for seen in np.unique(there, axis=0):  # hours in which the same stations tell
        if seen.sum() >= FEWEST:
            hours = rows[(there == seen).all(axis=1)][:, seen]
            wrong, expected = left_out(points[seen], hours.T, variogram)
            squares += ((wrong / expected[:, None]) ** 2).ravel().tolist()
    return float(np.sqrt(np.mean(squares))) if squares else 1.0


def mapped(
    stations: Sequence[Place], rows: Sequence[Sequence[float | None]], places: Sequence[Place],
    cell_km: float,
) -> dict[str, Any] | None:  # fmt: skip
    """Return a map of the last hour, its errors, and the values at some places.

    Args:
        stations: where they are.
        rows: hourly values of each, the last hour last.
        places: where values are wanted as well.
        cell_km: side of a cell; a large map has larger ones.

    Returns:
        ``x`` and ``y`` of the cells, ``values`` and ``deviations`` row by row, ``places`` as pairs
        of value and deviation, ``error`` (leave-one-out) and its share ``within`` two deviations;
        None if fewer than five stations tell of the last hour.
    """
    table = np.array(rows, dtype=float)  # None becomes NaN
    seen = np.isfinite(table[-1])
    if seen.sum() < FEWEST:
        return None
    middle = np.asarray(stations, dtype=float).mean(axis=0)
    points = local(stations, tuple(middle))
    if not distances(points, points).any():
        return None
    variogram = fitted(points, table)
    times = scale(points, table, variogram)
    here, values = points[seen], table[-1][seen]
    wrong, expected = left_out(here, values, variogram)
    x, y = _axes(np.asarray(stations, dtype=float), cell_km)
    cells = local([(lon, lat) for lat in y for lon in x] + list(places), tuple(middle))
    found, deviations = estimated(here, values, variogram, cells)
    found = np.maximum(found, 0)  # a concentration is never below zero
    size = len(x) * len(y)
    pairs = zip(found[size:].tolist(), (deviations[size:] * times).tolist(), strict=True)
    return {
        "x": [round(float(one), 6) for one in x],
        "y": [round(float(one), 6) for one in y],
        "values": [round(one, 2) for one in found[:size].tolist()],
        "deviations": [round(one, 2) for one in (deviations[:size] * times).tolist()],
        "places": list(pairs),
        "stations": int(seen.sum()),
        "error": float(np.sqrt((wrong**2).mean())),
        "within": float((np.abs(wrong) <= 2 * times * expected).mean()),
        "variogram": [*variogram],
    }


def _axes(stations: Array, cell_km: float) -> tuple[Array, Array]:
    """Return the middles of cells in longitude and latitude that cover all stations."""
    (west, south), (east, north) = stations.min(axis=0), stations.max(axis=0)
    wide = (east - west) * KM_PER_DEGREE * cos(radians((south + north) / 2))
    high = (north - south) * KM_PER_DEGREE
    while (int(wide / cell_km) + 2) * (int(high / cell_km) + 2) > MOST_CELLS:
        cell_km *= 1.1
    columns, lines = int(wide / cell_km) + 2, int(high / cell_km) + 2
    margin_x, margin_y = (east - west) / columns or 0.005, (north - south) / lines or 0.005
    x = np.linspace(west - margin_x / 2, east + margin_x / 2, columns)
    y = np.linspace(south - margin_y / 2, north + margin_y / 2, lines)
    return x, y


def coverage(found: Mapping[str, Any], pollutant: str, name: str, at: str) -> dict[str, Any]:
    """Return a map as CoverageJSON: a grid with the value and its standard deviation.

    Args:
        found: by :func:`mapped`.
        pollutant: as data has it.
        name: as people read it.
        at: when, in ISO 8601.
    """
    shape = [1, len(found["y"]), len(found["x"])]
    unit = {"symbol": {"value": "ug/m3", "type": "http://www.opengis.net/def/uom/UCUM/"}}
    labels = {pollutant: name, f"{pollutant}Deviation": f"{name}, standard deviation"}
    ranges = {pollutant: found["values"], f"{pollutant}Deviation": found["deviations"]}
    geographic = {"type": "GeographicCRS", "id": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}
    clock = {"type": "TemporalRS", "calendar": "Gregorian"}
    return {
        "type": "Coverage",
        "domain": {
            "type": "Domain",
            "domainType": "Grid",
            "axes": {"t": {"values": [at]}, "x": {"values": found["x"]},
                     "y": {"values": found["y"]}},
            "referencing": [
                {"coordinates": ["x", "y"], "system": geographic},
                {"coordinates": ["t"], "system": clock},
            ],
        },
        "parameters": {
            key: {"type": "Parameter", "unit": unit, "observedProperty": {"label": {"en": label}}}
            for key, label in labels.items()
        },
        "ranges": {
            key: {"type": "NdArray", "dataType": "float", "axisNames": ["t", "y", "x"],
                  "shape": shape, "values": values}
            for key, values in ranges.items()
        },
    }  # fmt: skip


def nearest(stations: Mapping[str, Place], place: Place) -> tuple[str, float] | None:
    """Return the station that is nearest to a place, and how far it is [km]; None if none is."""
    turn = cos(radians(place[1]))
    found = min(
        (hypot((lon - place[0]) * turn, lat - place[1]) * KM_PER_DEGREE, id)
        for id, (lon, lat) in stations.items()
    ) if stations else None  # fmt: skip
    return None if found is None else (found[1], found[0])
