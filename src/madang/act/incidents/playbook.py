"""Playbooks: what is done when something of a kind happens, written as TOML. Pure.

A playbook says which incidents it is for, whom to tell, whom else if nobody acknowledges, and the
steps, in English and Korean, each perhaps with a clock and with something to find out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madang.act.incidents.incident import Escalation, Incident, Step, later, rank
from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.services.records import Severity

PLAYBOOK = "Playbook"
LONGEST = 64 * 1024  # bytes of a playbook
NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
_WEEK_MINUTES = 7 * 24 * 60

Contact = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
"""Name of a person, a group or a rota."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Part):
    """A text in both languages."""

    en: str = Field(min_length=1, max_length=500)
    ko: str = Field(min_length=1, max_length=500)


class Ask(_Part):
    """What is to be found out in a step."""

    question: Words
    kind: Literal["text", "number", "choice", "yesNo"] = "text"
    unit: str = Field("", max_length=20)
    min: float | None = None
    max: float | None = None
    choices: dict[Annotated[str, Field(pattern=NAME)], Words] = Field({}, max_length=20)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError('choices belong to kind = "choice", which needs them')
        if self.kind != "number" and (self.min, self.max, self.unit) != (None, None, ""):
            raise ValueError('min, max and unit belong to kind = "number"')
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} lies above max {self.max:g}; swap them")
        return self


class PlannedStep(_Part):
    """One step."""

    name: str = Field(pattern=NAME)
    title: Words
    text: Words | None = None
    due_minutes: float | None = Field(None, gt=0, le=_WEEK_MINUTES)
    """From when the incident began."""
    ask: Ask | None = None


class Escalate(_Part):
    """Whom to tell if nobody has acknowledged the incident by then."""

    after_minutes: float = Field(gt=0, le=_WEEK_MINUTES)
    to: Contact


class Playbook(_Part):
    """One playbook."""

    title: Words
    applies_to: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field([], max_length=50)
    """Categories or kinds of alerts; none is every one that no other playbook is for."""
    from_severity: Severity = "informational"
    notify: list[Contact] = Field([], max_length=20)
    escalate: list[Escalate] = Field([], max_length=10)
    steps: list[PlannedStep] = Field([], max_length=50)
    public: bool = False
    """Whether its incidents are on the public page at once, under the title of the playbook."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        times = [one.after_minutes for one in self.escalate]
        if times != sorted(times):
            raise ValueError("escalate must be in the order of after_minutes")
        names = [one.name for one in self.steps]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            raise ValueError(f"two steps are named {double!r}; names tell steps apart")
        return self

    @property
    def contacts(self) -> list[str]:
        """Return all whom it names, each once."""
        return list(dict.fromkeys([*self.notify, *(one.to for one in self.escalate)]))

    def begin(self, incident: Incident, name: str) -> None:
        """Put what the playbook says into an incident that begins."""
        start = incident["started"]
        incident["playbook"], incident["notify"] = name, list(self.notify)
        incident["public"] = self.public
        if self.public:
            incident["public_title"] = self.title.model_dump()
        incident["escalations"] = [
            escalation(start, one.after_minutes, one.to) for one in self.escalate
        ]
        incident["steps"] = [_step(one, start) for one in self.steps]


def escalation(start: str, after_minutes: float, to: str) -> Escalation:
    """Return whom to tell so long after a start."""
    after_s = after_minutes * 60
    return Escalation(at=later(start, after_s), to=to, after_s=after_s, done=False)


def _step(planned: PlannedStep, start: str) -> Step:
    due = None if planned.due_minutes is None else later(start, planned.due_minutes * 60)
    return Step(
        name=planned.name,
        title=planned.title.model_dump(),
        text=None if planned.text is None else planned.text.model_dump(),
        ask=None if planned.ask is None else planned.ask.model_dump(exclude_none=True),
        due=due,
        overdue=False,
        done=None,
        by="",
        value=None,
    )


@lru_cache(maxsize=512)
def parse(text: str) -> Playbook:
    """Return a playbook.

    Raises:
        BadRequestData: it is none, with the place and what was expected.
    """
    if len(text.encode()) > LONGEST:
        raise BadRequestData(f"a playbook has at most {LONGEST:,} bytes")
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadRequestData(f"the playbook is no TOML: {error}") from None
    try:
        return Playbook.model_validate(content)
    except ValidationError as error:
        raise BadRequestData("; ".join(_faults(error))) from None


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors()[:5]:
        place = ".".join(str(part) for part in fault["loc"]) or "the playbook"
        yield f"{place}: {fault['msg'].removeprefix('Value error, ')}"


def chosen(
    playbooks: Iterable[tuple[str, Playbook]], incident: Incident
) -> tuple[str, Playbook] | None:
    """Return the playbook for an incident, with its name: the one that is most about it.

    A kind counts more than a category, a category more than none, and a higher severity more than
    a lower one; after that comes the order of names.
    """
    best: tuple[tuple[int, int], str, Playbook] | None = None
    for name, one in sorted(playbooks, key=lambda pair: pair[0]):
        fit = _fit(one, incident)
        if fit is not None and (best is None or fit > best[0]):
            best = fit, name, one
    return None if best is None else (best[1], best[2])


def _fit(one: Playbook, incident: Incident) -> tuple[int, int] | None:
    severity = rank(one.from_severity)
    if severity > rank(incident["severity"]):
        return None
    if not one.applies_to:
        return 0, severity
    if incident["kind"] in one.applies_to:
        return 2, severity
    return (1, severity) if incident["category"] in one.applies_to else None


def answer(step: Step, value: Any) -> Any:
    """Return what was found out in a step, if it is what the step asks for.

    Raises:
        BadRequestData: it is not.
    """
    ask = step["ask"]
    if ask is None:
        if value is not None:
            raise BadRequestData(f"the step {step['name']} asks for no value; leave it out")
        return None
    expected, name = ask["kind"], f"the step {step['name']} asks for"
    if expected == "yesNo" and not isinstance(value, bool):
        raise BadRequestData(f"{name} true or false, not {shown(value)}")
    if expected == "number":
        least, most = ask.get("min"), ask.get("max")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequestData(f"{name} a number, not {shown(value)}")
        if (least is not None and value < least) or (most is not None and value > most):
            bounds = " to ".join("any" if one is None else f"{one:g}" for one in (least, most))
            raise BadRequestData(f"{name} a number from {bounds}, not {value:g}")
    if expected == "choice" and (not isinstance(value, str) or value not in ask["choices"]):
        raise BadRequestData(f"{name} one of {', '.join(ask['choices'])}, not {shown(value)}")
    if expected == "text" and (not isinstance(value, str) or not value.strip()):
        raise BadRequestData(f"{name} a text")
    return value
