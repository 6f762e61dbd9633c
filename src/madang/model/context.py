"""JSON-LD @contexts: short names to canonical names and back. Pure: fetching is the hub's work."""

from __future__ import annotations

from typing import Protocol


class Names(Protocol):
    """What the rest of the model needs of an @context."""

    def expand(self, term: str) -> str:
        """Return the canonical name (see :mod:`madang.model`) of a term, compact IRI or IRI."""

    def compact(self, name: str) -> str:
        """Return what this @context calls a canonical name."""
