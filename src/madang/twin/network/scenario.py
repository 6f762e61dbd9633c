"""A city to simulate: a folder with its network, stops, vehicle types, demand and entities.

Who makes one of its files writes it beside its place and moves it there whole (:func:`put`).
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from madang.twin.network.programs import NetworkError

Bounds = tuple[float, float, float, float]
"""West, south, east, north. [degree]"""
_ABOUT: Final = "scenario.toml"
_LARGEST: Final = 1_000_000
"""Of scenario.toml. [byte]"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is known of a city to simulate, and where its files are."""

    folder: Path
    name: str
    """Part of the ids of its entities."""
    seed: int
    zone: str
    """Time zone, such as ``Asia/Seoul``."""
    bounds: Bounds
    source: str
    """What it was made from, with the licence it asks for."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many of what it has: edges, signals, stops …"""
    made_from: str = ""
    """Fingerprint of all it was made from; empty if nobody asks."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what is in a folder.

        Raises:
            NetworkError: it holds no scenario that can be used; the text says what is missing.
        """
        about = folder / _ABOUT
        try:
            if about.stat().st_size > _LARGEST:
                raise NetworkError(f"{about} is larger than {_LARGEST:,} bytes")
            found = tomllib.loads(about.read_text("utf-8"))
            west, south, east, north = map(float, found["bounds"])
            scenario = cls(
                folder,
                name=str(found["name"]),
                seed=int(found["seed"]),
                zone=str(found["zone"]),
                bounds=(west, south, east, north),
                source=str(found["source"]),
                counts={str(name): int(count) for name, count in found["counts"].items()},
                made_from=str(found.get("made_from", "")),
            )
        except FileNotFoundError:
            raise NetworkError(
                f"{folder} holds no city: {_ABOUT} is missing; make one with `madang city build`"
            ) from None
        except KeyError as error:
            raise NetworkError(f"{about} lacks {error}; build the city again") from None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise NetworkError(f"{about} cannot be used: {error}; build the city again") from None
        if not scenario.net.is_file():
            raise NetworkError(f"{folder} lacks {scenario.net.name}; build the city again")
        return scenario

    def write(self) -> None:
        """Write what is known of it; do so last, since it is then complete."""
        lines = [
            f"name = {json.dumps(self.name, ensure_ascii=False)}",
            f"seed = {self.seed}",
            f"zone = {json.dumps(self.zone)}",
            f"bounds = {json.dumps(list(self.bounds))}",
            f"source = {json.dumps(self.source, ensure_ascii=False)}",
            f"made_from = {json.dumps(self.made_from)}",
            "",
            "[counts]",
            *(f"{json.dumps(name)} = {count}" for name, count in self.counts.items()),
        ]
        put(self.folder / _ABOUT, "\n".join(lines) + "\n")

    @staticmethod
    def forget(folder: Path) -> None:
        """Take away what says that a folder holds a scenario, and a demand of its roads."""
        for name in (_ABOUT, "demand.rou.xml"):
            (folder / name).unlink(missing_ok=True)

    @property
    def net(self) -> Path:
        """Roads, junctions and signal plans."""
        return self.folder / "net.net.xml"

    @property
    def types(self) -> Path:
        """Vehicle types: passenger, bus, bicycle, emergency, truck."""
        return self.folder / "types.add.xml"

    @property
    def stops(self) -> Path:
        """Bus stops and parking areas."""
        return self.folder / "stops.add.xml"

    @property
    def detectors(self) -> Path:
        """Induction loops, named ``STATION/LANE NUMBER``."""
        return self.folder / "detectors.add.xml"

    @property
    def demand(self) -> Path:
        """Trips of a weekday by departure; second 0 is local midnight."""
        return self.folder / "demand.rou.xml"

    @property
    def buses(self) -> Path:
        """Buses of a weekday by departure, with their stops."""
        return self.folder / "buses.rou.xml"

    @property
    def entities(self) -> Path:
        """Entities as NGSI-LD, normalized, one a line."""
        return self.folder / "entities.jsonl"

    @property
    def report(self) -> Path:
        """What was odd, closed or left out while it was made."""
        return self.folder / "report.json"

    @property
    def additional(self) -> tuple[Path, ...]:
        """The files that a simulation reads beside the network, in the order it needs."""
        return tuple(one for one in (self.types, self.stops, self.detectors) if one.exists())


def put(path: Path, content: str | Iterable[str]) -> None:
    """Write a file whole: who opens it finds the one before or this one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines([content] if isinstance(content, str) else content)
    draft.replace(path)


def put_json(path: Path, content: Any) -> None:
    """Write a JSON file whole."""
    put(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def put_entities(path: Path, entities: Iterable[Mapping[str, Any]]) -> int:
    """Write entities, one a line; return how many."""
    count = 0

    def lines() -> Iterable[str]:
        nonlocal count
        for count, entity in enumerate(entities, 1):  # noqa: B007
            yield json.dumps(entity, ensure_ascii=False) + "\n"

    put(path, lines())
    return count
