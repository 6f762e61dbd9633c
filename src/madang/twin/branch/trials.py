"""The trials of one hub: begun, looked at, ended, decided on. Each works in processes of its own.

They are kept in the data folder, and are there when the hub starts again.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time as clocks
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from madang.model.errors import BadRequestData, Conflict, Overloaded, ResourceNotFound
from madang.services.process import result, work
from madang.twin.branch.policy import body, read
from madang.twin.branch.start import Start, of_city
from madang.twin.branch.tasks import Job
from madang.twin.branch.trial import START, Asked, Trial, in_short
from madang.twin.network.programs import NetworkError
from madang.twin.network.scenario import Scenario

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.trust.view import View

log = structlog.get_logger("madang.twin")

LEAST_HOURS: Final = 0.05
MOST_HOURS: Final = 24.0
MOST_SEEDS: Final = 20
MOST_POLICIES: Final = 4
MOST_RUNS: Final = 60  # simulations of one trial
MOST_WAITING: Final = 8
MOST_KEPT: Final = 50  # trials; the oldest that nobody has adopted go
LONGEST_S: Final = 8 * 3600.0  # that one may take
AS_IS: Final = 'title = "as it is"\n'
_MODULE: Final = "madang.twin.branch.job"

LIMITS: Final = {
    "leastHours": LEAST_HOURS, "hours": MOST_HOURS, "seeds": MOST_SEEDS, "policies": MOST_POLICIES,
    "runs": MOST_RUNS,
}  # fmt: skip


class NoCity(Conflict):
    """There is no road network to try anything on."""


class Trials:
    """All of them.

    Args:
        folder: of trials, and of what they run on if ``scenario`` names nothing: ``city`` in it.
        scenario: folder of the road network and demand that they run on.
        processes: how many simulations run at once.
        ray: address of a Ray cluster that runs them; empty: this machine.
    """

    def __init__(self, folder: Path, scenario: Path | None, processes: int, ray: str) -> None:
        self._folder, self._named = folder, scenario
        self._processes, self._ray = processes, ray
        self._turns = asyncio.Semaphore(1)
        self._trials: dict[str, Trial] = {}
        self._closing = False
        self._restore()

    def city(self) -> Scenario:
        """Return what trials run on.

        Raises:
            NoCity: there is nothing, or it cannot be used.
        """
        folder = self._named or self._folder / "city"
        try:
            found = Scenario.open(folder)
        except NetworkError as error:
            raise NoCity(
                f"there is no road network to try policies on ({error}); make one with `madang city"
                f" build --out {folder}`, or start with --demo and wait a minute"
            ) from None
        if not found.demand.exists():
            raise NoCity(f"{found.demand} is missing, so nobody drives; make its demand first")
        return found

    # --- begins -------------------------------------------------------------------------------

    async def start(self, seen: Tenant | View, now: int, at: int | None, is_past: bool) -> Start:
        """Return what a trial begins from: the city now, or at an instant of the past.

        Args:
            seen: the city, as who asks sees it.
            now: the time. [us since 1970]
            at: the instant; None: now.
            is_past: look into history.
        """
        if at is not None and at > now:
            raise BadRequestData("at lies ahead: a trial begins now, in the past, or at a time")
        return await of_city(seen, now if at is None else at, is_past, self.city().zone)

    # --- trials -------------------------------------------------------------------------------

    async def begin(self, tenant: str, asked: Asked, start: Start, now: int) -> Trial:
        """Begin a trial.

        Raises:
            BadRequestData: a limit is passed.
            NoCity: there is nothing to run it on.
            Overloaded: too many wait already.
        """
        _check(asked)
        self.city()
        if sum(not one.is_over for one in self._trials.values()) >= MOST_WAITING:
            raise Overloaded("too many trials are waiting; cancel one, or try again later")
        self._forget_oldest()
        id = secrets.token_hex(8)
        made = Trial(id, tenant, asked, in_short(start), now, self._folder / "trials" / id)
        made.save()
        (made.folder / START).write_bytes(orjson.dumps(start.told()))
        self._trials[id] = made
        made.task = asyncio.get_running_loop().create_task(self._run(made))
        return made

    def list(self, tenant: str) -> list[Trial]:
        """Return trials, the latest first."""
        found = [one for one in self._trials.values() if one.tenant == tenant]
        return sorted(found, key=lambda one: (one.at, one.id), reverse=True)

    def find(self, tenant: str, id: str) -> Trial:
        """Return a trial.

        Raises:
            ResourceNotFound: there is none of that id.
        """
        found = self._trials.get(id)
        if found is None or found.tenant != tenant:
            raise ResourceNotFound(
                f"there is no trial {id[:100]!r}; `madang trial list` tells all, of which the last"
                f" {MOST_KEPT} are kept"
            )
        return found

    async def cancel(self, trial: Trial) -> None:
        """End a trial before it is done.

        Raises:
            Conflict: it is over.
        """
        if trial.is_over or trial.task is None:
            raise Conflict(f"the trial {trial.id} is over already: it is {trial.state}")
        trial.task.cancel()
        await asyncio.gather(trial.task, return_exceptions=True)

    async def remove(self, trial: Trial) -> None:
        """End a trial and forget it."""
        if not trial.is_over:
            await self.cancel(trial)
        self._trials.pop(trial.id, None)
        await asyncio.to_thread(shutil.rmtree, trial.folder, True)

    async def close(self) -> None:
        """End all that run; they are there as failed when the hub starts again."""
        self._closing = True
        for trial in self._trials.values():
            if not trial.is_over:
                await self.cancel(trial)

    def _restore(self) -> None:
        for about in sorted(self._folder.glob("trials/*/")):
            try:
                trial = Trial.open(about)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.error("trial.unreadable", folder=str(about), reason=str(error))
                continue
            if not trial.is_over:
                trial.state = "failed"
                trial.error = "the hub was stopped while it ran; begin it again"
                trial.save()
            self._trials[trial.id] = trial

    def _forget_oldest(self) -> None:
        old = sorted(
            (one for one in self._trials.values() if one.is_over),
            key=lambda one: (bool(one.decision and one.decision["adopted"]), one.at),
        )
        for one in old[: max(len(self._trials) - MOST_KEPT + 1, 0)]:
            del self._trials[one.id]
            shutil.rmtree(one.folder, ignore_errors=True)

    # --- the process --------------------------------------------------------------------------

    async def _run(self, trial: Trial) -> None:
        try:
            async with self._turns, asyncio.timeout(LONGEST_S):
                began = clocks.monotonic()
                trial.state = "running"
                try:
                    await self._work(trial, began)
                finally:
                    trial.seconds = clocks.monotonic() - began
        except TimeoutError:
            trial.error = f"it took more than {LONGEST_S / 3600:g} hours; ask for fewer"
        except asyncio.CancelledError:
            trial.state = "failed" if self._closing else "cancelled"
            if self._closing:
                trial.error = "the hub was stopped while it ran; begin it again"
        except Exception as error:
            log.exception("trial.failed", trial=trial.id)
            trial.error = f"the trial could not be made: {error}"
        finally:
            if not trial.is_over:
                trial.state = "failed" if trial.error else "done"
            await asyncio.to_thread(trial.save)

    async def _work(self, trial: Trial, began: float) -> None:
        def told(what: dict[str, Any]) -> None:
            trial.tell(what)
            trial.seconds = clocks.monotonic() - began

        job = self._job(trial)
        trial.error = await work(_MODULE, job, trial.folder, told)
        if not trial.error:
            trial.error = result(trial.folder).get("error", "")
        if not trial.error:
            trial.progress, trial.runs_ended = 1.0, trial.runs

    def _job(self, trial: Trial) -> Job:
        return Job(
            str(self.city().folder),
            [body(read(text)) for text in trial.asked.policies],
            orjson.loads((trial.folder / START).read_bytes()),
            3600 * trial.asked.hours,
            trial.asked.seeds,
            str(trial.folder),
            self._processes,
            self._ray,
        )


def _check(asked: Asked) -> None:
    """Raise BadRequestData if a limit is passed, or a policy cannot be read."""
    if not LEAST_HOURS <= asked.hours <= MOST_HOURS:
        raise BadRequestData(
            f"hours must be {LEAST_HOURS:g} to {MOST_HOURS:g}, not {asked.hours:g}"
        )
    if not 1 <= asked.seeds <= MOST_SEEDS:
        raise BadRequestData(f"seeds must be 1 to {MOST_SEEDS}, not {asked.seeds}")
    if not 2 <= len(asked.policies) <= MOST_POLICIES + 1:
        raise BadRequestData(f"there may be 1 to {MOST_POLICIES} policies in one trial")
    if len(asked.policies) * asked.seeds > MOST_RUNS:
        raise BadRequestData(
            f"that makes {len(asked.policies) * asked.seeds} simulations, with those of the city as"
            f" it is; at most {MOST_RUNS}: ask for fewer seeds or policies"
        )
    for text in asked.policies:
        read(text)
