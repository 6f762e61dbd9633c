"""The one way in: a message is decoded, given a meaning, judged and written, or kept with a reason.

What a call returns from is durable. Messages of one device take effect in the order of the calls,
even if many are under way; those of different devices do not wait for one another.
"""

from __future__ import annotations

import asyncio
import time as clocks
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from madang.hub.operations import Observe
from madang.lake.questions import Instance
from madang.model.context import CORE, Context
from madang.model.errors import (
    AlreadyExists,
    BadRequestData,
    Conflict,
    Forbidden,
    NgsiError,
    Overloaded,
    ResourceNotFound,
)
from madang.model.merge import KNOWN, LATE
from madang.model.normalize import entity as normalized
from madang.sense.codecs import lorawan, table
from madang.sense.message import Answered, Decoded, Message, Reading, Reason, Rejected, Told
from madang.sense.work import Fault, Work, check_own, fault_of, past_of, sender_of, speaking
from madang.trust.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from madang.hub.tenant import Tenant
    from madang.hub.writer import Result
    from madang.sense.devices.device import Device
    from madang.sense.station import Station
    from madang.trust.gate import Gate
    from madang.trust.principal import Principal

USUAL = "json"
"""The codec of a message of which nothing says how it is written."""
MOST_UNDER_WAY = 20_000  # messages; beyond, senders are asked to wait
PRESSING = 30_000  # operations that wait for the writer; beyond, senders are asked to wait
BATCH = 500  # readings of a feed or file written in one go
AT_ONCE = 50  # readings worked out before others get their turn


class Taken(NamedTuple):
    """What became of a message."""

    entities: int = 0
    values: int = 0
    """Attributes that are new in the state or in history."""
    late: int = 0
    """Those of them that only history got, for the state has newer ones."""
    known: int = 0
    """Attributes that were there already."""
    letter: int | None = None
    """The dead letter that was kept, of the whole message or of what could not be used of it."""
    reason: Reason | Literal[""] = ""
    detail: str = ""


class Figures:
    """Counts since the start, for operators."""

    def __init__(self) -> None:
        self.messages = 0
        self.values = 0
        self.late = 0
        self.known = 0
        self.rejected = 0
        self.refused = 0
        """Messages that were not taken, for too much was under way or the limit was reached."""


class Intake:
    """Takes messages of all tenants.

    Args:
        gate: limits of senders, and what they see and may write.
        station: opens what is kept of a tenant, by its name.
    """

    def __init__(self, gate: Gate, station: Callable[[str], Awaitable[Station]]) -> None:
        self._gate = gate
        self._station = station
        self.answers: Callable[[str, str, Answered], Awaitable[None]]
        """Takes what devices say about commands: tenant, name of the device, and what it says."""
        self._stations: dict[str, Station] = {}
        self._lanes: dict[str, tuple[asyncio.Lock, int]] = {}
        self.under_way = 0
        self.figures = Figures()

    async def take(self, message: Message, again: bool = False) -> Taken:
        """Take a message: what is good of it is written, what is not is kept as a dead letter.

        Args:
            message: what came.
            again: it comes from a dead letter, which stays if this comes to nothing.

        Raises:
            TooManyRequests, Overloaded: nothing was taken; the sender should try again later.
        """
        station = self._stations.get(message.tenant)
        if station is None:
            station = self._stations[message.tenant] = await self._station(message.tenant)
        try:
            self._admit(message, station)
        except NgsiError:
            self.figures.refused += 1
            raise
        self.under_way += 1
        try:
            return await self._taken(message, station, again)
        finally:
            self.under_way -= 1

    async def put(
        self, tenant: str, readings: Sequence[Reading], principal: Principal, source: str
    ) -> Taken:
        """Write readings that Madang itself fetched, from a feed or a file, in their order.

        Args:
            tenant: its name.
            readings: at most some thousands; each that cannot be used becomes a dead letter.
            principal: on whose behalf.
            source: such as ``feed:oslo-bikes``.
        """
        station = await self._station(tenant)
        total = Taken()
        for start in range(0, len(readings), BATCH):
            some = readings[start : start + BATCH]
            bodies = [orjson.dumps(reading.entity) for reading in some]
            message = Message("feed", source, b"", principal, _now(), tenant)
            work = Work(station, message)
            async with self._lane(_lane_of(message, station)):
                for place, reading in enumerate(some):
                    await self._add(work, reading, None, place)
                    if place % AT_ONCE == 0:
                        await asyncio.sleep(0)
                writing = self._begin(work)
            done = await self._settled(work, writing)
            for fault in work.faults:
                lost = message._replace(body=bodies[fault.place])
                letter = await station.letters.keep(lost, fault.reason, fault.detail)
                done = done._replace(letter=letter, reason=fault.reason, detail=fault.detail)
            total = _sum(total, done)
        return total

    # --- one message --------------------------------------------------------------------------

    def _admit(self, message: Message, station: Station) -> None:
        """Raise what tells the sender to wait, or that it may not send at all."""
        if self.under_way >= MOST_UNDER_WAY or station.tenant.writer.waiting > PRESSING:
            raise Overloaded("too many messages are under way; try again in a second")
        principal = message.principal
        self._gate.allow(principal, "observe", message.tenant, message.origin)
        self._gate.admit(principal, message.origin, "sense", clocks.perf_counter())

    async def _taken(self, message: Message, station: Station, again: bool) -> Taken:
        work = Work(station, message)
        async with self._lane(_lane_of(message, station)):
            try:
                for place, one in enumerate(self._decoded(message, station), 1):
                    await self._understood(work, one)
                    if place % AT_ONCE == 0:
                        await asyncio.sleep(0)
            except Rejected as error:
                work.faults.append(Fault(error.reason, str(error)))
            writing = self._begin(work)
        done = await self._settled(work, writing)
        if not work.faults:
            return done
        first = min(work.faults, key=lambda fault: fault.reason != "forbidden")
        detail = "; ".join(dict.fromkeys(fault.detail for fault in work.faults))
        if again:
            return done._replace(reason=first.reason, detail=detail)
        letter = await station.letters.keep(message, first.reason, detail, sender_of(work, first))
        self.figures.rejected += 1
        return done._replace(letter=letter, reason=first.reason, detail=detail)

    @staticmethod
    def _decoded(message: Message, station: Station) -> list[Decoded]:
        name = message.codec
        if not name and message.device:
            device = station.devices.find(message.device)
            profile = None if device is None else station.devices.profile(device.profile)
            name = "" if profile is None else profile.codec
        return table.codec(name or USUAL).decode(message)

    async def _understood(self, work: Work, one: Decoded) -> None:
        """Add what a codec found in a message to the work."""
        devices = work.station.devices
        try:
            if isinstance(one, Told):
                device = devices.find(one.device) if one.device else None
                if device is not None:
                    check_own(work, device, devices.profile(device.profile))
                await self._add(work, Reading(one.entity, device=one.device), device)
                return
            known = devices.find(one.device)
            if known is None:
                known = await devices.admit(work.message.principal.id, one.device)
            device = speaking(known, one.device)
            profile = devices.profile(device.profile) if device.profile else None
            check_own(work, device, profile)
            if isinstance(one, Answered):
                await self.answers(work.station.tenant.name, device.name, one)
                return
            if profile is None:
                raise Rejected(
                    "noProfile",
                    f"device {device.name} has no profile that says what its fields mean; name one"
                    f" with `madang device change {device.name} --profile ...`",
                )
            if one.payload is not None:
                one = await lorawan.decoded(one, profile)
            applied = profile.readings(device, one, work.message.received)
        except Rejected as error:
            work.faults.append(Fault(error.reason, str(error), one.device))
            return
        except ResourceNotFound as error:
            work.faults.append(Fault("unknownCommand", error.detail, one.device))
            return
        except (AlreadyExists, BadRequestData, Conflict, Forbidden) as error:  # not let in
            work.faults.append(Fault("unknownDevice", error.detail, one.device))
            return
        work.faults += [
            Fault("badValue", f"{attribute}: {detail}", device.name)
            for attribute, detail in applied.problems
        ]
        for reading in applied.readings:
            await self._add(work, reading, device)

    async def _add(
        self, work: Work, reading: Reading, device: Device | None, place: int = 0
    ) -> None:
        """Judge a reading and add the operation that writes it."""
        station, message = work.station, work.message
        try:
            context, entity = await _apart(station.tenant, reading.entity)
            content = normalized(entity, context)
            id = content.document["id"]
            # What cannot be written must not be what the next value is compared with.
            if message.principal.kind != "device" or await self._may_write(work, id):
                await self._prepare(station, id, device)
                # Flags are added to what has been checked, and need no check themselves.
                judged = reading._replace(entity=content.document)
                judged = station.inspector.judge(judged, message.received)
                content = content._replace(document=judged.entity)
        except NgsiError as error:
            named = device.name if device is not None else reading.device
            work.faults.append(Fault("badEntity", error.detail or str(error), named, place))
            return
        work.operations.append(Observe(id, content))
        work.places.append(place)
        work.devices.append(device)

    async def _may_write(self, work: Work, id: str) -> bool:
        message = work.message
        if id in message.principal.entities:
            return True
        seen = self._gate.seen(message.principal, work.station.tenant, "", message.origin)
        return not isinstance(seen, View) or await seen.writes(id)

    @staticmethod
    async def _prepare(station: Station, id: str, device: Device | None) -> None:
        """Let the inspector know what a value of an entity is compared with."""
        inspector = station.inspector
        if not inspector.knows(id):
            state = await station.tenant.get(id)
            inspector.learn(id, {} if state is None else orjson.loads(state.document))
        if device is not None and not device.is_introduced:
            inspector.learn(id, _registered(device))

    def _begin(self, work: Work) -> asyncio.Task[list[Result]] | None:
        """Hand the operations to the writer, as the sender; they take effect in this order."""
        if not work.operations:
            return None
        message, tenant = work.message, work.station.tenant
        seen = self._gate.seen(message.principal, tenant, "", message.origin)
        return asyncio.get_running_loop().create_task(seen.write(work.operations))

    async def _settled(self, work: Work, writing: asyncio.Task[list[Result]] | None) -> Taken:
        """Return what was done when it is durable; what was refused is added to the faults.

        Raises:
            NgsiError: it could not be stored for the moment; the sender should try again.
        """
        self.figures.messages += 1
        if writing is None:
            return Taken()
        entities = values = known = 0
        past: list[Instance] = []
        for at, result in enumerate(await writing):
            if isinstance(result, NgsiError):
                work.station.inspector.forget(work.operations[at].id)
                work.faults.append(fault_of(result, work, at))
                continue
            entities += 1
            values += len(result.updated)
            reasons = [why for _, why in result.not_updated]
            known += reasons.count(KNOWN)
            if LATE in reasons:
                past += past_of(work.operations[at].content, result, work.message.received)
            device = work.devices[at]
            if device is not None:
                work.station.devices.heard(device, work.message.received)
        if past:
            await work.station.pasts.add(past)
        figures = self.figures
        figures.values += values + len(past)
        figures.late += len(past)
        figures.known += known
        return Taken(entities, values + len(past), len(past), known)

    @asynccontextmanager
    async def _lane(self, key: str) -> AsyncIterator[None]:
        """Let one message of a device or address through after the other."""
        lock, users = self._lanes.get(key) or (asyncio.Lock(), 0)
        self._lanes[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._lanes[key]
            if users == 1:
                del self._lanes[key]
            else:
                self._lanes[key] = lock, users - 1


async def _apart(tenant: Tenant, entity: dict[str, Any]) -> tuple[Context, dict[str, Any]]:
    """Return the @context that an entity brings, or else the core one, and the rest of it.

    The entity stays as it is, for who brought it may have to bring it again.
    """
    source = entity.get("@context")
    if source is None:
        return CORE, entity
    rest = {name: member for name, member in entity.items() if name != "@context"}
    return tenant.contexts.known(source) or await tenant.contexts.resolve(source), rest


def _lane_of(message: Message, station: Station) -> str:
    """Return what messages take their turns by: nobody waits for messages of somebody else."""
    device = station.devices.find(message.device) if message.device else None
    where = device.id if device is not None else message.device or message.address
    return f"{message.tenant}\n{message.principal.id}\n{where}"


def _registered(device: Device) -> dict[str, Any]:
    """Return the place where a device was put up, to be compared with where it says it is."""
    place = device.location
    return {} if place is None else {"location": {"type": "GeoProperty", "value": place}}


def _sum(one: Taken, other: Taken) -> Taken:
    last = other if other.letter is not None else one
    return last._replace(
        entities=one.entities + other.entities,
        values=one.values + other.values,
        late=one.late + other.late,
        known=one.known + other.known,
    )


def _now() -> int:
    return clocks.time_ns() // 1000
