"""What policies leave of the entities: a partial evaluator of Cedar that gives query conditions.

The principal, the action, the tenant and the purpose are known; the entity is not. What a policy
says about the entity becomes a condition on it, and everything else is worked out at once. Cedar's
own partial evaluation is experimental and leaves actions and tenants undecided, so this is ours,
over the policy's JSON format (EST); property tests hold it to what Cedar decides for each entity.

Of an entity may be said what a query can ask for: see :data:`SAYABLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from madang.query.tree import Condition, HasId, HasType
from madang.trust.actions import EntityAction
from madang.trust.parts import Part, all_of, any_of, condition_of, opposite, within
from madang.trust.principal import Principal
from madang.trust.rules import BadPolicy, Rule

SAYABLE = (
    "of an entity can be said resource.types and resource.within with contains, containsAny or "
    "containsAll, resource.id == or set.contains(resource.id), and resource.public, joined by "
    "&&, ||, ! and if-then-else"
)
LARGEST = 2000  # conditions that one policy may come to


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known when a reach is worked out."""

    principal: Principal
    tenant: str
    purpose: str
    public: Part
    """The entities of the tenant that are open data."""


@dataclass(frozen=True, slots=True)
class Uid:
    """A Cedar entity as a value."""

    type: str
    id: str


Expression = dict[str, Any]
Value = str | int | Uid | frozenset[Any]
Worth = Value | Callable[[Asked], Value]
"""A value, or what gives it when it is known who asks."""
Test = bool | Callable[[Asked], Part]
"""All entities, none, or what gives the part of them when it is known who asks."""

_PRINCIPAL = frozenset({"kind", "tenants", "scopes", "reads", "writes", "entities"})
_ENTITY = frozenset({"tenant", "types", "within", "id", "public"})
_RESOURCE = {"Var": "resource"}
_KINDS = {"principal": "Madang::Principal", "resource": "Madang::Entity"}


class _Unsayable(Exception):
    """A condition that no query can ask for."""


def compile(rule: Rule, action: EntityAction) -> Test:
    """Return what a policy means for an action; False if it never applies to it.

    Raises:
        BadPolicy: it says of an entity what no query can ask for.
    """
    if not rule.concerns(action):
        return False
    compiler = _Compiler(action)
    clauses = [
        clause["body"] if clause["kind"] == "when" else {"!": {"arg": clause["body"]}}
        for clause in rule.est["conditions"]
    ]
    try:
        test: Test = True
        for expression in (_scope(rule, "principal"), _scope(rule, "resource"), *clauses):
            if test is not False:
                test = _both(test, compiler.test(expression))
        if compiler.size > LARGEST:
            raise _Unsayable(f"it comes to more than {LARGEST:,} conditions; make it several")
    except _Unsayable as error:
        raise BadPolicy(f"policy {rule.id}, line {rule.line}: {error}") from None
    return test


def condition(permits: Iterable[Test], forbids: Iterable[Test], asked: Asked) -> Condition | None:
    """Return what an entity must meet to be permitted and not forbidden; None is every entity."""
    allowed = any_of(_part(test, asked) for test in permits)
    if allowed is not False:
        forbidden = any_of(_part(test, asked) for test in forbids)
        allowed = all_of((allowed, opposite(forbidden)))
    return condition_of(allowed)


def _scope(rule: Rule, name: str) -> Expression:
    """Return the head of a policy as the expression it stands for."""
    variable = {"Var": name}
    head: dict[str, Any] = rule.est[name]
    match head:
        case {"op": "All"}:
            return {"Value": True}
        case {"op": "is", **rest}:
            inside = {"in": _literal(rest["in"]["entity"])} if "in" in rest else {}
            return {"is": {"left": variable, "entity_type": rest["entity_type"], **inside}}
        case {"op": operator, "entity": entity}:
            return {operator: {"left": variable, "right": _literal(entity)}}
        case other:
            raise _Unsayable(f"its {name} is {other}, which is not understood")


def _literal(entity: dict[str, str]) -> Expression:
    return {"Value": {"__entity": entity}}


def _part(test: Test, asked: Asked) -> Part:
    return test if isinstance(test, bool) else test(asked)


def _known(worth: Worth, asked: Asked) -> Any:
    return worth(asked) if callable(worth) else worth


def _both(left: Test, right: Test) -> Test:
    if isinstance(left, bool):
        return right if left else False
    if isinstance(right, bool):
        return left if right else False

    def test(asked: Asked) -> Part:
        first = left(asked)
        return first if first is False else all_of((first, right(asked)))

    return test


def _any(left: Test, right: Test) -> Test:
    if isinstance(left, bool):
        return left if left else right
    if isinstance(right, bool):
        return right if right else left

    def test(asked: Asked) -> Part:
        first = left(asked)
        return first if first is True else any_of((first, right(asked)))

    return test


def _not(test: Test) -> Test:
    if isinstance(test, bool):
        return not test
    return lambda asked: opposite(test(asked))


def _judged(function: Callable[..., bool], *worths: Worth) -> Test:
    """Return the test of known values; at once if nothing about who asks is needed."""
    if not any(callable(worth) for worth in worths):
        return function(*worths)
    return lambda asked: function(*(_known(worth, asked) for worth in worths))


def _said(expression: Expression) -> str:
    """Return which attribute of the entity an expression is; nothing if it is none."""
    match expression:
        case {".": {"left": {"Var": "resource"}, "attr": str(attribute)}}:
            return attribute
        case _:
            return ""


class _Compiler:
    """Turns the expressions of a policy into functions of who asks."""

    def __init__(self, action: EntityAction) -> None:
        self._action = Uid("Madang::Action", action)
        self.size = 0

    def test(self, expression: Expression) -> Test:
        """Return what a boolean expression means."""
        self.size += 1
        ((operator, body),) = expression.items()
        match operator, body:
            case "Value", bool(value):
                return value
            case "!", {"arg": inner}:
                return _not(self.test(inner))
            case "&&", {"left": left, "right": right}:
                first = self.test(left)
                return first if first is False else _both(first, self.test(right))
            case "||", {"left": left, "right": right}:
                first = self.test(left)
                return first if first is True else _any(first, self.test(right))
            case "if-then-else", {"if": condition, "then": left, "else": right}:
                return self._either(condition, left, right)
            case ".", {"left": {"Var": "resource"}, "attr": "public"}:
                return lambda asked: asked.public
            case "==", {"left": left, "right": right}:
                return self._equal(left, right)
            case "!=", {"left": left, "right": right}:
                return _not(self._equal(left, right))
            case "contains", {"left": left, "right": right}:
                return self._contains(left, right)
            case "containsAny", {"left": left, "right": right}:
                return self._contains_any(left, right)
            case "containsAll", {"left": left, "right": right}:
                return self._contains_all(left, right)
            case "isEmpty", {"arg": inner}:
                return _judged(lambda items: not items, self.value(inner))
            case "is", {"left": {"Var": name}, "entity_type": kind}:
                if _KINDS.get(name) != kind:
                    return False
                return self._in(body["left"], body["in"]) if "in" in body else True
            case "in", {"left": left, "right": right}:
                return self._in(left, right)
            case "has", {"left": {"Var": name}, "attr": attribute}:
                known = {"principal": _PRINCIPAL, "resource": _ENTITY, "context": {"purpose"}}
                return attribute in known.get(name, ())
            case "like", {"left": left, "pattern": pattern}:
                return _judged(_like(pattern), self.value(left))
        raise _Unsayable(f"`{operator}` cannot be used here; {SAYABLE}")

    def value(self, expression: Expression) -> Worth:
        """Return what an expression that does not depend on the entity is worth."""
        match expression:
            case {"Value": {"__entity": {"type": kind, "id": id}}}:
                return Uid(kind, id)
            case {"Value": str(value) | int(value)}:
                return value
            case {"Set": items}:
                worths = [self.value(item) for item in items]
                if any(map(callable, worths)):
                    return lambda asked: frozenset(_known(worth, asked) for worth in worths)
                return frozenset(worths)
            case {"Var": "action"}:
                return self._action
            case {"Var": "principal"}:
                return lambda asked: Uid("Madang::Principal", asked.principal.id)
            case {".": {"left": {"Var": "principal"}, "attr": name}} if name in _PRINCIPAL:
                return lambda asked: getattr(asked.principal, name)
            case {".": {"left": {"Var": "resource"}, "attr": "tenant"}}:
                return lambda asked: asked.tenant
            case {".": {"left": {"Var": "context"}, "attr": "purpose"}}:
                return lambda asked: asked.purpose
            case _:
                about = f"resource.{_said(expression)}" if _said(expression) else "an expression"
                raise _Unsayable(f"{about} is used as it cannot be; {SAYABLE}")

    def _either(self, condition: Expression, left: Expression, right: Expression) -> Test:
        before = self.size
        chosen = self.test(condition)
        self.size += self.size - before  # it will be in both branches
        if isinstance(chosen, bool):
            return self.test(left if chosen else right)
        first, second = self.test(left), self.test(right)

        def test(asked: Asked) -> Part:
            part = chosen(asked)
            if isinstance(part, bool):
                return _part(first if part else second, asked)
            others = opposite(part)
            return any_of(
                (all_of((part, _part(first, asked))), all_of((others, _part(second, asked))))
            )

        return test

    def _equal(self, left: Expression, right: Expression) -> Test:
        for one, other in ((left, right), (right, left)):
            if _said(one) == "id":
                worth = self.value(other)
                return lambda asked: HasId((_known(worth, asked),))
            if one == _RESOURCE:
                uid = self.value(other)
                return lambda asked: _entity(_known(uid, asked))
        return _judged(lambda a, b: bool(a == b), self.value(left), self.value(right))

    def _contains(self, left: Expression, right: Expression) -> Test:
        if _said(right) == "id":
            ids = self.value(left)
            return lambda asked: _one_of(_known(ids, asked))
        if _said(left) in _LEAVES:
            leaf, item = _LEAVES[_said(left)], self.value(right)
            return lambda asked: leaf(_known(item, asked))
        return _judged(lambda items, x: x in items, self.value(left), self.value(right))

    def _contains_any(self, left: Expression, right: Expression) -> Test:
        for one, other in ((left, right), (right, left)):
            if _said(one) in _LEAVES:
                leaf, items = _LEAVES[_said(one)], self.value(other)
                return lambda asked: any_of(map(leaf, sorted(_known(items, asked))))
        return _judged(lambda a, b: not a.isdisjoint(b), self.value(left), self.value(right))

    def _contains_all(self, left: Expression, right: Expression) -> Test:
        if _said(left) in _LEAVES:
            leaf, items = _LEAVES[_said(left)], self.value(right)
            return lambda asked: all_of(map(leaf, sorted(_known(items, asked))))
        return _judged(lambda a, b: a >= b, self.value(left), self.value(right))

    def _in(self, left: Expression, right: Expression) -> Test:
        above = self.value(right)
        if left == {"Var": "principal"}:
            return lambda asked: _is_in(asked.principal, _known(above, asked))
        return _judged(lambda one, all: one in _as_set(all), self.value(left), above)


def _as_set(value: Any) -> frozenset[Uid]:
    return value if isinstance(value, frozenset) else frozenset({value})


def _is_in(principal: Principal, above: Any) -> bool:
    """Return whether a principal is one of these, or has one of these roles."""
    return any(
        one == Uid("Madang::Principal", principal.id)
        or (one.type == "Madang::Role" and one.id in principal.roles)
        for one in _as_set(above)
    )


def _entity(uid: Uid) -> Part:
    return HasId((uid.id,)) if uid.type == "Madang::Entity" else False


def _one_of(ids: frozenset[str]) -> Part:
    return HasId(tuple(sorted(ids))) if ids else False


def _like(pattern: list[Any]) -> Callable[[str], bool]:
    """Return the test of a text against a pattern in which ``*`` is any characters.

    It looks for each piece once, so that no pattern takes long (a regular expression might).
    """
    pieces = [""]
    for one in pattern:
        if one == "Wildcard":
            pieces.append("")
        else:
            pieces[-1] += one["Literal"]
    first, *middle, last = pieces if len(pieces) > 1 else (pieces[0], "")

    def matches(value: str) -> bool:
        end = len(value) - len(last)
        at = len(first)
        if end < at or not (value.startswith(first) and value.endswith(last)):
            return False
        for piece in middle:
            at = value.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return len(pieces) > 1 or value == first

    return matches


_LEAVES: dict[str, Callable[[str], Part]] = {"types": HasType, "within": within}
