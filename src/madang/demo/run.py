"""Runs the demo city in the default tenant of a hub."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from madang.demo.city import SEED, DemoCity, batches
from madang.demo.equipment import Fleet
from madang.demo.going_on import STEPS, Town
from madang.demo.progress import Progress
from madang.demo.told import Entity
from madang.demo.traffic import Traffic
from madang.hub.operations import Upsert
from madang.model.context import CORE
from madang.model.errors import MadangError
from madang.model.normalize import entity as normalized

if TYPE_CHECKING:
    from madang.api.parts import Parts

log = structlog.get_logger("madang.demo")

_PAUSES_S: Final = (2.0, 15.0, 60.0)  # after which a step that has failed is taken again


async def run(parts: Parts, seed: int = SEED) -> None:
    """Make the city where it is not yet made, then keep it changing until cancelled.

    What people have set up and what happens is only added to a tenant that was empty.
    """
    tenant = await parts.hub.tenant("", create=True)
    progress = await Progress.load(tenant)

    async def write(entities: list[Entity]) -> None:
        work = [normalized(entity, CORE) for entity in entities]
        await tenant.write([Upsert(one.document["id"], one, update=True) for one in work])

    city = await asyncio.to_thread(DemoCity, seed)
    if "standing" not in progress:
        if (await tenant.store.size())["entities"] == 0:
            await progress.add("new")
        for some in batches(city.standing()):
            await write(some)
        await progress.add("standing")
    for some in batches(city.present(datetime.now(UTC))):
        await write(some)
    log.info("demo.ready", entities=len(city.standing()))
    async with asyncio.TaskGroup() as group:
        group.create_task(city.go_on(write))
        if "new" in progress:
            fleet = Fleet(parts, city, seed)
            town = Town(parts, tenant, city, write, seed, progress)
            await _take(town, ("devices",))
            group.create_task(fleet.run())
            if parts.settings.demo_traffic:
                group.create_task(Traffic(town).run())
            group.create_task(_take(town, STEPS))


async def _take(town: Town, names: Iterable[str]) -> None:
    """Take the steps that are not done yet; one that goes on failing is left to the next start."""
    for name in names:
        for pause_s in (*_PAUSES_S, None):
            if name in town.progress:
                break
            try:
                await STEPS[name](town)
            except (MadangError, OSError) as error:
                log.warning("demo.step_failed", step=name, reason=str(error), retry_in_s=pause_s)
                await asyncio.sleep(pause_s or 0)
            else:
                await town.progress.add(name)
