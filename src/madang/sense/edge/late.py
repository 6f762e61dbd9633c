"""Values that came too late for the state of a node, waiting to be told to the centre.

They are in history only, and not in the feed of changes. So each batch of them is a file, on the
disk before its senders are answered, until the centre has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from madang.lake.selection import attribute_of
from madang.lake.values import types_of
from madang.model.entity import Document
from madang.sense.edge.durable import replace
from madang.sense.edge.rules import Rules

if TYPE_CHECKING:
    from madang.lake.questions import Instance

_SUFFIX = ".json"


class Late:
    """The files, in a folder of their own; to be used from threads, one at a time for each side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._next = max(self._numbers(), default=0) + 1

    def _numbers(self) -> list[int]:
        return sorted(
            int(file.stem) for file in self._folder.iterdir()
            if file.suffix == _SUFFIX and file.stem.isdecimal()
        )  # fmt: skip

    def put(self, entities: list[Document]) -> None:
        """Keep entities; when this returns they are on the disk."""
        file = self._folder / f"{self._next}{_SUFFIX}"
        self._next += 1
        replace(file, orjson.dumps(entities))

    def first(self) -> tuple[int, list[Document]] | None:
        """Return the oldest that waits, with its number; None if there is none."""
        for number in self._numbers():
            content = (self._folder / f"{number}{_SUFFIX}").read_bytes()
            return number, orjson.loads(content)
        return None

    def remove(self, number: int) -> None:
        """Forget what the centre has."""
        (self._folder / f"{number}{_SUFFIX}").unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._numbers())


def leaving(instances: Iterable[Instance], rules: Rules) -> list[Document]:
    """Return what of late values may leave, as entities; aggregates are not changed any more."""
    found: list[Document] = []
    for one in instances:
        types = types_of(one.type)
        kind = rules.kind(types)
        if kind.is_record or one.deleted:
            continue
        if one.attribute in kind.stripped or one.attribute in kind.windows:
            continue
        type = types[0] if len(types) == 1 else list(types)
        found.append({"id": one.entity, "type": type, one.attribute: attribute_of(one)})
    return found
