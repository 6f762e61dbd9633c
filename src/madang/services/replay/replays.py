"""The replays of one process: begun, looked at, ended. Each works in a process of its own."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time as clocks
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import structlog

from madang.lake.frozen import freeze
from madang.model import time
from madang.model.errors import BadRequestData, Overloaded, ResourceNotFound
from madang.services.process import result, work
from madang.services.replay.replay import Job, effects_file
from madang.services.working import options_of, principal_of
from madang.trust.view import View

if TYPE_CHECKING:
    from madang.services.service import Service
    from madang.services.services import Services
    from madang.trust.principal import Principal

log = structlog.get_logger("madang.services")

DAY = 86_400_000_000  # [us]
LONGEST = 366 * DAY
MOST_RUNS = 4  # settings side by side
AT_ONCE = 1
MOST_WAITING = 8
MOST_KEPT = 20  # results; the oldest go
LONGEST_S = 3600.0  # that one may take
_MODULE = "madang.services.replay.job"

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass
class Replay:
    """One replay and what became of it."""

    id: str
    tenant: str
    service: str
    start: int
    end: int
    options: list[dict[str, Any]]
    folder: Path
    state: State = "waiting"
    progress: float = 0.0
    changes: int = 0
    error: str = ""
    result: dict[str, Any] | None = None
    began: float = 0.0
    """By the clock that never goes back. [s]"""
    ended: float = 0.0
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")

    @property
    def seconds(self) -> float:
        """How long it has been at work."""
        if not self.began:
            return 0.0
        return (self.ended or clocks.monotonic()) - self.began

    def tell(self, what: dict[str, Any]) -> None:
        """Hear how far it is."""
        self.progress, self.changes = what["progress"], what["changes"]

    def shown(self) -> dict[str, Any]:
        """Return it as JSON, without its result."""
        seconds = self.seconds
        done = (self.end - self.start) / 1e6 * self.progress
        return {
            "id": self.id,
            "service": self.service,
            "state": self.state,
            "from": time.render(self.start),
            "to": time.render(self.end),
            "options": self.options,
            "progress": round(self.progress, 4),
            "changes": self.changes,
            "seconds": round(seconds, 3),
            "timesRealTime": round(done / seconds) if seconds and done else None,
            "error": self.error,
        }


class Replays:
    """All of them.

    Args:
        services: which there are.
        folder: for the files of replays; it is emptied.
    """

    def __init__(self, services: Services, folder: Path) -> None:
        self._services = services
        self._folder = folder
        self._replays: dict[str, Replay] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        shutil.rmtree(folder, ignore_errors=True)  # what a crash left

    async def begin(
        self, tenant: str, service: str, start: int, end: int, runs: list[dict[str, Any]]
    ) -> Replay:
        """Begin to replay a service.

        Args:
            tenant: whose history.
            service: its name.
            start: us since 1970.
            end: us since 1970.
            runs: of each run the options that differ from those that are set.

        Raises:
            ResourceNotFound: there is no such service.
            BadRequestData: the period or an option cannot be used.
            Overloaded: too many wait already.
        """
        working = await self._services.find(tenant, service)
        now = working.tenant.clock.now()
        if not start < end <= now:
            raise BadRequestData(
                "from must be before to, and to must not lie ahead: a replay is of the past"
            )
        if end - start > LONGEST:
            raise BadRequestData(
                f"a replay may cover {LONGEST // DAY} days, not more; ask for less"
            )
        if not 0 < len(runs) <= MOST_RUNS:
            raise BadRequestData(f"there may be 1 to {MOST_RUNS} settings side by side")
        before = working.options.model_dump(mode="json")
        options = [
            options_of(working.service, before | values).model_dump(mode="json") for values in runs
        ]
        if sum(not one.is_over for one in self._replays.values()) >= MOST_WAITING:
            raise Overloaded("too many replays are waiting; end one, or try again later")
        self._forget_oldest()
        id = secrets.token_hex(8)
        made = Replay(id, tenant, service, start, end, options, self._folder / id)
        self._replays[id] = made
        made.task = asyncio.get_running_loop().create_task(self._run(made))
        return made

    def list(self, tenant: str, service: str) -> list[Replay]:
        """Return the replays of a service, the latest first."""
        found = [one for one in self._replays.values() if one.tenant == tenant]
        return [one for one in reversed(found) if one.service == service]

    def find(self, tenant: str, service: str, id: str) -> Replay:
        """Return a replay.

        Raises:
            ResourceNotFound: there is none of that id.
        """
        found = self._replays.get(id)
        if found is None or (found.tenant, found.service) != (tenant, service):
            raise ResourceNotFound(
                f"there is no replay {id!r} of {service}; the last {MOST_KEPT} are kept until the"
                " hub stops"
            )
        return found

    def effects(self, replay: Replay, run: int) -> Path:
        """Return the file with the effects of a run.

        Raises:
            ResourceNotFound: there is no such run, or it has not ended.
        """
        if replay.state != "done" or not 0 <= run < len(replay.options):
            raise ResourceNotFound(
                f"the replay {replay.id} has no effects of run {run} (it is {replay.state});"
                f" runs are numbered from 0"
            )
        return effects_file(replay.folder, run)

    async def remove(self, replay: Replay) -> None:
        """End a replay and forget it."""
        self._replays.pop(replay.id, None)
        if replay.task is not None:
            replay.task.cancel()
            await asyncio.gather(replay.task, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, replay.folder, True)

    async def close(self) -> None:
        """End all."""
        for replay in list(self._replays.values()):
            await self.remove(replay)

    def _forget_oldest(self) -> None:
        over = [one for one in self._replays.values() if one.is_over]
        for one in over[: max(len(self._replays) - MOST_KEPT + 1, 0)]:
            del self._replays[one.id]
            shutil.rmtree(one.folder, ignore_errors=True)

    # --- the process --------------------------------------------------------------------------

    async def _run(self, replay: Replay) -> None:
        try:
            async with self._turns, asyncio.timeout(LONGEST_S):
                replay.state, replay.began = "running", clocks.monotonic()
                await self._work(replay)
        except TimeoutError:
            replay.error = f"it took more than {LONGEST_S / 60:g} minutes; ask for a shorter time"
        except asyncio.CancelledError:
            replay.state = "cancelled"
            raise
        except Exception as error:
            log.exception("replay.failed", service=replay.service)
            replay.error = f"the replay could not be made: {error}"
        finally:
            replay.ended = clocks.monotonic()
            if not replay.is_over:
                replay.state = "failed" if replay.error else "done"

    async def _work(self, replay: Replay) -> None:
        replay.folder.mkdir(parents=True)
        job = await self._job(replay)
        replay.error = await work(_MODULE, job, replay.folder, replay.tell)
        if replay.error:
            return
        self._take(replay, result(replay.folder))

    async def _job(self, replay: Replay) -> Job:
        working = await self._services.find(replay.tenant, replay.service)
        tenant, folder = working.tenant, replay.folder
        view = working.gate.seen(_reader(working.service, replay), tenant, "", "")
        assert isinstance(view, View)  # a service never sees all of a city
        reach = view.history.reach
        frozen = await tenant.history.read(lambda lake: freeze(lake, reach, folder))
        return Job(replay.service, replay.options, replay.start, replay.end, frozen, str(folder))

    @staticmethod
    def _take(replay: Replay, found: dict[str, Any]) -> None:
        if "error" in found:
            replay.error = found["error"]
            return
        replay.progress, replay.changes = 1.0, found["changes"]
        replay.result = found


def _reader(service: Service, replay: Replay) -> Principal:
    """Return a service as it reads in any of its runs, for its options may say what it needs."""
    runs = [
        principal_of(service.fitted(service.given(options)), replay.tenant)
        for options in replay.options
    ]
    return replace(runs[0], reads=frozenset().union(*(run.reads for run in runs)))
