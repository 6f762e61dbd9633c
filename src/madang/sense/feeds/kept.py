"""The last good answers of a feed, as files: what a publisher need not send again.

``data/feeds/<tenant>/<feed>/<digest>.body`` and ``.json`` (where it is from, its validators). An
answer takes the place of the last good one only when the whole reading that it belongs to has been
written, so that what was not written is asked for again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from madang.store.engine import stem


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a kept answer."""

    url: str
    """Without the key."""
    size: int
    etag: str = ""
    last_modified: str = ""
    content_type: str = ""
    received: int = 0
    """[us since 1970]"""
    fresh_until: int = 0
    """Until then the publisher has nothing newer. [us since 1970]"""


def folder_of(data: Path, tenant: str, feed: str) -> Path:
    """Return where the answers of a feed lie."""
    return data / "feeds" / stem(tenant) / feed


class Kept:
    """The kept answers of one feed. Blocking; the files are few."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, url: str) -> tuple[Path, Meta] | None:
        """Return the last good answer to a URL, if it is whole."""
        body = self._body(url)
        try:
            meta = Meta(**orjson.loads(body.with_suffix(".json").read_bytes()))
            is_whole = body.stat().st_size == meta.size
        except (OSError, orjson.JSONDecodeError, TypeError):
            return None
        return (body, meta) if is_whole else None

    def new(self, url: str) -> Path:
        """Return where to write an answer that is not good yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self._body(url).with_suffix(".new")

    def settle(self, answers: dict[str, Meta]) -> None:
        """Let the new answers of a reading be the good ones, and forget what it did not use."""
        used = set()
        for url, meta in answers.items():
            body = self._body(url)
            used.add(body.stem)
            note, new = body.with_suffix(".json"), body.with_suffix(".new")
            if new.exists():
                _synced(new)
                note.unlink(missing_ok=True)  # a body never has the note of another
                new.replace(body)
            part = note.with_suffix(".part")
            part.write_bytes(orjson.dumps(asdict(meta)))
            part.replace(note)
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.stem not in used:
                    path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove answers that did not become good."""
        if self.folder.is_dir():
            for path in self.folder.glob("*.new"):
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _body(self, url: str) -> Path:
        digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.folder / f"{digest}.body"


def _synced(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
