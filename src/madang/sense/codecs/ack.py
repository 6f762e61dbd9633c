"""The codec ``ack``: what a device says about commands, by the open device specification.

``{"id": "urn:ngsi-ld:Command:…", "status": "done"}``, or an array of such objects. The status is
``acknowledged`` (it has it and works on it), ``done`` or ``failed``; ``reason`` may say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

from madang.act.commands.equipment import Word
from madang.sense.codecs.bounds import check_items, json_of, shown
from madang.sense.message import Answered, Decoded, Message, Rejected

LONGEST_REASON: Final = 300  # characters
_LONGEST_ID: Final = 512
_WORDS: Final[tuple[Word, ...]] = get_args(Word)


class Ack:
    """The codec; see the module."""

    name = "ack"
    topics: Sequence[str] = ()

    def decode(self, message: Message) -> list[Decoded]:
        if not message.device:
            raise Rejected(
                "badPayload",
                "what a device says about commands goes to its topic, v1/devices/<device>/ack",
            )
        body = json_of(message)
        items = check_items(body if isinstance(body, list) else [body], "answers to commands")
        return [_answered(one, message.device) for one in items]


def _answered(one: Any, device: str) -> Answered:
    if not isinstance(one, dict):
        raise Rejected(
            "badPayload",
            f'expected an object such as {{"id": "…", "status": "done"}}, not {shown(one)}',
        )
    id, reason = one.get("id"), one.get("reason", "")
    status = next((word for word in _WORDS if word == one.get("status")), None)
    if not isinstance(id, str) or not 0 < len(id) <= _LONGEST_ID:
        raise Rejected("badPayload", f"id must be the id of the command, not {shown(id)}")
    if status is None:
        given = shown(one.get("status"))
        raise Rejected("badPayload", f"status must be one of {', '.join(_WORDS)}, not {given}")
    if not isinstance(reason, str):
        raise Rejected("badPayload", f"reason must be a text, not {shown(reason)}")
    return Answered(device, id, status, reason[:LONGEST_REASON])


CODEC = Ack()
