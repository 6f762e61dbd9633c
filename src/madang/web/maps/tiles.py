"""A base map from a PMTiles file on this machine: one file, read where a tile is, never whole.

Source: PMTiles version 3, https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md.
"""

from __future__ import annotations

import gzip
import mmap
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson
from pmtiles.tile import (
    Compression,
    MagicNumberNotFound,
    SpecVersionUnsupported,
    TileType,
    deserialize_directory,
    deserialize_header,
    find_tile,
    zxy_to_tileid,
)

from madang.model.errors import MadangError

DEEPEST_ZOOM: Final = 22
_HEADER: Final = 127  # bytes
_DEPTH: Final = 4  # directories from the root to a tile, at most
_DIRECTORIES: Final = 64  # kept unpacked
_LONGEST_METADATA: Final = 4 * 1024 * 1024
_LONGEST_TEXT: Final = 500
_MEDIA: Final = {
    TileType.MVT: "application/vnd.mapbox-vector-tile",
    TileType.PNG: "image/png",
    TileType.JPEG: "image/jpeg",
    TileType.WEBP: "image/webp",
    TileType.AVIF: "image/avif",
}
_E7: Final = 1e7
_UNREADABLE: Final = (
    OSError, EOFError, ValueError, IndexError, MagicNumberNotFound, SpecVersionUnsupported,
)  # fmt: skip


class UnusableTiles(MadangError):
    """The file of the base map cannot be read as one; a person must choose another."""


class BaseMap:
    """The tiles of one file. Thread-safe; nothing of it is ever written.

    Raises:
        UnusableTiles: it is not there, or no PMTiles file that browsers can draw.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._header = deserialize_header(self._bytes[:_HEADER])
            self._read_directory(self._header["root_offset"], self._header["root_length"])
        except _UNREADABLE as error:
            raise UnusableTiles(
                f"basemap: {path} cannot be read as PMTiles ({error or type(error).__name__});"
                " name a file of PMTiles version 3, or leave the setting out"
            ) from error
        kind, compression = self._header["tile_type"], self._header["tile_compression"]
        if kind not in _MEDIA or compression not in (Compression.NONE, Compression.GZIP):
            raise UnusableTiles(
                f"basemap: {path} has tiles of kind {kind.name} compressed by {compression.name};"
                " browsers can draw vector tiles (MVT) or pictures, plain or gzip"
            )
        self.media_type = _MEDIA[kind]
        self.encoding = "gzip" if compression is Compression.GZIP else ""
        self.tag = f'"{path.stat().st_mtime_ns:x}-{len(self._bytes):x}"'
        self._directory = lru_cache(_DIRECTORIES)(self._read_directory)

    def tile(self, zoom: int, column: int, row: int) -> bytes | None:
        """Return a tile as it is stored; None if there is nothing there."""
        if not 0 <= zoom <= DEEPEST_ZOOM or not (0 <= column < 1 << zoom and 0 <= row < 1 << zoom):
            return None
        wanted = zxy_to_tileid(zoom, column, row)
        header = self._header
        offset, length = header["root_offset"], header["root_length"]
        for _ in range(_DEPTH):
            entry = find_tile(self._directory(offset, length), wanted)
            if entry is None:
                return None
            if entry.run_length > 0:
                start = header["tile_data_offset"] + entry.offset
                return self._bytes[start : start + entry.length]
            offset, length = header["leaf_directory_offset"] + entry.offset, entry.length
        return None

    def _read_directory(self, offset: int, length: int) -> list[Any]:
        return list(deserialize_directory(self._bytes[offset : offset + length]))

    def about(self) -> dict[str, Any]:
        """Return what a map must know to draw it."""
        header, metadata = self._header, self._metadata()
        corner = header["min_lon_e7"], header["min_lat_e7"]
        box = (*corner, header["max_lon_e7"], header["max_lat_e7"])
        layers = metadata.get("vector_layers", [])
        return {
            "minzoom": header["min_zoom"],
            "maxzoom": header["max_zoom"],
            "bounds": [one / _E7 for one in box],
            "attribution": str(metadata.get("attribution", ""))[:_LONGEST_TEXT],
            "format": "vector" if header["tile_type"] is TileType.MVT else "raster",
            "layers": [str(one.get("id")) for one in layers if isinstance(one, dict)],
        }

    def _metadata(self) -> dict[str, Any]:
        offset, length = self._header["metadata_offset"], self._header["metadata_length"]
        raw = self._bytes[offset : offset + min(length, _LONGEST_METADATA)]
        try:
            if self._header["internal_compression"] is Compression.GZIP:
                raw = gzip.decompress(raw)
            found = orjson.loads(raw)
        except (OSError, EOFError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
