"""What a view shows: entities and rows, types and counts, changes; and what consent opens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.model.entity import Entity
from madang.model.errors import BadRequestData
from madang.query.reach import WHOLE, Hidden, Reach
from madang.query.tree import Exists, HasType, InScope, Not, Or, Query, Selector
from madang.query.tree import Path as Term
from madang.store.protocol import Batch, Change
from madang.trust.marks import mark_of
from madang.trust.principal import PUBLIC
from tests.trust.twin import CITY, HOMES, PHONES, T0, Twin, change, made, place, prop, rel, twin

KIM = "urn:person:1"
OPENED = Hidden("phone", frozenset({"Person"}), "")
BENCHES = Reach(HasType("Bench"))


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[Twin]:
    async with twin(tmp_path) as found:
        yield found


def document(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(content)
    return found


def by_type(name: str) -> Query:
    return Query(selectors=(Selector(HasType(name)),))


# --- entities --------------------------------------------------------------------------------


async def test_what_is_seen_whole_is_served_as_it_is_stored(city: Twin) -> None:
    view = city.view(BENCHES)
    assert await view.get("urn:bench:1") is await city.whole.get("urn:bench:1")
    query = by_type("Bench")
    assert view.sight.query(query) is query
    assert len((await view.documents(query)).texts) == 2


async def test_a_row_loses_hidden_attributes_with_their_times(city: Twin) -> None:
    row = await city.view(Reach(hidden=(PHONES,))).get(KIM)
    assert row is not None
    assert "phone" not in document(row.document)
    assert document(row.times or b"{}").keys() == {"nick"}
    whole = await city.whole.get(KIM)
    assert whole is not None
    assert row.modified < whole.modified


async def test_pages_of_rows_and_of_texts_hide_the_same(city: Twin) -> None:
    view = city.view(Reach(hidden=(PHONES, HOMES)))
    rows = (await view.query(Query())).rows
    texts = (await view.documents(Query())).texts
    assert [row.document.decode() for row in rows] == texts
    assert not any("010-" in text or "home" in text for text in texts)


async def test_pages_of_layouts_without_anything_hidden_are_not_looked_at(
    city: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = city.view(Reach(hidden=(PHONES, Hidden("location", frozenset({"Person"})))))
    benches, persons = by_type("Bench"), by_type("Person")

    def fail(texts: list[str]) -> list[str]:
        raise AssertionError("texts were looked at")

    monkeypatch.setattr(view.sight, "texts", fail)
    assert len((await view.documents(benches)).texts) == 2
    with pytest.raises(AssertionError, match="looked at"):
        await view.documents(persons)


async def test_a_new_layout_is_noticed(city: Twin) -> None:
    view = city.view(Reach(hidden=(Hidden("owner"),)))
    benches = by_type("Bench")
    store = city.whole.store
    since = store.generation
    assert "owner" not in "".join((await view.documents(benches)).texts)
    assert view.sight.is_clear(benches, store, since)
    owned = made({"id": "urn:bench:3", "type": "Bench", "owner": prop("kim")})
    await store.commit(Batch(states={owned.id: owned}))
    assert not view.sight.is_clear(benches, store, since)
    texts = (await view.documents(benches)).texts
    assert len(texts) == 3
    assert "owner" not in "".join(texts)
    await store.commit(Batch(states={owned.id: None}))
    # A page that was read before it went is looked at all the same.
    assert not view.sight.is_clear(benches, store, since)


async def test_a_stream_hides_too(city: Twin) -> None:
    view = city.view(Reach(Not(HasType("Vault")), (PHONES,)))
    rows = [row async for chunk in view.stream(Query()) for row in chunk]
    assert {row.id for row in rows} == {entity.id for entity in CITY if "Vault" not in entity.types}
    assert not any(b"010-" in row.document for row in rows)


async def test_joined_entities_are_those_that_are_seen(city: Twin) -> None:
    view = city.view(Reach(Not(HasType("Vault")), (PHONES,)))
    found = await view.entities([KIM, "urn:vault:1", "urn:none"])
    assert found.keys() == {KIM}
    assert "phone" not in found[KIM].document


async def test_members_in_any_order_are_judged_alike(city: Twin) -> None:
    odd: list[Entity] = [
        made({"type": "Bench", "id": "urn:odd:1"}),
        made({"seats": prop(1, kind=prop("Bench")), "type": "Vault", "id": "urn:odd:2"}),
        made({"id": "urn:é:3", "type": "Bench"}),
        made({"id": "urn:odd:4", "type": ["Vault", "Bench"]}),
    ]
    await city.whole.store.commit(Batch(states={entity.id: entity for entity in odd}))
    view = city.view(BENCHES)
    seen = [entity.id for entity in odd if await view.get(entity.id) is not None]
    assert seen == ["urn:odd:1", "urn:é:3", "urn:odd:4"]


# --- types and counts -----------------------------------------------------------------------


async def test_shapes_count_what_is_seen(city: Twin) -> None:
    view = city.view(Reach(Or((HasType("Bench"), InScope(("water",), True))), (HOMES,)))
    counts = Counter(kind for shape in await view.shapes() for kind in shape.types * shape.count)
    assert counts == {"Bench": 2, "Meter": 1}


async def test_shapes_that_only_hidden_attributes_tell_apart_are_one(city: Twin) -> None:
    twins = [
        made({"id": "urn:t:1", "type": "Lamp", "on": prop(True)}),
        made({"id": "urn:t:2", "type": "Lamp", "on": prop(True), "home": place(1.0, 1.0)}),
    ]
    await city.whole.store.commit(Batch(states={entity.id: entity for entity in twins}))
    shapes = await city.view(Reach(HasType("Lamp"), (HOMES,))).shapes()
    assert [(shape.types, shape.attributes, shape.count) for shape in shapes] == [
        (("Lamp",), (("on", ("Property",)),), 2)
    ]


# --- consent and personal data --------------------------------------------------------------


async def test_consent_opens_an_attribute_of_one_person_for_one_purpose(city: Twin) -> None:
    city.consents.add((KIM, "care"))
    reach = Reach(hidden=(OPENED,))
    for purpose, shown in (("care", True), ("", False), ("marketing", False)):
        row = await city.view(reach, purpose).get(KIM)
        assert row is not None
        assert (b"010-1234" in row.document) is shown
    other = await city.view(reach, "care").get("urn:person:2")
    assert other is not None
    assert b"010-9999" not in other.document


async def test_withdrawn_consent_closes_it_at_once(city: Twin) -> None:
    city.consents.add((KIM, "care"))
    view = city.view(Reach(hidden=(OPENED,)), "care")
    assert "010-1234" in "".join((await view.documents(by_type("Person"))).texts)
    city.consents.clear()
    assert "010-1234" not in "".join((await view.documents(by_type("Person"))).texts)


async def test_all_persons_an_attribute_is_about_must_consent(city: Twin) -> None:
    lease = made(
        {"id": "urn:lease:1", "type": "Lease", "rent": prop(9), "by": rel(KIM, "urn:person:2")}
    )
    orphan = made({"id": "urn:lease:2", "type": "Lease", "rent": prop(7)})
    await city.whole.store.commit(Batch(states={one.id: one for one in (lease, orphan)}))
    view = city.view(Reach(hidden=(Hidden("rent", subject="by"),)), "tax")

    async def shown() -> list[bool]:
        return ["rent" in text for text in (await view.documents(by_type("Lease"))).texts]

    city.consents.add((KIM, "tax"))
    assert await shown() == [False, False]
    city.consents.add(("urn:person:2", "tax"))
    assert await shown() == [True, False]


async def test_what_is_known_about_oneself_needs_no_consent(city: Twin) -> None:
    kim = replace(PUBLIC, entities=frozenset({KIM}))
    view = city.view(Reach(hidden=(OPENED, Hidden("home"))), who=kim)
    found = await view.entities([KIM, "urn:person:2"])
    assert {"phone", "nick"} <= found[KIM].document.keys()
    assert "home" not in found[KIM].document
    assert "phone" not in found["urn:person:2"].document


async def test_consent_is_asked_for_the_attribute_and_the_types(city: Twin) -> None:
    asked: list[tuple[Any, ...]] = []

    def consented(subject: str, purpose: str, attribute: str, types: Collection[str]) -> bool:
        asked.append((subject, purpose, attribute, types))
        return True

    view = city.view(Reach(hidden=(OPENED,)), "care")
    view._consented = consented
    assert "phone" in (await view.entities(["urn:person:2"]))["urn:person:2"].document
    assert asked == [("urn:person:2", "care", "phone", ["Person", "Official"])]


async def test_what_is_hidden_for_another_reason_stays_so(city: Twin) -> None:
    city.consents.add((KIM, "care"))
    row = await city.view(Reach(hidden=(OPENED, Hidden("phone"))), "care").get(KIM)
    assert row is not None
    assert b"010-1234" not in row.document
    assert city.read == []


async def test_conditions_do_not_see_what_consent_opens(city: Twin) -> None:
    city.consents.add((KIM, "care"))
    view = city.view(Reach(hidden=(OPENED,)), "care")
    page = await view.query(Query(q=Exists(Term("phone")), count=True))
    assert KIM not in [row.id for row in page.rows]


async def test_reading_personal_data_is_told_once_an_answer(city: Twin) -> None:
    city.consents.add((KIM, "care"))
    view = city.view(Reach(hidden=(OPENED,)), "care")
    await view.documents(Query())
    assert city.read == [(frozenset({KIM}), frozenset({KIM}), frozenset({"phone"}))]


async def test_marked_data_that_may_be_seen_is_told_of_too(city: Twin) -> None:
    view = city.view(Reach(personal=(OPENED, HOMES)))
    assert await view.get("urn:bench:1") is not None
    assert city.read == []
    assert await view.get(KIM) is await city.whole.get(KIM)
    assert city.read == [(frozenset({KIM}), frozenset({KIM}), frozenset({"phone", "home"}))]


@pytest.mark.parametrize("name", ["id", "type", "scope"])
def test_what_every_entity_has_cannot_be_marked(name: str) -> None:
    with pytest.raises(BadRequestData, match="no attribute"):
        mark_of({"attribute": name, "types": ["Person"]})


# --- changes --------------------------------------------------------------------------------

KIM_OLD = made({"id": KIM, "type": "Person", "nick": prop("kim"), "phone": prop("1")})
KIM_NEW = made({"id": KIM, "type": "Person", "nick": prop("kim"), "phone": prop("2")})
KIM_NICK = made({"id": KIM, "type": "Person", "nick": prop("ann"), "phone": prop("2")})
KIM_SHOP = made({"id": KIM, "type": "Shop", "nick": prop("kim"), "phone": prop("1")})
SEEN = Reach(Or((HasType("Person"), HasType("Shop"))), (PHONES,))


def shown(city: Twin, reach: Reach, one: Change) -> Any:
    """Return the kind of a change as it is seen, and its attributes, deleted ones and states."""
    found = city.view(reach).sight.change(one)
    if found is None:
        return None
    states = [None if e is None else set(e.document) for e in (found.before, found.after)]
    return found.kind, found.attributes, found.deleted, *states


async def test_a_change_of_hidden_attributes_alone_is_none(city: Twin) -> None:
    assert shown(city, SEEN, change(KIM_OLD, KIM_NEW, "phone")) is None


async def test_a_change_is_shown_without_hidden_attributes(city: Twin) -> None:
    members = {"id", "type", "nick"}
    assert shown(city, SEEN, change(KIM_NEW, KIM_NICK, "nick", "phone")) == (
        "updated", ("nick",), (), members, members,
    )  # fmt: skip
    assert shown(city, SEEN, change(None, KIM_NEW, "nick", "phone")) == (
        "created", ("nick",), (), None, members,
    )  # fmt: skip
    assert shown(city, SEEN, change(KIM_NEW, None, deleted=["nick", "phone"])) == (
        "deleted", (), ("nick",), members, None,
    )  # fmt: skip


async def test_leaving_the_reach_looks_like_a_deletion_and_coming_like_a_creation(
    city: Twin,
) -> None:
    reach = Reach(HasType("Shop"))
    members = {"id", "type", "nick", "phone"}
    gone = shown(city, reach, change(KIM_SHOP, KIM_OLD, "type"))
    assert gone == ("deleted", (), ("nick", "phone"), members, None)
    came = shown(city, reach, change(KIM_OLD, KIM_SHOP, "type"))
    assert came == ("created", ("nick", "phone"), (), None, members)


async def test_attributes_come_into_sight_with_the_types_of_their_entity(city: Twin) -> None:
    came = shown(city, SEEN, change(KIM_OLD, KIM_SHOP))
    assert came[:3] == ("updated", ("phone",), ())
    gone = shown(city, SEEN, change(KIM_SHOP, KIM_OLD))
    assert gone[:3] == ("updated", (), ("phone",))


async def test_a_change_out_of_reach_is_none(city: Twin) -> None:
    assert shown(city, BENCHES, change(KIM_OLD, KIM_NICK, "nick")) is None
    assert not city.view(BENCHES).sight.notices(change(KIM_OLD, KIM_NICK, "nick"))


async def test_a_change_seen_whole_is_passed_on_as_it_is(city: Twin) -> None:
    one = change(KIM_OLD, KIM_NEW, "phone")
    assert city.view(WHOLE).sight.change(one) is one
    assert city.view(Reach(HasType("Person"))).sight.change(one) is one


async def test_a_follower_is_given_changes_as_they_are_seen(city: Twin) -> None:
    asked: list[Change] = []

    def wanted(one: Change) -> bool:
        asked.append(one)
        return one.kind == "updated"

    stream = city.view(SEEN).follow(wanted)
    upcoming = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    city.whole.changes.publish(
        [
            change(None, made({"id": "urn:vault:5", "type": "Vault"})),
            change(KIM_OLD, KIM_NEW, "phone"),
            change(None, KIM_NEW, "nick", "phone"),
            replace(change(KIM_NEW, KIM_NICK, "nick"), trace="t"),
        ]
    )
    found = await asyncio.wait_for(upcoming, 5)
    assert (found.kind, found.attributes, found.at, found.trace) == ("updated", ("nick",), T0, "t")
    assert [one.kind for one in asked] == ["created", "updated"]
    assert not any("phone" in (one.after or KIM_OLD).document for one in asked)
    await stream.aclose()
