"""Labels for devices: a QR code with the address of the device, alone or on a sheet to print."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    import segno

MOST_ON_SHEET = 1_000
_ACROSS = 4  # labels beside each other on A4
_SCALE = 4  # pixels of one module
_ERRORS = "m"  # a seventh of the code may be scratched


class Label(NamedTuple):
    """What stands on a label."""

    address: str
    name: str
    title: str


def address(url: str, device: str) -> str:
    """Return the address of a device that its code holds: a page for whoever stands before it."""
    return f"{url.rstrip('/')}/city/devices/{quote(device, safe='')}"


def svg(label: Label) -> bytes:
    """Return the code as an SVG image."""
    out = io.BytesIO()
    _code(label).save(out, kind="svg", scale=_SCALE, title=label.name)
    return out.getvalue()


def png(label: Label) -> bytes:
    """Return the code as a PNG image."""
    out = io.BytesIO()
    _code(label).save(out, kind="png", scale=2 * _SCALE)
    return out.getvalue()


def sheet(labels: Sequence[Label], language: str = "en") -> str:
    """Return a page of labels to print, which needs no style sheet or script."""
    cells = [
        f'<td align="center" valign="top" width="{100 // _ACROSS}%">'
        f"{_code(one).svg_inline(scale=_SCALE)}<br><b>{escape(one.name)}</b><br>"
        f"<small>{escape(one.title)}</small></td>"
        for one in labels
    ]
    rows = [cells[start : start + _ACROSS] for start in range(0, len(cells), _ACROSS)]
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        "<title>Labels</title></head><body>\n"
        f'<table width="100%" cellpadding="12">\n{body}\n</table>\n</body></html>\n'
    )


def _code(label: Label) -> segno.QRCode:
    import segno

    return segno.make_qr(label.address, error=_ERRORS)
