"""Replaces small files whole: a crash leaves the one before or the new one, never a part."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
import structlog

log = structlog.get_logger("madang.edge")

Content = TypeVar("Content")


class OfCentre(ABC, Generic[Content]):
    """What a node keeps of one centre, in one small file; what it kept of another does not count.

    Blocks for a sync when saved, so that is done in a thread.
    """

    subject: str
    """What the log calls a file that cannot be read."""

    def __init__(self, path: Path, upstream: str) -> None:
        self._path = path
        self._upstream = upstream
        self.content = self._read()

    @abstractmethod
    def parsed(self, found: dict[str, Any] | None) -> Content:
        """Return the content that a file has; None: there is no file that counts.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is not of this kind.
        """

    @abstractmethod
    def members(self, content: Content) -> dict[str, Any]:
        """Return the content as JSON has it."""

    def _read(self) -> Content:
        try:
            found = orjson.loads(self._path.read_bytes())
            if found["upstream"] == self._upstream:
                return self.parsed(found)
        except FileNotFoundError:
            pass
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            log.error(f"edge.{self.subject}.unreadable", path=str(self._path), error=str(error))
        return self.parsed(None)

    def save(self, content: Content) -> None:
        """Keep it; when this returns it is on the disk."""
        members = {"upstream": self._upstream, **self.members(content)}
        replace(self._path, orjson.dumps(members))
        self.content = content


def replace(path: Path, content: bytes) -> None:
    """Put content in the place of a file; when this returns it is on the disk.

    Blocks for a sync, so that it is done in a thread.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A thread whose task was cancelled goes on writing, perhaps beside the one that comes after it.
    draft = path.with_suffix(f".{threading.get_ident()}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
