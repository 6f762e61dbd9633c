"""What a principal may write: judged before and after, in the writer's turn, item by item."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.hub.hub import Hub
from madang.hub.operations import (
    Append,
    Create,
    Delete,
    DeleteAttribute,
    Keep,
    Merge,
    Operation,
    PartialUpdate,
    Replace,
    ReplaceAttribute,
    Update,
    Upsert,
)
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.errors import (
    AlreadyExists,
    BadRequestData,
    Forbidden,
    InternalError,
    NgsiError,
    Overloaded,
    ResourceNotFound,
)
from madang.model.normalize import Normalized, attribute
from madang.model.normalize import entity as normalized
from madang.model.state import Outcome
from madang.query.fits import fits
from madang.query.reach import EMPTY, WHOLE, Hidden, Reach
from madang.query.tree import And, Condition, HasType, InScope, Or
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from madang.store.rows import entity_of
from madang.trust.events import Event
from madang.trust.guard import MOST_PARTS, MOST_TARGETS, Guard
from madang.trust.principal import Principal

NOW = 1_772_366_400_000_000
ID = "urn:a:1"


class Log:
    """Keeps what it is told, and how."""

    def __init__(self) -> None:
        self.noted: list[Event] = []
        self.recorded: list[Event] = []

    def note(self, event: Event) -> None:
        self.noted.append(event)

    async def record(self, *events: Event) -> None:
        self.recorded += events


def principal(kind: Any = "app") -> Principal:
    return Principal(f"{kind}:1", kind, "Ann", frozenset())


def types(*names: str) -> Condition:
    return Or(tuple(map(HasType, names)))


def reach(*names: str, hidden: tuple[Hidden, ...] = ()) -> Reach:
    return Reach(types(*names), hidden)


BENCHES = reach("Bench")
MINE = Reach(And((HasType("Bench"), InScope(("mine",), below=True))))


def guard(
    who: Principal | None = None,
    log: Log | None = None,
    *,
    all: Reach = WHOLE,
    **reaches: Reach,
) -> Guard:
    wanted = {name: reaches.get(name, all) for name in ("read", "create", "update", "delete")}
    return Guard(who or principal(), "", log or Log(), **wanted, address="10.0.0.1")


def content(**members: Any) -> Normalized:
    return normalized({"id": ID, "type": "Bench", **members}, CORE)


def fragment(**members: Any) -> Normalized:
    return normalized(members, CORE, entity_id=ID, fragment=True, nulls=True)


def one(name: str, value: Any) -> Normalized:
    return attribute({"value": value}, name, CORE)


def state(**members: Any) -> Entity:
    made = Create(ID, content(**members)).apply(None, NOW - 10).entity
    assert made is not None
    return made


def applied(by: Guard, operation: Operation, current: Entity | None) -> Outcome:
    (guarded,) = by.guarded([operation])
    assert guarded.id == operation.id
    return guarded.apply(current, NOW)


def after(by: Guard, operation: Operation, current: Entity | None) -> dict[str, Any]:
    entity = applied(by, operation, current).entity
    assert entity is not None
    return entity.document


def operations(**members: Any) -> list[Operation]:
    """Return every operation on an entity that is there, all about the attribute ``seats``."""
    value = {"seats": 4, **members}
    return [
        Upsert(ID, content(**value)),
        Upsert(ID, content(**value), update=True),
        Replace(ID, content(**value)),
        Append(ID, fragment(**value)),
        Append(ID, fragment(**value), overwrite=False),
        Update(ID, fragment(**value)),
        Merge(ID, fragment(**value)),
        PartialUpdate(ID, one("seats", 4)),
        ReplaceAttribute(ID, one("seats", 4)),
        DeleteAttribute(ID, "seats"),
        Keep(ID, frozenset({"seats"}), drop=True),
        Delete(ID),
    ]


def named(operation: Operation) -> str:
    return f"{type(operation).__name__}{getattr(operation, 'update', '')}"


every_operation = pytest.mark.parametrize("operation", operations(), ids=named)


# --- the whole entity -----------------------------------------------------------------------------


def test_who_may_do_everything_works_with_the_operations_themselves() -> None:
    asked = operations()
    assert guard().guarded(asked) is asked


@every_operation
def test_what_is_within_reach_is_done_as_ever(operation: Operation) -> None:
    current = state(seats=3)
    assert applied(guard(all=BENCHES), operation, current) == operation.apply(current, NOW)


@every_operation
def test_what_cannot_be_seen_is_not_there(operation: Operation) -> None:
    by = guard(read=reach("Tree"))
    if isinstance(operation, Upsert):
        with pytest.raises(Forbidden):
            applied(by, operation, state(seats=3))
        return
    with pytest.raises(ResourceNotFound) as absent:
        operation.apply(None, NOW)
    with pytest.raises(ResourceNotFound) as unseen:
        applied(by, operation, state(seats=3))
    assert unseen.value.problem() == absent.value.problem()


@every_operation
def test_what_may_only_be_read_is_left_alone(operation: Operation) -> None:
    with pytest.raises(Forbidden, match=r"Ann may not (update|delete)Entity urn:a:1.*grant"):
        applied(guard(all=EMPTY, read=WHOLE), operation, state(seats=3))


def test_a_conflict_with_what_is_unseen_is_like_any_conflict() -> None:
    seen, unseen = state(), state()
    by = guard(read=reach("Tree"))
    answers = []
    for who, current in ((guard(all=BENCHES), seen), (by, unseen)):
        with pytest.raises(AlreadyExists) as conflict:
            applied(who, Create(ID, content()), current)
        answers.append(conflict.value.problem())
    assert answers[0] == answers[1]


def test_who_may_not_create_learns_nothing_from_a_conflict() -> None:
    answers = []
    for current in (None, state()):
        for operation in (Create(ID, content()), Upsert(ID, content())):
            with pytest.raises(Forbidden) as refused:
                applied(guard(all=reach("Tree")), operation, current)
            answers.append(refused.value.detail)
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("members", "allowed"),
    [
        ({"scope": "/mine/a"}, True),
        ({"scope": ["/mine", "/mine/b"]}, True),
        ({}, False),
        ({"scope": "/theirs"}, False),
        ({"scope": ["/mine", "/theirs"]}, False),
        ({"type": "Tree", "scope": "/mine"}, False),
        ({"type": ["Bench", "Tree"], "scope": "/mine"}, False),
    ],
)
def test_an_entity_is_created_within_reach_and_put_nowhere_else(
    members: dict[str, Any], allowed: bool
) -> None:
    for operation in (Create(ID, content(**members)), Upsert(ID, content(**members))):
        if allowed:
            assert applied(guard(all=MINE), operation, None).entity is not None
        else:
            with pytest.raises(Forbidden, match="createEntity urn:a:1 as "):
                applied(guard(all=MINE), operation, None)


@pytest.mark.parametrize(
    "operation",
    [
        Append(ID, fragment(scope="/theirs")),
        Append(ID, fragment(scope="/theirs"), overwrite=False),
        Append(ID, fragment(type="Tree")),
        Update(ID, fragment(scope=["/mine", "/theirs"])),
        Merge(ID, fragment(scope="/theirs")),
        Merge(ID, fragment(type=["Bench", "Tree"])),
        Replace(ID, content(scope="/theirs")),
        Replace(ID, content()),
        Replace(ID, content(type="Tree", scope="/mine")),
        Upsert(ID, content(scope="/theirs")),
        DeleteAttribute(ID, "scope"),
    ],
    ids=named,
)
def test_nobody_moves_an_entity_out_of_their_reach(operation: Operation) -> None:
    with pytest.raises(Forbidden, match="updateEntity"):
        applied(guard(update=MINE), operation, state(scope="/mine"))


def test_very_many_scopes_at_a_time_are_not_judged_one_by_one() -> None:
    scopes = [f"/mine/a{n}" for n in range(MOST_PARTS + 1)]
    with pytest.raises(BadRequestData, match="scope may have 100 new values"):
        applied(guard(all=MINE), Create(ID, content(scope=scopes)), None)
    assert applied(guard(all=MINE), Create(ID, content(scope=scopes[1:])), None).entity is not None


def test_an_entity_that_is_shared_can_still_be_changed() -> None:
    shared = state(type=["Bench", "Tree"], scope=["/mine", "/theirs"])
    assert after(guard(all=MINE), Append(ID, fragment(seats=4)), shared)["seats"]["value"] == 4
    moved = after(guard(all=MINE), Append(ID, fragment(scope="/mine/a"), overwrite=False), shared)
    assert moved["scope"] == ["/mine", "/theirs", "/mine/a"]


def test_to_let_an_entity_expire_takes_the_right_to_delete_it() -> None:
    later = "2099-01-01T00:00:00Z"
    by = guard(all=BENCHES, delete=EMPTY)
    for operation in (
        Append(ID, fragment(expiresAt=later)),
        Merge(ID, fragment(expiresAt=later)),
        Replace(ID, content(expiresAt=later)),
    ):
        with pytest.raises(Forbidden, match="deleteEntity"):
            applied(by, operation, state())
        assert applied(guard(all=BENCHES), operation, state()).entity is not None
    assert applied(by, Create(ID, content(expiresAt=later)), None).entity is not None
    ending = state(expiresAt=later)
    assert applied(by, Append(ID, fragment(seats=4)), ending).entity is not None


# --- attributes -----------------------------------------------------------------------------------

PHONE = Hidden("phone")
NO_PHONE = guard(create=Reach(None, (PHONE,)), update=Reach(None, (PHONE,)))
NO_PHONE_SEEN = guard(
    read=Reach(None, (PHONE,)), create=Reach(None, (PHONE,)), update=Reach(None, (PHONE,))
)


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize(
    "operation",
    [
        Create("urn:a:2", normalized({"id": "urn:a:2", "type": "Bench", "phone": 1}, CORE)),
        Upsert(ID, content(phone=1)),
        Upsert(ID, content(phone=1), update=True),
        Replace(ID, content(phone=1)),
        Append(ID, fragment(phone=1)),
        Append(ID, fragment(phone=1), overwrite=False),
        Update(ID, fragment(phone="urn:ngsi-ld:null")),
        Merge(ID, fragment(phone="urn:ngsi-ld:null")),
        PartialUpdate(ID, one("phone", 1)),
        ReplaceAttribute(ID, one("phone", 1)),
        DeleteAttribute(ID, "phone"),
        Keep(ID, frozenset({"phone"}), drop=True),
    ],
    ids=named,
)
def test_a_hidden_attribute_cannot_be_written_whether_or_not_it_is_there(
    operation: Operation, present: bool
) -> None:
    current = None if isinstance(operation, Create) else state(**({"phone": 1} if present else {}))
    for by in (NO_PHONE, NO_PHONE_SEEN):
        with pytest.raises(Forbidden, match=r"may not write phone of urn:a:.*writeAttribute"):
            applied(by, operation, current)


@pytest.mark.parametrize(
    "operation",
    [
        Replace(ID, content(seats=4)),
        Upsert(ID, content(seats=4)),
        Keep(ID, frozenset({"seats"}), drop=False),
    ],
    ids=named,
)
def test_what_is_not_seen_is_not_replaced_away(operation: Operation) -> None:
    phone = [
        {"type": "Property", "value": 1, "verified": {"type": "Property", "value": True}},
        {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
    ]
    current = state(seats=3, trees=2, phone=phone)
    current = Append(ID, fragment(phone=phone[0])).apply(current, NOW - 5).entity or current
    for by in (NO_PHONE, NO_PHONE_SEEN, guard(read=Reach(None, (PHONE,)))):
        outcome = applied(by, operation, current)
        entity = outcome.entity
        assert entity is not None
        assert entity.document.keys() == {"id", "type", "seats", "phone"}
        assert entity.document["phone"] == current.document["phone"]
        assert entity.stamp("phone") == current.stamp("phone")
        assert [path.partition("\x1f")[0] for path in outcome.deleted] == ["trees"]
        assert entity.created == current.created


def test_who_may_write_without_reading_replaces_what_they_name() -> None:
    by = guard(read=Reach(None, (PHONE,)))
    assert after(by, Replace(ID, content(phone=2)), state(phone=1))["phone"]["value"] == 2


def test_the_type_is_not_changed_so_that_a_hidden_attribute_comes_to_light() -> None:
    by = guard(update=Reach(None, (Hidden("phone", frozenset({"Person"})),)))
    with pytest.raises(Forbidden, match="updateEntity urn:a:1 as Bench"):
        applied(by, Replace(ID, content(type="Bench")), state(type="Person", phone=1))
    assert after(by, Append(ID, fragment(phone=2)), state(phone=1))["phone"]["value"] == 2
    with pytest.raises(Forbidden, match="may not write phone"):
        applied(by, Append(ID, fragment(type="Person", phone=2)), state(phone=1))


def test_the_right_to_delete_an_entity_covers_its_hidden_attributes() -> None:
    assert applied(NO_PHONE_SEEN, Delete(ID), state(phone=1)).entity is None


# --- any operations -------------------------------------------------------------------------------

places = st.sampled_from(["/mine", "/mine/a", "/theirs"])
scopes = st.one_of(places, st.lists(places, min_size=2, max_size=2, unique=True))
kinds = st.sampled_from(["Bench", "Tree", ["Bench", "Tree"]])
members = st.fixed_dictionaries(
    {"type": kinds, "scope": scopes},
    optional={"seats": st.integers(0, 3), "phone": st.integers(0, 3)},
)


@st.composite
def writes(draw: st.DrawFn) -> Operation:
    given = draw(members)
    whole, part = content(**given), fragment(**given)
    asked: list[Operation] = [
        Create(ID, whole), Upsert(ID, whole), Upsert(ID, whole, update=True),
        Replace(ID, whole), Append(ID, part), Append(ID, part, overwrite=False),
        Update(ID, part), Merge(ID, part), Delete(ID), DeleteAttribute(ID, "phone"),
        DeleteAttribute(ID, "scope"), Keep(ID, frozenset({"seats"}), False),
    ]  # fmt: skip
    return draw(st.sampled_from(asked))


@settings(max_examples=200, deadline=None)
@given(st.lists(writes(), min_size=1, max_size=6), members)
def test_no_operation_reaches_beyond_the_reach(asked: list[Operation], first: Any) -> None:
    limited = Reach(MINE.condition, (PHONE,))
    by = guard(all=limited)
    mine = fits(limited.condition)
    assert mine is not None
    current: Entity | None = state(**first)
    for operation in asked:
        before = current
        try:
            current = applied(by, operation, before).entity
        except NgsiError:
            continue
        if current is before:
            continue
        assert before is None or mine(before)
        if current is not None:
            assert mine(current)
            old = before.document if before else {}
            assert current.document.get("phone") == old.get("phone")
            for member in ("type", "scope"):
                assert set(_list(current.document.get(member))) - set(_list(old.get(member))) <= {
                    "Bench",
                    "/mine",
                    "/mine/a",
                }


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


# --- in a tenant, on the record -------------------------------------------------------------------


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Tenant]:
    tenants = Tenants(Settings(data=tmp_path))
    hub = Hub(SqliteEngine(tmp_path / "state"), tenants.make)
    await hub.start()
    yield await hub.tenant("", create=True)
    await hub.close()
    await tenants.close()


def many(type: str, count: int, first: int = 0) -> list[Operation]:
    ids = [f"urn:{type}:{n}" for n in range(first, first + count)]
    return [Upsert(id, normalized({"id": id, "type": type}, CORE)) for id in ids]


async def test_a_batch_fails_item_by_item(tenant: Tenant) -> None:
    by = guard(all=BENCHES)
    results = await by.write(tenant.write, [*many("Bench", 2), *many("Tree", 1)])
    assert [type(result) for result in results[:2]] == [Outcome, Outcome]
    assert isinstance(results[2], Forbidden)
    assert await tenant.get("urn:Tree:0") is None
    row = await tenant.get("urn:Bench:1")
    assert row is not None
    assert entity_of(row).types == ["Bench"]


async def test_what_a_person_writes_is_recorded_when_it_returns(tenant: Tenant) -> None:
    log = Log()
    by = guard(principal("person"), log, all=BENCHES)
    await by.write(tenant.write, [*many("Bench", 2), *many("Tree", 1)])
    done, denied = log.recorded
    assert (done.kind, done.actor, done.action, done.outcome) == (
        ("write", "person:1", "createEntity", "done")
    )
    assert done.targets == ("urn:Bench:0", "urn:Bench:1")
    assert done.address == "10.0.0.1"
    assert (denied.kind, denied.action, denied.outcome) == ("denial", "createEntity", "denied")
    assert denied.targets == ("urn:Tree:0",)
    again = [*many("Bench", 1), Delete("urn:Bench:1"), Delete("urn:Bench:9")]
    await by.write(tenant.write, again)
    assert [(event.action, event.targets) for event in log.recorded[2:]] == [
        ("updateEntity", ("urn:Bench:0",)),
        ("deleteEntity", ("urn:Bench:1",)),
    ]
    assert not log.noted


async def test_an_administrator_is_on_record_too_in_events_of_bounded_size(tenant: Tenant) -> None:
    log = Log()
    by = guard(principal("person"), log)
    await by.write(tenant.write, many("Bench", MOST_TARGETS + 5))
    assert [len(event.targets) for event in log.recorded] == [MOST_TARGETS, 5]


async def test_a_change_that_could_not_be_recorded_is_said_to_be_made(tenant: Tenant) -> None:
    class Full(Log):
        async def record(self, *events: Event) -> None:
            raise Overloaded("too many records are waiting")

    by = guard(principal("person"), Full())
    with pytest.raises(InternalError, match=r"was made, but .*too many records are waiting"):
        await by.write(tenant.write, many("Bench", 1))
    assert await tenant.get("urn:Bench:0") is not None


@pytest.mark.parametrize("kind", ["device", "app", "service"])
async def test_machines_are_not_recorded_but_for_what_they_are_denied(
    tenant: Tenant, kind: str
) -> None:
    log = Log()
    by = guard(principal(kind), log, all=BENCHES)
    await by.write(tenant.write, [*many("Bench", 2), *many("Tree", 1)])
    assert not log.recorded
    assert [(event.kind, event.targets) for event in log.noted] == [("denial", ("urn:Tree:0",))]


def test_a_refusal_names_what_was_not_allowed_and_the_way_out() -> None:
    with pytest.raises(Forbidden) as refused:
        applied(guard(all=MINE), Create(ID, content(scope="/theirs")), None)
    assert refused.value.detail == (
        "Ann may not createEntity urn:a:1 as Bench in /theirs; an administrator can grant it, and"
        " `madang policy explain app:1 createEntity urn:a:1` says which policy decides"
    )
    assert refused.value.status == 403
