"""What goes on in a new demo city: people have set it up, and something has happened already."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import tomllib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from madang.act.commands.commands import Asked
from madang.act.incidents.deeds import Who
from madang.act.incidents.playbook import PLAYBOOK, parse
from madang.act.incidents.requests import Requests
from madang.demo import equipment, ground, past, texts
from madang.demo.told import Entity, entity, value
from madang.hub.operations import Upsert
from madang.hub.records import Own
from madang.lake import rules as history_rules
from madang.model.context import CORE
from madang.model.errors import Conflict, NgsiError
from madang.model.normalize import entity as normalized
from madang.services.rules.book import RuleBook
from madang.trust.principal import LOCAL

if TYPE_CHECKING:
    from madang.api.parts import Parts
    from madang.demo.city import DemoCity
    from madang.demo.progress import Progress
    from madang.hub.tenant import Tenant

log = structlog.get_logger("madang.demo")

_DESK: Final = Who("service:demo", "데모 관제실")
_PATIENCE_S: Final = 30.0  # with which the past waits for traffic
_CLOCK: Final = 40.0  # between two deeds of the incident that is over [s]


def _both(english: str, korean: str) -> dict[str, str]:
    return {"en": english, "ko": korean}


PIPE: Final[dict[str, Any]] = {
    "title": _both("Burst pipe in Nuri-daero", "누리대로 상수도관 파열"),
    "text": _both("Water on the road.", "도로에 물이 고였습니다."),
    "category": "waterLeak",
    "severity": "medium",
    "location": ground.point((-430.0, 20.0)),
    "area": _both("Madang-dong", "마당동"),
}
DEEDS: Final[list[list[dict[str, Any]]]] = [
    [{"do": "acknowledge"}, {"do": "public", "public": True}],
    [{"do": "note", "text": _both("The waterworks have been called.", "상수도 사업소에 연락함.")}],
    [{"do": "handOver", "to": "lee", "text": _both("Wait for the crew.", "복구반 도착 대기.")}],
    [{"do": "resolve", "text": _both("The pipe is closed.", "관로를 차단함.")}],
    [{"do": "close", "text": _both("The road is dry.", "도로 배수 완료.")}],
]
"""What is done about it, one after the other."""


class Town(NamedTuple):
    """A demo city in its hub."""

    parts: Parts
    tenant: Tenant
    city: DemoCity
    write: Callable[[list[Entity]], Awaitable[object]]
    seed: int
    progress: Progress


async def contacts(town: Town) -> None:
    directory = await town.parts.notices.directory("")
    for name, contact in texts.CONTACTS.items():
        await directory.put(name, contact, inside=False)


async def playbook(town: Town) -> None:
    id, found = f"urn:ngsi-ld:{PLAYBOOK}:demo-smoke", parse(texts.file("playbook"))
    document: dict[str, Any] = {
        "id": id,
        "type": PLAYBOOK,
        "title": {"type": "LanguageProperty", "languageMap": found.title.model_dump()},
        "toml": value(texts.file("playbook")),
    }
    (result,) = await town.tenant.write([Own(Upsert(id, normalized(document, CORE)))])
    if isinstance(result, NgsiError):
        raise result


async def policies(town: Town) -> None:
    """Make open data of what is nobody's own; a person's stays what it is: personal."""
    for type_ in texts.PUBLIC:
        await town.parts.trust.policies.publish("", CORE.expand(type_))
    person = entity(
        "Person", 1, name="홍길동", email="hong@example.org", telephone="+82-2-000-0000"
    )
    await town.write([person])


async def keep(town: Town) -> None:
    await town.tenant.history.set_rules(history_rules.parse(texts.KEPT))


async def yesterday(town: Town) -> None:
    """Load the past; it is worked out in another process, once traffic has what it needs."""
    if town.parts.settings.demo_traffic:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await town.city.drives.wait()
    with tempfile.TemporaryDirectory(dir=town.parts.settings.data) as folder:
        file = str(Path(folder) / "past.parquet")
        now = town.tenant.clock.now()
        await town.parts.services.workers.compute(past.write, town.seed, now / 1e6, file)
        count = await town.tenant.history.load(Path(file), now)
    log.info("demo.past", values=count, days=past.DAYS)


async def devices(town: Town) -> None:
    await equipment.register(town.parts, town.city)


async def services(town: Town) -> None:
    for name, options in texts.SERVICES.items():
        await town.parts.services.set_options("", name, options)
        await town.parts.services.switch("", name, True)


async def rules(town: Town) -> None:
    await town.parts.services.set_options("", "rules", {"time_zone": texts.ZONE})
    await RuleBook(town.parts.services).put("", tomllib.loads(texts.file("rules")))


async def command(town: Town) -> None:
    """Ask for a command that somebody must agree to."""
    target = town.city.cabinets[0]["id"]
    await town.parts.commands.ask("", Asked(LOCAL.id, target, "blackout", key="demo-blackout"))


async def smoke(town: Town) -> None:
    """Let it burn somewhere: a rule sees it, and an incident begins."""
    await town.write(town.city.smoke(datetime.now(UTC)))


async def story(town: Town) -> None:
    """Let people deal with an incident from its beginning to its end, in some minutes."""
    requests, progress = Requests(town.parts.services), town.progress
    if "incident" not in progress:
        answer = await requests.open(town.tenant, PIPE, _DESK)
        await progress.add("incident", answer.incident["id"])
    for number, some in enumerate(DEEDS):
        if f"deed {number}" not in progress:
            await asyncio.sleep(_CLOCK)
            with contextlib.suppress(Conflict):  # somebody else deals with it already
                await requests.ask(town.tenant, progress["incident"], some, _DESK)
            await progress.add(f"deed {number}")


STEPS: Final[dict[str, Callable[[Town], Awaitable[None]]]] = {
    "contacts": contacts,
    "playbook": playbook,
    "policies": policies,
    "keep": keep,
    "devices": devices,
    "services": services,
    "rules": rules,
    "command": command,
    "past": yesterday,
    "smoke": smoke,
    "story": story,
}
"""In the order in which they are taken, each once."""
