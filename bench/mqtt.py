"""Measures the embedded MQTT broker at a hub as a city runs it (``madang up``, keys, policies).

First many clients connect and stay: how many there are, how fast, and what each takes of memory.
Then devices with ten quantities each publish with QoS 1 at an even rate over some of the
connections, as gateways do: how long from PUBLISH to PUBACK. A message is acknowledged when its
values are durable and can be asked for, so this bounds sensor to queryable from above. In the end
the history of a sample of devices is compared with what was acknowledged. Each connection takes a
file descriptor here and one in the hub: see ``ulimit -n``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from rich.console import Console

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_line import Line
from madang.sense.transports.mqtt_packets import (
    PUBACK,
    V311,
    Ack,
    Connack,
    Connect,
    Packet,
    Publish,
    encode,
)
from madang.sense.transports.mqtt_wire import MqttError
from tests.e2e.server import API, Server

QUANTITIES = ("pm25", "pm10", "o3", "no2", "so2", "co", "temperature", "humidity", "noise", "co2")
PROFILE = 'type = "AirQualityObserved"\n[attributes]\n' + "".join(
    f'{name} = {{ path = "{name}", unit = "GQ" }}\n' for name in QUANTITIES
)
ENTITY = "urn:ngsi-ld:AirQualityObserved:{}"
SAMPLE = 50  # devices whose history is compared
SETTLE_S = 300  # that history may need to catch up, before something counts as missing
RAMP = 200  # clients that connect at a time
RESULT = Path(__file__).parent / "results" / "mqtt.json"


@dataclass
class Run:
    """What has been seen."""

    latencies: list[float] = field(default_factory=list)  # [s]
    moments: list[float] = field(default_factory=list)
    """When each message was sent. [s]"""
    sent: int = 0
    refused: int = 0
    lost: int = 0
    """Connections that ended."""
    acknowledged: Counter[int] = field(default_factory=Counter)
    """Messages by number of the device."""


class Client(Line):
    """A client that publishes and remembers when."""

    def __init__(self, run: Run, name: str, key: str) -> None:
        super().__init__(Decoder(100_000, V311))
        self.welcome: asyncio.Future[int] = self.loop.create_future()
        self._run = run
        self._hello = Connect(name, V311, user=name, password=key.encode())
        self._begun: dict[int, tuple[int, float]] = {}
        self._id = 0

    is_full = False
    has_room = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(encode(self._hello, V311))

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost += not self.is_ending
        super().connection_lost(error)
        if not self.welcome.done():
            self.welcome.set_result(-1)

    def fail(self, error: MqttError) -> None:
        raise error

    @property
    def waiting(self) -> int:
        return len(self._begun)

    def publish(self, device: int, body: bytes) -> None:
        self._id = self._id % 65_535 + 1
        self._begun[self._id] = device, time.perf_counter()
        self._run.sent += 1
        self.send(encode(Publish(f"v1/devices/d{device}/up", body, 1, id=self._id), V311))

    def do(self, packet: Packet) -> None:
        if isinstance(packet, Connack):
            self.welcome.set_result(packet.code)
        elif isinstance(packet, Ack) and packet.kind == PUBACK:
            device, begun = self._begun.pop(packet.id)
            self._run.latencies.append(time.perf_counter() - begun)
            self._run.moments.append(begun)
            self._run.acknowledged[device] += 1


async def connect(run: Run, port: int, key: str, many: int) -> list[Client]:
    """Connect so many clients; return those that were let in."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for start in range(0, many, RAMP):
        names = range(start, min(start + RAMP, many))
        made = await asyncio.gather(
            *(
                loop.create_connection(
                    lambda name=name: Client(run, f"bench-{name}", key),  # type: ignore[misc]
                    "127.0.0.1",
                    port,
                )
                for name in names
            )
        )
        some = [client for _, client in made]
        codes = await asyncio.gather(*(client.welcome for client in some))
        clients += [one for one, code in zip(some, codes, strict=True) if code == 0]
        if any(codes):
            break
    return clients


def message(number: int) -> bytes:
    """Return what a device sends: ten quantities, measured now."""
    at = time.time_ns() // 1_000_000
    instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)) + f".{at % 1000:03}Z"
    values = {name: round(10 + number % 97 * 0.1 + place, 1)
              for place, name in enumerate(QUANTITIES)}  # fmt: skip
    return json.dumps({"observedAt": instant, "values": values}).encode()


async def flow(run: Run, clients: list[Client], devices: int, rate: float, seconds: float) -> None:
    """Publish at an even rate, each device after the other; wait for what is under way."""
    began = time.perf_counter()
    number = 0
    while (now := time.perf_counter() - began) < seconds:
        while number < now * rate:
            device = number % devices
            clients[device % len(clients)].publish(device, message(number))
            number += 1
        await asyncio.sleep(0.002)
    async with asyncio.timeout(120):
        while any(client.waiting for client in clients):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def set_up(server: Server, devices: int) -> str:
    """Register the devices; return the key of a gateway that sends for all of them."""
    local = server.local_key()
    made = server.request("PUT", "/profiles/bench", {"text": PROFILE}, local)
    assert made.status == 201, made.body
    for start in range(0, devices, 10_000):
        names = range(start, min(start + 10_000, devices))
        rows = "device\n" + "".join(f"d{number}\n" for number in names)
        path = "/devices/import?profile=bench"
        head = {**local, "Content-Type": "text/csv"}
        done = server.request("POST", path, rows.encode(), head, timeout_s=600)
        assert done.status == 200, done.body
        assert b'"error"' not in done.body, done.body[:500]
    wanted = {"kind": "app", "name": "bench", "reads": ["*"], "writes": ["*"]}
    return str(json.loads(server.request("POST", "/trust/keys", wanted, local).body)["key"])


def missing(server: Server, run: Run, console: Console) -> int:
    """Return how many acknowledged messages of a sample are not in history, or are there twice."""
    wrong = 0
    for device in sorted(run.acknowledged)[:: max(1, len(run.acknowledged) // SAMPLE)]:
        id = quote(ENTITY.format(f"d{device}"))
        path = f"{API}/temporal/entities/{id}?attrs=pm25&format=temporalValues&lastN=1000"
        answer = server.request("GET", path, headers=server.local_key())
        until = time.monotonic() + SETTLE_S
        while answer.status == 503 and time.monotonic() < until:  # its files are being written
            time.sleep(1)
            answer = server.request("GET", path, headers=server.local_key())
        found = json.loads(answer.body)["pm25"]["values"] if answer.status in (200, 206) else []
        wanted = min(1000, run.acknowledged[device])
        if len(found) != wanted:
            console.print(f"d{device}: {answer.status}, {len(found)} of {wanted} in history")
        wrong += abs(len(found) - wanted)
    return wrong


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share lies. [ms]"""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def by_minute(run: Run) -> list[dict[str, float]]:
    """Return what messages took that were sent in each minute. [ms]"""
    minutes: defaultdict[int, list[float]] = defaultdict(list)
    first = min(run.moments)
    for moment, took in zip(run.moments, run.latencies, strict=True):
        minutes[int((moment - first) // 60)].append(took)
    return [
        {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "max": max(took) * 1000}
        for _, took in sorted(minutes.items())
    ]


async def measure(server: Server, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    key = set_up(server, given.devices)
    before, _ = machine.memory_mb(server.pid)
    run = Run()
    began = time.perf_counter()
    clients = await connect(run, server.mqtt_port, key, given.clients)
    ramp_s = time.perf_counter() - began
    with_clients, _ = machine.memory_mb(server.pid)
    each_kb = (with_clients - before) * 1024 / max(1, len(clients))
    console.print(
        f"{len(clients):,} of {given.clients:,} clients connected in {ramp_s:.1f} s;"
        f" {with_clients:,.0f} MB, {each_kb:.1f} kB a client"
    )
    if not clients:
        return {"connected": 0}
    cpu, began = machine.cpu_seconds(server.pid), time.perf_counter()
    senders = clients[: given.connections]
    await flow(run, senders, given.devices, given.rate, given.seconds)
    took = time.perf_counter() - began
    busy = (machine.cpu_seconds(server.pid) - cpu) / took
    memory, _ = machine.memory_mb(server.pid)
    minutes = by_minute(run)
    found = {
        "connected": len(clients),
        "ramp_s": ramp_s,
        "kb_a_client": each_kb,
        "sent": run.sent,
        "acknowledged": len(run.latencies),
        "rate": len(run.latencies) / took,
        "p50_ms": percentile(run.latencies, 0.5),
        "p99_ms": percentile(run.latencies, 0.99),
        "max_ms": max(run.latencies) * 1000,
        "minutes_ms": minutes,
        "cpu": busy,
        "memory_mb": memory,
        "connections_lost": run.lost,
        "wrong_in_history": missing(server, run, console),
    }
    console.print(
        f"{found['acknowledged']:,} of {run.sent:,} messages acknowledged,"
        f" {found['rate']:,.0f}/s (asked for {given.rate:,.0f}/s), ten values each\n"
        f"PUBLISH to PUBACK: p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms,"
        f" longest {found['max_ms']:.0f} ms; p99 by minute, in order:"
        f" {' '.join(format(minute['p99'], '.0f') for minute in minutes)}\n"
        f"hub: {busy:.0%} of a core, {memory:,.0f} MB; connections lost: {run.lost};"
        f" missing or double in the history of a sample: {found['wrong_in_history']}"
    )
    for client in clients:
        client.close()
    await asyncio.sleep(0.1)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000, help="connections that are kept")
    parser.add_argument("--connections", type=int, default=500, help="those of them that publish")
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=50_000 / 60, help="messages a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--smoke", action="store_true", help="only see that it works")
    parser.add_argument("--json", type=Path, default=RESULT, help="file for the figures")
    given = parser.parse_args()
    if given.smoke:
        given.clients, given.connections, given.devices, given.seconds = 50, 10, 100, 2
        given.rate = 100
    console = Console(highlight=False)
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = given.clients + 1000
    if allowed < needed:
        if most != resource.RLIM_INFINITY and most < needed:
            console.print(f"[red]{given.clients:,} clients need `ulimit -n {needed}`[/]")
            return 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))
    with TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", open=False)  # one process may use every core
        machine.pin_client()
        server.start()
        try:
            found = asyncio.run(measure(server, given, console))
        finally:
            server.kill()
    asked = {name: getattr(given, name) for name in
             ("clients", "connections", "devices", "rate", "seconds")}  # fmt: skip
    machine.keep(given.json, {"machine": machine.described(), "asked": asked, "found": found})
    return 0 if found.get("sent") == found.get("acknowledged") else 1


if __name__ == "__main__":
    sys.exit(main())
