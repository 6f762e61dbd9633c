"""What an owner may see of a change, and that no notification ever holds more."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.hub import subscription as subscriptions
from madang.hub.matching import Matcher
from madang.hub.message import DEFERRED, Message, pack, unpack
from madang.hub.notification import completed, told
from madang.hub.subscription import Subscription
from madang.hub.subscription_sight import Sight, sight_of
from madang.model.context import CORE
from madang.model.entity import Entity, Stamp
from madang.query.reach import EMPTY, WHOLE, Hidden, Reach
from madang.query.tree import And, HasType, InScope, Or
from madang.store.protocol import Change

NOW = 1_772_366_400_000_000
SECRET = "s3cret"
IN_SCOPE = And((Or((HasType("Bench"), HasType("Tree"))), InScope(("open",), below=True)))
REACH = Reach(IN_SCOPE, (Hidden("phone"), Hidden("owner", frozenset({"Tree"}))))
ALL_TRIGGERS = [
    *("entityCreated", "entityUpdated", "entityDeleted"),
    *("attributeCreated", "attributeUpdated", "attributeDeleted"),
]


def entity(
    id: str = "urn:a:1", type: Any = "Bench", scope: Any = "/open", /, **values: Any
) -> Entity:
    attributes = {
        name: value if isinstance(value, dict | list) else {"type": "Property", "value": value}
        for name, value in values.items()
    }
    document = {"id": id, "type": type, **({"scope": scope} if scope else {}), **attributes}
    return Entity(document, NOW - 9, NOW, NOW - 9, {name: Stamp(NOW - 5, NOW) for name in values})


def created(after: Entity) -> Change:
    return Change("created", NOW, after.id, None, after, names(after))


def updated(before: Entity, after: Entity, *changed: str, gone: tuple[str, ...] = ()) -> Change:
    return Change("updated", NOW, after.id, before, after, changed, gone)


def deleted(before: Entity) -> Change:
    return Change("deleted", NOW, before.id, before, None, (), names(before))


def names(entity: Entity) -> tuple[str, ...]:
    return tuple(name for name in entity.document if name not in ("id", "type", "scope"))


def subscription(reach: Reach | None = REACH, **members: Any) -> Subscription:
    given = {
        "type": "Subscription",
        "entities": [{"type": "Bench"}],
        **members,
        "notification": {
            "endpoint": {"uri": "http://a.example/"},
            **members.get("notification", {}),
        },
    }
    given = {name: value for name, value in given.items() if value is not None}
    made = subscriptions.create(given, CORE, CORE, NOW, "urn:s:1", "person:1")
    made.judge(reach)
    return made


def data(found: Subscription, *changes: Change) -> list[Any]:
    """Return the entities that changes notify of."""
    matcher = Matcher()
    matcher.put(found)
    rows = matcher.match(changes, NOW)
    assert matcher.faults == 0
    return [one for row in rows for one in orjson.loads(unpack(row[2]).body)["data"]]


def sight(reach: Reach = REACH) -> Sight:
    found = sight_of(reach)
    assert found is not None
    return found


# --- single changes -------------------------------------------------------------------------------


def test_who_may_see_everything_needs_no_sight() -> None:
    assert sight_of(WHOLE) is None
    assert subscription(WHOLE).within == ""


def test_a_change_of_what_is_seen_whole_is_passed_on_as_it_is() -> None:
    change = updated(entity(seats=3), entity(seats=4), "seats")
    assert sight().change(change) is change


def test_what_is_out_of_reach_is_not_told() -> None:
    hidden = entity("urn:a:1", "Bench", "/closed", seats=3)
    for change in (created(hidden), updated(hidden, hidden, "seats"), deleted(hidden)):
        assert sight().change(change) is None
        assert data(subscription(notificationTrigger=ALL_TRIGGERS), change) == []
    assert data(subscription(EMPTY), created(entity(seats=3))) == []


def test_an_entity_that_comes_into_reach_is_created_there() -> None:
    change = updated(entity("urn:a:1", "Bench", "/closed", seats=3), entity(seats=3), "scope")
    (told,) = data(subscription(notificationTrigger=["entityCreated"]), change)
    assert told["seats"]["value"] == 3
    assert data(subscription(notificationTrigger=["entityUpdated"]), change) == []
    shown = data(subscription(notification={"showChanges": True}), change)
    assert "previousValue" not in orjson.dumps(shown).decode()


@pytest.mark.parametrize(
    "after",
    [entity("urn:a:1", "Bench", "/closed", seats=SECRET), entity("urn:a:1", "Lamp", seats=SECRET)],
    ids=["scope", "type"],
)
def test_an_entity_that_leaves_the_reach_is_deleted_there(after: Entity) -> None:
    change = updated(entity(seats=3), after, "scope", "seats")
    (told,) = data(subscription(notificationTrigger=["entityDeleted"]), change)
    assert told == {"id": "urn:a:1", "type": "Bench", "deletedAt": "2026-03-01T12:00:00Z"}
    assert data(subscription(notificationTrigger=["entityUpdated"]), change) == []
    shown = subscription(
        notificationTrigger=ALL_TRIGGERS, notification={"showChanges": True, "sysAttrs": True}
    )
    assert SECRET not in orjson.dumps(data(shown, change)).decode()


def test_the_types_that_were_seen_decide_not_those_the_index_knows() -> None:
    change = updated(entity("urn:a:1", "Tree"), entity("urn:a:1", "Bench", "/closed"), "scope")
    assert data(subscription(notificationTrigger=ALL_TRIGGERS), change) == []
    trees = subscription(notificationTrigger=ALL_TRIGGERS, entities=[{"type": "Tree"}])
    assert [one["type"] for one in data(trees, change)] == ["Tree"]


def test_a_change_of_hidden_attributes_alone_is_none() -> None:
    found = subscription(notificationTrigger=ALL_TRIGGERS)
    before, after = entity(seats=3, phone=1), entity(seats=3, phone=2)
    assert data(found, updated(before, after, "phone")) == []
    assert data(found, updated(before, entity(seats=3), gone=("phone",))) == []
    (told,) = data(found, updated(before, entity(seats=4, phone=2), "seats", "phone"))
    assert told.keys() == {"id", "type", "scope", "seats"}


def test_watching_a_hidden_attribute_tells_nothing() -> None:
    found = subscription(watchedAttributes=["phone"], notificationTrigger=ALL_TRIGGERS)
    before, after = entity(seats=3, phone=1), entity(seats=4, phone=2)
    for change in (created(after), updated(before, after, "seats", "phone"), deleted(after)):
        assert data(found, change) == []


@pytest.mark.parametrize("q", [f'phone=="{SECRET}"', "phone", "!phone;!seats", "phone!=1"])
def test_a_query_tells_nothing_of_a_hidden_attribute(q: str) -> None:
    change = created(entity(seats=3, phone=SECRET))
    assert data(subscription(q=q), change) == []
    assert data(subscription(Reach(IN_SCOPE), q="phone"), change) != []


def test_a_place_that_is_hidden_is_not_found_by() -> None:
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [127.0, 37.5]}}
    near = {"geometry": "Point", "coordinates": [127.0, 37.5], "georel": "near;maxDistance==9"}
    change = created(entity(location=place))
    assert len(data(subscription(geoQ=near), change)) == 1
    hidden = Reach(None, (Hidden("location"),))
    assert data(subscription(hidden, geoQ=near), change) == []


def test_the_owner_of_a_type_is_hidden_in_that_type_alone() -> None:
    both = [{"type": "Bench"}, {"type": "Tree"}]
    for kind, shown in (("Bench", True), ("Tree", False), (["Bench", "Tree"], False)):
        (told,) = data(
            subscription(entities=both), created(entity("urn:a:1", kind, seats=3, owner="A"))
        )
        assert ("owner" in told) is shown


def test_times_of_hidden_attributes_are_not_told() -> None:
    found = subscription(notification={"sysAttrs": True}, notificationTrigger=ALL_TRIGGERS)
    before = entity(seats=3, phone=1)
    after = entity(seats=3, phone=2)
    after.times["seats"] = Stamp(NOW - 5, NOW - 4)
    after.modified = NOW
    (told,) = data(found, updated(before, after, "seats", "phone"))
    assert "phone" not in told
    assert told["modifiedAt"] == told["seats"]["modifiedAt"]


# --- any change -----------------------------------------------------------------------------------

open_values = st.sampled_from([1, 2, 3])
hidden_values = st.sampled_from([SECRET + "1", SECRET + "2"])
states = st.builds(
    lambda kind, scope, shown, hidden: _state(kind, scope, shown, hidden),
    st.sampled_from(["Bench", "Tree", "Lamp", ["Bench", "Tree"]]),
    st.sampled_from(["/open", "/open/a", "/closed", ["/open", "/closed"]]),
    st.dictionaries(st.sampled_from(["seats", "colour"]), open_values),
    st.dictionaries(st.just("phone"), hidden_values),
)


def _state(kind: Any, scope: Any, shown: dict[str, Any], hidden: dict[str, Any]) -> Entity:
    made = entity("urn:a:1", kind, scope, **shown, **hidden)
    if sight().entity(made) is None:  # all of it is to stay unknown
        document = made.document
        for name in shown:
            document[name] = {"type": "Property", "value": f"{SECRET}-{shown[name]}"}
    return made


def _change(before: Entity | None, after: Entity | None) -> Change | None:
    if before is None or after is None:
        return created(after) if after else deleted(before) if before else None
    old, new = before.document, after.document
    changed = tuple(
        name for name in new if name not in ("id", "type") and new[name] != old.get(name)
    )
    gone = tuple(name for name in names(before) if name not in new)
    return updated(before, after, *changed, gone=gone)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.none(), states),
    st.one_of(st.none(), states),
    st.sampled_from(["normalized", "concise"]),
    st.booleans(),
    st.sampled_from([None, "seats>1", "!phone", "phone", "seats|phone"]),
)
def test_no_notification_holds_what_is_out_of_reach(
    before: Entity | None, after: Entity | None, form: str, changes: bool, q: str | None
) -> None:
    change = _change(before, after)
    if change is None:
        return
    found = subscription(
        entities=[{"type": "Bench"}, {"type": "Lamp"}, {"type": "Tree"}],
        notificationTrigger=ALL_TRIGGERS,
        notification={"format": form, "sysAttrs": True, "showChanges": changes},
        q=q,
    )
    shown = orjson.dumps(data(found, change)).decode()
    assert SECRET not in shown
    assert "phone" not in shown


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.none(), states), st.one_of(st.none(), states))
def test_a_seen_change_leads_from_the_seen_state_to_the_seen_state(
    before: Entity | None, after: Entity | None
) -> None:
    change = _change(before, after)
    if change is None:
        return
    own = sight()
    seen = own.change(change)
    old = None if before is None else own.entity(before)
    new = None if after is None else own.entity(after)
    if seen is None:
        assert (old and old.document) == (new and new.document)
        return
    assert (seen.before, seen.after) == (old, new)
    kind = "created" if old is None else "deleted" if new is None else "updated"
    assert seen.kind == kind
    known = (old.document if old else {}) | (new.document if new else {})
    assert set(seen.attributes) | set(seen.deleted) <= known.keys()


# --- waiting notifications ------------------------------------------------------------------------


async def nothing(ids: Any) -> dict[str, Entity]:
    return {}


def test_a_stored_notification_says_for_which_reach_it_was_made() -> None:
    for message in (
        Message("application/json", "https://c.example/", b"{}", "abc"),
        Message(DEFERRED, None, b"{}\n\n", "abc"),
        Message(DEFERRED, None, b"{}"),
    ):
        assert unpack(pack(message)) == message
    assert unpack(b"application/json\n\n{}") == Message("application/json", None, b"{}")


def test_equal_reaches_have_the_same_mark_in_every_process() -> None:
    code = (
        "from tests.hub.test_subscription_sight import *\n"
        "print(Sight(Reach(REACH.condition, (Hidden('x', frozenset('abcdefgh')),))).mark)"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert runs[0] == runs[1]
    assert Sight(REACH).mark != Sight(Reach(IN_SCOPE)).mark


async def test_what_waits_is_made_anew_for_another_reach() -> None:
    found = subscription(Reach(IN_SCOPE), q="seats>1")
    matcher = Matcher()
    matcher.put(found)
    changes = [created(entity(f"urn:a:{n}", seats=n + 2, phone=f"{SECRET}{n}")) for n in range(4)]
    ((_, _, stored),) = matcher.match(changes, NOW)
    message = unpack(stored)
    assert SECRET.encode() in told(message, found.within)
    found.judge(REACH)
    assert message.within != found.within
    assert orjson.loads(told(message, found.within))["data"] == []

    async def lookup(ids: Any) -> dict[str, Entity]:
        states = [
            entity("urn:a:0", seats=9, phone=SECRET),
            entity("urn:a:1", "Bench", "/closed", seats=9),
            entity("urn:a:2", seats=0),
        ]
        return {one.id: one for one in states if one.id in ids}

    sent = await completed(found, message, lookup)
    assert sent is not None
    old, new = orjson.loads(message.body), orjson.loads(sent.body)
    assert new["id"] == old["id"]
    assert new["notifiedAt"] == old["notifiedAt"]
    assert [(one["id"], one["seats"]["value"]) for one in new["data"]] == [("urn:a:0", 9)]
    assert SECRET.encode() not in sent.body
    assert await completed(found, message, nothing) is None


async def test_what_is_completed_later_is_judged_again_then() -> None:
    link = {"type": "Relationship", "object": "urn:o:1"}
    found = subscription(Reach(IN_SCOPE), notification={"join": "inline"})
    matcher = Matcher()
    matcher.put(found)
    before = entity(seats=3, phone=SECRET, by=link)
    change = updated(before, entity(seats=4, phone=SECRET, by=link), "seats")
    message = unpack(matcher.match([change], NOW)[0][2])
    assert message.content_type == DEFERRED

    async def lookup(ids: Any) -> dict[str, Entity]:
        return {"urn:o:1": entity("urn:o:1", "Tree", "/open", phone=SECRET, height=7)}

    sent = await completed(found, message, lookup)
    assert sent is not None
    assert SECRET.encode() in sent.body
    found.judge(REACH)
    sent = await completed(found, message, lookup)
    assert sent is not None
    assert SECRET.encode() not in sent.body
    assert b'"height"' in sent.body
    found.judge(Reach(HasType("Bench"), (Hidden("phone"),)))
    sent = await completed(found, message, lookup)
    assert sent is not None
    assert b'"height"' not in sent.body
    found.judge(EMPTY)
    assert await completed(found, message, lookup) is None


async def test_a_query_over_links_finds_only_what_is_seen() -> None:
    link = {"type": "Relationship", "object": "urn:o:1"}
    change = created(entity(by=link))

    async def lookup(ids: Any) -> dict[str, Entity]:
        return {"urn:o:1": entity("urn:o:1", "Tree", "/closed", height=7)}

    for reach, expected in ((Reach(HasType("Bench")), False), (WHOLE, True)):
        found = subscription(reach, q="by{Tree:height}==7")
        matcher = Matcher()
        matcher.put(found)
        message = unpack(matcher.match([change], NOW)[0][2])
        assert (await completed(found, message, lookup) is not None) is expected
