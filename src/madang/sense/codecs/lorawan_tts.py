"""The codec ``tts``: messages of The Things Stack v3 (The Things Network), by webhook or MQTT.

Source: The Things Stack documentation, "Data Formats" (ApplicationUp). Uplinks become values;
events of downlinks that Madang has sent tell of commands. Joins, other downlinks, service data and
whatever else tells of the network are read and are no measurements, so nothing comes of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from madang.sense.codecs import instants
from madang.sense.codecs.bounds import device_name, json_of, shown
from madang.sense.codecs.lorawan import (
    dev_eui,
    is_token,
    object_of,
    payload_of,
    port_of,
    radio_of,
    values_of,
)
from madang.sense.codecs.table import TOPICS
from madang.sense.message import Answered, Decoded, Message, Rejected, Uplink

_OTHERS = frozenset(
    {
        "join_accept",
        "downlink_ack",
        "downlink_nack",
        "downlink_sent",
        "downlink_failed",
        "downlink_queued",
        "downlink_queue_invalidated",
        "downlinks",
        "location_solved",
        "service_data",
        "uplink_normalized",  # comes besides the uplink_message of the same frame
    }
)
_EVENTS: dict[str, Literal["acknowledged", "done", "failed"]] = {
    "downlink_sent": "acknowledged",
    "downlink_ack": "done",
    "downlink_nack": "failed",
    "downlink_failed": "failed",
}
_REASONS = {"downlink_nack": "the device has not acknowledged the frame"}
_NEVER = "0001-01-01T00:00:00Z"
"""How the stack writes that there is no time."""


class TheThingsStack:
    """The codec; see the module."""

    name = "tts"
    topics: Sequence[str] = TOPICS["tts"]

    def decode(self, message: Message) -> list[Decoded]:
        body = json_of(message)
        if not isinstance(body, dict):
            raise Rejected(
                "badPayload",
                f"expected one message of The Things Stack, an object, not {shown(body)}",
            )
        body = body.get("result", body)  # the storage integration wraps messages so
        if not isinstance(body, dict) or "uplink_message" not in body:
            if isinstance(body, dict) and not _OTHERS.isdisjoint(body):
                return _answered(body, message.device)
            raise Rejected(
                "badPayload",
                "this is no message of The Things Stack v3: expected the member uplink_message",
            )
        return _uplinks(body, message.device)


def _answered(body: Mapping[str, Any], addressed: str) -> list[Decoded]:
    """Return what became of a frame that bears the name of a command."""
    for event, status in _EVENTS.items():
        if event not in body:
            continue
        told = object_of(body, event)
        frame = object_of(told, "downlink") or told
        why = object_of(told, "error").get("message_format", _REASONS.get(event, ""))
        ids = [
            id
            for part in (frame, body)
            if isinstance(part.get("correlation_ids"), list)
            for id in part["correlation_ids"]
        ]
        device = _device(object_of(body, "end_device_ids"), addressed)
        return [
            Answered(device, token, status, str(why)[:300])
            for token in dict.fromkeys(id for id in ids if is_token(id))
        ]
    return []


def _uplinks(body: Mapping[str, Any], addressed: str) -> list[Decoded]:
    uplink = object_of(body, "uplink_message")
    payload = payload_of(uplink.get("frm_payload"), "uplink_message.frm_payload")
    values = values_of(uplink.get("decoded_payload"), "uplink_message.decoded_payload")
    if payload is None and not values:
        return []  # a frame with nothing but commands of the network
    return [
        Uplink(
            _device(object_of(body, "end_device_ids"), addressed),
            values,
            _observed(body, uplink),
            payload,
            port_of(uplink.get("f_port"), "uplink_message.f_port"),
            radio_of(uplink.get("rx_metadata"), ("gateway_ids", "gateway_id"), uplink.get("f_cnt")),
        )
    ]


def _device(ids: Mapping[str, Any], addressed: str) -> str:
    """Return the DevEUI if there is one, else the id that the application gave.

    An address that names another device than the message was chosen by whoever set it up: it wins.
    """
    given = ids.get("device_id")
    if addressed and addressed != given:
        return addressed
    eui = dev_eui(ids.get("dev_eui"))
    if eui:
        return eui
    return device_name(given, "end_device_ids.device_id")


def _observed(body: Mapping[str, Any], uplink: Mapping[str, Any]) -> int | None:
    """Return when the network heard it: gateways without GPS have bad clocks, servers do not."""
    for member, value in (
        ("uplink_message.received_at", uplink.get("received_at")),
        ("received_at", body.get("received_at")),
    ):
        if value and value != _NEVER:
            return instants.of_text(value, member)
    return None


CODEC = TheThingsStack()
