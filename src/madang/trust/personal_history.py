"""What the history of all tenants has about one person."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING, Any

from madang.lake.questions import ABOUT_ENTITY, Instance, Wanted
from madang.model import time
from madang.query.tree import Query, Selector

if TYPE_CHECKING:
    from madang.hub.hub import Hub


class PersonalHistory:
    """The past of entities, as far as it is about the person."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def of(
        self, tenant: str, id: str, attributes: Collection[str] | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield what an entity's attributes were, the oldest first; None is all of them."""
        query = Query(selectors=(Selector(ids=(id,)),), limit=1)
        wanted = Wanted(query, attributes=tuple(sorted(attributes or ())))
        if attributes is not None and not attributes:
            return
        pasts = await self._hub.open[tenant].history.read(lambda lake: lake.pasts(wanted))
        for past in pasts.entities:
            for instance in past.instances:
                if instance.kind not in ABOUT_ENTITY:
                    yield _shown(instance)

    async def erase(self, tenant: str, id: str, attributes: Collection[str] | None) -> int:
        """Remove that for good, from the files as well; return how many values were removed.

        Raises:
            HeldBack: a legal hold covers it.
        """
        history = self._hub.open[tenant].history
        if attributes is None:
            return await history.change(lambda lake: lake.remove(id))
        names = sorted(attributes)
        return await history.change(lambda lake: sum(lake.remove(id, name) for name in names))


def _shown(instance: Instance) -> dict[str, Any]:
    said = {
        "attribute": instance.attribute,
        "datasetId": instance.dataset,
        "type": instance.kind,
        "time": time.render(instance.time),
        "value": instance.value,
        "unitCode": instance.unit,
        "deleted": instance.deleted or None,
    }
    return {name: value for name, value in said.items() if value is not None}
