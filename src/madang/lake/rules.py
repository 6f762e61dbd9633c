"""How long history is kept: policies and legal holds as JSON, for people and for the store.

``{"policies": [{"name", "age", "types"?, "attributes"?, "every"?}],
"holds": [{"name", "reason", "types"?, "ids"?}]}``; ages and periods are ISO 8601 durations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from madang.lake import periods
from madang.lake.questions import Hold, Period, Policy
from madang.model.errors import BadRequestData

MOST = 1_000  # policies or holds; more are a mistake
LONGEST = 500  # characters of a name or reason


@dataclass(frozen=True, slots=True)
class Rules:
    """All policies and holds of one tenant."""

    policies: tuple[Policy, ...] = ()
    holds: tuple[Hold, ...] = ()


def parse(body: bytes) -> Rules:
    """Return the rules that a JSON body holds.

    Raises:
        BadRequestData: it is no JSON, or something in it has another form.
    """
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"the rules of history are no JSON: {error}") from None
    _known(given, "the rules of history", {"policies", "holds"})
    return Rules(
        tuple(_policy(one) for one in _list(given, "policies")),
        tuple(_hold(one) for one in _list(given, "holds")),
    )


def dump(rules: Rules) -> bytes:
    """Return rules as JSON."""
    return orjson.dumps(
        {
            "policies": [_told(one) for one in rules.policies],
            "holds": [_told(one) for one in rules.holds],
        }
    )


def _told(rule: Policy | Hold) -> dict[str, Any]:
    members = {name: getattr(rule, name) for name in rule.__slots__}
    return {
        name: periods.render(value) if isinstance(value, Period) else value
        for name, value in members.items()
        if value not in (None, ())
    }


def _policy(given: Any) -> Policy:
    _known(given, "a policy", {"name", "age", "types", "attributes", "every"})
    every = given.get("every")
    policy = Policy(
        _text(given, "name", "a policy"),
        periods.parse(_text(given, "age", "a policy")),
        _texts(given, "types"),
        _texts(given, "attributes"),
        None if every is None else periods.parse(_text(given, "every", "a policy")),
    )
    if policy.age == Period() or policy.every == Period():
        raise BadRequestData(f"policy {policy.name!r}: age and every must be longer than nothing")
    return policy


def _hold(given: Any) -> Hold:
    _known(given, "a hold", {"name", "reason", "types", "ids"})
    return Hold(
        _text(given, "name", "a hold"),
        _text(given, "reason", "a hold"),
        _texts(given, "types"),
        _texts(given, "ids"),
    )


def _known(given: Any, what: str, names: set[str]) -> None:
    if not isinstance(given, dict):
        raise BadRequestData(f"{what} must be an object with {', '.join(sorted(names))}")
    if unknown := given.keys() - names:
        raise BadRequestData(f"{what} has no {min(unknown)!r}, only {', '.join(sorted(names))}")


def _list(given: dict[str, Any], name: str) -> list[Any]:
    value = given.get(name, [])
    if not isinstance(value, list) or len(value) > MOST:
        raise BadRequestData(f"{name} must be a list of at most {MOST:,}")
    return value


def _text(given: dict[str, Any], name: str, what: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        raise BadRequestData(f"{name} of {what} must be a text of 1 to {LONGEST} characters")
    return value


def _texts(given: dict[str, Any], name: str) -> tuple[str, ...]:
    value = _list(given, name)
    if not all(isinstance(one, str) for one in value):
        raise BadRequestData(f"{name} must be a list of texts")
    return tuple(value)
