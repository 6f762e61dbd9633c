"""Incidents and playbooks."""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import (
    GONE,
    PAGE,
    Geometry,
    Id,
    Moment,
    Operation,
    Words,
    shape,
)

Severity = Literal["informational", "low", "medium", "high", "critical"]
Status = Literal["open", "acknowledged", "resolved", "closed"]
Said = str | Words
"""A text in both languages, or one for both."""


@shape
class Incident(TypedDict):
    """An incident in short."""

    id: Id
    number: str
    status: Status
    severity: Severity
    category: str
    kind: str
    """What it is within the category; the category again if that is all that is known."""
    title: Words
    text: Words | None
    owner: str
    """Name of who sees to it; empty: nobody yet."""
    reports: int
    """Alerts that told of it."""
    location: Geometry | None
    area: Said
    public: bool
    startedAt: Moment
    acknowledgedAt: Moment | None
    resolvedAt: Moment | None
    endedAt: Moment | None
    mergedInto: str | None
    """Number of the incident that it has become a part of."""


@shape
class Ask(TypedDict):
    """What is to be found out in a step."""

    question: Words
    kind: Literal["text", "number", "choice", "yesNo"]
    unit: str
    choices: dict[str, Words]
    min: NotRequired[float]
    max: NotRequired[float]


@shape
class PlaybookStep(TypedDict):
    """A step of the playbook, in one incident."""

    name: str
    title: Words
    text: Words | None
    ask: Ask | None
    due: Moment | None
    overdue: bool
    done: Moment | None
    by: str
    value: bool | float | str | None


@shape
class IncidentEscalation(TypedDict):
    """Whom to tell if nobody has acknowledged by then."""

    at: Moment
    to: str
    after_s: float
    done: bool


@shape
class TimelineEntry(TypedDict):
    """One thing that happened; members that say nothing are left out."""

    at: Moment
    what: str
    by: NotRequired[str]
    person: NotRequired[str]
    to: NotRequired[str]
    text: NotRequired[Words]
    alert: NotRequired[str]
    source: NotRequired[str]
    severity: NotRequired[Severity]
    before: NotRequired[Severity]
    now: NotRequired[Severity]
    step: NotRequired[str]
    value: NotRequired[bool | float | str]
    public: NotRequired[bool]
    persons: NotRequired[list[str]]
    """Names of those who were reached."""
    agency: NotRequired[str]
    state: NotRequired[str]
    reference: NotRequired[str]
    reason: NotRequired[str]
    """Why somebody could not be told."""
    other: NotRequired[str]
    """Number of the other incident of a merge or a split."""


_HandOver = TypedDict("_HandOver", {"at": Moment, "from": str, "to": str, "text": Words})


@shape
class HandOver(_HandOver):
    """Who gave it to whom, with what they must know."""


@shape
class AgencyState(TypedDict):
    """How far an agency is that was asked to help."""

    state: Literal["asked", "sent", "accepted", "refused", "dispatched", "arrived", "done"]
    at: Moment
    reference: NotRequired[str]


@shape
class IncidentWhole(Incident):
    """An incident with all that happened."""

    publicTitle: Words | None
    """What everybody is shown if not the title."""
    alerts: list[Id]
    refersTo: list[Id]
    playbook: str
    steps: list[PlaybookStep]
    escalations: list[IncidentEscalation]
    agencies: dict[str, AgencyState]
    handOver: list[HandOver]
    timeline: list[TimelineEntry]


@shape
class Nearby(TypedDict):
    """An entity near an incident."""

    id: Id
    type: str
    name: Any
    location: Geometry | None


@shape
class IncidentDetail(IncidentWhole):
    """An incident with all that happened, and what is near it."""

    nearby: list[Nearby]


@shape
class SecondsTo(TypedDict):
    """How long things took. [s]"""

    acknowledge: float | None
    resolve: float | None
    close: float | None


@shape
class Delivery(TypedDict):
    """One attempt to tell one person."""

    person: str | None
    channel: str | None
    at: Moment | None
    ok: bool | None
    error: str | None


@shape
class Notice(TypedDict):
    """What somebody was told, and whether it reached them."""

    id: Id
    to: str
    title: Any
    urgent: bool
    status: str
    deliveries: list[Delivery]


@shape
class IncidentReport(IncidentWhole):
    """The after-action report."""

    secondsTo: SecondsTo
    stepsDone: int
    stepsLate: int
    escalated: int
    notices: list[Notice]


@shape
class IncidentOpening(TypedDict):
    """An incident that no alert told of."""

    title: Said
    text: NotRequired[Said]
    category: NotRequired[str]
    severity: NotRequired[Severity]
    location: NotRequired[Geometry]
    area: NotRequired[Said]
    alerts: NotRequired[list[Id]]
    """Those that it is made of, if they belong to no other incident."""


@shape
class IncidentChange(TypedDict, total=False):
    """What is done to an incident; at least one member."""

    status: Literal["acknowledged", "resolved", "closed"]
    owner: str
    """``me`` is who asks."""
    severity: Severity
    title: Said
    public: bool
    handOver: str
    text: Said
    """Goes with ``handOver``, ``resolved`` and ``closed``."""


@shape
class IncidentNote(TypedDict):
    """A note in the timeline."""

    text: Said
    public: NotRequired[bool]


@shape
class StepDone(TypedDict, total=False):
    """What was found out in a step; ``done`` false takes it back."""

    value: bool | float | str | None
    done: bool


@shape
class IncidentCall(TypedDict):
    """Name of a contact who is to be told."""

    to: str


@shape
class IncidentMerge(TypedDict):
    """Number or id of the incident that becomes a part of this one."""

    incident: str
    text: NotRequired[Said]


@shape
class IncidentSplit(TypedDict):
    """Alerts that become an incident of their own."""

    alerts: list[Id]
    title: NotRequired[Said]


@shape
class AgencyAnswer(TypedDict):
    """What an agency answers; the header Madang-Signature signs it."""

    state: Literal["accepted", "refused", "dispatched", "arrived", "done"]
    reference: NotRequired[str]
    text: NotRequired[Said]


@shape
class PublicEntry(TypedDict):
    """What everybody may know of what happened."""

    at: Moment
    what: str
    text: Words | None
    now: Severity | None


@shape
class PublicIncident(TypedDict):
    """What everybody may know of an incident."""

    number: str
    title: Words
    category: str
    severity: Severity
    status: Status
    area: Said
    started: Moment
    ended: str
    """Empty: it goes on."""
    entries: list[PublicEntry]


# --- playbooks ------------------------------------------------------------------------------------


@shape
class PlannedStep(TypedDict):
    """A step as a playbook has it."""

    name: str
    title: Words
    text: NotRequired[Words]
    due_minutes: NotRequired[float]
    ask: NotRequired[Ask]


@shape
class PlannedEscalation(TypedDict):
    """Who is told after so long without an answer."""

    after_minutes: float
    to: str


@shape
class Playbook(TypedDict):
    """A playbook in short. One that this version cannot read has only a title and its fault."""

    name: str
    title: Words
    appliesTo: NotRequired[list[str]]
    fromSeverity: NotRequired[Severity]
    notify: NotRequired[list[str]]
    steps: NotRequired[int]
    public: NotRequired[bool]
    fault: NotRequired[str]


@shape
class PlaybookDetail(Playbook):
    """A playbook with its file, and what the file says."""

    text: str
    """TOML."""
    plan: NotRequired[list[PlannedStep]]
    escalate: NotRequired[list[PlannedEscalation]]


@shape
class PlaybookKept(Playbook):
    """A playbook that is kept, or with ``check`` what a text says."""

    plan: NotRequired[list[PlannedStep]]
    escalate: NotRequired[list[PlannedEscalation]]


@shape
class PlaybookText(TypedDict):
    """A playbook as TOML; with ``check`` it is looked at and not kept."""

    text: str
    check: NotRequired[bool]


_ONE: Final = "/incidents/{incident}"
OPERATIONS: Final = {
    "GET /incidents": Operation(list[Incident], {"status": str, **PAGE}),
    "POST /incidents": Operation(IncidentWhole, body=IncidentOpening, status=(201, 202)),
    f"GET {_ONE}": Operation(IncidentDetail),
    f"PATCH {_ONE}": Operation(IncidentWhole, body=IncidentChange, status=(200, 202)),
    f"POST {_ONE}/notes": Operation(IncidentWhole, body=IncidentNote, status=(201, 202)),
    f"POST {_ONE}/steps/{{step}}": Operation(IncidentWhole, body=StepDone, status=(200, 202)),
    f"POST {_ONE}/calls": Operation(IncidentWhole, body=IncidentCall, status=(201, 202)),
    f"POST {_ONE}/merges": Operation(IncidentWhole, body=IncidentMerge, status=(201, 202)),
    f"POST {_ONE}/splits": Operation(IncidentWhole, body=IncidentSplit, status=(201, 202)),
    f"POST {_ONE}/agencies/{{agency}}": Operation(
        IncidentWhole, body=AgencyAnswer, status=(200, 202)
    ),
    f"GET {_ONE}/cap": Operation(media="application/cap+xml"),
    f"GET {_ONE}/report": Operation(IncidentReport),
    "GET /city/incidents": Operation(list[PublicIncident], {"offset": int}),
    "GET /city/incidents/{incident}": Operation(PublicIncident),
    "GET /playbooks": Operation(list[Playbook], PAGE),
    "GET /playbooks/{name}": Operation(PlaybookDetail),
    "PUT /playbooks/{name}": Operation(PlaybookKept, body=PlaybookText, status=(200, 201)),
    "DELETE /playbooks/{name}": GONE,
}
