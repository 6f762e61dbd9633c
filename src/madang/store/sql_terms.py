"""Terms of ``q`` as SQL: how a path leads through a document to values, times and linked entities.

The direct way through single instances comes first and is cheap; only if it finds nothing, the
general way looks through arrays of instances (clause 4.5.5).
Source: ETSI GS CIM 009 clause 4.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import orjson

from madang.model.attributes import ENTITY_MEMBERS
from madang.model.entity import CHILD, INSTANCE
from madang.query.evaluate import RAW_MEMBERS, TIMES, leads_nowhere
from madang.query.tree import Compare, Condition, Link, Path
from madang.store import sql_values
from madang.store.sql_text import FALSE, TRUE, Sql, joined, listed, path, sql

STAMPED = ("created", "modified", "written", "times", "doc")
"""Columns that ``madang_modified`` is given, as a JSON array."""
_LANGUAGES = ("languageMap",)

_INSTANCES = (
    "json_each(CASE json_type({}, {}) WHEN 'array' THEN json_extract({}, {})"
    " WHEN 'object' THEN json_array(json(json_extract({}, {}))) END)"
)
_ARRAY = "json_each(CASE json_type({}, {}) WHEN 'array' THEN json_extract({}, {}) END)"
_TARGETS = (
    "json_each(CASE json_type({i}, '$.object') WHEN 'array' THEN json_extract({i}, '$.object')"
    " WHEN 'text' THEN json_array(json_extract({i}, '$.object'))"
    " ELSE json_extract({i}, '$.objectList') END)"
)
_TARGET = "CASE {u}.type WHEN 'object' THEN json_extract({u}.value, '$.object') ELSE {u}.value END"


def has_attribute(alias: str, *names: str) -> Sql:
    """Return the test whether an entity has one of these attributes, decided by its shape."""
    return sql(
        f"{alias}.shape IN (SELECT s.id FROM shape s, json_each(s.attributes) a"
        " WHERE json_extract(a.value, '$[0]') IN {})",
        listed(set(names)),
    )


def has_type(alias: str, *names: str) -> Sql:
    """Return the test whether an entity is of one of these types, decided by its shape."""
    return sql(
        f"{alias}.shape IN (SELECT s.id FROM shape s, json_each(s.types) t WHERE t.value IN {{}})",
        listed(names),
    )


class Terms:
    """Makes the terms of one condition, over one entity alias; aliases are never used twice.

    Args:
        meets: makes a whole condition on the entity that given terms are about.
        alias: of the entity these terms are about.
        numbers: of aliases not used yet.
    """

    def __init__(
        self,
        meets: Callable[[Condition, Terms], Sql],
        alias: str = "e",
        numbers: count[int] | None = None,
    ) -> None:
        self.alias = alias
        self._meets = meets
        self._document = Sql(f"{alias}.doc")
        self._numbers = numbers or count(1)

    def compare(self, wanted: Compare) -> Sql:
        """Return a comparison."""
        at = wanted.path
        if at.links:
            return self._linked(at, lambda terms, rest: terms.compare(replace(wanted, path=rest)))
        if leads_nowhere(at):
            return FALSE
        if not at.subs and at.attribute in (*ENTITY_MEMBERS, *TIMES):
            return FALSE if at.members else self._compare_member(wanted)
        if at.subs and at.subs[-1] in TIMES:
            return self._times(at, lambda time: sql_values.system_time(time, wanted))
        if at.subs and at.subs[-1] in RAW_MEMBERS:
            return self._compare_raw(wanted)
        names = (at.attribute, *at.subs)

        def test(base: Sql, prefix: tuple[str, ...], otherwise: Sql) -> Sql:
            return _instance(base, prefix, wanted, otherwise)

        general = self._general(names, lambda base: test(base, (), FALSE))
        return test(self._document, names, general)

    def exists(self, at: Path) -> Sql:
        """Return the test whether a path leads anywhere."""
        if at.links:
            return self._linked(at, lambda terms, rest: terms.exists(rest))
        if leads_nowhere(at):
            return FALSE
        if not at.subs and at.attribute in (*ENTITY_MEMBERS, *TIMES):
            return FALSE if at.members else self._has_member(at.attribute)
        if not at.subs and not at.members:
            return has_attribute(self.alias, at.attribute)
        if at.subs and at.subs[-1] in TIMES:
            return self._times(at, lambda _time: TRUE)
        names, held = (at.attribute, *at.subs), _held(at.members)
        if at.subs[-1:] and at.subs[-1] in RAW_MEMBERS:
            if at.members:
                return FALSE
            names, held = names[:-1], ((at.subs[-1],),)
        general = self._general(names, lambda base: _there(base, (), held))
        return sql("{} OR {}", _there(self._document, names, held), general)

    def several(self, name: str, test: Callable[[Sql], Sql]) -> Sql:
        """Return whether any of several instances of an attribute passes a test."""
        own = self.new("i")
        at = path(name)
        return sql(
            f"EXISTS (SELECT 1 FROM {_ARRAY} {own} WHERE {{}})",
            self._document,
            at,
            self._document,
            at,
            test(Sql(f"{own}.value")),
        )

    def _compare_member(self, wanted: Compare) -> Sql:
        name = wanted.path.attribute
        if name in TIMES:
            return sql_values.system_time(self._time(wanted.path), wanted)
        if name == "id":
            return sql_values.text(Sql(f"{self.alias}.id"), wanted)
        return sql_values.plain(self._document, path(name), wanted, FALSE)

    def _time(self, at: Path) -> Sql:
        """Return a system time of the entity itself."""
        if at.attribute == "createdAt" or not at.without:
            return Sql(f"{self.alias}.{'created' if at.attribute == 'createdAt' else 'modified'}")
        columns = ",".join(f"{self.alias}.{name}" for name in STAMPED)
        return sql(
            f"CASE WHEN {{}} THEN madang_modified({{}}, json_array({columns}))"
            f" ELSE {self.alias}.modified END",
            joined(self._lacking(at), "OR"),
            orjson.dumps(at.without).decode(),
        )

    def _lacking(self, at: Path) -> Iterator[Sql]:
        """Yield the tests of the entities that are looked at without some of their attributes."""
        names: dict[tuple[str, ...], list[str]] = {}
        for name, types in at.without:
            names.setdefault(types, []).append(name)
        for types, found in names.items():
            has = has_attribute(self.alias, *found)
            yield joined([has_type(self.alias, *types), has], "AND") if types else has

    def _has_member(self, name: str) -> Sql:
        if name != "scope":
            return TRUE
        return sql("json_type({}, {}) IS NOT NULL", self._document, path(name))

    def _compare_raw(self, wanted: Compare) -> Sql:
        """Return a comparison with a member such as observedAt, a text or a list of texts."""
        at = wanted.path
        if at.members:
            return FALSE
        names, member = (at.attribute, *at.subs[:-1]), at.subs[-1]
        checked = member == "observedAt"

        def test(base: Sql, prefix: tuple[str, ...], otherwise: Sql) -> Sql:
            place = path(*prefix, member)
            return sql_values.plain(base, place, wanted, otherwise, checked=checked)

        general = self._general(names, lambda base: test(base, (), FALSE))
        return test(self._document, names, general)

    def _general(self, names: tuple[str, ...], test: Callable[[Sql], Sql]) -> Sql:
        """Return whether any instance passes a test, for paths that are not single all the way."""
        if len(names) == 1:
            return self.several(names[0], test)
        return self._over(self._document, names, test)

    def _over(self, base: Sql, names: tuple[str, ...], test: Callable[[Sql], Sql]) -> Sql:
        """Return whether any instance that the names lead to passes a test."""
        own = self.new("i")
        value = Sql(f"{own}.value")
        inner = self._over(value, names[1:], test) if len(names) > 1 else test(value)
        return sql(
            f"EXISTS (SELECT 1 FROM {{}} {own} WHERE {{}})", _instances(base, names[0]), inner
        )

    def _times(self, at: Path, test: Callable[[Sql], Sql]) -> Sql:
        """Return whether a system time of any instance that the path leads to passes a test."""
        names = (at.attribute, *at.subs[:-1])
        if at.members:
            return FALSE
        since = Sql(f"{self.alias}.written")
        which = 0 if at.subs[-1] == "createdAt" else 1
        return self._stamped(self._document, names, Sql("''"), since, which, test)

    def _stamped(
        self,
        base: Sql,
        names: tuple[str, ...],
        parent: Sql,
        since: Sql,
        which: int,
        test: Callable[[Sql], Sql],
    ) -> Sql:
        """Look through instances, making for each its path among the stamps (model/entity.py)."""
        own = self.new("i")
        value = Sql(f"{own}.value")
        at = sql(
            "{} || {} || coalesce({} || json_extract({}, '$.datasetId'), '')",
            parent,
            names[0],
            INSTANCE,
            value,
        )
        stamp = "coalesce((SELECT json_extract(t.value, {}) FROM json_each({}) t"
        stamp += " WHERE t.key = {}), {})"
        times = Sql(f"{self.alias}.times")
        if len(names) == 1:
            found = test(sql(stamp, f"$[{which}]", times, at, since))
        else:
            created = sql(stamp, "$[0]", times, at, since)
            child = sql("{} || {}", at, CHILD)
            found = self._stamped(value, names[1:], child, created, which, test)
        return sql(
            f"EXISTS (SELECT 1 FROM {{}} {own} WHERE {{}})", _instances(base, names[0]), found
        )

    def _linked(self, at: Path, test: Callable[[Terms, Path], Sql]) -> Sql:
        """Return whether an entity that the first relationship leads to passes a test."""
        link: Link = at.links[0]
        if link.relationship in ENTITY_MEMBERS:
            return FALSE
        instance, target, entity = self.new("i"), self.new("u"), self.new("e")
        terms = Terms(self._meets, entity, self._numbers)
        demands = [test(terms, replace(at, links=at.links[1:]))]
        if link.seen is not None:
            demands.insert(0, self._meets(link.seen, terms))
        if link.types:
            demands.insert(0, has_type(entity, *link.types))
        passed = joined(demands, "AND")
        return sql(
            f"EXISTS (SELECT 1 FROM {{}} {instance}"
            f" CROSS JOIN {_TARGETS.format(i=f'{instance}.value')} {target}"
            f" CROSS JOIN entity {entity} ON {entity}.id = {_TARGET.format(u=target)}"
            " WHERE {})",
            _instances(self._document, link.relationship),
            passed,
        )

    def new(self, letter: str) -> str:
        """Return an alias that nothing has yet."""
        return f"{letter}{next(self._numbers)}"


def _instances(base: Sql, name: str) -> Sql:
    at = path(name)
    return sql(_INSTANCES, base, at, base, at, base, at)


def _instance(base: Sql, prefix: tuple[str, ...], wanted: Compare, otherwise: Sql) -> Sql:
    """Return the comparison for an attribute instance, whichever value member it has."""
    members = wanted.path.members
    found = otherwise
    if len(members) == 1:
        found = _language(base, prefix, members[0], wanted, found)
    if not members:
        found = sql_values.vocabulary(base, path(*prefix, "vocab"), wanted, found)
        found = sql_values.targets(base, path(*prefix, "objectList"), wanted, found)
        found = sql_values.targets(base, path(*prefix, "object"), wanted, found)
        found = sql_values.array(base, path(*prefix, "valueList"), wanted, found)
        found = sql_values.array(base, path(*prefix, "json"), wanted, found)
    else:
        found = sql_values.plain(base, path(*prefix, "json", *members), wanted, found)
    return sql_values.plain(base, path(*prefix, "value", *members), wanted, found)


def _language(base: Sql, prefix: tuple[str, ...], tag: str, wanted: Compare, otherwise: Sql) -> Sql:
    whole = (*prefix, *_LANGUAGES)
    at = path(*whole) if tag == "*" else path(*whole, tag)
    return sql(
        "CASE json_type({}, {}) WHEN 'object' THEN {} ELSE {} END",
        base,
        path(*whole),
        sql_values.language(base, at, wanted),
        otherwise,
    )


def _held(members: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the paths inside an instance of which one must be there."""
    if not members:
        return ((),)
    held = [("value", *members), ("json", *members)]
    if len(members) == 1:
        held.append(_LANGUAGES if members[0] == "*" else (*_LANGUAGES, *members))
    return tuple(held)


def _there(base: Sql, prefix: tuple[str, ...], held: tuple[tuple[str, ...], ...]) -> Sql:
    """Return whether one of these paths inside an instance leads to something."""
    return joined((_leads(base, prefix, inside) for inside in held), "OR")


def _leads(base: Sql, prefix: tuple[str, ...], inside: tuple[str, ...]) -> Sql:
    at = path(*prefix, *inside)
    if inside == _LANGUAGES:  # a map without any language is there, but has none of them
        return sql("json_extract({}, {}) <> {}", base, at, "{}")
    if prefix and not inside:
        return sql("json_type({}, {}) = 'object'", base, at)
    return sql("json_type({}, {}) IS NOT NULL", base, at)
