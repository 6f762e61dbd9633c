"""Contacts: who is told by a name, what is kept sealed, what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.act.notify import contacts
from madang.act.notify.contacts import Directory, Person, Quiet, told
from madang.hub.tenant import Tenant
from madang.model.errors import BadRequestData, Conflict, ResourceNotFound
from madang.trust.secrets import Secrets
from tests.sense.device_city import a_tenant

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEY = Secrets("k" * 64)


def person(*channels: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = list(channels) or [{"kind": "email", "address": "kim@city.example"}]
    return {"kind": "person", "channels": given, **more}


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Tenant]:
    async with a_tenant(tmp_path) as opened:
        yield opened


@pytest.fixture
async def directory(tenant: Tenant) -> Directory:
    found = Directory(tenant, KEY)
    for name in ("kim", "lee", "park"):
        await found.put(name, person(), inside=False)
    return found


async def test_a_group_and_a_rota_stand_for_people(directory: Directory) -> None:
    rota = {"kind": "rota", "people": ["park", "lee"], "start": "2026-11-23T09:00"}
    await directory.put("duty", rota, inside=False)
    group = {"kind": "group", "members": ["kim", "duty"]}
    await directory.put("room", group, inside=False)
    assert list(directory.people("kim", NOW)) == ["kim"]
    assert list(directory.people("room", NOW)) == ["kim", "park"]
    assert directory.people("ghost", NOW) == {}


async def test_contacts_are_kept_sealed_and_read_again(
    directory: Directory, tenant: Tenant
) -> None:
    body = await tenant.store.item("contact", "kim")
    assert body is not None
    assert b"city.example" not in body
    again = Directory(tenant, KEY)
    await again.load()
    assert again.names == ["kim", "lee", "park"]
    assert again.named("kim") == directory.named("kim")


async def test_contacts_of_a_lost_key_are_left_out_and_can_be_saved_anew(
    directory: Directory, tenant: Tenant
) -> None:
    other = Directory(tenant, Secrets("x" * 64))
    await other.load()
    assert other.names == []
    await other.put("kim", person(), inside=False)
    assert other.names == ["kim"]


async def test_a_secret_is_made_once_and_kept_when_the_contact_is_saved_again(
    directory: Directory,
) -> None:
    hook = {"kind": "webhook", "url": "https://hook.example/a"}
    _, first = await directory.put("kim", person(hook), inside=False)
    contact, second = await directory.put("kim", person(hook, title="Kim"), inside=False)
    assert (list(first), second) == (["webhook"], {})
    assert isinstance(contact, Person)
    assert contact.channels[0].secret == first["webhook"]  # type: ignore[union-attr]
    assert "secret" not in told("kim", contact)["channels"][0]


async def test_only_who_may_lets_an_address_lie_inside(directory: Directory) -> None:
    hook = {"kind": "webhook", "url": "http://10.0.0.1/", "inside": True}
    for inside in (False, True):
        contact, _ = await directory.put("kim", person(hook), inside=inside)
        assert contact.channels[0].inside is inside  # type: ignore[union-attr]


async def test_who_is_in_a_group_is_not_removed(directory: Directory) -> None:
    await directory.put("room", {"kind": "group", "members": ["kim"]}, inside=False)
    with pytest.raises(Conflict, match="kim is in room"):
        await directory.remove("kim")
    await directory.remove("room")
    await directory.remove("kim")
    with pytest.raises(ResourceNotFound, match="madang people list"):
        directory.named("kim")


async def test_nobody_is_a_member_of_themselves(directory: Directory) -> None:
    await directory.put("a", {"kind": "group", "members": ["kim"]}, inside=False)
    await directory.put("b", {"kind": "group", "members": ["a"]}, inside=False)
    with pytest.raises(BadRequestData, match="a would be a member of itself"):
        await directory.put("a", {"kind": "group", "members": ["b"]}, inside=False)


async def test_there_is_a_most(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MOST", 3)
    with pytest.raises(BadRequestData, match="3 contacts already"):
        await directory.put("choi", person(), inside=False)
    await directory.put("kim", person(), inside=False)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("Kim Jin", person(), "no name such as kim"),
        ("kim", {}, "kind"),
        ("kim", person(colour="red"), "colour"),
        ("kim", {"kind": "person", "channels": []}, "at least one way"),
        ("kim", person({"kind": "email", "address": "kim"}), "address"),
        ("kim", person({"kind": "email", "address": "a@b.c\r\nBcc: x@y.z"}), "address"),
        ("kim", person({"kind": "sms", "number": "010-1234-5678"}), "number"),
        ("kim", person({"kind": "webhook", "url": "mqtt://x.example/a"}), "https:// or http://"),
        ("kim", person({"kind": "mqtt", "url": "mqtt://x.example/a/+"}), "wildcards"),
        ("kim", person({"kind": "push", "endpoint": "https://p.example/1"}), "p256dh"),
        ("kim", person(quiet={"start": "22:00", "end": "07:00", "time_zone": "X/Y"}), "time zone"),
        ("kim", {"kind": "group", "members": ["ghost"]}, "no contact 'ghost' yet"),
        ("kim", {"kind": "group", "members": ["lee", "lee"]}, "twice"),
    ],
)
async def test_what_is_no_contact_is_refused_with_the_reason(
    directory: Directory, name: str, given: Any, says: str
) -> None:
    with pytest.raises(BadRequestData, match=says):
        await directory.put(name, given, inside=False)


def test_quiet_hours_go_over_midnight_by_the_clock_of_the_person() -> None:
    quiet = Quiet.model_validate({"start": "22:00", "end": "07:00", "time_zone": "Asia/Seoul"})
    at = {hour: datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (12, 13, 21, 22)}
    hours = {hour: quiet.left_s(one) / 3600 for hour, one in at.items()}
    assert hours == {12: 0, 13: 9, 21: 1, 22: 0}


async def test_a_contact_of_an_account_is_erased_with_it(directory: Directory) -> None:
    await directory.put("hana", person(account="4f1c", title="Kim Hana"), inside=False)
    assert list(directory.of_account("4f1c")) == ["hana"]
    assert await directory.erase("4f1c") == ["hana"]
    assert "hana" not in directory
    assert directory.names == ["kim", "lee", "park"]
    assert await directory.erase("4f1c") == []


async def test_a_contact_kept_under_the_id_of_a_principal_belongs_to_its_account(
    directory: Directory, tenant: Tenant
) -> None:
    await directory.put("hana", person(account="4f1c"), inside=False)
    about = f"contact {tenant.name} hana"
    body = orjson.dumps(person(account="person:4f1c"))  # as the page of web push kept it once
    await tenant.writer.keep("contact", "hana", KEY.seal(body, about).encode())
    again = Directory(tenant, KEY)
    await again.load()
    assert await again.erase("4f1c") == ["hana"]


async def test_an_empty_place_stays_where_a_group_or_rota_needs_who_is_erased(
    directory: Directory, tenant: Tenant
) -> None:
    await directory.put("hana", person(account="4f1c", title="Kim Hana"), inside=False)
    rota = {"kind": "rota", "people": ["park", "hana", "lee"], "start": "2026-11-23T09:00",
            "turn_hours": 24, "overrides": [{"who": "hana", "start": "2026-12-24T09:00",
                                             "end": "2026-12-25T09:00"}]}  # fmt: skip
    await directory.put("duty", rota, inside=False)
    await directory.put("room", {"kind": "group", "members": ["kim", "hana"]}, inside=False)
    await directory.erase("4f1c")

    again = Directory(tenant, KEY)
    await again.load()
    (place,) = [name for name in again.names if name.startswith("erased-")]
    empty = told(place, again.named(place))
    assert empty.pop("erased").startswith("20")
    assert empty == {
        "name": place, "kind": "person", "title": "", "language": "ko", "channels": [],
    }  # fmt: skip
    duty = told("duty", again.named("duty"))
    assert duty["people"] == ["park", place, "lee"]  # the turns of the others are as they were
    assert duty["overrides"][0]["who"] == place
    assert told("room", again.named("room"))["members"] == ["kim", place]
    for name, body in await tenant.store.items("contact"):
        plain = KEY.unseal(body.decode(), f"contact {tenant.name} {name}")
        assert b"Hana" not in plain


async def test_only_an_erasure_makes_a_place_without_channels(directory: Directory) -> None:
    with pytest.raises(BadRequestData, match="channels must name at least one"):
        await directory.put("kim", {"kind": "person", "channels": []}, inside=False)
    empty = {"kind": "person", "channels": [], "erased": "2026-11-21T00:00:00Z"}
    with pytest.raises(BadRequestData, match="erased is what the hub tells"):
        await directory.put("kim", empty, inside=False)
