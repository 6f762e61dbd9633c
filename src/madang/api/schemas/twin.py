"""The twin: branches, trials of policies and what came of them."""

from __future__ import annotations

from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import GONE, PAGE, Moment, Object, Operation, Words, shape
from madang.twin.branch.indicators import Verdict

Interval = tuple[float, float]


@shape
class TwinCity(TypedDict):
    """The road network that policies are tried on."""

    name: str
    zone: str
    """Time zone."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north. [degree]"""
    source: str
    counts: dict[str, int]


@shape
class TwinLimits(TypedDict):
    """Of one trial."""

    leastHours: float
    hours: float
    seeds: int
    policies: int
    runs: int
    """Simulations: policies and the city as it is, times seeds."""


@shape
class PolicyTemplate(TypedDict):
    """A policy to begin with."""

    name: str
    text: str


@shape
class Twin(TypedDict):
    """What policies are tried on; without a city, why there is none."""

    city: TwinCity | None
    missing: str
    limits: TwinLimits
    templates: list[PolicyTemplate]


@shape
class PolicyText(TypedDict):
    """A policy in TOML."""

    text: str


@shape
class PolicyRead(TypedDict):
    """What a policy says."""

    title: str
    measures: list[str]
    policy: Object


@shape
class TrialStart(TypedDict):
    """What a trial begins from."""

    kind: Literal["now", "past", "usual"]
    at: Moment | None
    time: str
    """Of the day, by the clock of the city."""
    vehicles: int
    """Whose places are known."""
    counts: int
    """Places that are counted at."""
    control: str
    """Of most signals."""


@shape
class NewBranch(TypedDict):
    """A name, and an instant of the past; without one, now."""

    name: str
    at: NotRequired[Moment]


@shape
class Branch(TypedDict):
    """The city at an instant."""

    name: str
    by: str
    at: Moment
    start: TrialStart


@shape
class NewTrial(TypedDict):
    """Policies in TOML, what they are compared with, and one of ``at``, ``time`` and ``branch``."""

    policies: list[str]
    against: NotRequired[str]
    hours: NotRequired[float]
    seeds: NotRequired[int]
    at: NotRequired[Moment]
    time: NotRequired[str]
    branch: NotRequired[str]


@shape
class TrialPolicy(TypedDict):
    """A policy of a trial; the first is what the others are compared with."""

    title: str
    measures: list[str]
    text: str


@shape
class TrialDecision(TypedDict):
    """What somebody has decided on a trial."""

    adopted: bool
    policy: int
    """Its number, from 1 on; 0: none."""
    by: str
    at: Moment
    reason: str
    record: str
    """Id of the decision."""
    done: Words
    """What was done about it in the city, and what is left to do."""


@shape
class Trial(TypedDict):
    """Policies that are tried: how far it is. ``progress`` is 0 to 1."""

    id: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    at: Moment
    by: str
    start: TrialStart
    hours: float
    seeds: int
    policies: list[TrialPolicy]
    progress: float
    runs: int
    runsEnded: int
    seconds: float
    error: str
    decision: TrialDecision | None
    people: NotRequired[dict[str, str]]
    """Names of those who are in it, by their ids."""


@shape
class TrialNow(TypedDict):
    """An indicator of the city as it is; a value a seed."""

    values: list[float]
    mean: float


@shape
class TrialDifference(TrialNow):
    """An indicator under a policy, and how it differs."""

    difference: float
    interval: Interval | None
    """95 % confidence interval of the difference; null with a single seed."""
    percent: float | None
    verdict: Verdict


@shape
class TrialIndicator(TypedDict):
    """A figure by which policies are compared."""

    name: str
    title: Words
    unit: str
    """UN/CEFACT code."""
    better: Literal["higher", "lower"]
    now: TrialNow
    policies: list[TrialDifference]


@shape
class TrialResult(TypedDict):
    """What came of a trial."""

    indicators: list[TrialIndicator]
    trips: list[list[int]]
    """By policy and seed: how many were due."""
    stranded: list[list[int]]
    """By policy and seed: trips without a way."""
    timesRealTime: float


@shape
class TrialDetail(Trial):
    """A trial with its result, once it is there."""

    result: TrialResult | None


@shape
class NewTrialDecision(TypedDict):
    """Adopt the policy of a number (the first is 1), or drop all."""

    adopt: bool
    policy: NotRequired[int]
    reason: NotRequired[str]


_ONE: Final = "/twin/trials/{trial}"
OPERATIONS: Final = {
    "GET /twin": Operation(Twin),
    "POST /twin/policies/check": Operation(PolicyRead, body=PolicyText),
    "GET /twin/branches": Operation(list[Branch], PAGE),
    "POST /twin/branches": Operation(Branch, body=NewBranch, status=(201,)),
    "DELETE /twin/branches/{branch}": GONE,
    "GET /twin/trials": Operation(list[Trial], PAGE),
    "POST /twin/trials": Operation(Trial, body=NewTrial, status=(201,)),
    f"GET {_ONE}": Operation(TrialDetail),
    f"GET {_ONE}/streets": Operation(Object, {"policy": int}, media="application/geo+json"),
    f"POST {_ONE}/cancel": Operation(Trial),
    f"POST {_ONE}/decision": Operation(TrialDecision, body=NewTrialDecision),
    f"DELETE {_ONE}": GONE,
}
