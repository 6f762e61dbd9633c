"""Mappings that somebody accepted, kept for the next file with the same header.

They lie in the folder ``mappings`` of the data folder as TOML, to be read, changed and deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from madang.sense.files.guess import name_of
from madang.sense.files.mapping import Mapping, read
from madang.sense.files.sample import plain
from madang.sense.files.toml_text import written

FOLDER = "mappings"


def fingerprint(columns: Iterable[str]) -> str:
    """Return what files with the same columns in the same order have in common.

    >>> fingerprint(["PM10", " 측정시간"]) == fingerprint(["pm10", "측정시간 "])
    True
    """
    names = "\n".join(plain(name) or name for name in columns)
    return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def find(data: Path, columns: Iterable[str]) -> tuple[Path, Mapping] | None:
    """Return the mapping for files with these columns, and where it lies.

    Raises:
        MappingError: it was changed and is no mapping any more.
    """
    found = sorted((data / FOLDER).glob(f"*-{fingerprint(columns)}.toml"))
    return (found[0], read(str(found[0]))) if found else None


def keep(data: Path, columns: Iterable[str], mapping: Mapping) -> Path:
    """Keep a mapping for files with these columns in place of the one before; return its place."""
    folder = data / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = fingerprint(columns)
    kind = mapping.entity[0].type
    name = name_of(kind if isinstance(kind, str) else kind[0])[:60]
    target = folder / f"{name}-{mark}.toml"
    fresh = folder / f".{name}-{mark}.part"
    fresh.write_text(written(mapping), encoding="utf-8")
    for old in folder.glob(f"*-{mark}.toml"):
        if old != target:
            old.unlink()
    fresh.replace(target)
    return target
