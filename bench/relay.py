"""Measures the relay: from the sending of a message to its hearing by all who are near.

``python bench/relay.py`` starts a hub of its own. Vehicles stand along a street and listen; one of
them at a time sends a CAM at the rate of all of them together. Prints the time from sending to
hearing, and writes it to ``bench/results/relay.json``. Sender, listeners and hub share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from tests.e2e.server import Server

RESULT = Path(__file__).parent / "results" / "relay.json"
LONGITUDE, LATITUDE = 126.98, 37.57
GAP_DEG = 0.001  # 88 m at this latitude
RADIUS_M = 300.0


def cam(station: int) -> str:
    """Return a message of a vehicle, with the moment in which it is sent."""
    return json.dumps(
        {
            "stationId": station,
            "position": {"longitude": LONGITUDE + station * GAP_DEG, "latitude": LATITUDE},
            "heading": 90.0,
            "speed": 13.9,
            "generationTime": time.time_ns() // 1000,
        }
    )


async def listen(line: ClientConnection, delays: list[float]) -> None:
    async for text in line:
        sent = json.loads(text).get("generationTime")
        if sent is not None:
            delays.append(time.time_ns() / 1e6 - sent / 1e3)


async def measure(url: str, vehicles: int, rate: float, seconds: float) -> list[float]:
    """Return the delays of all messages that were heard. [ms]"""
    delays: list[float] = []
    lines = [await connect(url, compression=None) for _ in range(vehicles)]
    for station, line in enumerate(lines):
        where = {"longitude": LONGITUDE + station * GAP_DEG, "latitude": LATITUDE}
        await line.send(json.dumps({"listen": {**where, "radius": RADIUS_M}}))
    hearing = [asyncio.ensure_future(listen(line, delays)) for line in lines]
    await asyncio.sleep(0.5)
    began, count = time.perf_counter(), 0
    while (now := time.perf_counter() - began) < seconds:
        if now * rate > count:
            station = count * 7 % vehicles
            await lines[station].send(cam(station))
            count += 1
        else:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.5)
    for line, one in zip(lines, hearing, strict=True):
        await line.close()
        await one
    return delays


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--vehicles", type=int, default=200)
    given.add_argument("--rate", type=float, default=500.0, help="messages a second of all")
    given.add_argument("--seconds", type=float, default=8.0)
    options = given.parse_args()
    environ = {"MADANG_LIMIT_DEVICE_PER_S": "0"}
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "hub", environ=environ) as hub,
    ):
        url = hub.url.replace("http", "ws") + "/relay"
        work = measure(url, options.vehicles, options.rate, options.seconds)
        delays = sorted(asyncio.run(work))
    figures = {
        "vehicles": options.vehicles,
        "messages_per_s": options.rate,
        "heard_per_s": round(len(delays) / options.seconds),
        **{
            f"p{part:g}_ms": round(delays[min(int(len(delays) * part / 100), len(delays) - 1)], 2)
            for part in (50, 99, 99.9)
        },
        "max_ms": round(delays[-1], 2),
    }
    machine.keep(RESULT, figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
