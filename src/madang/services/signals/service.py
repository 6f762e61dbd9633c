"""Signals that think ahead, as a city service: what detectors see in, phases out, each explained.

A signal is a ``TrafficSignal`` that says what it is (``layout``), what it shows (``currentPhase``,
``phaseSince``, ``controlMode``) and what its detectors see (``approaches``), and takes the command
``showPhase``. Its cabinet has an interlock of its own; one that is not told anything runs its fixed
plan, so of a signal that is not heard of the service falls silent.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

from madang.model import time
from madang.services.city import City, Thing
from madang.services.corridor.request import PRIORITY, read
from madang.services.records import text
from madang.services.service import Indicator, Options, Service, Text, option
from madang.services.signals import words
from madang.services.signals.think import Job, Thought, think

SIGNAL = "TrafficSignal"
COMMAND = "showPhase"
MOST_SIGNALS = 300
STEP_S = 5
HOLD_S = 15.0  # a cabinet that is told nothing for twice as long runs its plan
LOCAL = "local"  # the mode of a cabinet that follows nobody
ALERT_S = 120.0


def _learner() -> str:
    """Return what tells apart which code has learned: what other code has learned is not read."""
    code = sorted(files(__package__).iterdir(), key=lambda one: one.name)
    found = b"".join(one.read_bytes() for one in code if one.name.endswith(".py"))
    return hashlib.sha256(found).hexdigest()[:12]


LEARNER = _learner()


class Limits(Options):
    """What can be set."""

    fresh_s: float = option(
        15, "Newest data", "자료 유효 시간",
        "Older data of a signal are not used; it runs its fixed plan. [s]", ge=6, le=60,
    )  # fmt: skip
    horizon_s: float = option(
        50, "Looking ahead", "예측 시간", "How far hypotheses look ahead. [s]", ge=20, le=80
    )


service = Service(
    "signals",
    title=Text("Signals that think ahead", "앞을 내다보는 신호"),
    purpose=Text(
        "Tries what each signal could show next on a fast model, and shows what delays people"
        " least; each switch is explained.",
        "신호마다 다음 현시를 빠른 모형으로 미리 시험해 지체가 가장 적은 것을 보이고, 바꿀"
        " 때마다 까닭을 밝힙니다.",
    ),
    category="transport",
    needs=[SIGNAL, PRIORITY],
    gives=[SIGNAL],
    commands=[SIGNAL],
    options=Limits,
    indicators=[
        Indicator("waiting", Text("Vehicles waiting at signals", "신호 대기 차량"), "C62", "lower"),
        Indicator("wait", Text("Their mean wait", "평균 대기 시간"), "SEC", "lower"),
        Indicator("guided", Text("Signals that think ahead", "제어 중인 신호"), "C62", "higher"),
    ],
    operator=Text("Traffic control centre", "교통 관제 센터"),
    cost=Text(
        "Detectors that see 200 m before each signal, and a cabinet that takes phases.",
        "신호마다 200 m 앞까지 보는 검지기, 현시 명령을 받는 제어기.",
    ),
)


@service.every(f"{STEP_S}s")
async def decide(city: City) -> None:
    """Decide on every signal that is heard of, and tell it."""
    signals = await city.find(SIGNAL, limit=MOST_SIGNALS)
    now = city.now.timestamp()
    jobs = [job for one in signals if (job := _job(city, one, now)) is not None]
    _watch(city, signals, {job.id for job in jobs}, now)
    if not jobs:
        return
    asked = [
        wanted
        for one in await city.find(PRIORITY, 'status=="asked"')
        if (wanted := read(one)) is not None
    ]
    learned = city.state.get("kept") if city.state.get("learner") == LEARNER else None
    thought: Thought = await city.compute(
        think, jobs, asked, learned, now, STEP_S, city.options.horizon_s
    )
    city.state.update(learner=LEARNER, kept=thought.kept)
    if city.instant // 1_000_000 % 60 < STEP_S:
        _measure(city, thought)
    for one in signals:
        if (choice := thought.choices.get(one.id)) is not None:
            _tell(city, one, choice, now)


def _job(city: City, one: Thing, now: float) -> Job | None:
    """Return what there is to decide on; None if the signal is to be left alone."""
    if not isinstance(one["layout"], dict) or not isinstance(one["approaches"], dict):
        return None
    heard, phase = one.observed("approaches"), one["currentPhase"]
    if heard is None or now - heard.timestamp() > city.options.fresh_s:
        return None
    if one["controlMode"] == LOCAL or isinstance(phase, bool) or not isinstance(phase, int | float):
        return None
    since = _moment(one["phaseSince"])
    if since is None:
        return None
    return Job(one.id, one["layout"], int(phase), max(0.0, now - since), one["approaches"])


def _moment(value: Any) -> float | None:
    """Return a DateTime as seconds since 1970."""
    try:
        return time.parse(value["@value"] if isinstance(value, dict) else value) / 1e6
    except (TypeError, ValueError, KeyError):
        return None


def _tell(city: City, one: Thing, why: dict[str, Any], now: float) -> None:
    """Tell a signal what to show: when that changes, and to be heard of now and then."""
    told: dict[str, list[float]] = city.state.setdefault("told", {})
    last = told.get(one.id)
    is_new = why["to"] != why["from"]
    if last is not None and last[0] == why["to"] and now - last[1] < HOLD_S:
        return
    told[one.id] = [why["to"], now]
    city.command(one, COMMAND, {"phase": why["to"]})
    if is_new:
        city.update(one.id, SIGNAL, switchReason=text(words.told(why)))


def _watch(city: City, signals: list[Thing], guided: set[str], now: float) -> None:
    """Tell of signals that are not heard of any more."""
    heard: dict[str, float] = city.state.setdefault("heard", {})
    silent: dict[str, bool] = city.state.setdefault("silent", {})
    for one in signals:
        if one.id in guided or one["controlMode"] == LOCAL:
            heard[one.id] = now
            if silent.pop(one.id, None):
                city.end_alert(one.id)
        elif one.id in heard and now - heard[one.id] > ALERT_S and one.id not in silent:
            silent[one.id] = True
            reason = words.fallen_back(now - heard[one.id])
            city.update(one.id, SIGNAL, switchReason=text(reason))
            city.alert(
                one.id, kind="signalSilent", severity="medium", title=words.silent(_name(one)),
                text=reason, about=[one],
            )  # fmt: skip


def _measure(city: City, thought: Thought) -> None:
    """Write the figures."""
    waits = thought.waits
    city.measure("waiting", len(waits))
    city.measure("wait", round(sum(waits) / len(waits), 1) if waits else 0)
    city.measure("guided", len(thought.choices))


def _name(one: Thing) -> Text:
    """Return what people call a signal."""
    name = one["name"]
    if isinstance(name, dict) and {"en", "ko"} <= name.keys():
        return Text(str(name["en"]), str(name["ko"]))
    short = name if isinstance(name, str) else one.id.rpartition(":")[2]
    return Text(short, short)
