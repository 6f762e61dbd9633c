"""Commands as they are written for devices: JSON, LoRaWAN network servers, Sparkplug, Ultralight.

Sources: the open device specification (docs/reference); The Things Stack documentation, "Scheduling
Downlinks" (MQTT); ChirpStack v4 documentation, "MQTT: Scheduling a downlink"; LoRaWAN Payload Codec
API (TS013-1.0.0) for ``encodeDownlink``; Eclipse Sparkplug 3.0.0 sections 5.10, 6.4
(NCMD, DCMD); FIWARE IoT Agent for Ultralight 2.0, "Commands payload syntax".
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

import orjson

from madang.act.commands.equipment import Order, Unwritable
from madang.model import time
from madang.sense.codecs import javascript
from madang.sense.codecs.lorawan import dev_eui
from madang.sense.message import Rejected
from madang.services.service import Text

if TYPE_CHECKING:
    from madang.sense.devices.device import Device
    from madang.sense.devices.profile import Profile

_PLACE: Final = re.compile(r"\{(\w{1,64})\}")
_BOOLEAN, _INTEGER, _DOUBLE, _STRING = 11, 4, 10, 12  # data types of Sparkplug
LONGEST: Final = 64 * 1024
"""Of a message to a device. [bytes]"""
_GONE: Final = object()


def token(id: str) -> str:
    """Return a name for a command that network servers take: they limit its length."""
    return str(uuid5(NAMESPACE_URL, id))


def unwritable(why: str) -> Unwritable:
    return Unwritable(Text(why, f"명령을 장치 형식으로 만들 수 없습니다: {why}"))


def content(order: Order) -> Any:
    """Return what the profile wants to be sent: its template filled in, else the usual object."""
    if order.rule.payload is None:
        return {
            "id": order.id,
            "command": order.name,
            "parameters": dict(order.parameters),
            "expiresAt": time.render(order.until),
        }
    return _filled(order.rule.payload, _values(order))


def bears_id(order: Order) -> bool:
    """Tell whether the id of the command is in what is sent."""
    payload = order.rule.payload
    return payload is None or b"{id}" in orjson.dumps(payload)


def _values(order: Order) -> dict[str, Any]:
    own = {"id": order.id, "command": order.name, "expiresAt": time.render(order.until)}
    return {**order.parameters, **own}


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """Return a template with parameters in their places; what has none is left out.

    >>> _filled({"to": "{level}", "fade": "{fade}", "text": "at {level} %"}, {"level": 30})
    {'to': 30, 'text': 'at 30 %'}
    """
    if isinstance(template, str):
        alone = _PLACE.fullmatch(template)
        if alone is not None:
            return values.get(alone[1], _GONE)
        return _PLACE.sub(lambda place: _text(values.get(place[1], "")), template)
    if isinstance(template, dict):
        found = {name: _filled(one, values) for name, one in template.items()}
        return {name: one for name, one in found.items() if one is not _GONE}
    if isinstance(template, list):
        return [one for one in (_filled(item, values) for item in template) if one is not _GONE]
    return template


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def plain(order: Order) -> bytes:
    """Return a command as JSON, or as the text that the profile has."""
    found = content(order)
    body = found.encode() if isinstance(found, str) else orjson.dumps(found)
    if found is _GONE or len(body) > LONGEST:
        raise unwritable(f"the payload must be an object or a text of {LONGEST // 1024} KB at most")
    return body


# --- LoRaWAN ----------------------------------------------------------------------------------


async def tts(profile: Profile, order: Order) -> bytes:
    """Return a command for The Things Stack v3."""
    frame = {"priority": "NORMAL", "confirmed": profile.downlink.confirmed,
             "correlation_ids": [token(order.id)]}  # fmt: skip
    payload, port = await _frame(profile, order)
    if payload is None:
        frame = {"f_port": port, "decoded_payload": _fields(order), **frame}
    else:
        frame = {"f_port": port, "frm_payload": b64encode(payload).decode(), **frame}
    return orjson.dumps({"downlinks": [frame]})


async def chirpstack(profile: Profile, order: Order, eui: str) -> bytes:
    """Return a command for ChirpStack v4."""
    frame: dict[str, Any] = {"id": token(order.id), "devEui": eui,
                             "confirmed": profile.downlink.confirmed}  # fmt: skip
    payload, port = await _frame(profile, order)
    frame["fPort"] = port
    if payload is None:
        frame["object"] = _fields(order)
    else:
        frame["data"] = b64encode(payload).decode()
    return orjson.dumps(frame)


def _fields(order: Order) -> Any:
    """Return what the script encodes; the usual object would not fit a frame."""
    return dict(order.parameters) if order.rule.payload is None else content(order)


async def _frame(profile: Profile, order: Order) -> tuple[bytes | None, int]:
    """Return the payload that the script of the profile makes, and its FPort; without a script the
    network server has to encode the fields."""
    port = profile.downlink.port
    if profile.decoder != "javascript" or "encodeDownlink" not in profile.script:
        return None, port
    try:
        found = await javascript.encode(profile.script, _fields(order))
    except Rejected as error:
        raise unwritable(str(error)) from None
    return found.payload, found.port or port


def eui_of(device: Device) -> str:
    """Return the DevEUI of a device; empty if it has none."""
    return next(filter(None, map(dev_eui, (*device.aliases, device.name))), "").lower()


def tts_id(device: Device) -> str:
    """Return the id that a device has in The Things Stack: an alias that is no DevEUI, or else the
    one that the stack makes of the DevEUI."""
    other = next((alias for alias in device.aliases if not dev_eui(alias)), "")
    if other:
        return other
    eui = eui_of(device)
    return f"eui-{eui}" if eui else device.name


# --- others -----------------------------------------------------------------------------------


def sparkplug(order: Order, at: int) -> bytes:
    """Return a command for an edge node: each parameter is a metric of its name.

    Args:
        order: the command; a template of the profile gives other names.
        at: when it is sent. [us since 1970]
    """
    from madang.sense.codecs.sparkplug_payload import Payload

    fields = _fields(order)
    if not isinstance(fields, dict) or not fields:
        raise unwritable("a command of Sparkplug needs metrics: parameters, or a payload of them")
    payload = Payload(timestamp=at // 1000)
    for name, value in fields.items():
        metric = payload.metrics.add(name=name, timestamp=at // 1000)
        if isinstance(value, bool):
            metric.datatype, metric.boolean_value = _BOOLEAN, value
        elif isinstance(value, int):
            metric.datatype, metric.long_value = _INTEGER, value & (2**64 - 1)
        elif isinstance(value, float):
            metric.datatype, metric.double_value = _DOUBLE, value
        else:
            metric.datatype, metric.string_value = _STRING, _text(value)
    body: bytes = payload.SerializeToString()
    return body


def ultralight(device: str, order: Order) -> bytes:
    """Return a command as Ultralight 2.0 writes it.

    >>> from madang.act.commands.rules import Rule
    >>> rule = Rule(title={"en": "Turn", "ko": "돌리기"})
    >>> ultralight("lamp1", Order("urn:x", "turn", {"left": 30}, 0, rule))
    b'lamp1@turn|left=30'
    """
    found = _fields(order)
    if isinstance(found, dict):
        found = "|".join(f"{name}={_text(value)}" for name, value in found.items())
    text = f"{device}@{order.name}|{_text(found)}"
    if text.count("@") > 1 or "\n" in text:
        raise unwritable("a parameter of Ultralight must not hold @ or a line end")
    return text.encode()
