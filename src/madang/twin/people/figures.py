"""The figures that days are drawn from, read from TOML: `files/korea.toml` or a city's own.

Times are minutes of the day; going to bed may be after midnight ("24:30").
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from madang.model.errors import MadangError

GROUPS: Final = (
    "infant", "pupil_6", "pupil_12", "pupil_15", "student", "worker", "part", "home", "senior",
)  # fmt: skip
ACTIVITIES: Final = (
    "sleep", "home", "work", "school", "study", "shopping", "leisure", "meal", "errand",
)  # fmt: skip
MODES: Final = ("none", "walk", "bicycle", "transit", "car", "passenger")
"""``none`` is no trip at all."""
USES: Final = ("home", "work", "school", "shop", "leisure")
PURPOSES: Final = ("work", "school", "other")
PLACE_OF: Final = {
    "work": "work", "school": "school", "study": "shop", "shopping": "shop", "leisure": "leisure",
    "meal": "shop", "errand": "shop",
}  # fmt: skip
"""Where an activity is done: a use of places. Work and school are a person's own."""

_LARGEST = 1_000_000  # of a file of figures [B]
_MOST_EPISODES = 1000
_TIME = re.compile(r"(\d{1,2}):([0-5]\d)")

Numbers = NDArray[np.float32]
Codes = NDArray[np.int16]


class BadFigures(MadangError):
    """A file of figures lacks something or says what cannot be."""


@dataclass(frozen=True, slots=True)
class Published:
    """A figure of a statistics office that drawn days are held against."""

    id: str
    title: str
    value: float
    unit: str
    tolerance: float
    source: str
    address: str
    checked: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of the day: which episode by group, and what each episode is.

    ``upto`` and ``episode`` have the shape (day, group, alternative); day 0 is a weekday, 1 a
    day of the weekend. The last alternative is none.
    """

    name: str
    on_foot: bool
    upto: Numbers
    episode: Codes
    activity: NDArray[np.uint8]
    needs: Codes
    """Number of the slot without which an episode falls out, or -1."""
    here: NDArray[np.bool_]
    """Whether it is done where one is already, such as lunch in a canteen."""
    start: Numbers
    sd: Numbers
    minutes: Numbers
    spread: Numbers


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a city."""

    name: str
    published: tuple[Published, ...]
    sizes: Numbers
    eldest: Numbers
    partner: Numbers
    employed: Numbers
    """Share in work, (sex, decade from 20)."""
    part_time: float
    students: float
    car: float
    bicycle: float
    reach: dict[str, float]
    outside_work: float
    outside_student: float
    outside_m: float
    detour: float
    won_per_min: float
    per_minute: float
    fixed_min: Numbers
    m_per_min: Numbers
    shares: Numbers
    """Of modes by purpose, (purpose, mode)."""
    rest: Numbers
    """Getting up, its spread, bed, its spread: (day, group, 4). [min]"""
    slots: tuple[Slot, ...]


def korea() -> Figures:
    """Return the figures that come with Madang."""
    text = resources.files("madang.twin.people").joinpath("files/korea.toml").read_text("utf-8")
    return parsed(text, "korea.toml")


def read(file: Path) -> Figures:
    """Read a city's own figures.

    Raises:
        BadFigures: the file cannot be read, is too large, or says what cannot be.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise BadFigures(f"{file} is larger than the {_LARGEST:,} bytes that figures may have")
        return parsed(file.read_text("utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadFigures(f"{file} cannot be read: {error}") from None


def parsed(text: str, name: str) -> Figures:
    """Return the figures of a text; ``name`` is what errors call it."""
    try:
        return _figures(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadFigures(f"{name} is not TOML: {error}") from None
    except KeyError as error:
        raise BadFigures(f"{name} lacks {error}; files/korea.toml shows all there is") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise BadFigures(f"{name}: {error}; files/korea.toml shows the form") from None
    except BadFigures as error:
        raise BadFigures(f"{name}: {error}") from None


def _figures(data: dict[str, Any]) -> Figures:
    houses, jobs, places, modes = (data[key] for key in ("households", "jobs", "places", "modes"))
    return Figures(
        name=str(data["name"]),
        published=tuple(Published(**one) for one in data.get("published", [])),
        sizes=_shares(houses["sizes"], "households.sizes", 5),
        eldest=np.stack([_shares(row, "households.eldest", 7) for row in houses["eldest"]]),
        partner=_numbers(houses["partner"], "households.partner", 5),
        employed=np.stack([_numbers(jobs[sex], f"jobs.{sex}", 7) for sex in ("men", "women")]),
        part_time=_share(jobs, "part_time"),
        students=_share(jobs, "students"),
        car=_share(jobs, "car"),
        bicycle=_share(jobs, "bicycle"),
        reach={use: float(places["reach"][use]) for use in USES if use != "home"},
        outside_work=_share(places, "outside_work"),
        outside_student=_share(places, "outside_student"),
        outside_m=float(places["outside_m"]),
        detour=float(modes["detour"]),
        won_per_min=float(modes["value_of_time_won_h"]) / 60,
        per_minute=float(modes["per_minute"]),
        fixed_min=_by_mode(modes["fixed_min"], 0.0),
        m_per_min=_by_mode(modes["m_per_min"], 1.0),
        shares=np.stack([_by_mode(modes["shares"][one], 0.0) for one in PURPOSES]),
        rest=_rest(data["rest"]),
        slots=_slots(data["slot"]),
    )


def _numbers(values: Any, name: str, count: int) -> Numbers:
    found = np.asarray(values, np.float32)
    if found.shape != (count,) or not np.isfinite(found).all() or (found < 0).any():
        raise BadFigures(f"{name} must be {count} numbers of 0 or more")
    return found


def _shares(values: Any, name: str, count: int) -> Numbers:
    found = _numbers(values, name, count)
    if found.sum() <= 0:
        raise BadFigures(f"{name} are shares, and all are 0")
    return np.asarray(found / found.sum(), np.float32)


def _share(table: dict[str, Any], name: str) -> float:
    found = float(table[name])
    if not 0 <= found <= 1:
        raise BadFigures(f"{name} is a share from 0 to 1, not {found}")
    return found


def _by_mode(table: dict[str, Any], none: float) -> Numbers:
    return np.array([none, *(float(table[mode]) for mode in MODES[1:])], np.float32)


def minute(text: str) -> int:
    """Return a time of day in minutes.

    >>> minute("24:30")
    1470
    """
    found = _TIME.fullmatch(text)
    if found is None or int(found[1]) > 27:
        raise BadFigures(f"{text!r} is no time such as 07:30, or 24:30 for half past midnight")
    return int(found[1]) * 60 + int(found[2])


def _rest(data: dict[str, Any]) -> Numbers:
    return np.array(
        [
            [
                (minute(wake), wake_sd, minute(bed), bed_sd)
                for wake, wake_sd, bed, bed_sd in (data[day][group] for group in GROUPS)
            ]
            for day in ("weekday", "weekend")
        ],
        np.float32,
    )


# --- slots ----------------------------------------------------------------------------------------


def _slots(data: list[dict[str, Any]]) -> tuple[Slot, ...]:
    names = [str(one["name"]) for one in data]
    return tuple(_slot(one, names) for one in data)


def _slot(data: dict[str, Any], names: list[str]) -> Slot:
    episodes: list[tuple[str, dict[str, Any]]] = []
    chosen: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for day, name in enumerate(("weekday", "weekend")):
        for activity, several in data.get(name, {}).items():
            if activity not in PLACE_OF:
                raise BadFigures(f"{activity!r} is no activity; those are {', '.join(PLACE_OF)}")
            for one in several:
                for group in one["groups"]:
                    if group not in GROUPS:
                        raise BadFigures(f"{group!r} is no group; those are {', '.join(GROUPS)}")
                    at = chosen.setdefault((day, GROUPS.index(group)), [])
                    at.append((_share(one, "share"), len(episodes)))
                episodes.append((activity, one))
    if len(episodes) > _MOST_EPISODES:
        raise BadFigures(f"slot {data['name']} has more than {_MOST_EPISODES} episodes")
    most = max((len(one) for one in chosen.values()), default=0)
    upto = np.full((2, len(GROUPS), most), 2.0, np.float32)
    episode = np.full((2, len(GROUPS), most + 1), -1, np.int16)
    for (day, group), several in chosen.items():
        total = np.cumsum([share for share, _ in several])
        if total[-1] > 1.0001:
            raise BadFigures(f"shares of {GROUPS[group]} in slot {data['name']} sum to more than 1")
        upto[day, group, : len(several)] = total
        upto[day, group, len(several) :] = total[-1]
        episode[day, group, : len(several)] = [number for _, number in several]
    column = _columns(episodes, names)
    return Slot(str(data["name"]), bool(data.get("on_foot", False)), upto, episode, *column)


def _columns(episodes: list[tuple[str, dict[str, Any]]], names: list[str]) -> tuple[Any, ...]:
    def numbers(key: str) -> Numbers:
        return np.array([float(one[key]) for _, one in episodes], np.float32)

    needs = []
    for _, one in episodes:
        needed = one.get("needs")
        if needed is not None and needed not in names:
            raise BadFigures(f"needs = {needed!r} names no slot; those are {', '.join(names)}")
        needs.append(-1 if needed is None else names.index(needed))
    return (
        np.array([ACTIVITIES.index(activity) for activity, _ in episodes], np.uint8),
        np.array(needs, np.int16),
        np.array([bool(one.get("here", False)) for _, one in episodes], bool),
        np.array([minute(one["start"]) for _, one in episodes], np.float32),
        numbers("sd"),
        numbers("minutes"),
        numbers("spread"),
    )
