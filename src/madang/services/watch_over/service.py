"""Watch-over tags: the family of a child, or of a person with dementia, is told when they leave.

Receivers and tags say where a tag was seen. Of that as little as possible is kept: outside a search
nothing is shown but a coarse square, and what a receiver wrote is taken away at once. A search
(:mod:`madang.services.watch_over.search`) is opened by named people, for a time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from madang.services import records, tally
from madang.services.city import Change, City, Thing
from madang.services.service import Indicator, Service, Text
from madang.services.watch_over import search as searches
from madang.services.watch_over import tags, texts
from madang.services.watch_over.tags import MINUTE, OUT, SEARCH, SIGHTING, TAG, ZONE, Care, Tag

SHOWN_AGAIN = 5 * MINUTE  # [us] after which the same square is shown anew, with its time
RAW = ("refTag", "tag", "location", "accuracy", "rssi", "network")
PUBLIC = "public"

service = Service(
    "watch_over",
    title=Text("Watch-over tags", "안심 태그"),
    purpose=Text(
        "Tells families when a child or a person with dementia leaves home, and helps find them.",
        "아이나 치매 어르신이 안심 구역을 벗어나면 가족에게 알리고, 찾도록 돕습니다.",
    ),
    category="socialAndHealth",
    needs=[TAG, ZONE, SIGHTING, SEARCH],
    gives=[TAG, ZONE, SIGHTING, SEARCH],
    options=Care,
    indicators=[
        Indicator("told", Text("Families told in 28 days", "28일간 이탈 알림"), "C62", "lower"),
        Indicator("minutesOut", Text("Mean time until back", "평균 복귀 시간"), "MIN", "lower"),
        Indicator("searches", Text("Searches in 28 days", "28일간 수색"), "C62", "lower"),
    ],
    operator=Text("Welfare department; searches with the police", "복지 부서, 수색은 경찰과 함께"),
    cost=Text(
        "A tag for each person; receivers at day centres, stops and street lights.",
        "1인당 태그 하나, 돌봄 시설과 정류장, 가로등의 수신기.",
    ),
)


@service.on(TAG)
async def tag(city: City, change: Change) -> None:
    """Take over who is to be told of a tag."""
    if change.kind == "deleted":
        city.state.get("tags", {}).pop(change.id, None)
        for timer in ("out", "silent", "search"):
            city.cancel(f"{timer}:{change.id}")
    elif await _is_watched(city, change.id):
        tags.describe(await _tag(city, change.id), change.put)
    elif "problem" not in change.put:
        city.update(change.id, TAG, problem=records.text(texts.FULL))


@service.on(ZONE)
async def zone(city: City, change: Change) -> None:
    """Take over where and when tags are safe."""
    zones = await _zones(city)
    if change.kind == "deleted":
        zones.pop(change.id, None)
    else:
        _outline(city, zones, change.put)


@service.on(SIGHTING)
async def sighting(city: City, change: Change) -> None:
    """Judge where a tag stands when it is seen, and take away what the receiver wrote."""
    put = change.put
    if put["location"] is None:  # it is gone already, or was never there
        return
    city.remove(change.id, SIGHTING, *RAW)
    id = _tag_of(put)
    seen = tags.fix(put, _when(put, city))
    if seen is None or not await _is_watched(city, id):
        return
    tag = await _tag(city, id)
    if put["network"] == PUBLIC and tag["search"] is None and not city.options.public_receivers:
        return
    if tag["fix"] is not None and seen["at"] < tag["fix"]["at"]:
        return
    tag["fix"] = seen
    city.at(timedelta(minutes=city.options.silent_minutes), "silent", f"silent:{id}", id=id)
    _found(city, id, tag)
    await _judge(city, id, tag)


@service.on(SEARCH)
async def search(city: City, change: Change) -> None:
    """Open or close a search that somebody has asked for; who may, was checked there."""
    status = change.put["status"]
    if status not in (searches.REQUESTED, searches.CLOSING):
        return
    asked = await city.get(change.id)
    id = None if asked is None else asked["refTag"]
    if asked is None or not isinstance(id, str):
        return
    tag = await _tag(city, id)
    if status == searches.REQUESTED:
        searches.open(city, id, tag, asked)
        _measure(city, searches=1)
    elif tag["search"] is not None and tag["search"]["id"] == asked.id:
        searches.end(city, id, tag, "closed")
    await _judge(city, id, tag)


@service.timer
async def search_over(city: City, id: str) -> None:
    """End a search whose time is over."""
    tag = await _tag(city, id)
    searches.end(city, id, tag, "expired")
    await _judge(city, id, tag)


@service.timer
async def look(city: City, id: str) -> None:
    """Judge a tag of which nothing more is heard since it was out."""
    if id in city.state.get("tags", {}):
        await _judge(city, id, await _tag(city, id))


@service.timer
async def silent(city: City, id: str) -> None:
    """Tell that a tag has not been seen for long."""
    tag = city.state.get("tags", {}).get(id)
    if tag is None or tag["fix"] is None or tag["silent"] is not None:
        return
    minutes = (city.instant - tag["fix"]["at"]) // MINUTE
    seen = _local(city, tag["fix"]["at"])
    tag["silent"] = city.decide(
        texts.silent(_called(id), minutes, seen), expects={"told": bool(tag["contacts"])}
    )
    _tell(city, id, tag, texts.TITLE_SILENT, texts.silent(tag["name"], minutes, seen), urgent=True)


@service.every("5m")
async def tick(city: City) -> None:
    """Judge anew: the hours of zones begin and end, and who is searched for walks on."""
    most = city.instant - city.options.keep_hours * 60 * MINUTE
    for id, tag in city.state.get("tags", {}).items():
        if tag["fix"] is None:
            continue
        if tag["fix"]["at"] < most and tag["search"] is None:
            tag["fix"], tag["shown"] = None, []  # the sealed place is gone for good
            city.remove(id, TAG, "likelyArea", "whereabouts")
        else:
            await _judge(city, id, tag)


@service.every("0 4 * * *", local=True)
async def daily(city: City) -> None:
    """Let the counts of long ago go."""
    _measure(city)


# --- where tags stand ---------------------------------------------------------------------------


async def _judge(city: City, id: str, tag: Tag) -> None:
    """Tell the family what has changed, and show what may be shown."""
    if tag["fix"] is None:
        return
    zones = [one for one in (await _zones(city)).values() if id in one["tags"]]
    tag["standing"], name = tags.standing(tag["fix"], zones, city.local)
    if tag["standing"] == OUT:
        tag["outside"] = since = city.instant if tag["outside"] is None else tag["outside"]
        wait = city.options.outside_minutes * MINUTE - (city.instant - since)
        if tag["left"] is None and wait > 0:
            city.at(timedelta(microseconds=wait), "look", f"out:{id}", id=id)
        elif tag["left"] is None:
            _left(city, id, tag, since)
    else:
        city.cancel(f"out:{id}")
        if tag["left"] is not None and tag["outside"] is not None:
            _back(city, id, tag, name, tag["outside"])
        tag["outside"] = None
    _show(city, id, tag)


def _left(city: City, id: str, tag: Tag, since: int) -> None:
    at = _local(city, since)
    tag["left"] = city.decide(texts.left(_called(id), at), expects={"told": bool(tag["contacts"])})
    _tell(city, id, tag, texts.TITLE_LEFT, texts.left(tag["name"], at), urgent=True)
    _measure(city, told=1)


def _back(city: City, id: str, tag: Tag, zone: str, since: int) -> None:
    minutes = (city.instant - since) / MINUTE
    assert tag["left"] is not None
    city.learn(tag["left"], minutesOut=round(minutes, 1))
    tag["left"] = None
    _tell(city, id, tag, texts.TITLE_BACK, texts.back(tag["name"], zone, minutes))
    _measure(city, back=1, minutes=minutes)


def _found(city: City, id: str, tag: Tag) -> None:
    """Take note that a tag is seen, by those who wait for it."""
    if tag["silent"] is not None:
        city.learn(tag["silent"], seenAt=city.now.isoformat())
        tag["silent"] = None
        _tell(city, id, tag, texts.TITLE_SEEN, texts.seen_again(tag["name"]))
    if tag["search"] is not None:
        searches.seen(city, id, tag, tag["search"])


def _show(city: City, id: str, tag: Tag) -> None:
    """Put what may be seen: the square, or in a search the place itself."""
    fix = tag["fix"]
    assert fix is not None
    if tag["search"] is not None:
        tag["shown"] = []
        searches.show(city, id, tag, fix)
        return
    area = tags.square(fix, city.options)
    shown = [tag["standing"], area["coordinates"][0][0], fix["at"] // SHOWN_AGAIN]
    if shown != tag["shown"]:
        tag["shown"] = shown
        city.update(
            id, TAG, whereabouts=tag["standing"], lastSeen=searches.moment(fix["at"]),
            likelyArea={"type": "GeoProperty", "value": area},
        )  # fmt: skip


# --- what is kept -------------------------------------------------------------------------------


async def _tag(city: City, id: str) -> Tag:
    known: dict[str, Tag] = city.state.setdefault("tags", {})
    if id not in known:
        known[id] = tags.fresh(id)
        if (thing := await city.get(id)) is not None:
            tags.describe(known[id], thing)
    return known[id]


def _tag_of(put: Thing) -> str:
    """Return the id of the tag that was seen: as the sighting says, or else as it is called."""
    if isinstance(put["refTag"], str):
        return put["refTag"]
    named = put["tag"] if isinstance(put["tag"], str) else put.id.rpartition(":")[2]
    return f"urn:ngsi-ld:{TAG}:{named}"


async def _is_watched(city: City, id: str) -> bool:
    """Tell whether somebody has registered a tag; those of strangers are none of our business."""
    known = city.state.get("tags", {})
    return id in known or (len(known) < tags.MOST and await city.get(id) is not None)


async def _zones(city: City) -> dict[str, tags.Zone]:
    if "zones" not in city.state:
        zones: dict[str, tags.Zone] = {}
        city.state["zones"] = zones
        for thing in await city.find(ZONE):
            _outline(city, zones, thing)
    found: dict[str, tags.Zone] = city.state["zones"]
    return found


def _outline(city: City, zones: dict[str, tags.Zone], put: Thing) -> None:
    """Take over a zone, and say at it what is wrong with it."""
    if put.id not in zones and len(zones) >= tags.MOST:
        return
    problem = tags.outline(zones.setdefault(put.id, tags.empty()), put)
    if problem is not None:
        city.update(put.id, ZONE, problem=records.text(problem))
    elif put["location"] is not None or put["hours"] is not None:
        city.remove(put.id, ZONE, "problem")


def _when(put: Thing, city: City) -> int:
    """Return when a sighting was, never later than now. [us since 1970]"""
    observed = put.observed("location")
    if observed is None:
        return city.instant
    return min(round(observed.timestamp() * 1e6), city.instant)


def _tell(city: City, id: str, tag: Tag, title: Text, text: Text, urgent: bool = False) -> None:
    if tag["contacts"]:
        city.notify(tag["contacts"], title, text, about=id, urgent=urgent)


def _called(id: str) -> str:
    """Return what a tag is called where many read it: by its number, not by the person."""
    return id.rpartition(":")[2]


def _local(city: City, instant: int) -> datetime:
    return city.local + timedelta(microseconds=instant - city.instant)


def _measure(city: City, **counts: Any) -> None:
    sums = tally.add(city, **counts)
    city.measure("told", sums.get("told", 0))
    city.measure("searches", sums.get("searches", 0))
    if sums.get("back"):
        city.measure("minutesOut", round(sums["minutes"] / sums["back"], 1))
