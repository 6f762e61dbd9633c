"""What clients know of their writes, and what must hold of a store after a crash.

Every write carries a number of its own. A client has one request under way at a time and writes
only to entities of its own, so after a crash each entity has its last acknowledged value, or the
one that was under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from madang.hub.history import Histories, History
from madang.hub.lakes import Lakes
from madang.lake.questions import Logged
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from madang.store.protocol import ItemKind

Value = int | None
"""The number an entity has; None is an entity that is not there."""


@dataclass(slots=True)
class Ledger:
    """All writes to one data folder."""

    states: dict[str, Value] = field(default_factory=dict)
    """By id, as last acknowledged or found after a crash."""
    open: dict[str, Value] = field(default_factory=dict)
    """Sent and not answered."""
    history: dict[str, list[Value]] = field(default_factory=dict)
    """By id, all that is certain to have happened, in order."""
    faults: list[str] = field(default_factory=list)
    acknowledged: int = 0

    def begin(self, writes: Mapping[str, Value]) -> None:
        """Note that a request with these writes is being sent."""
        self.open.update(writes)

    def answered(self, writes: Mapping[str, Value]) -> None:
        """Note that these writes were acknowledged."""
        self.acknowledged += len(writes)
        for id, value in writes.items():
            del self.open[id]
            self._happened(id, value)

    def _happened(self, id: str, value: Value) -> None:
        self.states[id] = value
        self.history.setdefault(id, []).append(value)

    def settle(self, found: Mapping[str, int]) -> None:
        """Compare with what is there after a crash; what was under way may have happened."""
        for id in self.states.keys() | self.open.keys() | found.keys():
            value = found.get(id)
            if id in self.open and value == self.open[id] != self.states.get(id):
                self._happened(id, value)
            elif value != self.states.get(id):
                known = f"acknowledged {self.states.get(id)}, under way {self.open.get(id, 'none')}"
                self.faults.append(f"{id} has {value}; {known}")
        self.open.clear()

    def compare_changes(self, changes: Iterable[tuple[str, Value]]) -> None:
        """Compare with the history a store has kept: all there, in order, none twice."""
        kept: dict[str, list[Value]] = {}
        for id, value in changes:
            kept.setdefault(id, []).append(value)
        for id, values in kept.items():
            numbers = Counter(value for value in values if value is not None)
            if doubled := [value for value, count in numbers.items() if count > 1]:
                self.faults.append(f"changes {doubled} of {id} are in history more than once")
        for id, values in self.history.items():
            rest = iter(kept.get(id, []))
            if missing := [value for value in values if value not in rest]:
                self.faults.append(f"changes {missing} of {id} are not in history, or too late")

    def numbers(self) -> set[int]:
        """Return the numbers of all writes that are certain to have happened."""
        return {value for values in self.history.values() for value in values if value is not None}


@dataclass(slots=True)
class Autopsy:
    """What a copy of the files shows right after the process was killed."""

    faults: list[str]
    changes: list[tuple[str, Value]]
    """Id and number of every change in lake and outbox, in order."""


async def dissect(data: Path) -> Autopsy:
    """Open a copy of a killed server's files; the files themselves stay as the kill left them."""
    with TemporaryDirectory() as scratch:
        copied = Path(scratch) / "data"
        copytree(data, copied)
        engine = SqliteEngine(copied / "state")
        store = await engine.open("", create=False)
        if store is None:  # killed before there was anything
            return Autopsy([], [])
        faults = await store.check()
        shared = Histories(Lakes(Settings(data=copied)), memory_mb=256, drain_s=60)
        history = History("", store, _nothing_kept, shared)
        changes, found = await history.read(lambda lake: (lake.log(0, 10_000_000), lake.check()))
        faults += found
        numbers = [change.seq for change in changes]
        if numbers != list(range(1, len(numbers) + 1)):
            faults.append(f"history has gaps: {len(numbers)} changes up to {numbers[-1]}")
        await history.close()
        shared.close()
        await engine.close()
    return Autopsy(faults, [_change(change) for change in changes])


async def _nothing_kept(kind: ItemKind, id: str, body: bytes | None) -> None:
    raise AssertionError("an autopsy changes nothing")


def _change(change: Logged) -> tuple[str, Value]:
    if change.kind == "deleted":
        return change.id, None
    (value,) = (one.value for one in change.put if one.attribute == "reading")
    return change.id, value


@dataclass(slots=True)
class Notified:
    """What a subscriber was told, out of its notifications."""

    ids: dict[int, set[str]] = field(default_factory=dict)
    """Ids of the notifications that told a number."""
    first: dict[str, list[int]] = field(default_factory=dict)
    """By entity, its numbers in the order they were first told."""
    copies: int = 0
    read: int = 0

    def add(self, taken: list[dict[str, Any]]) -> None:
        """Read the notifications that have come since the last time."""
        for notification in taken[self.read :]:
            for entity in notification["data"]:
                number = entity["reading"]["value"]
                if number in self.ids:
                    self.copies += 1
                else:
                    self.first.setdefault(entity["id"], []).append(number)
                self.ids.setdefault(number, set()).add(notification["id"])
        self.read = len(taken)

    def faults(self, written: set[int]) -> list[str]:
        """Return what is wrong with it, given the numbers in the store's history."""
        faults = [
            f"change {number} was told by notifications of different ids {sorted(ids)}"
            for number, ids in self.ids.items()
            if len(ids) > 1
        ]
        faults += [
            f"{id} was told in the order {numbers}"
            for id, numbers in self.first.items()
            if numbers != sorted(numbers)
        ]
        if invented := self.ids.keys() - written:
            faults.append(f"told but never stored: {sorted(invented)[:20]}")
        return faults
