"""``madang demand``: the traffic demand of a built city: writing it, and fitting it to counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from madang.commands.terminal import Columns, Json, print_json, show

app = typer.Typer(no_args_is_help=True, help="Traffic demand of a built city.")

City = Annotated[Path, typer.Argument(help="Folder of a built city.")]
Seed = Annotated[int, typer.Option(min=0, help="The same one draws the same.")]


@app.command("write")
def write(
    city: City,
    scale: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=20,
            help="Trips for each there would be; as many as the streets hold if left out.",
        ),
    ] = None,
    residents: Annotated[
        int | None,
        typer.Option(min=100, help="As many as the districts say, or homes hold, if left out."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="The city's own figures; Korea's if left out.")
    ] = None,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Write a weekday's trips of cars, bicycles and trucks from the residents' days."""
    from madang.twin.demand import trips
    from madang.twin.network.scenario import Scenario
    from madang.twin.people import figures as of_figures

    chosen = of_figures.korea() if figures is None else of_figures.read(figures)
    with _bar() as tell:
        found = trips.write(
            Scenario.open(city), seed, scale, residents=residents, figures=chosen,
            tell=lambda what, done, total: tell(f"{what} {done} of {total}"),
        )  # fmt: skip
    if as_json:
        print_json({"file": str(found.file), "trips": found.counts, "by_hour": found.by_hour})
        return
    told = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items())
    most = max(found.by_hour)
    typer.echo(f"{found.file}: {told}")
    for hour, count in enumerate(found.by_hour):
        typer.echo(f"{hour:02d}:00 {count:>8,} {'█' * round(40 * count / max(most, 1))}")


@app.command("calibrate")
def calibrate(
    city: City,
    counts: Annotated[Path, typer.Option("--counts", help="CSV: edge, start_s, end_s, vehicles.")],
    held_out: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the edges kept to prove it on.")
    ] = 0.25,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Of assignment and fitting.")] = 4,
    report: Annotated[
        Path | None, typer.Option("--report", help="JSON; calibration.json of the city if left out")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Make the fitted trips the demand of the city.")
    ] = False,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Fit the demand to counts, and report how well counts that were kept apart are met."""
    from madang.twin.demand import assign, trips
    from madang.twin.demand import calibrate as fitting
    from madang.twin.demand import counts as of_counts
    from madang.twin.network.scenario import Scenario, put_json

    scenario = Scenario.open(city)
    observed = of_counts.read(counts)
    with _bar() as tell:
        found = fitting.calibrate(
            scenario, assign.read(scenario.demand), observed,
            held_out=held_out, rounds=rounds, seed=seed, tell=tell,
        )  # fmt: skip
    told = found.report.told()
    put_json(report or city / "calibration.json", told)
    if keep:
        trips.save(assign.by_kind(found.day), scenario.demand)
    if as_json:
        print_json(told)
        return
    rows = [
        {"detectors": part.replace("_", " "), "demand": when} | told[part][when]
        for part in ("fitted", "held_out")
        for when in ("before", "after")
    ]
    columns: Columns = {
        "detectors": lambda one: one["detectors"],
        "demand": lambda one: one["demand"],
        "counts": lambda one: one["counts"],
        "GEH < 5": lambda one: f"{one['geh_below_5']:.0%}",
        "RMSE [veh/h]": lambda one: f"{one['rmse']:.0f}",
        "error": lambda one: f"{one['error']:.1%}",
        "bias": lambda one: f"{one['bias']:+.1%}",
    }
    show(rows, False, "", columns)
    typer.echo(f"trips {told['trips']['before']:,} → {told['trips']['after']:,};"
               f" spread of routes {found.spread:g}")  # fmt: skip


@contextmanager
def _bar() -> Iterator[Callable[[str], None]]:
    """Show what is being done, on a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("reading") as status:
        yield status.update
