"""Which changes notify whom, and what the notification says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from madang.hub import matching
from madang.hub import subscription as subscriptions
from madang.hub.look import shown as look_at
from madang.hub.matching import Matcher
from madang.hub.message import DEFERRED, Message, unpack
from madang.hub.notification import completed
from madang.hub.subscription import Subscription
from madang.model.context import CORE, Context, build
from madang.model.entity import INSTANCE, Entity
from madang.store.protocol import Change

NOW = 1_772_366_400_000_000
SECOND = 1_000_000
CITY = build("https://city.example/c.jsonld", lambda url: {"@context": {"oak": "urn:x:oak"}})


def subscription(names: Context = CORE, /, **members: Any) -> Subscription:
    notification = {"endpoint": {"uri": "http://a.example/"}, **members.pop("notification", {})}
    given = {
        "type": "Subscription",
        "entities": [{"type": "Bench"}],
        "notification": notification,
        **members,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return subscriptions.create(given, names, names, NOW, members.pop("id", "urn:s:1"))


def notifying(names: Context = CORE, /, **members: Any) -> Subscription:
    return subscription(names, notification=members)


def entity(id: str = "urn:a:1", type: str | list[str] = "Bench", /, **values: Any) -> Entity:
    attributes = {
        name: value if isinstance(value, dict | list) else {"type": "Property", "value": value}
        for name, value in values.items()
    }
    return Entity({"id": id, "type": type, **attributes}, NOW - SECOND, NOW, NOW - SECOND)


def created(after: Entity) -> Change:
    names = tuple(name for name in after.document if name not in ("id", "type"))
    return Change("created", NOW, after.id, None, after, names)


def updated(before: Entity, after: Entity, *names: str, deleted: tuple[str, ...] = ()) -> Change:
    return Change("updated", NOW, after.id, before, after, names, deleted)


def deleted(before: Entity) -> Change:
    names = tuple(name for name in before.document if name not in ("id", "type"))
    return Change("deleted", NOW, before.id, before, None, (), names)


def repainted() -> Change:
    return updated(entity(colour="red", seats=3), entity(colour="blue", seats=3), "colour")


def messages(found: Subscription, *changes: Change, now: int = NOW) -> list[Message]:
    matcher = Matcher()
    matcher.put(found)
    rows = matcher.match(changes, now)
    assert all(row[:2] == (found.id, now) for row in rows)
    assert matcher.faults == 0
    return [unpack(row[2]) for row in rows]


def data(found: Subscription, *changes: Change) -> list[Any]:
    """Return the entities of the one notification that changes call for, if there is one."""
    sent = messages(found, *changes)
    assert len(sent) < 2
    return orjson.loads(sent[0].body)["data"] if sent else []


def test_a_notification_says_what_happened_to_whom() -> None:
    (message,) = messages(subscription(), repainted())
    assert message.content_type == "application/json"
    body = orjson.loads(message.body)
    assert body.pop("id").startswith("urn:ngsi-ld:Notification:")
    assert body == {
        "type": "Notification",
        "subscriptionId": "urn:s:1",
        "notifiedAt": "2026-03-01T12:00:00Z",
        "data": [entity(colour="blue", seats=3).document],
    }


CREATION, CHANGE = created(entity(colour="red")), repainted()
ADDITION = updated(entity(colour="red"), entity(colour="red", seats=3), "seats")
LOSS = updated(entity(colour="red", seats=3), entity(colour="red"), deleted=("seats",))
DELETION = deleted(entity(colour="red", seats=3))


@pytest.mark.parametrize(
    ("triggers", "expected"),
    [
        (None, [CREATION, CHANGE, ADDITION]),
        (["entityCreated"], [CREATION]),
        (["entityUpdated"], [CHANGE, ADDITION, LOSS]),
        (["entityDeleted"], [DELETION]),
        (["attributeCreated"], [CREATION, ADDITION]),
        (["attributeUpdated"], [CHANGE]),
        (["attributeDeleted"], [LOSS, DELETION]),
        (["entityCreated", "entityDeleted"], [CREATION, DELETION]),
    ],
)
def test_a_trigger_fires_for_its_own_kind_of_change(
    triggers: list[str] | None, expected: list[Change]
) -> None:
    found = subscription(notificationTrigger=triggers)
    everything = [CREATION, CHANGE, ADDITION, LOSS, DELETION]
    assert [change for change in everything if data(found, change)] == expected


@pytest.mark.parametrize("trigger", ["entityUpdated", "attributeUpdated"])
def test_only_watched_attributes_count(trigger: str) -> None:
    watching = {"notificationTrigger": [trigger]}
    assert data(subscription(watchedAttributes=["colour"], **watching), CHANGE)
    assert not data(subscription(watchedAttributes=["seats"], **watching), CHANGE)


def test_a_deletion_counts_if_it_takes_a_watched_attribute() -> None:
    watching = {"notificationTrigger": ["attributeDeleted"]}
    assert data(subscription(watchedAttributes=["seats"], **watching), LOSS)
    assert not data(subscription(watchedAttributes=["colour"], **watching), LOSS)
    assert not data(subscription(watchedAttributes=["wood"], **watching), DELETION)


def test_the_same_value_again_is_a_change() -> None:
    assert data(subscription(), updated(entity(colour="red"), entity(colour="red"), "colour"))


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([{"type": "Bench"}], True),
        ([{"type": "Chair"}], False),
        ([{"type": "Chair"}, {"type": "Bench"}], True),
        ([{"type": "Bench;Public"}], True),
        ([{"type": "Public;Bench"}], True),
        ([{"type": "Bench;Private"}], False),
        ([{"type": "(Chair|Public)"}], True),
        ([{"type": "*"}], True),
        ([{"type": "Bench", "id": "urn:a:1"}], True),
        ([{"type": "Bench", "id": "urn:a:2"}], False),
        ([{"type": "Chair", "id": "urn:a:1"}], False),
        ([{"type": "Bench", "idPattern": "a:[0-9]$"}], True),
        ([{"type": "Bench", "idPattern": "b"}], False),
        ([{"type": "Bench", "id": "urn:a:1"}, {"type": "Public"}], True),
    ],
)
def test_selectors_choose_entities(entities: list[dict[str, str]], expected: bool) -> None:
    change = created(entity("urn:a:1", ["Bench", "Public"], colour="red"))
    assert bool(data(subscription(entities=entities), change)) is expected


def test_without_selectors_every_type_counts() -> None:
    watching = subscription(entities=None, watchedAttributes=["colour"])
    assert data(watching, created(entity("urn:a:1", "Anything", colour="red")))
    assert not data(watching, created(entity("urn:a:1", "Anything", wood="oak")))


def test_q_sees_the_state_after_an_update() -> None:
    assert data(subscription(q='colour=="blue"'), CHANGE)
    assert not data(subscription(q='colour=="red"'), CHANGE)


def test_q_sees_the_state_before_a_deletion() -> None:
    found = subscription(q="seats==3", notificationTrigger=["entityDeleted"])
    assert data(found, DELETION)
    assert not data(found, deleted(entity(seats=4)))


def test_geometry_and_scope_filter() -> None:
    point = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [127.0, 37.5]}}
    there = created(entity(location=point))
    there = replace(there, after=replace_scope(there.after, "/seoul/jung-gu"))
    near = {"georel": "near;maxDistance==1000", "geometry": "Point"}
    assert data(subscription(geoQ={**near, "coordinates": [127.001, 37.5]}), there)
    assert not data(subscription(geoQ={**near, "coordinates": [128.0, 37.5]}), there)


def replace_scope(given: Entity | None, scope: str) -> Entity:
    assert given is not None
    return replace(given, document={**given.document, "scope": scope})


def test_scopes_filter() -> None:
    change = created(replace_scope(entity(colour="red"), "/seoul/jung"))
    assert data(subscription(scopeQ="/seoul/#"), change)
    assert not data(subscription(scopeQ="/busan/#"), change)


def test_a_paused_subscription_is_silent() -> None:
    assert not data(subscription(isActive=False), CHANGE)


def test_an_expired_subscription_is_silent() -> None:
    ending = subscription(expiresAt="2026-03-01T12:00:10Z")
    assert messages(ending, CHANGE)
    assert not messages(ending, CHANGE, now=NOW + 10 * SECOND)


def test_a_periodic_subscription_is_not_told_of_changes() -> None:
    assert not data(subscription(timeInterval=5), CHANGE)


def test_throttling_keeps_quiet_for_so_many_seconds() -> None:
    matcher = Matcher()
    matcher.put(subscription(throttling=10))
    heard = [bool(matcher.match([CHANGE], NOW + s * SECOND)) for s in (0, 1, 9, 10, 19, 21)]
    assert heard == [True, False, False, True, False, True]


def test_an_update_of_a_throttled_subscription_keeps_it_quiet() -> None:
    old = subscription(throttling=10)
    matcher = Matcher()
    matcher.put(old)
    assert matcher.match([CHANGE], NOW)
    matcher.put(subscriptions.update(old, {"description": "new"}, CORE, NOW))
    assert not matcher.match([CHANGE], NOW + SECOND)


def test_changes_of_different_entities_share_a_notification() -> None:
    changes = [created(entity(f"urn:a:{n}", seats=n)) for n in range(250)]
    sent = messages(subscription(), *changes)
    sizes = [len(orjson.loads(message.body)["data"]) for message in sent]
    assert sizes == [100, 100, 50]
    ids = [one["id"] for message in sent for one in orjson.loads(message.body)["data"]]
    assert ids == [change.id for change in changes]


def test_changes_of_one_entity_are_told_one_after_another() -> None:
    values = [
        orjson.loads(message.body)["data"][0]["seats"]["value"]
        for message in messages(
            subscription(), *(updated(entity(seats=0), entity(seats=n), "seats") for n in (1, 2, 3))
        )
    ]
    assert values == [1, 2, 3]


def test_subscribers_who_see_alike_share_the_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []

    def counted(look: Any, change: Change) -> bytes | None:
        rendered.append(change)
        return look_at(look, change)

    monkeypatch.setattr(matching, "shown", counted)
    matcher = Matcher()
    for n in range(5):
        matcher.put(subscription(id=f"urn:s:{n}"))
    matcher.put(subscription(id="urn:s:6", notification={"format": "concise"}))
    assert len(matcher.match([CHANGE], NOW)) == 6
    assert len(rendered) == 2


def test_removed_subscriptions_are_not_matched() -> None:
    matcher = Matcher()
    matcher.put(subscription())
    matcher.remove("urn:s:1")
    matcher.remove("urn:s:1")
    assert matcher.match([CHANGE], NOW) == []


def test_a_fault_in_one_subscription_spares_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(given: Entity) -> bool:
        raise ZeroDivisionError

    matcher = Matcher()
    bad, good = subscription(id="urn:s:bad"), subscription(id="urn:s:good")
    bad.tests = (lambda entity, linked: broken(entity),)
    matcher.put(bad)
    matcher.put(good)
    assert [row[0] for row in matcher.match([CHANGE], NOW)] == ["urn:s:good"]
    assert matcher.faults == 1


# --- how it looks ---------------------------------------------------------------------------------


def test_json_names_the_context_in_the_link_header() -> None:
    (message,) = messages(notifying(CITY), created(entity(**{"urn:x:oak": 1})))
    assert message.link == "https://city.example/c.jsonld"
    assert orjson.loads(message.body)["data"][0].keys() == {"id", "type", "oak"}


def test_json_ld_holds_the_context_in_every_entity() -> None:
    endpoint = {"uri": "http://a.example/", "accept": "application/ld+json"}
    (message,) = messages(notifying(CITY, endpoint=endpoint), CREATION)
    assert (message.content_type, message.link) == ("application/ld+json", None)
    assert orjson.loads(message.body)["data"][0]["@context"] == "https://city.example/c.jsonld"


@pytest.mark.parametrize("in_header", [False, True])
def test_geojson_is_a_collection_of_features(in_header: bool) -> None:
    endpoint: dict[str, Any] = {"uri": "http://a.example/", "accept": "application/geo+json"}
    if in_header:
        endpoint["notifierInfo"] = [{"key": "Prefer", "value": "body=json"}]
    (message,) = messages(notifying(CITY, endpoint=endpoint), CREATION)
    found = orjson.loads(message.body)["data"]
    assert (message.link is not None) is in_header
    assert ("@context" in found) is not in_header
    assert found["type"] == "FeatureCollection"
    assert found["features"] == [
        {
            "id": "urn:a:1",
            "type": "Feature",
            "geometry": None,
            "properties": {"type": "Bench", "colour": {"type": "Property", "value": "red"}},
        }
    ]


def test_formats_and_projections_hold() -> None:
    change = created(entity(colour="red", seats=3))
    assert data(notifying(format="keyValues"), change) == [
        {"id": "urn:a:1", "type": "Bench", "colour": "red", "seats": 3}
    ]
    simple = {"format": "simplified"}
    assert data(notifying(attributes=["seats"], **simple), change)[0].keys() == {
        "id", "type", "seats",
    }  # fmt: skip
    assert data(notifying(pick=["id", "seats"], **simple), change) == [
        {"id": "urn:a:1", "seats": 3}
    ]
    assert data(notifying(omit=["type", "seats"], **simple), change) == [
        {"id": "urn:a:1", "colour": "red"}
    ]
    assert data(notifying(sysAttrs=True), change)[0].keys() >= {"createdAt", "modifiedAt"}


def test_nothing_is_told_if_nothing_would_be_shown() -> None:
    assert not data(notifying(attributes=["wood"]), CREATION)


def test_a_deleted_attribute_is_shown_as_null() -> None:
    asking = {"notificationTrigger": ["attributeDeleted"]}
    assert data(subscription(**asking), LOSS) == [
        {
            **entity(colour="red").document,
            "seats": {"type": "Property", "value": "urn:ngsi-ld:null"},
        }
    ]
    simple = {"notification": {"format": "keyValues"}}
    assert data(subscription(**asking, **simple), LOSS)[0]["seats"] == "urn:ngsi-ld:null"


def test_a_deleted_instance_is_shown_beside_the_others() -> None:
    names = [
        {"type": "Property", "value": "bench"},
        {"type": "Property", "value": "banc", "datasetId": "urn:d:fr"},
    ]
    before, after = entity(name=names), entity(name=names[0])
    change = updated(before, after, deleted=(f"name{INSTANCE}urn:d:fr",))
    found = data(subscription(notificationTrigger=["attributeDeleted"]), change)
    assert found[0]["name"] == [names[0], {**names[1], "value": "urn:ngsi-ld:null"}]


def test_a_deleted_entity_is_told_by_id_type_and_time() -> None:
    asking = subscription(notificationTrigger=["entityDeleted"])
    assert data(asking, DELETION) == [
        {"id": "urn:a:1", "type": "Bench", "deletedAt": "2026-03-01T12:00:00Z"}
    ]


def test_under_attribute_deleted_a_deleted_entity_lists_what_is_watched() -> None:
    asking = {"notificationTrigger": ["attributeDeleted"]}
    null = {"type": "Property", "value": "urn:ngsi-ld:null"}
    (watched,) = data(subscription(watchedAttributes=["seats"], **asking), DELETION)
    (whole,) = data(subscription(**asking), DELETION)
    assert watched["seats"] == null
    assert "colour" not in watched
    assert whole["colour"] == whole["seats"] == null


def test_changes_are_shown_on_demand() -> None:
    (found,) = data(notifying(showChanges=True), CHANGE)
    assert found["colour"] == {"type": "Property", "value": "blue", "previousValue": "red"}
    assert "previousValue" not in found["seats"]
    (new,) = data(notifying(showChanges=True), CREATION)
    assert "previousValue" not in new["colour"]


# --- linked entities ------------------------------------------------------------------------------

STREET = entity("urn:st:1", "Street", name="Sejong-daero")
PLACED = created(entity(on={"type": "Relationship", "object": "urn:st:1"}, colour="red"))


async def finished(found: Subscription, change: Change, *known: Entity) -> list[Any]:
    (message,) = messages(found, change)
    assert message.content_type == DEFERRED

    async def lookup(ids: Any) -> dict[str, Entity]:
        return {one.id: one for one in known if one.id in ids}

    done = await completed(found, message, lookup)
    if done is None:
        return []
    assert done.content_type == "application/json"
    body = orjson.loads(done.body)
    assert body["type"] == "Notification"
    found_data: list[Any] = body["data"]
    return found_data


async def test_a_joined_entity_is_added_when_the_notification_is_sent() -> None:
    (inline,) = await finished(notifying(join="inline"), PLACED, STREET)
    assert inline["on"]["entity"] == STREET.document
    flat = await finished(notifying(join="flat"), PLACED, STREET)
    assert flat == [PLACED.after.document if PLACED.after else None, STREET.document]


async def test_selected_attributes_leave_linked_entities_whole() -> None:
    found = await finished(notifying(join="flat", attributes=["on"]), PLACED, STREET)
    assert [one.keys() for one in found] == [{"id", "type", "on"}, {"id", "type", "name"}]


async def test_simplified_inline_puts_the_entity_in_place_of_its_uri() -> None:
    (found,) = await finished(notifying(join="inline", format="simplified"), PLACED, STREET)
    assert found["on"] == {"id": "urn:st:1", "type": "Street", "name": "Sejong-daero"}


async def test_a_missing_linked_entity_leaves_the_uri() -> None:
    (found,) = await finished(notifying(join="inline"), PLACED)
    assert found["on"] == {"type": "Relationship", "object": "urn:st:1"}


async def test_joined_changes_and_deletions_are_told_too() -> None:
    join: dict[str, Any] = {"join": "inline", "showChanges": True}
    repaint = updated(
        PLACED.after or STREET,
        entity(on={"type": "Relationship", "object": "urn:st:1"}, colour="blue"),
        "colour",
    )
    (found,) = await finished(notifying(**join), repaint, STREET)
    assert found["colour"]["previousValue"] == "red"
    assert found["on"]["entity"]["id"] == "urn:st:1"
    gone = subscription(notificationTrigger=["entityDeleted"], notification={"join": "inline"})
    assert (await finished(gone, DELETION, STREET))[0]["deletedAt"]


async def test_q_may_look_into_linked_entities() -> None:
    asking = subscription(q='on{name}=="Sejong-daero"')
    assert await finished(asking, PLACED, STREET)
    assert not await finished(asking, PLACED, entity("urn:st:1", "Street", name="Jongno"))
    assert not await finished(asking, PLACED)
