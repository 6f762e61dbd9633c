"""A policy as residents meet it: prices of driving, faster or slower modes, work from home.

A file of TOML; all of it may be left out:

    name = "Price in the centre"
    remote_work = 0.1                # share of workdays at home, of those who otherwise go

    [[price]]                        # of a drive that ends in a district, or in all without one
    district = "Madang-dong"
    won = 3000

    [time]                           # factors of the minutes in each mode
    transit = 0.85
    bicycle = 0.9
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madang.model.errors import MadangError
from madang.twin.people.figures import MODES
from madang.twin.people.town import CAR, Town

_LARGEST = 100_000  # of a file [B]


class BadPolicy(MadangError):
    """A policy names what is not there, or has a value that cannot be."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy for one town.

    Args:
        name: what people call it.
        price_min: what a way costs more, (mode, district and beyond the gates). [min]
        time: factors of the minutes in each mode. [1]
        remote_work: share of workdays that are spent at home. [1]
    """

    name: str
    price_min: NDArray[np.float32]
    time: NDArray[np.float32]
    remote_work: float


def none(town: Town) -> Policy:
    """Return the policy that changes nothing."""
    price = np.zeros((len(MODES), len(town.places.districts) + 1), np.float32)
    return Policy("as it is", price, np.ones(len(MODES), np.float32), 0.0)


def read(file: Path, town: Town) -> Policy:
    """Read a policy for a town.

    Raises:
        BadPolicy: the file cannot be read or says what cannot be.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise BadPolicy(f"{file} is larger than the {_LARGEST:,} bytes a policy may have")
        return parsed(file.read_text("utf-8"), town)
    except (OSError, UnicodeDecodeError) as error:
        raise BadPolicy(f"{file} cannot be read: {error}") from None
    except BadPolicy as error:
        raise BadPolicy(f"{file}: {error}") from None


def parsed(text: str, town: Town) -> Policy:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicy(f"it is not TOML: {error}") from None
    _known(data, ("name", "remote_work", "price", "time"))
    found = none(town)
    for one in data.get("price", []):
        _known(one, ("district", "won"))
        won = _number(one, "won", 0, 1_000_000)
        where = _district(one["district"], town) if "district" in one else slice(None)
        found.price_min[CAR, where] += won / town.figures.won_per_min
    for mode in data.get("time", {}):
        if mode not in MODES[1:]:
            raise BadPolicy(f"time.{mode} is no mode; those are {', '.join(MODES[1:])}")
        found.time[MODES.index(mode)] = _number(data["time"], mode, 0.1, 10)
    remote = _number(data, "remote_work", 0, 1) if "remote_work" in data else 0.0
    return Policy(str(data.get("name", "policy")), found.price_min, found.time, remote)


def _known(table: dict[str, Any], names: tuple[str, ...]) -> None:
    for one in table:
        if one not in names:
            raise BadPolicy(f"{one!r} is nothing a policy has; it has {', '.join(names)}")


def _number(table: dict[str, Any], name: str, low: float, high: float) -> float:
    value = table.get(name)
    if not isinstance(value, int | float) or not low <= value <= high:
        raise BadPolicy(f"{name} must be a number from {low} to {high:,}, not {value!r}")
    return float(value)


def _district(name: object, town: Town) -> int:
    for number, names in enumerate(town.places.districts):
        if name in names:
            return number
    known = [one for names in town.places.districts for one in names]
    close = get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; they are {', '.join(known[:20])}"
    raise BadPolicy(f"there is no district {name!r}{hint}")
