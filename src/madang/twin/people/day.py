"""A day of every resident: what, where and when, and how they went there, to the minute.

Each passes through the slots of the figures in their order. In a slot one does an episode, or
none; with time enough before it one is at home meanwhile. The mode is chosen when leaving home and
kept until one is back, but for short ways on foot in between (a tour-based model: J. Bowman,
M. Ben-Akiva, Activity-based disaggregate travel demand model system, 2001).

Not in it: work at night (everybody sleeps at night), and people who live elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from madang.twin.people.figures import ACTIVITIES, MODES, PLACE_OF, USES, Slot
from madang.twin.people.policy import Policy, none
from madang.twin.people.population import Population
from madang.twin.people.town import Town, gumbel

DAY: Final = 1440  # [min]
SLEEP, HOME = ACTIVITIES.index("sleep"), ACTIVITIES.index("home")
WORK, SCHOOL = ACTIVITIES.index("work"), ACTIVITIES.index("school")
_WALK = MODES.index("walk")
_AT_HOME_MEANWHILE = 75  # free minutes, beside the ways, that make going home worth it
_SHORTEST = 15  # of an episode [min]
_LAST = 1438  # everybody is home by then [minute]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Activities:
    """Days in segments, sorted by person and time.

    A segment lasts from ``start`` until ``end``; the time from the end of the one before it until
    its start is the trip to it, in its ``mode``. Minutes of the local day.
    """

    population: Population
    person: Ints
    activity: Bytes
    place: Ints
    start: NDArray[np.int16]
    end: NDArray[np.int16]
    mode: Bytes

    def __len__(self) -> int:
        return len(self.person)

    def first(self) -> NDArray[np.bool_]:
        """Return which segments begin a person's day."""
        return np.concatenate([[True], self.person[1:] != self.person[:-1]])


def day(
    population: Population, weekday: bool, seed: int, policy: Policy | None = None
) -> Activities:
    """Draw a day of every resident; the same seed draws the same.

    With a policy the draws stay the same, so that what differs is the policy's.
    """
    rng = np.random.default_rng([seed, population.block, 2 + weekday])
    walk = _Walk.begun(population, weekday, rng, policy or none(population.town))
    done = np.zeros((len(population.town.figures.slots), len(population)), bool)
    for number, slot in enumerate(population.town.figures.slots):
        walk.pass_slot(number, slot, done, 0 if weekday else 1, rng)
    return walk.ended()


@dataclass(slots=True)
class _Walk:
    """Everybody on their way through the day."""

    population: Population
    policy: Policy
    remote: NDArray[np.bool_]
    bed: Ints
    activity: Bytes
    place: Ints
    since: Ints
    until: Ints
    """When one would be free to leave."""
    mode: Bytes
    """Of the trip before what one does now."""
    tour: Bytes
    """Mode of the tour one is on."""
    parts: list[tuple[Ints, Bytes, Ints, Ints, Ints, Bytes]] = field(default_factory=list)

    @classmethod
    def begun(cls, population: Population, weekday: bool, rng: Generator, policy: Policy) -> _Walk:
        count = len(population)
        rest = population.town.figures.rest[0 if weekday else 1][population.job]
        wake = rest[:, 0] + rest[:, 1] * rng.standard_normal(count, np.float32)
        bed = rest[:, 2] + rest[:, 3] * rng.standard_normal(count, np.float32)
        found = cls(
            population,
            policy,
            remote=rng.random(count) < policy.remote_work,
            bed=np.clip(bed, 18 * 60, DAY + 180).astype(np.int32),
            activity=np.full(count, HOME, np.uint8),
            place=population.home.copy(),
            since=np.clip(wake, 200, 13 * 60).astype(np.int32),
            until=np.clip(wake, 200, 13 * 60).astype(np.int32) + 10,
            mode=np.zeros(count, np.uint8),
            tour=np.zeros(count, np.uint8),
        )
        found._sleep_first()
        return found

    @property
    def town(self) -> Town:
        return self.population.town

    def _sleep_first(self) -> None:
        """Write down the night until one gets up; who goes to bed late has been up before it."""
        everyone = np.arange(len(self.population), dtype=np.int32)
        late = np.maximum(self.bed - DAY, 0)
        up = np.flatnonzero(late > 0).astype(np.int32)
        none_, home = np.zeros(len(everyone), np.uint8), self.population.home
        awake = np.full(len(up), HOME, np.uint8)
        self.parts.append((up, awake, home[up], np.zeros(len(up), np.int32), late[up], none_[up]))
        asleep = np.full(len(everyone), SLEEP, np.uint8)
        self.parts.append((everyone, asleep, home, late, self.since.copy(), none_))

    def pass_slot(
        self, number: int, slot: Slot, done: NDArray[np.bool_], day_kind: int, rng: Generator
    ) -> None:
        """Let everybody who has an episode in a slot go there and begin it."""
        count = len(self.population)
        draws = rng.random(count, np.float32)
        spread = rng.standard_normal((2, count), np.float32)
        luck = gumbel(rng, (count, len(MODES)))
        own = np.random.default_rng(rng.integers(2**63))  # places, for as many as choose one
        group = self.population.job
        index = (draws[:, None] > slot.upto[day_kind][group]).sum(axis=1)
        episode = slot.episode[day_kind][group, index]
        who = np.flatnonzero(episode >= 0).astype(np.int32)
        kind = episode[who]
        needs = slot.needs[kind]
        has = np.where(needs >= 0, done[needs, who], True)
        stays = self.remote[who] & (slot.activity[kind] == WORK)
        there = self._places(who, slot.activity[kind], own)
        there = np.where(slot.here[kind], self.place[who], there)
        going = has & ~stays
        who, kind, there = who[going], kind[going], there[going]
        start = (slot.start[kind] + slot.sd[kind] * spread[0, who]).astype(np.int32)
        lasts = np.maximum(slot.minutes[kind] + slot.spread[kind] * spread[1, who], _SHORTEST)
        went = self._go(who, slot, kind, there, start, lasts.astype(np.int32), luck)
        done[number, went] = True

    def _places(self, who: Ints, activity: Bytes, rng: Generator) -> Ints:
        """Return where each goes for what they do."""
        town, found = self.town, self.population.work[who].copy()
        for use in sorted(
            {one for name, one in PLACE_OF.items() if name not in ("work", "school")}
        ):
            codes = [ACTIVITIES.index(name) for name, one in PLACE_OF.items() if one == use]
            chosen = np.flatnonzero(np.isin(activity, codes))
            near = self.place[who[chosen]]
            near = np.where(town.far[near] > 0, self.population.home[who[chosen]], near)
            number = USES.index(use)
            found[chosen] = town.choose_place(number, near, town.figures.reach[use], rng)
        return found

    def _go(
        self, who: Ints, slot: Slot, kind: NDArray[np.int16], there: Ints, start: Ints,
        lasts: Ints, luck: Floats,
    ) -> Ints:  # fmt: skip
        """Let some go to an episode, over home if there is time; return who went."""
        town, home = self.town, self.population.home
        away = self.place[who] != home[who]
        back = self._minutes(who, self.place[who], home[who], self.tour[who])
        out = self._minutes(who, home[who], there, self.tour[who])
        free = start - self.until[who] - back - out
        over_home = away & (there != self.place[who]) & (free > _AT_HOME_MEANWHILE)
        self._home(who[over_home], back[over_home])
        here = self.place[who]
        leaves_home = here == home[who]
        metres = town.metres(here, there)
        mode = self._modes(who, slot.activity[kind], metres, there, luck)
        mode = np.where(leaves_home, mode, _WALK if slot.on_foot else self.tour[who])
        far = (metres > 2500) & ~leaves_home & (mode == _WALK)
        mode = np.where(far, np.maximum(self.tour[who], _WALK), mode).astype(np.uint8)
        mode[here == there] = 0
        takes = self._minutes(who, here, there, mode)
        leaves = np.maximum(start - takes, self.until[who])
        arrives = leaves + takes
        fixed = np.isin(slot.activity[kind], (WORK, SCHOOL))
        ends = np.where(fixed, np.maximum(start + lasts, arrives + _SHORTEST), arrives + lasts)
        last = np.minimum(self.bed[who], _LAST) - 5
        way_home = self._minutes(who, there, home[who], np.where(leaves_home, mode, self.tour[who]))
        ends = np.minimum(ends, last - way_home)
        can = ends - arrives >= _SHORTEST
        who = who[can]
        leaving = leaves_home[can]
        self.tour[who[leaving]] = mode[can][leaving]
        self._move(who, leaves[can], arrives[can], there[can], slot.activity[kind][can], mode[can])
        self.until[who] = ends[can]
        return who

    def _home(self, who: Ints, back: Ints) -> None:
        leaves = self.until[who]
        activity = np.full(len(who), HOME, np.uint8)
        home = self.population.home[who]
        mode = np.where(self.place[who] == home, 0, np.maximum(self.tour[who], _WALK))
        self._move(who, leaves, leaves + back, home, activity, mode.astype(np.uint8))
        self.until[who] = leaves + back + 5

    def _move(
        self, who: Ints, leaves: Ints, arrives: Ints, there: Ints, activity: Bytes, mode: Bytes
    ) -> None:
        """Write down what ends when people leave, and let them be elsewhere."""
        self.parts.append(
            (who, self.activity[who], self.place[who], self.since[who], leaves, self.mode[who])
        )
        self.activity[who], self.place[who] = activity, there
        self.since[who], self.mode[who] = arrives, mode

    def _minutes(self, who: Ints, here: Ints, there: Ints, mode: Bytes) -> Ints:
        """Return how long ways take, in whole minutes, at least 1 unless nobody moves."""
        asked = np.maximum(mode, _WALK).astype(np.uint8)
        long = self.town.minutes(self.town.metres(here, there), asked) * self.policy.time[asked]
        return np.where(here == there, 0, np.maximum(np.rint(long), 1)).astype(np.int32)

    def _modes(
        self, who: Ints, activity: Bytes, metres: Floats, there: Ints, luck: Floats
    ) -> Bytes:
        """Choose the mode in which each would leave home."""
        town, people, policy = self.town, self.population, self.policy
        purpose = np.where(activity == WORK, 0, np.where(activity == SCHOOL, 1, 2)).astype(np.uint8)
        has = np.stack([people.car[who], people.bicycle[who]], axis=1)
        use = town.utilities(purpose, metres, has)
        figures = town.figures
        time = figures.fixed_min + metres[:, None] / figures.m_per_min
        price = policy.price_min[:, town.places.district[there]].T
        use -= np.float32(figures.per_minute) * (time * (policy.time - 1) + price)
        return np.asarray(np.argmax(use + luck[who], axis=1), np.uint8)

    def ended(self) -> Activities:
        """Bring everybody home and to bed, and return the day."""
        people = self.population
        away = np.flatnonzero(self.place != people.home).astype(np.int32)
        back = self._minutes(away, self.place[away], people.home[away], self.tour[away])
        self._home(away, back)
        everyone = np.arange(len(people), dtype=np.int32)
        beds = np.clip(self.bed, self.since + 1, DAY)
        end = np.full(len(people), DAY, np.int32)
        asleep = np.full(len(people), SLEEP, np.uint8)
        self.parts.append((everyone, self.activity, self.place, self.since, beds, self.mode))
        self.parts.append(
            (everyone, asleep, people.home, beds, end, np.zeros(len(people), np.uint8))
        )
        person, activity, place, start, stop, mode = (
            np.concatenate([part[column] for part in self.parts]) for column in range(6)
        )
        keep = np.flatnonzero(stop > start)
        keep = keep[np.argsort(person[keep].astype(np.int64) * DAY + start[keep], kind="stable")]
        return Activities(
            people, person[keep].astype(np.int32), activity[keep].astype(np.uint8),
            place[keep].astype(np.int32), start[keep].astype(np.int16),
            stop[keep].astype(np.int16), mode[keep].astype(np.uint8),
        )  # fmt: skip
