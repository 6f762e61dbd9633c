"""What a centre says of an edge node: the TOML file that an operator sets there.

The page ``docs/how-to/run-an-edge-node.md`` describes the file.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from difflib import get_close_matches
from typing import Annotated, Any, Final, NamedTuple, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madang.model.errors import BadRequestData
from madang.sense.devices import form
from madang.sense.devices.form import Form
from madang.settings_types import EdgeRule

LONGEST: Final = 256 * 1024
"""Of the text of a configuration. [bytes]"""
LARGEST: Final = 4 * 1024 * 1024
"""Of what is handed to a node: the text and its profiles. [bytes]"""
MOST_TYPES: Final = 500
MOST_PROFILES: Final = 200
MOST_DEVICES: Final = 2_000


class BadConfiguration(BadRequestData):
    """A configuration cannot be used; a person must mend it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Place(_Part):
    """Where a device was put up. [degrees, WGS 84]"""

    longitude: float
    latitude: float


class Registered(_Part):
    """A device that the node shall know, written as ``[[devices]]``."""

    name: str
    profile: str = ""
    aliases: list[str] = []
    owner: str = ""
    location: Place | None = None
    interval: float | None = None
    """How often it reports. [s]"""

    @model_validator(mode="after")
    def _is_device(self) -> Self:
        try:
            self.form()
        except BadRequestData as error:
            raise ValueError(str(error)) from None
        return self

    def form(self) -> Form:
        """Return the device as the registry takes it.

        Raises:
            BadRequestData: a member is not as it must be.
        """
        given = {
            form.NAME: self.name,
            "profile": self.profile,
            "alias": self.aliases,
            "owner": self.owner,
            "interval": self.interval,
        }
        body = {member: value for member, value in given.items() if value not in ("", [], None)}
        return form.read(body | (self.location.model_dump() if self.location else {}), is_new=True)


class Configuration(_Part):
    """A whole configuration."""

    rules: Annotated[dict[str, EdgeRule], Field(max_length=MOST_TYPES)] | None = None
    """What leaves the node, by type of entities; None: what the node's own file says."""
    personal: bool | None = None
    """Attributes marked personal leave as well; None: what the node's own file says."""
    profiles: list[str] = Field(default=[], max_length=MOST_PROFILES)
    """Profiles of the centre that the node gets."""
    devices: list[Registered] = Field(default=[], max_length=MOST_DEVICES)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = (device.name for device in self.devices)
        for name, count in Counter(names).items():
            if count > 1:
                raise ValueError(f"devices: two are called {name}")
        return self


_KEYS: Final = [
    key for part in (Configuration, EdgeRule, Registered, Place) for key in part.model_fields
]


def parse(text: str) -> Configuration:
    """Return the configuration written in TOML text.

    Raises:
        BadConfiguration: it is no TOML, or a key is not as it must be.
    """
    if len(text.encode()) > LONGEST:
        raise BadConfiguration(f"a configuration has at most {LONGEST // 1024} KiB")
    try:
        return Configuration.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfiguration(f"the configuration is not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            near = get_close_matches(str(first["loc"][-1]), _KEYS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            reason = f"there is no such key in a configuration{hint}"
        what = f"{where}: {reason}" if where else reason
        raise BadConfiguration(f"the configuration: {what}") from None


# --- from the centre to the node ----------------------------------------------------------------


class Handed(NamedTuple):
    """What a node is handed."""

    name: str
    """What the centre calls the node."""
    configuration: Configuration
    profiles: dict[str, str]
    """The text of each profile, by name."""


def written(name: str, text: str, profiles: dict[str, str]) -> bytes:
    """Return what is handed to a node, as JSON."""
    return orjson.dumps({"name": name, "text": text, "profiles": profiles})


def read(body: bytes) -> Handed:
    """Return what a node has been handed.

    Raises:
        BadConfiguration: it is nothing that this version understands.
    """
    try:
        found: Any = orjson.loads(body)
        name, text, profiles = found["name"], found["text"], found["profiles"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadConfiguration("the centre hands out something that is no configuration") from None
    texts = (name, text, *(profiles.values() if isinstance(profiles, dict) else [None]))
    if not all(isinstance(one, str) for one in texts):
        raise BadConfiguration("the centre hands out something that is no configuration")
    return Handed(name, parse(text), profiles)


def version(body: bytes) -> str:
    """Return what tells one configuration, with its profiles, from any other (SHA-256)."""
    return hashlib.sha256(body).hexdigest()


def short(version: str) -> str:
    """Return a version as people compare it."""
    return version[:12]
