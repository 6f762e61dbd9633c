"""What lies below a service: the city that it sees, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from madang.model.entity import Entity
from madang.query.tree import Query

if TYPE_CHECKING:
    import polars

    from madang.lake.questions import Series


class Ground(Protocol):
    """The city below a service: the live one, or one of the past."""

    async def get(self, id: str) -> Entity | None: ...

    async def query(self, query: Query) -> list[Entity]: ...

    async def frame(self, series: Series) -> polars.DataFrame: ...

    async def compute(self, function: Callable[..., Any], *args: Any) -> Any: ...


@dataclass(slots=True)
class Kept:
    """What a service keeps from one call to the next, and over restarts."""

    position: int = 0
    """Number of the last change that it was told of."""
    instant: int = 0
    """Up to when all that was due has been done. [us since 1970]"""
    state: dict[str, Any] = field(default_factory=dict)
    timers: dict[str, tuple[int, str, dict[str, Any]]] = field(default_factory=dict)
    """By name: when, which function, and what it is given."""
    skip: str = ""
    """Key of a call that is left out, for it can only fail."""
