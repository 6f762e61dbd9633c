"""Measures 500 signed-in viewers of the live map on one process, in a city in which much moves.

``python bench/live_viewers.py`` starts a hub of its own on core 0 and the viewers on core 1. People
sign in with a password, and each looks from several windows: a third at the whole city, the others
at parts of it. 2,000 vehicles are written five times a second; beside them one entity is written
on its own, and the time from the acknowledgement of each of its changes to its arrival is taken, at
every viewer. The processor time of the hub is told without viewers, too. Viewers, writers and hub
share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import struct
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from bench.moving import EAST, NORTH, SOUTH, WEST, Traffic, Writer, load
from tests.e2e.server import API, Server
from tests.web.browser import forms_of

RESULT = Path(__file__).parent / "results" / "live_viewers.json"
PASSWORD = "yard and a well 7"
PROBE = "urn:ngsi-ld:Probe:1"
PROBE_PLACE = ((WEST + EAST) / 2, (SOUTH + NORTH) / 2)
_HEAD, _BLOCK = 24, struct.Struct("<BBHI")
_SECTION = 28
_VALUE_OF_ONE = _SECTION + 12  # a section with one point: number, longitude, latitude, value


@dataclass
class Probe:
    """When each change of the probe was acknowledged, and how long after that it arrived."""

    acknowledged: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, list[float]] = field(default_factory=dict)

    def delays_ms(self) -> list[float]:
        return sorted(
            max(0.0, at - self.acknowledged[number]) * 1000
            for number, times in self.arrived.items()
            if number in self.acknowledged
            for at in times
        )


class Viewer(asyncio.Protocol):
    """A WebSocket that looks for the probe in each message and throws the rest away (RFC 6455)."""

    def __init__(self, port: int, cookie: str, look: dict[str, Any], probe: Probe) -> None:
        self._look = json.dumps(look).encode()
        self._probe = probe
        self._head = (
            f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Cookie: {cookie}\r\n\r\n"
        ).encode()
        self._buffer = bytearray()
        self._open = False
        self.bytes = 0
        self.messages = 0
        self.lost = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._head)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = self.lost or str(error or "closed")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._buffer.startswith(b"HTTP/1.1 101"):
                self.lost = self._buffer[:200].decode()
                return
            del self._buffer[: end + 4]
            self._open = True
            self._send(0x81, self._look)
        while (message := self._next()) is not None:
            self._take(*message)

    def _send(self, head: int, body: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(one ^ mask[place % 4] for place, one in enumerate(body))
        size = (
            bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack(">H", len(body))
        )
        self._transport.write(bytes([head]) + size + mask + masked)

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, at = buffer[1], 2
        if size == 126:
            size, at = int.from_bytes(buffer[2:4]), 4
        elif size == 127:
            size, at = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < at + size:
            return None
        head, body = buffer[0], bytes(buffer[at : at + size])
        del buffer[: at + size]
        return head, body

    def _take(self, head: int, body: bytes) -> None:
        self.messages += 1
        self.bytes += len(body)
        if head == 0x82:
            self._find(body)
        elif head == 0x89:
            self._send(0x8A, body)
        elif head in (0x81, 0x88) and b"pulse" not in body:
            self.lost = body[:200].decode(errors="replace")

    def _find(self, body: bytes) -> None:
        """Look for the probe, which is alone in the second layer."""
        now, at = time.perf_counter(), _HEAD
        for _ in range(body[1]):
            layer, _, _, size = _BLOCK.unpack_from(body, at)
            if layer == 1 and size >= _VALUE_OF_ONE + 4:
                (number,) = struct.unpack_from("<f", body, at + _BLOCK.size + _VALUE_OF_ONE)
                self._probe.arrived.setdefault(int(number), []).append(now)
            at += _BLOCK.size + size


def people(server: Server, count: int) -> list[str]:
    """Make accounts of operators and sign them in; return the cookies of their sessions."""
    key, cookies = server.local_key(), []
    for number in range(count):
        login = f"viewer{number}"
        body = {"login": login, "password": PASSWORD, "roles": ["operator"]}
        answer = server.request("POST", "/trust/users", body, key)
        if answer.status != 201:
            raise SystemExit(f"no account was made: {answer.body!r}")
        with httpx.Client(
            base_url=server.url, headers={"Accept": "text/html"}, timeout=60
        ) as client:
            page = client.get("/sign-in").text
            fields = next(f for at, f in forms_of(page) if at == "/sign-in" and "password" in f)
            form = {**fields, "name": login, "password": PASSWORD}
            client.post("/sign-in", data=form, headers={"Origin": server.url})
            cookies.append("; ".join(f"{name}={value}" for name, value in client.cookies.items()))
    return cookies


def looks(count: int) -> list[dict[str, Any]]:
    """Return what each viewer looks at; every window shows the middle of the city."""
    chance = random.Random(9)
    found = []
    for number in range(count):
        share = 0.5 if number % 3 == 0 else chance.uniform(0.04, 0.3)
        lon, lat = PROBE_PLACE
        wide, high = share * (EAST - WEST), share * (NORTH - SOUTH)
        off = chance.uniform(-0.4, 0.4) if number % 3 else 0.0
        lon, lat = lon + off * wide, lat + off * high
        found.append(
            {
                "bounds": [lon - wide, lat - high, lon + wide, lat + high],
                "zoom": 13,
                "layers": [
                    {"name": "vehicles", "type": "Vehicle", "value": "speed"},
                    {"name": "probe", "type": "Probe", "value": "number"},
                    {"name": "air", "type": "AirQualityObserved", "value": "pm25"},
                ],
            }
        )
    return found


async def send_probes(server: Server, probe: Probe) -> None:
    """Change the probe seven times a second and note when each change is acknowledged."""
    async with httpx.AsyncClient(
        base_url=server.url, headers=server.local_key(), timeout=60
    ) as client:
        for number in range(1, 1 << 23):
            place = {"type": "Point", "coordinates": PROBE_PLACE}
            entity = {
                "id": PROBE,
                "type": "Probe",
                "location": {"type": "GeoProperty", "value": place},
                "number": {"type": "Property", "value": number},
            }
            path = f"{API}/entityOperations/upsert"
            answer = await client.post(path, json=[entity])
            probe.acknowledged[number] = time.perf_counter()
            assert answer.status_code in (201, 204), answer.text
            await asyncio.sleep(0.143)


async def measure(server: Server, given: argparse.Namespace, traffic: Traffic) -> dict[str, Any]:
    """Return what the hub used without and with viewers, and the delays of the probe."""
    with Writer(server, traffic) as writer:
        await asyncio.sleep(3)
        alone = await used(server, writer, given.seconds / 2)
        cookies = await asyncio.to_thread(people, server, given.people)
        probe, loop = Probe(), asyncio.get_running_loop()
        probing = asyncio.create_task(send_probes(server, probe))
        viewers: list[Viewer] = []
        for number, look in enumerate(looks(given.viewers)):
            viewer = Viewer(server.port, cookies[number % len(cookies)], look, probe)
            await loop.create_connection(lambda v=viewer: v, "127.0.0.1", server.port)  # type: ignore[misc]
            viewers.append(viewer)
            await asyncio.sleep(0.005)
        await asyncio.sleep(3)
        probe.arrived.clear()
        before = sum(one.bytes for one in viewers), sum(one.messages for one in viewers)
        watched = await used(server, writer, given.seconds)
        after = sum(one.bytes for one in viewers), sum(one.messages for one in viewers)
        probing.cancel()
        with suppress(asyncio.CancelledError):
            await probing
        lost = [one.lost for one in viewers if one.lost]
        if lost:
            raise SystemExit(f"{len(lost)} viewers were lost: {lost[0]}")
    delays = probe.delays_ms()
    expected = len(probe.arrived) * len(viewers)
    return {
        "viewers": given.viewers,
        "people": given.people,
        "moving": traffic.moving,
        "still": traffic.still,
        "changes_per_s": watched["changes_per_s"],
        "cpu_without_viewers": alone["cpu"],
        "changes_per_s_without_viewers": alone["changes_per_s"],
        "cpu_with_viewers": watched["cpu"],
        "sent_mb_per_s": round((after[0] - before[0]) / given.seconds / 1e6, 1),
        "messages_per_s": round((after[1] - before[1]) / given.seconds),
        "arrivals": len(delays),
        "arrivals_of_all": round(len(delays) / max(1, expected), 3),
        **{f"p{part}_ms": round(at(delays, part), 1) for part in (50, 90, 99)},
        "max_ms": round(delays[-1], 1),
        "memory_mb": round(machine.memory_mb(server.pid)[0]),
    }


def at(values: list[float], part: int) -> float:
    return values[min(len(values) * part // 100, len(values) - 1)]


async def used(server: Server, writer: Writer, seconds: float) -> dict[str, float]:
    """Return the share of a core that the hub uses, and the changes it takes."""
    began, cpu, written = time.perf_counter(), machine.cpu_seconds(server.pid), writer.written
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    return {
        "cpu": round((machine.cpu_seconds(server.pid) - cpu) / took, 3),
        "changes_per_s": round((writer.written - written) / took),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=500)
    parser.add_argument("--people", type=int, default=100, help="who look from several windows")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--nice", type=int, default=0, help="below 0: go before other processes")
    parser.add_argument("--smoke", action="store_true", help="few viewers, a few seconds")
    given = parser.parse_args()
    if given.nice:
        machine.prefer(given.nice)
    traffic = Traffic()
    if given.smoke:
        given.viewers, given.people, given.seconds = 20, 2, 4.0
        traffic = Traffic(moving=200, still=1_000)
    environ: Final = {"MADANG_LIMIT_PUBLIC_PER_S": "0"}
    with tempfile.TemporaryDirectory() as folder:
        hub = Server(Path(folder) / "hub", environ=environ, core=machine.server_core(), open=False)
        hub.start(wait_s=120)
        try:
            machine.pin_client()
            load(hub, traffic)
            figures = asyncio.run(measure(hub, given, traffic))
        finally:
            hub.stop()
    figures["load"] = round(os.getloadavg()[0], 1)
    Console().print_json(data=figures)
    if not given.smoke:
        machine.keep(RESULT, figures)


if __name__ == "__main__":
    main()
