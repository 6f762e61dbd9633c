"""What a day comes to: its figures beside the published ones, and a policy's effect on movement.

Both work on a block at a time (`run.each`) and add up to tables that may leave the twin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from madang.twin.people.counts import LEAST
from madang.twin.people.day import HOME, SCHOOL, SLEEP, WORK, Activities, day
from madang.twin.people.figures import ACTIVITIES, GROUPS, MODES, Published
from madang.twin.people.policy import Policy
from madang.twin.people.population import Population
from madang.twin.people.presence import presence
from madang.twin.people.town import CAR, Town

_STUDY = ACTIVITIES.index("study")
_SURVEYED, _OF_WORK = 10, 15  # ages from which the surveys count [a]


def counted(population: Population, weekday: bool, seed: int) -> NDArray[np.int32]:
    """Return a block's presence by minute, district and state."""
    places = population.town.places
    return presence(day(population, weekday, seed), places.district, len(places.districts))


# --- beside the published figures -----------------------------------------------------------------

_SUMS: Final = (
    "persons_10", "sleep", "wake", "persons_15", "workers", "work", "commutes", "commute_min",
    "commute_car", "commute_walk", "commute_7_to_9", "pupils_6", "study_6", "pupils_15", "study_15",
)  # fmt: skip


def sums(population: Population, weekday: bool, seed: int) -> NDArray[np.float64]:
    """Return a block's sums from which the published figures follow."""
    of = day(population, weekday, seed)
    count = len(population)
    length = (of.end - of.start).astype(float)

    def spent(*codes: int) -> NDArray[np.float64]:
        which = np.isin(of.activity, codes)
        found = np.bincount(of.person[which], length[which], count)
        return np.asarray(found, np.float64)

    age, job = population.age, population.job
    sleep, work = spent(SLEEP), spent(WORK)
    # In the survey, learning of pupils is school without its breaks and meals, and lessons beside.
    study = spent(SCHOOL) * 0.8 + spent(_STUDY)
    surveyed, of_work = age >= _SURVEYED, age >= _OF_WORK
    wake = np.full(count, np.nan)
    night = np.flatnonzero((of.activity == SLEEP) & (of.end < 14 * 60))
    wake[of.person[night]] = of.end[night]
    way = _commutes(of)
    pupils = [(job == GROUPS.index("pupil_6")) & surveyed, job == GROUPS.index("pupil_15")]
    return np.array([
        surveyed.sum(), sleep[surveyed].sum(), wake[surveyed].sum(), of_work.sum(),
        (of_work & (work > 0)).sum(), work[of_work].sum(), *way,
        pupils[0].sum(), study[pupils[0]].sum(), pupils[1].sum(), study[pupils[1]].sum(),
    ])  # fmt: skip


def _commutes(of: Activities) -> list[float]:
    """Return ways from home to work: number, minutes, by car, on foot, begun from 7 to 9."""
    index = np.flatnonzero((of.activity == WORK) & (of.mode > 0) & ~of.first())
    index = index[of.activity[index - 1] == HOME]
    leaves, mode = of.end[index - 1], of.mode[index]
    by_car = np.isin(mode, (CAR, MODES.index("passenger")))
    on_foot = mode == MODES.index("walk")
    early = (leaves >= 7 * 60) & (leaves < 9 * 60)
    minutes = (of.start[index] - leaves).sum()
    return [float(one) for one in (len(index), minutes, by_car.sum(), on_foot.sum(), early.sum())]


@dataclass(frozen=True, slots=True)
class Checked:
    """A published figure and what was drawn."""

    published: Published
    drawn: float

    @property
    def is_near(self) -> bool:
        return abs(self.drawn - self.published.value) <= self.published.tolerance


def checked(
    published: tuple[Published, ...], weekday: NDArray[np.float64], weekend: NDArray[np.float64]
) -> list[Checked]:
    """Return each published figure beside what was drawn, from the sums of both days."""
    of, free = (dict(zip(_SUMS, one.tolist(), strict=True)) for one in (weekday, weekend))
    found = {
        "sleep_weekday": of["sleep"] / of["persons_10"],
        "sleep_weekend": free["sleep"] / free["persons_10"],
        "wake_weekday": of["wake"] / of["persons_10"],
        "workers_weekday": of["workers"] / of["persons_15"],
        "work_minutes_weekday": of["work"] / max(of["workers"], 1),
        "commute_minutes": of["commute_min"] / max(of["commutes"], 1),
        "commute_car": of["commute_car"] / max(of["commutes"], 1),
        "commute_walk": of["commute_walk"] / max(of["commutes"], 1),
        "commute_7_to_9": of["commute_7_to_9"] / max(of["commutes"], 1),
        "study_pupil_6": of["study_6"] / max(of["pupils_6"], 1),
        "study_pupil_15": of["study_15"] / max(of["pupils_15"], 1),
    }
    return [Checked(one, found[one.id]) for one in published if one.id in found]


# --- what a policy changes ------------------------------------------------------------------------

MEASURES: Final = (
    "persons", "travellers", "drivers", "trips", "car_trips", "transit_trips", "active_trips",
    "car_km", "minutes",
)  # fmt: skip
"""Of a group in a district: persons, those who go anywhere, those who drive; trips, and those by
car, by bus and train, on foot and by bicycle; kilometres driven; minutes on the way."""


def moved(population: Population, weekday: bool, seed: int, policy: Policy) -> NDArray[np.float64]:
    """Return a block's movement without and with a policy: (2, district, group, measure)."""
    return np.stack([_movement(day(population, weekday, seed, one)) for one in (None, policy)])


def _movement(of: Activities) -> NDArray[np.float64]:
    people, town = of.population, of.population.town
    index = np.flatnonzero((of.mode > 0) & ~of.first())
    person, mode = of.person[index], of.mode[index]
    metres = town.metres(of.place[index - 1], of.place[index])
    minutes = of.start[index] - of.end[index - 1]
    count = len(people)
    drives = mode == CAR
    trips = np.bincount(person, minlength=count)
    car = np.bincount(person[drives], minlength=count)
    transit = np.bincount(person[mode == MODES.index("transit")], minlength=count)
    active = np.bincount(person[mode <= MODES.index("bicycle")], minlength=count)
    km = np.bincount(person[drives], metres[drives] / 1000, count)
    each = (
        np.ones(count), trips > 0, car > 0, trips, car, transit, active, km,
        np.bincount(person, minutes, count),
    )  # fmt: skip
    districts = len(town.places.districts)
    cell = people.district * len(GROUPS) + people.job
    found = [np.bincount(cell, one, districts * len(GROUPS)) for one in each]
    table = np.stack(found, axis=1).astype(np.float64)
    return table.reshape(districts, len(GROUPS), len(MEASURES))


@dataclass(frozen=True, slots=True)
class Effect:
    """What a policy changes for a group in a district; None where fewer than ten are behind it."""

    district: str
    group: str
    persons: int
    before: dict[str, float | None]
    after: dict[str, float | None]


def effects(moves: NDArray[np.float64], town: Town, language: int = 1) -> list[Effect]:
    """Return what a policy changes, by district and group; groups of fewer than ten are left out.

    Args:
        moves: the sum of what `moved` returns.
        town: names the districts.
        language: 0 Korean, 1 English.
    """
    found = []
    for number, names in enumerate(town.places.districts):
        for group, name in enumerate(GROUPS):
            cell = moves[:, number, group]
            persons = int(cell[0, 0])
            if persons >= LEAST:
                before, after = (_told(one, cell) for one in cell)
                found.append(Effect(names[language], name, persons, before, after))
    return found


def _told(of: NDArray[np.float64], cell: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the measures of a cell, without those that too few are behind, before or after."""
    behind = {"travellers": 1, "drivers": 2, "car_trips": 2, "car_km": 2}
    told: dict[str, float | None] = {}
    for number, name in enumerate(MEASURES[1:], 1):
        persons = cell[:, behind.get(name, 1)]
        few = bool(((persons > 0) & (persons < LEAST)).any())
        if name.endswith("trips"):  # a handful of trips is a handful of people
            few |= bool(((cell[:, number] > 0) & (cell[:, number] < LEAST)).any())
        told[name] = None if few else round(float(of[number]), 1)
    return told
