"""Residents of a town, drawn whole households at a time, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from madang.twin.people.figures import GROUPS, USES, Figures
from madang.twin.people.town import Town

BLOCK: Final = 50_000
"""Residents that are drawn at a time; a block needs no other block."""
_PUPILS: Final = ((0, "infant"), (7, "pupil_6"), (13, "pupil_12"), (16, "pupil_15"))
_ADULT, _OLD = 19, 65
_GENERATION = 31  # years between parents and children


@dataclass(frozen=True, slots=True)
class Population:
    """Residents in columns, and the town they live in."""

    town: Town
    block: int
    age: NDArray[np.uint8]
    sex: NDArray[np.uint8]
    """0 man, 1 woman."""
    household: NDArray[np.int32]
    job: NDArray[np.uint8]
    """Number of the group in `figures.GROUPS`: what they do all day."""
    district: NDArray[np.int32]
    home: NDArray[np.int32]
    work: NDArray[np.int32]
    """Place of work or of learning; home for those without one."""
    car: NDArray[np.bool_]
    bicycle: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.age)


def blocks(residents: int) -> list[int]:
    """Return how many residents each block has."""
    whole, rest = divmod(residents, BLOCK)
    return [BLOCK] * whole + ([rest] if rest else [])


def draw(town: Town, residents: int, seed: int, block: int = 0) -> Population:
    """Draw residents; the same seed and block draw the same."""
    rng = np.random.default_rng([seed, block, 1])
    figures = town.figures
    household, size, member = _households(figures, residents, rng)
    eldest = _eldest(figures, size, household, rng)
    age = _ages(figures, eldest, size, member, rng)
    sex = rng.integers(0, 2, residents, np.uint8)
    partner = (member == 1) & (np.abs(age - eldest) < 15)
    sex[partner] = 1 - sex[np.flatnonzero(partner) - 1]
    job = _jobs(figures, age, sex, rng)
    homes = np.searchsorted(town.cumulative[0], rng.random(int(household[-1]) + 1))
    home = np.minimum(homes, len(town.places) - 1).astype(np.int32)[household]
    adult = (age >= _ADULT) & (age < 80)
    return Population(
        town, block, age.astype(np.uint8), sex, household, job,
        district=town.places.district[home],
        home=home,
        work=_works(town, job, home, rng),
        car=adult & (rng.random(residents) < figures.car),
        bicycle=(age >= 12) & (age < 75) & (rng.random(residents) < figures.bicycle),
    )  # fmt: skip


def _households(
    figures: Figures, residents: int, rng: Generator
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Return household, its size, and which member one is, for each resident."""
    upto = np.cumsum(figures.sizes)[:-1]
    sizes = 1 + np.searchsorted(upto, rng.random(residents), side="right")
    ends = np.cumsum(sizes)
    count = int(np.searchsorted(ends, residents)) + 1
    sizes = sizes[:count]
    sizes[-1] -= ends[count - 1] - residents
    household = np.repeat(np.arange(count, dtype=np.int32), sizes)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return household, sizes[household], np.arange(residents) - first[household]


def _eldest(
    figures: Figures, size: NDArray[np.int64], household: NDArray[np.int32], rng: Generator
) -> NDArray[np.int64]:
    """Return the age of the eldest of each resident's household."""
    count = int(household[-1]) + 1
    first = np.searchsorted(household, np.arange(count))
    upto = np.cumsum(figures.eldest, axis=1)[np.minimum(size[first], 5) - 1]
    decade = (rng.random(count)[:, None] > upto).sum(axis=1).clip(0, 6)
    age: NDArray[np.int64] = (20 + 10 * decade + rng.integers(0, 10, count))[household]
    return age


def _ages(
    figures: Figures,
    eldest: NDArray[np.int64],
    size: NDArray[np.int64],
    member: NDArray[np.int64],
    rng: Generator,
) -> NDArray[np.int64]:
    count = len(member)
    with_partner = rng.random(count) < figures.partner[np.minimum(size, 5) - 1]
    younger = np.rint(np.abs(rng.normal(2.5, 2.5, count))).astype(int)
    child = eldest - np.rint(rng.normal(_GENERATION, 4, count) + 2.5 * (member - 1)).astype(int)
    age = np.where(
        member == 0, eldest, np.where((member == 1) & with_partner, eldest - younger, child)
    )
    return np.clip(age, np.where(member == 0, _ADULT, 0), 99)


def _jobs(
    figures: Figures, age: NDArray[np.int64], sex: NDArray[np.uint8], rng: Generator
) -> NDArray[np.uint8]:
    draws = rng.random((3, len(age)))
    job = np.full(len(age), GROUPS.index("home"), np.uint8)
    job[age >= _OLD] = GROUPS.index("senior")
    works = (age >= _ADULT) & (draws[0] < figures.employed[sex, np.clip(age // 10 - 2, 0, 6)])
    part = draws[1] < figures.part_time
    job[works] = np.where(part, GROUPS.index("part"), GROUPS.index("worker"))[works]
    studies = ~works & (age < 25) & (draws[2] < figures.students)
    job[studies] = GROUPS.index("student")
    for years, group in _PUPILS:
        job[(age >= years) & (age < _ADULT)] = GROUPS.index(group)
    return job


def _works(
    town: Town, job: NDArray[np.uint8], home: NDArray[np.int32], rng: Generator
) -> NDArray[np.int32]:
    """Return where each works or learns; home for those who do neither."""
    found = home.copy()
    work, school = USES.index("work"), USES.index("school")
    figures = town.figures
    for groups, use, outside in (
        (("worker", "part"), work, figures.outside_work),
        (("infant", "pupil_6", "pupil_12", "pupil_15"), school, 0.0),
        (("student",), school, figures.outside_student),
    ):
        who = np.flatnonzero(np.isin(job, [GROUPS.index(one) for one in groups]))
        found[who] = town.own_place(use, home[who], outside, rng)
    return found
