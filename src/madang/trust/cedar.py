"""Asking Cedar about what is wholly known: an attribute, a tenant, the process, one entity."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy

from madang.trust.actions import Action
from madang.trust.marks import Mark
from madang.trust.parts import ancestry
from madang.trust.principal import Principal


@dataclass(frozen=True, slots=True)
class Resource:
    """What something is done to, as policies see it."""

    kind: str
    """``Entity``, ``Attribute``, ``Tenant`` or ``System``."""
    id: str
    attributes: dict[str, Any]


SYSTEM = Resource("System", "system", {})


def tenant(name: str, *, is_public: bool) -> Resource:
    """Return a tenant; it is public if anything in it is."""
    return Resource("Tenant", name, {"tenant": name, "public": is_public})


def entity(
    tenant: str, id: str, types: Collection[str], scopes: Collection[str], *, is_public: bool
) -> Resource:
    """Return an entity."""
    within = sorted(ancestry(scopes))
    attributes = {"tenant": tenant, "types": list(types), "within": within, "id": id}
    return Resource("Entity", id, attributes | {"public": is_public})


def attribute(tenant: str, mark: Mark, type_name: str, *, has_consent: bool) -> Resource:
    """Return a marked attribute of the entities of one type."""
    attributes = {
        "tenant": tenant,
        "name": mark.attribute,
        "types": [type_name],
        "sensitivity": mark.sensitivity,
        "consent": has_consent,
    }
    return Resource("Attribute", f"{type_name} {mark.attribute} {has_consent}", attributes)


def ask(
    policies: cedarpy.PolicySet,
    principal: Principal,
    action: Action,
    resources: Sequence[Resource],
    purpose: str = "",
) -> list[cedarpy.AuthzResult]:
    """Return what Cedar decides for each of the resources, in their order."""
    who = _uid("Principal", principal.id)
    what = {"principal": who, "action": _uid("Action", action), "context": {"purpose": purpose}}
    requests = [{**what, "resource": _uid(one.kind, one.id)} for one in resources]
    entities = [
        _principal(principal),
        *(
            {"uid": _uid(one.kind, one.id), "attrs": one.attributes, "parents": []}
            for one in resources
        ),
    ]
    return cedarpy.is_authorized_batch(requests, policies, entities)


def _uid(kind: str, id: str) -> dict[str, str]:
    return {"type": f"Madang::{kind}", "id": id}


def _principal(principal: Principal) -> dict[str, Any]:
    return {
        "uid": _uid("Principal", principal.id),
        "attrs": {
            "kind": principal.kind,
            "tenants": list(principal.tenants),
            "scopes": list(principal.scopes),
            "reads": list(principal.reads),
            "writes": list(principal.writes),
            "entities": list(principal.entities),
        },
        "parents": [_uid("Role", role) for role in principal.roles],
    }
