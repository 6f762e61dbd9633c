"""City services, their replays, the catalogue, searches for watch-over tags."""

from __future__ import annotations

from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import (
    GONE,
    LINES,
    PAGE,
    Id,
    Moment,
    Object,
    Operation,
    Words,
    shape,
)
from madang.services.service import Category

Better = Literal["higher", "lower"]
ServiceState = Literal["off", "running", "retrying", "failed"]


@shape
class ServiceAlarm(TypedDict):
    """Why a service does not go on."""

    message: str
    attempts: int
    at: Moment
    trace: NotRequired[str]


@shape
class Service(TypedDict):
    """A service in short."""

    name: str
    title: Words
    purpose: Words
    category: Category
    version: str
    state: ServiceState
    alarm: ServiceAlarm | None


@shape
class Indicator(TypedDict):
    """A figure by which one sees what a service does for the city."""

    name: str
    title: Words
    unit: str
    """UN/CEFACT code."""
    better: Better


@shape
class ServiceDetail(Service):
    """A service, its options and how it goes."""

    needs: list[str]
    gives: list[str]
    commands: list[str]
    operator: Words | None
    cost: Words | None
    indicators: list[Indicator]
    schema: Object
    """JSON Schema of the options."""
    options: Object
    lane: str | None
    """Of the work that several hubs share: it works at the one that has it."""
    position: int | None
    behind: int | None
    """Changes that it has not looked at yet."""
    calls: int
    effects: int


@shape
class ServiceChange(TypedDict, total=False):
    """Options are set before it is switched; at least one member."""

    on: bool
    options: Object


@shape
class Resume(TypedDict, total=False):
    """With ``skip`` the call that failed is left out."""

    skip: bool


# --- the catalogue --------------------------------------------------------------------------------


@shape
class CatalogueNeed(TypedDict):
    """A type that a service needs, and whether the city has it; null: who asks may not know."""

    type: str
    here: bool | None


@shape
class CatalogueService(TypedDict):
    """A service as everybody may read of it."""

    name: str
    title: Words
    purpose: Words
    version: str
    state: ServiceState | None
    needs: list[CatalogueNeed]
    gives: list[str]
    commands: list[str]
    improves: list[Indicator]
    operator: Words | None
    cost: Words | None


@shape
class CatalogueCategory(TypedDict):
    """A category of the Smart Cities Index."""

    name: Category
    title: Words
    services: list[CatalogueService]


@shape
class Catalogue(TypedDict):
    """All services that are installed."""

    categories: list[CatalogueCategory]


# --- replays --------------------------------------------------------------------------------------

_ReplayMembers = TypedDict(
    "_ReplayMembers",
    {
        "id": str,
        "service": str,
        "state": Literal["waiting", "running", "done", "failed", "cancelled"],
        "from": Moment,
        "to": Moment,
        "options": list[Object],
        "progress": float,
        "changes": int,
        "seconds": float,
        "timesRealTime": float | None,
        "error": str,
    },
)


@shape
class Replay(_ReplayMembers):
    """A service played on recorded history: how far it is. ``progress`` is 0 to 1."""


@shape
class Figures(TypedDict):
    """What values of an indicator come to."""

    count: int
    mean: float
    last: float


@shape
class ReplayIndicator(Indicator):
    """What an indicator really was, and what it was in each run."""

    recorded: Figures | None
    replayed: list[Figures | None]


@shape
class ReplayFailure(TypedDict):
    """Why a run did not get to the end."""

    message: str
    at: Moment
    trace: str


@shape
class ReplayRun(TypedDict):
    """What came of one run."""

    options: Object
    calls: int
    effects: int
    written: dict[str, int]
    decisions: int
    digest: str
    failure: ReplayFailure | None
    decided: list[Object]
    """The first decisions, as entities."""


@shape
class Recorded(TypedDict):
    """What there was in reality."""

    decisions: int


@shape
class ReplayResult(TypedDict):
    """What came of a replay."""

    entities: int
    changes: int
    indicators: list[ReplayIndicator]
    recorded: Recorded
    runs: list[ReplayRun]


@shape
class ReplayDetail(_ReplayMembers):
    """A replay with its result, once it is there."""

    result: ReplayResult | None


_NewReplay = TypedDict(
    "_NewReplay", {"from": Moment, "to": Moment, "runs": NotRequired[list[Object]]}
)


@shape
class NewReplay(_NewReplay):
    """A period, and of each run the options that differ from those that are set."""


# --- watch-over tags ------------------------------------------------------------------------------


@shape
class NewSearch(TypedDict):
    """Why a tag may be looked for, and how long."""

    tag: Id
    reason: str
    legalBasis: str
    hours: NotRequired[float]


@shape
class Search(TypedDict):
    """A search that was opened."""

    id: Id
    tag: Id
    hours: float


_ONE: Final = "/services/{service}"
_REPLAY: Final = f"{_ONE}/replays/{{replay}}"
OPERATIONS: Final = {
    "GET /services": Operation(list[Service], PAGE),
    f"GET {_ONE}": Operation(ServiceDetail),
    f"PATCH {_ONE}": Operation(ServiceDetail, body=ServiceChange),
    f"POST {_ONE}/resume": Operation(ServiceDetail, body=Resume),
    "GET /catalogue/services": Operation(Catalogue),
    f"POST {_ONE}/replays": Operation(Replay, body=NewReplay, status=(201,)),
    f"GET {_ONE}/replays": Operation(list[Replay], PAGE),
    f"GET {_REPLAY}": Operation(ReplayDetail),
    f"GET {_REPLAY}/effects": Operation(Object, {"run": int, "type": str}, media=LINES),
    f"DELETE {_REPLAY}": GONE,
    "POST /watch-over/searches": Operation(Search, body=NewSearch, status=(201,)),
    "DELETE /watch-over/searches/{search}": GONE,
}
