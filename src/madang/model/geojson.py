"""Entities as GeoJSON Features.

Source: ETSI GS CIM 009 clauses 4.5.16 and 4.5.17, RFC 7946.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from madang.model.attributes import instances
from madang.model.entity import Entity
from madang.model.geometry import Geometry, is_geometry
from madang.model.representation import Body
from madang.model.view import View


def feature(entity: Entity, body: Body, view: View) -> Body:
    """Return a Feature around the rendered ``body`` of an entity."""
    return {
        **({"id": body["id"]} if "id" in body else {}),
        "type": "Feature",
        "geometry": geometry_of(entity, view),
        "properties": {name: value for name, value in body.items() if name != "id"},
    }


def collection(features: Iterable[Body]) -> Body:
    """Return a FeatureCollection; its @context, if it has one, goes beside ``features``."""
    return {"type": "FeatureCollection", "features": list(features)}


def geometry_of(entity: Entity, view: View) -> Geometry | None:
    """Return the geometry of an entity: that of the default instance, or else of the first one.

    It is taken from the entity, not from what is shown of it, so that a projection leaves it alone.
    """
    attribute: Any = entity.document.get(view.geometry)
    if attribute is None or view.geometry in ("id", "type", "scope"):
        return None
    found: Geometry | None = None
    for instance in instances(attribute):
        dataset = instance.get("datasetId", "@none")
        value = instance.get("value")
        if (view.datasets and dataset not in view.datasets) or not is_geometry(value):
            continue
        if dataset == "@none":
            return value
        found = found or value
    return found
