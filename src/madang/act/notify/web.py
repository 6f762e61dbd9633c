"""Notices to programs, agencies, telephones and browsers: all that is posted over HTTP.

Addresses that contacts name are kept within the bounds of :mod:`madang.hub.hosts`; the gateway of
the settings may be anywhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

import aiohttp
import orjson

from madang.act.incidents.cap import cap_of
from madang.act.notify.channels import Cap, Push, Sms, Webhook
from madang.act.notify.contacts import Person
from madang.act.notify.message import Message
from madang.act.notify.signature import HEADER, sign
from madang.hub.hosts import BoundedResolver, Bounds, is_named, out_of_bounds
from madang.hub.message import Refused, SendFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from madang.settings_types import SmsGateway

TIMEOUT_S = 15.0
LONGEST_SMS = 600  # characters
PUSH_KEPT_S = 4 * 3600  # how long a push service keeps what a browser has not fetched
_MAY_PASS = frozenset((408, 425, 429))
_ANSWER = 16 * 1024  # bytes of an answer that are read


class Poster:
    """Posts bodies. Connections are shared, but none into the city's own network with a stranger.

    Args:
        bounds: where contacts may lie that no administrator has named.
        allowed: hosts that the settings let be notified at all: patterns, or ``*``.
    """

    def __init__(self, bounds: Bounds, allowed: Sequence[str] = ("*",)) -> None:
        self._bounds = bounds
        self._allowed = tuple(allowed)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], inside: bool) -> None:
        """Post a body; any 2xx is a success.

        Raises:
            Refused: the address is out of bounds, or its answer says that it never will take it.
            SendFailed: no answer in time, or one that may pass.
        """
        host = urlsplit(url).hostname or ""
        if "*" not in self._allowed and not is_named(host, self._allowed):
            raise Refused(f"this hub does not notify {host}; the setting notify_hosts names others")
        if not inside and not self._bounds.admits(host):
            raise Refused(out_of_bounds(host))
        try:
            async with self._session(inside).post(
                url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.content.read(_ANSWER)
        except TimeoutError as error:
            raise SendFailed(f"{host} did not answer in {TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SendFailed(f"{host}: {error or type(error).__name__}") from error
        if not 200 <= answer.status < 300:
            reason = f"{host} answered {answer.status} {answer.reason or ''}".rstrip()
            is_final = 400 <= answer.status < 500 and answer.status not in _MAY_PASS
            raise Refused(reason) if is_final else SendFailed(reason)

    def _session(self, inside: bool) -> aiohttp.ClientSession:
        found = self._sessions.get(inside)
        if found is None:
            bounds = self._bounds
            resolver = (
                None if inside else BoundedResolver(bounds.trusts, _unreachable, bounds.allows)
            )
            found = self._sessions[inside] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=50, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                headers={"User-Agent": "madang"},
            )
        return found

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        await asyncio.sleep(0)  # transports close in the loop's next round


def _unreachable(host: str) -> OSError:
    return OSError(out_of_bounds(host))


class Webhooks:
    """Posts the notice as JSON, signed."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def send(self, channel: Webhook, message: Message, person: Person) -> None:
        """Post to one program; see :class:`madang.act.notify.message.Sender`."""
        body = orjson.dumps(message.document())
        headers = _signed(channel.secret, body, message, "application/json")
        await self._poster.post(channel.url, body, headers, channel.inside)

    async def close(self) -> None:
        await self._poster.close()


class Agencies:
    """Posts the incident as a CAP 1.2 alert, signed.

    Args:
        poster: posts.
        sender: of the alerts, as CAP wants it.
        url: under which others reach this hub: where the agency answers.
    """

    def __init__(self, poster: Poster, sender: str, url: str) -> None:
        self._poster = poster
        self._sender = sender
        self._url = url

    async def send(self, channel: Cap, message: Message, person: Person) -> None:
        """Post to one agency; see :class:`madang.act.notify.message.Sender`."""
        if message.incident is None:
            raise Refused("an agency is only told of incidents, and this notice is about none")
        body = cap_of(message.incident, self._sender)
        headers = _signed(channel.secret, body, message, "application/cap+xml")
        headers["Madang-Answer"] = f"{self._url}/incidents/{message.about}/agencies/{message.to}"
        await self._poster.post(channel.url, body, headers, channel.inside)

    async def close(self) -> None:
        await self._poster.close()


class TextMessages:
    """Posts text messages to a gateway, in the form that the settings give.

    Args:
        gateway: of the settings; None: there is none.
    """

    def __init__(self, gateway: SmsGateway | None) -> None:
        self._gateway = gateway
        self._poster = Poster(Bounds())  # the settings name the gateway, so it may be anywhere

    async def send(self, channel: Sms, message: Message, person: Person) -> None:
        """Send one text message; see :class:`madang.act.notify.message.Sender`."""
        gateway = self._gateway
        if gateway is None:
            raise Refused("no gateway for text messages is set: [sms] in the settings")
        body = sms_body(gateway, channel.number, _sms(message), message.notice)
        headers = {name: value.get_secret_value() for name, value in gateway.headers.items()}
        headers["Content-Type"] = gateway.content_type
        await self._poster.post(gateway.url, body, headers, inside=True)

    async def close(self) -> None:
        await self._poster.close()


def sms_body(gateway: SmsGateway, number: str, text: str, id: str) -> bytes:
    """Return what the gateway is posted: its template with the values put in, safely written."""
    if "json" in gateway.content_type:
        values = {
            name: orjson.dumps(value).decode()[1:-1]
            for name, value in (("to", number), ("text", text), ("id", id))
        }
    else:
        values = {"to": quote_plus(number), "text": quote_plus(text), "id": quote_plus(id)}
    body = gateway.body
    for part in ("to", "id", "text"):  # the text last: it may hold what looks like a place
        body = body.replace(f"{{{part}}}", values[part])
    return body.encode()


def _sms(message: Message) -> str:
    text = f"{message.title}\n{message.text}"
    room = LONGEST_SMS - len(message.link) - 1
    return f"{text[:room]}\n{message.link}" if message.link else text[:LONGEST_SMS]


class Pushes:
    """Posts to browsers, encrypted for each (RFC 8030, 8188, 8291), signed with VAPID (RFC 8292).

    Args:
        poster: posts.
        key: returns the private key of this hub, 32 bytes in base64url.
        contact: how a push service reaches who runs this hub: ``mailto:`` or ``https://``.
    """

    def __init__(self, poster: Poster, key: Callable[[], Awaitable[str]], contact: str) -> None:
        self._poster = poster
        self._key = key
        self._contact = contact

    async def send(self, channel: Push, message: Message, person: Person) -> None:
        """Post to one browser; see :class:`madang.act.notify.message.Sender`."""
        document = orjson.dumps(message.document())
        try:
            body, headers = await asyncio.to_thread(
                encrypted, channel, document, await self._key(), self._contact, time.time()
            )
        except ValueError as error:
            raise Refused(f"the keys of the subscription cannot be used: {error}") from error
        headers["Urgency"] = "high" if message.urgent else "normal"
        await self._poster.post(channel.endpoint, body, headers, channel.inside)

    async def close(self) -> None:
        await self._poster.close()


def encrypted(
    channel: Push, document: bytes, key: str, contact: str, now_s: float
) -> tuple[bytes, dict[str, str]]:
    """Return a body for a browser and its headers; takes a second the first time."""
    from py_vapid import Vapid02
    from pywebpush import WebPusher

    keys = {"p256dh": channel.p256dh.rstrip("="), "auth": channel.auth.rstrip("=")}
    body = WebPusher({"endpoint": channel.endpoint, "keys": keys}).encode(document)["body"]
    parts = urlsplit(channel.endpoint)
    claims = {
        "sub": contact, "aud": f"{parts.scheme}://{parts.netloc}", "exp": int(now_s) + 12 * 3600,
    }  # fmt: skip
    signed: dict[str, Any] = Vapid02.from_raw(key.encode()).sign(claims)
    return body, {
        "Authorization": signed["Authorization"],
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(PUSH_KEPT_S),
    }


def _signed(secret: str, body: bytes, message: Message, kind: str) -> dict[str, str]:
    headers = {
        "Content-Type": kind,
        "Madang-Notice": message.notice,
        HEADER: sign(secret, body, int(time.time())),
    }
    if message.tenant:
        headers["NGSILD-Tenant"] = message.tenant
    return headers
