"""Telling people: every ``Notice`` that waits is sent on the channels of those it is for.

What was tried is written into the notice, so after a crash only what was not yet done is done
again; what was under way in that moment may come twice, with the same id. Only the live hub sends:
a notice that a replay or a branch writes reaches nobody.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from madang.act.follow import Follower
from madang.act.incidents.cap import sender_of
from madang.act.incidents.incident import INCIDENT, Incident, number, of, said
from madang.act.notify.contacts import Directory, Person
from madang.act.notify.mail import Mail
from madang.act.notify.message import Message, Sender
from madang.act.notify.mqtt import Brokers
from madang.act.notify.web import Agencies, Poster, Pushes, TextMessages, Webhooks
from madang.hub.hosts import Bounds
from madang.hub.message import Refused, SendFailed
from madang.hub.operations import Append
from madang.hub.records import Own
from madang.hub.shared_tenant import SharedTenant
from madang.model import time
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.errors import NgsiError
from madang.model.normalize import entity as normalized
from madang.services import records
from madang.services.city import Thing
from madang.services.records import NOTICE
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.settings import Settings
    from madang.trust.records import Records
    from madang.trust.secrets import Secrets

log = structlog.get_logger("madang.act")

AT_ONCE = 20  # deliveries of one notice
FIRST_WAIT_S = 10.0
LONGEST_WAIT_S = 600.0
MOST_TRIES = {True: 6, False: 12}
"""Of what is urgent (five minutes: then somebody else must be told) and of other notices (an hour).
"""
KEPT_US = 90 * 86_400 * 1_000_000
"""How long the state has a notice that was sent; history has it for good."""
_KEY = "web-push"

Delivery = dict[str, Any]


class Notices:
    """Sends the notices of all tenants, and knows their contacts. To be made before the hub starts.

    Args:
        settings: mail server, gateway, address of the hub.
        hub: whose tenants.
        trust_records: where the key of web push is kept.
        secrets: seal that key, and contacts.
    """

    def __init__(
        self, settings: Settings, hub: Hub, trust_records: Records, secrets: Secrets
    ) -> None:
        named = tuple(host for host in settings.notify_hosts if host != "*")
        bounds = Bounds(named, sender_of(settings.url))
        poster = Poster(bounds, settings.notify_hosts)
        self._hub = hub
        self._url = settings.url
        self._records = trust_records
        self._secrets = secrets
        self._open: dict[str, tuple[Directory, Follower]] = {}
        self._senders: dict[str, Sender] = {
            "email": Mail(settings.mail),
            "sms": TextMessages(settings.sms),
            "webhook": Webhooks(poster),
            "cap": Agencies(poster, sender_of(settings.url), settings.url),
            "mqtt": Brokers(bounds, settings.notify_hosts),
            "push": Pushes(poster, self._push_key, _contact(settings)),
        }
        hub.on_open.append(self.take_up)
        hub.on_work["services"].append(self.begin)
        hub.on_rest["services"].append(self.rest)

    async def take_up(self, tenant: Tenant) -> None:
        """Learn the contacts of a tenant that is opened, and what other hubs change of them."""
        directory = Directory(tenant, self._secrets)
        if isinstance(tenant, SharedTenant):
            tenant.takers["contact"].append(directory.take)
        await directory.load()
        sending = _Sending(tenant, directory, self._senders, self._url)
        follower = Follower(tenant, "notices", [NOTICE], 'status=="waiting"', sending.handle)
        self._open[tenant.name] = directory, follower

    async def begin(self, tenant: Tenant) -> None:
        """Send what waits in a tenant, and what comes."""
        await self._open[tenant.name][1].start()

    async def rest(self, tenant: Tenant) -> None:
        """Leave a tenant's to another hub."""
        await self._open[tenant.name][1].close()

    async def directory(self, tenant: str) -> Directory:
        """Return the contacts of a tenant.

        Raises:
            NonexistentTenant: there is none of that name.
        """
        opened = await self._hub.tenant(tenant, create=False)
        return self._open[opened.name][0]

    def directories(self) -> list[tuple[str, Directory]]:
        """Return the contacts of every tenant, by its name."""
        return [(name, directory) for name, (directory, _) in self._open.items()]

    async def push_key(self) -> str:
        """Return the public key of this hub that browsers subscribe with, in base64url."""
        private = int.from_bytes(_unpadded(await self._push_key()))
        public = ec.derive_private_key(private, ec.SECP256R1()).public_key()
        point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _padded(point)

    async def _push_key(self) -> str:
        """Return the private key, made when it is first needed."""
        kept = await self._records.get("secret", _KEY)
        if kept is not None:
            return self._secrets.unseal(kept["sealed"], _KEY).decode()
        made = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
        key = _padded(made.to_bytes(32))
        await self._records.put("secret", _KEY, {"sealed": self._secrets.seal(key.encode(), _KEY)})
        return key

    async def close(self) -> None:
        """End; what waits is sent when the hub starts again."""
        for _, follower in self._open.values():
            await follower.close()
        for sender in self._senders.values():
            await sender.close()


class _Sending:
    """Sends the notices of one tenant."""

    def __init__(
        self, tenant: Tenant, directory: Directory, senders: Mapping[str, Sender], url: str
    ) -> None:
        self._tenant = tenant
        self._directory = directory
        self._senders = senders
        self._url = url

    async def handle(self, entity: Entity) -> float | None:
        """Try what is due of a notice; return after how many seconds to try again."""
        notice, now = Thing(entity.document), self._tenant.clock.now()
        urgent, at = bool(notice["urgent"]), datetime.fromtimestamp(now / 1e6, UTC)
        deliveries: list[Delivery] = notice["deliveries"] or self._planned(notice, urgent, at)
        if not deliveries:
            why = f"there is nobody to tell by the name {notice['to']!r}"
            nobody = {"person": str(notice["to"]), "channel": "", "ok": False, "error": why}
            await self._write(entity.id, [nobody], "failed", now)
            return None
        room, about = asyncio.Semaphore(AT_ONCE), await self._about(notice)
        due = [one for one in deliveries if _is_due(one, now, urgent)]

        async def one_of(delivery: Delivery) -> None:
            async with room:
                await self._try(delivery, notice, about, entity.created, at)

        await asyncio.gather(*map(one_of, due))
        left = [one for one in deliveries if not _is_settled(one, urgent)]
        is_told = any(one["ok"] for one in deliveries)
        status = "waiting" if left else "sent" if is_told else "failed"
        if due:
            await self._write(entity.id, deliveries, status, now)
        if not left:
            return None
        later = min(time.parse(one["next"]) for one in left)
        return max((later - self._tenant.clock.now()) / 1e6, 0.0)

    def _planned(self, notice: Thing, urgent: bool, at: datetime) -> list[Delivery]:
        """Return who is to be told how; of a rota, who is on call now."""
        found: list[Delivery] = []
        for name, person in self._directory.people(str(notice["to"]), at).items():
            quiet_s = 0.0 if urgent or person.quiet is None else person.quiet.left_s(at)
            start = time.render(int((at.timestamp() + quiet_s) * 1e6))
            found += [
                {"person": name, "channel": label, "ok": False, "tries": 0, "next": start}
                for label, channel in person.labelled()
                if urgent or not channel.urgent_only
            ]
        return found

    async def _about(self, notice: Thing) -> Incident | None:
        about = notice["about"]
        row = await self._tenant.get(about) if isinstance(about, str) else None
        thing = None if row is None else Thing(entity_of(row).document)
        return of(thing) if thing is not None and thing.type == INCIDENT else None

    async def _try(
        self,
        delivery: Delivery,
        notice: Thing,
        incident: Incident | None,
        asked: int,
        at: datetime,
    ) -> None:
        name, label = delivery["person"], delivery["channel"]
        delivery["tries"] += 1
        delivery["at"] = time.render(int(at.timestamp() * 1e6))
        delivery.pop("error", None)
        person = self._directory.people(name, at).get(name)
        channel = None if person is None else dict(person.labelled()).get(label)
        if person is None or channel is None:
            delivery["error"], delivery["final"] = "the channel was removed meanwhile", True
            return
        message = self._message(notice, incident, name, person, asked)
        try:
            await self._senders[channel.kind].send(channel, message, person)
            delivery["ok"] = True
        except Refused as error:
            delivery["error"], delivery["final"] = str(error)[:500], True
        except (SendFailed, NgsiError) as error:
            delivery["error"] = str(error)[:500]
        if not delivery["ok"]:
            wait_s = min(FIRST_WAIT_S * 2 ** (delivery["tries"] - 1), LONGEST_WAIT_S)
            delivery["next"] = time.render(int((at.timestamp() + wait_s) * 1e6))
            log.warning(
                "notice.not_sent", notice=notice.id, person=name, channel=label,
                reason=delivery["error"],
            )  # fmt: skip

    def _message(
        self, notice: Thing, incident: Incident | None, name: str, person: Person, asked: int
    ) -> Message:
        about = str(notice["about"] or "")
        link = "" if incident is None else f"{self._url}/incidents/{number(about)}/report"
        return Message(
            notice.id,
            self._tenant.name,
            name,
            said(notice["title"], person.language),
            said(notice["text"], person.language),
            person.language,
            bool(notice["urgent"]),
            about,
            incident,
            link,
            asked,
        )

    async def _write(self, id: str, deliveries: list[Delivery], status: str, now: int) -> None:
        put: dict[str, Any] = {"id": id, "type": NOTICE, "deliveries": records.json(deliveries)}
        if status != "waiting":
            put["status"] = {
                "type": "Property", "value": status, "observedAt": time.render(now),
            }  # fmt: skip
            put["expiresAt"] = time.render(now + KEPT_US)
        (result,) = await self._tenant.write([Own(Append(id, normalized(put, CORE)))])
        if isinstance(result, NgsiError):
            raise result


def _is_settled(delivery: Delivery, urgent: bool) -> bool:
    return bool(delivery["ok"] or delivery.get("final") or delivery["tries"] >= MOST_TRIES[urgent])


def _is_due(delivery: Delivery, now: int, urgent: bool) -> bool:
    return not _is_settled(delivery, urgent) and time.parse(delivery["next"]) <= now


def _contact(settings: Settings) -> str:
    """Return how a push service reaches who runs this hub (RFC 8292 section 2.1)."""
    if settings.security_contact.startswith(("mailto:", "https://")):
        return settings.security_contact
    if settings.mail is not None:
        address = settings.mail.sender.rpartition("<")[2].rstrip(">")
        return f"mailto:{address}"
    return settings.url if settings.url.startswith("https://") else "mailto:madang@localhost"


def _padded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
