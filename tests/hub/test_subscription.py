"""The subscription data type: what is accepted, refused, defaulted, served and stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.hub import subscription as subscriptions
from madang.hub.endpoint import BUS, LONGEST_ID, check, parse, permitted
from madang.hub.hosts import Bounds
from madang.hub.subscription import Subscription
from madang.model import time
from madang.model.context import CORE, Context, build
from madang.model.errors import BadRequestData, Forbidden

NOW = time.parse("2026-03-01T12:00:00Z")
HOUR = 3_600_000_000
CITY = build({"Bench": "https://city.example/Bench", "wood": "https://city.example/wood"}, str)
ENDPOINT = {"uri": "http://receiver.example/notify"}


def body(**members: Any) -> dict[str, Any]:
    given = {
        "id": "urn:ngsi-ld:Subscription:1",
        "type": "Subscription",
        "entities": [{"type": "Bench"}],
        "notification": {"endpoint": ENDPOINT},
        **members,
    }
    return {name: value for name, value in given.items() if value is not ...}


def notifying(**members: Any) -> dict[str, Any]:
    return body(notification={"endpoint": ENDPOINT, **members})


def reaching(**members: Any) -> dict[str, Any]:
    return body(notification={"endpoint": {**ENDPOINT, **members}})


def create(given: object, names: Context = CITY) -> Subscription:
    return subscriptions.create(given, names, names, NOW, "urn:ngsi-ld:Subscription:new")


def served(subscription: Subscription, names: Context = CITY, at: int = NOW) -> dict[str, Any]:
    return subscription.served(names, at)


def test_defaults_are_served_and_nothing_else_is_added() -> None:
    assert served(create(body())) == body(
        status="active", notificationTrigger=["attributeCreated", "attributeUpdated"]
    )


def test_names_come_back_in_the_words_of_whoever_asks() -> None:
    found = create(
        body(
            watchedAttributes=["wood"],
            entities=[{"type": "(Bench|Chair);Public"}],
            notification={
                "endpoint": ENDPOINT,
                "pick": ["id", "wood", "rel{wood}"],
                "join": "flat",
            },
            geoQ={
                "georel": "near;maxDistance==10",
                "geometry": "Point",
                "coordinates": [127, 37],
                "geoproperty": "wood",
            },
        )
    )
    own, other = served(found), served(found, CORE)
    assert own["watchedAttributes"] == ["wood"]
    assert own["notification"]["pick"] == ["id", "wood", "rel{wood}"]
    assert own["geoQ"]["geoproperty"] == "wood"
    assert other["watchedAttributes"] == ["https://city.example/wood"]
    assert other["entities"] == [{"type": "(https://city.example/Bench|Chair);Public"}]
    assert other["notification"]["pick"][2] == "rel{https://city.example/wood}"


def test_read_only_unknown_and_null_members_are_left_out() -> None:
    found = served(
        create(
            body(
                status="expired",
                __context="http://x",
                createdAt="2020-01-01T00:00:00Z",
                expiresAt=None,
                notification={"endpoint": {**ENDPOINT, "extra": 1}, "timesSent": 42},
            )
        )
    )
    assert found["status"] == "active"
    assert found["notification"] == {"endpoint": ENDPOINT}
    assert found.keys() == body(status="", notificationTrigger="").keys()


def test_times_are_served_on_demand() -> None:
    assert create(body()).served(CITY, NOW, True)["createdAt"] == "2026-03-01T12:00:00Z"


def test_an_id_is_made_if_there_is_none() -> None:
    assert create(body(id=...)).id == "urn:ngsi-ld:Subscription:new"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([], "object"),
        ({}, "type"),
        (body(type="Sub"), "type"),
        (body(type=...), "type"),
        (body(id="no uri"), "id"),
        (body(entities=...), "entities"),
        (body(entities=[]), "entities"),
        (body(entities={"type": "Bench"}), "entities"),
        (body(entities=["Bench"]), "entities"),
        (body(entities=[{"id": "urn:a:1"}]), "type"),
        (body(entities=[{"type": "A;"}]), "type"),
        (body(entities=[{"type": "A", "id": "x y"}]), "id"),
        (body(entities=[{"type": "A", "idPattern": "("}]), "regular expression"),
        (body(entities=[{"type": "A", "idPattern": "(a+)+$"}]), "too long"),
        (body(watchedAttributes=[]), "watchedAttributes"),
        (body(watchedAttributes="wood"), "watchedAttributes"),
        (body(watchedAttributes=[7]), "watchedAttributes"),
        (body(notificationTrigger=[]), "notificationTrigger"),
        (body(notificationTrigger=["entityChanged"]), "entityChanged"),
        (body(notificationTrigger=[{}]), "notificationTrigger"),
        (body(timeInterval=0), "timeInterval"),
        (body(timeInterval=True), "timeInterval"),
        (body(timeInterval=5, watchedAttributes=["wood"]), "timeInterval"),
        (body(timeInterval=5, throttling=5), "timeInterval"),
        (body(throttling=-30), "throttling"),
        (body(throttling="5"), "throttling"),
        (body(throttling=float("nan")), "throttling"),
        (body(q="wood>"), "q"),
        (body(q=7), "q"),
        (body(csf="(("), "q"),
        (body(scopeQ="//"), "scopeQ"),
        (body(geoQ="near"), "geoQ"),
        (body(geoQ={"georel": "near"}), "geo"),
        (body(temporalQ={"timerel": "before"}), "timeAt"),
        (body(lang=7), "lang"),
        (body(datasetId=[]), "datasetId"),
        (body(datasetId=["no uri"]), "datasetId"),
        (body(isActive="yes"), "isActive"),
        (body(localOnly=1), "localOnly"),
        (body(expiresAt="2020-01-01T00:00:00Z"), "expiresAt"),
        (body(expiresAt="tomorrow"), "expiresAt"),
        (body(jsonldContext="unknown"), "jsonldContext"),
        (body(subscriptionName=7), "subscriptionName"),
        (body(notification=...), "notification"),
        (body(notification=[]), "notification"),
        (body(notification={}), "endpoint"),
        (notifying(attributes=[]), "attributes"),
        (notifying(attributes=["a", 7]), "attributes"),
        (notifying(pick=[]), "pick"),
        (notifying(omit=[]), "omit"),
        (notifying(pick=["id"], omit=["id"]), "id"),
        (notifying(pick=["id"], attributes=["wood"]), "attributes"),
        (notifying(omit=["id"], attributes=["wood"]), "attributes"),
        (notifying(pick=["rel{wood}"]), "join"),
        (notifying(format="xml"), "format"),
        (notifying(format=["normalized"]), "format"),
        (notifying(format="keyValues", showChanges=True), "showChanges"),
        (notifying(format="simplified", showChanges=True), "showChanges"),
        (notifying(sysAttrs="true"), "sysAttrs"),
        (notifying(join="nested"), "join"),
        (notifying(join="flat", joinLevel=0), "joinLevel"),
        (notifying(join="flat", joinLevel=11), "joinLevel"),
        (body(notification={"endpoint": "http://x"}), "endpoint"),
        (reaching(uri="receiver"), "uri"),
        (reaching(uri="ftp://receiver.example/"), "uri"),
        (reaching(uri="http://:80/"), "uri"),
        (reaching(uri="http://a:99999/"), "uri"),
        (reaching(uri="http://a/\r\nX: y"), "uri"),
        (reaching(uri=7), "uri"),
        (reaching(uri="nats:other"), "uri"),
        (reaching(uri="nats://bus/a"), "uri"),
        (reaching(uri="nats:bus?a"), "uri"),
        (reaching(uri="NATS:bus"), "uri"),
        (reaching(accept="text/html"), "accept"),
        (reaching(accept=[]), "accept"),
        (reaching(timeout=0), "timeout"),
        (reaching(cooldown="1"), "cooldown"),
        (reaching(receiverInfo=[]), "receiverInfo"),
        (reaching(receiverInfo=[{"key": "K"}]), "receiverInfo"),
        (reaching(receiverInfo=[{"key": "K", "value": 42}]), "receiverInfo"),
        (reaching(receiverInfo=[{"key": 5, "value": "v"}]), "receiverInfo"),
        (reaching(receiverInfo=["K"]), "receiverInfo"),
        (reaching(receiverInfo=[{"key": "A B", "value": "v"}]), "receiverInfo"),
        (reaching(receiverInfo=[{"key": "Host", "value": "v"}]), "Host"),
        (reaching(receiverInfo=[{"key": "K", "value": "a\r\nb"}]), "receiverInfo"),
        (reaching(notifierInfo=[{"key": "K", "value": {"a": 1}}]), "notifierInfo"),
        (reaching(uri="mqtt://broker.example"), "topic"),
        (reaching(uri="mqtt://broker.example/a/+/b"), "topic"),
        (reaching(uri="mqtt://b/a", notifierInfo=[{"key": "MQTT-QoS", "value": "3"}]), "QoS"),
        (reaching(uri="mqtt://b/a", notifierInfo=[{"key": "MQTT-Version", "value": "4"}]), "mqtt"),
    ],
)
def test_what_is_wrong_is_named(given: object, named: str) -> None:
    with pytest.raises(BadRequestData) as refused:
        create(given)
    assert named in str(refused.value)


def test_watched_attributes_are_enough_without_entities() -> None:
    assert create(body(entities=..., watchedAttributes=["wood"])).selectors == ()


def test_a_percent_encoded_q_is_understood() -> None:
    encoded = create(body(q="wood==%22red%20oak%22"))
    assert encoded.q == create(body(q='wood=="red oak"')).q
    assert served(encoded)["q"] == "wood==%22red%20oak%22"


def test_status_follows_activity_and_expiry() -> None:
    paused = create(body(isActive=False))
    ending = create(body(expiresAt="2026-03-01T13:00:00Z"))
    assert served(paused)["status"] == "paused"
    assert served(ending)["status"] == "active"
    assert served(ending, at=NOW + HOUR)["status"] == "expired"


def patched(
    old: Subscription, fragment: object, names: Context = CITY, at: int = NOW
) -> Subscription:
    return subscriptions.update(old, fragment, names, at)


def test_a_patch_replaces_what_it_names_and_null_removes() -> None:
    old = create(body(description="old", throttling=5, q="wood"))
    new = patched(
        old,
        {"description": "new", "throttling": None, "q": "urn:ngsi-ld:null", "type": "Subscription"},
    )
    assert served(new) == served(create(body(description="new")))
    assert new.throttling == 0
    assert new.q is None


def test_a_patch_may_come_in_other_words() -> None:
    new = patched(create(body(q="wood>1")), {"watchedAttributes": ["wood"]}, CORE)
    assert new.watched == {"wood"}
    assert new.selectors == create(body()).selectors
    assert new.q == create(body(q="wood>1")).q
    again = patched(new, {"q": "wood>1"}, CORE)
    assert again.q != new.q


@pytest.mark.parametrize(
    "fragment",
    [
        {"notification": {"format": "keyValues"}},
        {"notification": {"format": "keyValues", "endpoint": None}},
        {"notification": None},
        {"type": None},
        {"id": None},
        {"id": "urn:ngsi-ld:Subscription:2"},
        {"type": "Other"},
        {"entities": None},
        {"expiresAt": "2020-08-01T22:07:00Z"},
        {"timeInterval": 5, "throttling": 5},
        [],
    ],
)
def test_a_patch_cannot_break_a_subscription(fragment: object) -> None:
    with pytest.raises(BadRequestData):
        patched(create(body()), fragment)


def test_only_a_future_expiry_revives_an_expired_subscription() -> None:
    old = create(body(expiresAt="2026-03-01T13:00:00Z", isActive=True))
    later = NOW + 2 * HOUR
    assert patched(old, {"isActive": True}, at=later).status(later) == "expired"
    revived = patched(old, {"expiresAt": "2027-01-01T00:00:00Z"}, at=later)
    assert revived.status(later) == "active"
    assert patched(old, {"expiresAt": None}, at=later).status(later) == "active"


def test_statistics_are_served_once_something_was_sent() -> None:
    found = create(body())
    found.statistics.sending(NOW)
    found.statistics.failed(NOW)
    assert served(found)["notification"] == {
        "endpoint": ENDPOINT,
        "status": "failed",
        "timesSent": 1,
        "timesFailed": 1,
        "lastNotification": "2026-03-01T12:00:00Z",
        "lastFailure": "2026-03-01T12:00:00Z",
    }
    found.statistics.sending(NOW)
    found.statistics.succeeded(NOW)
    assert served(found)["notification"]["status"] == "ok"


def test_a_stored_subscription_comes_back_the_same_without_its_context() -> None:
    found = create(
        body(
            q='wood=="oak"',
            watchedAttributes=["wood"],
            throttling=5,
            entities=[{"type": "Bench", "idPattern": "a.*"}],
        )
    )
    found.statistics.sending(NOW)
    again = subscriptions.read(found.stored()).ready(CITY)
    assert served(again) == served(found)
    assert (again.q, again.selectors, again.watched) == (found.q, found.selectors, found.watched)
    assert again.statistics == found.statistics
    assert again.quiet_until == NOW + 5_000_000


def test_a_throttled_subscription_stays_quiet_over_a_restart() -> None:
    found = create(body(throttling=10))
    found.statistics.sending(NOW)
    assert subscriptions.read(found.stored()).ready(CORE).quiet_until == NOW + 10_000_000


def test_an_mqtt_endpoint_is_taken_apart() -> None:
    found = parse(
        {
            "uri": "mqtts://us%40er:pass@broker.example/city/seoul",
            "notifierInfo": [
                {"key": "MQTT-QoS", "value": "2"},
                {"key": "MQTT-Version", "value": "mqtt3.1.1"},
            ],
        }
    )
    assert (found.host, found.port, found.user, found.password, found.topic) == (
        "broker.example",
        8883,
        "us@er",
        "pass",
        "city/seoul",
    )
    assert (found.qos, found.mqtt_version) == (2, "mqtt3.1.1")


@pytest.mark.parametrize(
    ("uri", "allowed", "expected"),
    [
        ("http://10.1.2.3/", ["*"], True),
        ("http://10.1.2.3/", ["10.0.0.0/8"], True),
        ("http://[::1]:80/", ["::1"], True),
        ("http://11.1.2.3/", ["10.0.0.0/8", "*.example"], False),
        ("http://Hooks.City.example/", ["*.city.example"], True),
        ("http://city.example/", ["*.city.example"], False),
        ("http://city.example/", [], False),
    ],
)
def test_hosts_can_be_limited(uri: str, allowed: list[str], expected: bool) -> None:
    assert permitted(parse({"uri": uri}), allowed) is expected


def bus_checked(id: str = "urn:s", *, inside: bool = True, hosts: Sequence[str] = ("*",)) -> None:
    named = tuple(host for host in hosts if host != "*")
    check(parse({"uri": BUS}, inside), id, hosts, Bounds(named), {"nats"})


def test_the_bus_is_for_administrators_to_have_notified_or_for_all_if_it_is_named() -> None:
    bus_checked()
    bus_checked(inside=False, hosts=["*", BUS])
    bus_checked(inside=False, hosts=[BUS])
    with pytest.raises(Forbidden, match="notify_hosts"):
        bus_checked(inside=False)
    with pytest.raises(BadRequestData, match="does not notify"):
        bus_checked(hosts=["city.example"])


def test_the_bus_is_notified_where_there_is_one_of_subscriptions_whose_ids_fit() -> None:
    bus_checked("urn:" + "가" * (LONGEST_ID - 4))
    with pytest.raises(BadRequestData, match="characters at most"):
        bus_checked("urn:" + "a" * LONGEST_ID)
    with pytest.raises(BadRequestData, match="setting bus"):
        check(parse({"uri": BUS}), "urn:s", ["*"], Bounds(), {"http"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(body() | dict.fromkeys(
    ["watchedAttributes", "notificationTrigger", "timeInterval", "q", "geoQ", "scopeQ", "csf",
     "isActive", "expiresAt", "throttling", "temporalQ", "lang", "datasetId", "jsonldContext"]
))), json_values)  # fmt: skip
def test_any_value_anywhere_is_accepted_or_refused_in_words(member: str, value: Any) -> None:
    with suppress(BadRequestData):
        found = create(body(**{member: value}))
        assert orjson.loads(found.stored())["body"]["type"] == "Subscription"


@settings(max_examples=300)
@given(st.sampled_from([
    "attributes", "pick", "omit", "format", "sysAttrs", "showChanges", "join", "joinLevel",
    "endpoint", "uri", "accept", "receiverInfo", "notifierInfo", "timeout", "cooldown",
]), json_values)  # fmt: skip
def test_so_it_is_inside_the_notification(member: str, value: Any) -> None:
    inside = {"uri", "accept", "receiverInfo", "notifierInfo", "timeout", "cooldown"}
    given = reaching(**{member: value}) if member in inside else notifying(**{member: value})
    with suppress(BadRequestData):
        found = create(given)
        assert subscriptions.read(found.stored()).ready(CITY).endpoint == found.endpoint
