"""What each role may do by the policies in force, for people who are about to give one to somebody.

A role that grants nothing by itself is asked with an example of what it has been granted: a
department with a scope, an app with an entity type, a device and a citizen with an entity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from madang.trust.actions import ENTITY_ACTIONS, SYSTEM_ACTIONS, TENANT_ACTIONS
from madang.trust.principal import EVERY_TENANT, PUBLIC, ROLES, Kind, Principal, Role

if TYPE_CHECKING:
    from madang.trust.explain import Decision
    from madang.trust.policy import Policies

_KINDS: Final[dict[Role, Kind]] = {"device": "device", "app": "app"}
_GRANTED: Final[dict[Role, dict[str, frozenset[str]]]] = {
    "department": {"scopes": frozenset({"/scope"})},
    "citizen": {"entities": frozenset({"urn:ngsi-ld:Person:1"})},
    "device": {"entities": frozenset({"urn:ngsi-ld:Device:1"})},
    "app": {"reads": frozenset({"Granted"}), "writes": frozenset({"Granted"})},
}
_USUAL: Final = "Usual"
"""A type of entity that no policy speaks of: all of these, and one may say "entities"."""


def example(role: Role) -> Principal:
    """Return somebody who has just this role; an administrator is one of all tenants."""
    if role == "public":
        return PUBLIC
    tenants = EVERY_TENANT if role == "administrator" else frozenset({""})
    kind = _KINDS.get(role, "person")
    granted = _GRANTED.get(role, {})
    return Principal(f"{kind}:{role}", kind, role, frozenset({role}), tenants, **granted)


def permissions(policies: Policies, tenant: str = "") -> dict[Role, dict[str, Decision]]:
    """Return what each role may do in a tenant and to the process, by action.

    ``some`` is within what was granted, or what is public.
    """
    return {role: _of(policies, example(role), tenant) for role in ROLES}


def _of(policies: Policies, who: Principal, tenant: str) -> dict[str, Decision]:
    found: dict[str, Decision] = {}
    for action in ENTITY_ACTIONS:
        is_usual = policies.explain(who, action, _USUAL, tenant).decision == "allow"
        is_empty = policies.reach(who, action, tenant).is_empty
        found[action] = "allow" if is_usual else "deny" if is_empty else "some"
    for other in (*TENANT_ACTIONS, *SYSTEM_ACTIONS):
        found[other] = "allow" if policies.allows(who, other, tenant) else "deny"
    return found
