"""The process itself, history beyond the standard, messages between vehicles, SensorThings."""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypeAliasType, TypedDict

from madang.api.schemas.shape import Id, Moment, Object, Operation, shape

Answers = Literal["json", "csv", "arrow", "parquet"]


@shape
class Health(TypedDict):
    """The process is alive."""

    status: Literal["ok"]
    version: str


@shape
class Ready(TypedDict):
    """Whether requests are served."""

    status: Literal["ready", "not ready"]


@shape
class TenantStatus(TypedDict):
    """What is in a tenant."""

    entities: int
    shapes: int
    bytes: int
    outbox: int
    """Changes that are not in history yet."""
    deliveries: int
    """Notifications that wait."""
    unstreamed: NotRequired[int]
    """Changes that are not on the stream of NATS yet, at the hub that puts them there."""
    alarm: NotRequired[str]


@shape
class NodeStatus(TypedDict):
    """One of the hubs that share a database."""

    name: str
    role: str
    alive: bool
    work: dict[str, str]
    """What it does for all, and since when."""
    behind: int
    """Changes of other hubs that it had not heard of at its last look."""
    up: float
    """Seconds since it was started."""
    silent: float
    """Seconds since it last showed itself."""


@shape
class HubStatus(TypedDict):
    """This hub among those that share its database."""

    shares: bool
    works: list[str]
    """What it does that one of several hubs does for all."""
    bus: bool
    nodes: list[NodeStatus]


@shape
class Status(TypedDict):
    """How the process goes."""

    version: str
    ready: bool
    hub: HubStatus
    tenants: dict[str, TenantStatus]


@shape
class Question(TypedDict):
    """A question in SQL."""

    sql: str
    limit: NotRequired[int]
    format: NotRequired[Answers]


SqlAnswer = TypeAliasType("SqlAnswer", list[dict[str, Any]])


@shape
class SqlColumn(TypedDict):
    """A column that can be asked for."""

    name: str
    type: str
    unit: str
    about: str


@shape
class SqlTable(TypedDict):
    """A table that can be asked."""

    name: str
    about: str
    columns: list[SqlColumn]


@shape
class SqlTables(TypedDict):
    """What SQL can ask."""

    tables: list[SqlTable]
    leftOut: list[str]


@shape
class Loaded(TypedDict):
    """How many instances were loaded."""

    loaded: int


@shape
class Before(TypedDict):
    """An attribute before and after; null: it was not there."""

    before: Any
    after: Any


@shape
class Changed(TypedDict):
    """What differs of an entity."""

    id: Id
    type: str | list[str]
    attributes: dict[str, Before]


_Difference = TypedDict(
    "_Difference",
    {
        "from": Moment,
        "to": Moment,
        "created": list[Object],
        "deleted": list[Object],
        "changed": list[Changed],
        "more": bool,
    },
)


@shape
class Difference(_Difference):
    """What differs between two times."""


@shape
class KeptFor(TypedDict):
    """How long something is kept: ISO 8601 durations."""

    name: str
    age: str
    types: NotRequired[list[str]]
    attributes: NotRequired[list[str]]
    every: NotRequired[str]


@shape
class Hold(TypedDict):
    """What is kept whatever the policies say."""

    name: str
    reason: str
    types: NotRequired[list[str]]
    ids: NotRequired[list[Id]]


@shape
class HistoryRules(TypedDict):
    """How long history is kept."""

    policies: list[KeptFor]
    holds: list[Hold]


@shape
class Relayed(TypedDict):
    """How many stations were told."""

    relayed: int


_SELECTED: Final[dict[str, Any]] = {
    **dict.fromkeys(("id", "type", "q", "attrs", "pick", "omit", "scopeQ", "options"), str),
    "georel": str,
    "geometry": str,
    "coordinates": str,
    "limit": int,
    "offset": int,
}
_PARQUET: Final = "application/vnd.apache.parquet"
OPERATIONS: Final = {
    "GET /health": Operation(Health),
    "GET /ready": Operation(Ready),
    "GET /status": Operation(Status),
    "GET /metrics": Operation(str, media="text/plain"),
    "GET /openapi.json": Operation(Object),
    "GET /changes": Operation(
        None, {"type": str, "id": str, "after": int}, media="text/event-stream"
    ),
    "POST /history/sql": Operation(SqlAnswer, body=Question),
    "GET /history/sql/tables": Operation(SqlTables),
    "GET /history/export": Operation(
        None,
        {"type": str, "format": str, "since": Moment, "until": Moment, "attrs": str},
        frozenset({"type"}),
        media=_PARQUET,
    ),
    "POST /history/instances": Operation(Loaded, sends=_PARQUET),
    "GET /history/state": Operation(list[Object], {"at": Moment, **_SELECTED}, frozenset({"at"})),
    "GET /history/diff": Operation(
        Difference, {"from": Moment, "to": Moment, **_SELECTED}, frozenset({"from", "to"})
    ),
    "GET /history/rules": Operation(HistoryRules),
    "PUT /history/rules": Operation(body=HistoryRules, status=(204,)),
    "POST /relay": Operation(Relayed, body=Object, status=(202,)),
    "GET /relay": Operation(
        None,
        {"longitude": float, "latitude": float, "radius": float},
        frozenset({"longitude", "latitude"}),
        media="text/event-stream",
    ),
    "POST /v1.1/Observations": Operation(body=Object, status=(201,)),
    "POST /v1.1/Datastreams({datastream})/Observations": Operation(body=Object, status=(201,)),
    "POST /v1.1/CreateObservations": Operation(list[str], body=list[Object], status=(201,)),
    "GET /v1.1/Observations({id})": Operation(Object),
}
