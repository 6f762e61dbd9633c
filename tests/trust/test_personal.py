"""A person is given all that is about them and no more; erasing keeps what a law keeps."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from madang.api.surface import Handler
from madang.api.trust_audit import surfaces as audit_surfaces
from madang.api.trust_personal import surfaces
from madang.hub.hub import Hub
from madang.hub.operations import Delete, Upsert
from madang.hub.tenants import Tenants
from madang.lake.questions import Hold
from madang.lake.questions import Wanted as Past
from madang.model.context import CORE
from madang.model.errors import BadRequestData, NgsiError
from madang.model.normalize import entity as normalized
from madang.query.tree import Query, Selector
from madang.settings import Settings
from madang.store.rows import entity_of
from madang.trust.accounts import Account
from madang.trust.audit import Audit
from madang.trust.audit_file import Wanted, place
from madang.trust.checkpoint import Signer
from madang.trust.consents import Consents, Terms
from madang.trust.events import Event
from madang.trust.marks import Mark
from madang.trust.personal import AUDIT_LAW, PersonalData
from madang.trust.personal_history import PersonalHistory
from madang.trust.principal import LOCAL, Principal
from madang.trust.purposes import Purposes
from tests.trust.people import City, Clock, Kept

LAW = "의료법 제22조"
MARKS = (
    Mark("name", ("Person",)),
    Mark("telephone", ("Person",)),
    Mark("bloodType", ("Person",), keep=LAW),
    Mark("email", ("Report",), subject="owner"),
    Mark("account_id", ("Report",), subject="owner"),
    Mark("diagnosis", ("Visit",), subject="patient", keep=LAW),
    Mark("note", ("Visit",), subject="patient"),
    Mark("rating", ("Visit",), "internal"),
)
OTHER = "urn:ngsi-ld:Person:other"


def linked(*ids: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": list(ids) if len(ids) > 1 else ids[0]}


class Forgetful:
    """A history without anything in it: opening a real one takes its time."""

    async def of(self, *_: Any) -> AsyncIterator[dict[str, Any]]:
        nothing: list[dict[str, Any]] = []
        for one in nothing:
            yield one

    async def erase(self, *_: Any) -> int:
        return 0


class Town:
    """A hub with two tenants, an account, and entities about its person and another."""

    hub: Hub
    audit: Audit
    consents: Consents
    personal: PersonalData
    kim: Account

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.city = City(folder, self.clock, Kept())
        self.settings = Settings(data=folder)

    async def start(self) -> None:
        await self.city.start()
        self.tenants = Tenants(self.settings)
        self.hub = Hub(self.city.engine, self.tenants.make)
        await self.hub.start()
        self.audit = Audit(place(self.folder), Signer.of(bytes(32)))
        await self.audit.start()
        purposes = Purposes(self.city.records, self.audit)
        self.consents = Consents(self.city.records, self.audit, purposes, self.clock)
        await self.consents.start()
        self.personal = PersonalData(
            self.hub, self.city.identities, self.consents, self.audit, lambda: MARKS, self.folder
        )
        await self.personal.start()
        self.history = self.personal._history
        self.personal._history = cast("PersonalHistory", Forgetful())
        await self.city.person("admin", "administrator")
        self.kim = await self.city.person("kim", "citizen")
        await self._fill(self.kim.entity)

    async def _fill(self, kim: str) -> None:
        await self.put(
            "",
            {"id": kim, "type": "Person", "name": "Kim", "telephone": "010", "hobby": "baduk"},
            {"id": OTHER, "type": "Person", "name": "Other"},
            {
                "id": "urn:r:1",
                "type": "Report",
                "text": "a hole",
                "email": "kim@example.org",
                "account_id": "7",
                "owner": linked(kim),
            },
            {"id": "urn:r:2", "type": "Report", "email": "x@y.z", "owner": linked(OTHER)},
            {
                "id": "urn:r:3",
                "type": "Report",
                "text": "ours",
                "email": "both@example.org",
                "owner": linked(kim, OTHER),
            },
        )
        await self.put(
            "health",
            {
                "id": "urn:v:1",
                "type": "Visit",
                "diagnosis": "well",
                "note": "friendly",
                "rating": 5,
                "ward": "3",
                "patient": linked(kim),
            },
        )

    async def put(self, tenant: str, *entities: dict[str, Any]) -> None:
        hub = await self.hub.tenant(tenant, create=True)
        work = [normalized(entity, CORE) for entity in entities]
        results = await hub.write([Upsert(one.document["id"], one) for one in work])
        assert not [result for result in results if isinstance(result, NgsiError)]

    async def get(self, tenant: str, id: str) -> dict[str, Any] | None:
        row = await (await self.hub.tenant(tenant, create=False)).get(id)
        return None if row is None else entity_of(row).document

    async def past(self, tenant: str, id: str) -> set[str]:
        """Return the attributes of which history has values."""
        wanted = Past(Query(selectors=(Selector(ids=(id,)),)))
        history = (await self.hub.tenant(tenant, create=False)).history
        found = await history.read(lambda lake: lake.pasts(wanted))
        return {
            instance.attribute
            for entity in found.entities
            for instance in entity.instances
            if not instance.deleted
        }

    async def events(self) -> list[dict[str, Any]]:
        return [entry.content() for entry in await self.audit.find(Wanted(first=0))]

    async def close(self) -> None:
        await self.hub.close()
        await self.tenants.close()
        await self.city.identities.close()
        await self.audit.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path)
    await town.start()
    yield town
    await town.close()


def parts(archive: bytes | Path) -> dict[str, list[dict[str, Any]]]:
    import io

    with zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive) as zipped:
        assert zipped.testzip() is None
        return {
            name.removesuffix(".jsonl"): [orjson.loads(line) for line in zipped.open(name)]
            for name in zipped.namelist()
            if name.endswith(".jsonl")
        }


def read_by(actor: str, *subjects: str, purpose: str = "welfare") -> Event:
    return Event(
        "personalRead",
        actor,
        "readAttribute",
        targets=subjects,
        subjects=subjects,
        purpose=purpose,
        detail={"attributes": ["telephone"]},
    )


# --- handing out -------------------------------------------------------------------------------


async def test_an_export_has_what_is_about_the_person_in_all_tenants(town: Town) -> None:
    await town.consents.give(town.kim.entity, Terms("welfare"), by=town.kim.principal_id)
    found = parts(await town.personal.export(town.kim.entity, by="person:clerk"))
    entities = {one["entity"]["id"]: one["entity"] for one in found["entities"]}
    assert set(entities) == {town.kim.entity, "urn:r:1", "urn:r:3", "urn:v:1"}
    assert entities[town.kim.entity]["hobby"]["value"] == "baduk"
    assert entities["urn:r:1"]["email"]["value"] == "kim@example.org"
    assert found["account"][0]["login"] == "kim"
    assert found["consents"][0]["purpose"] == "welfare"


async def test_an_export_has_nothing_about_others_or_for_the_city_only(town: Town) -> None:
    archive = await town.personal.export(town.kim.entity, by="person:clerk")
    found = parts(archive)
    entities = {one["entity"]["id"]: one["entity"] for one in found["entities"]}
    assert set(entities["urn:r:3"]) == {"id", "type", "text"}
    assert "rating" not in entities["urn:v:1"]
    assert OTHER.encode() not in orjson.dumps(found)


async def test_an_export_has_a_page_in_korean_and_english(town: Town) -> None:
    archive = await town.personal.export(town.kim.entity, by="person:clerk")
    assert archive.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(archive) as zipped:
        page = zipped.read("index.html").decode()
    for text in ("내 정보", "My data", "entities.jsonl", "열람 기록", town.kim.entity):
        assert text in page


@pytest.mark.slow
async def test_an_export_has_the_past_as_well(town: Town) -> None:
    town.personal._history = town.history
    kim = town.kim.entity
    await town.put("", {"id": kim, "type": "Person", "name": "Kim", "telephone": "011"})
    await town.put("health", {"id": kim, "type": "Person", "name": "Kim of old"})
    await (await town.hub.tenant("health", create=False)).write([Delete(kim)])
    found = parts(await town.personal.export(kim, by="person:clerk"))["history"]
    values = {(one["tenant"], one["id"], one["attribute"], one.get("value")) for one in found}
    assert {
        ("", kim, "telephone", "010"),
        ("", kim, "telephone", "011"),
        ("", "urn:r:1", "email", "kim@example.org"),
        ("health", kim, "name", "Kim of old"),
        ("health", "urn:v:1", "note", "friendly"),
    } <= values
    assert not [one for one in found if one["attribute"] == "rating" or OTHER in str(one)]


async def test_an_export_is_recorded_without_the_data(town: Town) -> None:
    await town.personal.export(town.kim.entity, by="person:clerk", address="::1")
    said = (await town.events())[-1]
    assert (said["kind"], said["actor"], said["subjects"]) == (
        "export", "person:clerk", [town.kim.entity],
    )  # fmt: skip
    assert "Kim" not in str(await town.events())


async def test_who_read_what_and_why_is_told_without_other_persons(town: Town) -> None:
    kim = town.kim.entity
    await town.audit.record(read_by(town.kim.principal_id, kim), read_by("app:x", kim, OTHER))
    both, alone = [read.shown for read in await town.personal.reads(kim)]
    assert (alone["name"], alone["kind"], alone["entities"]) == ("kim", "person", [kim])
    assert alone["purposeName"] == {"ko": "복지 지원", "en": "Welfare"}
    assert (both["by"], both["name"], both["entities"]) == ("app:x", None, [kim])
    found = parts(await town.personal.export(kim, by="person:clerk"))
    assert [one["action"] for one in found["reads"]] == [
        "personExported", "readAttribute", "readAttribute",
    ]  # fmt: skip
    assert OTHER not in str(found["reads"])


async def test_archives_left_by_a_crash_are_removed(town: Town) -> None:
    archive = await town.personal.export(town.kim.entity, by="person:clerk")
    await town.personal.start()
    assert not archive.exists()


# --- erasing -----------------------------------------------------------------------------------


async def test_erasing_removes_the_person_and_what_is_about_them(town: Town) -> None:
    kim = town.kim.entity
    await town.consents.give(kim, Terms("welfare"), by=town.kim.principal_id)
    report = await town.personal.erase(kim, "asked", by="person:clerk")
    assert await town.get("", kim) is None
    assert await town.get("", "urn:r:1") == {
        "id": "urn:r:1", "type": "Report", "text": {"type": "Property", "value": "a hole"},
    }  # fmt: skip
    assert not town.consents.given(kim, "welfare")
    assert report.consents == 1
    assert report.account == "removed"
    assert town.city.identities.accounts.by_login("kim") is None
    assert report.failed == []


async def test_erasing_leaves_what_is_about_others(town: Town) -> None:
    other = await town.get("", "urn:r:2"), await town.get("", OTHER)
    report = await town.personal.erase(town.kim.entity, "asked", by="person:clerk")
    assert (await town.get("", "urn:r:2"), await town.get("", OTHER)) == other
    assert report.shared == [{"tenant": "", "id": "urn:r:3", "attribute": "email"}]
    ours = await town.get("", "urn:r:3")
    assert ours is not None
    assert "email" in ours


async def test_erasing_keeps_what_a_law_keeps_and_names_it(town: Town) -> None:
    report = await town.personal.erase(town.kim.entity, "asked", by="person:clerk")
    visit = await town.get("health", "urn:v:1")
    assert visit is not None
    assert set(visit) == {"id", "type", "diagnosis", "rating", "ward", "patient"}
    assert report.body()["kept"] == [
        {"tenant": "health", "id": "urn:v:1", "attribute": "diagnosis", "law": LAW},
        {"what": "audit log", "law": AUDIT_LAW},
    ]


async def test_a_person_of_whom_a_law_keeps_something_keeps_just_that(town: Town) -> None:
    kim = town.kim.entity
    await town.put("", {"id": kim, "type": "Person", "name": "Kim", "bloodType": "A", "hobby": "x"})
    await town.personal.erase(kim, "asked", by="person:clerk")
    left = await town.get("", kim)
    assert left is not None
    assert set(left) == {"id", "type", "bloodType"}


async def test_subscribers_learn_that_data_is_gone(town: Town) -> None:
    tenant = await town.hub.tenant("", create=False)
    stream = tenant.follow(None)

    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await town.personal.erase(town.kim.entity, "asked", by="person:clerk")
    changes = [await first, await anext(stream)]
    assert {change.id for change in changes} == {town.kim.entity, "urn:r:1"}


@pytest.mark.slow
async def test_erasing_reaches_into_history(town: Town) -> None:
    town.personal._history = town.history
    kim = town.kim.entity
    report = await town.personal.erase(kim, "asked", by="person:clerk")
    assert report.history > 0
    assert await town.past("", kim) == set()
    assert await town.past("", "urn:r:1") == {"text"}
    assert await town.past("health", "urn:v:1") == {"diagnosis", "rating", "ward", "patient"}


@pytest.mark.slow
async def test_a_legal_hold_on_history_is_heeded_and_named(town: Town) -> None:
    town.personal._history = town.history
    health = await town.hub.tenant("health", create=False)
    await health.history.change(lambda lake: lake.hold([Hold("case 7", "a trial")]))
    report = await town.personal.erase(town.kim.entity, "asked", by="person:clerk")
    assert "note" in await town.past("health", "urn:v:1")
    assert [one["id"] for one in report.kept if "case 7" in one["law"]] == ["urn:v:1"]


async def test_erasing_again_finds_nothing_more(town: Town) -> None:
    await town.personal.erase(town.kim.entity, "asked", by="person:clerk")
    again = await town.personal.erase(town.kim.entity, "asked", by="person:clerk")
    assert (again.removed, again.account) == ([], "none")


class Shelf:
    """Something else that holds data about people."""

    def __init__(self, *accounts: str) -> None:
        self.accounts = list(accounts)

    async def about(self, account: str) -> list[dict[str, Any]]:
        return [{"contact": one} for one in self.accounts if one == account]

    async def erase(self, account: str) -> list[dict[str, Any]]:
        found = [one for one in self.accounts if one == account]
        self.accounts = [one for one in self.accounts if one != account]
        return [{"tenant": "", "id": "contact kim", "attributes": ["channels"]} for _ in found]


async def test_what_else_is_held_about_a_person_is_handed_out_and_erased(town: Town) -> None:
    shelf = Shelf(town.kim.id, "somebody else")
    town.personal.held.append(shelf)
    archive = await town.personal.export(town.kim.entity, by="person:x")
    assert {"contact": town.kim.id} in parts(archive.read_bytes())["account"]
    report = await town.personal.erase(town.kim.entity, "asked", by="person:x")
    assert {"tenant": "", "id": "contact kim", "attributes": ["channels"]} in report.removed
    assert shelf.accounts == ["somebody else"]


async def test_what_else_is_held_is_found_when_the_account_is_gone(town: Town) -> None:
    shelf = Shelf(town.kim.id, "")
    town.personal.held.append(shelf)
    await town.city.identities.people.remove(town.kim, "person:x")
    archive = await town.personal.export(town.kim.entity, by="person:x")
    assert parts(archive.read_bytes())["account"] == [{"contact": town.kim.id}]
    await town.personal.erase(town.kim.entity, "asked", by="person:x")
    assert shelf.accounts == [""]


async def test_the_last_administrator_stays_and_is_told_why(town: Town) -> None:
    admin = town.city.identities.accounts.named("admin")
    report = await town.personal.erase(admin.entity, "asked", by=admin.principal_id)
    assert "administrator" in report.account
    assert town.city.identities.accounts.by_login("admin") is not None


async def test_an_erasure_is_recorded_without_the_data(town: Town) -> None:
    await town.personal.erase(town.kim.entity, "asked by letter", by="person:clerk")
    said = [one for one in await town.events() if one["kind"] == "erasure"]
    assert [one["action"] for one in said] == ["erasureBegun", "erasureDone"]
    assert said[1]["detail"]["removed"] == 3
    assert "Kim" not in str(said)
    with pytest.raises(BadRequestData, match="the reason may have 500"):
        await town.personal.erase(town.kim.entity, "x" * 501, by="person:clerk")


# --- over HTTP ---------------------------------------------------------------------------------


async def problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NgsiError)
    return JSONResponse(error.problem(), error.status)


def client_of(town: Town, principal: Principal) -> httpx.AsyncClient:
    """Return a client whose requests come from a principal; what it may do is tested elsewhere."""

    def as_principal(handler: Handler) -> Handler:
        async def handled(request: Request) -> Response:
            request.state.principal, request.state.address = principal, "192.0.2.7"
            return await handler(request)

        return handled

    every = [*surfaces(town.personal), *audit_surfaces(town.audit)]
    routes = [Route(s.path, as_principal(s.handler), methods=[s.method]) for s in every]
    served = Starlette(routes=routes, exception_handlers={NgsiError: problem})
    return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://hub")


async def test_a_person_sees_and_decides_of_their_own_data(town: Town) -> None:
    kim = town.kim.entity
    await town.audit.record(read_by("app:x", kim))
    async with client_of(town, town.kim.principal()) as client:
        assert (await client.get("/me/reads")).json()["reads"][0]["by"] == "app:x"
        answer = await client.put("/me/consents/welfare", json={"attributes": ["telephone"]})
        assert (answer.status_code, answer.json()["how"]) == (200, "self")
        listed = (await client.get("/me/consents")).json()
        assert [one["inForce"] for one in listed["consents"]] == [True]
        assert "emergency" not in [one["id"] for one in listed["purposes"]]
        assert (await client.delete("/me/consents/welfare")).status_code == 204
        archive = await client.get("/me/export")
        assert parts(archive.content)["account"][0]["login"] == "kim"
        assert not list(town.folder.glob("person-*.zip"))
        refused = await client.post("/me/erasure", json={})
        assert 'confirm must be "erase"' in refused.json()["detail"]
        report = (await client.post("/me/erasure", json={"confirm": "erase"})).json()
    assert report["account"] == "removed"
    assert await town.get("", kim) is None


async def test_staff_do_it_for_a_person_with_evidence_and_reason(town: Town) -> None:
    person = f"/trust/persons/{town.kim.entity}"
    async with client_of(town, LOCAL) as client:
        missing = await client.put(f"{person}/consents/welfare", json={})
        assert missing.json()["detail"] == "evidence is missing"
        given = await client.put("/trust/persons/kim/consents/welfare", json={"evidence": "form 7"})
        assert (given.json()["how"], given.json()["by"]) == ("staff", LOCAL.id)
        listed = (await client.get(f"{person}/consents")).json()["consents"]
        assert listed[0]["evidence"] == "form 7"
        assert (await client.delete(f"{person}/consents/welfare")).status_code == 204
        assert (await client.get(f"{person}/reads")).json() == {"reads": []}
        assert (await client.get(f"{person}/export")).headers["content-type"] == "application/zip"
        assert (await client.post(f"{person}/erasure", json={})).status_code == 400
        report = await client.post(f"{person}/erasure", json={"reason": "asked by letter"})
        assert report.json()["account"] == "removed"
        assert (await client.get("/trust/persons/nobody/reads")).status_code == 404


async def test_who_is_no_person_has_no_data_of_their_own(town: Town) -> None:
    async with client_of(town, LOCAL) as client:
        assert (await client.get("/me/reads")).status_code == 403


async def test_the_catalogue_of_purposes_is_shown_and_grows(town: Town) -> None:
    body = {
        "basis": "consent",
        "name": {"ko": "도서관", "en": "Library"},
        "text": {"ko": "책", "en": "Books"},
    }
    async with client_of(town, LOCAL) as client:
        assert (await client.put("/trust/purposes/library", json=body)).status_code == 200
        listed = (await client.get("/trust/purposes")).json()["purposes"]
        assert (listed[-1]["id"], listed[-1]["origin"]) == ("library", "city")
        assert listed[0]["origin"] == "madang"
        assert (await client.delete("/trust/purposes/library")).status_code == 204
        assert (await client.put("/trust/purposes/welfare", json=body)).status_code == 409
