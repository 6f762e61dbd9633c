"""History as one reader sees it: whose attributes, of which entities, judged as they were then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from madang.hub.tenant import Tenant
from madang.query.reach import WHOLE
from madang.trust.sight import Sight

if TYPE_CHECKING:
    from madang.hub.history import History
    from madang.trust.view import View


@dataclass(frozen=True, slots=True)
class Past:
    """The history of a tenant, and what of it one reader may see.

    Whoever reads the history must narrow and show what they find through the sight.
    """

    history: History
    sight: Sight


def past_of(tenant: Tenant | View) -> Past:
    """Return the history of a tenant, for whoever sees the tenant like this."""
    if isinstance(tenant, Tenant):
        return Past(tenant.history, Sight(WHOLE, lambda *_: False, lambda *_: None))
    return tenant.past
