"""What there is to see of one layer, by cell, and what is new since a viewer was last told.

Every change of a point counts for the version that is being made; :meth:`Held.commit` ends it.
Viewers name the version they were told up to. Most of them name the last one, so the bytes of what
is new in a cell are made once for all; who was too slow is told the newest of everything since
then at once, and after some versions whole cells.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from madang.web.live.frames import Point, section
from madang.web.live.grid import Area, cell_of

KEPT: Final = 25
"""Versions of which it is known what was new in each: 5 s of a city in which all moves."""
_MOST_EMPTY: Final = 4_096  # cells that are remembered after their last point has left


class Spot(NamedTuple):
    """Where and how an entity is drawn."""

    longitude: int  # [1e-7 degree]
    latitude: int  # [1e-7 degree]
    value: float
    """NaN if it has none."""
    word: str = ""


class _Cell:
    __slots__ = ("at", "points", "version", "whole")

    def __init__(self) -> None:
        self.points: dict[int, Point] = {}
        self.version = 0
        """The last one in which something in it was new."""
        self.at = 0.0
        self.whole: bytes | None = None


class _News:
    """What one version brought to one cell."""

    __slots__ = ("at", "gone", "points")

    def __init__(self) -> None:
        self.points: dict[int, Point] = {}
        self.gone: set[int] = set()
        self.at = 0.0


class Held:
    """The points of one layer. One number is never given to two entities."""

    def __init__(self) -> None:
        self.version = 0
        self.forgotten = 0
        """Who was told up to an earlier version has to begin anew."""
        self._points: dict[str, Point] = {}
        self._cells: dict[int, _Cell] = {}
        self._news: dict[int, _News] = {}
        self._recent: deque[tuple[int, dict[int, _News]]] = deque(maxlen=KEPT)
        self._made: dict[tuple[int, int], bytes] = {}
        self._told: dict[tuple[Area, int], list[bytes]] = {}
        self._since_when: dict[int, dict[int, None]] = {}
        self._empty = 0
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, id: str) -> bool:
        return id in self._points

    @property
    def ids(self) -> list[str]:
        return list(self._points)

    # --- what changes -------------------------------------------------------------------------

    def put(self, id: str, spot: Spot, at: float) -> None:
        """Take up where an entity is; ``at`` is when the hub took that [ms since 1970]."""
        longitude, latitude, value, word = spot
        point = self._points.get(id)
        cell = cell_of(longitude, latitude)
        if point is None:
            self._last_number += 1
            point = self._points[id] = Point(id, self._last_number)
        elif point.cell == cell:
            same_value = point.value == value or (value != value and point.value != point.value)
            if (
                same_value
                and point.longitude == longitude
                and point.latitude == latitude
                and point.word == word
            ):
                return
        else:
            self._leave(point, at)
        point.longitude, point.latitude, point.value, point.word = longitude, latitude, value, word
        news = self._new(cell, at)
        if point.cell != cell:
            self._enter(point, cell)
            news.gone.discard(point.number)
        news.points[point.number] = point

    def remove(self, id: str, at: float) -> None:
        """Forget an entity, if it is there."""
        point = self._points.pop(id, None)
        if point is not None:
            self._leave(point, at)

    def commit(self) -> bool:
        """End the version that was being made; tell whether there is something new in it."""
        if not self._news:
            return False
        self.version += 1
        for key in self._news:
            self._cells[key].version = self.version
        self._recent.append((self.version, self._news))
        self._news = {}
        self._made.clear()
        self._told.clear()
        self._since_when.clear()
        if self._empty > _MOST_EMPTY:
            self._forget_empty()
        return True

    def _new(self, key: int, at: float) -> _News:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
            self._empty += 1
        cell.whole = None
        news = self._news.get(key)
        if news is None:
            news = self._news[key] = _News()
        cell.at = news.at = max(cell.at, at)
        return news

    def _enter(self, point: Point, key: int) -> None:
        points = self._cells[key].points
        self._empty -= not points
        points[point.number] = point
        point.cell = key
        point.entered = self.version + 1

    def _leave(self, point: Point, at: float) -> None:
        news = self._new(point.cell, at)
        points = self._cells[point.cell].points
        del points[point.number]
        self._empty += not points
        news.points.pop(point.number, None)
        news.gone.add(point.number)
        point.cell = -1

    def _forget_empty(self) -> None:
        """Forget the cells in which nothing is; who has not been told so yet must begin anew."""
        self._cells = {key: cell for key, cell in self._cells.items() if cell.points}
        self._empty = 0
        self._recent.clear()
        self.forgotten = self.version

    # --- what viewers are told ----------------------------------------------------------------

    def whole(self, area: Area, but: Area | None = None) -> list[bytes]:
        """Return all there is in an area, except in another one, cell by cell."""
        cells = self._cells
        return [
            self._whole(key, cells[key])
            for key in area.chosen(cells)
            if cells[key].points and (but is None or not but.holds(key))
        ]

    def since(self, area: Area, version: int) -> list[bytes]:
        """Return what is new in an area since a version that is not forgotten.

        Only for who was told up to that version of all that is in the area: what has stayed in its
        cell comes without its id.
        """
        if version == self.version:
            return []
        found = self._told.get((area, version))
        if found is None:
            found = [self._since(key, version) for key in area.chosen(self._changed(version))]
            self._told[area, version] = found
        return found

    def news(self, area: Area, known: Area, version: int) -> list[bytes]:
        """Return what :meth:`since` does, of the cells that are in both areas."""
        keys = area.chosen(self._changed(version))
        return [self._since(key, version) for key in keys if known.holds(key)]

    def _changed(self, version: int) -> dict[int, None]:
        """Return the cells in which something is new since a version."""
        found = self._since_when.get(version)
        if found is None:
            changed = (key for key, cell in self._cells.items() if cell.version > version)
            found = self._since_when[version] = dict.fromkeys(changed)
        return found

    def _knows(self, version: int) -> bool:
        return bool(self._recent) and self._recent[0][0] <= version + 1

    def _whole(self, key: int, cell: _Cell) -> bytes:
        if cell.whole is None:
            cell.whole = section(key, list(cell.points.values()), (), (), cell.at, whole=True)
        return cell.whole

    def _since(self, key: int, version: int) -> bytes:
        found = self._made.get((key, version))
        if found is None:
            found = self._made[key, version] = self._make(key, version)
        return found

    def _make(self, key: int, version: int) -> bytes:
        cell = self._cells[key]
        if not self._knows(version):
            return self._whole(key, cell)
        points: dict[int, Point] = {}
        gone: set[int] = set()
        at = 0.0
        for number, changed in self._recent:
            if number > version and (news := changed.get(key)) is not None:
                points |= news.points
                gone |= news.gone
                at = news.at
        here = cell.points
        moved = [point for number, point in points.items() if number in here]
        entered = [point for point in moved if point.entered > version]
        stayed = [point for point in moved if point.entered <= version]
        return section(key, entered, stayed, [one for one in gone if one not in here], at)
