"""What a city service declares: what it is for, what it needs, and which functions do it.

A service is a module with one :class:`Service` and some functions over changes of a city. Time,
state and chance come from the :class:`~madang.services.city.City` that they are given, so the same
functions work on the live city and on a day of its history.

>>> service = Service(
...     "benches",
...     title=Text("Benches in the sun", "양지바른 벤치"),
...     purpose=Text("Tells which benches are warm.", "따뜻한 벤치를 알려 줍니다."),
...     category="cultureAndTourism",
... )
>>> @service.on("Bench", attributes=["temperature"], where="temperature>20")
... async def warm(city, change):
...     city.update(change.id, "Bench", status="warm")
>>> [rule.type for rule in service.on_change]
['Bench']
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from madang.model.context import CORE
from madang.query.q import parse
from madang.query.tree import Condition
from madang.services.schedule import Schedule, schedule

Category = Literal[
    "transport", "cultureAndTourism", "administration", "socialAndHealth",
    "environmentAndEnergy", "business", "education", "housing", "safety", "demographics", "other",
]  # fmt: skip
"""Of the Smart Cities Index Report (Yonsei ISi, 2019)."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

Handler = Callable[..., Awaitable[None]]
"""Takes the city and, of changes and timers, what happened."""
H = TypeVar("H", bound=Handler)


class Text(NamedTuple):
    """What people read, in the languages of the pages."""

    en: str
    ko: str


class Options(BaseModel):
    """What can be set of a service. A subclass gives fields with limits and descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Indicator:
    """A figure by which one sees what a service does for the city."""

    name: str
    title: Text
    unit: str
    """UN/CEFACT code, such as ``C62`` (one) or ``KMT`` (kilometre)."""
    better: Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class OnChange:
    """Call a function when an attribute of an entity of a type is put."""

    type: str
    attributes: frozenset[str]
    where: Condition | None
    handler: Handler


@dataclass(frozen=True, slots=True)
class OnTime:
    """Call a function again and again."""

    schedule: Schedule
    handler: Handler


class Service:
    """One city service.

    Args:
        name: lower case, such as ``parking``; state, decisions and figures are kept under it.
        title: what people call it.
        purpose: what it does for whom, in a sentence.
        category: under which the catalogue lists it.
        version: written into its decisions.
        needs: entity types that it reads.
        gives: entity types that it writes.
        options: what can be set of it.
        indicators: figures that it keeps.
    """

    def __init__(
        self,
        name: str,
        *,
        title: Text,
        purpose: Text,
        category: Category,
        version: str = "1",
        needs: Sequence[str] = (),
        gives: Sequence[str] = (),
        options: type[Options] = Options,
        indicators: Sequence[Indicator] = (),
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"a service is named like 'parking' or 'street_light', not {name!r}")
        self.name = name
        self.title = title
        self.purpose = purpose
        self.category = category
        self.version = version
        self.needs = tuple(needs)
        self.gives = tuple(gives)
        self.options = options
        self.indicators = {one.name: one for one in indicators}
        self.on_change: list[OnChange] = []
        self.on_time: list[OnTime] = []
        self.on_timer: dict[str, Handler] = {}

    def on(self, type: str, *, attributes: Sequence[str] = (), where: str = "") -> Callable[[H], H]:
        """Call the function below with the city and each change of entities of a type.

        Args:
            type: of the entities.
            attributes: only if one of these was put; none named is any.
            where: a condition in the query language, on what was put.
        """
        condition = parse(where, CORE) if where else None

        def take(handler: H) -> H:
            self.on_change.append(OnChange(type, frozenset(attributes), condition, handler))
            return handler

        return take

    def every(self, when: str, zone: str = "UTC") -> Callable[[H], H]:
        """Call the function below with the city at regular times.

        Args:
            when: ``90s``, ``15m``, ``1h``, ``1d``, or a cron expression: ``0 4 * * mon-fri``.
            zone: time zone of a cron expression, such as ``Asia/Seoul``.
        """
        found = schedule(when, zone)

        def take(handler: H) -> H:
            self.on_time.append(OnTime(found, handler))
            return handler

        return take

    def timer(self, handler: H) -> H:
        """Let :meth:`City.at` call the function below: with the city and what was given there."""
        self.on_timer[handler.__name__] = handler
        return handler

    def given(self, values: dict[str, Any]) -> Options:
        """Return the options with some of them set.

        Raises:
            ValueError: one of them is unknown or outside its limits.
        """
        return self.options.model_validate(values)
