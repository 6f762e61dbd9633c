"""What may become of a command, each as a function from its state to what is put.

They are called in the writer's turn (:class:`madang.act.commands.command.Move`): what they refuse
has not happened, and nothing can happen between the look and the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from madang.act.commands import words
from madang.act.commands.command import MAY_HAVE_ACTED, OUT, OVER, Attributes, Command, over
from madang.act.commands.equipment import Answer
from madang.act.commands.rules import Rule
from madang.model.errors import Conflict, Forbidden
from madang.services.records import json, moment, text
from madang.services.service import Text

Then = Callable[[Command, int], Attributes]

_SECOND: Final = 1_000_000
_BEFORE: Final = frozenset[str](["requested", "waiting"])
_HEARD: Final = frozenset[str](["requested", "sent", "acknowledged", "timedOut"])
"""States in which a device may say something. A device that was told by a process that was killed
right then may answer a command that still counts as requested."""


# --- by people --------------------------------------------------------------------------------


def approved(who: str, needed: int) -> Then:
    """Somebody agrees; when enough have, it waits no more."""

    def then(command: Command, now: int) -> Attributes:
        _check_before(command, "approved")
        if who == command.by:
            raise Forbidden(
                "who has asked for a command cannot approve it; somebody else must, or cancel it"
            )
        if who in command.approved:
            raise Conflict("you have approved this command already; another person must as well")
        found: Attributes = {"approvedBy": [*command.approved, who]}
        is_enough = len(command.approved) + 1 >= needed and command.status == "waiting"
        return {**found, "status": "requested"} if is_enough else found

    return then


def ended(status: str, reason: str, who: str) -> Then:
    """Somebody refuses it or calls it off."""

    def then(command: Command, now: int) -> Attributes:
        _check_before(command, status)
        found = over("refused" if status == "refused" else "cancelled", now, reason or None)
        return {**found, "endedBy": who}

    return then


def taken_back(who: str) -> Then:
    """Somebody wants it to be taken back now."""

    def then(command: Command, now: int) -> Attributes:
        if command.status not in MAY_HAVE_ACTED:
            raise Conflict(
                f"the command is {command.status}, so there is nothing to take back"
                + ("; cancel it" if command.status in _BEFORE else "")
            )
        return {"revertDue": True, "revertAt": moment(now), "revertedBy": who}

    return then


def _check_before(command: Command, what: str) -> None:
    if command.status not in _BEFORE:
        hint = "; take it back with revert" if command.status in MAY_HAVE_ACTED else ""
        raise Conflict(f"the command is {command.status} and cannot be {what} any more{hint}")


# --- by itself --------------------------------------------------------------------------------


def waits(command: Command, now: int) -> Attributes:
    """It waits for people to agree."""
    return {"status": "waiting"} if command.status == "requested" else {}


def refused(why: Text) -> Then:
    """It cannot be sent."""

    def then(command: Command, now: int) -> Attributes:
        return over("refused", now, why) if command.status in _BEFORE else {}

    return then


def tried(wire: Mapping[str, Any]) -> Then:
    """A dry run is over."""

    def then(command: Command, now: int) -> Attributes:
        return {**over("done", now, words.DRY), "wire": json(dict(wire))}

    return then


def hindered(why: Text) -> Then:
    """It cannot be handed over for the moment."""

    def then(command: Command, now: int) -> Attributes:
        return {"reason": text(why)} if command.status in (*_BEFORE, *OUT) else {}

    return then


def sent(command: Command, now: int) -> Attributes:
    """It has been handed over."""
    if command.status not in _BEFORE:
        return {} if command.sent else {"sentAt": moment(now)}
    return {"status": "sent", "sentAt": moment(now), "reason": None}


def answered(answer: Answer, rule: Rule | None) -> Then:
    """The device has said something; what it says after it has said the last is left."""

    def then(command: Command, now: int) -> Attributes:
        if command.status not in _HEARD:
            return {}
        since = {} if command.sent else {"sentAt": moment(now)}
        if answer.status == "acknowledged":
            if command.status == "timedOut":
                return {}
            return {
                "status": "acknowledged",
                "acknowledgedAt": moment(now),
                "reason": None,
                **since,
            }
        found = {**over(answer.status, now, answer.reason or None), **since}
        found.setdefault("reason", None)
        return found | (_comes_back(command, rule, now) if answer.status == "done" else {})

    return then


def timed_out(why: Text, rule: Rule | None) -> Then:
    """Nothing more is waited for. The device may have done it, so it is taken back like one that
    is done; if it was never sent, it is not."""

    def then(command: Command, now: int) -> Attributes:
        if command.status in OVER:
            return {}
        found = over("timedOut", now, why)
        return found | (_comes_back(command, rule, now) if command.status in OUT else {})

    return then


def failed(why: Text) -> Then:
    """It could not be handed over, though it counted as sent."""

    def then(command: Command, now: int) -> Attributes:
        return {} if command.status in OVER else over("failed", now, why)

    return then


def stays(why: Text | str | None) -> Then:
    """It is not taken back, or not any more."""

    def then(command: Command, now: int) -> Attributes:
        return {"revertDue": False, **({"reason": text(why)} if why else {})}

    return then


def reverted(command: Command, now: int) -> Attributes:
    """It has been taken back."""
    return {"status": "reverted", "revertDue": False}


def passes(command: Command, rule: Rule) -> bool:
    """Tell whether a command will be taken back by itself."""
    return _back_after_s(command, rule) is not None


def _back_after_s(command: Command, rule: Rule) -> float | None:
    """Return after how long a command is taken back. One that takes back another never is. [s]"""
    if command.reverts or rule.revert is None:
        return None
    return rule.revert.after_s if command.revert_after_s is None else command.revert_after_s


def _comes_back(command: Command, rule: Rule | None, now: int) -> Attributes:
    after_s = None if rule is None or command.revert_due else _back_after_s(command, rule)
    if after_s is None:
        return {}
    return {"revertDue": True, "revertAt": moment(now + int(after_s * _SECOND))}
