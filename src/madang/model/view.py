"""What a reader wants to see of an entity: its format, language and members.

Source: ETSI GS CIM 009 clauses 4.5.1-4.5.4 (formats), 4.5.5 (datasetId), 4.11 (system times),
4.15 (language), 4.21 (projection).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

Format = Literal["normalized", "concise", "simplified"]


class Projection(Protocol):
    """A ``pick`` or ``omit`` list as :mod:`madang.query.projection` parses it; hashable."""

    @property
    def members(self) -> frozenset[str]:
        """All names at this level."""

    @property
    def leaves(self) -> frozenset[str]:
        """Names at this level that have no braces of their own."""

    def below(self, relationship: str, /) -> Projection | None:
        """Return what stands in the braces of a relationship."""


@dataclass(frozen=True, slots=True)
class View:
    """All output choices of one request. Names are canonical, as in the document."""

    format: Format = "normalized"
    sys_attrs: bool = False
    lang: str | None = None
    datasets: frozenset[str] = frozenset()
    """Only instances with one of these datasetIds (``@none``: without one); empty is all."""
    attrs: frozenset[str] = frozenset()
    """Only these attributes, beside the entity's own members; empty is all."""
    pick: Projection | None = None
    omit: Projection | None = None
    geometry: str = "location"
    """The GeoProperty that becomes the geometry of a GeoJSON Feature."""

    def keeps(self, name: str) -> bool:
        """Tell whether an attribute is shown."""
        if self.attrs and name not in self.attrs:
            return False
        if self.pick is not None and name not in self.pick.members:
            return False
        return self.omit is None or name not in self.omit.leaves


PLAIN = View()
"""The default view."""


@lru_cache(maxsize=4096)
def below(view: View, relationship: str) -> View:
    """Return the view of the entities that a relationship links to (clause 4.5.23).

    Format, times and language hold for them too; of the projection only the part in braces.
    """
    pick = None if view.pick is None else view.pick.below(relationship)
    omit = None if view.omit is None else view.omit.below(relationship)
    return View(view.format, view.sys_attrs, view.lang, pick=pick, omit=omit)
