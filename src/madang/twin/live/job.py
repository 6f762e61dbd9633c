"""What a live twin is told when its process begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """A street and the devices that it is behind."""

    scenario: Path
    port: int
    """Of the broker, on this machine."""
    key: str
    """By which it is let in."""
    signals: Mapping[str, str]
    """Names of devices by signal."""
    stations: Mapping[str, str]
    """Names of devices by station of detectors."""
    buses: Mapping[str, tuple[str, ...]]
    """Ids of the entities that drive a line, by line."""
    others: str
    """Ids of the entities of connected cars, lorries and bicycles, with ``{kind}`` and
    ``{number}``."""
    fleet: str
    """Name of the device that vehicles speak through."""
    seed: int
