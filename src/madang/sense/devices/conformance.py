"""Whether a device conforms to the open device specification: the tests of its requirements.

The requirements are those of ``docs/reference/open-device-specification.md``, by the same numbers.
Pure: what was sent comes from files or from :mod:`madang.sense.devices.listening`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, Literal, NamedTuple

import orjson

from madang.model import time
from madang.sense.codecs import table
from madang.sense.devices.device import Device, id_of
from madang.sense.devices.profile import Profile
from madang.sense.message import Message, Rejected, Uplink
from madang.trust.principal import LOCAL

REQUIREMENTS: Final[dict[str, tuple[str, str]]] = {
    "P1": ("must", "A message is a JSON object, or an array of them, in UTF-8."),
    "P2": ("must", "A message has at most 64 KB."),
    "P3": ("must", "Every field is of the kind that its profile expects."),
    "P4": ("must", "Every message holds at least one field of the profile."),
    "P5": ("must", "What could not be measured is left out or null, never a number such as -999."),
    "P6": ("should", "Every field is one that the profile knows."),
    "T1": ("must", "Every message says in observedAt when it was measured."),
    "T2": ("must", "observedAt is a UTC time of RFC 3339 that ends in Z."),
    "T3": ("must", "observedAt is never in the future."),
    "T4": ("must", "observedAt rises from message to message."),
    "T5": ("should", "Messages come at the interval of the profile, within a tenth of it."),
    "V1": ("must", "Every value is within what the sensor can measure."),
    "V2": ("should", "A value has no more decimals than the profile asks for."),
    "M1": ("must", "Messages go to the topic v1/devices/<device>/up."),
    "M2": ("must", "Messages are sent with QoS 1."),
    "M3": ("must", "Messages are not retained."),
    "M4": ("must", "A message that was not acknowledged is sent again."),
    "M5": ("must", "A device whose connection broke connects again within two minutes."),
    "M6": ("must", "A device signs in with its key as password."),
    "M7": ("should", "A device keeps its session (clean session off) under the same client id."),
}
"""Level and text of each requirement, by its number."""

LARGEST: Final = 64 * 1024
_AHEAD: Final = 1_000_000
"""How far the clock of this machine may be behind that of the device. [us]"""
_STAND_INS: Final = frozenset([-999, -9999, -99, 999, 9999, 65535, 32767, -32768, 4294967295])
_OWN_FIELDS: Final = frozenset(["observedAt", "device"])
_MOST_SHOWN = 3
_SECOND = 1_000_000

Outcome = Literal["pass", "fail", "warn", "skip"]


class Sent(NamedTuple):
    """One message of the device."""

    body: bytes
    origin: str
    """The file and line, or the number of the message, for people to find it."""
    received: int
    """When it came. [us since 1970]"""
    topic: str = ""
    qos: int = 1
    retained: bool = False


class Finding(NamedTuple):
    """The outcome of one requirement."""

    number: str
    outcome: Outcome
    detail: str = ""

    @property
    def level(self) -> str:
        return REQUIREMENTS[self.number][0]

    @property
    def text(self) -> str:
        return REQUIREMENTS[self.number][1]


class _Report:
    """Collects what is wrong, by requirement; one that was never looked at is skipped."""

    def __init__(self) -> None:
        self._wrong: dict[str, list[str]] = {}
        self._looked: set[str] = set()

    def look(self, number: str, problems: Iterable[str]) -> None:
        self._looked.add(number)
        self._wrong.setdefault(number, []).extend(problems)

    def findings(self) -> list[Finding]:
        return [self._finding(number) for number in REQUIREMENTS]

    def _finding(self, number: str) -> Finding:
        if number not in self._looked:
            return Finding(number, "skip", "nothing to tell it by")
        wrong = self._wrong[number]
        if not wrong:
            return Finding(number, "pass")
        more = f" and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
        outcome: Outcome = "fail" if REQUIREMENTS[number][0] == "must" else "warn"
        return Finding(number, outcome, "; ".join(wrong[:_MOST_SHOWN]) + more)


def check(
    messages: Sequence[Sent],
    profile: Profile,
    *,
    live: bool = False,
    more: Iterable[tuple[str, Sequence[str]]] = (),
) -> list[Finding]:
    """Return the outcome of every requirement.

    Args:
        messages: in the order they were sent.
        profile: what the fields mean.
        live: they came over MQTT just now, so that topic, QoS and intervals can be told.
        more: what else was seen, by requirement: what was wrong, nothing if it was right.
    """
    report = _Report()
    uplinks: list[tuple[Sent, Uplink]] = []
    for sent in messages:
        report.look("P2", _too_large(sent))
        if live:
            report.look("M2", [f"{sent.origin}: QoS {sent.qos}"] if sent.qos != 1 else [])
            report.look("M3", [f"{sent.origin} is retained"] if sent.retained else [])
        try:
            decoded = _decoded(sent, profile)
        except Rejected as error:
            report.look("P1", [f"{sent.origin}: {error}"])
            continue
        report.look("P1", [])
        uplinks += [(sent, one) for one in decoded]
    is_json = profile.codec in ("", "json")
    for sent, uplink in uplinks:
        _fields(report, sent, uplink, profile, is_json)
    if is_json:
        for sent in messages:
            _times(report, sent)
    _order(report, uplinks, profile)
    for number, problems in more:
        report.look(number, problems)
    return report.findings()


def passes(findings: Iterable[Finding]) -> bool:
    """Return whether a device conforms: it fails none of what it must do."""
    return all(finding.outcome != "fail" for finding in findings)


def _decoded(sent: Sent, profile: Profile) -> list[Uplink]:
    message = Message("test", sent.topic, sent.body, LOCAL, sent.received, device="test")
    found = table.codec(profile.codec or "json").decode(message)
    return [one for one in found if isinstance(one, Uplink)]


def _too_large(sent: Sent) -> list[str]:
    return [f"{sent.origin} has {len(sent.body):,} bytes"] if len(sent.body) > LARGEST else []


def _fields(report: _Report, sent: Sent, uplink: Uplink, profile: Profile, is_json: bool) -> None:
    applied = profile.readings(
        Device("test", id_of("test"), is_introduced=True), uplink, sent.received
    )
    report.look("P3", [f"{sent.origin}: {p.attribute}: {p.detail}" for p in applied.problems])
    empty = not applied.readings and not applied.problems
    report.look("P4", [f"{sent.origin} has none"] if empty else [])
    if is_json:
        report.look("P5", [f"{sent.origin}: {word}" for word in _stand_ins(uplink)])
        strange = sorted(uplink.values.keys() - _known(profile))
        report.look("P6", [f"{sent.origin}: {', '.join(strange[:5])}"] if strange else [])
    for reading in applied.readings:
        for name, limits in reading.limits.items():
            value = reading.entity.get(name, {}).get("value")
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                continue
            low, high = limits.fail_below, limits.fail_above
            beyond = (low is not None and value < low) or (high is not None and value > high)
            bounds = f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"
            report.look(
                "V1", [f"{sent.origin}: {name} is {value:g}, not {bounds}"] if beyond else []
            )
    _decimals(report, sent, uplink, profile)


def _decimals(report: _Report, sent: Sent, uplink: Uplink, profile: Profile) -> None:
    for part in profile.parts:
        for name, attribute in part.attributes.items():
            value = uplink.values.get(attribute.path or name)
            if attribute.precision is None or attribute.is_scaled or not isinstance(value, float):
                continue
            fine = math.isclose(value, round(value, attribute.precision), rel_tol=1e-12)
            told = f"{sent.origin}: {name} is {value!r}, {attribute.precision} decimals are asked"
            report.look("V2", [] if fine else [told])


def _known(profile: Profile) -> set[str]:
    """Return the fields that a profile reads, without what lies within them."""
    found: set[str] = set(_OWN_FIELDS)
    paths = [] if profile.observed is None else [profile.observed.path]
    if profile.location is not None:
        paths += [profile.location.longitude, profile.location.latitude]
    for part in profile.parts:
        for name, attribute in part.attributes.items():
            found.add(name)
            paths += [attribute.path or "", *attribute.fields]
    return found | {path.partition(".")[0].partition("[")[0] for path in paths}


def _stand_ins(uplink: Uplink) -> list[str]:
    return [
        f"{name} is {value!r}"
        for name, value in uplink.values.items()
        if value == "" or (isinstance(value, (int, float)) and value in _STAND_INS)
        if not isinstance(value, bool)
    ]


def _times(report: _Report, sent: Sent) -> None:
    try:
        found = orjson.loads(sent.body)
    except orjson.JSONDecodeError:
        return
    for item in found if isinstance(found, list) else [found]:
        if not isinstance(item, dict):
            continue
        told = item.get("observedAt")
        report.look("T1", [] if told is not None else [f"{sent.origin} has no observedAt"])
        if told is None:
            continue
        try:
            at = time.parse(told) if isinstance(told, str) else None
        except ValueError:
            at = None
        report.look("T2", [f"{sent.origin}: {told!r}"] if at is None else [])
        if at is not None:
            ahead = (at - sent.received) / _SECOND
            late = f"{sent.origin}: {told} is {ahead:.0f} s ahead of this machine"
            report.look("T3", [late] if at > sent.received + _AHEAD else [])


def _order(report: _Report, uplinks: Sequence[tuple[Sent, Uplink]], profile: Profile) -> None:
    """Look at the times of the messages together."""
    times = [(sent, one.observed) for sent, one in uplinks if one.observed is not None]
    steps: list[float] = []
    for (_, before), (sent, at) in pairwise(times):
        step = (at - before) / _SECOND
        steps.append(step)
        apart = f"is {-step:g} s older than" if step < 0 else "has the time of"
        report.look("T4", [f"{sent.origin} {apart} the one before"] if step <= 0 else [])
    if profile.interval_s is None or len(steps) < 2:
        return
    usual = median(steps)
    is_off = abs(usual - profile.interval_s) > 0.1 * profile.interval_s
    told = f"they come every {usual:g} s, the profile says {profile.interval_s:g} s"
    report.look("T5", [told] if is_off else [])
