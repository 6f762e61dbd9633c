"""``madang residents``: the people twin: where residents are, minute by minute, and why.

Only counts of ten persons or more are printed or written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from madang.commands.terminal import BadOption, Columns, Json, print_json, show

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from madang.twin.people.figures import Figures
    from madang.twin.people.run import Work
    from madang.twin.people.town import Town

app = typer.Typer(
    no_args_is_help=True, help="The people twin: residents' days as counts of ten or more."
)

City = Annotated[
    Path | None,
    typer.Argument(help="Folder of a built city; a made-up one of --residents if left out."),
]
Residents = Annotated[
    int | None,
    typer.Option(
        min=100, max=50_000_000, help="As many as the districts say, or homes hold, if left out."
    ),
]
FiguresFile = Annotated[
    Path | None, typer.Option("--figures", help="The city's own figures; Korea's if left out.")
]
Weekend = Annotated[bool, typer.Option("--weekend", help="A day of the weekend.")]
Seed = Annotated[int, typer.Option(min=0, help="The same one draws the same.")]
Workers = Annotated[
    int,
    typer.Option(min=1, max=256, help="Processes that share the work, or blocks at once on Ray."),
]
Ray = Annotated[
    str | None,
    typer.Option("--ray", help="Address of a Ray cluster, such as auto; the setting if left out."),
]
_MADE_UP, _DISTRICTS = 50_000, 12
_BARS = " ▁▂▃▄▅▆▇█"


@app.command("day")
def day(
    city: City = None,
    residents: Residents = None,
    weekend: Weekend = False,
    district: Annotated[str, typer.Option(help="Only of this district.")] = "",
    every: Annotated[int, typer.Option(min=1, max=720, help="Minutes between two rows.")] = 60,
    output: Annotated[
        Path | None, typer.Option("--out", help="CSV: minute, district, state, persons.")
    ] = None,
    figures: FiguresFile = None,
    seed: Seed = 1,
    workers: Workers = 1,
    ray: Ray = None,
    as_json: Json = False,
) -> None:
    """Show how many are where, at what, through a day."""
    from madang.twin.people import counts, summary
    from madang.twin.people.presence import STATES

    town, people = _town(city, residents, figures, seed)
    work = partial(summary.counted, weekday=not weekend, seed=seed)
    found = _summed("residents", work, town, people, seed, workers, ray)
    names = [english for _, english in town.places.districts] + ["outside"]
    minutes = range(0, 1440, every)
    hidden = {minute: counts.shown(found[minute]) for minute in minutes}
    if output is not None:
        _written(output, hidden, names, STATES)
    where = slice(None) if not district else _number(district, town)
    rows = [
        {"time": f"{minute // 60:02d}:{minute % 60:02d}"}
        | {state: _sum(table[where, number]) for number, state in enumerate(STATES)}
        for minute, table in hidden.items()
    ]
    if as_json:
        print_json(rows)
        return
    _picture(rows, STATES)


@app.command("check")
def check(
    city: City = None,
    residents: Residents = None,
    figures: FiguresFile = None,
    seed: Seed = 1,
    workers: Workers = 1,
    ray: Ray = None,
    as_json: Json = False,
) -> None:
    """Hold drawn days against the published figures. The exit code is 1 if one is not met."""
    from madang.twin.people import summary

    town, people = _town(city, residents, figures, seed)
    sums = []
    for weekday in (True, False):
        work = partial(summary.sums, weekday=weekday, seed=seed)
        name = "weekday" if weekday else "weekend"
        sums.append(_summed(name, work, town, people, seed, workers, ray))
    found = summary.checked(town.figures.published, *sums)
    rows = [
        {
            "figure": one.published.title, "published": one.published.value,
            "drawn": round(one.drawn, 3), "unit": one.published.unit,
            "within": one.published.tolerance, "met": one.is_near,
            "source": one.published.source, "address": one.published.address,
            "read in": one.published.checked,
        }
        for one in found
    ]  # fmt: skip
    columns: Columns = {
        name: itemgetter(name)
        for name in ("figure", "published", "drawn", "unit", "within", "met", "source")
    }
    show(rows, as_json, "the figures name nothing published", columns)
    if not all(one.is_near for one in found):
        raise typer.Exit(1)


@app.command("effect")
def effect(
    policy: Annotated[Path, typer.Option("--policy", help="TOML: prices, times, work from home.")],
    city: City = None,
    residents: Residents = None,
    weekend: Weekend = False,
    figures: FiguresFile = None,
    seed: Seed = 1,
    workers: Workers = 1,
    ray: Ray = None,
    as_json: Json = False,
) -> None:
    """Show what a policy changes in how people move, by district and group."""
    from madang.twin.people import policy as policies
    from madang.twin.people import summary

    town, people = _town(city, residents, figures, seed)
    chosen = policies.read(policy, town)
    work = partial(summary.moved, weekday=not weekend, seed=seed, policy=chosen)
    moves = _summed("residents, twice", work, town, people, seed, workers, ray)
    found = summary.effects(moves, town)
    rows = [
        {"district": one.district, "group": one.group, "persons": one.persons}
        | {name: {"before": one.before[name], "after": one.after[name]} for name in one.before}
        for one in found
    ]
    columns: Columns = {
        "district": lambda one: one["district"],
        "group": lambda one: one["group"],
        "persons": lambda one: one["persons"],
    }
    for name in ("trips", "car_trips", "transit_trips", "active_trips", "car_km", "minutes"):
        columns[name] = partial(_change, name)
    show(rows, as_json, "no group has ten residents in a district", columns)


# --- the town -------------------------------------------------------------------------------------


def _town(
    city: Path | None, residents: int | None, figures: Path | None, seed: int
) -> tuple[Town, int]:
    from madang.twin.people import figures as of_figures
    from madang.twin.people import places, town

    chosen: Figures = of_figures.korea() if figures is None else of_figures.read(figures)
    if city is None:
        people = residents or _MADE_UP
        return town.town(places.made(people, _DISTRICTS, seed), chosen), people
    from madang.twin.demand import trips
    from madang.twin.demand.network import Network
    from madang.twin.network.roads import Roads
    from madang.twin.network.scenario import Scenario

    scenario = Scenario.open(city)
    entities = list(trips.told(scenario.entities))
    found = trips.places_of(entities, Network(Roads.read(scenario.net)))
    return town.town(found, chosen), residents or trips.residents_of(entities, found)


def _number(district: str, town: Town) -> int:
    for number, names in enumerate(town.places.districts):
        if district in names:
            return number
    known = ", ".join(english for _, english in town.places.districts[:20])
    raise BadOption(f"there is no district {district!r}; there are {known}")


def _summed(
    what: str, work: Work[Any], town: Town, people: int, seed: int, workers: int, ray: str | None
) -> Any:
    """Return the sum of the work on all residents, and show how far it is."""
    from madang.twin.people import run

    with _bar(what) as tell:
        return sum(run.each(town, people, seed, work, workers=workers, ray=_ray(ray), tell=tell))


def _ray(given: str | None) -> str:
    from madang import settings_sources

    return settings_sources.load({}).ray if given is None else given


# --- showing --------------------------------------------------------------------------------------


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far it is, on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def _sum(cells: NDArray[Any]) -> int | None:
    """Return the sum of what may be shown; None if nothing may."""
    import numpy as np

    known = np.atleast_1d(cells)
    known = known[~np.isnan(known)]
    return int(known.sum()) if len(known) else None


def _picture(rows: list[dict[str, Any]], states: tuple[str, ...]) -> None:
    """Print a table by time, and the course of each state below it."""
    columns: Columns = {name: partial(_told, name) for name in ("time", *states)}
    show(rows, False, "", columns)
    typer.echo()
    for state in states:
        course = [row[state] or 0 for row in rows]
        most = max(course)
        line = "".join(_BARS[round(8 * one / most) if most else 0] for one in course)
        at = rows[course.index(most)]["time"]
        typer.echo(f"{state:>10} {line} most {most:,} at {at}")


def _written(
    file: Path, hidden: dict[int, NDArray[Any]], names: list[str], states: tuple[str, ...]
) -> None:
    import math

    with file.open("w", encoding="utf-8") as out:
        out.write("minute,district,state,persons\n")
        for minute, table in hidden.items():
            for district, row in zip(names, table.tolist(), strict=True):
                for state, persons in zip(states, row, strict=True):
                    told = "" if math.isnan(persons) else int(persons)
                    out.write(f"{minute},{district},{state},{told}\n")
    typer.echo(f"{file} is written; what is empty is withheld: fewer than 10 persons", err=True)


def _told(name: str, row: dict[str, Any]) -> Any:
    return "<10" if row[name] is None else row[name]


def _change(name: str, row: dict[str, Any]) -> str:
    before, after = row[name]["before"], row[name]["after"]
    if before is None or after is None:
        return "withheld"
    share = f" ({100 * (after - before) / before:+.1f} %)" if before else ""
    return f"{before:,.0f} → {after:,.0f}{share}"
