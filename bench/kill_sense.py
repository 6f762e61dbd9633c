"""Kills the hub, Mosquitto and an edge node while a city of devices publishes.

``python bench/kill_sense.py [hub] [mosquitto] [edge] [--kills 5]``: 50,000 devices with ten
quantities a minute each, through MQTT with QoS 1. History must have every value once in the end;
see tests/e2e/sense_crash.py for how it is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import Progress

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.sense_crash import Broker, Edge, Hub, Load, SenseFault, Summary, crash

VICTIMS = {"hub": Hub, "mosquitto": Broker, "edge": Edge}


async def killing(
    victim: type[Hub],
    load: Load,
    kills: int,
    between_s: tuple[float, float],
    chance: random.Random,
    killed: Callable[[], object],
) -> Summary:
    with TemporaryDirectory() as folder:
        return await crash(victim(Path(folder)), load, kills, between_s, chance, killed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/kill_sense.py", description=__doc__)
    parser.add_argument("victims", nargs="*", metavar="VICTIM", help=", ".join(VICTIMS))
    parser.add_argument("--kills", type=int, default=5, help="of each")
    parser.add_argument("--between", type=float, nargs=2, default=(10, 25), metavar="SECONDS")
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=50_000 / 60, help="messages a second")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    given = parser.parse_args()
    if unknown := set(given.victims) - set(VICTIMS):
        parser.error(f"not one of {', '.join(VICTIMS)}: {', '.join(unknown)}")
    print(f"seed {given.seed}")
    chance, load = random.Random(given.seed), Load(given.devices, given.rate)
    for name in given.victims or VICTIMS:
        with Progress(transient=True) as progress:
            task = progress.add_task(f"killing {name}", total=given.kills)
            killed = partial(progress.advance, task)
            try:
                seen = asyncio.run(
                    killing(VICTIMS[name], load, given.kills, given.between, chance, killed)
                )
            except SenseFault as fault:
                progress.console.print(f"{name}: {fault}", markup=False)
                return 1
        print(
            f"{name}: {given.kills} kills in {seen.seconds:.0f} s, {seen.messages:,} messages"
            f" ({seen.messages / seen.seconds:,.0f}/s), {seen.values:,} values: none lost, none"
            f" doubled; longest wait for an acknowledgement {seen.longest_wait_s:.1f} s; all in"
            f" history {seen.caught_up_s:.1f} s after the last message",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
