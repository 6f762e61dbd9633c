"""What is known of watch-over tags, and where one stands: at home, in a safe zone, or out.

Pure functions over JSON values. The exact place where a tag was last seen is in the state of the
service only, which nobody can read; what is shown outside a search is coarse.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, TypedDict

from madang.services.city import Thing
from madang.services.service import LocalOptions, Text, option
from madang.services.watch_over import hours
from madang.services.watch_over import place as places

TAG, ZONE, SIGHTING, SEARCH = "WatchTag", "SafeZone", "TagSighting", "TagSearch"
HOME, SAFE, OUT, SEEN = "home", "safe", "out", "seen"
Standing = Literal["home", "safe", "out", "seen"]
"""``seen``: it was seen, but there are no zones to compare with."""
USUAL_ACCURACY = 30.0  # [m] of a receiver that says nothing, such as of Bluetooth
LEAST_ACCURATE = 5_000.0  # [m]; a sighting that says less of the place is as good as none
LONGEST_NAME = 100  # [characters]
MOST_TAGS = 500  # of one zone, such as a day centre
MOST = 3_000  # tags, zones: each tag may have three timers, and a service 10,000
MINUTE = 60_000_000  # [us]


class Care(LocalOptions):
    """When families are told, what is shown, and who may open a search."""

    outside_minutes: int = option(
        5, "Outside", "이탈 확인 시간", "So long out of all zones before the family is told. [min]",
        ge=0, le=240,
    )  # fmt: skip
    silent_minutes: int = option(
        60, "Not seen", "미확인 시간", "So long not seen before the family is told. [min]",
        ge=5, le=1440,
    )  # fmt: skip
    coarse_m: int = option(
        500, "Coarse area", "표시 격자 크기",
        "Side of the square that is shown of a place outside a search. [m]", ge=100, le=5000,
    )  # fmt: skip
    keep_hours: int = option(
        24, "Exact place kept", "정확한 위치 보관 시간",
        "So long the exact place of the last sighting is kept, sealed, for a search. [h]",
        ge=1, le=168,
    )  # fmt: skip
    public_receivers: bool = option(
        False, "Public receivers always", "공공 수신기 상시 사용",
        "Whether receivers in public places count outside a search as well.",
    )  # fmt: skip
    searchers: tuple[str, ...] = option(
        (), "May open a search", "수색 개시 권한자",
        "Ids of the people who may, such as person:9f2c; nobody else may.", max_length=200,
    )  # fmt: skip
    desk: str = option(
        "", "Search desk", "수색 담당", "Group or rota that is told of searches.", max_length=100
    )
    search_hours: int = option(
        6, "Longest search", "최대 수색 시간", "After which it ends by itself. [h]", ge=1, le=48
    )
    walking_m_s: float = option(
        1.0, "Walking speed", "보행 속도",
        "By which the likely area grows in a search. [m/s]", ge=0.2, le=3,
    )  # fmt: skip
    likely_m: int = option(
        5_000, "Likely area", "추정 반경 한도",
        "Radius beyond which the likely area does not grow. [m]", ge=500, le=50_000,
    )  # fmt: skip


class Fix(TypedDict):
    """Where and when a tag was seen."""

    longitude: float
    latitude: float
    accuracy: float  # [m]
    at: int  # [us since 1970]


class Search(TypedDict):
    """A search that is open."""

    id: str
    until: int  # [us since 1970]
    since: int  # [us since 1970]
    decision: str
    sightings: int
    seen: int  # the last of them [us since 1970]


class Tag(TypedDict):
    """What is kept of one tag."""

    name: str
    contacts: str
    fix: Fix | None
    standing: str
    outside: int | None  # since when [us since 1970]
    left: str | None  # the decision to tell that it has left, until it is back
    silent: str | None  # the decision to tell that it is not seen, until it is
    shown: list[Any]  # what the entity shows, so that it is not written again and again
    search: Search | None


class Zone(TypedDict):
    """Where and when a tag is safe."""

    tags: list[str]
    area: dict[str, Any] | None
    is_home: bool
    name: str
    hours: list[hours.Span] | None  # None: always


def fresh(id: str) -> Tag:
    """Return a tag of which nothing is known."""
    return {
        "name": id.rpartition(":")[2], "contacts": "", "fix": None, "standing": SEEN,
        "outside": None, "left": None, "silent": None, "shown": [], "search": None,
    }  # fmt: skip


def empty() -> Zone:
    """Return a zone of which nothing is known."""
    return {"tags": [], "area": None, "is_home": False, "name": "", "hours": None}


def describe(tag: Tag, put: Thing) -> None:
    """Take over what people say of a tag."""
    if isinstance(put["name"], str):
        tag["name"] = put["name"][:LONGEST_NAME]
    if isinstance(put["contacts"], str):
        tag["contacts"] = put["contacts"][:LONGEST_NAME]


def outline(zone: Zone, put: Thing) -> Text | None:
    """Take over what people say of a zone; return what is wrong with it, or None.

    A zone of which something is wrong keeps what it had before.
    """
    if (tags := put["refTag"]) is not None:
        zone["tags"] = [tags] if isinstance(tags, str) else [str(one) for one in tags][:MOST_TAGS]
    if isinstance(put["name"], str):
        zone["name"] = put["name"][:LONGEST_NAME]
    if put["zoneKind"] is not None:
        zone["is_home"] = put["zoneKind"] == HOME
    if put["location"] is not None:
        if not places.is_area(put["location"]):
            return Text(
                "location must be a Polygon or MultiPolygon, around where the tag is safe.",
                "location은 안심 구역을 둘러싸는 Polygon 또는 MultiPolygon이어야 합니다.",
            )
        zone["area"] = put["location"]
    if put["hours"] is not None:
        try:
            zone["hours"] = hours.parse(str(put["hours"]))
        except ValueError as error:
            return Text(
                f"hours: {error}.",
                "hours를 읽을 수 없습니다. 예: Mo-Fr 08:30-16:00; Sa 10:00-12:00, 또는 24/7.",
            )
    return None


def fix(put: Thing, at: int) -> Fix | None:
    """Return where a sighting saw a tag, or None if it does not say."""
    place = places.read(put["location"])
    if place is None:
        return None
    accuracy = put["accuracy"]
    if isinstance(accuracy, bool) or not isinstance(accuracy, int | float) or accuracy < 0:
        accuracy = USUAL_ACCURACY
    if accuracy > LEAST_ACCURATE:
        return None
    return {"longitude": place[0], "latitude": place[1], "accuracy": float(accuracy), "at": at}


def standing(seen: Fix, zones: Iterable[Zone], local: datetime) -> tuple[Standing, str]:
    """Return where a tag stands, and the name of the zone that it is in.

    It is out only if it cannot be in any zone, as accurate as the sighting is; a zone counts in
    its hours.

    Args:
        seen: where.
        zones: of the tag.
        local: now, by the clock of the city.
    """
    known, inside = False, None
    for zone in zones:
        if zone["area"] is None:
            continue
        known = True
        if zone["hours"] is not None and not hours.is_open(zone["hours"], local):
            continue
        off = places.metres_off(zone["area"], seen["longitude"], seen["latitude"])
        if off <= seen["accuracy"] and (inside is None or zone["is_home"]):
            inside = zone
    if inside is not None:
        return "home" if inside["is_home"] else "safe", inside["name"]
    return ("out" if known else "seen"), ""


def likely(seen: Fix, now: int, options: Care) -> dict[str, Any]:
    """Return where somebody can be by now who was seen there, as GeoJSON."""
    radius = places.reach(
        seen["accuracy"], (now - seen["at"]) / 1e6, options.walking_m_s, options.likely_m
    )
    return places.circle(seen["longitude"], seen["latitude"], radius)


def square(seen: Fix, options: Care) -> dict[str, Any]:
    """Return the square that is shown of a place outside a search, as GeoJSON."""
    return places.cell(seen["longitude"], seen["latitude"], options.coarse_m)
