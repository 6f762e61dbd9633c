"""The part of a network in which one gets from everywhere to everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from madang.twin.network.roads import Roads

_GROUPS = ("passenger", "bus", "bicycle")
"""Who must get everywhere: an edge belongs to the first of them that may use it."""


def arcs(roads: Roads, kind: str) -> list[tuple[str, str]]:
    """Return the pairs of edges that follow one another for a kind of vehicle."""
    return sorted(
        {
            (roads.lanes[lane].edge, roads.lanes[link.to].edge)
            for lane, links in roads.links.items()
            if kind in roads.lanes[lane].allowed
            for link in links
            if kind in link.allowed and kind in roads.lanes[link.to].allowed
        }
    )


def largest(edges: Iterable[str], pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Return the largest set of edges each of which is reached from each (strongly connected).

    >>> sorted(largest("abcd", [("a", "b"), ("b", "a"), ("b", "c"), ("d", "a")]))
    ['a', 'b']
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    names = list(edges)
    if not names:
        return set()
    number = {name: place for place, name in enumerate(names)}
    rows = [(number[a], number[b]) for a, b in pairs]
    start, end = np.array(rows, np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows)), (start, end)), shape=(len(names), len(names)))
    _, labels = connected_components(graph.tocsr(), directed=True, connection="strong")
    most = np.bincount(labels).argmax()
    return {name for name, label in zip(names, labels, strict=True) if label == most}


def unreachable(roads: Roads) -> set[str]:
    """Return the edges that who belongs on them cannot both reach and leave."""
    found: set[str] = set()
    seen: set[str] = set()
    for kind in _GROUPS:
        allowed = {
            edge.id
            for edge in roads.edges.values()
            if any(kind in roads.lanes[lane].allowed for lane in edge.lanes)
        }
        own = allowed - seen
        seen |= allowed
        found |= own - largest(sorted(allowed), arcs(roads, kind))
    return found | (roads.edges.keys() - seen)
