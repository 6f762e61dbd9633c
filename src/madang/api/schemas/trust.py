"""Policies, marks, open data, the audit log, personal data."""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypeAliasType, TypedDict

from madang.api.schemas.shape import GONE, PAGE, Id, Moment, Object, Operation, shape
from madang.trust.events import EventKind, Outcome
from madang.trust.explain import Decision as Verdict
from madang.trust.marks import Sensitivity
from madang.trust.principal import Kind, Role
from madang.trust.purposes import Basis

Origin = Literal["madang", "city"]


@shape
class Policy(TypedDict):
    """One rule of a policy file."""

    id: str
    effect: str
    origin: Origin
    text: str
    """Cedar."""


@shape
class PolicyFile(TypedDict):
    """A policy file."""

    name: str
    origin: Origin
    text: str


@shape
class PolicyText(TypedDict):
    """A policy file in Cedar."""

    text: str


@shape
class Explanation(TypedDict):
    """A decision, and why it is so."""

    decision: Verdict
    sentence: str
    policies: list[Policy]
    hint: str


@shape
class PublicData(TypedDict):
    """A type that is open data in a tenant; null: all of it."""

    tenant: str
    type: str | None


@shape
class Publication(TypedDict):
    """A type to be made open data; null: the whole tenant."""

    type: str | None


@shape
class NewMark(TypedDict):
    """An attribute to be marked."""

    attribute: str
    types: list[str]
    sensitivity: NotRequired[Sensitivity]
    subject: NotRequired[str]
    keep: NotRequired[str]


@shape
class Mark(TypedDict):
    """An attribute that not everybody who sees the entity may see."""

    attribute: str
    types: list[str]
    sensitivity: Sensitivity
    subject: str
    keep: str
    origin: Origin


# --- the audit log --------------------------------------------------------------------------------


@shape
class AuditRecord(TypedDict):
    """A record; what it does not say is left out. With ``form=text``, the text that was hashed."""

    sequence: int
    hash: str
    time: NotRequired[str]
    previous: NotRequired[str]
    """Hash of the record before."""
    kind: NotRequired[EventKind]
    actor: NotRequired[str]
    action: NotRequired[str]
    outcome: NotRequired[Outcome]
    tenant: NotRequired[str]
    targets: NotRequired[list[str]]
    subjects: NotRequired[list[str]]
    purpose: NotRequired[str]
    address: NotRequired[str]
    detail: NotRequired[Object]
    text: NotRequired[str]


@shape
class AuditNext(TypedDict, total=False):
    """Parameters of the next page."""

    before: int
    first: int


@shape
class AuditPage(TypedDict):
    """Records, and how to go on."""

    records: list[AuditRecord]
    next: NotRequired[AuditNext]


@shape
class AuditProof(TypedDict):
    """A record with the proof that it is in the log (RFC 9162); hashes in hexadecimal."""

    record: str
    hash: str
    head: str
    """A C2SP checkpoint."""
    proof: list[str]


@shape
class AuditConsistency(TypedDict):
    """Proof that the log begins as it did at an older head."""

    head: str
    proof: list[str]


Checkpoint = TypeAliasType("Checkpoint", str)
"""A signed note (C2SP)."""

# --- personal data --------------------------------------------------------------------------------


@shape
class Read(TypedDict):
    """Who read what about a person, and why."""

    time: str
    by: str
    name: str | None
    kind: Kind | None
    action: str
    purpose: str
    purposeName: dict[str, str] | None
    tenant: str
    entities: list[Id]
    attributes: list[str]


@shape
class ReadsNext(TypedDict):
    """Parameters of the next page."""

    before: int


@shape
class Reads(TypedDict):
    """Reads, the newest first."""

    reads: list[Read]
    next: NotRequired[ReadsNext]


@shape
class Consent(TypedDict):
    """What a person has agreed to."""

    purpose: str
    attributes: list[str]
    """None: all that is personal."""
    types: list[str]
    until: Moment | None
    inForce: bool
    givenAt: Moment
    how: Literal["self", "staff"]
    by: str
    evidence: NotRequired[str]
    withdrawnAt: NotRequired[Moment]
    withdrawnBy: NotRequired[str]


@shape
class Purpose(TypedDict):
    """What personal data may be read for."""

    id: str
    basis: Basis
    law: NotRequired[dict[str, str]]
    name: NotRequired[dict[str, str]]
    text: NotRequired[dict[str, str]]
    keep: NotRequired[str]
    origin: NotRequired[Origin]
    """In the catalogue."""


@shape
class Consents(TypedDict):
    """Consents of a person, and what can be agreed to."""

    consents: list[Consent]
    purposes: list[Purpose]


@shape
class NewConsent(TypedDict, total=False):
    """To what one agrees; an empty object is all that is personal."""

    attributes: list[str]
    types: list[str]
    until: Moment | None


@shape
class ConsentTaken(NewConsent):
    """As for oneself, with where the person's own word is."""

    evidence: str


@shape
class Erase(TypedDict):
    """One's own data and account are to be gone."""

    confirm: Literal["erase"]


@shape
class EraseOf(TypedDict):
    """Why a person's data is to be gone."""

    reason: str


@shape
class Erasure(TypedDict):
    """What was removed, and what was not, and why."""

    subject: Id
    removed: list[Object]
    kept: list[Object]
    shared: list[Object]
    failed: list[Object]
    history: int
    consents: int
    account: str


@shape
class Purposes(TypedDict):
    """All purposes."""

    purposes: list[Purpose]


@shape
class NewPurpose(TypedDict, total=False):
    """A purpose of the city's own."""

    basis: Basis
    law: dict[str, str]
    name: dict[str, str]
    text: dict[str, str]
    keep: str


_AUDIT: Final[dict[str, Any]] = {
    **dict.fromkeys(("actor", "kind", "action", "target", "subject", "tenant"), str),
    **dict.fromkeys(("since", "until"), Moment),
    **dict.fromkeys(("before", "first", "limit"), int),
    "form": Literal["json", "text"],
}
_EXPLAINED: Final = {"who": str, "action": str, "what": str, "purpose": str}
_READS: Final = {"before": int, "limit": int}
_PERSON: Final = "/trust/persons/{id}"
OPERATIONS: Final = {
    "GET /trust/policies": Operation(list[Policy], PAGE),
    "GET /trust/policies/{name}": Operation(PolicyFile),
    "PUT /trust/policies/{name}": Operation(body=PolicyText, status=(201, 204)),
    "DELETE /trust/policies/{name}": GONE,
    "GET /trust/explanation": Operation(Explanation, _EXPLAINED, frozenset({"who", "action"})),
    "GET /trust/roles": Operation(dict[Role, dict[str, Verdict]]),
    "GET /trust/public": Operation(list[PublicData], PAGE),
    "POST /trust/public": Operation(body=Publication, status=(204,)),
    "DELETE /trust/public": Operation(None, {"type": str}, status=(204,)),
    "GET /trust/marks": Operation(list[Mark], PAGE),
    "POST /trust/marks": Operation(body=NewMark, status=(204,)),
    "DELETE /trust/marks": Operation(
        None, {"attribute": str, "types": str}, frozenset({"attribute", "types"}), status=(204,)
    ),
    "GET /trust/audit": Operation(AuditPage, _AUDIT),
    "GET /trust/audit/checkpoint": Operation(Checkpoint, media="text/plain"),
    "GET /trust/audit/consistency": Operation(AuditConsistency, {"old": int}, frozenset({"old"})),
    "GET /trust/audit/{sequence}/proof": Operation(AuditProof),
    "GET /me/reads": Operation(Reads, _READS),
    "GET /me/consents": Operation(Consents),
    "PUT /me/consents/{purpose}": Operation(Consent, body=NewConsent),
    "DELETE /me/consents/{purpose}": GONE,
    "GET /me/export": Operation(media="application/zip"),
    "POST /me/erasure": Operation(Erasure, body=Erase),
    f"GET {_PERSON}/reads": Operation(Reads, _READS),
    f"GET {_PERSON}/consents": Operation(Consents),
    f"PUT {_PERSON}/consents/{{purpose}}": Operation(Consent, body=ConsentTaken),
    f"DELETE {_PERSON}/consents/{{purpose}}": GONE,
    f"GET {_PERSON}/export": Operation(media="application/zip"),
    f"POST {_PERSON}/erasure": Operation(Erasure, body=EraseOf),
    "GET /trust/purposes": Operation(Purposes),
    "PUT /trust/purposes/{purpose}": Operation(Purpose, body=NewPurpose),
    "DELETE /trust/purposes/{purpose}": GONE,
}
