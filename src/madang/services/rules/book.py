"""The rules of a tenant: put, removed, looked at, checked against what is known, and tried."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from madang.model import time
from madang.model.errors import BadRequestData, Overloaded, ResourceNotFound
from madang.services.rules import text as rule_text
from madang.services.rules.read import Problem, Reading, read
from madang.services.rules.rule import DOES, Rule
from madang.services.rules.service import NAME, RuleSettings
from madang.services.rules.trial import MOST, USUAL, Trial

if TYPE_CHECKING:
    from madang.hub.feed import Record
    from madang.lake.questions import Kind
    from madang.services.services import Services
    from madang.services.working import Working

MOST_TRIALS: Final = 4  # that wait or are under way
_TOLD: Final = 5  # problems that one answer names
_NUMBERS: Final = ("above", "below", "rises", "falls", "changes")

Specs = Mapping[str, Any]


class RuleBook:
    """The rules of all tenants.

    Args:
        services: among them that which does what rules say.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._changing = asyncio.Lock()
        self._turn = asyncio.Lock()  # one trial at a time
        self._trials = 0

    async def list(self, tenant: str) -> list[dict[str, Any]]:
        """Return all rules in short, by name."""
        working, specs = await self._specs(tenant)
        kept = (await working.kept()).get("rules", {})
        rules = read(specs).rules
        return [_shown(name, rules[name], kept.get(name, {}), working) for name in sorted(rules)]

    async def show(self, tenant: str, name: str) -> dict[str, Any]:
        """Return a rule with its last firings.

        Raises:
            ResourceNotFound: there is none of that name.
        """
        working, specs = await self._specs(tenant)
        if name not in specs:
            raise ResourceNotFound(f"there is no rule {name[:80]!r}; `madang rule list` tells all")
        kept = (await working.kept()).get("rules", {}).get(name, {})
        rule = read({name: specs[name]}).rules[name]
        on = [
            {"entity": key or None, "since": time.render(since), "value": value}
            for key, (since, fired, value) in sorted(kept.get("on", {}).items())
            if fired
        ]
        return {
            **_shown(name, rule, kept, working),
            "rule": specs[name],
            "on": on,
            "firings": [
                {
                    "at": time.render(at), "entity": key or None,
                    "value": rule_text.shown(rule, value, _zone(working)),
                    "ended": None if ended is None else time.render(ended),
                }
                for at, key, value, ended in reversed(kept.get("fired", []))
            ],
        }  # fmt: skip

    async def put(self, tenant: str, given: Specs) -> str:
        """Add rules, or put them in the place of those of the same names; return how it goes.

        The service of rules is switched on with the first of them.

        Raises:
            BadRequestData: something is wrong with one of them; none is put.
        """
        checked(given)
        async with self._changing:
            working, specs = await self._specs(tenant)
            both = {**specs, **given}
            reading = checked(both)
            working = await self._services.set_options(tenant, NAME, {"rules": reading.specs})
            if not specs and not working.is_on:
                working = await self._services.switch(tenant, NAME, True)
        return working.state

    async def remove(self, tenant: str, name: str) -> None:
        """Remove a rule; what it has raised ends.

        Raises:
            ResourceNotFound: there is none of that name.
        """
        async with self._changing:
            _, specs = await self._specs(tenant)
            if name not in specs:
                raise ResourceNotFound(f"there is no rule {name[:80]!r}")
            rest = {one: spec for one, spec in specs.items() if one != name}
            await self._services.set_options(tenant, NAME, {"rules": rest})

    async def trial(
        self, tenant: str, history: Record, name: str, spec: Any, since: int | None,
        until: int | None, now: int,
    ) -> Trial:  # fmt: skip
        """Return a trial of a rule.

        Args:
            tenant: its name.
            history: as the one who asks sees it.
            name: of the rule; without a spec, of one that is kept.
            spec: the rule as it was written, or None.
            since: first instant; None is a month before the last. [us since 1970]
            until: last instant; None is now. [us since 1970]
            now: the present instant. [us since 1970]

        Raises:
            BadRequestData: rule or times cannot be used.
            ResourceNotFound: there is no such rule.
        """
        working, specs = await self._specs(tenant)
        if spec is None:
            if name not in specs:
                raise ResourceNotFound(f"there is no rule {name[:80]!r}; give one as rule")
            spec = specs[name]
        reading = checked({name: spec})
        end = now if until is None else until
        start = end - USUAL if since is None else since
        if not 0 < end - start <= MOST or start <= 0:
            raise BadRequestData(f"since must be before until, by at most {MOST // 86_400_000_000}"
                                 " days")  # fmt: skip
        compute = self._services.workers.compute
        return Trial(history, compute, name, reading.specs[name], _zone(working), start, end)

    def enter(self) -> asyncio.Lock:
        """Return what one must hold while a trial is under way.

        Raises:
            Overloaded: too many wait already.
        """
        if self._trials >= MOST_TRIALS:
            raise Overloaded(f"{MOST_TRIALS} rules are being tried already; try again in a minute")
        self._trials += 1
        return self._turn

    def leave(self) -> None:
        """Tell that a trial has ended."""
        self._trials -= 1

    async def _specs(self, tenant: str) -> tuple[Working, dict[str, dict[str, Any]]]:
        working = await self._services.find(tenant, NAME)
        assert isinstance(working.options, RuleSettings)
        return working, working.options.rules


def checked(given: Specs) -> Reading:
    """Return rules that are good.

    Raises:
        BadRequestData: one is not; the text names rules and fields.
    """
    reading = read(given)
    if reading.problems:
        told = "; ".join(map(str, reading.problems[:_TOLD]))
        more = len(reading.problems) - _TOLD
        raise BadRequestData(told + (f"; and {more} more" if more > 0 else ""))
    return reading


def warnings(rules: Mapping[str, Rule], kinds: list[Kind]) -> list[Problem]:
    """Return what rules name that has never been seen, in the order of their names."""
    known: dict[str, dict[str, set[str]]] = {}
    for kind in kinds:
        for type in kind.type.split(" "):
            known.setdefault(type, {}).setdefault(kind.attribute, set()).add(kind.form)
    found: list[Problem] = []
    for name, rule in sorted(rules.items()):
        found += _unknown(name, "type", rule.type, "attribute", rule.attribute, known)
        forms = known.get(rule.type, {}).get(rule.attribute or "", set())
        if forms and rule.condition in _NUMBERS and "number" not in forms:
            why = f"no value of {rule.attribute} has been a number so far: {', '.join(forms)}"
            found.append(Problem(name, rule.condition, why, is_warning=True))
        other = rule.other
        if other is not None:
            field = rule.condition
            type = other.type or rule.type
            found += _unknown(
                name, f"{field}.type", type, f"{field}.attribute", other.attribute, known
            )
        if rule.inside is not None:
            found += _unknown(name, "inside.type", rule.inside.type, "", None, known)
    return found


def _unknown(
    name: str,
    type_field: str,
    type: str,
    field: str,
    attribute: str | None,
    known: Mapping[str, Mapping[str, Any]],
) -> list[Problem]:
    if type not in known:
        why = f"no entity of type {type} has been seen so far{_near(type, known)}"
        return [Problem(name, type_field, why, is_warning=True)]
    if attribute is not None and attribute not in known[type]:
        why = f"no {type} has had {attribute} so far{_near(attribute, known[type])}"
        return [Problem(name, field, why, is_warning=True)]
    return []


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _shown(name: str, rule: Rule, kept: Mapping[str, Any], working: Working) -> dict[str, Any]:
    title, about = rule_text.title(rule), rule_text.about(rule)
    last = kept.get("fired", [])
    return {
        "name": name,
        "title": {"en": title.en, "ko": title.ko},
        "about": {"en": about.en, "ko": about.ko},
        "does": [one for one in DOES if getattr(rule, one) is not None],
        "state": working.state if rule.on else "off",
        "holds": sum(1 for pair in kept.get("on", {}).values() if pair[1]),
        "fired": kept.get("count", 0),
        "lastFired": time.render(last[-1][0]) if last else None,
        "isFull": bool(kept.get("full")),
    }


def _zone(working: Working) -> str:
    assert isinstance(working.options, RuleSettings)
    return working.options.time_zone
