"""Passkeys: sign-in with a key that never leaves a person's device, and no name or password.

Source: W3C Web Authentication Level 3, sections 7.1 (registration) and 7.2 (authentication); the
checks themselves are in :mod:`madang.trust.passkey_proofs`. Credentials are discoverable, the
person is verified by the device (PIN, finger, face), and no attestation is asked for.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from madang.hub.clock import Clock
from madang.model.errors import Unauthorized
from madang.trust.ceremony import Ceremonies
from madang.trust.records import Body, Records

MOST = 20  # passkeys of one account
LONGEST_LABEL = 60  # [characters]
_HANDLE: Final = "handle:"


@dataclass(frozen=True, slots=True)
class Place:
    """The site that passkeys are made for. A browser uses them nowhere else."""

    rp_id: str
    """Host name; an address will not do (section 5.1.2)."""
    origin: str

    @classmethod
    def of(cls, url: str) -> Place | None:
        """Return the place at an address; None where browsers do not allow passkeys.

        On this machine they work under the name ``localhost`` only.

        >>> Place.of("https://hub.example.org/city")
        Place(rp_id='hub.example.org', origin='https://hub.example.org')
        >>> Place.of("http://127.0.0.1:8080")
        Place(rp_id='localhost', origin='http://localhost:8080')
        >>> Place.of("https://192.0.2.1") is None
        True
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            loopback = ip_address(host).is_loopback
            if not loopback:
                return None
        except ValueError:
            loopback = host == "localhost"
        if loopback:
            host = "localhost"
        elif parts.scheme != "https":
            return None
        port = f":{parts.port}" if parts.port else ""
        return cls(host, f"{parts.scheme}://{host}{port}")


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey as its owner sees it. Instants in microseconds since 1970."""

    id: str
    label: str
    created: int
    used: int | None
    synced: bool
    """Kept by a password manager on several devices, rather than in one device."""


class Made(NamedTuple):
    """A new passkey that has been checked and is not kept yet."""

    handle: str
    id: str
    body: Body


class PasskeyRefused(Unauthorized):
    """A passkey is not taken; ``reason`` says why, for people."""

    Reason = Literal["late", "unknown", "refused", "many"]

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Making(NamedTuple):
    bound_to: str
    handle: str
    challenge: bytes


class Passkeys:
    """Makes, checks and keeps the passkeys of all accounts.

    Those of one account are one record. A second record leads to it from the account's user
    handle, which is random and comes with every sign-in by a discoverable credential.
    """

    def __init__(
        self, records: Records, place: Place, now: Callable[[], int] | None = None
    ) -> None:
        self.place = place
        self._records = records
        self._now = now or Clock().now
        self._turn = asyncio.Lock()
        self._making: Ceremonies[_Making] = Ceremonies()
        self._entering: Ceremonies[bytes] = Ceremonies()

    async def options_to_make(self, account: str, name: str, bound_to: str) -> dict[str, Any]:
        """Return what ``navigator.credentials.create`` takes, with the id of the ceremony.

        Args:
            account: its id; empty for one that is yet to be made.
            name: what the browser shows with the passkey.
            bound_to: what the answer must come with as well, a session or a link.
        """
        kept = await self._of(account)
        if len(kept["keys"]) >= MOST:
            raise PasskeyRefused("many", f"an account may have {MOST} passkeys; remove one first")
        from madang.trust import passkey_proofs  # takes long; few hubs have passkeys

        challenge, public = passkey_proofs.to_make(
            self.place.rp_id, kept["handle"], name, list(kept["keys"])
        )
        ceremony = self._making.begin(_Making(bound_to, kept["handle"], challenge))
        return {"ceremony": ceremony, "publicKey": public}

    def made(self, ceremony: str, bound_to: str, answer: Mapping[str, Any]) -> Made:
        """Check the browser's answer; return the new passkey, which is not kept yet.

        Raises:
            PasskeyRefused: it is late, repeated, of somebody else, or does not hold.
        """
        from madang.trust import passkey_proofs  # takes long; few hubs have passkeys

        begun = self._making.take(ceremony)
        if begun is None or begun.bound_to != bound_to:
            raise PasskeyRefused("late", "this took too long or was sent twice; try again")
        try:
            id, key = passkey_proofs.made(
                answer, begun.challenge, self.place.rp_id, self.place.origin
            )
        except ValueError as error:
            raise PasskeyRefused("refused", f"the passkey does not hold: {error}") from error
        return Made(begun.handle, id, {**key, "created": self._now(), "used": None})

    async def keep(self, account: str, made: Made, label: str) -> None:
        """Add a passkey that has been checked to an account."""
        async with self._turn:
            kept = await self._of(account)
            kept["handle"] = kept["handle"] if kept["keys"] else made.handle
            if kept["handle"] != made.handle:
                raise PasskeyRefused("late", "another passkey was made meanwhile; try again")
            kept["keys"][made.id] = {**made.body, "label": label.strip()[:LONGEST_LABEL]}
            await self._write(account, kept)

    def options_to_enter(self) -> dict[str, Any]:
        """Return what ``navigator.credentials.get`` takes, with the id of the ceremony."""
        from madang.trust import passkey_proofs  # takes long; few hubs have passkeys

        challenge, public = passkey_proofs.to_enter(self.place.rp_id)
        return {"ceremony": self._entering.begin(challenge), "publicKey": public}

    async def enter(self, ceremony: str, answer: Mapping[str, Any]) -> str:
        """Check the browser's answer; return the id of the account that signs in.

        Raises:
            PasskeyRefused: it is late, repeated, unknown, copied (its counter went back), or does
                not hold.
        """
        challenge = self._entering.take(ceremony)
        if challenge is None:
            raise PasskeyRefused("late", "this took too long or was sent twice; try again")
        handle, id = _names(answer)
        async with self._turn:
            account = (await self._records.get("passkey", _HANDLE + handle) or {}).get("account")
            kept = await self._of(account) if account else {"keys": {}}
            if not account or id not in kept["keys"]:
                raise PasskeyRefused("unknown", "this passkey is not known here (any more)")
            passkey = kept["keys"][id]
            passkey["count"] = self._verified(answer, challenge, passkey)
            passkey["used"] = self._now()
            await self._write(account, kept)
        return str(account)

    def _verified(self, answer: Mapping[str, Any], challenge: bytes, passkey: Body) -> int:
        """Check a signature; return the counter that came with it."""
        from madang.trust import passkey_proofs  # takes long; few hubs have passkeys

        place = self.place
        try:
            return passkey_proofs.entered(answer, challenge, place.rp_id, place.origin, passkey)
        except ValueError as error:
            raise PasskeyRefused("refused", f"the passkey does not hold: {error}") from error

    async def of(self, account: str) -> list[Passkey]:
        """Return the passkeys of an account, the oldest first."""
        kept = await self._of(account)
        shown = [
            Passkey(id, body["label"], body["created"], body["used"], body["synced"])
            for id, body in kept["keys"].items()
        ]
        return sorted(shown, key=lambda passkey: passkey.created)

    async def remove(self, account: str, id: str) -> bool:
        """Remove a passkey of an account; return whether there was one."""
        async with self._turn:
            kept = await self._of(account)
            if kept["keys"].pop(id, None) is None:
                return False
            await self._write(account, kept)
            return True

    async def forget(self, account: str) -> None:
        """Remove all passkeys of an account that is gone."""
        async with self._turn:
            await self._write(account, {**await self._of(account), "keys": {}})

    async def _of(self, account: str) -> Body:
        kept = await self._records.get("passkey", account) if account else None
        return kept or {"handle": secrets.token_urlsafe(32), "keys": {}}

    async def _write(self, account: str, kept: Body) -> None:
        there = bool(kept["keys"])
        await self._records.commit(
            {
                ("passkey", account): kept if there else None,
                ("passkey", _HANDLE + kept["handle"]): {"account": account} if there else None,
            }
        )


def _names(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return the user handle and the credential that an answer claims to be of."""
    response = answer.get("response")
    handle = response.get("userHandle") if isinstance(response, dict) else None
    id = answer.get("id")
    if not isinstance(handle, str) or not isinstance(id, str):
        raise PasskeyRefused("refused", "the browser sent no passkey with a user handle")
    try:
        return urlsafe_b64decode(handle + "=" * (-len(handle) % 4)).decode(), id
    except ValueError as error:
        raise PasskeyRefused("refused", "the browser sent no usable user handle") from error
