"""The tree agrees with the definitions of RFC 9162, written down as they stand there."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from madang.trust import merkle
from madang.trust.merkle import Frontier


class Kept:
    """A tree in memory, with its full blocks."""

    def __init__(self, size: int) -> None:
        self.frontier = Frontier()
        self.rows: list[list[bytes]] = [[], [], [], []]
        for number in range(size):
            self.add(merkle.leaf_hash(str(number).encode()))

    def add(self, leaf: bytes) -> None:
        self.rows[0].append(leaf)
        for block in self.frontier.append(leaf):
            assert block.position == len(self.rows[block.level])
            self.rows[block.level].append(block.hash)

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        found = self.rows[level][first : first + count]
        assert len(found) == count
        return found


LARGEST = 1100
KEPT = Kept(LARGEST)
LEAVES = KEPT.rows[0]
sizes = st.integers(0, 40) | st.integers(0, LARGEST) | st.sampled_from([255, 256, 257, 512, 1024])


def split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """Section 2.1.1, MTH."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Section 2.1.3.1, PATH."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*naive_inclusion(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_inclusion(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(old: int, leaves: Sequence[bytes], is_whole: bool = True) -> list[bytes]:
    """Section 2.1.4.1, SUBPROOF."""
    if old == len(leaves):
        return [] if is_whole else [naive_root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*naive_consistency(old, leaves[:k], is_whole), naive_root(leaves[k:])]
    return [*naive_consistency(old - k, leaves[k:], False), naive_root(leaves[:k])]


@settings(max_examples=100, deadline=None)
@given(sizes)
def test_the_root_is_that_of_the_definition(size: int) -> None:
    wanted = naive_root(LEAVES[:size])
    assert merkle.root(KEPT, 0, size) == wanted
    assert Frontier.load(KEPT, size).root() == wanted


@settings(max_examples=50, deadline=None)
@given(sizes, st.integers(1, 30))
def test_a_frontier_taken_up_again_goes_on_as_before(size: int, more: int) -> None:
    taken_up = Frontier.load(KEPT, size)
    for leaf in LEAVES[size : size + more]:
        taken_up.append(leaf)
    assert taken_up.root() == naive_root(LEAVES[: size + more])


@settings(max_examples=100, deadline=None)
@given(sizes.filter(bool), st.data())
def test_inclusion_proofs_are_those_of_the_definition_and_hold(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion(KEPT, index, size)
    head = naive_root(LEAVES[:size])
    assert path == naive_inclusion(index, LEAVES[:size])
    assert merkle.is_included(index, size, LEAVES[index], path, head)
    assert not merkle.is_included(index, size, merkle.leaf_hash(b"other"), path, head)
    assert not merkle.is_included(index, size, LEAVES[index], [*path, head], head)
    assert not merkle.is_included(size, size, LEAVES[index], path, head)
    if size > 1:
        other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
        assert not merkle.is_included(other, size, LEAVES[index], path, head)
        assert not merkle.is_included(index, size, LEAVES[index], path[:-1], head)


@settings(max_examples=100, deadline=None)
@given(sizes, sizes)
def test_consistency_proofs_are_those_of_the_definition_and_hold(one: int, two: int) -> None:
    old, new = sorted((one, two))
    path = merkle.consistency(KEPT, old, new)
    before, after = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
    if 0 < old < new:
        assert path == naive_consistency(old, LEAVES[:new])
        assert not merkle.is_consistent(old, new, merkle.leaf_hash(b"x"), after, path)
        assert not merkle.is_consistent(old, new, before, merkle.leaf_hash(b"x"), path)
        assert not merkle.is_consistent(old, new, before, after, [*path, after])
    assert merkle.is_consistent(old, new, before, after, path)


def test_the_root_is_that_of_known_vectors() -> None:
    """Leaves and roots of the tests of google/certificate-transparency."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    leaves.append("606162636465666768696a6b6c6d6e6f")
    frontier = Frontier()
    roots = []
    for leaf in leaves:
        frontier.append(merkle.leaf_hash(bytes.fromhex(leaf)))
        roots.append(frontier.root().hex())
    assert roots[0] == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert roots[1] == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert roots[7] == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
