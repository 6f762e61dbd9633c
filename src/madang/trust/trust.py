"""Composes trust: identities, policies, audit log, and the gate before everything."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from madang.hub.clock import Clock
from madang.model.errors import Conflict
from madang.query.reach import WHOLE, Reach
from madang.trust import local
from madang.trust.audit import Audit
from madang.trust.audit_file import place
from madang.trust.checkpoint import Signer
from madang.trust.consents import Consents
from madang.trust.events import Event
from madang.trust.gate import Gate
from madang.trust.guard import Guard
from madang.trust.identities import Identities
from madang.trust.limits import Limits
from madang.trust.openid import OpenId
from madang.trust.openid_secrets import ProviderSecrets
from madang.trust.own_subscriptions import OwnSubscriptions
from madang.trust.personal import PersonalData
from madang.trust.policy import Policies
from madang.trust.principal import LOCAL, OPEN, Principal
from madang.trust.purposes import Purposes
from madang.trust.records import Body, Records
from madang.trust.secrets import Secrets
from madang.trust.seen_history import SeenHistory
from madang.trust.seen_history import event as history_event
from madang.trust.view import View

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.settings import Settings
    from madang.store.protocol import Engine, Item

MOST_TENANTS_SHOWN = 20
_AUDIT_KEY = "audit-signing-key"


class Trust:
    """All of it, for one process.

    Made by :meth:`open`, because the parts need the system store, and closed by :meth:`close`.
    """

    def __init__(
        self, settings: Settings, records: Records, audit: Audit, identities: Identities
    ) -> None:
        self.folder = settings.data
        self.records = records
        self.audit = audit
        self.identities = identities
        self.policies = Policies(records, audit)
        self.consents = Consents(records, audit, Purposes(records, audit), Clock().now)
        self.openid = OpenId(settings.openid)
        self.gate = Gate(
            identities,
            self.policies,
            Limits(settings),
            audit,
            self._view,
            check_purpose=self.consents.purposes.check,
            is_open=settings.open,
            proxies=frozenset(settings.trusted_proxies),
        )
        identities.on_change.append(lambda _: self._changed())
        self.policies.on_change.append(self._changed)
        self._hub: Hub | None = None
        self.personal: PersonalData
        """Made when the hub is there; see :meth:`watch`."""

    @classmethod
    async def open(cls, settings: Settings, engine: Engine) -> Trust:
        """Open what trust keeps, and take it up."""
        records = Records(await engine.system())
        signer = Signer.of(await _audit_seed(records, settings.data))
        audit = Audit(place(settings.data), signer)
        await audit.start()
        identities = Identities(records, audit, settings.data, settings.url)
        trust = cls(settings, records, audit, identities)
        await identities.start()
        trust.openid.secrets = ProviderSecrets(records, identities.secrets)
        await trust.policies.start()
        await trust.consents.purposes.start()
        await trust.consents.start()
        return trust

    def take(self, items: Sequence[Item]) -> None:
        """Take up what other hubs that share the database have changed."""
        identities = self.identities
        policies = self.policies.take
        parts: dict[str, Callable[[str, Body | None], None]] = {
            "account": identities.accounts.take,
            "key": identities.keys.take,
            "session": identities.sessions.take,
            "link": identities.links.take,
            "secret": identities.tokens.take,
            "setting": self.consents.purposes.take,
            "consent": self.consents.take,
            **{kind: partial(policies, kind) for kind in ("policy", "mark", "public")},
        }
        for item in items:
            if item.kind in parts:  # the rest is read when it is needed
                body = None if item.body is None else orjson.loads(item.body)
                parts[item.kind](item.id, body)

    def watch(self, hub: Hub) -> None:
        """Let the subscriptions of a hub be judged anew whenever something changes."""
        self._hub = hub
        self.personal = PersonalData(
            hub,
            self.identities,
            self.consents,
            self.audit,
            lambda: self.policies.marks,
            self.folder,
        )

    def listening(self, port: int) -> None:
        """Make the key of this machine, now that the port is known."""
        self.gate.local_key = local.make(self.folder, port)

    async def close(self) -> None:
        """Write out what is only in memory; identities, kept by the engine, go before it."""
        local.remove(self.folder)
        await self.openid.close()
        await self.audit.close()

    def reach_of(self, tenant: str, owner: str) -> Reach | None:
        """Return what the owner of a subscription may see; None if they may not subscribe."""
        if owner in (LOCAL.id, OPEN.id):
            return WHOLE
        principal = self.identities.find(owner)
        if principal is None or not self.policies.allows(principal, "subscribe", tenant):
            return None
        return self.policies.reach(principal, "readEntity", tenant)

    def on_notified(
        self,
        tenant: str,
        owner: str,
        ids: frozenset[str],
        subjects: frozenset[str],
        attributes: frozenset[str],
    ) -> None:
        """Note that personal data goes to the owner of a subscription."""
        self.audit.note(
            Event(
                "personalRead",
                owner,
                "readAttribute",
                tenant=tenant,
                targets=tuple(sorted(ids)),
                subjects=tuple(sorted(subjects)),
                detail={"attributes": sorted(attributes), "by": "subscription"},
            )
        )

    async def counts(self, principal: Principal, address: str) -> list[tuple[str, int]]:
        """Return tenants, each with the number of its entities that a principal can see."""
        assert self._hub is not None
        found = []
        for name, tenant in sorted(self._hub.open.items())[:MOST_TENANTS_SHOWN]:
            if self.gate.may(principal, "readEntity", name):
                shapes = await self.gate.seen(principal, tenant, "", address).shapes()
                found.append((name, sum(shape.count for shape in shapes)))
        return found

    def _view(self, principal: Principal, tenant: Tenant, purpose: str, address: str) -> View:
        name = tenant.name
        reach = partial(self.policies.reach, principal, tenant=name, purpose=purpose)
        guard = Guard(
            principal,
            name,
            self.audit,
            read=reach("readEntity"),
            create=reach("createEntity"),
            update=reach("updateEntity"),
            delete=reach("deleteEntity"),
            address=address,
        )
        sees_all = self.policies.allows(principal, "seeSubscriptions", name)

        def on_personal(
            ids: frozenset[str], subjects: frozenset[str], attributes: frozenset[str]
        ) -> None:
            self.audit.note(
                Event(
                    "personalRead",
                    principal.id,
                    "readAttribute",
                    tenant=name,
                    targets=tuple(sorted(ids)),
                    subjects=tuple(sorted(subjects)),
                    purpose=purpose,
                    address=address,
                    detail={"attributes": sorted(attributes)},
                )
            )

        async def record(ids: Sequence[str]) -> None:
            if principal.kind == "person" and ids:
                await self.audit.record(history_event(principal.id, name, ids, address))

        history = SeenHistory(
            tenant.history, reach("readHistory"), reach("updateEntity"), record, on_personal
        )
        return View(
            tenant,
            principal,
            reach("readEntity"),
            history=history,
            guard=guard,
            subscriptions=OwnSubscriptions(tenant.subscriptions, principal.id, sees_all=sees_all),
            purpose=purpose,
            consented=self.consents.given,
            on_personal=on_personal,
        )

    def _changed(self) -> None:
        self.gate.close_doors()
        if self._hub is not None:
            for tenant in self._hub.open.values():
                tenant.subscriptions.refresh()


async def _audit_seed(records: Records, folder: Path) -> bytes:
    """Return the seed of the key that signs heads of the audit log; made at the first start."""
    while True:
        try:
            return await _read_or_make_seed(records, folder)
        except Conflict:  # a hub that began with the same new database has made it: it is there now
            continue


async def _read_or_make_seed(records: Records, folder: Path) -> bytes:
    secrets = await Secrets.open(records, folder)
    kept = await records.get("secret", _AUDIT_KEY)
    if kept is not None:
        return secrets.unseal(kept["sealed"], _AUDIT_KEY)
    seed = os.urandom(32)
    await records.put("secret", _AUDIT_KEY, {"sealed": secrets.seal(seed, _AUDIT_KEY)})
    return seed
