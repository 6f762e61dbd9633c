"""The built control room (``ui/``, made by the build hook): its page and its hashed files.

A source checkout that was never built has none; the page then says which command builds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

BUILT: Final = Path(__file__).with_name("built")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,120}")
_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


@dataclass(frozen=True, slots=True)
class Asset:
    path: Path
    media_type: str
    encoding: str
    """Content-Encoding it is stored in, empty for none."""


class Assets:
    """The files of the built front end.

    Args:
        root: path below which the hub is reached; empty at the root of a host.
        folder: where the build put them.
    """

    def __init__(self, root: str, folder: Path = BUILT) -> None:
        self._folder = folder / "assets"
        page = folder / "index.html"
        self.page = page.read_text("utf-8").replace('"./', f'"{root}/ui/') if page.exists() else ""
        """The page of the control room; empty if it was never built."""
        manifest = folder / "manifest.json"
        self._manifest: dict[str, Any] = (
            orjson.loads(manifest.read_bytes()) if manifest.exists() else {}
        )
        self._root = root

    def entry(self, source: str) -> tuple[str, list[str]]:
        """Return the addresses of a script of the public pages and of its styles.

        Args:
            source: such as ``src/public/main.ts``; without a build, the address is empty.
        """
        found = self._manifest.get(source)
        if found is None:
            return "", []
        return self._address(found["file"]), [self._address(one) for one in found.get("css", ())]

    def find(self, name: str, accepts: str) -> Asset | None:
        """Return a file as small as the client takes it.

        Args:
            name: of the file, without a folder.
            accepts: the client's Accept-Encoding.
        """
        path = self._folder / name
        media_type = _TYPES.get(path.suffix)
        if media_type is None or not _NAME.fullmatch(name) or not path.is_file():
            return None
        for encoding, suffix in _ENCODINGS:
            packed = path.with_name(name + suffix)
            if encoding in accepts and packed.is_file():
                return Asset(packed, media_type, encoding)
        return Asset(path, media_type, "")

    def _address(self, file: str) -> str:
        return f"{self._root}/ui/{file}"
