"""Notices: each reaches whom it is for, is tried again, is not sent twice, and tells its fate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.act.notify import notices as notify
from madang.act.notify.channels import Mqtt, Webhook
from madang.act.notify.contacts import Person
from madang.act.notify.mail import mail_of
from madang.act.notify.message import Message
from madang.act.notify.mqtt import Brokers
from madang.act.notify.web import Poster, Webhooks, sms_body
from madang.app import City
from madang.hub.hosts import Bounds
from madang.hub.message import Refused, SendFailed
from madang.hub.operations import Create, Upsert
from madang.hub.records import Own
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.services import records
from madang.services.city import Thing
from madang.services.service import Text
from madang.settings import Settings
from madang.settings_types import SmsGateway
from madang.store.rows import entity_of

MESSAGE = Message(
    "urn:ngsi-ld:Notice:1", "", "kim", 'Say "hi"\r\nBcc: all', "Line one\nline two", "en", True, "",
    None, "https://hub.example/incidents/1/report", 1_795_000_000_000_000,
)  # fmt: skip


class Fake:
    """A way to people that does as it is told."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.fails: list[Exception] = []

    async def send(self, channel: Any, message: Message, person: Person) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append(message)

    async def close(self) -> None: ...


@asynccontextmanager
async def office(folder: Path, ways: dict[str, Fake]) -> AsyncIterator[City]:
    city = await City.open(Settings(data=folder, open=True))
    city.notices._senders.update(ways)
    await city.hub.start()
    try:
        yield city
    finally:
        await city.notices.close()
        await city.trust.identities.close()
        await city.hub.close()
        await city.tenants.close()
        await city.trust.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(notify, "LONGEST_WAIT_S", 0.05)


async def people(city: City, **channels: list[str]) -> None:
    directory = await city.notices.directory("")
    made = {
        "email": {"kind": "email", "address": "kim@city.example"},
        "sms": {"kind": "sms", "number": "+821012345678"},
        "urgent": {"kind": "sms", "number": "+821012345678", "urgent_only": True},
    }
    for name, kinds in channels.items():
        given = {"kind": "person", "channels": [made[kind] for kind in kinds], "language": "en"}
        await directory.put(name, given, inside=False)


async def tell(city: City, to: str, name: str = "1", urgent: bool = False) -> str:
    id = f"urn:ngsi-ld:Notice:{name}"
    wanted = records.notice(to, Text("Fire", "불"), Text("Run", "대피"), "", urgent, "test")
    whole = {
        key: one if isinstance(one, dict) else {"type": "Property", "value": one}
        for key, one in wanted.items()
    }
    content = normalized({"id": id, "type": "Notice", **whole}, CORE)
    tenant = await city.hub.tenant("", create=False)
    await tenant.write([Own(Create(id, content))])
    return id


async def fate(city: City, id: str, *statuses: str) -> Thing:
    """Wait until a notice has one of the statuses."""
    tenant = await city.hub.tenant("", create=False)
    async with asyncio.timeout(20):
        while True:
            row = await tenant.get(id)
            assert row is not None
            found = Thing(entity_of(row).document)
            if found["status"] in statuses:
                return found
            await asyncio.sleep(0.01)


async def test_a_notice_goes_to_each_on_all_their_ways(tmp_path: Path) -> None:
    mail, sms = Fake(), Fake()
    async with office(tmp_path, {"email": mail, "sms": sms}) as city:
        await people(city, kim=["email", "sms"], lee=["email", "urgent"])
        directory = await city.notices.directory("")
        await directory.put("room", {"kind": "group", "members": ["kim", "lee"]}, inside=False)
        notice = await fate(city, await tell(city, "room"), "sent")
    assert sorted(one.to for one in mail.sent) == ["kim", "lee"]
    assert [one.to for one in sms.sent] == ["kim"]
    assert (mail.sent[0].title, mail.sent[0].text) == ("Fire", "Run")
    assert all(one["ok"] for one in notice["deliveries"])


async def test_what_fails_is_tried_again_and_what_was_sent_is_not(tmp_path: Path) -> None:
    mail, sms = Fake(), Fake()
    sms.fails = [SendFailed("busy"), SendFailed("busy")]
    async with office(tmp_path, {"email": mail, "sms": sms}) as city:
        await people(city, kim=["email", "sms"])
        notice = await fate(city, await tell(city, "kim"), "sent")
    assert (len(mail.sent), len(sms.sent)) == (1, 1)
    assert [one["tries"] for one in notice["deliveries"]] == [1, 3]


async def test_after_some_tries_a_notice_has_failed_with_the_reason(tmp_path: Path) -> None:
    sms = Fake()
    sms.fails = [SendFailed("the gateway is down")] * 99
    async with office(tmp_path, {"sms": sms}) as city:
        await people(city, kim=["sms"])
        notice = await fate(city, await tell(city, "kim", urgent=True), "failed", "sent")
    (delivery,) = notice["deliveries"]
    assert notice["status"] == "failed"
    assert (delivery["tries"], delivery["error"]) == (6, "the gateway is down")


async def test_what_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    sms = Fake()
    sms.fails = [Refused("no such number")]
    async with office(tmp_path, {"sms": sms}) as city:
        await people(city, kim=["sms"])
        notice = await fate(city, await tell(city, "kim"), "failed", "sent")
    assert (notice["status"], notice["deliveries"][0]["tries"]) == ("failed", 1)


async def test_a_notice_for_nobody_fails_and_names_whom(tmp_path: Path) -> None:
    async with office(tmp_path, {}) as city:
        notice = await fate(city, await tell(city, "ghost"), "failed")
    assert notice["deliveries"][0]["error"] == "there is nobody to tell by the name 'ghost'"


async def test_in_quiet_hours_only_what_is_urgent_is_told(tmp_path: Path) -> None:
    mail = Fake()
    async with office(tmp_path, {"email": mail}) as city:
        directory = await city.notices.directory("")
        channel = {"kind": "email", "address": "kim@city.example"}
        quiet = {"start": "00:00", "end": "23:59:59.999999", "time_zone": "UTC"}
        given = {"kind": "person", "channels": [channel], "quiet": quiet}
        await directory.put("kim", given, inside=False)
        later = await tell(city, "kim", "later")
        await fate(city, await tell(city, "kim", "now", urgent=True), "sent")
        waiting = await fate(city, later, "waiting")
    assert [one.notice for one in mail.sent] == ["urn:ngsi-ld:Notice:now"]
    assert waiting["status"] == "waiting"


async def test_what_waited_at_a_stop_is_sent_at_the_start_and_the_rest_not_again(
    tmp_path: Path,
) -> None:
    mail, sms = Fake(), Fake()
    sms.fails = [SendFailed("down")] * 3
    async with office(tmp_path, {"email": mail, "sms": sms}) as city:
        await people(city, kim=["email", "sms"])
        id = await tell(city, "kim")
        async with asyncio.timeout(20):
            while len(sms.fails) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    sms.fails = []
    async with office(tmp_path, {"email": mail, "sms": sms}) as city:
        await fate(city, id, "sent")
    assert (len(mail.sent), len(sms.sent)) == (1, 1)


async def test_a_tenant_that_is_made_later_has_notices_too(tmp_path: Path) -> None:
    mail = Fake()
    async with office(tmp_path, {"email": mail}) as city:
        tenant = await city.hub.tenant("busan", create=True)
        directory = await city.notices.directory("busan")
        channel = {"kind": "email", "address": "kim@city.example"}
        await directory.put("kim", {"kind": "person", "channels": [channel]}, inside=False)
        whole = {"to": "kim", "status": "waiting"}
        document = {name: {"type": "Property", "value": one} for name, one in whole.items()}
        content = normalized({"id": "urn:n:1", "type": "Notice", **document}, CORE)
        await tenant.write([Own(Upsert("urn:n:1", content))])
        async with asyncio.timeout(20):
            while not mail.sent:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert mail.sent[0].tenant == "busan"


async def test_only_hosts_that_the_settings_let_be_notified_are(tmp_path: Path) -> None:
    hook = Webhook(kind="webhook", url="https://hook.example/", secret="s" * 20)
    broker = Mqtt(kind="mqtt", url="mqtt://broker.example/a")
    person = Person(kind="person", title="", channels=[hook])
    poster = Poster(Bounds(), ["*.city.example"])
    with pytest.raises(Refused, match="does not notify hook"):
        await Webhooks(poster).send(hook, MESSAGE, person)
    with pytest.raises(Refused, match="does not notify broker"):
        await Brokers(Bounds(), ["*.city.example"]).send(broker, MESSAGE, person)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://10.0.0.1/"])
async def test_nobody_but_administrators_leads_into_the_own_network(url: str) -> None:
    hook = Webhook(kind="webhook", url=url, secret="s" * 20)
    poster = Poster(Bounds())
    with pytest.raises(Refused, match="inside this city's network"):
        await Webhooks(poster).send(hook, MESSAGE, Person(kind="person", title="", channels=[hook]))
    await poster.close()


def test_a_mail_has_no_headers_but_ours_and_the_same_id_twice() -> None:
    mail = mail_of(MESSAGE, "Room <room@city.example>", "kim@city.example", "Kim")
    assert mail["Subject"] == 'Say "hi" Bcc: all'
    assert mail["Bcc"] is None
    assert "Line one\nline two" in mail.get_content()
    again = mail_of(MESSAGE, "Room <room@city.example>", "kim@city.example", "Kim")
    assert mail["Message-ID"] == again["Message-ID"]


@pytest.mark.parametrize("text", ['"} , {"to": "x', "a\\nb", "{to}", "한글 ☂", "a&b=c"])
def test_a_text_message_keeps_the_form_of_the_gateway_whatever_it_says(text: str) -> None:
    gateway = SmsGateway(url="https://g.example/", body='{"to": "{to}", "text": "{text}"}')
    body = orjson.loads(sms_body(gateway, "+8210", text, "urn:1"))
    assert body == {"to": "+8210", "text": text}
    form = SmsGateway(
        url="https://g.example/",
        content_type="application/x-www-form-urlencoded",
        body="to={to}&text={text}&ref={id}",
    )
    assert sms_body(form, "+8210", text, "urn:1").count(b"&") == 2
