"""The kinds of feeds: one folder each, all alike. The table names them; they are loaded when used.

A kind is a package with

- ``Parameters``: a pydantic model (``extra="forbid"``) of what it wants to know besides URLs,
- ``check(feed)``: raises :class:`~madang.sense.feeds.errors.BadFeed` for a declaration that cannot
  work, such as one without the mapping that it needs,
- ``read(feed, fetch)``: an asynchronous generator of :class:`~madang.sense.message.Reading` (made
  by ``feed.reading(entity)``) and :class:`Bad`. It asks for everything through ``fetch`` and may
  stop at any error of :mod:`~madang.sense.feeds.errors`; what it has yielded is written.

An answer that is not ``changed`` was read and written before, so a kind may skip it. A kind gives
every value its ``observedAt`` if the publisher tells when it was measured, units as
UN/CEFACT codes, and the names of Smart Data Models. It keeps nothing from one reading to the next
but what it puts into ``fetch.notes``; entities that have not changed are found by the framework.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from pydantic import BaseModel

from madang.model.names import shown
from madang.sense.feeds.errors import BadFeed
from madang.sense.message import Reading

if TYPE_CHECKING:
    from madang.sense.feeds.declaration import Feed
    from madang.sense.feeds.fetch import Fetch

KINDS = {
    "cap": "warnings in the Common Alerting Protocol 1.2, one by one or by an Atom or RSS index",
    "ckan": "tables and files of a CKAN catalogue",
    "gbfs": "shared bicycles, scooters and cars (GBFS 2 and 3)",
    "gtfs": "timetables of public transport (GTFS Schedule)",
    "gtfs-realtime": "where vehicles are, how late they run, alerts (GTFS Realtime)",
    "ogc-features": "collections of an OGC API Features service",
    "openaq": "air quality of an OpenAQ v3 API",
    "plain": "CSV, JSON, GeoJSON or JSON lines at a URL",
    "seoul": "Seoul's open API: S-DoT environment sensors, public bicycles",
    "socrata": "tables of a Socrata portal (SODA)",
}
"""What each kind reads, in words."""


class Bad(NamedTuple):
    """A record that cannot become an entity; it ends among the dead letters."""

    record: Any
    """As it came, as JSON has it."""
    reason: str


class Kind(Protocol):
    """What every kind's package offers."""

    @property
    def Parameters(self) -> type[BaseModel]: ...  # noqa: N802 - it is a class in each of them

    def check(self, feed: Feed[Any]) -> None:
        """Raise BadFeed if the declaration cannot work."""

    def read(self, feed: Feed[Any], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
        """Yield what the publisher tells now."""


def kind_of(name: str) -> Kind:
    """Return a kind by its name, or raise BadFeed."""
    if name not in KINDS:
        near = get_close_matches(name, KINDS, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadFeed(
            f"there is no kind {shown(name)} of feed{hint}; expected one of {', '.join(KINDS)}"
        )
    module = import_module(f"{__package__}.{name.replace('-', '_')}")
    return cast("Kind", module)
