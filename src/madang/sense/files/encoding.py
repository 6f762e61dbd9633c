"""Which encoding a text is written in, told from its first bytes.

Byte order marks and valid UTF-8 decide by themselves. What is left is old: Korean CP949 (which
EUC-KR is a part of) is told by how Korean is really written in it, all others by the frequencies
that charset-normalizer knows.
"""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OTHERS = ["cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "euc_jp", "gb18030", "big5"]
_LOOKED_AT = 1 << 16  # bytes whose characters are counted
_ODD_IN_WORDS = re.compile(r"[^\W\d_][^\w\s\x00-\x7f·’'°–-][a-z]")


def guess_encoding(sample: bytes) -> str:
    """Return the name of the encoding of a text, given its beginning.

    >>> guess_encoding("시리얼".encode("cp949")), guess_encoding("시리얼".encode())
    ('cp949', 'utf-8')
    >>> guess_encoding("Straße;Größe".encode("cp1252")), guess_encoding("a,b".encode("utf-16-le"))
    ('cp1252', 'utf-16-le')
    """
    for mark, name in _MARKS.items():
        if sample.startswith(mark):
            return name
    wide = _without_mark(sample)
    if wide is not None:
        return wide
    if _decoded(sample, "utf-8") is not None:
        return "utf-8"
    looked_at = _around_the_strange(sample)
    if _is_korean(looked_at):
        return "cp949"
    return _other(looked_at)


def _without_mark(sample: bytes) -> str | None:
    """Tell UTF-16 by the zeros that every separator and digit has beside it."""
    head = sample[:4096]
    if len(head) < 4 or b"\0" not in head:
        return None
    low, high = head[0::2].count(0), head[1::2].count(0)
    if high > 4 * low:
        return "utf-16-le"
    return "utf-16-be" if low > 4 * high else None


def _decoded(sample: bytes, encoding: str) -> str | None:
    """Return the text, or None if it is none; it may end within a character."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample)
    except (UnicodeDecodeError, LookupError):
        return None


def _around_the_strange(sample: bytes) -> bytes:
    """Return the lines that have bytes above 127: a long plain beginning says nothing."""
    lines = [line for line in sample.splitlines(keepends=True) if not line.isascii()]
    return b"".join(lines)[:_LOOKED_AT]


def _is_korean(sample: bytes) -> bool:
    """Tell whether it is CP949 by its pairs of bytes.

    Nearly all Korean is written with the 2,350 syllables of KS X 1001, which have a lead byte
    0xB0 to 0xC8 and a second above 0xA0. Accented Latin letters that happen to be valid CP949
    mostly make pairs with an ASCII letter, which are the rare syllables of the extension.
    """
    if _decoded(sample, "cp949") is None:
        return False
    common = rare = at = 0
    while at < len(sample) - 1:
        lead, second = sample[at], sample[at + 1]
        if lead < 0x80:
            at += 1
            continue
        common += 0xB0 <= lead <= 0xC8 and second > 0xA0
        rare += second <= 0xA0 or lead < 0xA1
        at += 2
    return common > rare


def _other(sample: bytes) -> str:
    """Return Windows-1252 unless it would put signs into words, else what is most likely."""
    western = _decoded(sample, "cp1252")
    if western is not None and not _ODD_IN_WORDS.search(western):
        letters = sum(mark.isalpha() for mark in western)
        strange = sum(mark > "\x7f" for mark in western)
        if strange * 2 <= letters:
            return "cp1252"
    best = from_bytes(sample, cp_isolation=_OTHERS).best()
    if best is not None:
        return best.encoding
    return "cp1252" if western is not None else "latin-1"
