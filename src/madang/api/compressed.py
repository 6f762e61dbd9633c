"""Compressed bodies of requests: gzip, with the limit of what is inside (RFC 9110 section 8.4)."""

from __future__ import annotations

import zlib
from typing import Final

from madang.model.errors import BadRequestData, OperationNotSupported, PayloadTooLarge

_GZIP: Final = 31
"""``wbits`` for a window of 32 KiB and the frame of gzip."""


def plain(body: bytes, encoding: str, most: int) -> bytes:
    """Return a body as it was before the encoding that ``Content-Encoding`` names.

    Args:
        body: as it came.
        encoding: ``gzip``, or nothing.
        most: of the body without its encoding. [bytes]

    Raises:
        OperationNotSupported: it is another encoding.
        PayloadTooLarge: there is more inside.
        BadRequestData: it is no gzip, or cut short.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _unpacked(body, most)
    raise OperationNotSupported(
        f"Content-Encoding must be gzip, or left out, not {encoding[:40]!r}"
    )


def _unpacked(body: bytes, most: int) -> bytes:
    reader = zlib.decompressobj(_GZIP)
    try:
        found = reader.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequestData(f"the body is no gzip, as Content-Encoding says: {error}") from None
    if len(found) > most:
        raise PayloadTooLarge(f"the body holds more than {most:,} bytes when unpacked")
    if not reader.eof or reader.unused_data:
        raise BadRequestData("the gzip of the body is cut short, or something follows it")
    return found
