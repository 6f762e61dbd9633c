"""The bytes of the live stream. All numbers are little-endian; texts are UTF-8.

A message, version 1::

    u8 version   u8 blocks   u16 0
    u32 look     which look of the connection it answers, counted from 1
    f64 sent     when it was made [ms since 1970]
    u16 x0 y0 x1 y1   the cells that the viewer is sent; what lies outside is to be forgotten
    blocks, one a layer that has something to tell:
        u8 layer     its place in the look
        u8 flags     1: it begins anew, what the viewer has of it is to be forgotten
        u16 0
        u32 length   of its sections [bytes]
        sections, one a cell that has something to tell

A section::

    u16 x  u16 y     the cell
    u8 flags         1: all there is in the cell   2: with values   4: with words
    u8 0 0 0
    u32 points   u32 entered   u32 gone
    f64 at           when the hub took the newest change in it [ms since 1970]; 0 is before all
    u32 number       of each point: it names an entity for as long as anybody looks at the layer
    i32 longitude    of each point [1e-7 degree]
    i32 latitude     of each point [1e-7 degree]
    f32 value        of each point, if with values; NaN is none
    if with words: u16 words, their texts, and for each point u16: 0 is none, 1 the first of them
    texts            ids of the first ``entered`` points, which the viewer may not know
    u32 number       of each that has left the cell

Texts are first all their lengths (u16), then all their bytes. What moves to another cell is in the
sections of both: first all that came is to be taken up, then all that went to be dropped, unless it
is in another cell by then.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from math import isnan
from typing import Final

from madang.web.live.grid import Area

VERSION: Final = 1
ANEW: Final = 1
WHOLE, VALUES, WORDS = 1, 2, 4
_MESSAGE = struct.Struct("<BBHIdHHHH")
_BLOCK = struct.Struct("<BBHI")
_SECTION = struct.Struct("<HHBxxxIIId")
_MOST_WORDS: Final = 65_535  # different ones in one cell; the others are left out


class Point:
    """One entity as it is drawn."""

    __slots__ = ("cell", "entered", "id", "latitude", "longitude", "number", "value", "word")

    def __init__(self, id: str, number: int) -> None:
        self.id = id
        self.number = number
        self.longitude = 0
        self.latitude = 0
        self.value = 0.0
        self.word = ""
        self.cell = -1
        self.entered = 0
        """Version of its layer in which it came into its cell."""


def message(look: int, sent: float, area: Area, blocks: Sequence[list[bytes]]) -> bytes:
    """Return a message of the blocks. ``sent`` is in ms since 1970."""
    head = _MESSAGE.pack(VERSION, len(blocks), 0, look, sent, *area)
    return b"".join((head, *chain.from_iterable(blocks)))


def block(layer: int, sections: Sequence[bytes], *, anew: bool = False) -> list[bytes]:
    """Return the block of one layer in parts."""
    length = sum(map(len, sections))
    return [_BLOCK.pack(layer, ANEW if anew else 0, 0, length), *sections]


def section(
    cell: int,
    entered: Sequence[Point],
    stayed: Sequence[Point],
    gone: Sequence[int],
    at: float,
    *,
    whole: bool = False,
) -> bytes:
    """Return what is new in a cell; ``at`` is in ms since 1970."""
    points = [*entered, *stayed]
    count = len(points)
    values = [point.value for point in points]
    words = list(dict.fromkeys(point.word for point in points if point.word))[:_MOST_WORDS]
    with_values = not all(map(isnan, values))
    flags = WHOLE * whole | VALUES * with_values | WORDS * bool(words)
    parts = [
        _SECTION.pack(cell >> 16, cell & 0xFFFF, flags, count, len(entered), len(gone), at),
        struct.pack(f"<{count}I", *[point.number for point in points]),
        struct.pack(f"<{count}i", *[point.longitude for point in points]),
        struct.pack(f"<{count}i", *[point.latitude for point in points]),
    ]
    if with_values:
        parts.append(struct.pack(f"<{count}f", *values))
    if words:
        places = {word: place for place, word in enumerate(("", *words))}
        parts += (struct.pack("<H", len(words)), _texts(words))
        parts.append(struct.pack(f"<{count}H", *[places.get(point.word, 0) for point in points]))
    parts += (_texts(point.id for point in entered), struct.pack(f"<{len(gone)}I", *gone))
    return b"".join(parts)


def _texts(texts: Iterable[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join((struct.pack(f"<{len(encoded)}H", *map(len, encoded)), *encoded))
