"""What rules say to people, in both languages: what a rule is about, and what has happened."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from madang.services.city import Thing, moment
from madang.services.rules.engine import Firing
from madang.services.rules.rule import Both, Rule
from madang.services.service import Text

_UNITS: Final = {"s": ("s", "초"), "m": ("min", "분"), "h": ("h", "시간"), "d": ("d", "일")}
_RATES: Final = {
    "rises": ("rises by {} or more within {}", "{1} 안에 {0} 이상 상승"),
    "falls": ("falls by {} or more within {}", "{1} 안에 {0} 이상 하락"),
    "changes": ("changes by {} or more within {}", "{1} 안에 {0} 이상 변동"),
}
_BRACES: Final = re.compile(r"\{(\w+)\}")
_LONGEST: Final = 100  # characters of a value that is no number


def about(rule: Rule) -> Text:
    """Return what a rule looks at, and when it holds.

    >>> about(Rule(type="Bench", attribute="load", above=70, alert={})).en
    'load of Bench is above 70'
    """
    en, ko = _holds(rule)
    if rule.attribute is None:
        return Text(f"{rule.type} {en}", f"{rule.type} {ko}")
    return Text(f"{rule.attribute} of {rule.type} {en}", f"{rule.type}의 {rule.attribute} {ko}")


def title(rule: Rule) -> Text:
    """Return what a rule is called; without a name, what it is about."""
    return about(rule) if rule.title is None else _both(rule.title)


def happened(rule: Rule, firing: Firing, thing: Thing | None, zone: str) -> Text:
    """Return what has happened, in a sentence with its figures."""
    names, (en, ko) = _names(rule, thing), _holds(rule)
    value = shown(rule, firing.value, zone)
    if rule.together is not None:
        whole = about(rule)
        return Text(f"It holds for {firing.value} at once: {whole.en}",
                    f"{firing.value}곳에서 동시에 충족: {whole.ko}")  # fmt: skip
    en, ko = f"rule: {en}", f"규칙: {ko}"
    if rule.condition == "silent":
        return Text(f"{names.en}: no {rule.attribute} since {value} ({en})",
                    f"{names.ko}: {value} 이후 {rule.attribute} 값 없음 ({ko})")  # fmt: skip
    if not rule.condition:
        return Text(f"{names.en} ({en})", f"{names.ko} ({ko})")
    if rule.condition in _RATES:
        return Text(f"{names.en}: {rule.attribute} changed by {value} ({en})",
                    f"{names.ko}: {rule.attribute} {value} 변동 ({ko})")  # fmt: skip
    return Text(
        f"{names.en}: {rule.attribute} was {value} ({en})",
        f"{names.ko}: {rule.attribute} 값 {value} ({ko})",
    )


def filled(
    words: str | Both, name: str, rule: Rule, firing: Firing, thing: Thing | None, zone: str
) -> Text:
    """Return a text of a rule with what stands in braces put in."""
    unit = "" if thing is None or rule.attribute is None else _unit(thing, rule.attribute)
    names = _names(rule, thing)
    at = moment(firing.at).astimezone(ZoneInfo(zone))
    known = {
        "rule": name, "entity": firing.about, "attribute": rule.attribute or "", "unit": unit,
        "value": shown(rule, firing.value, zone), "time": f"{at:%Y-%m-%d %H:%M}",
        "count": str(firing.value) if rule.together is not None else "1",
    }  # fmt: skip
    given = _both(words)
    return Text(_put(given.en, known | {"name": names.en}),
                _put(given.ko, known | {"name": names.ko}))  # fmt: skip


def shown(rule: Rule, value: Any, zone: str = "UTC") -> str:
    """Return the value of a firing as people read it.

    >>> shown(Rule(type="Bench", attribute="load", above=70, alert={}), 71.25)
    '71.25'
    """
    if value is None:
        return "-"
    if rule.condition == "silent" and isinstance(value, int) and rule.together is None:
        at: datetime = moment(value).astimezone(ZoneInfo(zone))
        return f"{at:%Y-%m-%d %H:%M}"
    return _figure(value)


def _both(words: str | Both) -> Text:
    return Text(words, words) if isinstance(words, str) else words.text


def _put(words: str, known: dict[str, str]) -> str:
    return _BRACES.sub(lambda found: known.get(found[1], found[0]), words)


def _names(rule: Rule, thing: Thing | None) -> Text:
    if thing is None:
        return Text(rule.type, rule.type)
    name = thing["name"]
    if isinstance(name, dict):
        return Text(str(name.get("en") or thing.id), str(name.get("ko") or thing.id))
    return Text(name, name) if isinstance(name, str) and name else Text(thing.id, thing.id)


def _unit(thing: Thing, attribute: str) -> str:
    return str(thing.attribute(attribute).get("unitCode", ""))


# --- conditions ---------------------------------------------------------------------------------


def _holds(rule: Rule) -> tuple[str, str]:
    """Return the condition with all that limits it."""
    parts = [_condition(rule), *_limits(rule)]
    return ", ".join(en for en, _ in parts), ", ".join(ko for _, ko in parts)


def _condition(rule: Rule) -> tuple[str, str]:
    kind, limit = rule.condition, rule.limit
    if not kind:
        return _place(rule)
    if kind in ("above", "below"):
        return _level(rule)
    if kind in _RATES:
        en, ko = _RATES[kind]
        return (
            en.format(_figure(limit), _span(rule.within, 0)),
            ko.format(_figure(limit), _span(rule.within, 1)),
        )
    if kind == "silent":
        return (
            f"has had no value for {_span(limit, 0)}",
            f"값이 {_span(limit, 1)} 동안 없음",
        )
    values = ", ".join(map(_figure, limit if isinstance(limit, list) else [limit]))
    if kind == "is":
        return f"is {values}", f"값이 {values}"
    return f"is not {values}", f"값이 {values}이(가) 아님"


def _level(rule: Rule) -> tuple[str, str]:
    kind, limit, other = rule.condition, rule.limit, rule.other
    word = "초과" if kind == "above" else "미만"
    if other is None:
        en, ko = f"is {kind} {_figure(limit)}", f"값이 {_figure(limit)} {word}"
    else:
        whose = f" of {other.entity}" if other.entity else ""
        owner = f"{other.entity}의 " if other.entity else ""
        plus = f" plus {_figure(other.plus)}" if other.plus else ""
        more = f" + {_figure(other.plus)}" if other.plus else ""
        en = f"is {kind} {other.attribute}{whose}{plus}"
        ko = f"값이 {owner}{other.attribute}{more} {word}"
    if rule.back is not None:
        back = _figure(rule.back)
        en += f" until it is {back} or {'less' if kind == 'above' else 'more'}"
        ko += f" ({back} {'이하' if kind == 'above' else '이상'}가 될 때까지)"
    return en, ko


def _limits(rule: Rule) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if rule.for_ is not None:
        found.append((f"for {_span(rule.for_, 0)}", f"{_span(rule.for_, 1)} 이상 지속"))
    if rule.together is not None:
        of = f" of {len(rule.ids)}" if rule.ids else ""
        many = {"all": ("all of them", "모두"), "any": ("any of them", "하나 이상")}
        found.append(many.get(str(rule.together), (f"{rule.together}{of} at once",
                                                  f"동시에 {rule.together}곳")))  # fmt: skip
    if rule.condition and (rule.area or rule.near or rule.inside):
        found.append(_place(rule))
    for given in (rule.hours, rule.days):
        if given is not None:
            text = given if isinstance(given, str) else " and ".join(given)
            found.append((text, text))
    return found


def _place(rule: Rule) -> tuple[str, str]:
    if rule.near is not None:
        lon, lat = rule.near.point
        metres = _figure(rule.near.metres)
        return (f"within {metres} m of {lon:g}, {lat:g}", f"{lon:g}, {lat:g}에서 {metres} m 이내")
    if rule.inside is not None:
        return f"inside {rule.inside.id}", f"{rule.inside.id} 안"
    return "inside the area", "구역 안"


def _span(text: Any, language: int) -> str:
    number, unit = str(text)[:-1], str(text)[-1]
    return f"{number} {_UNITS[unit][0]}" if language == 0 else f"{number}{_UNITS[unit][1]}"


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
