"""The condition that policies leave of unknown entities agrees with Cedar on each known one."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from madang.model.entity import Entity
from madang.query import evaluate
from madang.query.reach import NOTHING
from madang.query.tree import Condition
from madang.trust import book, cedar, residual, rules
from madang.trust.actions import ENTITY_ACTIONS, EntityAction
from madang.trust.book import Book
from madang.trust.parts import ancestry, within
from madang.trust.principal import KINDS, ROLES, Principal
from madang.trust.residual import Asked
from madang.trust.rules import BadPolicy

# Few of each, so that policies often speak of what there is.
TYPES = ["A", "B", "https://a.b/C"]
SCOPES = ["/S", "/S/W", "/S/W/X", "/T", "/Séoul"]
GIVEN_SCOPES = [*SCOPES, "S/W", "T"]
NO_SCOPES = ["S", "/", "/S/", "/+/W", "/#", ""]
IDS = ["urn:1", "urn:2", 'urn:"3"']
TENANTS = ["", "t"]
PURPOSES = ["", "care", "care*"]


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def texts(values: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(values).map(quoted)


def sets(values: list[str], *attributes: str) -> st.SearchStrategy[str]:
    """Draw a set: written out, or one of the principal's."""
    literals = st.lists(texts(values), min_size=1, max_size=3).map(lambda x: f"[{', '.join(x)}]")
    return literals | st.sampled_from([f"principal.{name}" for name in attributes])


methods = st.sampled_from(["containsAny", "containsAll"])
type_sets = sets(TYPES, "reads", "writes")
scope_sets = sets([*SCOPES, *NO_SCOPES], "scopes")

about_entities = st.one_of(
    texts(TYPES).map("resource.types.contains({})".format),
    st.builds("resource.types.{}({})".format, methods, type_sets),
    type_sets.map("{}.containsAny(resource.types)".format),
    texts([*SCOPES, *NO_SCOPES]).map("resource.within.contains({})".format),
    st.builds("resource.within.{}({})".format, methods, scope_sets),
    texts(IDS).map("resource.id == {}".format),
    texts(IDS).map("{} != resource.id".format),
    sets(IDS, "entities").map("{}.contains(resource.id)".format),
    texts(IDS).map("resource == Madang::Entity::{}".format),
    st.just("resource.public"),
)
about_others = st.one_of(
    texts(TENANTS).map("resource.tenant == {}".format),
    texts(list(KINDS)).map("principal.kind == {}".format),
    texts(PURPOSES).map("context.purpose == {}".format),
    st.sampled_from(["care", "c*e", "*", "care\\*", "x*"]).map('context.purpose like "{}"'.format),
    texts(list(ROLES)).map("principal in Madang::Role::{}".format),
    texts(list(ROLES)).map("principal is Madang::Principal in Madang::Role::{}".format),
    texts(list(ENTITY_ACTIONS)).map("action == Madang::Action::{}".format),
    st.builds("principal.reads.{}({})".format, methods, sets(TYPES, "writes")),
    st.sampled_from(
        [
            "true",
            "false",
            "principal.scopes.isEmpty()",
            'principal == Madang::Principal::"person:1"',
            'principal in [Madang::Role::"citizen", Madang::Principal::"person:2"]',
            'principal.tenants.contains(resource.tenant) || principal.tenants.contains("*")',
            "resource is Madang::Entity",
            "resource is Madang::Tenant",
            "resource has public",
            "resource has sensitivity",
            "principal has scopes",
        ]
    ),
)
expressions = st.recursive(
    about_entities | about_others,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        inner.map("!({})".format),
        st.builds("(if {} then {} else {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)
policies = st.builds(
    "{} ({}, {}, {}) {} {{ {} }};".format,
    st.sampled_from(["permit", "permit", "permit", "forbid"]),
    st.sampled_from(
        [
            "principal",
            "principal",
            'principal in Madang::Role::"operator"',
            'principal == Madang::Principal::"person:1"',
            'principal is Madang::Principal in Madang::Role::"app"',
        ]
    ),
    st.sampled_from(
        [
            'action == Madang::Action::"readEntity"',
            'action in [Madang::Action::"readEntity", Madang::Action::"updateEntity"]',
            "action",
        ]
    ),
    st.sampled_from(["resource is Madang::Entity", 'resource == Madang::Entity::"urn:1"']),
    st.sampled_from(["when", "when", "unless"]),
    expressions,
)


def some(values: list[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(values), max_size=2)


principals = st.builds(
    Principal,
    id=st.sampled_from(["person:1", "person:2"]),
    kind=st.sampled_from(KINDS),
    name=st.just("Kim"),
    roles=st.frozensets(st.sampled_from(ROLES), max_size=2),
    tenants=some([*TENANTS, "*"]),
    scopes=some([*SCOPES, *NO_SCOPES]),
    reads=some([*TYPES, "*"]),
    writes=some([*TYPES, "*"]),
    entities=some(IDS),
)


@st.composite
def entities(draw: st.DrawFn) -> Entity:
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True))
    document = {"id": draw(st.sampled_from(IDS)), "type": types[0] if len(types) == 1 else types}
    scopes = draw(st.lists(st.sampled_from(GIVEN_SCOPES), max_size=2, unique=True))
    if scopes:
        document["scope"] = scopes[0] if len(scopes) == 1 else scopes
    return Entity(document, 0, 0, 0)


def is_met(condition: Condition | None, entity: Entity) -> bool:
    return condition is None or evaluate.matches(condition, entity)


def as_cedar(tenant: str, entity: Entity, *, is_public: bool) -> cedar.Resource:
    scopes = entity.document.get("scope", [])
    scopes = [scopes] if isinstance(scopes, str) else scopes
    return cedar.entity(tenant, entity.id, entity.types, scopes, is_public=is_public)


@settings(max_examples=75, deadline=None)
@given(
    st.lists(policies, min_size=1, max_size=4),
    principals,
    st.sampled_from(TENANTS),
    st.sampled_from(PURPOSES),
    st.lists(st.sampled_from(TYPES), max_size=1),
    st.lists(entities(), min_size=1, max_size=6),
)
def test_what_is_left_of_policies_agrees_with_cedar_on_every_entity(
    written: list[str],
    principal: Principal,
    tenant: str,
    purpose: str,
    public: list[str],
    found: list[Entity],
) -> None:
    try:
        read = rules.read("x", "\n".join(written))
    except BadPolicy:
        assume(False)
    action: EntityAction = "readEntity"
    permits = [residual.compile(rule, action) for rule in read if rule.effect == "permit"]
    forbids = [residual.compile(rule, action) for rule in read if rule.effect == "forbid"]
    part = Book(public={tenant: frozenset(public)}).public_part(tenant)
    condition = residual.condition(permits, forbids, Asked(principal, tenant, purpose, part))
    policy_set = rules.policy_set(read)
    for entity in found:
        known = as_cedar(tenant, entity, is_public=not set(public).isdisjoint(entity.types))
        (decided,) = cedar.ask(policy_set, principal, action, [known], purpose)
        assert not decided.diagnostics.errors
        assert is_met(condition, entity) == decided.allowed


@settings(max_examples=75, deadline=None)
@given(
    st.lists(policies, max_size=2),
    principals,
    st.sampled_from(ENTITY_ACTIONS),
    st.sampled_from(TENANTS),
    st.dictionaries(
        st.sampled_from(TENANTS), st.frozensets(st.sampled_from([*TYPES, "*"]), max_size=2)
    ),
    st.lists(entities(), min_size=1, max_size=6),
)
def test_a_reach_agrees_with_cedar_whatever_the_city_adds(
    written: list[str],
    principal: Principal,
    action: EntityAction,
    tenant: str,
    public: dict[str, frozenset[str]],
    found: list[Entity],
) -> None:
    try:
        own = [book.compiled(rule) for rule in rules.read("x", "\n".join(written) or "//")]
    except BadPolicy:
        own = []
    whole = Book(own, public=public)
    reach = whole.reach(principal, action, tenant)
    assert reach.is_empty == (reach.condition == NOTHING)
    for entity in found:
        known = as_cedar(tenant, entity, is_public=whole.is_public(tenant, entity.types))
        (decided,) = whole.judge(principal, action, [known])
        assert is_met(reach.condition, entity) == decided.allowed


@given(st.lists(st.sampled_from(GIVEN_SCOPES), max_size=3), st.sampled_from(SCOPES))
def test_an_entity_is_within_a_scope_exactly_if_a_query_finds_it_there(
    scopes: list[str], scope: str
) -> None:
    document = {"id": "urn:1", "type": "A", **({"scope": scopes} if scopes else {})}
    condition = within(scope)
    assert not isinstance(condition, bool)
    found = evaluate.matches(condition, Entity(document, 0, 0, 0))
    assert found == (scope in ancestry(scopes))


@pytest.mark.parametrize("scope", NO_SCOPES)
def test_what_is_no_scope_holds_nothing(scope: str) -> None:
    assert within(scope) is False


@settings(max_examples=75, deadline=None)
@given(st.text("ab*\\", max_size=6), st.text("ab*\\", max_size=8))
def test_a_pattern_means_what_it_means_to_cedar(pattern: str, purpose: str) -> None:
    escaped = pattern.replace("\\", "\\\\")
    text = 'permit (principal, action == Madang::Action::"readEntity", resource)'
    (rule,) = rules.read("x", f'{text} when {{ context.purpose like "{escaped}" }};')
    who = Principal("person:1", "person", "Kim", frozenset())
    left = residual.condition(
        [residual.compile(rule, "readEntity")], [], Asked(who, "", purpose, False)
    )
    known = cedar.entity("", "urn:1", ["A"], [], is_public=False)
    (decided,) = cedar.ask(rules.policy_set([rule]), who, "readEntity", [known], purpose)
    assert (left is None) == decided.allowed
