"""Feeds, edge nodes, the drop folder, the quality of data."""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import (
    GONE,
    LINES,
    PAGE,
    Id,
    Moment,
    Object,
    Operation,
    shape,
)


@shape
class Feed(TypedDict):
    """A feed and how it goes. What its file says is missing if the file cannot be read."""

    name: str
    kind: NotRequired[str]
    title: NotRequired[str]
    provider: NotRequired[str]
    licence: NotRequired[str]
    url: NotRequired[list[str]]
    everySeconds: NotRequired[float]
    on: bool
    addedAt: Moment | None
    addedBy: str
    triedAt: Moment | None
    goodAt: Moment | None
    changedAt: Moment | None
    nextAt: Moment | None
    trouble: Literal["unavailable", "refused", "unusable", "fault"] | None
    failures: int
    """In a row."""
    error: str
    alarm: bool
    readings: int
    records: int
    """In the last good reading, as those below."""
    entities: int
    written: int
    bad: int
    notes: Object


@shape
class FeedDetail(Feed):
    """A feed with its file."""

    text: str
    """TOML."""


@shape
class NewFeed(TypedDict):
    """A feed as TOML."""

    name: str
    text: str
    replace: NotRequired[bool]


@shape
class NewTrial(TypedDict):
    """A feed to be tried; with ``kept`` as if it had been read before."""

    name: str
    text: str
    kept: NotRequired[bool]


@shape
class Switch(TypedDict):
    """On or off."""

    on: bool


@shape
class FeedProgress(TypedDict):
    """How far a reading is."""

    requests: int
    bytes: int
    records: int
    entities: int
    written: int
    bad: int
    changed: bool
    problems: list[str]


@shape
class FeedTrial(FeedProgress):
    """What a feed would write."""

    types: dict[str, Any]
    examples: list[Object]


@shape
class FeedLine(TypedDict, total=False):
    """A line of the answer: how far it is, and at the end what was found or why it failed."""

    progress: FeedProgress
    done: FeedTrial | FeedProgress
    failed: str


# --- edge nodes -----------------------------------------------------------------------------------


@shape
class Edge(TypedDict):
    """What is said here of an edge node, and whether it has it."""

    name: str
    key: str
    keyName: str | None
    version: str
    setAt: Moment
    setBy: str
    rules: list[str] | None
    personal: bool | None
    profiles: list[str]
    missing: list[str]
    devices: list[str]
    askedAt: Moment | None
    behind: int | None
    """Changes that waited on the node when it last asked."""
    taken: bool


@shape
class EdgeDetail(Edge):
    """With the configuration."""

    text: str
    """TOML."""


@shape
class NewEdge(TypedDict):
    """The configuration of an edge node, as TOML, and its key's id."""

    key: str
    text: str


@shape
class EdgeConfiguration(TypedDict):
    """What the centre says, and what is in force. Times in seconds since 1970."""

    version: str | None
    taken: float | None
    asked: float | None
    problem: str | None


@shape
class EdgeStatus(TypedDict):
    """How far this node has told its centre; only ``upstream``, null, if it has none."""

    upstream: str | None
    name: NotRequired[str]
    position: NotRequired[int]
    behind: NotRequired[int]
    sent: NotRequired[int]
    reached: NotRequired[float | None]
    """When it last reached the centre. [s since 1970]"""
    alarm: NotRequired[str | None]
    configuration: NotRequired[EdgeConfiguration]


# --- files and quality ----------------------------------------------------------------------------


@shape
class FileReport(TypedDict):
    """What became of a file of the drop folder."""

    file: str
    at: str
    mapping: str
    rows: int
    skipped: int
    loaded: int
    failed: int
    error: NotRequired[str]
    failures: NotRequired[list[Object]]


@shape
class DropFolder(TypedDict):
    """The drop folder: files that wait, reports of the last ones."""

    folder: str
    watched: bool
    waiting: list[str]
    refused: dict[str, str]
    loading: FileReport | None
    reports: list[FileReport]


@shape
class QualityRecord(TypedDict):
    """The data of one provider on one day (UTC)."""

    provider: str
    day: str
    values: int
    flags: dict[str, int]
    reasons: dict[str, int]
    validity: float | None
    """Share of tested values that are good. [1]"""
    completeness: float | None
    """Share of expected messages that came. [1]"""
    expected: int
    received: int
    delayMedian: float | None
    """[s]"""
    delayP95: float | None
    """[s]"""
    sources: int
    silent: int
    silentDevices: list[Id]


@shape
class NewQualityTrial(TypedDict):
    """Limits to be tried on what a sensor measured."""

    entity: Id
    attribute: str
    limits: Object
    since: NotRequired[Moment]
    until: NotRequired[Moment]


@shape
class FlaggedValue(TypedDict):
    """A value that is not good, and why."""

    time: Moment
    value: Any
    quality: str
    qualityReason: list[str]


@shape
class QualityTrial(TypedDict):
    """What limits would have flagged."""

    values: int
    flags: dict[str, int]
    reasons: dict[str, int]
    examples: list[FlaggedValue]


_FEED: Final = "/sense/feeds/{feed}"
_DAY: Final = {"day": str, "provider": str}
OPERATIONS: Final = {
    "GET /sense/feeds": Operation(list[Feed], PAGE),
    "POST /sense/feeds": Operation(Feed, body=NewFeed, status=(201,)),
    "POST /sense/feeds/trials": Operation(FeedLine, body=NewTrial, media=LINES),
    f"GET {_FEED}": Operation(FeedDetail),
    f"PATCH {_FEED}": Operation(Feed, body=Switch),
    f"DELETE {_FEED}": GONE,
    f"POST {_FEED}/readings": Operation(FeedLine, media=LINES),
    "GET /sense/edge": Operation(EdgeStatus),
    "GET /sense/edge/configuration": Operation(Object),
    "GET /sense/edges": Operation(list[Edge], PAGE),
    "GET /sense/edges/{name}": Operation(EdgeDetail),
    "PUT /sense/edges/{name}": Operation(Edge, body=NewEdge, status=(200, 201)),
    "DELETE /sense/edges/{name}": GONE,
    "GET /sense/drop": Operation(DropFolder),
    "GET /sense/quality": Operation(list[QualityRecord], _DAY),
    "POST /sense/quality": Operation(list[QualityRecord], _DAY),
    "POST /sense/quality/trial": Operation(QualityTrial, body=NewQualityTrial),
}
