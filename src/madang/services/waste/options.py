"""What can be set of the collection of waste."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from madang.services.service import LocalOptions, option
from madang.services.waste.rounds import Fleet


class Collection(LocalOptions):
    """Containers, vehicles, and how much risk is taken."""

    full: float = option(
        0.9, "Full", "가득 참", "Level from which a container is full. [1]", ge=0.3, le=1
    )
    risk: float = option(
        0.2,
        "Risk",
        "넘침 위험",
        "A container is collected if it is full before the next round with this probability. [1]",
        ge=0.01,
        le=0.9,
    )
    extra_metres: int = option(
        300,
        "Detour",
        "우회 거리",
        "Way that is driven for a container that is due on the next round but one. [m]",
        ge=0,
        le=100_000,
    )
    emptied_drop: float = option(
        0.15,
        "Emptied",
        "비움 판정",
        "A level that falls by so much was emptied. [1]",
        ge=0.05,
        le=0.9,
    )
    container_litres: int = option(
        240, "Container", "수거함 용량", "Of one that has no binCapacity. [l]", ge=1, le=100_000
    )
    depot: tuple[float, float] | None = option(
        None,
        "Depot",
        "차고지",
        "Longitude and latitude, where rounds begin and end; none: there are no rounds. [degree]",
    )
    vehicles: int = option(1, "Vehicles", "차량 수", "Rounds a day at most.", ge=1, le=200)
    vehicle_litres: int = option(
        20_000, "Load", "적재량", "Of a vehicle, in litres of containers. [l]", ge=1, le=1_000_000
    )
    shift: tuple[int, int] = option(
        (6, 14), "Shift", "근무 시간", "First and last hour, by the clock of the city. [h]"
    )
    weekdays: tuple[int, ...] = option(
        (1, 2, 3, 4, 5, 6, 7),
        "Weekdays",
        "수거 요일",
        "On which rounds are driven; 1 is Monday.",
        min_length=1,
        max_length=7,
    )
    stop_minutes: float = option(2, "Stop", "정차 시간", "At a container. [min]", ge=0.1, le=60)
    speed: float = option(20, "Speed", "평균 속도", "Between containers. [km/h]", ge=1, le=100)
    detour: float = option(
        1.4,
        "Way",
        "우회 계수",
        "Length of a way by its length as the crow flies. [1]",
        ge=1,
        le=5,
    )
    matrix: str = option(
        "",
        "Matrix",
        "거리 행렬",
        "Id of an entity with places, metres and seconds: ways that are known.",
        max_length=500,
    )
    fixed_days: int = option(
        2,
        "Fixed rounds",
        "고정 수거 주기",
        "Rounds to all containers, to compare with, come every so many days. [d]",
        ge=1,
        le=60,
    )
    iterations: int = option(
        500, "Search", "탐색 횟수", "More take longer and give shorter rounds.", ge=10, le=20_000
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not 0 <= self.shift[0] < self.shift[1] <= 24:
            raise ValueError(f"shift is two hours 0 to 24, such as [6, 14], not {self.shift}")
        if not set(self.weekdays) <= set(range(1, 8)):
            raise ValueError("weekdays are 1 (Monday) to 7 (Sunday), such as [1, 2, 3, 4, 5]")
        if self.depot and not (abs(self.depot[0]) <= 180 and abs(self.depot[1]) <= 90):
            raise ValueError(f"depot is longitude and latitude in degrees, not {self.depot}")
        return self

    @property
    def shift_s(self) -> tuple[int, int]:
        """From when until when rounds are driven. [s since midnight]"""
        return self.shift[0] * 3600, self.shift[1] * 3600

    def fleet(self, depot: tuple[float, float], vehicles: int) -> Fleet:
        """Return so many vehicles that start from a place."""
        service_s, speed = round(self.stop_minutes * 60), self.speed / 3.6
        return Fleet(
            depot, vehicles, self.vehicle_litres, self.shift_s, service_s, speed, self.detour
        )
