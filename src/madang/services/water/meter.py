"""Leaks behind a water meter, from its readings: flow that never pauses, and flow as never before.

Pure functions; what is kept of a meter is small and JSON. Somebody who lives in a home uses water
in draughts: between them nothing flows, at night for hours. Flow that has not paused for a day is
a leak (M. Britton, R. Stewart and K. O'Halloran, Smart metering: enabler for rapid and effective
post meter leakage identification, Journal of Cleaner Production 54, 2013, 166-176).
"""

from __future__ import annotations

from typing import Literal, TypedDict

HOUR = 3600
DAYS = 60  # of which the largest flow is remembered
LEARNING_DAYS = 14  # before a burst is told
LONGEST_GAP = 6 * HOUR  # without readings, after which nothing is known of a pause
LEAST_SPAN = 600  # shorter ones are added to the next [s]
DRIP, CISTERN = 3.0, 60.0  # borders between what a flow without pause may be [l/h]

News = Literal["", "leak", "burst", "over"]


class Meter(TypedDict):
    """What is kept of a meter."""

    litres: float
    at: int  # when it was read [s since 1970]
    since: int  # when it last paused [s since 1970]
    least: float  # flow since then [l/h]
    told: News  # of the leak that is there
    day: int  # [days since 1970]
    most: float  # largest volume of two hours of this day [l]
    days: list[float]  # the same of the days before
    last: list[float]  # volume and duration of the span before [l, s]


def new(litres: float, at: int) -> Meter:
    """Return a meter that is read for the first time."""
    return {
        "litres": litres, "at": at, "since": at, "least": -1.0, "told": "",
        "day": at // (24 * HOUR), "most": 0.0, "days": [], "last": [0.0, 0.0],
    }  # fmt: skip


def read(meter: Meter, litres: float, at: int, patience: int, resolution: float = 0.0) -> News:
    """Take over a reading; return what is new.

    Args:
        meter: changed in place.
        litres: of the meter, ever rising.
        at: when it was read. [s since 1970]
        patience: hours without a pause that make a leak.
        resolution: of the meter; so little between two readings is a pause. [l]
    """
    passed = at - meter["at"]
    if 0 <= passed < LEAST_SPAN:
        return ""
    flowed = litres - meter["litres"]
    known = passed > 0 and passed <= LONGEST_GAP and 0 <= flowed <= 5000 * passed / HOUR
    meter["litres"], meter["at"] = litres, at
    if not known:  # it was changed, or not read: what has flowed is not known
        meter["since"], meter["least"], meter["last"] = at, -1.0, [0.0, 0.0]
        return _over(meter)
    if flowed <= resolution:
        meter["since"], meter["least"], meter["last"] = at, -1.0, [0.0, float(passed)]
        return _over(meter)
    rate = flowed / passed * HOUR
    meter["least"] = rate if meter["least"] < 0 else min(meter["least"], rate)
    burst = _burst(meter, flowed, passed, at)
    if burst and meter["told"] != "burst":
        meter["told"] = "burst"
        return "burst"
    if at - meter["since"] >= patience * HOUR and not meter["told"]:
        meter["told"] = "leak"
        return "leak"
    return ""


def _over(meter: Meter) -> News:
    was, meter["told"] = meter["told"], ""
    return "over" if was else ""


def _burst(meter: Meter, flowed: float, passed: int, at: int) -> bool:
    """Tell whether more flows in two hours than ever, for a home or a pool that is filled."""
    before, meter["last"] = meter["last"], [flowed, float(passed)]
    volume = flowed
    if passed + before[1] <= 2.5 * HOUR:
        volume += before[0]
    day = at // (24 * HOUR)
    if day != meter["day"]:
        meter["days"] = [*meter["days"], meter["most"]][-DAYS:]
        meter["day"], meter["most"] = day, 0.0
    usual = max(meter["days"], default=0.0)
    meter["most"] = max(meter["most"], volume)
    hours = (passed + before[1]) / HOUR
    return len(meter["days"]) >= LEARNING_DAYS and volume > max(2 * usual, 400 * max(hours, 1.0))


def kind(rate: float) -> Literal["drip", "cistern", "pipe"]:
    """Return what a flow without pause probably is.

    Args:
        rate: l/h.

    >>> kind(1), kind(20), kind(200)
    ('drip', 'cistern', 'pipe')
    """
    return "drip" if rate < DRIP else "cistern" if rate < CISTERN else "pipe"
