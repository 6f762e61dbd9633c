"""What the collection of waste tells people, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from madang.services.service import Text
from madang.services.waste.rounds import Round


class Due(NamedTuple):
    """A container that ought to be emptied."""

    id: str
    name: str
    level: float
    chance: float
    """That it is full before the next round."""


def clock(seconds: int) -> str:
    """Return a time of day.

    >>> clock(25_260)
    '07:01'
    """
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"


def named(day: date, number: int) -> Text:
    """Return the name of a round."""
    return Text(f"Waste round {number} on {day}", f"{day} 쓰레기 수거 {number}호차")


def round_(
    day: date, number: int, drive: Round, due: Sequence[Due], risk: float, fixed_km: float
) -> Text:
    """Tell why a round goes as it goes.

    Args:
        day: of the round.
        number: on that day.
        drive: the round.
        due: its containers that have to be emptied; others lie on its way.
        risk: from which they have to be.
        fixed_km: what fixed rounds to all drive a day. [km]
    """
    km, hours = drive.metres / 1000, f"{clock(drive.start)}-{clock(drive.end)}"
    others = len(drive.stops) - len(due)
    en = (
        f"Round {number} on {day} empties {len(drive.stops)} containers on {km:.1f} km, {hours}."
        f" {len(due)} are full before the next round with a probability of {risk:.0%} or more"
    )
    ko = (
        f"{day} {number}호차는 {hours}에 {km:.1f} km를 돌며 수거함 {len(drive.stops)}개를 비웁니다."
        f" {len(due)}개는 다음 수거 전에 가득 찰 확률이 {risk:.0%} 이상이고"
    )
    if due:
        worst = max(due, key=lambda one: (one.chance, one.level, one.id))
        en += f", {worst.name} with {worst.chance:.0%} (now {worst.level:.0%})"
        ko += f"(가장 높은 곳: {worst.name}, {worst.chance:.0%}, 현재 {worst.level:.0%})"
    en += f"; {others} lie on the way and would be due soon."
    ko += f", {others}개는 가는 길에 있으며 곧 비워야 합니다."
    if fixed_km:
        en += f" Fixed rounds to all drive {fixed_km:.1f} km a day."
        ko += f" 모든 수거함을 도는 고정 수거는 하루 {fixed_km:.1f} km입니다."
    return Text(en, ko)


def no_round(day: date, known: int, risk: float) -> Text:
    """Tell why nobody drives."""
    return Text(
        f"No round on {day}: none of {known} containers is full before the next one with a"
        f" probability of {risk:.0%} or more.",
        f"{day}에는 수거하지 않습니다. 다음 수거 전에 가득 찰 확률이 {risk:.0%} 이상인 수거함이"
        f" {known}개 중에 없습니다.",
    )


def left(day: date, names: Sequence[str]) -> tuple[Text, Text]:
    """Return title and text of the alert that rounds do not reach all that is due."""
    some = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    return (
        Text(f"{len(names)} containers may overflow", f"수거함 {len(names)}개가 넘칠 수 있음"),
        Text(
            f"They do not fit into the rounds of {day}: {some}. More vehicles, a longer shift or"
            " wider hours of the containers would help.",
            f"{day} 수거 경로에 넣지 못했습니다: {some}. 차량이나 근무 시간을 늘리거나 수거함의"
            " 작업 가능 시간을 넓혀야 합니다.",
        ),
    )


def no_matrix(id: str) -> tuple[Text, Text]:
    """Return title and text of the alert that the given ways cannot be used."""
    return (
        Text("Ways between containers are unknown", "수거함 간 거리를 알 수 없음"),
        Text(
            f"{id} must have places, metres and seconds, with a row of numbers from each place to"
            " each; until then ways are as the crow flies. Correct it, or unset the option matrix.",
            f"{id}에는 places와, 각 지점 사이의 수를 행으로 담은 metres, seconds가 있어야 합니다."
            " 그때까지 직선거리로 계산합니다. 값을 고치거나 matrix 옵션을 지우십시오.",
        ),
    )
