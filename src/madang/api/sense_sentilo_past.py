"""What has been, for clients of Sentilo: the last observations, orders and alarms from history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from madang.hub.tenant import Tenant
from madang.lake.protocol import Readable
from madang.lake.questions import Instance, Pasts, Wanted
from madang.model import time
from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.query.tree import Query, Selector, Temporal
from madang.sense.sentilo import moments
from madang.sense.sentilo.events import sender_of
from madang.trust.view import View

MOST: Final = 1_000  # answered of one sensor
_AT_ONCE: Final = 1_000  # entities asked for in one go
_SECOND: Final = 1_000_000  # [us]


@dataclass(frozen=True, slots=True)
class Window:
    """``from``, ``to`` and ``limit`` of a request."""

    temporal: Temporal
    limit: int


def window(given: Mapping[str, str]) -> Window:
    """Return what a request wants of the past; without a limit it is the last one.

    Raises:
        BadRequestData: a parameter is not as it must be.
    """
    start, end = _instant(given, "from"), _instant(given, "to")
    text = given.get("limit", "1")
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise BadRequestData(f"limit must be a whole number above 0, not {shown(text)}")
    # Times have seconds, so all of the last one is meant.
    until = time.LAST if end is None else min(end + _SECOND, time.LAST)
    if start is not None and start >= until:
        raise BadRequestData("from must be before to")
    return Window(Temporal("between", start or 0, until), min(int(text), MOST))


def _instant(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if not text:
        return None
    try:
        # A plus sign in a query string arrives as a blank.
        return moments.parse(text.replace(" ", "+"))
    except ValueError as error:
        raise BadRequestData(f"{name}: {error}") from None


async def last(
    tenant: Tenant | View, ids: Collection[str], attributes: Collection[str], wanted: Window
) -> dict[str, list[Instance]]:
    """Return the last instances of each entity, of each attribute the newest first."""
    found: dict[str, list[Instance]] = {}
    every = sorted(ids)
    for start in range(0, len(every), _AT_ONCE):
        some = tuple(every[start : start + _AT_ONCE])
        asked = Wanted(
            Query(selectors=(Selector(ids=some),), limit=len(some)),
            attributes=tuple(sorted(set(attributes))),
            datasets=(None,),
            temporal=wanted.temporal,
            last_n=wanted.limit,
        )
        for past in (await tenant.history.read(_pasts(asked))).entities:
            found[past.id] = [one for one in past.instances if not one.deleted]
    return found


def _pasts(asked: Wanted) -> Callable[[Readable], Pasts]:
    return lambda lake: lake.pasts(asked)


def stamped(instance: Instance) -> dict[str, Any]:
    """Return the two forms in which Sentilo tells when something was."""
    return {"timestamp": moments.render(instance.time), "time": instance.time // 1000}


def told(instance: Instance, member: str) -> dict[str, Any]:
    """Return an order or alarm as Sentilo gives it back; ``member`` has what was sent."""
    return {
        member: text(instance.value),
        "sender": sender_of(instance.more),
        **stamped(instance),
    }


def text(value: Any) -> str:
    """Return a value as the text that Sentilo gives back."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
