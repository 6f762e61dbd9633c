"""How long a change takes to reach a subscriber, at a steady number of changes a second.

``python bench/notify.py [--rate 2000] [--seconds 20]``. Each change is a PATCH of one attribute
with a value of its own, due at a fixed moment. What is measured, on one clock:

* *whole way*: from the moment the PATCH was due to the moment the subscriber has the notification.
  A server that falls behind shows here: waiting for a free connection counts.
* *after the answer*: from the answer to the PATCH (the change is on the disk) to the same moment;
  0 if the notification came first.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import httptools
import orjson
import uvloop

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import workload
from bench.machine import pin_client, server_core
from tests.e2e.server import API, Server

CONNECTIONS = 16
SETTLE_S = 30.0  # how long after the last change notifications may still come
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Latency:
    """What was seen of all changes."""

    rate: float  # [changes/s], as reached
    changes: int
    refused: int
    """Changes that were not answered 204."""
    lost: int
    doubled: int
    notifications: int
    whole_p50_ms: float
    whole_p99_ms: float
    whole_max_ms: float
    after_p50_ms: float
    after_p99_ms: float
    after_max_ms: float


@dataclass(slots=True)
class Diary:
    """When each change was due, answered and notified; a change is its number."""

    due: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    refused: int = 0
    received: list[tuple[float, bytes]] = field(default_factory=list)

    def summary(self) -> Latency:
        notified: dict[int, float] = {}
        times: Counter[int] = Counter()
        for at, body in self.received:
            for entity in orjson.loads(body)["data"]:
                number = int(entity["speed"]["value"])
                times[number] += 1
                notified.setdefault(number, at)
        came = self.answered.keys() & notified.keys()
        whole = sorted(1000 * (notified[n] - self.due[n]) for n in came)
        after = sorted(1000 * max(0.0, notified[n] - self.answered[n]) for n in came)
        span = max(self.due.values()) - min(self.due.values())
        return Latency(
            len(self.due) / span,
            len(self.due),
            self.refused,
            len(self.answered.keys() - notified.keys()),
            sum(count - 1 for n, count in times.items() if n in self.due),
            len(self.received),
            *(_at(whole, share) for share in (0.5, 0.99, 1)),
            *(_at(after, share) for share in (0.5, 0.99, 1)),
        )


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


class Subscriber(asyncio.Protocol):
    """Takes notifications: notes the time and the body, answers at once."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._diary.received.append((time.perf_counter(), self._body))
        self._body = b""
        self._transport.write(OK)


class Client(asyncio.Protocol):
    """One connection that changes one entity after another."""

    def __init__(self, idle: deque[Client], diary: Diary) -> None:
        self._idle = idle
        self._diary = diary
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._parser = httptools.HttpResponseParser(self)
        self._idle.append(self)

    def change(self, number: int, entities: int) -> None:
        self._number = number
        body = b'{"speed":{"type":"Property","value":%d}}' % number
        target = f"{API}/entities/{workload.identifier(number % entities)}/attrs".encode()
        self._transport.write(
            b"PATCH %b HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (target, len(body), body)
        )

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() == 204:
            self._diary.answered[self._number] = time.perf_counter()
        else:
            self._diary.refused += 1
        self._idle.append(self)


async def _pace(diary: Diary, idle: deque[Client], rate: float, seconds: float, of: int) -> None:
    """Make changes when they are due, or as soon after as a connection is free."""
    began = time.perf_counter()
    first = 1_000_000  # no speed that was loaded
    number, last = first, first + int(rate * seconds)
    while number < last:
        now = time.perf_counter()
        while idle and number < last and began + (number - first) / rate <= now:
            diary.due[number] = began + (number - first) / rate
            idle.popleft().change(number, of)
            number += 1
        await asyncio.sleep(0.0005)


async def drive(port: int, rate: float, seconds: float, entities: int) -> Latency:
    """Subscribe, make the changes, wait for the notifications; the vehicles are loaded already."""
    loop = asyncio.get_running_loop()
    diary = Diary()
    listener = await loop.create_server(lambda: Subscriber(diary), "127.0.0.1", 0)
    uri = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    await loop.run_in_executor(None, _subscribe, port, uri)
    idle: deque[Client] = deque()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Client(idle, diary), "127.0.0.1", port)
    await _pace(diary, idle, rate, seconds, entities)
    end, seen = time.perf_counter() + SETTLE_S, -1
    while time.perf_counter() < end and seen < len(diary.received):
        seen = len(diary.received)
        await asyncio.sleep(1)
    listener.close()
    return diary.summary()


def _subscribe(port: int, uri: str) -> None:
    content = orjson.dumps(
        {
            "type": "Subscription",
            "entities": [{"type": workload.TYPE}],
            "watchedAttributes": ["speed"],
            "notification": {
                "attributes": ["speed"],
                "endpoint": {"uri": uri, "accept": "application/json"},
            },
        }
    )
    workload.post(port, f"{API}/subscriptions", content, expected=(201,))


def measure(folder: Path, rate: float, seconds: float, entities: int = 10_000) -> Latency:
    """Measure with a server of its own over a new data folder."""
    with Server(folder / "notify", core=server_core()) as server:
        workload.preload(server.port, entities, lambda _: None)
        return uvloop.run(drive(server.port, rate, seconds, entities))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rate", type=float, default=2000, help="changes a second")
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    pin_client()
    with TemporaryDirectory() as folder:
        seen = measure(Path(folder), given.rate, given.seconds)
    for name, value in asdict(seen).items():
        print(f"{name:16} {value:12.2f}" if isinstance(value, float) else f"{name:16} {value:9}")


if __name__ == "__main__":
    main()
