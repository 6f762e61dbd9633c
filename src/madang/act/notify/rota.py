"""On-call rotas: who is to be told at a time, by turns, by the clock of a place. Pure.

Turns are counted by the clock on the wall, so that they change at the same hour of the day all the
year, whatever daylight saving does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NAME = r"^[a-z0-9][a-z0-9._-]{0,39}$"
Name = Annotated[str, Field(pattern=NAME)]
MOST_OVERRIDES = 200
_LONGEST_TURN_H = 24 * 7 * 8


def zone_of(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name[:60]!r}, try Asia/Seoul") from None
    return name


class Override(BaseModel):
    """Somebody stands in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: Name
    start: datetime
    """By the clock of the rota, such as ``2026-12-24T09:00``."""
    end: datetime

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end go by the clock of the rota: 2026-12-24T09:00")
        if self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        return self


class Rota(BaseModel):
    """People who take turns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["rota"]
    title: str = Field("", max_length=100)
    time_zone: str = Field("UTC", max_length=64)
    people: list[Name] = Field(min_length=1, max_length=50)
    """Persons or groups, in the order of their turns."""
    start: datetime
    """When the first of them began, by the clock of the rota: ``2026-11-23T09:00``."""
    turn_hours: float = Field(24 * 7, gt=0, le=_LONGEST_TURN_H)
    overrides: list[Override] = Field([], max_length=MOST_OVERRIDES)

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        return zone_of(value)

    @field_validator("start")
    @classmethod
    def _is_local(cls, value: datetime) -> datetime:
        if value.tzinfo is not None:
            raise ValueError("start goes by the clock of the rota, without zone: 2026-11-23T09:00")
        return value

    @property
    def members(self) -> list[str]:
        """Return all whose turn it may be, each once."""
        return list(dict.fromkeys([*self.people, *(one.who for one in self.overrides)]))


def on_call(rota: Rota, at: datetime) -> str:
    """Return the name of who is on call; of several who stand in, the one named last.

    >>> pair = Rota(kind="rota", people=["kim", "lee"], start=datetime(2026, 11, 23, 9),
    ...             turn_hours=12)
    >>> [on_call(pair, datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in (9, 20, 21)]
    ['kim', 'kim', 'lee']
    """
    local = at.astimezone(ZoneInfo(rota.time_zone)).replace(tzinfo=None)
    for one in reversed(rota.overrides):
        if one.start <= local < one.end:
            return one.who
    turns = (local - rota.start) // timedelta(hours=rota.turn_hours)
    return rota.people[turns % len(rota.people)]


def upcoming(rota: Rota, at: datetime, count: int) -> list[tuple[datetime, str]]:
    """Return from when on who is on call, from a time on, in UTC."""
    zone = ZoneInfo(rota.time_zone)
    local = at.astimezone(zone).replace(tzinfo=None)
    turn = timedelta(hours=rota.turn_hours)
    edges = {rota.start + turn * ((local - rota.start) // turn + number) for number in range(count)}
    edges |= {edge for one in rota.overrides for edge in (one.start, one.end) if edge > local}
    found: list[tuple[datetime, str]] = []
    for edge in sorted(edges):
        begins = edge.replace(tzinfo=zone).astimezone(UTC)
        who = on_call(rota, max(begins, at))
        if not found or found[-1][1] != who:
            found.append((begins, who))
    return found[:count]
