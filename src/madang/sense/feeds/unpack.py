"""Decompresses what comes, piece by piece, and stops where a small answer turns out a huge one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from madang.sense.feeds.errors import Refused, Unusable

_PIECE = 256 * 1024  # bytes made at once
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
KNOWN = ("gzip", "x-gzip", "deflate")


class Unpacker:
    """Turns the bytes of one answer into those that were meant. Source: RFC 9110 section 8.4.1."""

    def __init__(self, encoding: str, most: int, url: str) -> None:
        """Take how the answer is encoded.

        Args:
            encoding: its Content-Encoding; empty or ``identity`` is as it is.
            most: bytes it may have when decompressed.
            url: for messages.

        Raises:
            Unusable: the encoding is unknown; it was not asked for.
        """
        self._most = most
        self._url = url
        self._encoding = encoding
        self.size = 0
        if encoding not in ("", "identity", *KNOWN):
            raise Unusable(f"{url} comes in the encoding {encoding[:40]!r}, expected gzip or none")
        self._work = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding in KNOWN else None

    def take(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of the next bytes.

        Raises:
            Refused: it is larger than allowed.
            Unusable: it is not compressed as it says.
        """
        if self._work is None:
            yield self._counted(data)
            return
        while data:
            try:
                made = self._work.decompress(data, _PIECE)
            except zlib.error:
                raise self._broken() from None
            yield self._counted(made)
            data = self._work.unconsumed_tail
            if self._work.eof:  # another member of a gzip file may follow (RFC 1952 section 2.2)
                data = self._work.unused_data
                if data:
                    self._work = zlib.decompressobj(_GZIP_OR_ZLIB)

    def end(self) -> None:
        """Raise Unusable if something is missing."""
        if self._work is not None and not self._work.eof:
            raise self._broken()

    def _counted(self, made: bytes) -> bytes:
        self.size += len(made)
        if self.size > self._most:
            raise Refused(
                f"{self._url} has more than {self._most:,} bytes; ask for less of it, or raise"
                " feed_max_bytes in the settings"
            )
        return made

    def _broken(self) -> Unusable:
        return Unusable(f"{self._url} was cut off or is no valid {self._encoding}")
