"""The bytes of the live stream, which the page must read as they are written here."""

from __future__ import annotations

import re
from math import isnan, nan
from pathlib import Path

import pytest

import madang
from madang.web.live import frames
from madang.web.live.frames import Point
from madang.web.live.grid import Area, cell_of
from tests.web.live_screen import decode

HERE, THERE = (1_270_000_000, 375_000_000), (-1_799_999_999, -899_999_999)
VECTOR = (
    "010100000200000000b8e70880aa7942f43be618f83be918010100008c000000f63be7180600000002000000"
    "01000000020000000000e00880aa7942020000000100000081a9b24b80a9b24bc20b5a16c00b5a160000c07f"
    "00006040010004006672656501000000070075726e3aed959c07000000080000000000000003000000010000"
    "000100000000000000000000000000000003000000012eb69401175bca000000c0050075726e3a63"
)
"""The same as in decode.test.ts."""


def point(
    id: str, number: int, place: tuple[int, int], value: float = nan, word: str = ""
) -> Point:
    made = Point(id, number)
    made.longitude, made.latitude = place
    made.value, made.word = value, word
    return made


def message() -> bytes:
    stayed = point("urn:a", 1, HERE, 3.5)
    entered = point("urn:한", 2, (HERE[0] + 1, HERE[1] + 2), nan, "free")
    sections = [
        frames.section(cell_of(*HERE), [entered], [stayed], [7, 8], 1763755200000.0),
        frames.section(cell_of(*THERE), [point("urn:c", 3, THERE, -2.0)], [], [], 0.0, whole=True),
    ]
    area = Area(15348, 6374, 15352, 6377)
    return frames.message(2, 1763755200123.5, area, [frames.block(1, sections, anew=True)])


def test_a_message_is_written_as_the_page_reads_it() -> None:
    assert message().hex() == VECTOR


def test_the_page_is_tested_with_the_same_bytes() -> None:
    test = Path(madang.__file__).parent / "web/ui/src/live/decode.test.ts"
    if not test.exists():
        pytest.skip("the sources of the page are not installed")
    lines = re.findall(r"^ {2}'([0-9a-f]+)'", test.read_text(), re.MULTILINE)
    assert "".join(lines) == VECTOR


def test_what_is_written_can_be_read() -> None:
    told = decode(message())
    assert (told.look, told.sent, told.area) == (2, 1763755200123.5, (15348, 6374, 15352, 6377))
    (block,) = told.blocks
    assert (block.layer, block.anew) == (1, True)
    news, whole = block.sections
    assert (news.numbers, news.ids, news.gone, news.whole) == ((2, 1), ["urn:한"], (7, 8), False)
    assert isnan(news.seen[0].value)
    assert news.seen[0].word == "free"
    assert news.seen[1] == (*HERE, 3.5, "")
    assert (whole.ids, whole.whole, whole.seen) == (["urn:c"], True, [(*THERE, -2.0, "")])


def test_a_layer_without_values_does_not_send_any() -> None:
    bare = frames.section(cell_of(*HERE), [], [point("urn:a", 1, HERE)], [], 0.0)
    valued = frames.section(cell_of(*HERE), [], [point("urn:a", 1, HERE, 1.0)], [], 0.0)
    assert len(valued) - len(bare) == 4
    assert len(bare) == 28 + 12
