"""System times while an entity changes: which instance was created and modified when.

Source: ETSI GS CIM 009 clauses 4.8 (``createdAt``, ``modifiedAt``) and 4.22 (``expiresAt``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madang.model.attributes import MEMBERS, instances
from madang.model.entity import CHILD, Attribute, Entity, Stamp, Times, path_of


class Ledger:
    """The stamps of an entity's next state, starting from those it has."""

    __slots__ = ("expires", "now", "times", "written")

    def __init__(self, old: Entity, expires: Mapping[str, int | None], now: int) -> None:
        self.times: Times = old.times.copy()
        self.written = old.written
        self.expires = expires
        self.now = now

    def created(self, path: str, since: int) -> int:
        """Return when an instance was created; ``since`` is for one without a stamp."""
        known = self.times.get(path)
        return since if known is None else known.created

    def add(self, path: str) -> None:
        """Note an instance that was not there before."""
        self.times[path] = Stamp(self.now, self.now, self.expires.get(path))
        self._expire_below(path)

    def touch(self, path: str, since: int) -> None:
        """Note an instance of which some members changed: it keeps its expiry, unless given one."""
        known = self.times.get(path) or Stamp(since, since)
        self.times[path] = Stamp(known.created, self.now, self.expires.get(path, known.expires))

    def reschedule(self, path: str, since: int) -> None:
        """Note an instance of which nothing but the expiry changed."""
        if path in self.expires:
            known = self.times.get(path) or Stamp(since, since)
            self.times[path] = known._replace(expires=self.expires[path])

    def replace(self, path: str, before: Attribute, after: Attribute, since: int) -> None:
        """Note an instance that was replaced whole: it and what is below keep their creation."""
        created = self.created(path, since)
        self.times[path] = Stamp(created, self.now, self.expires.get(path))
        if MEMBERS.issuperset(before) and MEMBERS.issuperset(after):
            return
        for name in {**before, **after}:
            if name not in MEMBERS:
                self._replace_below(path, name, before.get(name), after.get(name), created)

    def _replace_below(self, path: str, name: str, before: Any, after: Any, since: int) -> None:
        """Note one sub-attribute of an instance that was replaced whole."""
        if _is_usual(before) and _is_usual(after):
            self.replace(path + CHILD + name, before, after, since)
            return
        below = _by_path(path, name, before)
        for child, instance in _by_path(path, name, after).items():
            former = below.pop(child, None)
            if former is None:
                self.add(child)
            else:
                self.replace(child, former, instance, since)
        for child in below:
            self.remove(child)

    def remove(self, path: str) -> None:
        """Forget an instance and all below it."""
        prefix = path + CHILD
        for key in [key for key in self.times if key == path or key.startswith(prefix)]:
            del self.times[key]

    def _expire_below(self, path: str) -> None:
        prefix = path + CHILD
        for key, at in self.expires.items():
            if key.startswith(prefix) and at is not None:
                self.times[key] = Stamp(self.now, self.now, at)


def _is_usual(attribute: Any) -> bool:
    """Tell whether a sub-attribute is one instance without a datasetId: its name is its path."""
    return type(attribute) is dict and "datasetId" not in attribute


def _by_path(path: str, name: str, attribute: Any) -> dict[str, Attribute]:
    """Return the instances of a sub-attribute by their paths."""
    found = () if attribute is None else instances(attribute)
    return {path_of(name, one, path): one for one in found}
