"""Measures the live twin of the demo city: how soon it moves, and how fast its street can be.

A hub is started on a new folder with the demo city, as ``make up`` does it. Measured are the time
to the first bus that moves and to the first that SUMO drives, and what hub and twin need while it
is live. Then, beside that live city and a client that asks the hub all the time, a second
simulation drives one evening peak hour of the same street as fast as it can, saying each second
what the live one says.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from tests.e2e.server import API, Server

RESULT: Final = Path(__file__).parent / "results" / "twin.json"
FASTER_BAR: Final = 20.0  # than real time
DOT_BAR_S: Final = 15.0
PEAK_S: Final = 18 * 3600.0
WARM_S: Final = 1800.0
BUS: Final = f"{API}/entities/urn:ngsi-ld:Vehicle:demo:bus-03?attrs=location&format=simplified"
STILL: Final = f"{API}/entities/urn:ngsi-ld:AirQualityObserved:demo:005"


def peak(folder: str, seconds: int, warm_s: float) -> dict[str, Any]:
    """Drive the peak in this process; return how long it took and how the traffic was."""
    from madang.twin.live.job import Job
    from madang.twin.live.said import Devices
    from madang.twin.network.scenario import Scenario
    from madang.twin.street.street import Street

    scenario = Scenario.open(Path(folder))
    street = Street(scenario, PEAK_S - warm_s)
    signals = {id: f"demo:{id}" for id in street.signals}
    stations = {id: f"demo:{id}" for id in street.stations}
    job = Job(scenario.folder, 0, "", signals, stations, {}, "{kind}-{number}", "demo-fleet", 1)
    devices = Devices(job, street)
    for _ in range(int(warm_s)):
        street.step()
        devices.follow()
    wall, cpu, said, running = time.perf_counter(), time.process_time(), 0, []
    for _ in range(seconds):
        street.step()
        devices.follow()
        said += sum(len(one.body) for one in devices.said(datetime.now(UTC)))
        running.append(street.sumo.vehicle.getIDCount())
    found = {
        "seconds": seconds,
        "wallS": round(time.perf_counter() - wall, 1),
        "cpuS": round(time.process_time() - cpu, 1),
        "saidMB": round(said / 1e6, 1),
        "vehicles": round(statistics.fmean(running)),
        "indicators": street.indicators()._asdict(),
    }
    street.close()
    return found


class Client(threading.Thread):
    """Asks the hub for an entity, again and again."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        self.ends = threading.Event()
        self.took_ms: list[float] = []

    def run(self) -> None:
        while not self.ends.wait(0.02):
            began = time.perf_counter()
            self._server.request("GET", STILL)
            self.took_ms.append(1000 * (time.perf_counter() - began))


def until(is_there: Any, wait_s: float) -> float:
    """Wait until something is there; return how long that took. [s]"""
    began = time.perf_counter()
    while not is_there():
        if time.perf_counter() - began > wait_s:
            raise SystemExit(f"not there after {wait_s:g} s")
        time.sleep(0.05)
    return time.perf_counter() - began


def begun(server: Server) -> dict[str, float]:
    """Start the hub; return when it was ready, when a bus moved, when SUMO drove. [s]"""
    server.log.unlink(missing_ok=True)  # what it says is to be of this start
    began = time.perf_counter()
    server.start(60)
    ready = time.perf_counter() - began
    seen: set[bytes] = set()

    def moves() -> bool:
        answer = server.request("GET", BUS)
        if answer.status == 200:
            seen.add(answer.body)
        return len(seen) > 1

    until(moves, 60)
    moved = time.perf_counter() - began
    until(lambda: "demo.traffic_live" in server.log_end(100_000), 300)
    live = time.perf_counter() - began
    return {"readyS": round(ready, 1), "firstDotS": round(moved, 1), "liveS": round(live, 1)}


def measure(folder: Path, seconds: int, warm_s: float) -> dict[str, Any]:
    server = Server(folder / "data", "--demo", environ={"MADANG_LIMIT_PUBLIC_PER_S": "0"})
    try:
        found: dict[str, Any] = {"first": begun(server)}
        began, cpu = time.perf_counter(), machine.cpu_seconds(server.pid)
        time.sleep(20)
        spent = machine.cpu_seconds(server.pid) - cpu
        found["hubCores"] = round(spent / (time.perf_counter() - began), 3)
        found["hubMB"] = round(machine.memory_mb(server.pid)[0])
        client = Client(server)
        client.start()
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            scenario = str(folder / "data" / "twin" / "city")
            found["peak"] = pool.submit(peak, scenario, seconds, warm_s).result()
        client.ends.set()
        client.join()
        found["askedMs"] = round(statistics.median(client.took_ms), 2)
        server.stop()
        found["again"] = begun(server)
    finally:
        server.stop()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="five minutes, writes no results")
    given = parser.parse_args()
    seconds, warm_s = (300, 60.0) if given.smoke else (3600, WARM_S)
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), seconds, warm_s)
    own, first = found["peak"], found["first"]
    faster = own["seconds"] / own["wallS"]
    found["timesRealTime"] = round(faster, 1)
    table = Table("demo city", "measured", "bar")
    rows = [
        ("street, evening peak, × real time", f"{faster:.0f}", f"≥ {FASTER_BAR:g}"),
        ("  of its own processor time", f"{own['seconds'] / own['cpuS']:.0f}", ""),
        ("  vehicles under way", f"{own['vehicles']}", ""),
        ("hub ready, first start", f"{first['readyS']:.1f} s", "≤ 3 s"),
        ("first moving dot, first start", f"{first['firstDotS']:.1f} s", f"≤ {DOT_BAR_S:g} s"),
        ("SUMO drives, first start", f"{first['liveS']:.1f} s", ""),
        ("first moving dot, second start", f"{found['again']['firstDotS']:.1f} s", ""),
        ("SUMO drives, second start", f"{found['again']['liveS']:.1f} s", ""),
        ("hub while it is live", f"{100 * found['hubCores']:.0f} % of a core", ""),
        ("GET meanwhile, median", f"{found['askedMs']:.1f} ms", ""),
    ]
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if not given.smoke:
        RESULT.write_bytes(
            orjson.dumps({"machine": machine.described(), **found}, option=orjson.OPT_INDENT_2)
        )
    return 0 if faster >= FASTER_BAR and first["firstDotS"] <= DOT_BAR_S else 1


if __name__ == "__main__":
    sys.exit(main())
