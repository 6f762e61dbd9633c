"""What LoRaWAN network servers have in common, and the reading of the payloads they pass on.

A network server knows who sent which bytes on which port; what the bytes mean, only the maker of
the device does. So a codec (:mod:`.lorawan_tts`, :mod:`.lorawan_chirpstack`) gives an uplink with
its payload, and :func:`decoded` reads that as the device's profile says.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from madang.sense.codecs import cayenne, javascript
from madang.sense.codecs.bounds import check_fields, shown
from madang.sense.message import Rejected, Uplink

LONGEST_PAYLOAD = 255  # [bytes] LoRaWAN Regional Parameters RP002: 242, and room for others
LAST_PORT = 255
_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Decodes(Protocol):
    """What :func:`decoded` asks of a profile (:class:`madang.sense.devices.profile.Profile`)."""

    @property
    def decoder(self) -> str: ...

    @property
    def script(self) -> str: ...


async def decoded(uplink: Uplink, profile: Decodes) -> Uplink:
    """Return an uplink with the values that the decoder of its profile reads in its payload.

    What the network server itself decoded is used if the profile names no decoder, or if there is
    no payload. Warnings of a decoder become the field ``warnings``.

    Raises:
        Rejected: the payload cannot be read (``badPayload``), or nothing says how (``noCodec``).
    """
    if uplink.payload is None:
        return uplink
    match profile.decoder:
        case "cayenne":
            values = cayenne.decode(uplink.payload)
        case "javascript":
            values = await _by_script(uplink, profile.script)
        case "" if uplink.values:
            return uplink._replace(payload=None)
        case "":
            raise Rejected(
                "noCodec",
                "the message holds a payload of bytes, and the profile of the device names no"
                ' decoder for it; set decoder = "cayenne", or "javascript" with a script',
            )
        case unknown:
            raise Rejected(
                "noCodec", f"decoder must be 'cayenne' or 'javascript', not {shown(unknown)}"
            )
    return uplink._replace(values=check_fields(values), payload=None)


async def _by_script(uplink: Uplink, script: str) -> dict[str, Any]:
    result = await javascript.decode(script, uplink.payload or b"", uplink.port, uplink.observed)
    if result.errors:
        raise Rejected("badPayload", f"the decoder says: {'; '.join(result.errors)}")
    values = result.data
    if result.warnings:
        values.setdefault("warnings", result.warnings)
    if not values:
        raise Rejected("badPayload", "the decoder found no values in the payload")
    return values


def payload_of(value: object, member: str) -> bytes | None:
    """Return the bytes of a payload as network servers write it: Base64, or nothing."""
    if value is None or value == "":
        return None
    try:
        if not isinstance(value, str):
            raise ValueError
        found = base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise Rejected("badPayload", f"{member} must be Base64, not {shown(value)}") from None
    if len(found) > LONGEST_PAYLOAD:
        raise Rejected(
            "tooLarge", f"{member} has {len(found):,} bytes; LoRaWAN carries {LONGEST_PAYLOAD}"
        )
    return found


def port_of(value: object, member: str) -> int:
    """Return an FPort; none is 0, as protobuf writes it."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_PORT:
        raise Rejected(
            "badPayload", f"{member} must be a number from 0 to {LAST_PORT}, not {shown(value)}"
        )
    return value


def values_of(value: object, member: str) -> dict[str, Any]:
    """Return what the network server has decoded: an object, or nothing."""
    if not value:
        return {}
    if not isinstance(value, dict):
        raise Rejected("badPayload", f"{member} must be an object of fields, not {shown(value)}")
    return check_fields(value)


def object_of(body: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    """Return a member that is an object; an empty one if it is not there."""
    value = body.get(member) or {}
    if not isinstance(value, dict):
        raise Rejected("badPayload", f"{member} must be an object, not {shown(value)}")
    return value


def dev_eui(value: object) -> str:
    """Return a DevEUI as stickers on devices have it: 16 hexadecimal digits in upper case.

    Empty if the value is none.
    """
    text = value.upper() if isinstance(value, str) else ""
    is_eui = len(text) == 16 and not text.strip("0123456789ABCDEF")
    return text if is_eui else ""


def is_token(text: object) -> bool:
    """Tell whether a text may be the name that Madang gave to a command: a UUID."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def radio_of(receptions: object, gateway: Sequence[str], counter: object) -> dict[str, Any]:
    """Return how an uplink came, by the gateway that heard it best.

    Args:
        receptions: an array of objects with ``rssi`` [dBm] and ``snr`` [dB], one for each gateway.
        gateway: the path to the gateway's name in one of them.
        counter: the frame counter.
    """
    everyone = receptions if isinstance(receptions, list) else []
    heard = [one for one in everyone if isinstance(one, dict)]
    found: dict[str, Any] = {}
    if heard:
        best = max(heard, key=lambda one: _number(one.get("rssi"), -999.0))
        for member in ("rssi", "snr"):
            if _is_number(best.get(member)):
                found[member] = best[member]
        name: Any = best
        for step in gateway:
            name = name.get(step) if isinstance(name, dict) else None
        if isinstance(name, str) and name:
            found["gateway"] = name[:100]
    if _is_number(counter):
        found["frameCounter"] = counter
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any, otherwise: float) -> float:
    return value if _is_number(value) else otherwise
