"""Reading Cedar policies: one :class:`Rule` a policy, checked, with its own words kept for people.

Source: Cedar policy language 4 (https://docs.cedarpolicy.com), its JSON policy format (EST) and its
validation against a schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import cedarpy

from madang.model.errors import BadRequestData
from madang.trust.actions import Action

LONGEST_TEXT = 64 * 1024  # [bytes] of one policy file
MOST_FILES = 1000  # of the city's own
# Cedar's own parser is recursive and takes the process with it when its stack is at an end.
MOST_TOKENS = 1000  # of one policy, without texts and commas, so that long lists are fine
DEEPEST = 50  # brackets, or operators, inside one another

_TOKEN = re.compile(r'//[^\n\r]*|"(?:\\.|[^"\\])*"|[\w:]+|\S', re.DOTALL)
_QUOTED = re.compile(r"`([^`]+)`")
_LONGEST_REASON = 300  # characters of what Cedar complains about that are repeated
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

Effect = Literal["permit", "forbid"]


class BadPolicy(BadRequestData):
    """A policy cannot be used; the text says which, where and what was expected."""


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """One Cedar policy."""

    id: str
    """Name of its file and its ``@id``, such as ``operator/act``; a number where it has none."""
    text: str
    """As written, with the comments above it."""
    line: int
    """Where it begins in its file, counted from 1."""
    effect: Effect
    est: dict[str, Any]
    """The policy in Cedar's JSON format."""

    def concerns(self, action: Action) -> bool:
        """Return whether the policy is about an action."""
        scope = self.est["action"]
        match scope["op"]:
            case "==":
                return bool(scope["entity"]["id"] == action)
            case "in":
                named = scope.get("entities") or [scope["entity"]]
                return any(one["id"] == action for one in named)
            case _:
                return True


@cache
def schema_text() -> str:
    return (files("madang.trust") / "policies" / "schema.cedarschema").read_text("utf-8")


@cache
def schema() -> cedarpy.Schema:
    return cedarpy.Schema.from_str(schema_text())


@cache
def shipped() -> tuple[Rule, ...]:
    """Return the policies that come with Madang."""
    return tuple(
        rule for name in sorted(shipped_names()) for rule in read(name, shipped_text(name))
    )


@cache
def shipped_names() -> frozenset[str]:
    """Return the names of the policy files that come with Madang."""
    names = (file.name for file in (files("madang.trust") / "policies").iterdir())
    return frozenset(name.removesuffix(".cedar") for name in names if name.endswith(".cedar"))


def shipped_text(name: str) -> str:
    """Return a policy file that comes with Madang."""
    return (files("madang.trust") / "policies" / f"{name}.cedar").read_text("utf-8")


def check_name(name: str) -> str:
    """Return the name of a policy file if it can be one.

    Raises:
        BadPolicy: it cannot, or is that of a shipped one.
    """
    if not _NAME.fullmatch(name):
        raise BadPolicy(
            f"a policy cannot be called {name[:80]!r}; expected up to 64 small letters, digits "
            "and - such as water-works"
        )
    if name in shipped_names():
        raise BadPolicy(f"{name!r} is a policy that comes with Madang; choose another name")
    return name


def read(name: str, text: str) -> list[Rule]:
    """Return the policies in a text, each checked against the schema.

    Raises:
        BadPolicy: one of them is no Cedar, or says what the schema does not know.
    """
    if len(text.encode()) > LONGEST_TEXT:
        raise BadPolicy(f"policy {name}: the text is longer than {LONGEST_TEXT // 1024} KiB")
    rules: list[Rule] = []
    for number, (line, one) in enumerate(_split(name, text), 1):
        rule = _read_one(name, one, line, number)
        if any(other.id == rule.id for other in rules):
            raise BadPolicy(f"policy {name}, line {line}: there is an @id {rule.id!r} already")
        rules.append(rule)
    if not rules:
        raise BadPolicy(f"policy {name}: it is empty; expected permit (…); or forbid (…);")
    return rules


def policy_set(rules: Iterable[Rule]) -> cedarpy.PolicySet:
    """Return the rules as Cedar evaluates them, each under its id."""
    found = {rule.id: rule.est for rule in rules}
    return cedarpy.PolicySet.from_json_str(
        json.dumps({"templates": {}, "staticPolicies": found, "templateLinks": []})
    )


def _read_one(name: str, text: str, line: int, number: int) -> Rule:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise _bad(name, text, line, str(error)) from None
    except RecursionError:
        raise _too_deep(name, line) from None
    if parsed["templates"]:
        raise BadPolicy(
            f"policy {name}, line {line}: ?principal and ?resource are not filled in here; "
            'name a role such as Madang::Role::"operator", or use conditions'
        )
    (est,) = parsed["staticPolicies"].values()
    if _depth(est["conditions"]) > 4 * DEEPEST:  # an operator is up to four levels of JSON
        raise _too_deep(name, line)
    result = cedarpy.validate_policies(text, schema())
    if not result.validation_passed:
        reasons = sorted(one.error for one in result.errors)  # Cedar gives them in any order
        telling = (reason for reason in reasons if "unrecognized" in reason)
        raise _bad(name, text, line, next(telling, reasons[0]))
    known = est.get("annotations", {}).get("id") or str(number)
    return Rule(f"{name}/{known}", text, line, est["effect"], est)


def _depth(value: Any) -> int:
    """Return how many levels of objects and arrays there are, without recursion."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        level = [x for items in inner for x in items if isinstance(x, dict | list)]
    return depth


def _too_deep(name: str, line: int) -> BadPolicy:
    return BadPolicy(
        f"policy {name}, line {line}: it is nested more than {DEEPEST} levels deep or has "
        f"more than {MOST_TOKENS:,} words and signs; make it several policies, or use a set "
        'such as ["A", "B"] with containsAny'
    )


def _bad(name: str, text: str, line: int, reason: str) -> BadPolicy:
    """Return the error with the line that holds what Cedar complains about."""
    reason = reason.removeprefix("Policy parse error: ").replace("for policy `policy0`, ", "")
    words = _QUOTED.findall(reason) or [reason.rpartition(" ")[2]]
    if len(reason) > _LONGEST_REASON:
        reason = reason[:_LONGEST_REASON] + "…"
    lines = text.splitlines()
    for offset, content in enumerate(lines):
        if words[0] in content.partition("//")[0]:
            return BadPolicy(f"policy {name}, line {line + offset}: {reason}{_expected(reason)}")
    first = next(
        (n for n, content in enumerate(lines) if content and not content.startswith("//")), 0
    )
    return BadPolicy(f"policy {name}, line {line + first}: {reason}{_expected(reason)}")


def _expected(reason: str) -> str:
    """Return what the schema offers in place of an attribute or action it does not know."""
    if match := re.search(r"on entity type `Madang::(\w+)` not found", reason):
        body = re.search(rf"entity {match[1]}\b[^;{{]*(?:\{{([^}}]*)\}})?", schema_text())
        names = re.findall(r"^\s*(\w+): ", (body and body[1]) or "", re.MULTILINE)
        offer = ", ".join(names) if names else "nothing: ask `resource is …` first"
        return f"; it has {offer}"
    if "Madang::Action" in reason:
        return "; expected an action of docs/explanation/trust.md, such as readEntity"
    return ""


def _split(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the policies of a text with the line each begins in; comments go with what follows.

    Nothing too large for Cedar's parser gets through.
    """
    start = depth = tokens = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token.startswith("//"):
            continue
        tokens += token[0] not in '",'
        depth += (token in "([{") - (token in ")]}")
        if depth > DEEPEST or tokens > MOST_TOKENS:
            raise _too_deep(name, text.count("\n", 0, match.start()) + 1)
        if token == ";":
            yield _chunk(text, start, match.end())
            start, depth, tokens = match.end(), 0, 0
    if tokens:
        line, rest = _chunk(text, start, len(text))
        raise _bad(name, rest, line, "it does not end; expected `;` after the last condition")


def _chunk(text: str, start: int, end: int) -> tuple[int, str]:
    """Return a policy's own text and its first line, without the title comment of the file."""
    while start < end and text[start].isspace():
        start += 1
    chunk = text[start:end]
    while chunk.startswith("//"):  # a comment that an empty line parts from the policy is no part
        block, gap, rest = chunk.partition("\n\n")
        if not gap or not all(line.startswith("//") for line in block.splitlines()):
            break
        start += len(block) + 2
        chunk = rest
    return text.count("\n", 0, start) + 1, chunk.strip()
