"""Reads a network file of SUMO (``net.net.xml``) as it is written, in one pass.

Source: SUMO user documentation, Networks/SUMO Road Networks.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from madang.twin.network.programs import NetworkError

MOST_BYTES: Final = 2_000_000_000
"""Of a network file."""
_PARTS: Final = ("location", "edge", "tlLogic", "junction", "connection")
Attributes = dict[str, str]


@dataclass(slots=True)
class Net:
    """What a network file says, by kind of element; internal edges and their links left out."""

    location: Attributes = field(default_factory=dict)
    edges: list[tuple[Attributes, list[Attributes], dict[str, str]]] = field(default_factory=list)
    """Each with its lanes and its parameters."""
    programmes: dict[str, tuple[Attributes, list[Attributes]]] = field(default_factory=dict)
    """By signal: its first programme and the phases of that."""
    junctions: dict[str, tuple[Attributes, list[Attributes]]] = field(default_factory=dict)
    """Each with the requests of its links."""
    connections: list[Attributes] = field(default_factory=list)


def read(path: Path) -> Net:
    """Read a network file, plain or compressed by gzip.

    Raises:
        NetworkError: it is missing, too large or no network of SUMO.
    """
    net = Net()
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NetworkError(f"{path} is larger than {MOST_BYTES:,} bytes; take a smaller area")
        for element in _elements(path):
            _take(net, element)
    except (OSError, EOFError) as error:
        raise NetworkError(f"{path} cannot be read: {error}") from None
    except (ElementTree.ParseError, KeyError) as error:
        raise NetworkError(f"{path} is no network of SUMO: {error}") from None
    if not net.edges or "projParameter" not in net.location:
        raise NetworkError(f"{path} is no network of SUMO: it has no edges or no location")
    return net


def _elements(path: Path) -> Iterator[Any]:
    """Yield what stands at the top of the file, each gone when the next is asked for."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        events = ElementTree.iterparse(file, events=("start", "end"))
        _, root = next(events)
        for event, element in events:
            if event == "end" and element.tag in _PARTS:
                yield element
                root.clear()


def _take(net: Net, element: Any) -> None:
    own = dict(element.attrib)
    match element.tag:
        case "location":
            net.location = own
        case "edge" if own.get("function") in (None, "normal"):
            lanes = [dict(one.attrib) for one in element.iterfind("lane")]
            net.edges.append((own, lanes, _parameters(element)))
        case "tlLogic":
            phases = [dict(one.attrib) for one in element.iterfind("phase")]
            net.programmes.setdefault(own["id"], (own, phases))
        case "junction" if own.get("type") != "internal":
            requests = [dict(one.attrib) for one in element.iterfind("request")]
            net.junctions[own["id"]] = own, requests
        case "connection" if not own["from"].startswith(":"):
            net.connections.append(own)


def _parameters(element: Any) -> dict[str, str]:
    return {one.get("key"): one.get("value", "") for one in element.iterfind("param")}
