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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from madang.model import geometry
from madang.model.context import CORE
from madang.query.q import parse
from madang.query.tree import Condition
from madang.services.schedule import schedule

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


def option(default: Any, en: str, ko: str, description: str, **limits: Any) -> Any:
    """Return a field of :class:`Options`.

    Args:
        default: value if nobody sets it.
        en: what people call it.
        ko: what people call it, in Korean.
        description: what it does, with its unit.
        **limits: of pydantic: ``ge``, ``le``, ``max_length``, ``pattern`` …
    """
    extra: dict[str, Any] = {"ko": ko}
    return Field(default, title=en, description=description, json_schema_extra=extra, **limits)


class LocalOptions(Options):
    """Options of a service that goes by the clock of its city."""

    time_zone: str = option(
        "UTC", "Time zone", "표준 시간대", "Its clock, such as Asia/Seoul.", max_length=64
    )

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time_zone {value!r}, try Asia/Seoul") from None
        return value


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
    area: geometry.Geometry | str | None
    """A polygon, or the name of the option that has one."""
    failed: bool
    """Also values that failed their quality tests."""
    handler: Handler


@dataclass(frozen=True, slots=True)
class OnTime:
    """Call a function again and again."""

    when: str
    zone: str | None
    """Of a cron expression; None: the option ``time_zone``."""
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
        commands: entity types whose devices it may tell what to do.
        options: what can be set of it.
        indicators: figures that it keeps; they are what it improves.
        operator: who in a city runs it, for the catalogue.
        cost: what a city pays for it, for the catalogue.
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
        commands: Sequence[str] = (),
        options: type[Options] = Options,
        indicators: Sequence[Indicator] = (),
        operator: Text | None = None,
        cost: Text | None = None,
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
        self.commands = tuple(commands)
        self.options = options
        self.operator = operator
        self.cost = cost
        self.indicators = {one.name: one for one in indicators}
        self.on_change: list[OnChange] = []
        self.on_time: list[OnTime] = []
        self.on_timer: dict[str, Handler] = {}

    def on(
        self,
        type: str,
        *,
        attributes: Sequence[str] = (),
        where: str = "",
        area: Mapping[str, Any] | str | None = None,
        failed: bool = False,
    ) -> Callable[[H], H]:
        """Call the function below with the city and each change of entities of a type.

        Args:
            type: of the entities.
            attributes: only if one of these was put; none named is any.
            where: a condition in the query language, on what was put.
            area: only of entities whose ``location`` touches it: a GeoJSON geometry, or the name
                of the option that has one (none set is everywhere). Without location is outside.
            failed: also of values that failed their quality tests; else it is as if they had not
                come.

        Raises:
            BadRequestData: the area is no geometry.
        """
        condition = parse(where, CORE) if where else None
        place = area if area is None or isinstance(area, str) else geometry.read(dict(area), "area")

        def take(handler: H) -> H:
            rule = OnChange(type, frozenset(attributes), condition, place, failed, handler)
            self.on_change.append(rule)
            return handler

        return take

    def every(self, when: str, zone: str = "UTC", *, local: bool = False) -> Callable[[H], H]:
        """Call the function below with the city at regular times.

        Args:
            when: ``90s``, ``15m``, ``1h``, ``1d``, or a cron expression: ``0 4 * * mon-fri``.
            zone: time zone of a cron expression, such as ``Asia/Seoul``.
            local: its time zone is the option ``time_zone``; see :class:`LocalOptions`.
        """
        schedule(when, zone)  # a wrong one fails here, and not when the service starts
        if local and not issubclass(self.options, LocalOptions):
            raise TypeError(f"{self.name}: every(local=True) needs options that are LocalOptions")

        def take(handler: H) -> H:
            self.on_time.append(OnTime(when, None if local else zone, handler))
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

    def fitted(self, options: Options) -> Service:
        """Return the service with the functions that its options ask for: mostly itself."""
        return self
