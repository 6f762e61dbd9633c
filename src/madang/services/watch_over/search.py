"""A search for a watch-over tag: exact places, more receivers, for a time, and all of it on record.

Asked for over HTTP (``POST /watch-over/searches``) by people whom the options name, with a reason
and a legal basis; that request is a ``TagSearch``. What a search shows goes when it ends.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from madang.model import time
from madang.services.city import City, Thing
from madang.services.watch_over import tags, texts
from madang.services.watch_over.tags import MINUTE, SEARCH, TAG, Fix, Search, Tag

REQUESTED, OPEN, CLOSING, ENDED = "requested", "open", "closing", "ended"
BASES = {
    "consent": "consent",
    "vitalInterest": "vital interest",
    "law": "law",
    "publicTask": "public task",
    "publicSafety": "public safety",
}
"""Legal bases by name: 개인정보 보호법 제15조 제1항, GDPR article 6 (1); as in purposes."""
QUIET = 10 * MINUTE  # [us] between two sightings, after which the next one is told


def open(city: City, id: str, tag: Tag, asked: Thing) -> None:
    """Open a search that was asked for; one that is open already is replaced."""
    if tag["search"] is not None:
        end(city, id, tag, "closed")
    hours = asked["hours"] if isinstance(asked["hours"], int | float) else 0
    hours = min(hours, city.options.search_hours) or city.options.search_hours
    until, ends = city.local + timedelta(hours=hours), city.instant + round(hours * 60 * MINUTE)
    by, basis = str(asked["requestedBy"]), BASES.get(str(asked["legalBasis"]), "none")
    decision = city.decide(
        texts.search_opened(_called(id), by, basis, until),
        because=[(asked, "requestedBy"), (asked, "legalBasis")],
        expects={"until": until.isoformat()},
    )
    tag["search"] = {
        "id": asked.id, "until": ends, "since": city.instant, "decision": decision,
        "sightings": 0, "seen": 0,
    }  # fmt: skip
    city.at(timedelta(hours=hours), "search_over", f"search:{id}", id=id)
    city.update(asked.id, SEARCH, status=OPEN, until=moment(ends))
    city.update(id, TAG, searching=True)
    city.alert(
        f"search:{id}",
        kind="missingPerson",
        severity="high",
        title=texts.TITLE_SEARCH,
        text=texts.search_opened(_called(id), by, basis, until),
        about=[asked],
    )
    _tell(city, id, tag, texts.search_opened(tag["name"], by, basis, until))


def seen(city: City, id: str, tag: Tag, search: Search) -> None:
    """Take note of a sighting; the first is a decision, and told, and so is one after a silence."""
    is_news = search["sightings"] == 0 or city.instant - search["seen"] >= QUIET
    search["sightings"] += 1
    search["seen"] = city.instant
    if is_news:
        city.decide(texts.search_seen(_called(id)), expects={"search": search["id"]})
        _tell(city, id, tag, texts.search_seen(tag["name"]))


def show(city: City, id: str, tag: Tag, fix: Fix) -> None:
    """Put the place itself, and where somebody can be by now."""
    place = {"type": "Point", "coordinates": [fix["longitude"], fix["latitude"]]}
    city.update(
        id, TAG, whereabouts=tag["standing"], lastSeen=moment(fix["at"]),
        location={"type": "GeoProperty", "value": place},
        accuracy={"type": "Property", "value": fix["accuracy"], "unitCode": "MTR"},
        likelyArea={
            "type": "GeoProperty", "value": tags.likely(fix, city.instant, city.options)
        },
    )  # fmt: skip


def end(city: City, id: str, tag: Tag, why: str) -> None:
    """End a search, and hide what it showed."""
    search, tag["search"] = tag["search"], None
    if search is None:
        return
    city.cancel(f"search:{id}")
    city.remove(id, TAG, "location", "accuracy")
    city.update(id, TAG, searching=False)
    city.update(search["id"], SEARCH, status=ENDED, endedAt=moment(city.instant), endReason=why)
    city.decide(
        texts.search_ended(_called(id), why, search["sightings"]),
        expects={"search": search["id"]},
    )
    city.learn(
        search["decision"],
        sightings=search["sightings"],
        minutes=round((city.instant - search["since"]) / MINUTE, 1),
        ended=why,
    )
    city.end_alert(f"search:{id}")
    _tell(city, id, tag, texts.search_ended(tag["name"], why, search["sightings"]))


def moment(instant: int) -> dict[str, Any]:
    """Return a time as an attribute. [us since 1970]"""
    value = {"@type": "DateTime", "@value": time.render(instant)}
    return {"type": "Property", "value": value}


def _tell(city: City, id: str, tag: Tag, text: Any) -> None:
    """Tell the family, and those who search."""
    for people in dict.fromkeys((tag["contacts"], city.options.desk)):
        if people:
            city.notify(people, texts.TITLE_SEARCH, text, about=id, urgent=True)


def _called(id: str) -> str:
    return id.rpartition(":")[2]
