"""What one principal may write: each operation is judged in the writer's turn, with what it does.

The state before and the state after are judged there, so nothing can change in between.

* What is out of the principal's sight is as if it were not there. Ids are one namespace, though:
  whoever may create an entity learns from the conflict that an id is taken.
* Nobody moves an entity out of their own reach, nor into a type or scope that is not theirs; one
  of several types or scopes is judged as if it were the only one.
* An attribute that is hidden for writing cannot be named in a write. One that goes without being
  named, as when a whole entity is replaced by somebody who does not see all of it, is kept.
  To delete a whole entity is a right of its own, and its hidden attributes go with it.

Source: ETSI GS CIM 009 clause 5.6 (operations); NIST SP 800-162 (attribute-based access control).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from madang.hub.operations import (
    Create,
    Delete,
    DeleteAttribute,
    Keep,
    Observe,
    Operation,
    Upsert,
)
from madang.hub.records import Own
from madang.hub.writer import Result
from madang.model.attributes import instances
from madang.model.entity import CHILD, Entity, path_of
from madang.model.errors import (
    BadRequestData,
    Forbidden,
    InternalError,
    NgsiError,
    ResourceNotFound,
)
from madang.model.state import Outcome
from madang.model.without import name_of
from madang.query.fits import fits
from madang.query.reach import HiddenNames, Reach
from madang.trust.actions import AttributeAction, EntityAction
from madang.trust.events import Event, Recorder
from madang.trust.principal import Principal

Write = Callable[[Sequence[Operation]], Awaitable[list[Result]]]

MOST_TARGETS = 1_000  # of one event in the audit log
MOST_PARTS = 100  # types or scopes that an entity may be given at a time


class Guard:
    """What one principal may do to the entities of one tenant, and the record of it.

    Args:
        principal: who.
        tenant: its name.
        recorder: is told of what persons write, and of what is denied.
        read: what is there for the principal.
        create: what they may create; its hidden attributes they must not give it.
        update: what they may change; its hidden attributes they must not write.
        delete: what they may delete.
        address: where their requests come from.
    """

    __slots__ = (
        "_address",
        "_create",
        "_creates",
        "_delete",
        "_is_person",
        "_is_service",
        "_read",
        "_recorder",
        "_tenant",
        "_unseen",
        "_unwritten",
        "_update",
        "_whole",
        "principal",
    )

    def __init__(
        self,
        principal: Principal,
        tenant: str,
        recorder: Recorder,
        *,
        read: Reach,
        create: Reach,
        update: Reach,
        delete: Reach,
        address: str = "",
    ) -> None:
        self.principal = principal
        self._is_person = principal.kind == "person"
        self._is_service = principal.is_service
        self._tenant = tenant
        self._recorder = recorder
        self._address = address
        self._read = fits(read.condition)
        self._create = fits(create.condition)
        self._update = fits(update.condition)
        self._delete = fits(delete.condition)
        self._creates = HiddenNames(create.hidden)
        self._unwritten = HiddenNames(update.hidden)
        self._unseen = HiddenNames(read.hidden)
        self._whole = all(reach.is_whole for reach in (read, create, update, delete))

    def guarded(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Return operations that do the same within the reach, and fail one by one beyond it."""
        if self._whole:
            return operations
        guarded = [Guarded(self, operation) for operation in operations]
        return [Own(one) for one in guarded] if self._is_service else guarded

    def updates(self, entity: Entity) -> bool:
        """Tell whether an entity may be changed as it is."""
        return all(fits is None or fits(entity) for fits in (self._read, self._update))

    def deletes(self, entity: Entity) -> bool:
        """Tell whether an entity may be deleted as it is."""
        return all(fits is None or fits(entity) for fits in (self._read, self._delete))

    async def write(self, write: Write, operations: Sequence[Operation]) -> list[Result]:
        """Apply operations as far as they are allowed; return when they are durable.

        What a person wrote is in the audit log by then. Devices, apps and services write too much
        to be recorded one by one; what they are denied is noted.

        Args:
            write: applies operations, as :meth:`madang.hub.tenant.Tenant.write`.
            operations: what is asked.

        Raises:
            InternalError: it was done, but could not be put on record.
        """
        results = await write(self.guarded(operations))
        if self._is_person:
            await self._record(self._events(operations, results))
        elif not self._whole:
            for result in results:
                if type(result) is NotAllowed:
                    for event in self._events(operations, results):
                        self._recorder.note(event)
                    break
        return results

    async def _record(self, events: Sequence[Event]) -> None:
        try:
            await self._recorder.record(*events)
        except NgsiError as error:
            raise InternalError(
                f"the change was made, but the audit log did not take it ({error.detail}); look at"
                " the entity before you repeat it"
            ) from error

    def _events(self, operations: Sequence[Operation], results: Sequence[Result]) -> list[Event]:
        """Return what there is to record: an event for each action, more for many targets."""
        ids: dict[tuple[bool, EntityAction | AttributeAction], list[str]] = {}
        for operation, result in zip(operations, results, strict=True):
            if isinstance(result, NotAllowed):
                ids.setdefault((False, result.action), []).append(operation.id)
            elif self._is_person and isinstance(result, Outcome):
                ids.setdefault((True, _action(operation, result)), []).append(operation.id)
        who = self.principal.id
        return [
            Event(
                "write" if done else "denial",
                who,
                action,
                "done" if done else "denied",
                self._tenant,
                tuple(targets[first : first + MOST_TARGETS]),
                address=self._address,
            )
            for (done, action), targets in ids.items()
            for first in range(0, len(targets), MOST_TARGETS)
        ]

    # --- in the writer's turn -----------------------------------------------------------------

    def apply(self, operation: Operation, current: Entity | None, now: int) -> Outcome:
        """Do what :meth:`Operation.apply` does.

        Raises:
            ResourceNotFound: the entity is not there, as far as the principal can see.
            Forbidden: the principal may not do this; the text says what, and the way out.
        """
        outcome = self._judged(operation, current, now)
        # What a service did is told apart for ever: a replay leaves it out.
        return outcome._replace(trace=self.principal.id) if self._is_service else outcome

    def _judged(self, operation: Operation, current: Entity | None, now: int) -> Outcome:
        if current is None or type(operation) is Create:
            outcome = operation.apply(None, now)
            self._judge_creation(operation, outcome)
            return outcome if current is None else operation.apply(current, now)
        if self._read is not None and not self._read(current):
            raise self._not_there(operation, now)
        if type(operation) is Delete:
            return self._deleted(operation, current, now)
        if self._update is not None and not self._update(current):
            raise self.forbidden("updateEntity", operation.id)
        outcome = self._kept(operation, current, now)
        after = outcome.entity
        if after is not None and after is not current:
            self._judge_update(operation, current, after)
        return outcome

    def _judge_creation(self, operation: Operation, outcome: Outcome) -> None:
        after = outcome.entity
        if after is None:
            return
        if self._create is not None and not all(map(self._create, _parts(after))):
            raise self.forbidden("createEntity", operation.id, after)
        self._refuse_names(self._creates.of(after.document["type"]), operation)

    def _judge_update(self, operation: Operation, before: Entity, after: Entity) -> None:
        """Refuse to move an entity out of the reach, or into a type or scope out of it."""
        if after.expires is not None and after.expires != before.expires:
            self._judge_deletion(operation, before)  # to let it expire is to delete it
        fits = self._update
        if fits is None:
            return
        old, new = before.document, after.document
        moved = old["type"] != new["type"] or old.get("scope") != new.get("scope")
        if not (all(map(fits, _parts(after, before))) if moved else fits(after)):
            raise self.forbidden("updateEntity", operation.id, after)

    def _deleted(self, operation: Operation, current: Entity, now: int) -> Outcome:
        outcome = operation.apply(current, now)
        self._judge_deletion(operation, current)
        return outcome

    def _judge_deletion(self, operation: Operation, before: Entity) -> None:
        if self._delete is not None and not self._delete(before):
            raise self.forbidden("deleteEntity", operation.id)

    def _not_there(self, operation: Operation, now: int) -> Exception:
        """Return what is raised for an entity out of sight."""
        try:
            outcome = operation.apply(None, now)
        except ResourceNotFound as error:
            return error
        self._judge_creation(operation, outcome)
        # It would be created where it is not there; so this tells no more than a conflict does.
        return self.forbidden("createEntity", operation.id)

    # --- hidden attributes --------------------------------------------------------------------

    def _kept(self, operation: Operation, current: Entity, now: int) -> Outcome:
        """Apply an operation, but refuse or undo what it does to hidden attributes."""
        types = current.document["type"]
        unwritten, unseen = self._unwritten.of(types), self._unseen.of(types)
        if unwritten:
            self._refuse_names(unwritten, operation)
        outcome = operation.apply(current, now)
        after = outcome.entity
        if after is None or after is current:
            return outcome
        if after.document["type"] != types:
            self._refuse_names(self._unwritten.of(after.document["type"]), operation)
        if not (unwritten or unseen):
            return outcome
        kept = unwritten | (unseen - _named(operation))
        lost = {n for n in kept if n in current.document and n not in after.document}
        if not lost:
            return outcome
        whole = _with(after, current, lost)
        types = whole.document["type"]
        if not lost <= self._unwritten.of(types) | self._unseen.of(types):
            raise self.forbidden("updateEntity", operation.id, after)  # it would come to light
        deleted = tuple(path for path in outcome.deleted if name_of(path) not in lost)
        return outcome._replace(entity=whole, deleted=deleted)

    def _refuse_names(self, hidden: frozenset[str], operation: Operation) -> None:
        """Refuse to write attributes that must not be written to an entity of its types.

        It is said before looking whether they are there, so the answer does not tell.
        """
        if not hidden:
            return
        refused = hidden & _named(operation)
        if refused:
            raise NotAllowed(
                "writeAttribute",
                f"{self.principal.name} may not write {', '.join(sorted(refused))} of"
                f" {operation.id}; leave it out, or ask an administrator to grant writeAttribute",
            )

    def forbidden(self, action: EntityAction, id: str, state: Entity | None = None) -> NotAllowed:
        """Return the refusal of an action, which says how it could be allowed.

        Args:
            action: what is not allowed.
            id: of the entity.
            state: what the entity would be, if that is why.
        """
        where = "" if state is None else f" as {_described(state)}"
        who = self.principal
        return NotAllowed(
            action,
            f"{who.name} may not {action} {id}{where}; an administrator can grant it, and"
            f" `madang policy explain {who.id} {action} {id}` says which policy decides",
        )


class NotAllowed(Forbidden):
    """The refusal of one operation."""

    def __init__(self, action: EntityAction | AttributeAction, detail: str) -> None:
        super().__init__(detail)
        self.action = action


class Guarded:
    """An operation within the reach of a principal."""

    __slots__ = ("_guard", "id", "operation")

    def __init__(self, guard: Guard, operation: Operation) -> None:
        self._guard = guard
        self.operation = operation
        self.id = operation.id

    def apply(self, current: Entity | None, now: int) -> Outcome:
        return self._guard.apply(self.operation, current, now)


def _action(operation: Operation, outcome: Outcome) -> EntityAction:
    """Return what was done to an entity."""
    after = outcome.entity
    if after is None:
        return "deleteEntity"
    is_new = after.created == after.modified and isinstance(operation, Create | Observe | Upsert)
    return "createEntity" if is_new else "updateEntity"


def _parts(entity: Entity, before: Entity | None = None) -> Iterator[Entity]:
    """Return an entity, and as if each of its types and scopes were its only one.

    Those that it had ``before`` are left out.

    Raises:
        BadRequestData: there are very many; each would be judged.
    """
    yield entity
    old = {} if before is None else before.document
    for member in ("type", "scope"):
        values = _list(entity.document.get(member))
        if len(values) > 1:
            new = set(values) - set(_list(old.get(member)))
            if len(new) > MOST_PARTS:
                raise BadRequestData(f"{member} may have {MOST_PARTS} new values at a time at most")
            for value in new:
                yield replace(entity, document={**entity.document, member: value})


def _list(value: Any) -> list[str]:
    return [] if value is None else value if type(value) is list else [value]


def _named(operation: Operation) -> frozenset[str]:
    """Return the attributes that an operation is asked to write or delete."""
    if type(operation) is DeleteAttribute:
        return frozenset((operation.name,))
    if type(operation) is Keep:
        return operation.names if operation.drop else frozenset()
    content = getattr(operation, "content", None)
    return frozenset() if content is None else frozenset(content.names)


def _with(after: Entity, before: Entity, names: Collection[str]) -> Entity:
    """Return an entity with attributes, and their times, as they were before."""
    document = {**after.document, **{name: before.document[name] for name in sorted(names)}}
    times = dict(after.times)
    for name in names:
        for instance in instances(before.document[name]):
            path = path_of(name, instance)
            times[path] = before.stamp(path)
            inner = path + CHILD
            times |= {p: stamp for p, stamp in before.times.items() if p.startswith(inner)}
    return Entity(document, after.created, after.modified, after.written, times, after.expires)


def _described(state: Entity) -> str:
    kinds = ", ".join(state.types)
    scopes = ", ".join(_list(state.document.get("scope")))
    return f"{kinds} in {scopes}" if scopes else kinds
