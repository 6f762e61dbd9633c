"""Who writes the catalog of a lake takes turns, and nobody finds it locked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from madang.lake.ducklake import DuckLake
from tests.lake.outbox import SECOND, T0, Outbox, entity

ROUNDS_S = 4.0


@pytest.mark.slow
def test_upkeep_and_the_drain_do_not_refuse_each_other(lake: DuckLake) -> None:
    outbox, end = Outbox(), time.monotonic() + ROUNDS_S
    failed: list[Exception] = []
    done = {"drain": 0, "upkeep": 0}

    def drain() -> None:
        turn = done["drain"] + 1
        rooms = [entity(f"urn:room:{n}", at=T0 + turn * SECOND, temp=turn + n) for n in range(20)]
        lake.take([outbox.put(*rooms)])
        lake.drain()

    def run(name: str, work: Callable[[], None]) -> None:
        while time.monotonic() < end or done[name] < 3:
            try:
                work()
            except Exception as error:  # told at the end, by the thread that may fail a test
                failed.append(error)
                return
            done[name] += 1

    threads = [
        threading.Thread(target=run, args=("drain", drain)),
        threading.Thread(target=run, args=("upkeep", lake.maintain)),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    assert min(done.values()) >= 3
