"""Trials in a process of its own: ``python -m madang.twin.branch.job``.

Its runs are processes again, for SUMO holds one simulation in each; on Ray, if the city has it.
"""

from __future__ import annotations

import importlib
import os
import shutil
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from madang.model.errors import MadangError
from madang.services.process import Tell, begun, ended
from madang.twin.branch.compare import compared, streets
from madang.twin.branch.run import run
from madang.twin.branch.tasks import Job, Run, streets_file

if TYPE_CHECKING:
    from madang.twin.branch.measured import Measured

LOOK_S: Final = 0.5
"""Between two looks at how far the runs are. [s]"""


class RunFailed(MadangError):
    """A run has ended without a result."""


class _Runners(Protocol):
    def begin(self, task: Run) -> Any: ...
    def ready(self, begun: Sequence[Any]) -> list[Any]: ...
    def close(self) -> None: ...


class _Here:
    """Processes of this machine, each for one run after the other."""

    def __init__(self, processes: int) -> None:
        self._pool = ProcessPoolExecutor(processes, get_context("spawn"), _alone, (os.getpid(),))

    def begin(self, task: Run) -> Future[Measured]:
        return self._pool.submit(run, task)

    def ready(self, begun: Sequence[Future[Measured]]) -> list[Measured]:
        """Return what is there when a moment has passed; empty until all is."""
        done, rest = wait(begun, LOOK_S, "FIRST_EXCEPTION")
        if not rest or any(one.exception() for one in done):
            return [_taken(one) for one in begun if one in done or not rest]
        return []

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _taken(one: Future[Measured]) -> Measured:
    try:
        return one.result()
    except BrokenProcessPool:
        raise RunFailed(
            "a simulation has ended without a word; there may be too little memory: set"
            " trial_processes lower, or try fewer hours"
        ) from None
    except MadangError:
        raise
    except Exception as error:
        traceback.print_exception(error)
        raise RunFailed(
            f"a simulation failed ({type(error).__name__}: {error}); the hub's log says where"
        ) from error


def _alone(parent: int) -> None:
    """Let a process of the pool end with the one that made it, whatever becomes of that."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


class _OnRay:
    """A Ray cluster, which must see the data folder under the same name."""

    def __init__(self, address: str) -> None:
        try:
            self._ray = importlib.import_module("ray")
        except ImportError:
            raise RunFailed(
                "the setting ray names a cluster, and Ray is not installed here: `pip install ray`,"
                " or leave the setting out to run on this machine"
            ) from None
        self._ray.init(address=address, log_to_driver=False)
        self._run = self._ray.remote(max_calls=1)(run)

    def begin(self, task: Run) -> Any:
        return self._run.remote(task)

    def ready(self, begun: Sequence[Any]) -> list[Measured]:
        done, rest = self._ray.wait(list(begun), num_returns=len(begun), timeout=LOOK_S)
        return [] if rest else self._ray.get(done and list(begun))

    def close(self) -> None:
        self._ray.shutdown()


def tried(job: Job, tell: Tell) -> dict[str, Any]:
    """Run all that is to be compared; return the comparison as JSON.

    Raises:
        MadangError: a run has failed; the message says why.
    """
    tasks, folder = job.runs(), Path(job.folder)
    runners: _Runners = _OnRay(job.ray) if job.ray else _Here(min(job.processes, len(tasks)))
    began = time.monotonic()
    try:
        all_begun = [runners.begin(task) for task in tasks]
        while not (found := runners.ready(all_begun)):
            tell(_far(tasks))
    finally:
        runners.close()
        shutil.rmtree(folder / "runs", ignore_errors=True)
    groups = [found[n : n + job.seeds] for n in range(0, len(found), job.seeds)]
    base, *policies = groups
    for number, runs in enumerate(policies):
        told = streets(base[0].names, base[0].shapes, base, runs)
        streets_file(folder, number).write_bytes(orjson.dumps(told))
    simulated = len(tasks) * job.seconds
    return {
        "indicators": compared(base, policies),
        "trips": [[one.trips for one in runs] for runs in groups],
        "stranded": [[one.stranded for one in runs] for runs in groups],
        "timesRealTime": round(simulated / max(time.monotonic() - began, 1e-3), 1),
    }


def _far(tasks: Sequence[Run]) -> dict[str, Any]:
    parts = []
    for task in tasks:
        try:
            parts.append(float(task.progress.read_text() or 0))
        except (OSError, ValueError):  # not begun, or just being written
            parts.append(0.0)
    return {"progress": sum(parts) / len(parts), "ended": sum(part >= 1 for part in parts)}


def main() -> None:
    """Read a job, do it, say what became of it."""
    job: Job
    job, tell = begun()
    try:
        found = tried(job, tell)
    except MadangError as error:
        found = {"error": str(error)}
    ended(Path(job.folder), found)


if __name__ == "__main__":
    main()
