"""Rules without code, and trials of them."""

from __future__ import annotations

from typing import Any, Final, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.services import ServiceState
from madang.api.schemas.shape import GONE, LINES, PAGE, Id, Moment, Object, Operation, Words, shape


@shape
class Rule(TypedDict):
    """A rule in short."""

    name: str
    title: Words
    about: Words
    does: list[str]
    state: ServiceState
    holds: int
    """Of how many entities it holds now."""
    fired: int
    lastFired: Moment | None
    isFull: bool


@shape
class RuleHolds(TypedDict):
    """Where a rule holds now."""

    entity: Id | None
    since: Moment
    value: Any


@shape
class Firing(TypedDict):
    """When a rule began to hold."""

    at: Moment
    entity: Id | None
    value: str
    ended: Moment | None


@shape
class RuleDetail(Rule):
    """A rule with its last firings."""

    rule: Object
    on: list[RuleHolds]
    firings: list[Firing]


@shape
class RulesPut(TypedDict):
    """Which rules were taken, and how their service goes."""

    rules: list[str]
    state: ServiceState


@shape
class RuleProblem(TypedDict):
    """What is wrong with a rule, or looks so."""

    rule: str
    field: str
    line: int | None
    message: str


@shape
class RuleCheck(TypedDict):
    """What is wrong with rules."""

    errors: list[RuleProblem]
    warnings: list[RuleProblem]
    rules: NotRequired[dict[str, Object]]
    """As they are read, right or wrong; of TOML only."""


@shape
class NewRuleTrial(TypedDict, total=False):
    """A rule, or the name of one that is kept; the last month if no times are given."""

    name: str
    rule: Object
    since: Moment
    until: Moment


@shape
class TriedFiring(TypedDict):
    """When a rule would have begun to hold."""

    at: Moment
    entity: Id | None
    value: Any
    shown: str
    ended: Moment | None
    seconds: float | None


@shape
class FiredOnDay(TypedDict):
    """How often in a day."""

    day: str
    fired: int


@shape
class FiredFor(TypedDict):
    """How often for an entity."""

    entity: Id | None
    fired: int


_RuleTrial = TypedDict(
    "_RuleTrial",
    {
        "from": Moment,
        "to": Moment,
        "timeZone": str,
        "about": Words,
        "does": list[str],
        "entities": int,
        "values": int,
        "fired": int,
        "aDay": float,
        "stillOn": int,
        "meanSeconds": float | None,
        "perDay": list[FiredOnDay],
        "perHour": list[int],
        "most": list[FiredFor],
        "firings": list[TriedFiring],
        "seconds": float,
    },
)


@shape
class RuleTrial(_RuleTrial):
    """When a rule would have fired."""


@shape
class RuleTrialLine(TypedDict, total=False):
    """A line of the answer: how far it is (0 to 1), and at last the result or why there is none."""

    progress: float
    result: RuleTrial
    failed: str


OPERATIONS: Final = {
    "GET /rules": Operation(list[Rule], PAGE),
    "PUT /rules": Operation(RulesPut, body=dict[str, Object]),
    "GET /rules/schema": Operation(Object, media="application/schema+json"),
    "POST /rules/check": Operation(RuleCheck, body=dict[str, Object]),
    "POST /rules/try": Operation(RuleTrialLine, body=NewRuleTrial, media=LINES),
    "GET /rules/{rule}": Operation(RuleDetail),
    "DELETE /rules/{rule}": GONE,
}
