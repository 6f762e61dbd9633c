"""Devices, their profiles and dead letters."""

from __future__ import annotations

from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import (
    GONE,
    LINES,
    PAGE,
    Id,
    Moment,
    Object,
    Operation,
    shape,
)
from madang.sense.devices.device import State
from madang.sense.message import Reason


@shape
class Device(TypedDict):
    """A device in short."""

    device: str
    profile: str
    alias: list[str]
    owner: str
    deviceState: State
    lastHeard: Moment | None
    silent: bool
    expectedEvery: float | None
    """How often it reports. [s]"""
    location: Object | None
    """Where it was put up: a GeoJSON geometry."""
    entities: list[Id]
    """What it writes."""
    quality: dict[str, int]
    """How many of the present values have each flag."""
    battery: float | None
    """As it reports it, mostly from 0 to 1."""


@shape
class _DeviceMembers(TypedDict, total=False):
    profile: str
    serialNumber: str
    alias: list[str]
    name: str
    description: str
    category: list[str]
    controlledProperty: list[str]
    owner: list[str]
    provider: str
    deviceState: State
    interval: float
    """[s]"""
    refDeviceModel: Id
    firmwareVersion: str
    hardwareVersion: str
    softwareVersion: str
    dateManufactured: str
    dateInstalled: str
    dateLastCalibration: str
    longitude: float
    latitude: float


@shape
class _DeviceNew(_DeviceMembers, total=False):
    device: str
    key: bool


@shape
class NewDevice(_DeviceNew):
    """A device to be registered: with a name or a serial number, and a key if it is to have one."""


@shape
class DeviceChange(TypedDict, total=False):
    """Members to be changed; null removes one."""

    profile: str | None
    serialNumber: str | None
    alias: list[str] | None
    name: str | None
    description: str | None
    category: list[str] | None
    controlledProperty: list[str] | None
    owner: list[str] | None
    provider: str | None
    deviceState: State | None
    interval: float | None
    refDeviceModel: Id | None
    firmwareVersion: str | None
    hardwareVersion: str | None
    softwareVersion: str | None
    dateManufactured: str | None
    dateInstalled: str | None
    dateLastCalibration: str | None
    longitude: float | None
    latitude: float | None


@shape
class DeviceDetail(_DeviceMembers):
    """A device and how it is."""

    device: str
    lastHeard: Moment | None
    silent: bool
    expectedEvery: float | None
    entities: list[Id]
    """What it writes."""
    quality: dict[str, int]
    """How many of the present values have each flag."""
    battery: float | None
    """As it reports it, mostly from 0 to 1."""
    keyId: str | None
    labelUrl: str
    """The page that the code on its label opens."""
    key: NotRequired[str]
    """Told once, when it was made."""


@shape
class DeviceKey(TypedDict):
    """The key of a device, told once."""

    device: str
    key: str


@shape
class Overlap(TypedDict, total=False):
    """How long the secret before still works."""

    overlap_s: int


@shape
class Grant(TypedDict):
    """A key that lets devices register themselves."""

    key: str
    profile: str
    left: int


@shape
class NewGrant(TypedDict):
    """How many devices of which profile may register themselves."""

    profile: str
    count: int
    name: NotRequired[str]


@shape
class GrantMade(TypedDict):
    """A key that lets devices register themselves, with its secret, told once."""

    id: str
    profile: str
    left: int
    key: str


@shape
class Registration(TypedDict):
    """What a device says of itself."""

    serialNumber: str
    firmwareVersion: NotRequired[str]
    hardwareVersion: NotRequired[str]


@shape
class Imported(TypedDict):
    """What became of a row of a table."""

    row: int
    device: NotRequired[str]
    key: NotRequired[str]
    error: NotRequired[str]


@shape
class Profile(TypedDict):
    """What the fields of messages mean, in short."""

    name: str
    title: str
    types: list[str]
    codec: str
    interval_s: float | None
    origin: Literal["madang", "city"]
    devices: int
    entities: list[str]
    """Ids of what a device writes, with ``{device}`` in place of its name."""


@shape
class ProfileDetail(Profile):
    """A profile with its file."""

    text: str
    """TOML."""


@shape
class Toml(TypedDict):
    """A file as TOML."""

    text: str


# --- dead letters ---------------------------------------------------------------------------------


@shape
class LetterBody(TypedDict):
    """What was sent; whole only when one letter is asked for."""

    bytes: int
    text: NotRequired[str]
    base64: NotRequired[str]


@shape
class Letter(TypedDict):
    """A message that could not be used, and why."""

    id: int
    at: Moment
    transport: str
    address: str
    codec: str
    device: str
    sender: str
    origin: str
    reason: Reason
    detail: str
    attempts: int
    body: LetterBody


@shape
class Letters(TypedDict):
    """A page of dead letters, the newest first."""

    count: int
    byReason: dict[str, int]
    byDevice: dict[str, int]
    """Those with the most letters."""
    replaced: int
    """How many had to make room."""
    letters: list[Letter]


@shape
class Removed(TypedDict):
    """How many were removed."""

    removed: int


@shape
class NotReplayed(TypedDict):
    """A letter that still cannot be used, and why."""

    id: int
    detail: str


@shape
class LettersReplayed(TypedDict):
    """What became of letters that were sent again."""

    replayed: int
    failed: list[NotReplayed]


_DEVICE: Final = "/devices/{device}"
_LETTER: Final = "/sense/letters/{letter}"
_CHOICE: Final = {"q": str, "profile": str, "owner": str, "state": State, "silent": bool}
_LETTERS: Final = {"device": str, "reason": Reason, "before": int, "limit": int}
OPERATIONS: Final = {
    "GET /devices": Operation(list[Device], _CHOICE | PAGE),
    "POST /devices": Operation(DeviceDetail, body=NewDevice, status=(201,)),
    "POST /devices/import": Operation(
        Imported, {"columns": str, "keys": bool, "profile": str}, sends="text/csv", media=LINES
    ),
    "GET /devices/labels": Operation(None, _CHOICE, media="text/html"),
    "GET /devices/provisioning": Operation(list[Grant], PAGE),
    "POST /devices/provisioning": Operation(GrantMade, body=NewGrant, status=(201,)),
    "DELETE /devices/provisioning/{key}": GONE,
    "POST /devices/register": Operation(DeviceKey, body=Registration, status=(201,)),
    f"GET {_DEVICE}": Operation(DeviceDetail),
    f"PATCH {_DEVICE}": Operation(DeviceDetail, body=DeviceChange),
    f"DELETE {_DEVICE}": GONE,
    f"POST {_DEVICE}/key": Operation(DeviceKey, body=Overlap),
    f"DELETE {_DEVICE}/key": GONE,
    f"GET {_DEVICE}/label": Operation(
        None, {"format": Literal["svg", "png"]}, media="image/svg+xml"
    ),
    "GET /profiles": Operation(list[Profile], PAGE),
    "GET /profiles/{name}": Operation(ProfileDetail),
    "PUT /profiles/{name}": Operation(body=Toml, status=(201, 204)),
    "DELETE /profiles/{name}": GONE,
    "GET /sense/letters": Operation(Letters, _LETTERS),
    "DELETE /sense/letters": Operation(Removed, _LETTERS),
    "POST /sense/letters/replay": Operation(LettersReplayed, {**_LETTERS, "id": int}),
    f"GET {_LETTER}": Operation(Letter),
    f"DELETE {_LETTER}": GONE,
}
