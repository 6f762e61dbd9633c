"""``madang demo``: what can be played in a running demo city."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from madang.commands.terminal import DEFAULT_URL, Tenant, Url

if TYPE_CHECKING:
    from madang.demo.crashes import Crash

app = typer.Typer(no_args_is_help=True, help="Play what happens in a demo city.")

EVENING_S = 18 * 3600.0


@app.callback()
def demo() -> None:
    """Play what happens in a demo city."""


@app.command("incident")
def incident(
    mqtt_port: Annotated[int, typer.Option("--mqtt-port", help="Port of the hub's broker.")] = 1883,
    seeds: Annotated[
        int, typer.Option(min=0, max=30, help="Pairs of simulations; 0 leaves the indicators out.")
    ] = 3,
    play: Annotated[
        bool, typer.Option("--play/--no-play", help="Play it in the running city.")
    ] = True,
    folder: Annotated[
        Path | None, typer.Option(help="Of the simulated city; made there if it is not.")
    ] = None,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Let a car crash, and show what the city does; then what that is worth, in simulations."""
    if play:
        asyncio.run(_play(url, tenant, mqtt_port))
    if seeds:
        _measure(seeds, folder)


async def _play(url: str, tenant: str, port: int) -> None:
    from madang.commands.client import connect
    from madang.demo.incident import Story

    def say(seconds: float, text: str) -> None:
        typer.echo(f"{seconds:7.1f} s  {text}")

    async with connect(url, tenant) as hub:
        await Story(hub, urlsplit(url).hostname or "127.0.0.1", port, say).play()


def _measure(seeds: int, folder: Path | None) -> None:
    """Simulate the crash with and without the response, and print both."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        where = folder or Path(name)
        found = _simulated(where, seeds)
    typer.echo("")
    typer.echo(f"{'evening peak, ' + str(seeds) + ' pairs':42}{'without':>10}{'with':>10}  change")
    for title, member, unit in _INDICATORS:
        typer.echo(_row(f"{title} [{unit}]", member, found))


_INDICATORS = (
    ("until help arrives", "seconds", "s"),
    ("mean delay of motor vehicles", "delay_s", "s"),
    ("longest queues around it", "queue", "vehicles"),
    ("CO2", "co2_kg", "kg"),
)


def _row(title: str, member: str, found: list[dict[str, Any]]) -> str:
    from statistics import fmean

    from madang.demo.measured import spread

    by_seed: dict[int, dict[bool, float]] = {}
    for one in found:
        by_seed.setdefault(one["seed"], {})[one["helped"]] = one[member]
    pairs = [(one[False], one[True]) for one in by_seed.values()]
    change = spread([100 * (with_ / without - 1) for without, with_ in pairs if without])
    means = "".join(f"{fmean(pair[side] for pair in pairs):10.1f}" for side in (0, 1))
    return f"{title:42}{means}  {change.mean:+.0f} % ± {change.half:.0f}"


def _simulated(folder: Path, seeds: int) -> list[dict[str, Any]]:
    """Return what the simulations gave, with a progress bar."""
    from rich.console import Console
    from rich.progress import Progress

    from madang.demo.crashes import Crash, crash, made
    from madang.demo.measured import each_alone

    folder = made(folder)
    jobs: list[Crash] = [
        Crash(str(folder), seed, EVENING_S, helped)
        for seed in range(1, seeds + 1) for helped in (False, True)
    ]  # fmt: skip
    found: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("simulating", total=len(jobs))
        for one in each_alone(crash, jobs):
            found.append(one)
            progress.advance(task)
    return found
