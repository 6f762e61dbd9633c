"""What a type of device can be told to do: parameters with limits, interlocks, who must agree.

The profile of the device says it, in a table ``[commands.<name>]`` for each command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from madang.model.context import CORE
from madang.model.errors import BadRequestData
from madang.model.names import is_word
from madang.query.q import parse

if TYPE_CHECKING:
    import jsonschema_rs

    from madang.query.tree import Condition

LONGEST_S: Final = 366 * 86_400.0
LONGEST_PARAMETERS: Final = 16 * 1024
"""Of the parameters of one command as JSON. [bytes]"""
MOST_COMMANDS: Final = 50
_LONGEST_REASON: Final = 300  # characters
_PLACE: Final = re.compile(r"\{(\w{1,64})\}")

Seconds = Annotated[float, Field(gt=0.0, le=LONGEST_S)]
Parameters = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Words(_Part):
    """What people read, in the languages of the pages."""

    en: str = Field(min_length=1, max_length=200)
    ko: str = Field(min_length=1, max_length=200)


class Interlock(_Part):
    """What must hold for a command to be sent; it is refused if nothing is known of it, too."""

    q: str = Field(min_length=1, max_length=1000)
    """A condition in the query language."""
    of: str = Field(default="", max_length=256)
    """A relationship of the target: the condition is on the entities that it leads to; empty: on
    the target itself."""
    message: Words
    """Why not, if it does not hold."""

    @field_validator("q")
    @classmethod
    def _is_condition(cls, text: str) -> str:
        try:
            condition(text)
        except BadRequestData as error:
            raise ValueError(error.detail) from None
        return text


class Revert(_Part):
    """How a command is taken back: to what the last lasting command of a name has said."""

    command: str
    parameters: Parameters = {}
    """Where none is known."""
    after_s: Seconds | None = None
    """By itself after so long; None: only if who asks says so. [s]"""


class Rule(_Part):
    """One command."""

    title: Words
    parameters: dict[str, Any] = {"type": "object", "additionalProperties": False}
    """JSON Schema (2020-12) of the parameters."""
    acknowledges: bool = True
    """The device says that it has done it. If not, the command is done when it is handed over."""
    done_when: str = Field(default="", max_length=1000)
    """A condition on the target that shows it is done, with ``{parameter}`` for a parameter; for
    devices that do not say so themselves."""
    timeout_s: Seconds = 30.0
    """How long the device may say nothing, and how long it may be out of reach. [s]"""
    approvals: Literal[0, 1, 2] = 0
    """How many people must agree beside who asks."""
    at_least_apart_s: float = Field(default=0.0, ge=0.0, le=LONGEST_S)
    """Between two of these commands to one target. [s]"""
    keep_s: Seconds | None = None
    """How long the state has such a command when it is over, for those that come all the time: one
    that fails is no alert, for the next comes soon. None: as long as any. History has it in either
    case. [s]"""
    interlocks: list[Interlock] = Field(default=[], max_length=20)
    revert: Revert | None = None
    payload: dict[str, Any] | str | None = None
    """What is sent, with ``{parameter}`` and ``{id}`` in texts; None: as the way usually has it."""

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        if schema.get("type") != "object":
            raise ValueError('must be a JSON Schema of an object: type = "object"')
        return schema

    @field_validator("done_when")
    @classmethod
    def _can_be_done(cls, text: str) -> str:
        try:
            condition(_PLACE.sub("0", text) or "x")
        except BadRequestData as error:
            raise ValueError(error.detail) from None
        return text

    @model_validator(mode="after")
    def _fits_together(self) -> Rule:
        if self.done_when and not self.acknowledges:
            raise ValueError("done_when is for commands that are acknowledged; leave one out")
        return self

    def fault(self, parameters: Mapping[str, Any]) -> str:
        """Return what is wrong with parameters; empty if nothing is.

        >>> words = {"en": "Dim", "ko": "밝기"}
        >>> level = {"type": "number", "maximum": 1}
        >>> dim = Rule(title=words, parameters={"type": "object", "properties": {"level": level}})
        >>> dim.fault({"level": 2})
        'parameters.level: 2 is greater than the maximum of 1'
        """
        error = next(_validator(orjson.dumps(self.parameters)).iter_errors(dict(parameters)), None)
        if error is None:
            return ""
        where = ".".join(["parameters", *map(str, error.instance_path)])
        return f"{where}: {error.message}"[:_LONGEST_REASON]

    def shows_done(self, parameters: Mapping[str, Any]) -> Condition | None:
        """Return what shows on the target that a command has been done; None: nothing does.

        >>> words = {"en": "Dim", "ko": "밝기"}
        >>> dim = Rule(title=words, done_when="lamp=={of};level=={level}")
        >>> dim.shows_done({"of": "a", "level": 0.5}) == condition('lamp=="a";level==0.5')
        True
        """
        if not self.done_when:
            return None

        def value(place: re.Match[str]) -> str:
            return orjson.dumps(parameters.get(place[1])).decode()

        return condition(_PLACE.sub(value, self.done_when))


def checked(rules: dict[str, Rule]) -> dict[str, Rule]:
    """Return the commands of a profile if their names fit together.

    Raises:
        ValueError: one has no good name, or is taken back by what there is none of.
    """
    if len(rules) > MOST_COMMANDS:
        raise ValueError(f"has {len(rules)} commands; {MOST_COMMANDS} are the most")
    for name, rule in rules.items():
        if not is_word(name) or len(name) > 64:
            raise ValueError(f"{name[:60]!r} cannot be the name of a command; expected such as dim")
        if rule.revert is not None and rule.revert.command not in rules:
            raise ValueError(f"{name}.revert.command: there is no {rule.revert.command!r}")
    return rules


def examine(rules: Mapping[str, Rule]) -> None:
    """Hold the schemas of commands to their standard, and reverts to the schemas.

    Raises:
        ValueError: one is none, or a command is taken back in a way that would be refused.
    """
    for name, rule in rules.items():
        try:
            _validator(orjson.dumps(rule.parameters))
        except ValueError as error:
            raise ValueError(f"commands.{name}.parameters: {error}") from None
    for name, rule in rules.items():
        if rule.revert is not None:
            fault = rules[rule.revert.command].fault(rule.revert.parameters)
            if fault:
                raise ValueError(f"commands.{name}.revert.{fault}")


@lru_cache(maxsize=4096)
def condition(text: str) -> Condition:
    """Return what a text of the query language says.

    Raises:
        BadRequestData: it says nothing.
    """
    return parse(text, CORE)


@lru_cache(maxsize=1024)
def _validator(schema: bytes) -> jsonschema_rs.Validator:
    """Return what holds parameters to a schema.

    Raises:
        ValueError: it is none, or refers to another.
    """
    import jsonschema_rs  # only where there are commands

    try:
        return jsonschema_rs.validator_for(
            orjson.loads(schema), retriever=_no_other, validate_formats=True
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        message = getattr(error, "message", str(error))
        raise ValueError(f"is no JSON Schema: {message}"[:_LONGEST_REASON]) from None


def _no_other(uri: str) -> NoReturn:
    raise ValueError(f"a schema of parameters must be whole, and not refer to {uri[:100]}")
