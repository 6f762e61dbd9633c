"""One round of decisions, as a function of what is known: it runs in a process beside the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import unquote

from madang.services.signals.controller import SLOT_S, Controller, Options, Priority
from madang.services.signals.interlock import UnsafeSignal, check
from madang.services.signals.signal import Seen, Signal
from madang.services.signals.wire import NotASignal, unpack, unpack_seen


class Job(NamedTuple):
    """One signal to decide on."""

    id: str
    layout: dict[str, Any]
    phase: int
    elapsed_s: float
    approaches: dict[str, Any]


class Thought(NamedTuple):
    """What came out."""

    choices: dict[str, dict[str, Any]]
    """By signal, the facts of its choice."""
    kept: dict[str, Any]
    """For the next round."""
    waits: list[float]
    """Of those who stand before the signals. [s]"""


def think(
    jobs: Sequence[Job],
    asked: Sequence[Priority],
    kept: dict[str, Any] | None,
    now: float,
    step_s: float,
    horizon_s: float,
) -> Thought:
    """Decide on signals.

    Args:
        jobs: what to decide on; what cannot be read is left out, and runs its fixed plan.
        asked: who wants green.
        kept: of the round before; None at the first.
        now: seconds since 1970.
        step_s: between two rounds. [s]
        horizon_s: how far hypotheses look. [s]
    """
    names = {unquote(job.id.rpartition(":")[2]): job.id for job in jobs}
    signals: dict[str, Signal] = {}
    seen: dict[str, Seen] = {}
    for job in jobs:
        try:
            signal = _told(unpack(job.id, job.layout), names)
            check(signal)
            found = unpack_seen(job.phase, job.elapsed_s, job.approaches)
        except (NotASignal, UnsafeSignal):
            continue
        if 0 <= job.phase < len(signal.phases):
            signals[job.id], seen[job.id] = signal, found
    slots = round(horizon_s / SLOT_S)
    controller = Controller(signals, options=Options(step_s=step_s, slots=slots))
    if kept is not None:
        controller.keep(kept)
    for one in asked:
        controller.ask(one)
    choices = {id: choice.why for id, choice in controller.decide(now, seen).items()}
    waits = [
        vehicle.wait
        for one in seen.values()
        for lane in one.lanes.values()
        for vehicle in lane
        if vehicle.wait > 0
    ]
    return Thought(choices, controller.kept(), waits)


def _told(signal: Signal, names: Mapping[str, str]) -> Signal:
    """Return a signal that names those which it feeds as their entities; a layout has short names.

    Args:
        signal: as its layout has it.
        names: ids by the last part of them.
    """
    feeds = {
        lane: {names[other]: metres for other, metres in next_.items() if other in names}
        for lane, next_ in signal.feeds.items()
    }
    return replace(signal, feeds=feeds)
