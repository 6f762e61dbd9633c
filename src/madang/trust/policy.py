"""The policies in force: those of Madang and the city's own, kept, cached and changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from madang.model.errors import BadRequestData, ResourceNotFound
from madang.model.names import check_name, shown
from madang.query.reach import Reach
from madang.store.protocol import ItemKind
from madang.trust import rules
from madang.trust.actions import Action, EntityAction, SystemAction, TenantAction
from madang.trust.book import ALL_TYPES, Book, Compiled, compiled
from madang.trust.events import Event, PolicyDeed, Recorder
from madang.trust.explain import Explanation, explain
from madang.trust.marks import MOST_MARKS, Mark, mark_of
from madang.trust.principal import LOCAL, Principal
from madang.trust.records import Records

MOST_CACHED = 65_536  # decisions; those first made are forgotten first
MOST_PUBLIC = 1000  # types that are open data, in all tenants

_Key = tuple[Principal, Action, str, str]


class Policies:
    """Who may do what. Questions are answered at once; changes are durable when they return."""

    def __init__(self, records: Records, recorder: Recorder) -> None:
        self.revision = 0
        """Rises with every change."""
        self.on_change: list[Callable[[], None]] = []
        """Called after every change."""
        self.book = Book()
        self._records = records
        self._recorder = recorder
        self._turn = asyncio.Lock()
        self._texts: dict[str, str] = {}
        self._own: dict[str, list[Compiled]] = {}
        self._marks: dict[str, Mark] = {}
        self._public: dict[str, frozenset[str]] = {}
        self._reaches: dict[_Key, Reach] = {}
        self._allowed: dict[_Key, bool] = {}

    async def start(self) -> None:
        """Load the city's own policies, marks and public data.

        Raises:
            BadPolicy: a policy is kept that an earlier version took and this one cannot use.
        """
        for name, body in (await self._records.all("policy")).items():
            try:
                self._put(name, body["text"])
            except rules.BadPolicy as error:
                raise rules.BadPolicy(
                    f"{error}. An earlier version took this policy: start that version and change "
                    f"it or remove it with `madang policy remove {name}`"
                ) from error
        for body in (await self._records.all("mark")).values():
            mark = mark_of(body)
            self._marks[mark.id] = mark
        for body in (await self._records.all("public")).values():
            self._open(body["tenant"], body["type"])
        self._renew()

    def _put(self, name: str, text: str) -> None:
        self._own[name] = [compiled(rule) for rule in rules.read(name, text)]
        self._texts[name] = text

    def take(self, kind: str, id: str, body: dict[str, Any] | None) -> None:
        """Put into force what another hub has changed: a policy, a mark, what is public.

        Raises:
            BadPolicy: this version cannot use a policy as the other hub's could; what was in force
                stays so.
        """
        if kind == "policy":
            if body is not None:
                self._put(id, body["text"])
            else:
                self._own.pop(id, None)
                self._texts.pop(id, None)
        elif kind == "mark":
            self._marks.pop(id, None)
            if body is not None:
                self._marks[id] = mark_of(body)
        else:
            tenant, _, name = id.rpartition(" ")
            self._public[tenant] = self._public.get(tenant, frozenset()) - {name}
            if body is not None:
                self._open(tenant, name)
        self._renew()

    # --- questions ----------------------------------------------------------------------------

    def reach(
        self, principal: Principal, action: EntityAction, tenant: str, purpose: str = ""
    ) -> Reach:
        """Return what of a tenant's entities a principal may do something to, for a purpose."""
        key = (principal, action, tenant, purpose)
        found = self._reaches.get(key)
        if found is None:
            found = self.book.reach(principal, action, tenant, purpose)
            _remember(self._reaches, key, found)
        return found

    def allows(
        self, principal: Principal, action: TenantAction | SystemAction, tenant: str = ""
    ) -> bool:
        """Return whether a principal may do something in a tenant, or to the process."""
        key = (principal, action, tenant, "")
        found = self._allowed.get(key)
        if found is None:
            found = self.book.allows(principal, action, tenant)
            _remember(self._allowed, key, found)
        return found

    def explain(
        self,
        who: Principal,
        action: Action,
        what: Any = "",
        tenant: str = "",
        purpose: str = "",
    ) -> Explanation:
        """Return what is decided and why; see :func:`madang.trust.explain.explain`."""
        return explain(self.book, who, action, what, tenant, purpose)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All marks: those that come with Madang and the city's own."""
        return self.book.marks

    @property
    def own(self) -> dict[str, str]:
        """The texts of the city's own policies by name."""
        return dict(self._texts)

    # --- changes ------------------------------------------------------------------------------

    def check(self, name: str, text: str) -> list[Compiled]:
        """Return the policies in a text as they would be added.

        Raises:
            BadPolicy: it cannot be added; the text says which policy, line and what was expected.
        """
        rules.check_name(name)
        if name not in self._texts and len(self._texts) >= rules.MOST_FILES:
            raise rules.BadPolicy(
                f"there are {rules.MOST_FILES:,} policies, which is the most; remove one first"
            )
        return [compiled(rule) for rule in rules.read(name, text)]

    async def add(self, name: str, text: str, by: Principal = LOCAL, address: str = "") -> None:
        """Add a policy of the city's own, or put it in place of the one of the same name.

        Raises:
            BadPolicy: it cannot be added.
        """
        async with self._turn:
            found = await asyncio.to_thread(self.check, name, text)

            def apply() -> None:
                self._texts[name] = text
                self._own[name] = found

            await self._change(
                ("policy", name), {"text": text}, apply, _event("policyAdded", name, by, address)
            )

    async def remove(self, name: str, by: Principal = LOCAL, address: str = "") -> None:
        """Remove a policy of the city's own.

        Raises:
            ResourceNotFound: there is none of this name.
        """
        async with self._turn:
            if name in rules.shipped_names():
                raise ResourceNotFound(
                    f"{name!r} comes with Madang and stays; forbid what it permits with a policy "
                    "of your own"
                )
            if name not in self._texts:
                raise ResourceNotFound(
                    f"there is no policy {shown(name)} of your own; `madang policy list` names "
                    "those there are"
                )

            def apply() -> None:
                del self._texts[name], self._own[name]

            await self._change(
                ("policy", name), None, apply, _event("policyRemoved", name, by, address)
            )

    async def mark(self, mark: Mark, by: Principal = LOCAL, address: str = "") -> None:
        """Mark an attribute, in place of an earlier mark of it in the same types.

        Raises:
            BadRequestData: there are too many marks.
        """
        async with self._turn:
            if mark.id not in self._marks and len(self._marks) >= MOST_MARKS:
                raise BadRequestData(
                    f"there are {MOST_MARKS:,} marks, which is the most; remove one first"
                )

            def apply() -> None:
                self._marks[mark.id] = mark

            event = _event("markAdded", mark.id, by, address)
            await self._change(("mark", mark.id), mark.body(), apply, event)

    async def unmark(
        self, attribute: str, types: tuple[str, ...], by: Principal = LOCAL, address: str = ""
    ) -> None:
        """Remove a mark of the city's own.

        Raises:
            ResourceNotFound: there is none of this attribute in these types.
        """
        id = Mark(attribute, tuple(sorted(set(types)))).id
        async with self._turn:
            if id not in self._marks:
                raise ResourceNotFound(
                    f"you have not marked {shown(attribute)} in {', '.join(types) or 'no type'}; "
                    "`madang policy mark list` shows the marks, and those of Madang stay"
                )

            def apply() -> None:
                del self._marks[id]

            await self._change(("mark", id), None, apply, _event("markRemoved", id, by, address))

    async def publish(
        self, tenant: str, type: str | None, by: Principal = LOCAL, address: str = ""
    ) -> None:
        """Make the entities of a type open data; all of the tenant's if ``type`` is None.

        Raises:
            BadRequestData: it is no type, or there are too many.
        """
        name = ALL_TYPES if type is None else check_name(type, "type")
        async with self._turn:
            if sum(map(len, self._public.values())) >= MOST_PUBLIC:
                raise BadRequestData(
                    f"{MOST_PUBLIC:,} types are public, which is the most; make a tenant public "
                    "as a whole instead"
                )
            await self._change(
                ("public", f"{tenant} {name}"),
                {"tenant": tenant, "type": name},
                lambda: self._open(tenant, name),
                _event("published", name, by, address, tenant),
            )

    async def unpublish(
        self, tenant: str, type: str | None, by: Principal = LOCAL, address: str = ""
    ) -> None:
        """Take back that a type, or the tenant as a whole, is open data.

        Raises:
            ResourceNotFound: it was not made so.
        """
        name = ALL_TYPES if type is None else type
        async with self._turn:
            if name not in self._public.get(tenant, ()):
                what = "the tenant as a whole" if type is None else f"type {shown(type)}"
                raise ResourceNotFound(
                    f"{what} is not public in {_named(tenant)}; `madang policy public list` "
                    "shows what is"
                )

            def apply() -> None:
                self._public[tenant] -= {name}

            event = _event("unpublished", name, by, address, tenant)
            await self._change(("public", f"{tenant} {name}"), None, apply, event)

    async def _change(
        self,
        key: tuple[ItemKind, str],
        body: dict[str, Any] | None,
        apply: Callable[[], None],
        event: Event,
    ) -> None:
        """Make a change durable, then put it into force, then into the audit log."""
        await self._records.put(*key, body)
        apply()
        self._renew()
        await self._recorder.record(replace(event, detail=body or {}))

    def _open(self, tenant: str, name: str) -> None:
        self._public[tenant] = self._public.get(tenant, frozenset()) | {name}

    def _renew(self) -> None:
        """Put the change into force."""
        policies = [one for name in sorted(self._own) for one in self._own[name]]
        marks = [self._marks[id] for id in sorted(self._marks)]
        self.book = Book(policies, marks, {t: types for t, types in self._public.items() if types})
        self._reaches.clear()
        self._allowed.clear()
        self.revision += 1
        for told in self.on_change:
            told()


def _event(action: PolicyDeed, id: str, by: Principal, address: str, tenant: str = "") -> Event:
    return Event("policy", by.id, action, tenant=tenant, targets=(id,), address=address)


def _named(tenant: str) -> str:
    return f"tenant {tenant!r}" if tenant else "the default tenant"


def _remember(cache: dict[_Key, Any], key: _Key, value: Any) -> None:
    if len(cache) >= MOST_CACHED:
        del cache[next(iter(cache))]
    cache[key] = value
