"""An edge node asks its centre what it shall do, keeps it, and does it as far as it can.

What cannot be done is told once in the log and shown in the status until it can; nothing of it
stops forwarding.
"""

from __future__ import annotations

import asyncio
import random
import time as clocks
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from madang.model.errors import MadangError
from madang.sense.edge.centre import Centre, CutOff
from madang.sense.edge.configuration import BadConfiguration, Handed, read, short, version
from madang.sense.edge.forward import Forwarder, Turn
from madang.sense.edge.kept import Kept, KeptFile
from madang.sense.edge.parts import Parts
from madang.sense.edge.rules import Rules

if TYPE_CHECKING:
    from madang.settings_types import EdgeRule
    from madang.trust.marks import Mark

log = structlog.get_logger("madang.edge")

EVERY_S = 60.0


class Own(NamedTuple):
    """What the node's own file says, which holds where the centre says nothing."""

    rules: Mapping[str, EdgeRule]
    personal: bool
    marks: Callable[[], Sequence[Mark]]

    def under(self, body: bytes) -> Rules:
        """Return the rules that hold with what the centre has handed out.

        Raises:
            BadConfiguration: that is nothing that this version understands.
        """
        if not body:
            return Rules(self.rules, self.marks, self.personal)
        said = read(body).configuration
        return Rules(
            self.rules if said.rules is None else said.rules,
            self.marks,
            self.personal if said.personal is None else said.personal,
        )

    def at_start(self, kept: Kept) -> tuple[Rules, Turn | None]:
        """Return the rules to begin with, and how they came to be these."""
        turned = Turn(self._under_kept(kept.before), kept.after) if kept.after else None
        return self._under_kept(kept.body), turned

    def _under_kept(self, body: bytes) -> Rules:
        try:
            return self.under(body)
        except BadConfiguration as error:  # another version of Madang took it
            log.error("edge.configuration.unusable", detail=str(error))
            return self.under(b"")


class Taking:
    """Takes what the centre says.

    Args:
        centre: who is asked.
        file: where the last is kept.
        own: what holds without it.
        parts: takes profiles and devices.
        forwarder: takes rules, when it is between two batches.
    """

    def __init__(
        self, centre: Centre, file: KeptFile, own: Own, parts: Parts, forwarder: Forwarder
    ) -> None:
        self._centre = centre
        self._file = file
        self._own = own
        self._parts = parts
        self._forwarder = forwarder
        self._last = file.content.body
        """What the centre said last; the forwarder may have to finish a batch before it is kept."""
        self._asked: float | None = None
        self._problem: str | None = None
        self._silence: str | None = None
        """Why the centre did not answer when it was asked last."""
        self.begun = asyncio.Event()
        """What was kept is in force, and the centre has been asked for the first time."""

    def status(self) -> dict[str, Any]:
        """Return what is in force, for operators. Times in seconds since 1970."""
        kept = self._file.content
        return {
            "version": short(version(kept.body)) if kept.body else None,
            "taken": kept.taken if kept.body else None,
            "asked": self._asked,
            "problem": self._problem or self._silence,
        }

    async def run(self) -> None:
        """Take up what was kept, and ask from time to time, until cancelled."""
        try:
            if self._last:
                await self._try(self._last)
            await self._ask()
        finally:
            self.begun.set()
        while True:
            await asyncio.sleep(EVERY_S * random.uniform(0.9, 1.1))
            await self._ask()

    async def _ask(self) -> None:
        """Ask once, and do what the centre says."""
        try:
            has = version(self._last) if self._last else ""
            body = await self._centre.configuration(has, self._forwarder.behind)
        except CutOff as error:
            self._silence = f"the centre was asked for a configuration: {error}"
            return  # what is there goes on to hold
        except BadConfiguration as error:
            self._tell([str(error)])
            return
        self._asked, self._silence = clocks.time(), None
        if body is None:
            if self._problem is not None:  # it may have been seen to at the node
                await self._try(self._last)
        elif await self._try(body) and body != self._last:
            self._last = body
            self._forwarder.change(self._own.under(body), partial(self._keep, body))

    async def _try(self, body: bytes) -> bool:
        """Take what is in a configuration besides rules; return whether it is one at all."""
        try:
            handed: Handed | None = read(body) if body else None
            self._tell([] if handed is None else await self._parts.apply(handed))
        except (MadangError, OSError) as error:
            self._tell([str(error)])
            return False
        return True

    async def _keep(self, body: bytes, after: int) -> None:
        """Make durable what holds for all changes after that of a number."""
        before = self._file.content.body if after else b""
        await asyncio.to_thread(self._file.save, Kept(body, clocks.time(), before, after))
        log.info("edge.configured", version=short(version(body)) if body else None)

    def _tell(self, problems: list[str]) -> None:
        problem = "; ".join(problems[:5]) or None
        if len(problems) > 5:
            problem = f"{problem}; and {len(problems) - 5} more"
        if problem is not None and problem != self._problem:
            log.warning("edge.configuration.problem", detail=problem)
        self._problem = problem
