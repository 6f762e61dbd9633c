"""SFpark's price rule: prices by time band, in small steps, so that some places are always free.

Pure functions. Source: SFMTA, SFpark: Putting Theory Into Practice, 2011; G. Pierce and D. Shoup,
Getting the Prices Right, Journal of the American Planning Association 79 (2013) 67-81. That prices
change every 28 days at most is San Francisco's Transportation Code, division II, section 402.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import model_validator

from madang.services.service import LocalOptions, Text, option

GOAL = (0.6, 0.8)
NEARLY_EMPTY = 0.3
HOUR = 3600  # [s]

Band = tuple[int, int]
"""First and last hour, by the clock of the city."""


class Prices(LocalOptions):
    """How prices are set. They are those of an hour."""

    step_up: float = option(0.25, "Step up", "인상 폭", "Added above 80 %.", ge=0, le=1e6)
    step_down: float = option(
        0.25, "Step down", "인하 폭", "Taken off at 30 to 60 %.", ge=0, le=1e6
    )
    far_step_down: float = option(
        0.5, "Far step down", "큰 인하 폭", "Taken off below 30 %.", ge=0, le=1e6
    )
    first_price: float = option(
        2.5, "First price", "처음 요금", "Of a zone that has none.", ge=0, le=1e6
    )
    floor: float = option(0.25, "Floor", "최저 요금", "No price goes below it.", ge=0, le=1e6)
    cap: float = option(6.0, "Cap", "최고 요금", "No price goes above it.", ge=0, le=1e6)
    currency: str = option("USD", "Currency", "통화", "Code of ISO 4217.", pattern="^[A-Z]{3}$")
    period_days: int = option(
        28, "Period", "조정 주기", "Days from one setting of prices to the next.", ge=1, le=366
    )
    bands: tuple[Band, ...] = option(
        ((9, 12), (12, 15), (15, 18)),
        "Time bands",
        "시간대",
        "First and last hour of each, by the clock of the city.",
        min_length=1,
        max_length=24,
    )
    hold_minutes: int = option(
        180,
        "Counts hold",
        "값 유효 시간",
        "So long an occupancy counts if no new counts come.",
        ge=1,
        le=1440,
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        hours = [hour for band in self.bands for hour in band]
        rising = hours == sorted(hours) and all(start < end for start, end in self.bands)
        if not rising or hours[0] < 0 or hours[-1] > 24:
            raise ValueError("bands are hours 0 to 24 one after the other: [[9, 12], [12, 15]]")
        if self.floor > self.cap:
            raise ValueError(f"the floor {self.floor} lies above the cap {self.cap}; swap them")
        return self


def label(band: Band) -> str:
    """Return a band as people write it, such as ``9-12``."""
    return f"{band[0]}-{band[1]}"


def stepped(price: float, occupancy: float, rule: Prices) -> float:
    """Return the price of the next period.

    Args:
        price: of this period.
        occupancy: its mean. [1]
        rule: steps and limits.

    >>> [stepped(2.5, mean, Prices()) for mean in (0.86, 0.8, 0.6, 0.59, 0.3, 0.29)]
    [2.75, 2.5, 2.5, 2.25, 2.25, 2.0]
    """
    if occupancy > GOAL[1]:
        price += rule.step_up
    elif occupancy < NEARLY_EMPTY:
        price -= rule.far_step_down
    elif occupancy < GOAL[0]:
        price -= rule.step_down
    return round(min(max(price, rule.floor), rule.cap), 2)


def sentence(name: str, band: Band, occupancy: float, old: float, new: float, rule: Prices) -> Text:
    """Tell why a price is set.

    >>> sentence("Bull Ring", (9, 12), 0.86, 2.5, 2.75, Prices(period_days=7)).en
    'Mean occupancy 9-12 h in Bull Ring was 86 % over 7 days (goal 60-80 %): 2.50 -> 2.75 USD an \
hour'
    """
    if old != new:
        en = f"{old:.2f} -> {new:.2f} {rule.currency} an hour"
        ko = f"시간당 {old:.2f} -> {new:.2f} {rule.currency}"
    else:
        en, ko = (
            f"{new:.2f} {rule.currency} an hour stays",
            f"시간당 {new:.2f} {rule.currency} 유지",
        )
        if occupancy > GOAL[1]:
            en, ko = f"{en}, the cap", f"{ko}, 최고 요금"
        elif occupancy < GOAL[0]:
            en, ko = f"{en}, the floor", f"{ko}, 최저 요금"
    days = "1 day" if rule.period_days == 1 else f"{rule.period_days} days"
    share, goal = f"{100 * occupancy:.4g} %", f"{100 * GOAL[0]:g}-{100 * GOAL[1]:g} %"
    return Text(
        f"Mean occupancy {label(band)} h in {name} was {share} over {days} (goal {goal}): {en}",
        f"{name}, {rule.period_days}일간 {label(band)}시 평균 점유율 {share} (목표 {goal}): {ko}",
    )


def seconds(start: int, end: int, rule: Prices) -> Iterator[tuple[Band, int]]:
    """Yield the bands that a stretch of time lies in, and for how long, hour by hour.

    Args:
        start: of the stretch. [s since 1970]
        end: of the stretch. [s since 1970]
        rule: bands and time zone.
    """
    zone = ZoneInfo(rule.time_zone)
    while start < end:
        local = datetime.fromtimestamp(start, zone)
        until = min(end, start + HOUR - local.minute * 60 - local.second)
        for band in rule.bands:
            if band[0] <= local.hour < band[1]:
                yield band, until - start
        start = until


def period_end(now: datetime, rule: Prices) -> datetime:
    """Return the midnight at which a period that begins on this day ends."""
    today = now.astimezone(ZoneInfo(rule.time_zone))
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=rule.period_days)  # by the clock of the city
