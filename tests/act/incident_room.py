"""A control room in memory: the service of incidents, with sensors and people who act."""

from __future__ import annotations

from typing import Any

from madang.act.incidents.service import service
from madang.services.city import Thing
from madang.services.played import Played, at

START = "2026-03-02 09:00"
PLAYBOOK = """
title = { en = "Flood in an underpass", ko = "지하차도 침수" }
applies_to = ["flood"]
notify = ["control-room"]

[[escalate]]
after_minutes = 5
to = "duty-officer"

[[escalate]]
after_minutes = 15
to = "head"

[[steps]]
name = "barrier"
title = { en = "Close the barrier", ko = "차단기 내리기" }
due_minutes = 10

[[steps]]
name = "depth"
title = { en = "Measure the depth", ko = "수심 측정" }
[steps.ask]
question = { en = "How deep?", ko = "수심은?" }
kind = "number"
unit = "cm"
min = 0
max = 500
"""


def words(en: str, ko: str) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": {"en": en, "ko": ko}}


def point(lon: float, lat: float = 37.5) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def minutes(count: float) -> int:
    return at(START) + int(count * 60_000_000)


class Room:
    """A control room: the service at work on a city in memory."""

    def __init__(self, **options: Any) -> None:
        self.played = Played(service, at(START), **options)
        self.asked = 0

    async def playbook(self, text: str = PLAYBOOK, name: str = "flood") -> None:
        await self.played.put(at(START), f"urn:ngsi-ld:Playbook:{name}", "Playbook", toml=text)

    async def alert(self, minute: float, name: str, lon: float | None = 127.0, **more: Any) -> None:
        """Let a sensor raise an alert, or tell more of it."""
        told = {"category": "flood", "severity": "medium", "status": "open"} | more
        told.setdefault("title", words("Water in the underpass", "지하차도 침수"))
        if lon is not None:
            told["location"] = point(lon)
        await self.played.put(minutes(minute), f"urn:ngsi-ld:Alert:s:{name}", "Alert", **told)

    async def ask(
        self, minute: float, incident: Thing | str, *deeds: dict[str, Any], who: str = "Kim"
    ) -> None:
        """Do something to an incident, as somebody."""
        self.asked += 1
        action = {
            "id": f"a{self.asked}", "by": {"id": f"person:{who}", "name": who}, "do": list(deeds),
        }  # fmt: skip
        id = incident if isinstance(incident, str) else incident.id
        put = {"action": {"type": "JsonProperty", "json": action}}
        await self.played.put(minutes(minute), id, "Incident", **put)

    async def until(self, minute: float) -> None:
        await self.played.until(minutes(minute))

    async def told(self, minute: float, notice: Thing, status: str) -> None:
        """Let a notice be sent, or not."""
        deliveries = [{"person": "kim", "channel": "email", "ok": status == "sent"}]
        await self.played.put(
            minutes(minute), notice.id, "Notice", status=status,
            deliveries={"type": "JsonProperty", "json": deliveries},
        )  # fmt: skip

    @property
    def incidents(self) -> list[Thing]:
        return self.played.things("Incident")

    @property
    def one(self) -> Thing:
        (found,) = self.incidents
        return found

    @property
    def told_to(self) -> list[str]:
        return [str(one["to"]) for one in self.played.things("Notice")]

    @property
    def course(self) -> list[str]:
        return [entry["what"] for entry in self.one["timeline"]]
