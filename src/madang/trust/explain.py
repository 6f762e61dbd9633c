"""Why somebody may do something or not: the policies that decide, and what would change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from madang.model.entity import Entity
from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.query.tree import And, Condition, HasId, HasType, InScope, Not, Or
from madang.trust import cedar
from madang.trust.actions import ENTITY_ACTIONS, Action, EntityAction
from madang.trust.book import Book
from madang.trust.parts import Part, all_of, any_of, opposite
from madang.trust.principal import ROLES, Principal
from madang.trust.residual import Asked
from madang.trust.rules import Rule

Decision = Literal["allow", "deny", "some"]
"""``some``: it depends on the entity, or on the type that the attribute is in."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and why it is so."""

    decision: Decision
    sentence: str
    """The decision in words."""
    policies: tuple[Rule, ...]
    """Those that decided; none if nothing permits it."""
    hint: str
    """What would allow it; nothing if it is allowed."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is asked about."""

    book: Book
    who: Principal
    action: Action
    what: Entity | str
    tenant: str
    purpose: str
    is_public: bool = False
    has_consent: bool = False


@dataclass(frozen=True, slots=True)
class _Verdict:
    decision: Decision
    rules: tuple[str, ...]
    part: Part = False


def explain(
    book: Book, who: Principal, action: Action, what: Entity | str, tenant: str, purpose: str
) -> Explanation:
    """Return what is decided and why.

    Args:
        what: for an action on entities, one, or the name of a type; for one on attributes, a
            marked attribute (``telephone``, ``Person.telephone``); else of no matter.

    Raises:
        BadRequestData: it is missing, or is no marked attribute.
    """
    case = _Case(book, who, action, what, tenant, purpose)
    verdict = _decide(case)
    found = {one.rule.id: one.rule for one in book.policies}
    deciding = tuple(found[id] for id in sorted(verdict.rules))
    hint = "" if verdict.decision == "allow" else _hint(case, verdict, deciding)
    return Explanation(verdict.decision, _sentence(case, verdict), deciding, hint)


# --- deciding ----------------------------------------------------------------------------------


def _decide(case: _Case) -> _Verdict:
    book, action = case.book, case.action
    if action in ENTITY_ACTIONS:
        if isinstance(case.what, str):
            return _of_a_type(case, action, case.what)
        return _asked(case, [_entity(case, case.what)])
    if action in ("readAttribute", "writeAttribute"):
        return _asked(case, list(_attributes(case)))
    resource = book.place(action, case.tenant)  # type: ignore[arg-type]
    return _asked(case, [resource])


def _asked(case: _Case, resources: list[cedar.Resource]) -> _Verdict:
    """Return what Cedar decides, by Cedar's own account."""
    results = case.book.judge(case.who, case.action, resources, case.purpose)
    allowed = sum(one.allowed for one in results)
    decision: Decision = "deny" if not allowed else "allow" if allowed == len(results) else "some"
    return _Verdict(decision, tuple({id for one in results for id in one.diagnostics.reasons}))


def _entity(case: _Case, entity: Entity) -> cedar.Resource:
    scopes = entity.document.get("scope", ())
    return cedar.entity(
        case.tenant,
        entity.id,
        entity.types,
        (scopes,) if isinstance(scopes, str) else scopes,
        is_public=case.is_public or case.book.is_public(case.tenant, entity.types),
    )


def _attributes(case: _Case) -> Iterator[cedar.Resource]:
    """Yield the marked attributes that are meant."""
    is_found = False
    for mark in case.book.marks:
        for name in mark.types:
            if case.what in (mark.attribute, f"{name}.{mark.attribute}"):
                is_found = True
                yield cedar.attribute(case.tenant, mark, name, has_consent=case.has_consent)
    if not is_found:
        raise BadRequestData(
            f"{shown(case.what)} is no marked attribute; `madang policy mark list` names them, and "
            "others go with their entity, so ask about readEntity or updateEntity"
        )


def _of_a_type(case: _Case, action: EntityAction, name: str) -> _Verdict:
    """Return what is left of a reach if the entity is of one type and nothing else is known."""
    if not name:
        raise BadRequestData(f"{action} is done to an entity; name its id or its type")
    public = case.is_public or case.book.public_part(case.tenant)
    asked = Asked(case.who, case.tenant, case.purpose, public)
    parts: dict[str, dict[str, Part]] = {"permit": {}, "forbid": {}}
    for one in case.book.policies:
        test = one.tests[action]
        part = _assume(test if isinstance(test, bool) else test(asked), name)
        if part is not False:
            parts[one.rule.effect][one.rule.id] = part
    forbidden = any_of(parts["forbid"].values())
    part = all_of((any_of(parts["permit"].values()), opposite(forbidden)))
    if part is False:
        return _Verdict("deny", tuple(parts["forbid"]))
    if part is True:
        return _Verdict("allow", tuple(id for id, one in parts["permit"].items() if one is True))
    return _Verdict("some", (*parts["permit"], *parts["forbid"]), part)


def _assume(part: Part, name: str) -> Part:
    """Return what is left of a part if the entity is of this type alone."""
    match part:
        case HasType(other):
            return other == name
        case Not(item):
            return opposite(_assume(item, name))
        case And(items):
            return all_of(_assume(item, name) for item in items)
        case Or(items):
            return any_of(_assume(item, name) for item in items)
        case _:
            return part


# --- in words ----------------------------------------------------------------------------------


def _sentence(case: _Case, verdict: _Verdict) -> str:
    may = {"allow": "may", "deny": "may not", "some": "may partly"}[verdict.decision]
    what = case.what if isinstance(case.what, str) else case.what.id
    on = f" on {what}" if what else ""
    where = f" in tenant {case.tenant!r}" if case.tenant else ""
    why = f" for the purpose {case.purpose!r}" if case.purpose else ""
    only = "" if isinstance(verdict.part, bool) else f": those {in_words(verdict.part)}"
    return f"{case.who.name} {may} do {case.action}{on}{where}{why}{only}"


def in_words(condition: Condition) -> str:
    """Return a condition of a reach as a person may read it."""
    match condition:
        case HasType(name):
            return f"of type {name}"
        case InScope(levels):
            return f"in /{'/'.join(levels)} or below"
        case HasId(ids):
            return f"with the id {_listed(ids, 'or')}"
        case Not(item):
            return f"not ({in_words(item)})"
        case And(items):
            return " and ".join(f"({in_words(item)})" for item in items)
        case Or(items):
            return " or ".join(map(in_words, items)) or "that are none"
        case _:
            return "that meet a condition"


def _listed(words: Iterable[str], last: str, most: int = 8) -> str:
    found = list(words)
    if len(found) > most:
        found = [*found[:most], f"{len(found) - most} more"]
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {last} {found[-1]}"


# --- what would allow it -----------------------------------------------------------------------


def _hint(case: _Case, verdict: _Verdict, deciding: tuple[Rule, ...]) -> str:
    """Return which one change would allow it."""
    ways = []
    purposes = [p for p in _purposes(case.book) if _would(replace(case, purpose=p), verdict)]
    if purposes:
        ways.append(f"the purpose {_listed(purposes, 'or')}")
    if _would(replace(case, has_consent=True), verdict):
        ways.append("the consent of the person (who may always see it themselves)")
    if _would(replace(case, is_public=True), verdict):
        ways.append("`madang policy public add`, which makes it open data for everybody")
    roles = [role for role in ROLES if _would(_with_role(case, role), verdict)]
    if roles:
        ways.append(f"the role {_listed(roles, 'or')}")
    tenants = case.who.tenants | {case.tenant}
    if _would(replace(case, who=replace(case.who, tenants=tenants)), verdict):
        ways.append(f"membership in the tenant {case.tenant!r}")
    forbidding = [rule.id for rule in deciding if rule.effect == "forbid"]
    begin = f"{_listed(forbidding, 'and')} forbids it; " if forbidding else ""
    if ways:
        return f"{begin}it would be allowed by {'; or by '.join(ways)}"
    if forbidding:
        return f"{begin}only a change of that policy would allow it"
    return "no policy permits it; a policy of the city's own can: `madang policy add FILE`"


def _would(case: _Case, now: _Verdict) -> bool:
    """Return whether a case is decided better than now."""
    order = ("deny", "some", "allow")
    return order.index(_decide(case).decision) > order.index(now.decision)


def _with_role(case: _Case, role: Any) -> _Case:
    return replace(case, who=replace(case.who, roles=case.who.roles | {role}))


def _purposes(book: Book) -> list[str]:
    """Return the purposes that policies speak of."""
    found: set[str] = set()
    for one in book.policies:
        for node in _nodes(one.rule.est["conditions"]):
            sides = [node.get("left"), node.get("right")]
            if {".": {"left": {"Var": "context"}, "attr": "purpose"}} in sides:
                found |= {n["Value"] for n in _nodes(sides) if isinstance(n.get("Value"), str)}
    return sorted(found)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)
