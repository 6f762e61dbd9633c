"""Consent holds for what it was given for, until its end, and what was is not forgotten."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from madang.model import time
from madang.model.errors import (
    AlreadyExists,
    BadRequestData,
    MadangError,
    NgsiError,
    ResourceNotFound,
)
from madang.store.engine import SqliteEngine
from madang.trust import purposes as catalogue
from madang.trust.consents import Consents, Terms, terms_of
from madang.trust.events import Event
from madang.trust.purposes import Purposes, purpose_of
from madang.trust.records import Records

KIM, LEE = "urn:ngsi-ld:Person:kim", "urn:ngsi-ld:Person:lee"
HOUR = 3_600_000_000
OWN = {
    "id": "library",
    "basis": "consent",
    "law": "",
    "name": {"ko": "도서관", "en": "Library"},
    "text": {"ko": "책을 빌려 드립니다.", "en": "Lending books."},
    "keep": "조례 제1조",
}


class Place:
    """Consents over a real store, with a clock that is set and a recorder that may fail."""

    def __init__(self, folder: Path) -> None:
        self.engine = SqliteEngine(folder)
        self.time = 1_800_000_000_000_000
        self.events: list[Event] = []
        self.is_full = False

    async def open(self) -> Consents:
        self.records = Records(await self.engine.system())
        purposes = Purposes(self.records, self)
        await purposes.start()
        consents = Consents(self.records, self, purposes, lambda: self.time)
        await consents.start()
        return consents

    def note(self, event: Event) -> None:
        self.events.append(event)

    async def record(self, *events: Event) -> None:
        if self.is_full:
            raise NgsiError("full")
        self.events += events


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.engine.close()


async def test_consent_holds_for_its_person_and_purpose_only(place: Place) -> None:
    consents = await place.open()
    await consents.give(KIM, Terms("welfare"), by="person:kim")
    assert consents.given(KIM, "welfare")
    assert not consents.given(KIM, "research")
    assert not consents.given(KIM, "")
    assert not consents.given(LEE, "welfare")


async def test_consent_ends_by_itself(place: Place) -> None:
    consents = await place.open()
    await consents.give(KIM, Terms("welfare", until=place.time + HOUR), by="person:kim")
    place.time += HOUR - 1
    assert consents.given(KIM, "welfare")
    place.time += 1
    assert not consents.given(KIM, "welfare")
    assert not (await place.open()).given(KIM, "welfare")


async def test_withdrawing_ends_it_at_once_and_keeps_the_history(place: Place) -> None:
    consents = await place.open()
    await consents.give(KIM, Terms("welfare"), by="person:kim")
    place.time += HOUR
    await consents.withdraw(KIM, "welfare", by="person:kim")
    assert not consents.given(KIM, "welfare")
    [past] = await consents.of(KIM)
    assert past.withdrawn_at == place.time
    with pytest.raises(ResourceNotFound, match="no consent to 'welfare' is in force"):
        await consents.withdraw(KIM, "welfare", by="person:kim")


async def test_a_new_consent_takes_the_place_of_the_old_one(place: Place) -> None:
    consents = await place.open()
    await consents.give(KIM, Terms("welfare"), by="person:kim")
    await consents.give(KIM, Terms("welfare", ("telephone",)), by="person:kim")
    old, new = await consents.of(KIM)
    assert (old.is_in_force(place.time), new.is_in_force(place.time)) == (False, True)
    assert not consents.given(KIM, "welfare", "address", ["Person"])
    assert consents.given(KIM, "welfare", "telephone", ["Person"])


async def test_consent_to_a_part_covers_that_part_only(place: Place) -> None:
    consents = await place.open()
    await consents.give(KIM, Terms("welfare", ("telephone",), ("Person",)), by="person:kim")
    assert consents.given(KIM, "welfare", "telephone", ["Visitor", "Person"])
    assert not consents.given(KIM, "welfare", "telephone", ["UserContext"])
    assert not consents.given(KIM, "welfare", "location", ["Person"])
    assert not consents.given(KIM, "welfare")


async def test_what_was_given_is_there_after_a_restart(place: Place) -> None:
    terms = Terms("welfare", ("telephone",), ("Person",), place.time + HOUR)
    before = await place.open()
    await before.give(KIM, terms, by="person:staff", evidence="form 17")
    after = await place.open()
    assert after.given(KIM, "welfare", "telephone", ["Person"])
    [consent] = await after.of(KIM)
    assert (consent.terms, consent.how, consent.evidence) == (terms, "staff", "form 17")


async def test_every_change_is_recorded_without_what_it_is_about(place: Place) -> None:
    consents = await place.open()
    await consents.give(KIM, Terms("welfare"), by="person:staff", evidence="form 17", address="::1")
    await consents.withdraw(KIM, "welfare", by="person:kim")
    told = [(e.kind, e.action, e.actor, e.subjects, e.purpose) for e in place.events]
    assert told == [
        ("consent", "consentGiven", "person:staff", (KIM,), "welfare"),
        ("consent", "consentWithdrawn", "person:kim", (KIM,), "welfare"),
    ]


async def test_what_cannot_be_recorded_does_not_hold(place: Place) -> None:
    consents = await place.open()
    place.is_full = True
    with pytest.raises(NgsiError):
        await consents.give(KIM, Terms("welfare"), by="person:kim")
    assert not consents.given(KIM, "welfare")
    assert await consents.of(KIM) == []


@pytest.mark.parametrize(
    ("terms", "complaint"),
    [
        (Terms("welfar"), "there is no purpose 'welfar'; did you mean 'welfare'"),
        (Terms("emergency"), "emergency needs no consent: its basis is vitalInterest"),
        (Terms("welfare", until=1), "until is 1970-01-01T00:00:00.000001Z, which is past"),
    ],
)
async def test_consent_that_means_nothing_is_refused(
    place: Place, terms: Terms, complaint: str
) -> None:
    consents = await place.open()
    with pytest.raises(BadRequestData, match=re.escape(complaint)):
        await consents.give(KIM, terms, by="person:kim")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ([], "must be a JSON object"),
        ({"who": 1}, "no member 'who'"),
        ({"attributes": "telephone"}, "attributes must be an array"),
        ({"types": ["a b"]}, "types must be a letter"),
        ({"until": "tomorrow"}, "until must be a UTC DateTime"),
        ({"attributes": ["a"] * 101}, "at most 100"),
    ],
)
def test_terms_that_are_none_are_refused(body: Any, complaint: str) -> None:
    with pytest.raises(BadRequestData, match=complaint):
        terms_of("welfare", body)


def test_terms_are_read() -> None:
    body = {"attributes": ["telephone"], "types": ["Person"], "until": "2030-01-01T00:00:00Z"}
    until = time.parse("2030-01-01T00:00:00Z")
    assert terms_of("welfare", body) == Terms("welfare", ("telephone",), ("Person",), until)
    assert terms_of("welfare", {}) == Terms("welfare")


async def test_erasing_keeps_only_what_a_law_keeps(place: Place) -> None:
    consents = await place.open()
    await consents.purposes.add(purpose_of(OWN), by="person:admin")
    await consents.give(KIM, Terms("welfare"), by="person:kim")
    await consents.give(KIM, Terms("library"), by="person:kim")
    assert await consents.erase(KIM, by="person:kim") == (1, ["조례 제1조"])
    [left] = await consents.of(KIM)
    assert (left.terms.purpose, left.is_in_force(place.time)) == ("library", False)
    assert not consents.given(KIM, "welfare")
    assert await consents.erase(LEE, by="person:lee") == (0, [])


# --- the catalogue -----------------------------------------------------------------------------


def test_every_purpose_that_a_policy_names_is_in_the_catalogue() -> None:
    folder = Path(catalogue.__file__).parent / "policies"
    text = "\n".join(path.read_text("utf-8") for path in folder.glob("*.cedar"))
    named = set(re.findall(r'context\.purpose == "(\w+)"', text))
    assert named
    assert named <= catalogue.shipped().keys()


async def test_the_city_adds_purposes_of_its_own(place: Place) -> None:
    consents = await place.open()
    await consents.purposes.add(purpose_of(OWN), by="person:admin")
    again = await place.open()
    assert again.purposes.check("library") == purpose_of(OWN)
    await again.purposes.remove("library", by="person:admin")
    assert (await place.open()).purposes.get("library") is None
    assert [event.action for event in place.events] == ["purposeSet", "purposeRemoved"]


def test_the_law_of_a_purpose_is_told_in_both_languages() -> None:
    for one in catalogue.shipped().values():
        assert "개인정보 보호법" in one.law["ko"]
        assert not re.search("[가-힣]", one.law["en"])
    assert purpose_of(OWN).law == {}
    kept = purpose_of(OWN | {"law": "조례 제2조"})  # as cities named it, in one language
    assert kept.law == {"ko": "조례 제2조", "en": "조례 제2조"}
    with pytest.raises(BadRequestData, match="law must be an object with texts in ko and en"):
        purpose_of(OWN | {"law": {"ko": "조례 제2조"}})


async def test_the_purposes_of_madang_stay(place: Place) -> None:
    purposes = (await place.open()).purposes
    with pytest.raises(AlreadyExists):
        await purposes.add(replace(purposes.check("welfare"), law={}), by="person:admin")
    with pytest.raises(ResourceNotFound):
        await purposes.remove("welfare", by="person:admin")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": "a b"}, "id must be a letter"),
        ({"basis": "whim"}, "basis must be one of consent"),
        ({"name": {"ko": "도서관"}}, "name must be an object with texts in ko and en"),
        ({"text": {"ko": "x" * 1001, "en": "x"}}, "text.ko must be a text of at most 1,000"),
        ({"color": "red"}, "a purpose has no member 'color'"),
    ],
)
def test_what_is_no_purpose_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MadangError, match=complaint):
        purpose_of(OWN | change)
