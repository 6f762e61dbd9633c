"""The codec ``senml``: packs of SenML records in JSON or CBOR, resolved.

Records of one device and time make one uplink. The name of a record, its base name and name in one,
is parted into device and field; a record whose name is all device is called after its unit. A sum
becomes the field ``<name>Sum``. ``units`` holds the UN/CEFACT codes of the fields.
Source: RFC 8428, Sensor Measurement Lists; RFC 8798, additional units.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any, NamedTuple, NoReturn

import cbor2

from madang.sense.codecs.bounds import (
    DEEPEST,
    LONGEST_NAME,
    check_fields,
    check_items,
    json_of,
    shown,
)
from madang.sense.codecs.instants import SECOND, of_number
from madang.sense.codecs.senml_units import CEFACT
from madang.sense.message import Decoded, Message, Rejected, Uplink

UNITS = "units"
"""The field that holds the units of the others, unless the pack has a field of that name."""
_VERSION = 10
_LARGEST = 1e300
_WHOLE = 2**63  # larger whole numbers are no JSON of everybody
_ABSOLUTE = 2**28  # a smaller time counts from now (section 4.5.3) [s]
_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_VALUES = ("v", "vs", "vb", "vd")
_SEPARATORS = "/:._-"
_URN = "urn:dev:"


class SenMl:
    """The codec; see the module."""

    name = "senml"
    topics: Sequence[str] = ()

    def decode(self, message: Message) -> list[Decoded]:
        pack = _cbor_of(message) if _is_cbor(message.body) else json_of(message)
        if not isinstance(pack, list) or not pack:
            raise Rejected("badPayload", f"expected an array of SenML records, not {shown(pack)}")
        records = list(_resolved(check_items(pack, "records"), message.received))
        return list(_uplinks(records, message.device))


class _Record(NamedTuple):
    """A record whose base fields have been worked in."""

    base: str
    name: str
    unit: str
    values: dict[str, Any]
    """What was measured: under the empty name the value, under ``Sum`` the sum."""
    observed: int | None


# --- reading ------------------------------------------------------------------------------------


def _is_cbor(body: bytes) -> bool:
    """Tell whether a body begins as an array of CBOR (major type 4), which no JSON does."""
    return body[:1] >= b"\x80" and body[:1] < b"\xa0"


def _refuse(*_: object) -> NoReturn:
    raise Rejected("badPayload", "the CBOR of a SenML pack has no tags but decimal fractions")


_TAGS = dict.fromkeys(
    [
        *(0, 1, 2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261),
        *(1004, 1040, 43000, 55799),
    ],
    _refuse,
)
"""What the library would make objects of, some of them at great expense."""


def _cbor_of(message: Message) -> Any:
    """Return what CBOR says, its labels as in JSON."""
    stream = BytesIO(message.body)
    try:
        found = cbor2.CBORDecoder(
            stream, tag_hook=_refuse, semantic_decoders=_TAGS, max_depth=DEEPEST
        ).decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, ArithmeticError) as error:
        raise Rejected("badPayload", f"the message is no CBOR: {error}") from None
    if stream.read(1):
        raise Rejected("badPayload", "there is something behind the SenML pack")
    return [_labelled(record) for record in found] if isinstance(found, list) else found


def _labelled(record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    return {_LABELS.get(label, label): value for label, value in record.items()}


# --- resolving (section 4.6) ----------------------------------------------------------------------


def _resolved(pack: list[Any], now: int) -> Iterator[_Record]:
    base: dict[str, Any] = {}
    for place, record in enumerate(pack, 1):
        where = f"record {place}"
        if not isinstance(record, dict):
            raise Rejected("badPayload", f"{where} must be an object, not {shown(record)}")
        base |= _base(record, where)
        values = _values(record, base, where)
        if values:
            name = _text(record, "n", where)
            unit = _text(record, "u", where) or base.get("bu", "")
            yield _Record(base.get("bn", ""), name, unit, values, _time(record, base, now, where))
        elif "n" in record:
            raise Rejected("badPayload", f"{where} has a name but no value: v, vs, vb, vd or s")


def _base(record: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the base fields of a record, which hold from here on."""
    for label in record:
        if isinstance(label, str) and label.endswith("_"):
            raise Rejected(
                "badPayload", f"{where} must not be read without understanding {shown(label)}"
            )
    version = record.get("bver", _VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version > _VERSION:
        raise Rejected("badPayload", f"{where} is of SenML version {shown(version)}, not 10")
    found: dict[str, Any] = {
        label: _text(record, label, where) for label in ("bn", "bu") if label in record
    }
    for label in ("bt", "bv", "bs"):
        if label in record:
            found[label] = _number(record[label], f"{label} of {where}")
    return found


def _values(record: Mapping[str, Any], base: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = [label for label in _VALUES if label in record]
    if len(given) > 1:
        raise Rejected("badPayload", f"{where} has several values: {', '.join(given)}")
    found: dict[str, Any] = {}
    if given:
        found[""] = _value(given[0], record[given[0]], base, where)
    elif "bv" in base and "n" in record and "s" not in record:
        found[""] = base["bv"]  # what is missing counts as 0
    if "s" in record or (found and "bs" in base):
        total = _number(record.get("s", 0), f"s of {where}") + base.get("bs", 0)
        found["Sum"] = _number(total, f"s of {where}")
    return found


def _value(label: str, value: Any, base: Mapping[str, Any], where: str) -> Any:
    if label == "v":
        return _number(_number(value, f"v of {where}") + base.get("bv", 0), f"v of {where}")
    if label == "vd" and isinstance(value, bytes):
        return urlsafe_b64encode(value).rstrip(b"=").decode()  # as JSON has it
    wanted = bool if label == "vb" else str
    if not isinstance(value, wanted):
        word = "true or false" if label == "vb" else "a text"
        raise Rejected("badPayload", f"{label} of {where} must be {word}, not {shown(value)}")
    return value


def _number(value: Any, what: str) -> int | float:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("badPayload", f"{what} must be a number, not {shown(value)}")
    if not abs(value) < _LARGEST:
        raise Rejected("badPayload", f"{what} is too large: {shown(value)}")
    return value if abs(value) < _WHOLE else float(value)


def _text(record: Mapping[str, Any], label: str, where: str) -> str:
    value = record.get(label, "")
    if isinstance(value, str) and len(value) <= LONGEST_NAME:
        return value
    raise Rejected(
        "badPayload",
        f"{label} of {where} must be a text of at most {LONGEST_NAME} characters,"
        f" not {shown(value)}",
    )


def _time(record: Mapping[str, Any], base: Mapping[str, Any], now: int, where: str) -> int | None:
    """Return when a record was measured; None: now. [us]"""
    seconds = _number(record.get("t", 0), f"t of {where}") + base.get("bt", 0)
    if seconds == 0:
        return None
    if seconds < _ABSOLUTE:
        seconds += now / SECOND
    return of_number(seconds, SECOND, f"the time of {where}")


# --- grouping -------------------------------------------------------------------------------------


class _Group:
    """What is told of one device and time."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.units: dict[str, str] = {}

    def fields(self) -> dict[str, Any]:
        """Return the fields, with their units if no field has that name."""
        values = check_fields(self.values)
        return {UNITS: self.units, **values} if self.units else values


def _uplinks(records: list[_Record], addressed: str) -> Iterator[Uplink]:
    """Yield an uplink for each device and time, in the order in which they are first told."""
    groups: dict[tuple[str, int | None], list[_Group]] = {}
    named: set[str] = set()
    for place, record in enumerate(records, 1):
        device, field = _parted(record, bool(addressed), place)
        named.add(device)
        parts = groups.setdefault((addressed or device, record.observed), [_Group()])
        for suffix, value in record.values.items():
            name = field + suffix
            if name in parts[-1].values:  # told twice of one time: none of them gets lost
                parts.append(_Group())
            parts[-1].values[name] = value
            if record.unit in CEFACT:
                parts[-1].units[name] = CEFACT[record.unit]
    if addressed and len(named) > 1:
        raise Rejected(
            "badPayload",
            f"the pack came to the address of {shown(addressed)} but tells of {len(named)}"
            " devices; send such packs to /sense/up/senml",
        )
    for (device, observed), parts in groups.items():
        for part in parts:
            yield Uplink(device, part.fields(), observed)


def _parted(record: _Record, is_addressed: bool, place: int) -> tuple[str, str]:
    """Return the device and the field of a record, as its name says them.

    Raises:
        Rejected: it has no name, or one that no record may have (section 4.5.1).
    """
    full = record.base + record.name
    if not _NAME.fullmatch(full):
        raise Rejected(
            "badPayload",
            f"value {place} has the name {shown(full)}; a name begins with a letter or digit,"
            " and goes on with these and - : . / _",
        )
    if record.base:
        device, field = record.base.rstrip(_SEPARATORS), record.name
    elif is_addressed and not full.startswith(_URN):
        device, field = "", full
    else:
        device, field = _split(full)
        if not device:
            raise Rejected(
                "badPayload",
                f"{shown(full)} names no device: give a base name (bn), a name such as"
                " device/field, or send it to the address of the device",
            )
    if len(device) > LONGEST_NAME:
        raise Rejected("badPayload", f"the name of the device is too long: {shown(device)}")
    return device, field or record.unit or "value"


def _split(name: str) -> tuple[str, str]:
    """Return the device and the field in a name that stands alone.

    >>> _split("urn:dev:ow:10e2073a01080063_temp"), _split("urn:dev:ow:10e2073a01080063")
    (('urn:dev:ow:10e2073a01080063', 'temp'), ('urn:dev:ow:10e2073a01080063', ''))
    >>> _split("hall/temperature"), _split("temperature")
    (('hall', 'temperature'), ('', 'temperature'))
    """
    if name.startswith(_URN):  # RFC 9039 sets the parts of a device off by underscores
        device, _, field = name.partition("_")
        return device.rstrip(_SEPARATORS), field
    for separator in _SEPARATORS:
        device, mark, field = name.rpartition(separator)
        if mark:
            return device.rstrip(_SEPARATORS), field
    return "", name


CODEC = SenMl()
