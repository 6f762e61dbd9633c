"""Adopting or dropping a policy that was tried: the decision on record, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from madang import __version__
from madang.hub.operations import Upsert
from madang.hub.records import Own
from madang.model import time
from madang.model.context import CORE
from madang.model.errors import Conflict, NgsiError, ResourceNotFound
from madang.model.normalize import entity as normalized
from madang.services import records
from madang.services.records import DECISION
from madang.services.service import Text
from madang.twin.branch.policy import Policy, body, read

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.services.services import Services
    from madang.twin.branch.trial import Trial

BY: Final = "twin"
SIGNALS: Final = "signals"
"""The service that controls signals by thinking ahead."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody decides on a trial."""

    policy: int
    """Number of the policy, from 1 on; 0 if all are dropped."""
    reason: str
    by: str


async def decide(
    trial: Trial, verdict: Verdict, tenant: Tenant, services: Services, now: int
) -> dict[str, Any]:
    """Record a decision on a trial, and do what follows from it; return it as JSON.

    Args:
        trial: that is done.
        verdict: what is decided.
        tenant: whose city it is.
        services: who control what policies speak of.
        now: the time. [us since 1970]

    Raises:
        Conflict: the trial is not done, or has been decided on.
        ResourceNotFound: there is no such policy.
    """
    found = trial.result
    if found is None:
        raise Conflict(
            f"the trial {trial.id} is {trial.state}; only one that is done is decided on"
        )
    if trial.decision is not None:
        raise Conflict(f"this trial has been decided on already, by {trial.decision['by']}")
    if not 0 <= verdict.policy < len(trial.asked.policies):
        raise ResourceNotFound(
            f"the trial has no policy {verdict.policy}; they are numbered from 1 to"
            f" {len(trial.asked.policies) - 1}"
        )
    policy = read(trial.asked.policies[verdict.policy or 1])
    done = await _follow(policy, tenant.name, services) if verdict.policy else _DROPPED
    id = f"urn:ngsi-ld:{DECISION}:{BY}:{trial.id}"
    await _record(tenant, id, trial, policy, verdict, found, done, now)
    trial.decision = {
        "adopted": verdict.policy > 0,
        "policy": verdict.policy,
        "by": verdict.by,
        "at": time.render(now),
        "reason": verdict.reason,
        "record": id,
        "done": {"en": done.en, "ko": done.ko},
    }
    trial.save()
    return trial.decision


_DROPPED: Final = Text("Nothing in the city changes.", "도시에서 바뀌는 것은 없습니다.")


async def _follow(policy: Policy, tenant: str, services: Services) -> Text:
    """Ask for what a policy wants where the city can do it; return what was done, plainly."""
    english, korean = [], []
    control = policy.control
    if control is not None:
        wants = control == "cognitive"
        if control in ("cognitive", "fixed") and SIGNALS in services.catalogue:
            await services.switch(tenant, SIGNALS, wants)
            state = ("on", "켰습니다") if wants else ("off", "껐습니다")
            english.append(f"The service {SIGNALS} was switched {state[0]}.")
            korean.append(f"{SIGNALS} 서비스를 {state[1]}.")
        else:
            english.append(
                f"Signal control {control} is on record only: no service here controls signals that"
                " way, so cabinets must be set by hand."
            )
            korean.append(
                f"신호 제어 방식 {control} 은(는) 기록만 했습니다. 이 방식으로 제어하는 서비스가"
                " 없으므로 제어기를 직접 설정해야 합니다."
            )
    if others := [one for one in policy.measures if not one.startswith("signals")]:
        english.append(f"On record only, and to be carried out on the street: {', '.join(others)}.")
        korean.append(f"기록만 했으며 현장에서 시행해야 합니다: {', '.join(others)}.")
    return Text(" ".join(english), " ".join(korean))


async def _record(
    tenant: Tenant,
    id: str,
    trial: Trial,
    policy: Policy,
    verdict: Verdict,
    found: Mapping[str, Any],
    done: Text,
    now: int,
) -> None:
    """Write the decision, as services write theirs.

    Raises:
        NgsiError: it could not be written.
    """
    told = _expected(found["indicators"], max(verdict.policy, 1) - 1)
    adopted = ("Adopted", "채택") if verdict.policy else ("Dropped", "폐기")
    what = Text(
        f"{adopted[0]} by {verdict.by}: {policy.title}. {done.en} {verdict.reason}".strip(),
        f"{policy.title} {adopted[1]} ({verdict.by}). {done.ko} {verdict.reason}".strip(),
    )
    attributes = records.decision(
        what,
        f"{BY} {__version__}",
        {"trial": trial.id, "policy": body(policy), "hours": trial.asked.hours,
         "seeds": trial.asked.seeds, "start": trial.start},
        [],
        told,
        {},
    )  # fmt: skip
    attributes["decidedBy"] = verdict.by
    for name, value in attributes.items():
        if isinstance(value, str):
            attributes[name] = {"type": "Property", "value": value}
    attributes["description"]["observedAt"] = time.render(now)
    whole = {"id": id, "type": DECISION, **attributes}
    (result,) = await tenant.write([Own(Upsert(id, normalized(whole, CORE)))])
    if isinstance(result, NgsiError):
        raise result


def _expected(indicators: Sequence[Mapping[str, Any]], policy: int) -> dict[str, Any]:
    """Return the differences that a policy clearly makes."""
    found = {one["name"]: one["policies"][policy] for one in indicators}
    return {name: one["difference"] for name, one in found.items() if one["verdict"] != "unclear"}
