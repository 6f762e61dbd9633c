"""The grid of cells in which the live stream tells what is new.

Cells are squares of 0.02 degrees (2.2 km north to south): their numbers take two divisions, and one
screen of a street sees a few of them, one of a city a few hundred. Positions are whole numbers of
1e-7 degrees, 1.1 cm at most.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

SCALE: Final = 10_000_000
"""Units of a position in a degree."""
CELL: Final = SCALE // 50
"""Width of a cell, in units."""
_WEST: Final = 180 * SCALE
_SOUTH: Final = 90 * SCALE
_LAST_X: Final = 2 * _WEST // CELL
_LAST_Y: Final = 2 * _SOUTH // CELL


def cell_of(longitude: int, latitude: int) -> int:
    """Return the number of the cell of a position: its column times 65536, and its row."""
    return (longitude + _WEST) // CELL << 16 | (latitude + _SOUTH) // CELL


class Area(NamedTuple):
    """A rectangle of cells, edges included; ``x0 > x1`` goes over the antimeridian."""

    x0: int
    y0: int
    x1: int
    y1: int

    def holds(self, cell: int) -> bool:
        """Tell whether a cell is in it."""
        y = cell & 0xFFFF
        if y < self.y0 or y > self.y1:
            return False
        x = cell >> 16
        if self.x0 <= self.x1:
            return self.x0 <= x <= self.x1
        return x >= self.x0 or x <= self.x1

    def chosen(self, cells: Collection[int]) -> list[int]:
        """Return those of the cells that are in it; ``cells`` should know quickly what it has."""
        x0, y0, x1, y1 = self
        if x0 <= x1 and (x1 - x0 + 1) * (y1 - y0 + 1) < len(cells):
            here = (x << 16 | y for x in range(x0, x1 + 1) for y in range(y0, y1 + 1))
            return [cell for cell in here if cell in cells]
        return [cell for cell in cells if self.holds(cell)]


def area_of(west: float, south: float, east: float, north: float) -> Area:
    """Return the cells that are seen through a window. [degree]

    Args:
        west: may lie beyond the antimeridian, as where a map has been turned round the world.
        south: not greater than ``north``.
        east: not smaller than ``west``, unless the window goes over the antimeridian.
        north: at most 90.
    """
    y0, y1 = (int((latitude * SCALE + _SOUTH) // CELL) for latitude in (south, north))
    if east - west >= 360 - 2 * CELL / SCALE:
        return Area(0, y0, _LAST_X, min(y1, _LAST_Y))
    x0, x1 = (int(_turned(longitude) * SCALE + _WEST) // CELL for longitude in (west, east))
    return Area(x0, y0, x1, min(y1, _LAST_Y))


def _turned(longitude: float) -> float:
    """Return a longitude between -180 and 180."""
    if -180 <= longitude <= 180:
        return longitude
    return (longitude + 180) % 360 - 180
