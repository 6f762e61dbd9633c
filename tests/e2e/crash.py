"""Kills a server at random moments while clients write, and says what was lost or doubled.

Used by tests/e2e/test_kill.py and bench/kill.py.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import aiohttp

from tests.e2e.ledger import Ledger, Notified, Value, dissect
from tests.e2e.receiver import Mood, Receiver
from tests.e2e.server import API, Server

CLIENTS = 8
ROUNDS_A_FOLDER = 20  # the outbox grows with every round
NOTIFY_WITHIN_S = 60.0
TYPE = "Probe"
SUBSCRIPTION = "urn:ngsi-ld:Subscription:crash"
MOODS: tuple[Mood, ...] = ("well", "well", "failing", "cutting", "gone")


class CrashFault(AssertionError):
    """Something acknowledged was lost or doubled, or the store is not sound."""


@dataclass(slots=True)
class Summary:
    """What happened in all rounds."""

    kills: int = 0
    kills_at_start: int = 0
    stops: int = 0
    acknowledged: int = 0
    under_way: int = 0
    """Writes that were not answered when the server was killed."""
    notified: int = 0
    copies: int = 0
    """Notifications that came once more, with the same id."""
    longest_start_s: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills under load, {self.kills_at_start} at start, {self.stops} stops:"
            f" {self.acknowledged:,} acknowledged writes, none lost, none doubled"
            f" ({self.under_way} under way when killed); {self.notified:,} changes notified,"
            f" {self.copies:,} of them once more; longest start {self.longest_start_s:.2f} s"
        )


class _Client:
    """Writes to entities of its own, one request at a time, until the server is gone."""

    def __init__(
        self, name: int, session: aiohttp.ClientSession, ledger: Ledger, trial: Trial
    ) -> None:
        self._name = name
        self._session = session
        self._ledger = ledger
        self._next = trial.next_number
        self._random = trial.random
        mine = [(id, v) for id, v in ledger.states.items() if id.split(":")[3] == str(name)]
        self._here = [id for id, value in mine if value is not None]
        self._gone = [id for id, value in mine if value is None]

    async def run(self) -> None:
        try:
            while True:
                await self._step()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return  # killed; what was under way stays open in the ledger

    async def _step(self) -> None:
        kind = self._random.random()
        if kind < 0.3 or len(self._here) < 5:
            await self._create()
        elif kind < 0.6:
            id, number = self._random.choice(self._here), self._next()
            body = {"reading": {"type": "Property", "value": number}}
            await self._send("PATCH", f"/entities/{id}/attrs", body, {id: number}, (204,))
        elif kind < 0.85:
            await self._upsert()
        else:
            id = self._here.pop(self._random.randrange(len(self._here)))
            await self._send("DELETE", f"/entities/{id}", None, {id: None}, (204,))
            self._gone.append(id)

    async def _create(self) -> None:
        again = self._gone and self._random.random() < 0.3
        id = self._gone.pop() if again else f"urn:ngsi-ld:{TYPE}:{self._name}:{self._next()}"
        number = self._next()
        await self._send("POST", "/entities", probe(id, number), {id: number}, (201,))
        self._here.append(id)

    async def _upsert(self) -> None:
        count = self._random.randint(1, 20)
        new = [f"urn:ngsi-ld:{TYPE}:{self._name}:{self._next()}" for _ in range(count // 4)]
        old = self._random.sample(self._here, min(count, len(self._here)))
        writes: dict[str, Value] = {id: self._next() for id in (*new, *old)}
        body = [probe(id, number) for id, number in writes.items()]
        await self._send("POST", "/entityOperations/upsert", body, writes, (201, 204))
        self._here += new

    async def _send(
        self,
        method: str,
        path: str,
        body: object,
        writes: Mapping[str, Value],
        expected: tuple[int, ...],
    ) -> None:
        self._ledger.begin(writes)
        async with self._session.request(method, API + path, json=body) as answer:
            text = await answer.text()
        if answer.status in expected:
            self._ledger.answered(writes)
        else:
            self._ledger.faults.append(f"{method} {path} was answered {answer.status} {text[:300]}")
            raise TimeoutError


def probe(id: str, number: Value) -> dict[str, object]:
    """Return an entity with a place, so that the index of places is written as well."""
    at = [127.0 + (number or 0) % 997 / 500, 37.0 + (number or 0) % 991 / 500]
    return {
        "id": id,
        "type": TYPE,
        "reading": {"type": "Property", "value": number},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": at}},
    }


class Trial:
    """A server over one data folder, its clients and its subscriber."""

    def __init__(self, data: Path, random: Random, summary: Summary) -> None:
        self.server = Server(
            data, environ={"MADANG_LOG_LEVEL": "warning", "MADANG_HISTORY_DRAIN_S": "0.15"}
        )
        self.random = random
        self.summary = summary
        self.ledger = Ledger()
        self.notified = Notified()
        self._numbers = itertools.count(1)

    def next_number(self) -> int:
        return next(self._numbers)

    async def run(self, rounds: int, done: Callable[[], None]) -> None:
        """Kill the server so many times and compare after each; raise CrashFault."""
        async with Receiver() as receiver:
            await self._start()
            try:
                await asyncio.to_thread(self._subscribe, receiver.uri)
                for _ in range(rounds):
                    await self._round(receiver)
                    done()
            finally:
                self.server.kill()
        self.summary.acknowledged += self.ledger.acknowledged
        self.summary.notified += len(self.notified.ids)
        self.summary.copies += self.notified.copies

    async def _round(self, receiver: Receiver) -> None:
        receiver.mood = self.random.choice(MOODS)
        await self._load_until_killed(receiver)
        self.summary.under_way += len(self.ledger.open)
        autopsy = await dissect(self.server.data)
        self.ledger.faults += autopsy.faults
        if self.random.random() < 0.15:
            await self._kill_while_starting()
        receiver.mood = "well"
        await self._start()
        async with aiohttp.ClientSession(self.server.url) as session:
            self.ledger.settle(await self._all_entities(session))
            await self._create_again(session)
        self.ledger.compare_changes(autopsy.changes)
        await self._wait_for_notifications(receiver)
        written = {number for _, number in autopsy.changes if number is not None}
        self.ledger.faults += self.notified.faults(written)
        self._judge()

    def _judge(self) -> None:
        if faults := self.ledger.faults:
            text = "\n".join(faults[:20])
            raise CrashFault(f"{len(faults)} faults:\n{text}\nlog:\n{self.server.log_end()}")

    async def _load_until_killed(self, receiver: Receiver) -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(self.server.url, timeout=timeout) as session:
            clients = [
                asyncio.create_task(_Client(name, session, self.ledger, self).run())
                for name in range(CLIENTS)
            ]
            end = time.monotonic() + self.random.uniform(0.02, 1.2)
            while time.monotonic() < end:
                if self.random.random() < 0.02:
                    receiver.mood = self.random.choice(MOODS)
                await asyncio.sleep(min(0.01, max(0.0, end - time.monotonic())))
            if self.random.random() < 0.1:
                await self._stop()
            else:
                self.server.kill()
                self.summary.kills += 1
            await asyncio.gather(*clients)

    async def _stop(self) -> None:
        code = await asyncio.to_thread(self.server.stop)
        if code != 0:
            self.ledger.faults.append(f"a stop ended with exit code {code}")
        self.summary.stops += 1

    async def _kill_while_starting(self) -> None:
        self.server.launch()
        await asyncio.sleep(self.random.uniform(0, 1.0))
        self.server.kill()
        self.summary.kills_at_start += 1

    async def _start(self) -> None:
        took = await asyncio.to_thread(self.server.start)
        self.summary.longest_start_s = max(took, self.summary.longest_start_s)

    async def _all_entities(self, session: aiohttp.ClientSession) -> dict[str, int]:
        """Page through all there is; the count must be exact and no entity on two pages."""
        found: dict[str, int] = {}
        listed, total = 0, -1
        for offset in itertools.count(0, 500):
            parameters = {"type": TYPE, "limit": "500", "offset": str(offset), "count": "true"}
            async with session.get(f"{API}/entities", params=parameters) as answer:
                page = await answer.json()
                if answer.status != 200:
                    raise CrashFault(f"a page was answered {answer.status} {page}")
                total = int(answer.headers["NGSILD-Results-Count"])
            found.update((entity["id"], entity["reading"]["value"]) for entity in page)
            listed += len(page)
            if len(page) < 500:
                break
        if not listed == total == len(found):
            self.ledger.faults.append(
                f"count {total}, entities on pages {listed}, of them different {len(found)}"
            )
        return found

    async def _create_again(self, session: aiohttp.ClientSession) -> None:
        """A create that was acknowledged, or turned out to have happened, cannot succeed again."""
        here = [id for id, value in self.ledger.states.items() if value is not None]
        for id in self.random.sample(here, min(10, len(here))):
            async with session.post(f"{API}/entities", json=probe(id, 0)) as answer:
                if answer.status != 409:
                    self.ledger.faults.append(f"{id} was created twice ({answer.status})")
            async with session.get(f"{API}/entities/{id}") as answer:
                entity = await answer.json()
            if entity.get("reading", {}).get("value") != self.ledger.states[id]:
                self.ledger.faults.append(f"{id} by id differs from its page: {entity}")

    async def _wait_for_notifications(self, receiver: Receiver) -> None:
        expected = self.ledger.numbers()
        end = time.monotonic() + NOTIFY_WITHIN_S
        self.notified.add(receiver.taken)
        while expected - self.notified.ids.keys():
            if time.monotonic() > end:
                missing = sorted(expected - self.notified.ids.keys())
                self.ledger.faults.append(
                    f"{len(missing)} changes were never notified, such as {missing[:20]}"
                )
                return
            await asyncio.sleep(0.05)
            self.notified.add(receiver.taken)

    def _subscribe(self, uri: str) -> None:
        content = {
            "id": SUBSCRIPTION,
            "type": "Subscription",
            "entities": [{"type": TYPE}],
            "watchedAttributes": ["reading"],
            "notification": {"endpoint": {"uri": uri, "accept": "application/json"}},
        }
        answer = self.server.request("POST", f"{API}/subscriptions", content)
        assert answer.status == 201, answer


async def crash(folder: Path, kills: int, seed: int, done: Callable[[], None]) -> Summary:
    """Run so many rounds, over a new data folder every few; raise CrashFault."""
    summary = Summary()
    random = Random(seed)
    for number, first in enumerate(range(0, kills, ROUNDS_A_FOLDER)):
        trial = Trial(folder / f"data{number}", random, summary)
        await trial.run(min(ROUNDS_A_FOLDER, kills - first), done)
    return summary
