"""A city that is used all the while it is moved to PostgreSQL, and what must be there afterwards.

Of each tenant somebody makes, changes and deletes entities of their own, one request after the
other, each with a number of its own. See :class:`tests.e2e.ledger.Ledger`.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from tests.e2e import forked
from tests.e2e.ledger import Ledger, Value
from tests.e2e.server import API, Server

TENANTS = ("", "north-1", "강남구")
DEVICES = 12  # of each user
BATCH = 500
PAUSE_S = 0.01  # between two writes, or all of the machine would be busy with them


def headers(tenant: str) -> dict[str, str]:
    # As bytes of UTF-8, which http.client would not send otherwise.
    return {"NGSILD-Tenant": tenant.encode().decode("latin-1")} if tenant else {}


def device(id: str, number: int) -> dict[str, object]:
    return {"id": id, "type": "Device", "reading": {"type": "Property", "value": number}}


class User(threading.Thread):
    """Somebody who uses one tenant, and knows what was acknowledged."""

    def __init__(self, server: Server, tenant: str) -> None:
        super().__init__()
        self.tenant = tenant
        self.ledger = Ledger()
        self.refused: list[tuple[int, bytes]] = []
        self.ended = threading.Event()
        self.longest_s = 0.0
        """The longest time between two acknowledged writes."""
        self._answered = time.monotonic()
        self._server = server
        self._number = 0
        self._random = random.Random(tenant)

    def run(self) -> None:
        while not self.ended.is_set():
            self._write(f"urn:ngsi-ld:Device:{self._random.randrange(DEVICES)}")
            time.sleep(PAUSE_S)

    def _write(self, id: str) -> None:
        self._number += 1
        is_there = self.ledger.states.get(id) is not None
        value = None if is_there and self._random.random() < 0.1 else self._number
        self.ledger.begin({id: value})
        try:
            status, body = self._send(id, value, is_there)
        except OSError:  # whether it happened is seen at the next look
            self._settle(id)
            return
        if status in (201, 204):
            self.ledger.answered({id: value})
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - self._answered)
            self._answered = now
        else:
            self.refused.append((status, body))
            self._settle(id)

    def _send(self, id: str, value: Value, is_there: bool) -> tuple[int, bytes]:
        path, given = f"{API}/entities/{id}", headers(self.tenant)
        if value is None:
            answer = self._server.request("DELETE", path, headers=given)
        elif is_there:
            body = {"reading": {"type": "Property", "value": value}}
            answer = self._server.request("PATCH", f"{path}/attrs", body, given)
        else:
            answer = self._server.request("POST", f"{API}/entities", device(id, value), given)
        return answer.status, answer.body

    def _settle(self, id: str) -> None:
        """Ask what has become of a write that was not answered."""
        while True:
            with contextlib.suppress(OSError):
                answer = self._server.request(
                    "GET", f"{API}/entities/{id}?options=keyValues", headers=headers(self.tenant)
                )
                if answer.status in (200, 404):
                    break
            time.sleep(0.05)
        before = {one: value for one, value in self.ledger.states.items() if value is not None}
        before.pop(id, None)
        if answer.status == 200:
            found = answer.json()
            assert isinstance(found, dict)
            before[id] = int(found["reading"])
        self.ledger.settle(before)


@contextlib.contextmanager
def in_use(server: Server, tenants: Sequence[str] = TENANTS) -> Iterator[list[User]]:
    """Use all tenants meanwhile."""
    users = [User(server, tenant) for tenant in tenants]
    for user in users:
        user.start()
    try:
        yield users
    finally:
        for user in users:
            user.ended.set()
        for user in users:
            user.join()


def wait_for_more(users: list[User], more: int = 20) -> None:
    """Wait until each has had so many more writes acknowledged."""
    wanted = [user.ledger.acknowledged + more for user in users]
    until(lambda: all(u.ledger.acknowledged >= n for u, n in zip(users, wanted, strict=True)))


def until(is_so: Callable[[], object], wait_s: float = 60.0, pause_s: float = 0.01) -> None:
    """Wait until something is so."""
    end = time.monotonic() + wait_s
    while not is_so():
        assert time.monotonic() < end, f"not so within {wait_s:g} s"
        time.sleep(pause_s)


# --- a city of some size --------------------------------------------------------------------------


def furnish(server: Server, entities: int, instances: int, months: int) -> None:
    """Give the default tenant sensors, and history of as many months as there are."""
    for first in range(0, entities, BATCH):
        some = range(first, min(first + BATCH, entities))
        body = [
            {
                "id": f"urn:ngsi-ld:Sensor:{n}",
                "type": "Sensor",
                "reading": {"type": "Property", "value": n},
                "location": {
                    "type": "GeoProperty",
                    "value": {"type": "Point", "coordinates": [127 + n / 1e6, 37.5]},
                },
            }
            for n in some
        ]
        answer = server.request("POST", f"{API}/entityOperations/create", body)
        assert answer.status == 201, answer.body
    load(server, history(entities, instances, months))


def history(entities: int, instances: int, months: int) -> pl.DataFrame:
    """Return values of so many months, each of one sensor at one time."""
    of_each = max(instances // entities, 1)
    step_us = months * 30 * 24 * 3600 * 1_000_000 // of_each
    numbers = pl.int_range(entities * of_each, eager=True)
    start = 1_735_689_600_000_000  # 2025-01-01
    return pl.DataFrame(
        {
            "entity": "urn:ngsi-ld:Sensor:" + (numbers % entities).cast(pl.String),
            "type": "Sensor",
            "attribute": "reading",
            "time": (start + numbers // entities * step_us).cast(pl.Datetime("us")),
            "number": numbers.cast(pl.Float64),
        }
    )


def load(server: Server, rows: pl.DataFrame) -> None:
    """Load history as an administrator does."""
    file = io.BytesIO()
    rows.write_parquet(file)
    given = {**server.local_key(), "Content-Type": "application/vnd.apache.parquet"}
    answer = server.request("POST", "/history/instances", file.getvalue(), given, timeout_s=300)
    assert answer.status == 200, answer.body


# --- what is there --------------------------------------------------------------------------------


def recorded(server: Server, tenant: str) -> pl.DataFrame:
    """Return every instance of history."""
    answer = server.request(
        "GET", "/history/export?type=history&format=parquet",
        headers=headers(tenant), timeout_s=300,
    )  # fmt: skip
    assert answer.status == 200, answer.body[:500]
    return pl.read_parquet(io.BytesIO(answer.body))


def faults(server: Server, user: User) -> list[str]:
    """Return what is not as a user knows it: entities, and each change in history once."""
    path = f"{API}/entities?type=Device&options=keyValues&limit=1000"
    answer = server.request("GET", path, headers=headers(user.tenant))
    found = answer.json()
    assert isinstance(found, list), answer.body
    user.ledger.settle({one["id"]: int(one["reading"]) for one in found})
    told = recorded(server, user.tenant).filter(
        pl.col("entity").str.starts_with("urn:ngsi-ld:Device:")
        & ((pl.col("attribute") == "reading") | (pl.col("kind") == "Deleted"))
    )
    told = told.sort("created", "time")
    user.ledger.compare_changes(
        (id, None if number is None else int(number))
        for id, number in told.select("entity", "number").iter_rows()
    )
    known = user.ledger.numbers()
    strange = set(told["number"].drop_nulls().cast(pl.Int64).to_list()) - known
    if strange:
        user.ledger.faults.append(f"{sorted(strange)} are in history, and were not acknowledged")
    return user.ledger.faults


# --- the mover ------------------------------------------------------------------------------------


class Move:
    """``madang move`` in its own process, to be killed.

    Args:
        server: whose city is moved.
        url: of the database.
        environ: variables besides those of this process.
    """

    def __init__(self, server: Server, url: str, environ: dict[str, str] | None = None) -> None:
        self.log = server.data.with_name("move.log")
        own = {k: v for k, v in os.environ.items() if not k.startswith("MADANG_")}
        own |= {"COLUMNS": "200"} | (environ or {})
        words = ["move", "--to", url, "--data", str(server.data)]
        self.log.write_bytes(b"")
        with self.log.open("ab") as out, Path(os.devnull).open("rb") as nothing:
            self.process = forked.Forked(words, own, (nothing, out, out))

    def end(self, wait_s: float = 120.0) -> str:
        """Wait until it has ended well; return what it has said."""
        code = self.process.wait(wait_s)
        text = self.log.read_text("utf-8")
        assert code == 0, text
        return text

    def fail(self, wait_s: float = 60.0) -> str:
        """Wait until it has ended with an error; return what it has said."""
        code = self.process.wait(wait_s)
        text = " ".join(self.log.read_text("utf-8").split())
        assert code != 0, text
        assert "Traceback" not in text
        return text

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
