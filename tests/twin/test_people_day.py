"""The people twin: residents' days at one-minute steps, beside the published figures."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from madang.twin.people import figures, places, summary
from madang.twin.people.day import DAY, HOME, SLEEP, Activities, day
from madang.twin.people.figures import GROUPS, MODES
from madang.twin.people.places import NoPlaces, of_entities
from madang.twin.people.population import BLOCK, Population, blocks, draw
from madang.twin.people.presence import STATES, minutes, presence
from madang.twin.people.run import NoRay, each
from madang.twin.people.town import Town, town

RESIDENTS = 12_000


@pytest.fixture(scope="module")
def somewhere() -> Town:
    return town(places.made(RESIDENTS, 6, 1), figures.korea())


@pytest.fixture(scope="module")
def people(somewhere: Town) -> Population:
    return draw(somewhere, RESIDENTS, 1)


@pytest.fixture(scope="module")
def weekday(people: Population) -> Activities:
    return day(people, True, 1)


def test_everybody_is_somewhere_at_every_minute(weekday: Activities) -> None:
    first = weekday.first()
    assert (np.unique(weekday.person) == np.arange(RESIDENTS)).all()
    assert (weekday.start[first] == 0).all()
    assert (weekday.end[np.append(first[1:], True)] == DAY).all()
    assert (weekday.start < weekday.end).all()
    gap = weekday.start[1:] - weekday.end[:-1]
    assert (gap[~first[1:]] >= 0).all()


def test_only_a_trip_in_a_mode_lies_between_two_segments(weekday: Activities) -> None:
    later = np.flatnonzero(~weekday.first())
    moved = weekday.place[later] != weekday.place[later - 1]
    assert (weekday.mode[later][moved] > 0).all()
    assert (weekday.start[later][moved] > weekday.end[later - 1][moved]).all()
    assert (weekday.mode[later][~moved] == 0).all()


def test_everybody_sleeps_at_home_and_ends_the_day_there(
    people: Population, weekday: Activities
) -> None:
    asleep = weekday.activity == SLEEP
    assert (weekday.place[asleep] == people.home[weekday.person[asleep]]).all()
    last = np.append(weekday.first()[1:], True)
    assert (weekday.place[last] == people.home).all()
    home = weekday.activity == HOME
    assert (weekday.place[home] == people.home[weekday.person[home]]).all()


def test_only_who_has_a_car_drives_and_it_comes_home(
    people: Population, weekday: Activities
) -> None:
    drives = weekday.mode == MODES.index("car")
    assert people.car[weekday.person[drives]].all()
    out = np.zeros(len(people), int)
    later = np.flatnonzero(~weekday.first())
    at_home = weekday.place == people.home[weekday.person]
    for index in later[weekday.mode[later] == MODES.index("car")]:
        out[weekday.person[index]] += int(at_home[index - 1]) - int(at_home[index])
    assert (out == 0).all()  # as often out by car as back


def test_minutes_and_presence_count_the_same_people(weekday: Activities) -> None:
    where = weekday.population.town.places
    states = minutes(weekday)
    counts = presence(weekday, where.district, len(where.districts))
    assert states.shape == (RESIDENTS, DAY)
    assert (counts.sum(axis=(1, 2)) == RESIDENTS).all()
    for minute in (0, 431, 495, 720, 1110, 1439):
        there = np.bincount(states[:, minute], minlength=len(STATES))
        assert (there == counts[minute].sum(axis=0)).all()


def test_presence_by_place_adds_up_to_that_by_district(weekday: Activities) -> None:
    where = weekday.population.town.places
    own = np.arange(len(where), dtype=np.int32)
    by_place = presence(weekday, np.where(own < 200, own, -1).astype(np.int32), 200)[600]
    assert by_place.sum() == RESIDENTS
    home = weekday.population.home
    assert by_place[:200].sum() <= RESIDENTS
    assert by_place[:200, SLEEP].sum() + by_place[:200, HOME].sum() <= (home < 200).sum()


def test_the_same_seed_draws_the_same_day_and_another_another(
    people: Population, weekday: Activities
) -> None:
    again, other = day(people, True, 1), day(people, True, 2)
    assert (again.start == weekday.start).all()
    assert (again.place == weekday.place).all()
    assert len(other) != len(weekday) or (other.start != weekday.start).any()


def test_drawn_days_meet_the_published_figures(somewhere: Town) -> None:
    sums = [
        sum(each(somewhere, RESIDENTS, 1, partial(summary.sums, weekday=of, seed=1)))
        for of in (True, False)
    ]
    found = summary.checked(somewhere.figures.published, *sums)  # type: ignore[arg-type]
    assert len(found) == len(somewhere.figures.published) >= 10
    missed = [
        (one.published.id, one.published.value, one.drawn) for one in found if not one.is_near
    ]
    assert not missed


def test_a_weekend_is_slower_than_a_weekday(people: Population, weekday: Activities) -> None:
    free = day(people, False, 1)
    at_eight = [minutes(one)[:, 8 * 60] for one in (weekday, free)]
    asleep = [(states == SLEEP).mean() for states in at_eight]
    assert asleep[1] > asleep[0] + 0.15
    work = STATES.index("work")
    assert (minutes(free)[:, 660] == work).sum() < 0.5 * (minutes(weekday)[:, 660] == work).sum()


def test_households_and_jobs_are_those_of_a_city(people: Population) -> None:
    sizes = np.bincount(people.household)
    assert sizes.min() >= 1
    assert 2.0 < sizes.mean() < 2.5
    homes = people.home[np.flatnonzero(np.diff(people.household, prepend=-1))]
    assert (homes[people.household] == people.home).all()  # a household lives together
    assert set(GROUPS) == {GROUPS[job] for job in np.unique(people.job)}
    young = people.age < 19
    assert (people.job[young] <= GROUPS.index("pupil_15")).all()


@pytest.mark.slow  # two processes begin
def test_the_result_does_not_depend_on_who_worked(somewhere: Town) -> None:
    count = BLOCK + 5_000
    work = partial(summary.counted, weekday=True, seed=1)
    assert blocks(count) == [BLOCK, 5_000]
    alone = sum(each(somewhere, count, 1, work))
    told: list[tuple[int, int]] = []
    tell = lambda done, total: told.append((done, total))  # noqa: E731
    shared = sum(each(somewhere, count, 1, work, workers=2, tell=tell))
    assert (np.asarray(alone) == np.asarray(shared)).all()
    assert told == [(BLOCK, count), (count, count)]


def test_ray_that_is_not_installed_is_told_with_the_way_out(
    somewhere: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(NoRay, match="--workers"):
        list(each(somewhere, 100, 1, len, ray="auto"))


# --- places ---------------------------------------------------------------------------------------


def square(lon: float, category: str, floors: int = 3) -> dict[str, object]:
    ring = [[lon, 37.5], [lon + 0.001, 37.5], [lon + 0.001, 37.501], [lon, 37.501], [lon, 37.5]]
    return {
        "id": f"urn:ngsi-ld:Building:{lon}", "type": "Building",
        "category": {"type": "Property", "value": [category]},
        "floorsAboveGround": {"type": "Property", "value": floors},
        "location": {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}},
    }  # fmt: skip


def district(west: float, east: float, people: int, name: str) -> dict[str, object]:
    ring = [[west, 37], [east, 37], [east, 38], [west, 38], [west, 37]]
    return {
        "id": f"urn:ngsi-ld:District:{name}", "type": "District",
        "name": {"type": "LanguageProperty", "languageMap": {"ko": "동", "en": name}},
        "population": {"type": "Property", "value": people},
        "location": {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}},
    }  # fmt: skip


def test_residents_of_districts_are_as_many_as_the_districts_say() -> None:
    found = of_entities([
        square(127.0, "apartments", 30), square(127.1, "house", 1), square(127.15, "office"),
        square(127.16, "retail"), square(127.17, "school"),
        district(126.9, 127.05, 1000, "West"), district(127.05, 127.2, 3000, "East"),
    ], gates=[(126.8, 37.5)])  # fmt: skip
    assert found.districts == (("동", "West"), ("동", "East"))
    assert found.district.tolist() == [0, 1, 1, 1, 1, -1]
    people = draw(town(found, figures.korea()), 4000, 1)
    share = np.bincount(people.district) / 4000
    assert share == pytest.approx([0.25, 0.75], abs=0.04)


def test_a_city_without_homes_is_refused_in_words() -> None:
    with pytest.raises(NoPlaces, match="use 'home'"):
        of_entities([square(127.0, "office")])
    with pytest.raises(NoPlaces, match="no buildings"):
        of_entities([])
