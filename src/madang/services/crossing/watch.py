"""When a crossing must warn: somebody is on it at red, or a vehicle has to brake for them now.

Pure functions, for two who must agree: the edge node, which warns within milliseconds, and the city
service, which keeps the record. What is known of a crossing is a dict of JSON values.

Sources: stopping sight distance, AASHTO, A Policy on Geometric Design of Highways and Streets,
section 3.2.2 (reaction 2.5 s, deceleration 3.4 m/s2). Time to collision: J. C. Hayward, Near-miss
determination through use of a scale of danger, Highway Research Record 384, 1972.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypedDict

from madang.services.service import LocalOptions, option

CROSSING, OBSERVED = "PedestrianCrossing", "CrossingObserved"
ON_RED, COMING = "pedestrianOnRed", "vehicleComing"
SIGNAL, PEDESTRIANS = "pedestrianSignal", "pedestrianCount"
DISTANCE, SPEED = "vehicleDistance", "vehicleSpeed"
READ = frozenset({SIGNAL, PEDESTRIANS, DISTANCE, SPEED})
STANDING = 0.5  # [m/s] slower is no approach
RENEWED_S = 1.0  # a sign is told again so often while the danger lasts
SHOWN_S = 3  # so long a sign goes on warning if it hears nothing more
MOST_DETECTORS = 100  # of one crossing
S = 1_000_000  # [us]

Kind = Literal["began", "more", "renewed", "ended"]


class Rules(LocalOptions):
    """When a crossing warns, and what counts as a near miss."""

    hold_s: float = option(
        2.0, "Detections hold", "감지 유효 시간",
        "So long a detector is believed after its last word. [s]", ge=0.2, le=60,
    )  # fmt: skip
    signal_hold_s: float = option(
        300.0, "Signal holds", "신호 유효 시간",
        "So long a signal is believed to show what it told last. [s]", ge=1, le=3600,
    )  # fmt: skip
    tail_s: float = option(
        2.0, "Warning goes on", "경고 유지 시간",
        "So long a warning goes on after the danger, so that it does not flicker. [s]", ge=0, le=30,
    )  # fmt: skip
    reaction_s: float = option(
        2.5, "Reaction", "반응 시간", "Of a driver who is warned. [s]", ge=0.5, le=5
    )
    braking: float = option(
        3.4, "Braking", "감속도", "That a driver can be asked for. [m/s2]", ge=1, le=8
    )
    near_miss_s: float = option(
        1.5, "Near miss", "아차사고 기준",
        "A vehicle nearer in time than this to people on the crossing is one. [s]", ge=0.5, le=5,
    )  # fmt: skip
    alert_after: int = option(
        3, "Alert after", "경보 기준 횟수",
        "So many near misses at one crossing raise an alert.", ge=1, le=1000,
    )  # fmt: skip
    alert_days: int = option(
        7, "Counted over", "집계 기간", "Days over which they are counted.", ge=1, le=90
    )
    light_level: float = option(
        1.0, "Lights at a warning", "경고 시 조명 밝기",
        "That street lights of the crossing are commanded to; 1 is full.", ge=0, le=1,
    )  # fmt: skip
    light_s: int = option(
        60, "Lights stay", "조명 유지 시간",
        "Until they go back; a new warning in that time commands nothing. [s]", ge=10, le=3600,
    )  # fmt: skip


class Warning(TypedDict):
    """A warning that is on."""

    since: int  # [us since 1970]
    until: int  # when it ends if nothing more is heard [us since 1970]
    told: int  # when the sign was last told [us since 1970]
    reasons: list[str]
    nearest_s: float | None  # least time to collision


class Watch(TypedDict):
    """What is known of one crossing."""

    signal: str | None  # what pedestrians see: red, green, flashing or off
    signal_at: int  # [us since 1970]
    walking: dict[str, list[int]]  # by detector: people on the crossing, and when [us since 1970]
    coming: dict[str, list[float]]  # by detector: distance [m], speed [m/s], when [us since 1970]
    warning: Warning | None


class Danger(NamedTuple):
    """What is dangerous at one moment."""

    reasons: tuple[str, ...]
    until: int
    """So long if nothing more is heard. [us since 1970]"""
    nearest_s: float | None


class Step(NamedTuple):
    """A warning has changed."""

    kind: Kind
    warning: Warning


def fresh() -> Watch:
    """Return a crossing of which nothing is known."""
    return {"signal": None, "signal_at": 0, "walking": {}, "coming": {}, "warning": None}


def read(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the values of an entity that matter here, without those that failed their tests."""
    found = {}
    for name in READ.intersection(names):
        attribute = document.get(name)
        if isinstance(attribute, dict) and "value" in attribute:
            quality = attribute.get("quality")
            if not (isinstance(quality, dict) and quality.get("value") == "fail"):
                found[name] = attribute["value"]
    return found


def take(watch: Watch, detector: str, values: Mapping[str, Any], at: int) -> bool:
    """Take over what a detector or signal says; return whether any of it can be used.

    Args:
        watch: of the crossing; changed.
        detector: id of what says so.
        values: of :func:`read`.
        at: when. [us since 1970]
    """
    used = False
    if isinstance(values.get(SIGNAL), str):
        watch["signal"], watch["signal_at"] = values[SIGNAL][:20], at
        used = True
    people = _number(values.get(PEDESTRIANS))
    if people is not None and _has_room(watch["walking"], detector):
        watch["walking"][detector] = [round(people), at]
        used = True
    distance, speed = _number(values.get(DISTANCE)), _number(values.get(SPEED))
    if (distance is not None or speed is not None) and _has_room(watch["coming"], detector):
        old = watch["coming"].get(detector, [0.0, 0.0, 0])
        watch["coming"][detector] = [
            old[0] if distance is None else distance, old[1] if speed is None else speed, at,
        ]  # fmt: skip
        used = True
    return used


def danger(watch: Watch, at: int, rules: Rules) -> Danger:
    """Return what is dangerous at a moment.

    >>> watch = fresh()
    >>> take(watch, "camera", {"pedestrianCount": 1, "pedestrianSignal": "red"}, 0)
    True
    >>> danger(watch, 0, Rules()).reasons
    ('pedestrianOnRed',)
    """
    hold = round(rules.hold_s * S)
    walking = max((seen[1] for seen in watch["walking"].values() if seen[0] > 0), default=-hold)
    there = walking + hold  # until then somebody is on it
    if at >= there:
        return Danger((), at, None)
    reasons, until, nearest = [], at, None
    lit = watch["signal_at"] + round(rules.signal_hold_s * S)
    if watch["signal"] == "red" and at < lit:
        reasons.append(ON_RED)
        until = max(until, min(there, lit))
    for distance, speed, seen in watch["coming"].values():
        if at < seen + hold and speed >= STANDING and distance <= stopping_distance(speed, rules):
            if COMING not in reasons:
                reasons.append(COMING)
            until = max(until, min(there, int(seen) + hold))
            nearest = min(distance / speed, nearest if nearest is not None else distance / speed)
    return Danger(tuple(reasons), until, nearest)


def stopping_distance(speed: float, rules: Rules) -> float:
    """Return how far a vehicle goes before it stands, if its driver is warned now. [m]

    >>> round(stopping_distance(50 / 3.6, Rules()), 1)
    63.1
    """
    return speed * rules.reaction_s + speed * speed / (2 * rules.braking)


def step(watch: Watch, at: int, rules: Rules) -> Step | None:
    """Judge a crossing anew; return how its warning has changed, or None.

    Args:
        watch: of the crossing; changed.
        at: the moment, not before that of the call before. [us since 1970]
        rules: of the crossing.
    """
    found, warning = danger(watch, at, rules), watch["warning"]
    tail = round(rules.tail_s * S)
    if not found.reasons:
        if warning is None:
            return None
        warning["until"] = min(warning["until"], at + tail)
        if at < warning["until"]:
            return None
        watch["warning"] = None
        return Step("ended", warning)
    if warning is None:
        warning = watch["warning"] = {
            "since": at, "until": found.until + tail, "told": at,
            "reasons": list(found.reasons), "nearest_s": found.nearest_s,
        }  # fmt: skip
        return Step("began", warning)
    warning["until"] = found.until + tail
    times = [one for one in (warning["nearest_s"], found.nearest_s) if one is not None]
    warning["nearest_s"] = min(times, default=None)
    kind: Kind = "renewed"
    if more := [reason for reason in found.reasons if reason not in warning["reasons"]]:
        warning["reasons"] += more
        kind = "more"
    elif at - warning["told"] < RENEWED_S * S:
        return None
    warning["told"] = at
    return Step(kind, warning)


def is_near_miss(warning: Warning, rules: Rules) -> bool:
    """Tell whether a vehicle came too near in time to people on the crossing."""
    return warning["nearest_s"] is not None and warning["nearest_s"] < rules.near_miss_s


def _has_room(seen: Mapping[str, Any], detector: str) -> bool:
    return detector in seen or len(seen) < MOST_DETECTORS


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e5:
        return None  # a faulty detector must not stop the others
    return float(value)
