"""Fills templates: escaped by default, in the reader's language, below any path."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from madang.web.texts import LANGUAGES, Texts

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a page is made."""

    language: str
    name: str
    """Empty if nobody has signed in."""
    here: str
    """Path and query of the page, for coming back to it."""
    token: str
    """What forms of this page must bring back."""
    open: bool = False
    """Sign-in is switched off."""
    works: bool = False
    """For the city, so that the control room is of use."""


class Pages:
    """The templates and static files of this package.

    Args:
        root: path below which the hub is reached, such as ``/madang``; empty at the root of a host.
    """

    def __init__(self, root: str = "") -> None:
        self.root = root
        self.static = dict(_static())
        self.texts = {language: Texts(language) for language in LANGUAGES}
        self._environment = Environment(
            loader=PackageLoader("madang.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(languages=LANGUAGES, url=self.url, file=self.file)

    def url(self, path: str) -> str:
        """Return the address of a page of ours, for links."""
        return self.root + path

    def file(self, name: str) -> str:
        """Return the address of a static file; it changes whenever the file does."""
        return f"{self.root}/static/{name}?v={self.static[name].digest}"

    def render(self, template: str, reader: Reader, **values: Any) -> str:
        """Return a page.

        Args:
            template: its file, such as ``sign_in.html``.
            reader: for whom.
            values: what the template names.
        """
        return self._environment.get_template(template).render(
            t=self.texts[reader.language], reader=reader, moment=_moment, **values
        )


def _moment(at_us: int) -> Markup:
    """Return an instant for people; the browser says it in their own time zone. [us since 1970]"""
    at = datetime.fromtimestamp(at_us / 1e6, UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M")
    )


def _static() -> list[tuple[str, StaticFile]]:
    found = []
    for entry in files("madang.web").joinpath("static").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in _TYPES:
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            found.append((entry.name, StaticFile(content, _TYPES[suffix], digest)))
    return found
