"""All policies, marks and public data of one moment, and what they mean. Never changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cedarpy

from madang.query.reach import NOTHING, Hidden, Reach
from madang.query.tree import HasType
from madang.trust import cedar, marks, residual, rules
from madang.trust.actions import (
    ENTITY_ACTIONS,
    SYSTEM_ACTIONS,
    Action,
    AttributeAction,
    EntityAction,
    SystemAction,
    TenantAction,
)
from madang.trust.marks import Mark
from madang.trust.parts import Part, any_of
from madang.trust.principal import Principal
from madang.trust.residual import Asked, Test
from madang.trust.rules import Rule

ALL_TYPES = "*"
"""In place of a type: everything in the tenant is open data."""

ON_ATTRIBUTES: dict[EntityAction, AttributeAction] = {
    "readEntity": "readAttribute",
    "readHistory": "readAttribute",
    "createEntity": "writeAttribute",
    "updateEntity": "writeAttribute",
}
"""What an action on an entity does to its attributes; a deletion asks of the entity alone."""


@dataclass(frozen=True, eq=False, slots=True)
class Compiled:
    """A policy with what it means for each action on entities."""

    rule: Rule
    tests: dict[EntityAction, Test]


def compiled(rule: Rule) -> Compiled:
    """Return a policy, compiled.

    Raises:
        BadPolicy: it says of an entity what no query can ask for.
    """
    return Compiled(rule, {action: residual.compile(rule, action) for action in ENTITY_ACTIONS})


@cache
def shipped() -> tuple[Compiled, ...]:
    """Return the policies that come with Madang, compiled."""
    return tuple(map(compiled, rules.shipped()))


class Book:
    """Policies, marks and public data; :class:`madang.trust.policy.Policies` changes them."""

    def __init__(
        self,
        policies: Iterable[Compiled] = (),
        own_marks: Iterable[Mark] = (),
        public: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """Put together what comes with Madang and what is the city's own.

        Args:
            policies: the city's own.
            own_marks: the city's own.
            public: types that are open data, by tenant.
        """
        self.policies = (*shipped(), *policies)
        self.marks = (*marks.shipped(), *own_marks)
        self.public = public or {}
        self._sets: dict[Action, cedarpy.PolicySet] = {}
        self._verdicts: dict[tuple[Any, ...], _Attributes] = {}
        self._answers: dict[_Attributes, _Attributes] = {}
        self._tests = {action: self._of(action) for action in ENTITY_ACTIONS}
        self._spoken = self._spoken_of()
        # What of a principal decides about attributes, beside the roles. Thousands of devices
        # differ in their entities alone, of which no policy on attributes speaks: one judgement
        # serves them all.
        self._features = [name for name, word in _FEATURES.items() if word in self._spoken]

    # --- what may be done ---------------------------------------------------------------------

    def reach(
        self, principal: Principal, action: EntityAction, tenant: str, purpose: str = ""
    ) -> Reach:
        """Return what of a tenant's entities a principal may do something to."""
        permits, forbids = self._tests[action]
        asked = Asked(principal, tenant, purpose, self.public_part(tenant))
        condition = residual.condition(permits, forbids, asked)
        if condition == NOTHING:
            return Reach(NOTHING)
        return Reach(condition, *self._attributes(principal, action, tenant, purpose))

    def allows(
        self, principal: Principal, action: TenantAction | SystemAction, tenant: str = ""
    ) -> bool:
        """Return whether a principal may do something in a tenant, or to the process."""
        resource = self.place(action, tenant)
        return self.judge(principal, action, (resource,))[0].allowed

    def judge(
        self,
        principal: Principal,
        action: Action,
        resources: Sequence[cedar.Resource],
        purpose: str = "",
    ) -> list[cedarpy.AuthzResult]:
        """Return what Cedar decides for each resource."""
        policies = self._sets.get(action)
        if policies is None:
            found = (one.rule for one in self.policies)
            policies = rules.policy_set(rule for rule in found if rule.concerns(action))
            self._sets[action] = policies
        return cedar.ask(policies, principal, action, resources, purpose)

    def place(self, action: TenantAction | SystemAction, tenant: str) -> cedar.Resource:
        """Return what an action that is about no entity is done to."""
        if action in SYSTEM_ACTIONS:
            return cedar.SYSTEM
        return cedar.tenant(tenant, is_public=bool(self.public.get(tenant)))

    # --- public data --------------------------------------------------------------------------

    def public_part(self, tenant: str) -> Part:
        """Return the entities of a tenant that are open data."""
        types = self.public.get(tenant, frozenset())
        return ALL_TYPES in types or any_of(map(HasType, sorted(types)))

    def is_public(self, tenant: str, types: Iterable[str]) -> bool:
        """Return whether an entity of these types is open data."""
        public = self.public.get(tenant, frozenset())
        return ALL_TYPES in public or not public.isdisjoint(types)

    # --- marked attributes --------------------------------------------------------------------

    def _attributes(
        self, principal: Principal, action: EntityAction, tenant: str, purpose: str
    ) -> _Attributes:
        """Return the marked attributes out of reach, and the personal ones within it."""
        kind = ON_ATTRIBUTES.get(action)
        if kind is None:
            return (), ()
        known = tuple(getattr(principal, name) for name in self._features)
        key = (kind, tenant, purpose, principal.roles, known)
        found = self._verdicts.get(key)
        if found is None:
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
                self._answers.clear()
            found = self._judge_marks(principal, kind, tenant, purpose)
            # Few answers differ, however many purposes are made up to ask for them.
            found = self._verdicts[key] = self._answers.setdefault(found, found)
        return found

    def _judge_marks(
        self, principal: Principal, action: AttributeAction, tenant: str, purpose: str
    ) -> _Attributes:
        """Judge each marked attribute in each of its types, without consent and with it."""
        alike: dict[tuple[str, str, str], list[Mark]] = defaultdict(list)
        for mark in self.marks:
            for name in mark.types:
                which = mark.attribute if "name" in self._spoken else ""
                alike[name, mark.sensitivity, which].append(mark)
        resources = [
            cedar.attribute(tenant, found[0], name, has_consent=has_consent)
            for (name, _, _), found in alike.items()
            for has_consent in (False, True)
        ]
        allowed = [one.allowed for one in self.judge(principal, action, resources, purpose)]
        closed: _Types = defaultdict(set)
        personal: _Types = defaultdict(set)
        for at, ((name, sensitivity, _), found) in enumerate(alike.items()):
            is_open, opens = allowed[2 * at : 2 * at + 2]
            for mark in found:
                if not is_open:
                    closed[mark.attribute, mark.subject if opens else None].add(name)
                elif sensitivity == "personal":
                    personal[mark.attribute, mark.subject].add(name)
        return _listed(closed), _listed(personal)

    def _spoken_of(self) -> set[str]:
        """Return every name and text in the policies on attributes."""
        return {
            text
            for one in self.policies
            if one.rule.concerns("readAttribute") or one.rule.concerns("writeAttribute")
            for text in _texts([one.rule.est["principal"], one.rule.est["conditions"]])
        }

    def _of(self, action: EntityAction) -> tuple[list[Test], list[Test]]:
        """Return what permits an action on entities, and what forbids it."""
        found: dict[str, list[Test]] = {"permit": [], "forbid": []}
        for one in self.policies:
            if one.tests[action] is not False:
                found[one.rule.effect].append(one.tests[action])
        return found["permit"], found["forbid"]


_FEATURES = {"id": "Madang::Principal"} | {
    name: name for name in ("kind", "tenants", "scopes", "reads", "writes", "entities")
}
_MOST_VERDICTS = 4096

_Attributes = tuple[tuple[Hidden, ...], tuple[Hidden, ...]]
"""Those out of reach, and the personal ones within it."""
_Types = dict[tuple[str, str | None], set[str]]
"""Types of entities by attribute and subject."""


def _listed(found: _Types) -> tuple[Hidden, ...]:
    return tuple(
        Hidden(attribute, frozenset(types), subject)
        for (attribute, subject), types in found.items()
    )


def _texts(value: Any) -> Iterator[str]:
    """Yield every text inside JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
