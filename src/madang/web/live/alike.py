"""Who may share a layer: all who see the same of it.

Most readers differ in what the layer does not show. What counts is which entities are within reach,
and whether any attribute that the layer looks at is hidden or personal. Where one is, each reader
has a layer of their own: consent opens it to them, and each reading of it is recorded as theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from madang.model.entity import Document
from madang.query import q
from madang.query.fits import fits
from madang.query.narrow import narrowed
from madang.query.reach import Hidden, Reach
from madang.query.tree import Condition, HasType, Query, Selector
from madang.trust.view import View
from madang.web.live.spots import LOCATION, spot_of

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity
    from madang.web.live.asked import Asked
    from madang.web.live.held import Spot


@dataclass(frozen=True, slots=True)
class Alike:
    """What decides of entities which of them are seen, and how."""

    source: Tenant | View
    """Compared by identity: the tenant, or the view of the only one who sees it so."""
    reach: Condition | None
    """What an entity of the tenant must meet."""
    others: tuple[Hidden, ...]
    """Rules for other types: an entity that is of such a type as well is left out."""


def alike(seen: Tenant | View, tenant: Tenant, asked: Asked) -> Alike:
    """Return how one who sees a tenant so sees what is asked."""
    if not isinstance(seen, View):
        return Alike(tenant, None, ())
    condition = asked.condition()
    looked_at = {LOCATION, asked.value}
    if condition is not None:
        looked_at |= q.attributes(condition)
    reach = seen.sight.reach
    rules = [one for one in (*reach.hidden, *reach.personal) if one.attribute in looked_at]
    # When an entity was modified depends on which of its attributes are seen.
    by_time = bool(reach.hidden) and "modifiedAt" in asked.q
    if by_time or any(not rule.types or asked.type in rule.types for rule in rules):
        return Alike(seen, None, ())
    return Alike(tenant, reach.condition, tuple(rules))


class Judge:
    """Tells of entities of the source whether and how a layer shows them."""

    def __init__(self, seen: Alike, asked: Asked) -> None:
        condition = asked.condition()
        self.query = narrowed(
            Query(
                selectors=(Selector(types=HasType(asked.type)),),
                attributes=(LOCATION,),
                q=condition,
            ),
            Reach(seen.reach),
        )
        """Finds what there is at first; what it finds is judged as well."""
        self._type = asked.type
        self._value = asked.value
        self._others = seen.others
        self._reach = fits(seen.reach)
        self._meets = fits(condition)

    def __call__(self, entity: Entity) -> Spot | None:
        """Return where and how an entity is drawn; None if it is not."""
        document = entity.document
        kind = document["type"]
        if kind != self._type and (type(kind) is str or not self._takes(document)):
            return None
        if self._reach is not None and not self._reach(entity):
            return None
        if self._meets is not None and not self._meets(entity):
            return None
        return spot_of(entity, self._value)

    def _takes(self, document: Document) -> bool:
        """Tell whether an entity of several types is one to show."""
        return self._type in document["type"] and not any(
            rule.concerns(document) for rule in self._others
        )
