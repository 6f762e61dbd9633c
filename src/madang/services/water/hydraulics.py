"""Steady flow in a water network, and how much a leak anywhere lowers the pressure at each sensor.

Pure functions. Heads and flows are found by the global gradient algorithm (E. Todini and S. Pilati,
A gradient method for the analysis of pipe networks, 1988), head loss is that of Hazen and Williams.
Valves and pumps cut the network into parts. A part is fed at its fixed heads: reservoirs, tanks,
and the outlets of valves that hold a pressure; what flows through a valve or a pump is taken from
the part before it. The matrix is dense: a network of 1,000 junctions takes about a second.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EXPONENT = 1.852  # of the flow, Hazen and Williams
HAZEN_WILLIAMS = 10.667 / 3600**EXPONENT  # for flow in m3/h, length and diameter in m
LEAST_FLOW = 1e-3  # below which head loss counts as linear [m3/h]
ROUNDS, CLOSE = 60, 1e-4  # of iteration; the largest change of a head at its end [m]


class Network(NamedTuple):
    """Pipes between nodes; tuples, so that it can be kept by its content."""

    nodes: tuple[str, ...]
    demands: tuple[float, ...]
    """Mean demand of each node. [m3/h]"""
    pipes: tuple[tuple[int, int, float], ...]
    """From node, to node, resistance: head loss is that times flow to the power 1.852."""
    heads: tuple[tuple[int, float], ...]
    """Nodes whose head is fixed. [m]"""
    inlets: tuple[tuple[int, int], ...]
    """Valves and pumps: from node, to node; the latter has a fixed head."""


class Response(NamedTuple):
    """How a network answers to a leak."""

    part: Array
    """To which part a node belongs, by node; nodes of different parts do not answer."""
    drop: Array
    """Fall of pressure, by sensor and by node that leaks. [m per m3/h]"""


def resistance(length: float, diameter: float, roughness: float) -> float:
    """Return the resistance of a pipe.

    Args:
        length: m.
        diameter: m.
        roughness: coefficient of Hazen and Williams.

    >>> round(resistance(1000, 0.3, 100) * (0.1 * 3600) ** EXPONENT, 1)  # 100 l/s
    10.5
    """
    return float(HAZEN_WILLIAMS * length / (roughness**EXPONENT * diameter**4.871))


@lru_cache(8)
def response(network: Network, sensors: tuple[int, ...], factor: float) -> Response:
    """Return how the pressure at sensors falls for a leak at each node.

    Args:
        network: which.
        sensors: nodes.
        factor: by which demands are larger than their mean.
    """
    many = len(network.nodes)
    part = _parts(network)
    demands = np.array(network.demands) * factor
    drop = np.zeros((len(sensors), many))
    waiting = set(part.tolist())
    while waiting:
        # First the parts from which no other part that is still to be solved is fed.
        taken = {part[a] for a, b in network.inlets if part[b] in waiting and part[a] != part[b]}
        free = sorted(waiting - taken) or sorted(waiting)
        for one in free:
            waiting.discard(one)
            inside = np.flatnonzero(part == one)
            _solve_part(network, inside, sensors, demands, drop)
    return Response(part.astype(np.float64), drop)


def _parts(network: Network) -> NDArray[np.int64]:
    """Return to which part each node belongs, by the number of its lowest node."""
    part = np.arange(len(network.nodes))
    ends = np.array([one[:2] for one in network.pipes], dtype=np.int64).reshape(-1, 2)
    while True:
        lowest = part.copy()
        np.minimum.at(lowest, ends[:, 0], part[ends[:, 1]])
        np.minimum.at(lowest, ends[:, 1], part[ends[:, 0]])
        lowest = lowest[lowest]
        if (lowest == part).all():
            return part
        part = lowest


def _solve_part(
    network: Network,
    inside: NDArray[np.int64],
    sensors: tuple[int, ...],
    demands: Array,
    drop: Array,
) -> None:
    """Solve one part: fill in the answer of its sensors; add what it takes to the part before."""
    place = {int(node): row for row, node in enumerate(inside)}
    pipes = [one for one in network.pipes if one[0] in place]
    fixed = {place[node]: head for node, head in network.heads if node in place}
    if not fixed or not pipes:
        return
    ends = np.array([(place[a], place[b]) for a, b, _ in pipes])
    loss = np.array([one[2] for one in pipes])
    flows, laplacian = _steady(ends, loss, demands[inside], fixed)
    known = np.array(sorted(fixed))
    free = np.setdiff1d(np.arange(len(inside)), known)
    rows = [(number, place[node]) for number, node in enumerate(sensors) if node in place]
    inverse = np.linalg.inv(laplacian[np.ix_(free, free)])
    where = {int(node): row for row, node in enumerate(free)}
    for number, node in rows:
        if node in where:
            drop[number, inside[free]] = inverse[where[node]]
    fed = np.zeros(len(inside))  # what flows into the part at each node
    np.add.at(fed, ends[:, 0], flows)
    np.add.at(fed, ends[:, 1], -flows)
    for before, after in network.inlets:
        if after in place:
            demands[before] += max(fed[place[after]] + demands[after], 0.0)


def _steady(
    ends: NDArray[np.int64], loss: Array, demands: Array, fixed: dict[int, float]
) -> tuple[Array, Array]:
    """Return the flow in each pipe, and how demands answer to heads (a Laplacian)."""
    many = len(demands)
    known = np.array(sorted(fixed))
    free = np.setdiff1d(np.arange(many), known)
    heads = np.full(many, max(fixed.values()))
    heads[known] = [fixed[node] for node in known]
    flows = np.full(len(ends), 1.0)
    start, end = ends.T
    for _ in range(ROUNDS):
        steep = 1 / (EXPONENT * loss * np.maximum(np.abs(flows), LEAST_FLOW) ** (EXPONENT - 1))
        rest = flows * (1 - 1 / EXPONENT)
        laplacian = np.zeros((many, many))
        np.add.at(laplacian, (start, start), steep)
        np.add.at(laplacian, (end, end), steep)
        np.add.at(laplacian, (start, end), -steep)
        np.add.at(laplacian, (end, start), -steep)
        into = -demands.copy()
        np.add.at(into, end, rest)
        np.add.at(into, start, -rest)
        right = into[free] - laplacian[np.ix_(free, known)] @ heads[known]
        new = heads.copy()
        new[free] = np.linalg.solve(laplacian[np.ix_(free, free)], right)
        flows = rest + steep * (new[start] - new[end])
        moved = float(np.abs(new - heads).max())
        heads = new
        if moved < CLOSE:
            break
    return flows, laplacian
