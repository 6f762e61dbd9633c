"""The folders that files are dropped into: what lies there, what is complete, where it goes then.

``<data>/drop`` belongs to the default tenant, ``<data>/drop/<tenant>`` to another one. Loaded files
go to ``done/<date>``, those that could not be used to ``failed/<date>``, each with a report.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson

FOLDER = "drop"
DONE = "done"
FAILED = "failed"
REPORT = ".report.json"

LARGEST = 16 * 1024**3  # [bytes] of a file
_LONGEST_NAME = 200  # [characters] of a file, so that there is room for the endings of a report
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart", "~")
_LOOKS_AT_EMPTY = 15  # an empty file is waited for this long before it is told as such


@dataclass
class Waiting:
    """A file that may still be written to."""

    size: int
    changed: int
    looks: int = 0
    """How often it was found unchanged."""

    @property
    def is_complete(self) -> bool:
        return self.looks >= (1 if self.size else _LOOKS_AT_EMPTY)


@dataclass
class Folder:
    """The drop folder of one tenant."""

    tenant: str
    path: Path
    waiting: dict[str, Waiting] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Names that are not touched, and why."""

    def look(self) -> list[Path]:
        """Return the files that are complete, by name; called every few seconds."""
        found, waiting, refused = [], {}, {}
        for entry in _entries(self.path):
            if _is_unfinished(entry.name) or entry.name.endswith(".toml"):
                continue
            kind = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(kind.st_mode):
                continue
            reason = _refusal(entry.name, kind)
            if reason:
                refused[_shown(entry.name)] = reason
                continue
            before = self.waiting.get(entry.name)
            now = Waiting(kind.st_size, kind.st_mtime_ns)
            if before and (before.size, before.changed) == (now.size, now.changed):
                now.looks = before.looks + 1
            waiting[entry.name] = now
            if now.is_complete:
                found.append(Path(entry.path))
        self.waiting, self.refused = waiting, refused
        return sorted(found)

    def settle(self, file: Path, report: dict[str, Any], day: date, *, is_good: bool) -> Path:
        """Write a file's report and move the file away, in this order; return where it lies now.

        A crash between the two makes the file be loaded once more, which does no harm.
        """
        folder = self.path / (DONE if is_good else FAILED) / day.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        target = _free(folder, file.name)
        written = target.with_name(target.name + REPORT)
        fresh = written.with_name(f".{written.name}.part")
        fresh.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        fresh.replace(written)
        file.replace(target)
        self.waiting.pop(file.name, None)
        return target

    def reports(self, most: int) -> list[dict[str, Any]]:
        """Return the last reports, the newest first."""
        days = [
            day for kind in (DONE, FAILED) for day in _folders(self.path / kind)
        ]  # of which only the newest are looked into
        newest = sorted(days, key=lambda day: day.name, reverse=True)[: 2 * most]
        files = [file for day in newest for file in day.glob(f"*{REPORT}")]
        timed = sorted(((file.stat().st_mtime_ns, file) for file in files), reverse=True)[:most]
        return [orjson.loads(file.read_bytes()) for _, file in timed]


def folders(data: Path, tenants: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield the drop folders that there are, with their tenants."""
    root = data / FOLDER
    for tenant in tenants:
        path = root / tenant if tenant else root
        if tenant not in (DONE, FAILED) and path.is_dir() and not path.is_symlink():
            yield tenant, path


def _entries(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _folders(path: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(path) if entry.is_dir(follow_symlinks=False)]


def _is_unfinished(name: str) -> bool:
    return name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED)


def _refusal(name: str, kind: os.stat_result) -> str:
    """Return why a file is not touched; nothing if it may be loaded."""
    if stat.S_ISLNK(kind.st_mode):
        return "is a symbolic link; put the file itself here"
    if not stat.S_ISREG(kind.st_mode):
        return "is no file"
    if len(name) > _LONGEST_NAME or not name.isprintable():
        return f"has a name of over {_LONGEST_NAME} characters or with control marks; rename it"
    if kind.st_size > LARGEST:
        return f"has over {LARGEST >> 30} GiB; cut it, or use `madang load --history`"
    return ""


def _shown(name: str) -> str:
    return "".join(mark if mark.isprintable() else "?" for mark in name[:_LONGEST_NAME])


def _free(folder: Path, name: str) -> Path:
    """Return a path that no file has: ``a.csv``, else ``2-a.csv`` and so on."""
    target, again = folder / name, 2
    while target.exists():
        target, again = folder / f"{again}-{name}", again + 1
    return target
