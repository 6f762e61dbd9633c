"""A viewer of the live stream: reads its messages and holds what a screen would show of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """One entity on the screen. [1e-7 degree]"""

    longitude: int
    latitude: int
    value: float
    word: str


class Section(NamedTuple):
    cell: int
    whole: bool
    at: float
    numbers: tuple[int, ...]
    seen: list[Seen]
    ids: list[str]
    gone: tuple[int, ...]


class Block(NamedTuple):
    layer: int
    anew: bool
    sections: list[Section]


class Message(NamedTuple):
    look: int
    sent: float
    area: tuple[int, int, int, int]
    blocks: list[Block]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def some(self, format: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + format, self.data, self.at)
        self.at += struct.calcsize("<" + format)
        return found

    def texts(self, count: int) -> list[str]:
        found = []
        for length in self.some(f"{count}H"):
            found.append(self.data[self.at : self.at + length].decode())
            self.at += length
        return found


def decode(data: bytes) -> Message:
    """Return what a binary message says."""
    reader = _Reader(data)
    version, count, _, look, sent, *area = reader.some("BBHIdHHHH")
    assert version == 1
    blocks = [_block(reader) for _ in range(count)]
    assert reader.at == len(data)
    return Message(look, sent, (area[0], area[1], area[2], area[3]), blocks)


def _block(reader: _Reader) -> Block:
    layer, flags, _, length = reader.some("BBHI")
    end, sections = reader.at + length, []
    while reader.at < end:
        sections.append(_section(reader))
    assert reader.at == end
    return Block(layer, flags == 1, sections)


def _section(reader: _Reader) -> Section:
    x, y, flags, count, entered, left, at = reader.some("HHBxxxIIId")
    numbers = reader.some(f"{count}I")
    longitudes, latitudes = reader.some(f"{count}i"), reader.some(f"{count}i")
    values = reader.some(f"{count}f") if flags & 2 else (nan,) * count
    words = [""] * count
    if flags & 4:
        known = ["", *reader.texts(*reader.some("H"))]
        words = [known[place] for place in reader.some(f"{count}H")]
    seen = [Seen(*one) for one in zip(longitudes, latitudes, values, words, strict=True)]
    ids = reader.texts(entered)
    gone = reader.some(f"{left}I")
    return Section(x << 16 | y, bool(flags & 1), at, numbers, seen, ids, gone)


def is_in(area: Sequence[int], cell: int) -> bool:
    """Tell whether a cell lies in an area of a message."""
    x0, y0, x1, y1 = area
    x, y = cell >> 16, cell & 0xFFFF
    across = x0 <= x <= x1 if x0 <= x1 else x >= x0 or x <= x1
    return y0 <= y <= y1 and across


@dataclass
class _Layer:
    points: dict[int, tuple[str, int, Seen]] = field(default_factory=dict)
    """Id, cell and looks of each, by number."""


class Screen:
    """What one viewer has been told of, by the names of the layers."""

    def __init__(self) -> None:
        self.looks: dict[int, dict[int, _Layer]] = {}
        self._named: dict[object, _Layer] = {}
        self.anew = 0

    def look(self, keys: Sequence[object]) -> None:
        """Look at layers, each told by what it shows; those that were there go on."""
        self._named = {key: self._named.get(key) or _Layer() for key in keys}
        self.looks[len(self.looks) + 1] = dict(enumerate(self._named.values()))

    def take(self, data: bytes) -> Message:
        message = decode(data)
        told = {block.layer: block for block in message.blocks}
        for place, layer in self.looks[message.look].items():
            outside = [
                number
                for number, (_, cell, _) in layer.points.items()
                if not is_in(message.area, cell)
            ]
            for number in outside:
                del layer.points[number]
            if place in told:
                self._block(layer, told[place])
        return message

    def _block(self, layer: _Layer, block: Block) -> None:
        if block.anew:
            layer.points.clear()
            self.anew += 1
        for one in block.sections:
            for place, (number, seen) in enumerate(zip(one.numbers, one.seen, strict=True)):
                known = layer.points.get(number)
                id = one.ids[place] if known is None else known[0]
                layer.points[number] = (id, one.cell, seen)
        for one in block.sections:
            here = {number for number, (_, cell, _) in layer.points.items() if cell == one.cell}
            gone = here.difference(one.numbers) if one.whole else here.intersection(one.gone)
            for number in gone:
                del layer.points[number]

    def shows(self, key: object) -> dict[str, Seen]:
        """Return what is seen of a layer, by id."""
        points = self._named[key].points.values()
        found = {id: seen for id, _, seen in points}
        assert len(found) == len(points), "one entity is shown twice"
        return found
