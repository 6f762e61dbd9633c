"""``madang city``: a city to simulate, made from a map, or drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import typer

from madang.commands.terminal import BadOption, Json, print_json

if TYPE_CHECKING:
    from madang.twin.network.scenario import Scenario
    from madang.twin.network.timetable import Day

app = typer.Typer(no_args_is_help=True, help="Make a city to simulate.")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

Tell = Callable[[int, int, str], None]
"""Is told that a step begins: its number from 0, of how many, and what it makes."""


@app.callback()
def city() -> None:
    """Make a city to simulate."""


@app.command("build")
def build(
    out: Annotated[Path, typer.Option("--out", help="Folder for it, new or of an earlier one.")],
    osm: Annotated[
        Path | None, typer.Option("--osm", help="Map from OpenStreetMap, .osm.pbf.")
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Draw the demo city instead.")
    ] = False,
    gtfs: Annotated[Path | None, typer.Option("--gtfs", help="Timetable of buses, .zip.")] = None,
    boundary: Annotated[
        Path | None, typer.Option("--boundary", help="GeoJSON: take only what is within.")
    ] = None,
    districts: Annotated[
        Path | None, typer.Option("--districts", help="GeoJSON: its zones.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Part of all ids; the folder's if left out.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", help="Time zone; the timetable's or UTC if left out.")
    ] = None,
    residents: Annotated[
        int | None,
        typer.Option("--residents", min=100, max=20_000_000, help="Also draw their weekday."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same one draws the same.")] = 1,
    as_json: Json = False,
) -> None:
    """Make network, signal plans, stops, parking, sensors, zones and buildings of a city."""
    if synthetic == (osm is not None):
        raise BadOption("say either --osm FILE, for a real city, or --synthetic, for a drawn one")
    if synthetic and (gtfs or boundary or districts or name or zone):
        raise BadOption(
            "--synthetic draws everything itself: leave out --gtfs, --boundary, --districts,"
            " --name and --zone"
        )
    _check_folder(out)
    with _steps() as tell:
        if osm is None:
            from madang.demo import roads

            tell(0, 1, "the demo city")
            made = roads.build(out, seed)
        else:
            made = _real(out, osm, gtfs, boundary, districts, name, zone, seed, tell)
        trips = {} if residents is None else _people(made, seed, residents, tell)
    report = orjson.loads(made.report.read_bytes())
    if as_json:
        counts = {**made.counts, **{f"{kind}_trips": count for kind, count in trips.items()}}
        print_json({"folder": str(out), "counts": counts, "report": report})
    else:
        _show(made, trips, report)


def _check_folder(out: Path) -> None:
    """Raise BadOption if a folder holds something else."""
    if out.is_file():
        raise BadOption(f"{out} is a file; --out needs a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / "scenario.toml").is_file():
        raise BadOption(f"{out} is not empty and holds no city; choose a new folder for --out")


def _real(
    out: Path,
    osm: Path,
    gtfs: Path | None,
    boundary: Path | None,
    districts: Path | None,
    name: str | None,
    zone: str | None,
    seed: int,
    tell: Tell,
) -> Scenario:
    from madang.twin.network import city

    called = name or re.sub(r"[^a-z0-9]+", "-", out.resolve().name.lower()).strip("-")[:40]
    if not _NAME.fullmatch(called):
        raise BadOption(
            f"--name {called!r} becomes part of ids: use small letters, digits and hyphens, at"
            " most 40, such as las-palmas"
        )
    day, timetable_zone = (None, "UTC") if gtfs is None else _timetable(gtfs)
    chosen = zone or timetable_zone
    try:
        ZoneInfo(chosen)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadOption(f"--zone {chosen!r} is no time zone such as Asia/Seoul") from None
    steps = len(city.STEPS)
    sources = city.Sources(osm, boundary, districts, day)
    return city.build(
        out, called, chosen, seed, sources, lambda number, what: tell(number, steps, what)
    )


def _timetable(file: Path) -> tuple[Day, str]:
    """Return a weekday of a timetable and its time zone."""
    from madang.sense.feeds.gtfs.archive import COLUMNS, tables
    from madang.sense.feeds.gtfs.timetable import timetable
    from madang.twin.network.timetable import weekday

    if not file.is_file():
        raise BadOption(f"--gtfs {file}: there is no such file")
    found = tables(file, tuple(COLUMNS), str(file))
    times = timetable(found)
    day = weekday(
        {name: found[name] for name in ("routes", "calendar", "calendar_dates")}
        | {"trips": times.trips, "stops": times.stops, "times": times.times}
    )
    zones = [zone for zone in found["agency"]["agency_timezone"] if zone]
    return day, zones[0] if zones else "UTC"


def _people(made: Scenario, seed: int, residents: int, tell: Tell) -> dict[str, int]:
    """Write the trips of residents; return how many of each kind."""
    from madang.twin.demand import trips

    written = trips.write(
        made, seed, residents=residents, tell=lambda what, done, all_: tell(done, all_, what)
    )
    return dict(written.counts)


@contextmanager
def _steps() -> Iterator[Tell]:
    """Show steps as a bar while they are taken."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, emoji=False)
    progress = Progress(
        BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with progress:
        task = progress.add_task("", total=None)

        def tell(number: int, of: int, what: str) -> None:
            progress.update(task, completed=number, total=of, description=what)

        yield tell


def _show(made: Scenario, trips: dict[str, int], report: dict[str, Any]) -> None:
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in made.counts.items())
    typer.echo(f"{made.folder}: {counts}")
    if trips:
        told = ", ".join(f"{count:,} {kind}" for kind, count in trips.items())
        typer.echo(f"trips of a weekday: {told}")
    for reason, count in report["left_out"].items():
        typer.echo(f"left out: {count:,} {reason}")
    if lost := report.get("timetable"):
        typer.echo(f"left out of the timetable: {len(lost):,} stops and lines, such as: {lost[0]}")
    if not report["counts"]:
        typer.echo("No odd junctions.")
        return
    typer.echo("Odd or closed:")
    for kind, count in report["counts"].items():
        first = next((one for one in report["odd"] if one["kind"] == kind), None)
        typer.echo(f"  {count:>6,} {kind}{_such(first)}")
    typer.echo(f"All of them, with their places: {made.report}")


def _such(odd: dict[str, Any] | None) -> str:
    """Return one of a kind as an example."""
    if odd is None:  # beyond those that the report lists
        return ""
    place = ", ".join(f"{degrees:.5f}" for degrees in odd["location"] or ())
    return f", such as {odd['name'] or odd['id'] or place}: {odd['what']}"
