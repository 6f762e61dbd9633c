"""Consent: which persons let their data be read, which of it, for what purpose and until when.

A consent that changes is never rewritten: the old one is withdrawn and stays as history, because
who reads by consent must be able to show it (GDPR article 7 (1); 개인정보 보호법 제22조).
What is in force is in memory, for it is asked with every entity that is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from madang.model import time
from madang.model.errors import BadRequestData, Conflict, ResourceNotFound
from madang.model.names import check_name, check_uri, shown
from madang.trust.events import DataDeed, Event, Recorder
from madang.trust.purposes import Purposes
from madang.trust.records import Records

How = Literal["self", "staff"]

MOST_NAMES = 100  # attributes or types of one consent
MOST = 500  # consents of one person, with those of the past
LONGEST_EVIDENCE = 2_000  # characters


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person agrees to."""

    purpose: str
    attributes: tuple[str, ...] = ()
    """Names of attributes (canonical); none means all that is personal."""
    types: tuple[str, ...] = ()
    """Of entities of one of these types; none means of all."""
    until: int | None = None
    """[us since 1970]; None is until withdrawn"""

    def cover(self, attribute: str, types: Collection[str]) -> bool:
        """Tell whether an attribute of an entity of these types is part of it."""
        if self.attributes and attribute not in self.attributes:
            return False
        return not self.types or any(name in self.types for name in types)


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent, in force or of the past."""

    terms: Terms
    given_at: int
    how: How
    by: str
    """Id of the principal: the person, or who wrote it down for them."""
    evidence: str = ""
    """Where the person's own word is, such as the number of a signed form."""
    withdrawn_at: int | None = None
    withdrawn_by: str = ""

    def is_in_force(self, now: int) -> bool:
        until = self.terms.until
        return self.withdrawn_at is None and (until is None or now < until)

    def shown(self, now: int) -> dict[str, Any]:
        """Return it as its person and staff see it."""
        terms = self.terms
        said: dict[str, Any] = {
            "purpose": terms.purpose,
            "attributes": list(terms.attributes),
            "types": list(terms.types),
            "until": None if terms.until is None else time.render(terms.until),
            "inForce": self.is_in_force(now),
            "givenAt": time.render(self.given_at),
            "how": self.how,
            "by": self.by,
        }
        if self.evidence:
            said["evidence"] = self.evidence
        if self.withdrawn_at is not None:
            said["withdrawnAt"] = time.render(self.withdrawn_at)
            said["withdrawnBy"] = self.withdrawn_by
        return said


def terms_of(purpose: str, body: Any) -> Terms:
    """Return the terms that a JSON object describes: ``attributes``, ``types``, ``until``.

    Raises:
        BadRequestData: it describes none; the text names the member.
    """
    if not isinstance(body, dict):
        raise BadRequestData("a consent must be a JSON object; {} means all that is personal")
    if unknown := body.keys() - {"attributes", "types", "until"}:
        raise BadRequestData(
            f"a consent has no member {shown(min(unknown))}; expected attributes, types, until"
        )
    until = body.get("until")
    return Terms(
        purpose,
        _names(body, "attributes"),
        _names(body, "types"),
        None if until is None else time.parse(time.checked(until, "until")),
    )


def _names(body: dict[str, Any], member: str) -> tuple[str, ...]:
    given = body.get(member, [])
    if not isinstance(given, list) or len(given) > MOST_NAMES:
        raise BadRequestData(f"{member} must be an array of at most {MOST_NAMES} names")
    return tuple(sorted({check_name(name, member) for name in given}))


class Consents:
    """All consents of a place.

    Args:
        records: where they are kept: one object a person.
        recorder: is told of every change, before it holds.
        purposes: the catalogue.
        now: the time. [us since 1970]
    """

    def __init__(
        self, records: Records, recorder: Recorder, purposes: Purposes, now: Callable[[], int]
    ) -> None:
        self.purposes = purposes
        self._records = records
        self._recorder = recorder
        self.now = now
        self._in_force: dict[str, dict[str, Terms]] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up what is in force."""
        now = self.now()
        for subject, body in (await self._records.all("consent")).items():
            self._hold(subject, _read(body), now)

    def take(self, subject: str, body: dict[str, Any] | None) -> None:
        """Take up the consents of a person as another hub has left them."""
        self._hold(subject, [] if body is None else _read(body), self.now())

    def _hold(self, subject: str, consents: Iterable[Consent], now: int) -> None:
        found = {one.terms.purpose: one.terms for one in consents if one.is_in_force(now)}
        if found:
            self._in_force[subject] = found
        else:
            self._in_force.pop(subject, None)

    def given(
        self, subject: str, purpose: str, attribute: str = "", types: Collection[str] = ()
    ) -> bool:
        """Tell whether a person lets an attribute be read for a purpose, as of now.

        A consent to some attributes or types only counts where ``attribute`` and ``types`` are
        told.
        """
        held = self._in_force.get(subject)
        terms = None if held is None else held.get(purpose)
        if terms is None or (terms.until is not None and terms.until <= self.now()):
            return False
        return terms.cover(attribute, types)

    async def of(self, subject: str) -> list[Consent]:
        """Return the consents of a person, with those of the past, in the order they were given."""
        body = await self._records.get("consent", subject)
        return [] if body is None else _read(body)

    async def give(
        self, subject: str, terms: Terms, *, by: str, evidence: str = "", address: str = ""
    ) -> Consent:
        """Take down a consent in place of the one the person may have given to the purpose.

        Args:
            evidence: where staff find the person's own word; without it the person gave it here.

        Raises:
            BadRequestData: there is no such purpose, its basis is not consent, or ``until`` is
                past.
            Conflict: the person has too long a history of them.
        """
        check_uri(subject, "the person")
        purpose = self.purposes.check(terms.purpose)
        if purpose.basis != "consent":
            law = f" ({purpose.law['en']})" if purpose.law else ""
            raise BadRequestData(
                f"{purpose.id} needs no consent: its basis is {purpose.basis}{law}"
            )
        if len(evidence) > LONGEST_EVIDENCE:
            raise BadRequestData(f"evidence may have {LONGEST_EVIDENCE:,} characters at most")
        now = self.now()
        if terms.until is not None and terms.until <= now:
            raise BadRequestData(f"until is {time.render(terms.until)}, which is past")
        given = Consent(terms, now, "staff" if evidence else "self", by, evidence)
        async with self._turn:
            past = await self.of(subject)
            if len(past) >= MOST:
                raise Conflict(f"there are {MOST} consents of this person, which is the most")
            await self._tell(subject, terms.purpose, "consentGiven", by, address)
            await self._keep(subject, [*self._ended(past, terms.purpose, by, now), given])
        return given

    async def withdraw(self, subject: str, purpose: str, *, by: str, address: str = "") -> None:
        """Let a consent end; from the next answer on nothing is read by it.

        Raises:
            ResourceNotFound: there is none in force.
        """
        now = self.now()
        async with self._turn:
            past = await self.of(subject)
            if not any(one.terms.purpose == purpose and one.is_in_force(now) for one in past):
                raise ResourceNotFound(f"no consent to {shown(purpose)} is in force")
            await self._tell(subject, purpose, "consentWithdrawn", by, address)
            await self._keep(subject, self._ended(past, purpose, by, now))

    async def erase(self, subject: str, *, by: str, address: str = "") -> tuple[int, list[str]]:
        """Remove a person's consents, with their history.

        Those to purposes of which a law keeps the proof are withdrawn and stay.

        Returns:
            How many were removed, and the laws for which some stay.
        """
        now = self.now()
        async with self._turn:
            past = await self.of(subject)
            if not past:
                return 0, []
            laws = {one: self._law(one) for one in past}
            stay = [one for one in past if laws[one]]
            for purpose in {one.terms.purpose for one in stay}:
                stay = self._ended(stay, purpose, by, now)
            await self._tell(subject, "", "consentsErased", by, address)
            await self._keep(subject, stay)
        return len(past) - len(stay), sorted({law for law in laws.values() if law})

    def _law(self, consent: Consent) -> str:
        purpose = self.purposes.get(consent.terms.purpose)
        return "" if purpose is None else purpose.keep

    @staticmethod
    def _ended(consents: list[Consent], purpose: str, by: str, now: int) -> list[Consent]:
        return [
            replace(one, withdrawn_at=now, withdrawn_by=by)
            if one.terms.purpose == purpose and one.is_in_force(now)
            else one
            for one in consents
        ]

    async def _tell(
        self, subject: str, purpose: str, action: DataDeed, by: str, address: str
    ) -> None:
        await self._recorder.record(
            Event("consent", by, action, subjects=(subject,), purpose=purpose, address=address)
        )

    async def _keep(self, subject: str, consents: list[Consent]) -> None:
        body = {"consents": [asdict(one) for one in consents]} if consents else None
        await self._records.put("consent", subject, body)
        self._hold(subject, consents, self.now())


def _read(body: dict[str, Any]) -> list[Consent]:
    return [Consent(**(one | {"terms": _terms(one["terms"])})) for one in body["consents"]]


def _terms(body: dict[str, Any]) -> Terms:
    lists = {name: tuple(body[name]) for name in ("attributes", "types")}
    return Terms(**(body | lists))
