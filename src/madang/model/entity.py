"""An entity in memory: its document and the system times kept beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Document = dict[str, Any]
"""An entity in the form described in :mod:`madang.model`."""

Attribute = dict[str, Any]
"""One attribute instance inside a document."""

INSTANCE = "\x1f"  # between an attribute's name and its datasetId, in a path
CHILD = "\x1e"  # between an attribute instance and its sub-attribute, in a path


class Stamp(NamedTuple):
    """System times of one attribute instance, in microseconds since 1970-01-01T00:00:00Z."""

    created: int
    modified: int
    expires: int | None = None


Times = dict[str, Stamp]
"""Stamps by path.

A path is ``name``, ``name INSTANCE datasetId``, and for a sub-attribute the path of the instance it
belongs to, ``CHILD``, and its own name (and ``INSTANCE datasetId``). An attribute instance without
an entry was created and last modified at ``Entity.written``; a sub-attribute without one at its
parent's ``created``.
"""


def path_of(name: str, instance: Attribute, parent: str = "") -> str:
    """Return the path of an attribute instance in :data:`Times`."""
    dataset = instance.get("datasetId")
    own = name if dataset is None else f"{name}{INSTANCE}{dataset}"
    return f"{parent}{CHILD}{own}" if parent else own


@dataclass(slots=True)
class Entity:
    """The current state of one entity. Times are microseconds since 1970-01-01T00:00:00Z."""

    document: Document
    created: int
    modified: int
    written: int
    """When the attributes without a stamp of their own were created and last modified."""
    times: Times = field(default_factory=dict)
    expires: int | None = None
    """When the entity itself expires (``expiresAt``); attribute instances have stamps for it."""
    layout: object = field(default=None, compare=False, repr=False)
    """One and the same object for documents of the same types and attributes, or None if unknown:
    lets a store tell quickly that it has seen such a document before."""

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def types(self) -> list[str]:
        kind = self.document["type"]
        return [kind] if isinstance(kind, str) else kind

    def stamp(self, path: str, parent: Stamp | None = None) -> Stamp:
        """Return the stamp of an instance, filling in what a missing entry means."""
        found = self.times.get(path)
        if found is not None:
            return found
        since = self.written if parent is None else parent.created
        return Stamp(since, since)
