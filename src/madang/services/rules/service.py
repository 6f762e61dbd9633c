"""Rules without code as a city service: what people wrote down is watched for and done.

The rules are an option of the service. It is made anew of them each time it starts, with the rights
to read and write the types that they name and no others. What the engine knows is the state of the
service, so it goes on after a restart, and editing one rule leaves the others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import field_validator

from madang.services.city import Change, City, Thing
from madang.services.rules import text as rule_text
from madang.services.rules.engine import Engine, Firing, value_of
from madang.services.rules.made import Made
from madang.services.rules.read import read
from madang.services.rules.rule import RESERVED, Rule
from madang.services.rules.time import NEVER, span
from madang.services.service import LocalOptions, Options, Service, Text, option

NAME: Final = "rules"


class RuleSettings(LocalOptions):
    """The rules of a tenant, and the clock that their hours and days go by."""

    rules: dict[str, dict[str, Any]] = option(
        {}, "Rules", "규칙", "By name; `madang rule` checks, tries and puts them."
    )

    @field_validator("rules")
    @classmethod
    def _are_rules(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        reading = read(value)
        if reading.problems:
            raise ValueError(str(reading.problems[0]))
        return reading.specs


class RuleService(Service):
    """A service whose functions are made of the rules in its options."""

    def fitted(self, options: Options) -> Service:
        assert isinstance(options, RuleSettings)
        return made(read(options.rules).rules)


def made(rules: Mapping[str, Rule]) -> Service:
    """Return the service that does what some rules say."""
    working = {name: rule for name, rule in rules.items() if rule.on}
    reads, writes, commands = _types(working)
    found = RuleService(
        NAME,
        title=Text("Rules", "규칙"),
        purpose=Text(
            "Watches for what people wrote down as rules, and alerts, tells, sets or switches.",
            "사람이 적어 둔 규칙을 지켜보고 경보, 알림, 설정, 제어를 합니다.",
        ),
        category="administration",
        needs=sorted(reads),
        gives=sorted(writes),
        commands=sorted(commands),
        options=RuleSettings,
        operator=Text("The control room", "관제실"),
        cost=Text("None; part of Madang", "없음, 마당에 포함"),
    )
    work = _Work(working)

    async def change(city: City, event: Change) -> None:
        await work.change(city, event)

    async def wake(city: City) -> None:
        await work.wake(city)

    async def minute(city: City) -> None:
        await work.minute(city)

    for type in sorted(reads):
        found.on(type, failed=True)(change)  # which a rule of silence counts
    found.timer(wake)
    found.every("1m")(minute)
    return found


def _types(rules: Mapping[str, Rule]) -> tuple[set[str], set[str], set[str]]:
    """Return the types of entities that rules read, set attributes of, and command."""
    reads: set[str] = set()
    writes: set[str] = set()
    commands: set[str] = set()
    for rule in rules.values():
        reads.add(rule.type)
        if rule.other is not None:
            reads.add(rule.other.type or rule.type)
        if rule.inside is not None:
            reads.add(rule.inside.type)
        if rule.set is not None:
            writes.add(rule.set.type or rule.type)
        if rule.command is not None:
            commands.add(rule.command.type or rule.type)
    return reads, writes - RESERVED, commands


class _Work:
    """What the functions of the service share: the engine, made when the first is called."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._engine: Engine | None = None
        self._planned = NEVER

    # --- what happens ---------------------------------------------------------------------------

    async def change(self, city: City, event: Change) -> None:
        engine = await self._ready(city)
        now, id, document = city.instant, event.id, event.put.document
        types = document["type"]
        types = [types] if isinstance(types, str) else types
        engine.wake(now)
        if event.kind == "deleted":
            engine.gone(types, id, now)
        else:
            if id in engine.index.regions and "location" in document:
                await self._region(city, engine, id, document)
            if engine.curious(types, id):
                whole = await city.get(id) or event.put
                engine.meet(types, id, whole.document, now)
            if "location" in document:
                engine.located(types, id, value_of(document["location"]), now)
            engine.put(types, id, document, now)
        await self._done(city, engine)

    async def wake(self, city: City) -> None:
        """Do what is due now."""
        self._planned = NEVER
        engine = await self._ready(city)
        engine.wake(city.instant)
        await self._done(city, engine)

    async def minute(self, city: City) -> None:
        """Get to know what is silent from the start: it never tells of itself."""
        engine = await self._ready(city)
        engine.wake(city.instant)
        for one in engine.made:
            if one.silent and not engine.kept(one).get("seeded"):
                engine.kept(one)["seeded"] = True
                engine.seed(one, await _silent_ones(city, one), city.instant)
        await self._done(city, engine)

    async def _ready(self, city: City) -> Engine:
        if self._engine is None:
            self._engine = Engine(self._rules, city.options.time_zone)
        engine = self._engine
        if not engine.has(city.state):
            self._planned = NEVER
            for name, key in engine.take(city.state):
                city.end_alert(_alert(name, key))
            for id, rules in engine.index.regions.items():
                place = await _location(city, id)
                for rule in rules:
                    rule.set_region(place)
            for one in engine.made:
                if one.other is not None and one.other.entity is not None:
                    thing = await city.get(one.other.entity)
                    value = None if thing is None else thing[one.other.attribute]
                    engine.kept(one).setdefault("other", value)
        return engine

    async def _region(
        self, city: City, engine: Engine, id: str, document: Mapping[str, Any]
    ) -> None:
        """Look anew who is inside an entity whose area has changed."""
        for one in engine.index.regions[id]:
            one.set_region(value_of(document["location"]))
            for thing in await city.find(one.type):
                if one.concerns(thing.id):
                    is_in = one.is_inside(thing["location"])
                    engine.moved(one, thing.id, is_in, city.instant)

    # --- what is done -----------------------------------------------------------------------

    async def _done(self, city: City, engine: Engine) -> None:
        # In an order that depends on nothing but the rules: ids of what is done are made of it.
        firings = sorted(engine.firings, key=lambda one: (one.at, one.rule, one.about))
        engine.firings.clear()
        for firing in firings:
            kept = engine.kept(engine.by_name[firing.rule])
            if firing.ended:
                self._end(city, firing, kept)
            else:
                await self._begin(city, firing, kept)
        due = engine.due
        if due != self._planned:
            self._planned = due
            if due == NEVER:
                city.cancel("wake")
            else:
                city.at(timedelta(microseconds=due - city.instant), "wake", "wake")

    async def _begin(self, city: City, firing: Firing, kept: dict[str, Any]) -> None:
        rule, name = self._rules[firing.rule], firing.rule
        zone = city.options.time_zone
        thing = await city.get(firing.about) if firing.about else None
        what = rule_text.happened(rule, firing, thing, zone)
        seen = [(thing, rule.attribute)] if thing is not None and rule.attribute else []
        decision = city.decide(what, because=seen, settings={name: _settings(rule)})
        kept.setdefault("decisions", {})[firing.about] = decision

        def words(given: Any, otherwise: Text) -> Text:
            if given is None:
                return otherwise
            return rule_text.filled(given, name, rule, firing, thing, zone)

        title = words(rule.title, rule_text.about(rule))
        if rule.alert is not None:
            city.alert(
                _alert(name, firing.about),
                kind=rule.alert.kind,
                severity=rule.alert.severity,
                title=words(rule.alert.title, title),
                text=words(rule.alert.text, what),
                about=[] if thing is None else [thing],
            )
        if rule.notify is not None:
            city.notify(
                rule.notify.to,
                words(rule.notify.title, title),
                words(rule.notify.text, what),
                about=firing.about,
                urgent=rule.notify.urgent,
            )
        if rule.command is not None:
            after, wanted = rule.command.revert_after, rule.command
            target = {"id": wanted.target or firing.about, "type": wanted.type or rule.type}
            city.command(
                Thing(target),
                wanted.name,
                wanted.parameters,
                decision=decision,
                revert_after=None if after is None else timedelta(microseconds=span(after)),
            )
        if rule.set is not None:
            _put(city, rule, firing, rule.set.value)

    def _end(self, city: City, firing: Firing, kept: dict[str, Any]) -> None:
        rule = self._rules[firing.rule]
        decision = kept.get("decisions", {}).pop(firing.about, None)
        if decision is not None:
            city.learn(decision, ended=city.now.isoformat())
        if rule.alert is not None:
            city.end_alert(_alert(firing.rule, firing.about))
        if rule.set is not None and rule.set.after is not None:
            _put(city, rule, firing, rule.set.after)


def _put(city: City, rule: Rule, firing: Firing, value: Any) -> None:
    assert rule.set is not None
    id, type = rule.set.id or firing.about, rule.set.type or rule.type
    city.update(id, type, **{rule.set.attribute: value})


def _alert(rule: str, about: str) -> str:
    return f"{rule}:{about}" if about else rule


def _settings(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)


async def _location(city: City, id: str) -> Any:
    thing = await city.get(id)
    return None if thing is None else thing["location"]


async def _silent_ones(city: City, made: Made) -> list[str]:
    """Return the entities that a rule expects values of."""
    if made.ids:
        return sorted(made.ids)
    return [one.id for one in await city.find(made.type) if made.attribute in one]


service = made({})
