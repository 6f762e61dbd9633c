"""How much one message may hold, and JSON read within that.

A codec runs between all other messages, so what it may be given is bounded before it begins.
"""

from __future__ import annotations

from typing import Any

import orjson

from madang.sense.message import Message, Rejected

MOST_BYTES = 1024 * 1024
MOST_ITEMS = 10_000
"""Uplinks, entities or records of one message."""
MOST_FIELDS = 1_000
"""Fields of one uplink."""
DEEPEST = 32
"""Levels of arrays and objects within one another."""
LONGEST_NAME = 256  # [characters] of a device or a field


def body_of(message: Message) -> bytes:
    """Return the body of a message that is neither empty nor too large."""
    body = message.body
    if not body:
        raise Rejected("badPayload", "the message is empty")
    if len(body) > MOST_BYTES:
        raise Rejected(
            "tooLarge", f"the message has {len(body):,} bytes; {MOST_BYTES:,} are the most"
        )
    return body


def json_of(message: Message) -> Any:
    """Return what the JSON of a message says."""
    body = body_of(message)
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Rejected("badPayload", f"the message is no JSON: {error}") from None
    # As many levels need as many brackets, and few messages have so many of them.
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        check_depth(found)
    return found


def check_depth(value: object) -> None:
    """Refuse what is nested too deeply."""
    level: list[object] = [value]
    for _ in range(DEEPEST + 1):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list | tuple):
                inner += one
        if not inner:
            return
        level = inner
    raise Rejected("badPayload", f"the message is nested deeper than {DEEPEST} levels")


def check_items(items: list[Any], what: str) -> list[Any]:
    """Return a list that is not too long."""
    if len(items) > MOST_ITEMS:
        raise Rejected(
            "tooLarge",
            f"the message holds {len(items):,} {what}; {MOST_ITEMS:,} are the most,"
            " so send it in parts",
        )
    return items


def check_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an uplink if they are neither too many nor too long in name."""
    if not values:
        raise Rejected("badPayload", "the message holds no fields")
    if len(values) > MOST_FIELDS:
        raise Rejected(
            "tooLarge", f"the message holds {len(values):,} fields; {MOST_FIELDS:,} are the most"
        )
    for name in values:
        if not name or len(name) > LONGEST_NAME:
            raise Rejected(
                "badPayload",
                f"the name of a field must have 1 to {LONGEST_NAME} characters, not {len(name):,}",
            )
    return values


def device_name(value: object, member: str) -> str:
    """Return the name of a device that a message gives."""
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable():
        return value
    raise Rejected(
        "badPayload",
        f"{member} must be the name of the device, a text of 1 to {LONGEST_NAME} characters,"
        f" not {shown(value)}",
    )


def shown(value: object) -> str:
    """Return a value as it may stand in a message for a person."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
