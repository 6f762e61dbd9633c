"""Keys of devices and apps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import BadRequestData, Conflict, ResourceNotFound, Unauthorized
from madang.trust import credentials
from madang.trust.keys import UNKNOWN
from tests.trust.people import ADDRESS, SECOND, City, Clock, city

ADMIN = "service:local"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path) as found:
        yield found


async def test_a_key_says_who_it_is_and_what_it_is_for(place: City) -> None:
    key, credential = await place.identities.keys.create(
        "device", "air 7", by=ADMIN, tenants=["air"], scopes=["/Seoul"], reads=["Alert"],
        writes=["AirQualityObserved"], entities=["urn:ngsi-ld:Device:7"],
    )  # fmt: skip
    principal = place.identities.principal_of(credential, ADDRESS)
    assert principal.id == f"device:{key.id}"
    assert principal.kind == "device"
    assert principal.name == "air 7"
    assert principal.roles == {"device"}
    assert principal.tenants == {"air"}
    assert principal.scopes == {"/Seoul"}
    assert principal.reads == {"Alert"}
    assert principal.writes == {"AirQualityObserved"}
    assert principal.entities == {"urn:ngsi-ld:Device:7"}


async def test_a_change_of_one_leaves_what_is_known_of_others(place: City) -> None:
    one, first = await place.identities.keys.create("app", "one", by=ADMIN)
    _, second = await place.identities.keys.create("app", "two", by=ADMIN)
    before = place.identities.principal_of(second, ADDRESS)
    place.identities.principal_of(first, ADDRESS)
    await place.identities.keys.revoke(one, ADMIN)
    assert place.identities.principal_of(second, ADDRESS) is before
    with pytest.raises(Unauthorized):
        place.identities.principal_of(first, ADDRESS)


async def test_a_key_has_a_form_that_scanners_can_find(place: City) -> None:
    _, credential = await place.identities.keys.create("app", "map", by=ADMIN)
    assert re.fullmatch(r"mdg_[0-9a-f]{16}_[0-9a-f]{64}", credential)


async def test_an_unknown_key_and_a_wrong_secret_are_told_alike(place: City) -> None:
    key, credential = await place.identities.keys.create("app", "map", by=ADMIN)
    wrong = credential[:-4] + ("0000" if credential[-4:] != "0000" else "1111")
    unknown = credentials.new("mdg", credentials.new_id()).text()
    for one in (wrong, unknown, credential.replace(key.id, credentials.new_id())):
        with pytest.raises(Unauthorized) as refused:
            place.identities.principal_of(one, ADDRESS)
        assert str(refused.value) == UNKNOWN


@given(text=st.text(max_size=200) | st.from_regex(r"\Amdg_[0-9a-f]{0,20}_.{0,80}\Z"))
def test_text_that_is_no_credential_is_none(text: str) -> None:
    parsed = credentials.parse(text)
    assert parsed is None or parsed.text() == text


async def test_a_revoked_key_is_refused_at_once_and_its_user_told_why(place: City) -> None:
    key, credential = await place.identities.keys.create("app", "map", by=ADMIN)
    place.identities.principal_of(credential, ADDRESS)
    await place.identities.keys.revoke(key, ADMIN)
    with pytest.raises(Unauthorized, match="has been revoked; ask for a new one"):
        place.identities.principal_of(credential, ADDRESS)
    wrong = credential[:-1] + ("0" if credential[-1] != "0" else "1")
    with pytest.raises(Unauthorized, match="not known here"):
        place.identities.principal_of(wrong, ADDRESS)
    with pytest.raises(Conflict, match="make a new one"):
        await place.identities.keys.rotate(key, ADMIN)


async def test_a_key_can_be_switched_off_and_on(place: City) -> None:
    key, credential = await place.identities.keys.create("app", "map", by=ADMIN)
    await place.identities.keys.switch(key, ADMIN, disabled=True)
    with pytest.raises(Unauthorized, match="switched off"):
        place.identities.principal_of(credential, ADDRESS)
    await place.identities.keys.switch(key, ADMIN, disabled=False)
    place.identities.principal_of(credential, ADDRESS)


async def test_a_key_expires_even_while_it_is_in_use(place: City) -> None:
    expires = place.clock.at + 90 * SECOND
    _, credential = await place.identities.keys.create("app", "map", by=ADMIN, expires=expires)
    for _ in range(9):
        place.identities.principal_of(credential, ADDRESS)
        place.clock.step(10)
    with pytest.raises(Unauthorized, match="expired on 2027-01-15T08:01:30Z; get a new one"):
        place.identities.principal_of(credential, ADDRESS)


async def test_after_a_rotation_both_secrets_work_for_a_while(place: City) -> None:
    key, old = await place.identities.keys.create("app", "map", by=ADMIN)
    new = await place.identities.keys.rotate(key, ADMIN, 3600)
    ids = {place.identities.principal_of(one, ADDRESS).id for one in (old, new)}
    assert ids == {key.principal_id}
    place.clock.step(3601)
    with pytest.raises(Unauthorized, match="was replaced and expired"):
        place.identities.principal_of(old, ADDRESS)
    place.identities.principal_of(new, ADDRESS)


async def test_a_rotation_without_overlap_ends_the_old_secret_at_once(place: City) -> None:
    key, old = await place.identities.keys.create("app", "map", by=ADMIN)
    place.identities.principal_of(old, ADDRESS)
    await place.identities.keys.rotate(key, ADMIN, 0)
    with pytest.raises(Unauthorized):
        place.identities.principal_of(old, ADDRESS)


async def test_a_second_rotation_ends_the_first_secret(place: City) -> None:
    key, first = await place.identities.keys.create("app", "map", by=ADMIN)
    second = await place.identities.keys.rotate(key, ADMIN, 3600)
    third = await place.identities.keys.rotate(key, ADMIN, 3600)
    with pytest.raises(Unauthorized):
        place.identities.principal_of(first, ADDRESS)
    place.identities.principal_of(second, ADDRESS)
    place.identities.principal_of(third, ADDRESS)


async def test_the_last_use_is_known_and_outlives_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with city(tmp_path, clock) as place:
        key, credential = await place.identities.keys.create("app", "map", by=ADMIN)
        assert place.identities.keys.shown(key)["lastUsedAt"] is None
        clock.step(100)
        place.identities.principal_of(credential, ADDRESS)
    async with city(tmp_path, clock) as place:
        shown = place.identities.keys.shown(place.identities.keys.named("map"))
        assert shown["lastUsedAt"] == "2027-01-15T08:01:40Z"


async def test_uses_are_not_written_for_every_request(place: City) -> None:
    _, credential = await place.identities.keys.create("app", "map", by=ADMIN)
    written = 0
    for _ in range(60):
        place.identities.principal_of(credential, ADDRESS)
        before = await place.records.all("key")
        await place.identities.tidy()
        written += before != await place.records.all("key")
        place.clock.step(60)
    assert written == 4


async def test_revocation_wins_over_a_use_written_at_the_same_time(tmp_path: Path) -> None:
    clock = Clock()
    async with city(tmp_path, clock) as place:
        key, credential = await place.identities.keys.create("app", "map", by=ADMIN)
        place.identities.principal_of(credential, ADDRESS)
        await asyncio.gather(place.identities.keys.revoke(key, ADMIN), place.identities.tidy(0))
    async with city(tmp_path, clock) as place:
        with pytest.raises(Unauthorized, match="revoked"):
            place.identities.principal_of(credential, ADDRESS)


async def test_revoked_keys_are_forgotten_after_a_season(place: City) -> None:
    key, _ = await place.identities.keys.create("app", "map", by=ADMIN)
    await place.identities.keys.revoke(key, ADMIN)
    place.clock.step(91 * 86_400)
    await place.identities.tidy()
    assert place.identities.keys.get(key.id) is None
    assert await place.records.all("key") == {}


async def test_a_key_is_found_by_a_name_that_only_it_has(place: City) -> None:
    key, _ = await place.identities.keys.create("app", "map", by=ADMIN)
    assert place.identities.keys.named("map") == key
    await place.identities.keys.create("app", "map", by=ADMIN)
    with pytest.raises(BadRequestData, match="2 keys are named 'map'; use an id"):
        place.identities.keys.named("map")
    with pytest.raises(ResourceNotFound, match="madang key list"):
        place.identities.keys.named("atlas")


@pytest.mark.parametrize(
    "members",
    [{"kind": "person"}, {"kind": ""}, {"name": ""}, {"name": " "}, {"name": "x" * 129},
     {"name": "a\x00b"}, {"scopes": ["Seoul"]}, {"reads": "Alert"}, {"writes": [5]},
     {"tenants": ["x"] * 3 + [str(i) for i in range(100)]}, {"expires": 5}],
)  # fmt: skip
async def test_what_a_key_cannot_have_is_refused(place: City, members: dict[str, object]) -> None:
    given = {"kind": "app", "name": "map"} | members
    with pytest.raises(BadRequestData):
        await place.identities.keys.create(by=ADMIN, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "x", "mdg_", "mdg_1_2", "Bearer x", "a.b.c.d", "\x00", "ä" * 100, "local_abc"]
)
async def test_what_is_no_credential_is_told(place: City, text: str) -> None:
    with pytest.raises(Unauthorized, match="is no credential of this hub; a key begins with mdg_"):
        place.identities.principal_of(text, ADDRESS)


async def test_what_is_remembered_is_bounded(place: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("madang.trust.identities._MOST", 10)
    for number in range(25):
        _, credential = await place.identities.keys.create("device", f"{number}", by=ADMIN)
        place.identities.principal_of(credential, ADDRESS)
    assert len(place.identities._grants) <= 10


async def test_each_change_of_a_key_is_noted(place: City) -> None:
    key, _ = await place.identities.keys.create("app", "map", by=ADMIN, writes=["Alert"])
    await place.identities.keys.rotate(key, ADMIN)
    await place.identities.keys.switch(key, ADMIN, disabled=True)
    await place.identities.keys.revoke(key, ADMIN)
    assert place.kept.actions() == ["keyCreated", "keyRotated", "keyDisabled", "keyRevoked"]
    assert all(event.targets == (key.principal_id,) for event in place.kept.events)
    assert place.kept.events[0].detail["writes"] == ["Alert"]
