"""What services have decided, and how a person takes a decision back.

A decision says by which values it is undone. They are put back only where what the decision put
still stands: what has been changed since was somebody else's doing, and is not touched. Commands
that followed from it are taken back by the way that the profile of the device names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from madang.act.commands.command import MAY_HAVE_ACTED, Command, read
from madang.hub.operations import Append, Merge, Operation
from madang.hub.records import Own
from madang.model import time
from madang.model.attributes import NULL, VALUE_MEMBER
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Conflict, NgsiError, ResourceNotFound
from madang.model.names import is_uri
from madang.model.normalize import entity as normalized
from madang.query.q import parse
from madang.query.tree import HasType, Order, Path, Query, Selector
from madang.services import records
from madang.services.city import Thing
from madang.services.records import COMMAND, DECISION
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.act.commands.commands import Commands
    from madang.hub.tenant import Tenant
    from madang.store.protocol import Page
    from madang.trust.view import View

PREFIX: Final = f"urn:ngsi-ld:{DECISION}:"
MOST_COMMANDS: Final = 1000  # that one decision led to


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions are asked for."""

    service: str = ""
    entity: str = ""
    """One that the decision is about."""
    limit: int = 100
    offset: int = 0

    def query(self) -> Query:
        """Return the query, the latest decisions first.

        Raises:
            BadRequestData: the service or the entity cannot be one.
        """
        conditions = []
        if self.service:
            if not self.service.replace("_", "a").isalnum() or not self.service.isascii():
                raise BadRequestData(f"service must be a name like parking: {self.service[:60]!r}")
            conditions.append(f'madeBy~="^{self.service} "')
        if self.entity:
            if not is_uri(self.entity) or '"' in self.entity:
                raise BadRequestData(f"entity must be the id of an entity: {self.entity[:60]!r}")
            conditions.append(f'refersTo=="{self.entity}"')
        return Query(
            (Selector(types=HasType(DECISION)),),
            q=parse(";".join(conditions), CORE) if conditions else None,
            order=(Order(Path("createdAt"), descending=True),),
            limit=self.limit,
            offset=self.offset,
            count=True,
        )


class Decisions:
    """Those of all tenants."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def page(self, seen: Tenant | View, wanted: Wanted) -> tuple[list[Thing], int]:
        """Return decisions, and how many there are."""
        found: Page = await seen.query(wanted.query())
        return [Thing(entity_of(row).document) for row in found.rows], found.count or 0

    async def get(self, seen: Tenant | View, id: str) -> Thing:
        """Return a decision.

        Raises:
            ResourceNotFound: there is none of that id.
        """
        row = await seen.get(id)
        entity = None if row is None else entity_of(row)
        if entity is None or DECISION not in entity.types:
            raise ResourceNotFound(f"there is no decision {id[:200]}; `madang decision list`")
        return Thing(entity.document)

    async def undo(self, tenant: Tenant, seen: Tenant | View, id: str, who: str) -> Thing:
        """Take a decision back; return it as it is then.

        Args:
            tenant: whose decision.
            seen: the tenant as the person sees it: what they may not write stays.
            id: of the decision.
            who: the person.

        Raises:
            ResourceNotFound: there is no such decision, or a thing that it is about is gone.
            Conflict: it cannot be undone, has been, or its things have been changed since.
        """
        decision = await self.get(seen, id)
        if decision["undoneBy"]:
            raise Conflict(f"this decision was undone already, by {decision['undoneBy']}")
        commands = await self._commands_of(seen, id)
        values: dict[str, dict[str, Any]] = decision["undo"] or {}
        if not values and not commands:
            raise Conflict("this decision cannot be undone: its service names no way back")
        targets = {command.target for command in commands}
        now = tenant.clock.now()
        operations: list[Operation] = []
        for entity, old in values.items():
            if entity not in targets:  # what was commanded is taken back by command
                operations += await _put_back(seen, decision, entity, old, now)
        for result in await seen.write(operations):
            if isinstance(result, NgsiError):
                raise result
        for command in commands:
            if not command.reverted_by and not command.revert_due:
                await self._commands.revert(tenant.name, command.id, who)
        await _note(tenant, id, who, now)
        return await self.get(seen, id)

    async def _commands_of(self, seen: Tenant | View, id: str) -> list[Command]:
        """Return the commands that followed from a decision and may have been carried out."""
        query = Query(
            (Selector(types=HasType(COMMAND)),),
            q=parse(f'decision=="{id}"', CORE),
            limit=MOST_COMMANDS,
        )
        found = [read(entity_of(row)) for row in (await seen.query(query)).rows]
        return [one for one in found if one.status in MAY_HAVE_ACTED and not one.is_dry]


async def _put_back(
    seen: Tenant | View, decision: Thing, id: str, old: dict[str, Any], now: int
) -> list[Operation]:
    """Return what puts values of one entity back.

    Raises:
        ResourceNotFound: the entity is gone.
        Conflict: one of them was changed after the decision.
    """
    row = await seen.get(id)
    if row is None:
        raise ResourceNotFound(f"{id} is gone, so this decision cannot be undone")
    thing = Thing(entity_of(row).document)
    whole: dict[str, Any] = {"id": id, "type": thing.document["type"]}
    for name, value in old.items():
        if thing[name] == value:  # undone by hand, or by an attempt that was cut short
            continue
        there = thing.attribute(name)
        at = there.get("observedAt")
        if at != decision.attribute("description").get("observedAt"):
            when = f"at {at}" if at else "without saying when"
            raise Conflict(
                f"{name} of {id} has been set to {thing[name]} {when}, after this decision: undo"
                " what did that first, or set it by hand"
            )
        if value is None:
            whole[name] = NULL
            continue
        kind = there["type"]
        whole[name] = {"type": kind, VALUE_MEMBER[kind]: value}
        if kind != "Relationship":
            whole[name]["observedAt"] = time.render(now)
    if len(whole) == 2:
        return []
    return [Merge(id, normalized(whole, CORE, fragment=True, nulls=True))]


async def _note(tenant: Tenant, id: str, who: str, now: int) -> None:
    whole = {
        "id": id,
        "type": DECISION,
        "undoneBy": {"type": "Property", "value": who},
        "undoneAt": records.moment(now),
    }
    (result,) = await tenant.write([Own(Append(id, normalized(whole, CORE)))])
    if isinstance(result, NgsiError):
        raise result


def shown(decision: Thing) -> dict[str, Any]:
    """Return a decision as people and pages read it."""
    service, _, version = str(decision["madeBy"]).partition(" ")
    undone = decision["undoneAt"]
    return {
        "id": decision.id,
        "at": decision.attribute("description").get("observedAt"),
        "service": service,
        "version": version,
        "what": decision["description"],
        "basedOn": decision["basedOn"] or [],
        "options": decision["options"] or {},
        "expects": decision["expects"] or {},
        "outcome": decision["outcome"],
        "undo": decision["undo"],
        "undoneBy": decision["undoneBy"],
        "undoneAt": undone["@value"] if isinstance(undone, dict) else None,
    }
