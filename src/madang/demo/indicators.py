"""Key performance indicators of the demo city: figures by which a mayor sees how it goes."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from madang.demo.quantities import Quantity
from madang.demo.told import Entity, entity, value, words

TYPE: Final = "KeyPerformanceIndicator"


class Target(NamedTuple):
    """A figure with what it shall reach."""

    key: str
    korean: str
    english: str
    quantity: Quantity
    goal: float


TARGETS: Final = (
    Target("meanPm25", "초미세먼지 평균", "Mean fine dust",
           Quantity("currentValue", "GQ", 22, 4, 0.8, 0, 300, 9), 20),
    Target("meanTrafficSpeed", "평균 통행 속도", "Mean speed of traffic",
           Quantity("currentValue", "KMH", 31, -8, 0.8, 0, 90, 18), 30),
    Target("freeParking", "주차 가능 비율", "Share of free parking spots",
           Quantity("currentValue", "P1", 44, -20, 1.5, 0, 100, 14), 20),
    Target("punctualBuses", "버스 정시 운행률", "Buses on time",
           Quantity("currentValue", "P1", 91, -4, 0.6, 0, 100, 18), 90),
)  # fmt: skip


def indicators() -> list[Entity]:
    """Return what never changes of them."""
    return [
        entity(
            TYPE, one.key,
            name=words(one.korean, one.english),
            calculationFrequency="everyMinute",
            target=value(one.goal, one.quantity.unit),
        )
        for one in TARGETS
    ]  # fmt: skip


def told(key: str, quantity: Quantity, figure: float, at: datetime) -> Entity:
    """Return what an indicator is at a time, as an entity with nothing else."""
    own = entity(TYPE, key)
    return {
        "id": own["id"], "type": TYPE,
        "currentValue": value(figure, quantity.unit, at),
    }  # fmt: skip
