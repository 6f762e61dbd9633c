"""What requests and answers of the surfaces beside NGSI-LD look like, by tag."""

from __future__ import annotations

from typing import Final

from madang.api.schemas import (
    acting,
    city,
    contacts,
    devices,
    entities,
    feeds,
    incidents,
    people,
    rules,
    services,
    trust,
    twin,
)
from madang.api.schemas.shape import Operation

OPERATIONS: Final[dict[str, Operation]] = {
    **acting.OPERATIONS,
    **city.OPERATIONS,
    **contacts.OPERATIONS,
    **devices.OPERATIONS,
    **entities.OPERATIONS,
    **feeds.OPERATIONS,
    **incidents.OPERATIONS,
    **people.OPERATIONS,
    **rules.OPERATIONS,
    **services.OPERATIONS,
    **trust.OPERATIONS,
    **twin.OPERATIONS,
}
"""All of them, by method and path: ``GET /incidents``."""
