"""The codec ``chirpstack``: events of ChirpStack v4 in JSON, by MQTT or its HTTP integration.

Source: ChirpStack documentation, "Integrations: Event types". The event ``up`` becomes values;
``ack`` and ``txack`` tell of commands, ``join``, ``status``, ``log``, ``location`` and
``integration`` of the network, so nothing comes of those. ChirpStack leaves out what is 0 or empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from madang.sense.codecs import instants
from madang.sense.codecs.bounds import json_of, shown
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


class ChirpStack:
    """The codec; see the module."""

    name = "chirpstack"
    topics: Sequence[str] = TOPICS["chirpstack"]

    def decode(self, message: Message) -> list[Decoded]:
        body = json_of(message)
        if not isinstance(body, dict) or "deviceInfo" not in body:
            raise Rejected(
                "badPayload",
                "this is no event of ChirpStack v4 in JSON: expected an object with the member"
                f" deviceInfo, not {shown(body)}",
            )
        if "integrationName" in body:  # what another integration says of an uplink
            return []
        if is_token(body.get("queueItemId")):
            return [_answered(body, message.device)]
        payload = payload_of(body.get("data"), "data")
        values = values_of(body.get("object"), "object")
        if payload is None and not values:
            return []
        return [
            Uplink(
                _device(object_of(body, "deviceInfo"), message.device),
                values,
                instants.of_text(body["time"], "time") if body.get("time") else None,
                payload,
                port_of(body.get("fPort"), "fPort"),
                radio_of(body.get("rxInfo"), ("gatewayId",), body.get("fCnt", 0)),
            )
        ]


def _answered(body: Mapping[str, Any], addressed: str) -> Answered:
    """Return what became of a frame to a device: on its way by a gateway, or acknowledged."""
    device = _device(object_of(body, "deviceInfo"), addressed)
    token = str(body["queueItemId"])
    if "txInfo" in body or "gatewayId" in body:
        return Answered(device, token, "acknowledged")
    if body.get("acknowledged"):
        return Answered(device, token, "done")
    return Answered(device, token, "failed", "the device has not acknowledged the frame")


def _device(info: Mapping[str, Any], addressed: str) -> str:
    """Return the DevEUI, unless the address names another device."""
    eui = dev_eui(info.get("devEui"))
    if addressed and addressed.upper() != eui:
        return addressed
    if eui:
        return eui
    raise Rejected(
        "badPayload",
        "deviceInfo.devEui must be the DevEUI of the device, 16 hexadecimal digits, not"
        f" {shown(info.get('devEui'))}",
    )


CODEC = ChirpStack()
