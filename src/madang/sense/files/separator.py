"""What separates the cells of a text table, told from its first lines."""

from __future__ import annotations

from collections import Counter

SEPARATORS = ",;\t|"
_LINES = 50


def guess_separator(beginning: str) -> str:
    """Return the mark that cuts the most lines into the same number of cells.

    A comma may stand within numbers, and titles above the header have no mark at all; so it is
    the agreement of lines that counts, then the number of cells.

    >>> guess_separator('a;"b,c,d";e')
    ';'
    >>> guess_separator("a;b" + chr(10) + "1,5;2,5" + chr(10) + "3,5;4,5")
    ';'
    """
    outside = "".join(beginning.split('"')[::2])  # what is quoted separates nothing
    lines = outside.splitlines()[:_LINES]
    return max(SEPARATORS, key=lambda mark: _agreement(lines, mark))


def _agreement(lines: list[str], mark: str) -> tuple[int, int]:
    """Return how many lines have the same number of a mark, and that number."""
    counts = Counter(line.count(mark) for line in lines if mark in line)
    number, agreeing = max(counts.items(), key=lambda one: (one[1], one[0]), default=(0, 0))
    return agreeing, number
