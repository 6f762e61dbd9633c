"""The Merkle tree of the audit log: appending, roots and proofs, as in Certificate Transparency.

A leaf hash stands for one record. A *block* is a perfect subtree of 256, 65,536, … leaves, whose
hash is kept when it is full, so that no proof needs more than some hundred hashes of each level.

Source: RFC 9162 (Certificate Transparency Version 2.0) sections 2.1.1 to 2.1.4, with SHA-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""
BLOCK_BITS = 8


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf; the first byte keeps leaves and nodes apart."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Block(NamedTuple):
    """A full block: ``256 ** level`` leaves, the ``position``-th of its size, from 0."""

    level: int
    position: int
    hash: bytes


class Hashes(Protocol):
    """What is kept of a tree: leaf hashes (level 0) and those of full blocks (1, 2, …)."""

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """Return ``count`` hashes of a level from position ``first``."""


class Frontier:
    """The roots of the perfect subtrees a growing tree is made of: all that appending needs."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)  # the largest subtree first

    @classmethod
    def load(cls, kept: Hashes, size: int) -> Frontier:
        """Return the frontier of the first ``size`` leaves of a tree."""
        peaks, start = [], 0
        for bit in reversed(range(size.bit_length())):
            if size >> bit & 1:
                peaks.append(_perfect(kept, start, bit))
                start += 1 << bit
        return cls(size, peaks)

    def copy(self) -> Frontier:
        return Frontier(self.size, self._peaks)

    def append(self, leaf: bytes) -> list[Block]:
        """Add a leaf; return the blocks that it fills."""
        self.size += 1
        filled, bit, found = [], 0, leaf
        while not self.size >> bit & 1:
            found = node_hash(self._peaks.pop(), found)
            bit += 1
            if bit % BLOCK_BITS == 0:
                filled.append(Block(bit // BLOCK_BITS, (self.size >> bit) - 1, found))
        self._peaks.append(found)
        return filled

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self._peaks:
            return EMPTY
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found


def root(kept: Hashes, start: int, end: int) -> bytes:
    """Return the Merkle tree hash of the leaves from ``start`` up to ``end`` (section 2.1.1)."""
    count = end - start
    if count == 0:
        return EMPTY
    if count & (count - 1) == 0:
        return _perfect(kept, start, count.bit_length() - 1)
    middle = start + _split(count)
    return node_hash(root(kept, start, middle), root(kept, middle, end))


def _split(count: int) -> int:
    """Return the largest power of two smaller than ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _perfect(kept: Hashes, start: int, bits: int) -> bytes:
    """Return the root of a perfect subtree of ``2 ** bits`` leaves."""
    level, rest = divmod(bits, BLOCK_BITS)
    row = kept.hashes(level, start >> level * BLOCK_BITS, 1 << rest)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def inclusion(kept: Hashes, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf ``index`` is in the tree of ``size`` leaves (section 2.1.3.1)."""
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root(kept, middle, end))
            end = middle
        else:
            path.append(root(kept, start, middle))
            start = middle
    return path[::-1]


def consistency(kept: Hashes, old: int, new: int) -> list[bytes]:
    """Return the proof that a tree began with the first ``old`` leaves (section 2.1.4.1)."""
    if not 0 < old < new:
        return []
    start, end, path = 0, new, []
    is_whole = True  # the verifier knows the root of the subtree: it is the old tree
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(root(kept, middle, end))
            end = middle
        else:
            path.append(root(kept, start, middle))
            start, is_whole = middle, False
    if not is_whole:
        path.append(root(kept, start, end))
    return path[::-1]


def is_included(index: int, size: int, leaf: bytes, path: Sequence[bytes], head: bytes) -> bool:
    """Return whether a proof shows that a leaf is in the tree with this root (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(step, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, step)
        position, last = position >> 1, last >> 1
    return last == 0 and found == head


def is_consistent(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether a proof shows that the new tree begins with the old one (section 2.1.4.2)."""
    if old == 0 or old == new:
        return not path and (old_root == (EMPTY if old == 0 else new_root))
    if not 0 < old < new or not path:
        return False
    steps = list(path) if old & (old - 1) else [old_root, *path]
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            after = node_hash(after, step)
        position, last = position >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root
