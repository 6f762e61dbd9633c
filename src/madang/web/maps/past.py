"""The past as a film: where things were and what they said, at equal steps of time.

The picture at a time is what had been observed by then, as :mod:`madang.lake.states` tells it; so a
thing that says nothing for hours stays where it was, and a deleted one is gone. Which things are in
the film is decided at its start and its end: those that met the query at one of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from madang.lake.questions import Period, Series, Wanted
from madang.model import time
from madang.model.entity import Document, Entity
from madang.model.geometry import is_geometry
from madang.query import geo
from madang.query.tree import Geo, Query, Selector
from madang.web.maps import told

if TYPE_CHECKING:
    from madang.lake.protocol import Readable

MOST_THINGS: Final = 2_000
MOST_STEPS: Final = 300
_DIGITS: Final = 6  # of a degree: about ten centimetres

Box = tuple[float, float, float, float]
"""West, south, east, north. [degrees]"""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Film:
    """What is wanted of the past."""

    query: Query
    """Type and ``q``; its page and its place are not used."""
    start: int
    """[us since 1970]"""
    step: int
    """[us]"""
    steps: int
    """How many; the film has one picture more, that of its start."""
    value: str | None = None
    """The attribute whose value is told."""
    place: str = told.PLACE
    bounds: Box | None = None
    """Only what was inside at one of the pictures."""

    @property
    def end(self) -> int:
        return self.start + self.step * self.steps


@dataclass(slots=True)
class _Track:
    """One thing over all pictures."""

    id: str
    name: dict[str, str]
    points: list[Point | None]
    values: list[Any]
    first: int
    """The picture it is in first."""
    end: int
    """The first picture it is no longer in."""

    @property
    def moves(self) -> bool:
        return len({point for point in self.points if point is not None}) > 1


def read(lake: Readable, film: Film) -> dict[str, Any]:
    """Return a film, column by column; see the reference of ``GET /map/past``."""
    before, after, is_cut = _cast(lake, film)
    ids = sorted(before.keys() | after.keys())[:MOST_THINGS]
    rows = _rows(lake, film, ids)
    gone = _gone(lake, film, [id for id in ids if id not in after])
    tracks = [_track(film, id, before.get(id), after.get(id), rows.get(id, {}), gone) for id in ids]
    shown = [one for one in tracks if one is not None and _is_inside(one, film.bounds)]
    return _told(film, shown, is_cut)


# --- which things -------------------------------------------------------------------------------


def _cast(lake: Readable, film: Film) -> tuple[dict[str, Entity], dict[str, Entity], bool]:
    """Return the things there were at the start and at the end, and whether there are more."""
    found = _both(lake, film, film.query)
    if found[2] and film.bounds is not None:  # too many: then those that were inside at one of both
        inside = Geo("intersects", _rectangle(film.bounds), film.place)
        found = _both(lake, film, replace(film.query, geo=inside))
    before, after, is_cut = found
    return before, after, is_cut or len(before.keys() | after.keys()) > MOST_THINGS


def _both(
    lake: Readable, film: Film, query: Query
) -> tuple[dict[str, Entity], dict[str, Entity], bool]:
    asked = replace(query, limit=MOST_THINGS, offset=0, count=False)
    before, _, more_before = lake.states(asked, film.start)
    after, _, more_after = lake.states(asked, film.end)
    return (
        {one.id: one for one in before},
        {one.id: one for one in after},
        more_before or more_after,
    )


def _rectangle(box: Box) -> str:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return geo.reference("Polygon", [ring])


def _gone(lake: Readable, film: Film, ids: Sequence[str]) -> dict[str, int]:
    """Return when those that were not there at the end were deleted, if they were."""
    if not ids:
        return {}
    query = Query(selectors=(Selector(ids=tuple(ids)),), limit=len(ids))
    pasts = lake.pasts(Wanted(query, attributes=(film.place,), last_n=1)).entities
    return {one.id: one.deleted for one in pasts if one.deleted is not None}


# --- what became of them ------------------------------------------------------------------------


def _rows(lake: Readable, film: Film, ids: Sequence[str]) -> dict[str, dict[int, tuple[Any, Any]]]:
    """Return by id and picture the last place and value that were observed since the one before."""
    if not ids:
        return {}
    names = [film.place, *([film.value] if film.value not in (None, film.place) else [])]
    series = Series(
        attributes=tuple(names),
        query=Query(selectors=(Selector(ids=tuple(ids)),)),
        start=film.start + 1,
        end=film.end + 1,
        every=Period(microseconds=film.step),
        method="last",
    )
    forms = {kind.form for kind in lake.kinds() if kind.attribute == film.value}
    is_json = len(forms) > 1 or forms == {"json"}
    found: dict[str, dict[int, tuple[Any, Any]]] = {}
    for row in lake.frame(series).iter_rows():
        moment = round(row[1].timestamp() * 1_000_000)
        picture = min((moment - film.start) // film.step + 1, film.steps)
        value = row[3] if len(row) > 3 else None
        if is_json and isinstance(value, str):
            value = orjson.loads(value)
        found.setdefault(row[0], {})[picture] = (row[2], value)
    return found


def _track(
    film: Film,
    id: str,
    before: Entity | None,
    after: Entity | None,
    rows: dict[int, tuple[Any, Any]],
    gone: dict[str, int],
) -> _Track | None:
    """Return one thing picture by picture; None if nobody knows where it was."""
    point, value = _state(before, film)
    first = 0 if before is not None else min(rows, default=film.steps)
    end = film.steps + 1
    if id in gone:
        end = max(0, min(end, -((film.start - gone[id]) // film.step)))
    points: list[Point | None] = []
    values: list[Any] = []
    for picture in range(film.steps + 1):
        place, said = rows.get(picture, (None, None))
        point = _point(place) or point
        value = said if said is not None else value
        is_there = first <= picture < end
        points.append(point if is_there else None)
        values.append(_plain(value) if is_there else None)
    known = next((one for one in points if one is not None), None) or _state(after, film)[0]
    if known is None:
        return None
    # A place counts for what was observed before anybody told it, as everywhere in history.
    shown = [(one or known) if first <= n < end else None for n, one in enumerate(points)]
    source = after or before
    name = told.named(source.document) if source is not None else {}
    return _Track(id, name, shown, values, first, end)


def _state(entity: Entity | None, film: Film) -> tuple[Point | None, Any]:
    if entity is None:
        return None, None
    document: Document = entity.document
    geometry = told.geometry_of(document)
    point = None if geometry is None else _rounded(told.point_of(geometry))
    value = None
    if film.value is not None:
        value = next(
            (told.content(a) for n, a in told.attributes(document) if n == film.value), None
        )
    return point, value


def _point(place: Any) -> Point | None:
    if place is None:
        return None
    geometry = orjson.loads(place) if isinstance(place, str) else place
    return _rounded(told.point_of(geometry)) if is_geometry(geometry) else None


def _rounded(point: Point | None) -> Point | None:
    return None if point is None else (round(point[0], _DIGITS), round(point[1], _DIGITS))


def _plain(value: Any) -> Any:
    """Return a value that a map can colour by: a number, a text or a truth value, else nothing."""
    return value if isinstance(value, int | float | str | bool) else None


def _is_inside(track: _Track, box: Box | None) -> bool:
    if box is None:
        return True
    west, south, east, north = box
    return any(
        west <= one[0] <= east and south <= one[1] <= north
        for one in track.points
        if one is not None
    )


# --- how it is told -----------------------------------------------------------------------------


def _told(film: Film, tracks: Sequence[_Track], is_cut: bool) -> dict[str, Any]:
    moving = [number for number, one in enumerate(tracks) if one.moves]
    pictures = range(film.steps + 1)
    found: dict[str, Any] = {
        "start": time.render(film.start),
        "end": time.render(film.end),
        "step": film.step / 1_000_000,
        "ids": [one.id for one in tracks],
        "names": [one.name for one in tracks],
        "positions": [next((p for p in one.points if p is not None), None) for one in tracks],
        "from": [one.first for one in tracks],
        "to": [one.end for one in tracks],
        "moving": moving,
        "paths": [
            _flat(tracks[number].points[picture] for number in moving) for picture in pictures
        ],
        "cut": is_cut,
    }
    if film.value is not None:
        found["values"] = [[one.values[picture] for one in tracks] for picture in pictures]
    return found


def _flat(points: Iterable[Point | None]) -> list[float | None]:
    """Return longitudes and latitudes in turn, nulls where nothing was."""
    return [part for point in points for part in (point or (None, None))]
