"""One person's data: all of it handed out, or erased but for what a law makes us keep.

Source: 개인정보 보호법 제35조 (access), 제36조 (erasure), 제21조 (destruction, and what other laws
keep); GDPR articles 15, 17 and 20.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from madang.hub.operations import Delete, Keep, Operation
from madang.hub.records import Own
from madang.lake.questions import HeldBack
from madang.model.errors import BadRequestData, NgsiError
from madang.model.names import check_uri, is_uri
from madang.trust.accounts import PERSON
from madang.trust.audit import Audit
from madang.trust.audit_file import Entry, Wanted
from madang.trust.consents import Consents
from madang.trust.events import DataDeed, Event
from madang.trust.marks import Mark
from madang.trust.personal_archive import Archive
from madang.trust.personal_history import PersonalHistory
from madang.trust.personal_search import About, search

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.hub.writer import Result
    from madang.trust.accounts import Account
    from madang.trust.identities import Identities

AUDIT_LAW = {
    "ko": "개인정보의 안전성 확보조치 기준 제8조 (접속기록의 보관)",
    "en": "Standards for Securing Personal Information of Korea, article 8 (records of access)",
}
LONGEST_REASON = 500  # characters
PAGE = 1_000
_AT_ONCE = 250  # operations of one write
_OWN_KINDS = {"signIn", "signOut", "account", "key", "token", "consent", "export", "erasure"}
"""What a person did that tells of nobody else."""


class Read(NamedTuple):
    """One reading of personal data, as the person is shown it."""

    sequence: int
    shown: dict[str, Any]


@dataclass(slots=True)
class Erasure:
    """What was done, and what was not, and why. Names of attributes, none of their values."""

    subject: str
    removed: list[dict[str, Any]] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    """Because of a law, which is named."""
    shared: list[dict[str, Any]] = field(default_factory=list)
    """About other persons as well: somebody must decide."""
    failed: list[dict[str, Any]] = field(default_factory=list)
    history: int = 0
    """Values removed from history."""
    consents: int = 0
    account: str = "none"
    """``removed``, ``none``, or why it stays."""

    def figures(self) -> dict[str, Any]:
        """Return what goes into the audit log."""
        counts = {
            name: len(getattr(self, name)) for name in ("removed", "kept", "shared", "failed")
        }
        return counts | {"history": self.history, "consents": self.consents}

    def body(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "subject": self.subject,
            "removed": self.removed,
            "kept": [*self.kept, {"what": "audit log", "law": AUDIT_LAW}],
            "shared": self.shared,
            "failed": self.failed,
            "history": self.history,
            "consents": self.consents,
            "account": self.account,
        }


class Held(Protocol):
    """What else is held about people who have an account, beside entities."""

    async def about(self, account: str) -> list[dict[str, Any]]:
        """Return what there is about the account of this id."""

    async def erase(self, account: str) -> list[dict[str, Any]]:
        """Erase it; return what, as :class:`Erasure` tells it."""


class PersonalData:
    """Finds, hands out and erases what is known about one person.

    A person is named by the id of the entity that they are.

    Args:
        hub: the state of all tenants.
        marks: which attributes are personal, as of now.
        folder: where archives are made.
    """

    def __init__(
        self,
        hub: Hub,
        identities: Identities,
        consents: Consents,
        audit: Audit,
        marks: Callable[[], Iterable[Mark]],
        folder: Path,
    ) -> None:
        self.consents = consents
        self._history = PersonalHistory(hub)
        self._hub = hub
        self._identities = identities
        self._audit = audit
        self._marks = marks
        self._folder = folder
        self._erasing = asyncio.Lock()
        self.held: list[Held] = []
        """Whoever else holds data about people."""

    async def start(self) -> None:
        """Remove archives that a crash left."""
        for path in self._folder.glob("person-*.zip"):
            path.unlink()

    def subject_of(self, who: str) -> str:
        """Return the entity id of a person: from that, a principal's id, or an account's name.

        Raises:
            ResourceNotFound: it names an account that is not there.
        """
        if is_uri(who) and not who.startswith("person:"):
            return who
        return self._identities.accounts.named(who.removeprefix("person:")).entity

    def _account(self, subject: str) -> Account | None:
        found = self._identities.accounts.get(subject.rpartition(":")[2])
        return found if found is not None and found.entity == subject else None

    def _tenants(self) -> list[Tenant]:
        return list(self._hub.open.values())

    # --- who read what ------------------------------------------------------------------------

    async def reads(self, subject: str, before: int | None = None, limit: int = 100) -> list[Read]:
        """Return who read what about a person and why, the newest first."""
        wanted = Wanted(kind="personalRead,export", subject=subject, before=before)
        found = await self._audit.find(wanted, limit)
        return [Read(entry.sequence, self._read(entry, subject)) for entry in found]

    def _read(self, entry: Entry, subject: str) -> dict[str, Any]:
        """Return a reading without the ids of others whose data was read along with it."""
        said = entry.content()
        is_alone = said.get("subjects") == [subject]
        targets = [id for id in said.get("targets", []) if is_alone or id == subject]
        reader = self._identities.find(said["actor"])
        purpose = self.consents.purposes.get(said.get("purpose", ""))
        return {
            "time": said["time"],
            "by": said["actor"],
            "name": None if reader is None else reader.name,
            "kind": None if reader is None else reader.kind,
            "action": said["action"],
            "purpose": said.get("purpose", ""),
            "purposeName": None if purpose is None else purpose.name,
            "tenant": said.get("tenant", ""),
            "entities": targets,
            "attributes": said.get("detail", {}).get("attributes", []),
        }

    # --- handing out --------------------------------------------------------------------------

    async def export(self, subject: str, *, by: str, address: str = "") -> Path:
        """Write all that is known about a person to a ZIP archive; the caller removes it.

        Raises:
            BadRequestData: ``subject`` is no id.
        """
        check_uri(subject, "the person")
        event = Event("export", by, "personExported", subjects=(subject,), address=address)
        await self._audit.record(event)
        with Archive.make(self._folder, subject) as archive:
            await archive.add("account", self._about_account(subject))
            await archive.add("consents", self._about_consents(subject))
            found: list[About] = []
            await archive.add("entities", self._about_state(subject, found))
            await archive.add("history", self._about_history(subject, found))
            await archive.add("reads", self._about_reads(subject))
            await archive.add("activity", self._about_activity(subject))
        return archive.file

    async def _about_account(self, subject: str) -> AsyncIterator[dict[str, Any]]:
        account = self._account(subject)
        if account is not None:
            yield account.shown()
            for session in self._identities.sessions.of(account.principal_id):
                yield {"session": session.shown()}
        for held in self.held:
            for one in await held.about(_account_id(subject)):
                yield one

    async def _about_consents(self, subject: str) -> AsyncIterator[dict[str, Any]]:
        for consent in await self.consents.of(subject):
            yield consent.shown(self.consents.now())

    async def _about_state(self, subject: str, found: list[About]) -> AsyncIterator[dict[str, Any]]:
        async for about in search(self._tenants(), self._marks(), subject):
            found.append(about)
            yield {"tenant": about.tenant.name, "entity": about.document}

    async def _about_history(
        self, subject: str, found: list[About]
    ) -> AsyncIterator[dict[str, Any]]:
        # The person's own past may be there although the entity is not any more.
        past: dict[tuple[str, str], set[str] | None] = {
            (t.name, subject): None for t in self._tenants()
        }
        for about in found:
            is_whole = about.is_person and not about.others
            names = None if is_whole else {*about.document} - {"id", "type"}
            past[about.tenant.name, about.entity.id] = names
        for (tenant, id), names in past.items():
            async for value in self._history.of(tenant, id, names):
                yield {"tenant": tenant, "id": id, **value}

    async def _about_reads(self, subject: str) -> AsyncIterator[dict[str, Any]]:
        before: int | None = None
        while found := await self.reads(subject, before, PAGE):
            for read in found:
                yield read.shown
            before = found[-1].sequence

    async def _about_activity(self, subject: str) -> AsyncIterator[dict[str, Any]]:
        account = self._account(subject)
        before: int | None = None
        while account is not None:
            wanted = Wanted(actor=account.principal_id, before=before)
            found = await self._audit.find(wanted, PAGE)
            for entry in found:
                said = entry.content()
                if said["kind"] in _OWN_KINDS and set(said.get("subjects", ())) <= {subject}:
                    yield {name: value for name, value in said.items() if name != "previous"}
            if not found:
                return
            before = found[-1].sequence

    # --- erasing ------------------------------------------------------------------------------

    async def erase(self, subject: str, reason: str, *, by: str, address: str = "") -> Erasure:
        """Erase what is known about a person, but for what a law keeps.

        Attributes go through the hub, so history and subscribers learn that they are gone. What
        fails is in the report, and erasing again goes on with it.

        Raises:
            BadRequestData: ``subject`` is no id, or the reason is too long.
        """
        check_uri(subject, "the person")
        if len(reason) > LONGEST_REASON:
            raise BadRequestData(f"the reason may have {LONGEST_REASON} characters at most")

        def event(action: DataDeed, detail: dict[str, Any]) -> Event:
            what = {"reason": reason} | detail
            return Event("erasure", by, action, subjects=(subject,), address=address, detail=what)

        async with self._erasing:
            await self._audit.record(event("erasureBegun", {}))
            report = Erasure(subject)
            found = [one async for one in search(self._tenants(), self._marks(), subject)]
            await self._erase_state(found, report)
            await self._erase_history(subject, found, report)
            report.consents, laws = await self.consents.erase(subject, by=by, address=address)
            report.kept += [{"what": "consents", "law": law} for law in laws]
            for held in self.held:
                report.removed += await held.erase(_account_id(subject))
            await self._erase_account(subject, by, report)
            await self._audit.record(event("erasureDone", report.figures()))
        return report

    async def _erase_state(self, found: list[About], report: Erasure) -> None:
        work: dict[Tenant, list[tuple[Operation, dict[str, Any]]]] = {}
        for about in found:
            plan = _plan(about)
            place = {"tenant": about.tenant.name, "id": about.entity.id}
            report.kept += [place | {"attribute": a, "law": law} for a, law in plan.kept.items()]
            report.shared += [place | {"attribute": name} for name in plan.shared]
            if plan.operation is not None:
                told = place | {"attributes": plan.going}
                work.setdefault(about.tenant, []).append((plan.operation, told))
        for tenant, operations in work.items():
            for first in range(0, len(operations), _AT_ONCE):
                await _write(tenant, operations[first : first + _AT_ONCE], report)

    async def _erase_history(self, subject: str, found: list[About], report: Erasure) -> None:
        going: dict[tuple[str, str], list[str] | None] = {
            (t.name, subject): None for t in self._tenants()
        }
        for about in found:
            plan = _plan(about)
            is_gone = isinstance(plan.operation, Delete)
            going[about.tenant.name, about.entity.id] = None if is_gone else plan.going
        for (tenant, id), names in going.items():
            try:
                report.history += await self._history.erase(tenant, id, names)
            except HeldBack as held:
                place = {"tenant": tenant, "id": id, "attribute": "history"}
                report.kept.append(place | {"law": str(held)})

    async def _erase_account(self, subject: str, by: str, report: Erasure) -> None:
        account = self._account(subject)
        if account is None:
            return
        try:
            await self._identities.people.remove(account, by)
            report.account = "removed"
        except NgsiError as error:  # the last administrator, say
            report.account = str(error)


def _account_id(subject: str) -> str:
    """Return the id of a person's account, which may be gone already; empty if there was none."""
    return subject.removeprefix(PERSON) if subject.startswith(PERSON) else ""


class _Plan(NamedTuple):
    operation: Operation | None
    going: list[str]
    kept: dict[str, str]
    shared: list[str]


def _plan(about: About) -> _Plan:
    """Return what is to be done to one entity."""
    kept: dict[str, str] = {}
    for name, marks in about.mine.items():
        laws = sorted({mark.keep for mark in marks if mark.keep})
        if laws:
            kept[name] = "; ".join(laws)
    shared = sorted(name for name in about.mine if name in about.others and name not in kept)
    staying = {*kept, *shared}
    id = about.entity.id
    if about.is_person:
        going = sorted(set(about.entity.document) - {"id", "type", "scope"} - staying)
        if not staying:
            return _Plan(Delete(id), going, kept, shared)
        operation = Keep(id, frozenset(staying), drop=False) if going else None
        return _Plan(operation, going, kept, shared)
    # The link to the person goes too, unless something stays of which it tells whose it is.
    links = {m.subject for marks in about.mine.values() for m in marks if m.subject}
    needed = {m.subject for name in staying for m in about.mine[name]}
    going = sorted({*about.mine, *links} - staying - needed)
    return _Plan(Keep(id, frozenset(going), drop=True) if going else None, going, kept, shared)


async def _write(
    tenant: Tenant, operations: list[tuple[Operation, dict[str, Any]]], report: Erasure
) -> None:
    results: list[Result] = await tenant.write([Own(operation) for operation, _ in operations])
    for result, (_, told) in zip(results, operations, strict=True):
        if isinstance(result, NgsiError):
            report.failed.append(told | {"why": str(result)})
        else:
            report.removed.append(told)
