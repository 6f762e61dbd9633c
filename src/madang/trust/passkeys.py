"""Passkeys: sign-in with a key that never leaves a person's device, and no name or password.

Source: W3C Web Authentication Level 3, sections 7.1 (registration) and 7.2 (authentication); the
checks themselves are those of the library ``webauthn``. Credentials are discoverable, the person is
verified by the device (PIN, finger, face), and no attestation is asked for.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from madang.model.errors import BadRequestData, Unauthorized
from madang.trust.ceremony import Ceremonies
from madang.trust.records import Body, Records

MOST = 20  # passkeys of one account
LONGEST_LABEL = 60  # [characters]
TIMEOUT = 120_000  # [ms] that the browser waits for the person
SITE = "Madang"


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
    """One passkey as its owner sees it."""

    id: str
    label: str
    created: float  # [s since 1970]
    used: float | None  # [s since 1970]
    synced: bool
    """Kept by a password manager on several devices, rather than in one device."""


class PasskeyRefused(Unauthorized):
    """A passkey is unknown here, or what the browser sent does not hold."""


class Passkeys:
    """Makes, checks and keeps the passkeys of all accounts.

    Those of one account are one record, found by the account's id, which a discoverable
    credential brings along as its user handle.
    """

    def __init__(self, records: Records, place: Place) -> None:
        self.place = place
        self._records = records
        self._turn = asyncio.Lock()
        self._making: Ceremonies[tuple[str, bytes]] = Ceremonies()
        self._entering: Ceremonies[bytes] = Ceremonies()

    async def options_to_make(self, account: str, name: str) -> dict[str, Any]:
        """Return what ``navigator.credentials.create`` takes, with the id of the ceremony."""
        kept = await self._of(account)
        if len(kept) >= MOST:
            raise BadRequestData(f"an account may have {MOST} passkeys; remove one first")
        options = webauthn.generate_registration_options(
            rp_id=self.place.rp_id,
            rp_name=SITE,
            user_id=account.encode(),
            user_name=name,
            timeout=TIMEOUT,
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=base64url_to_bytes(id)) for id in kept
            ],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        ceremony = self._making.begin((account, options.challenge))
        return {"ceremony": ceremony, "publicKey": _plain(options)}

    def made(self, account: str, ceremony: str, answer: Mapping[str, Any]) -> tuple[str, Body]:
        """Check the browser's answer; return the new passkey's id and record, not yet kept.

        Raises:
            PasskeyRefused: it is late, repeated, of another account, or does not hold.
        """
        begun = self._making.take(ceremony)
        if begun is None or begun[0] != account:
            raise PasskeyRefused("this took too long or was sent twice; try again")
        try:
            proof = webauthn.verify_registration_response(
                credential=dict(answer),
                expected_challenge=begun[1],
                expected_rp_id=self.place.rp_id,
                expected_origin=self.place.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as error:
            raise PasskeyRefused(f"the passkey cannot be used here: {error}") from error
        return bytes_to_base64url(proof.credential_id), {
            "key": bytes_to_base64url(proof.credential_public_key),
            "count": proof.sign_count,
            "created": time.time(),
            "used": None,
            "synced": proof.credential_backed_up,
        }

    async def keep(self, account: str, id: str, passkey: Body, label: str) -> None:
        """Add a passkey that has been checked to its account."""
        async with self._turn:
            kept = await self._of(account)
            kept[id] = {**passkey, "label": label.strip()[:LONGEST_LABEL]}
            await self._records.put("passkey", account, kept)

    def options_to_enter(self) -> dict[str, Any]:
        """Return what ``navigator.credentials.get`` takes, with the id of the ceremony."""
        options = webauthn.generate_authentication_options(
            rp_id=self.place.rp_id,
            timeout=TIMEOUT,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        ceremony = self._entering.begin(options.challenge)
        return {"ceremony": ceremony, "publicKey": _plain(options)}

    async def enter(self, ceremony: str, answer: Mapping[str, Any]) -> str:
        """Check the browser's answer; return the id of the account that signs in.

        Raises:
            PasskeyRefused: it is late, repeated, unknown, copied (its counter went back), or does
                not hold.
        """
        challenge = self._entering.take(ceremony)
        if challenge is None:
            raise PasskeyRefused("this took too long or was sent twice; try again")
        account, id = _names(answer)
        async with self._turn:
            kept = await self._of(account)
            if id not in kept:
                raise PasskeyRefused("this passkey is not known here (any more)")
            kept[id]["count"] = self._verified(answer, challenge, kept[id])
            kept[id]["used"] = time.time()
            await self._records.put("passkey", account, kept)
        return account

    def _verified(self, answer: Mapping[str, Any], challenge: bytes, passkey: Body) -> int:
        """Check a signature; return the counter that came with it."""
        try:
            proof = webauthn.verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self.place.rp_id,
                expected_origin=self.place.origin,
                credential_public_key=base64url_to_bytes(passkey["key"]),
                credential_current_sign_count=passkey["count"],
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as error:
            raise PasskeyRefused(f"the passkey was refused: {error}") from error
        return proof.new_sign_count

    async def of(self, account: str) -> list[Passkey]:
        """Return the passkeys of an account, the oldest first."""
        kept = await self._of(account)
        shown = [
            Passkey(id, body["label"], body["created"], body["used"], body["synced"])
            for id, body in kept.items()
        ]
        return sorted(shown, key=lambda passkey: passkey.created)

    async def remove(self, account: str, id: str) -> bool:
        """Remove a passkey of an account; return whether there was one."""
        async with self._turn:
            kept = await self._of(account)
            if kept.pop(id, None) is None:
                return False
            await self._records.put("passkey", account, kept or None)
            return True

    async def _of(self, account: str) -> Body:
        return await self._records.get("passkey", account) or {}


def _plain(options: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return plain


def _names(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return the account and the credential that an answer claims to be of."""
    response = answer.get("response")
    handle = response.get("userHandle") if isinstance(response, dict) else None
    id = answer.get("id")
    if not isinstance(handle, str) or not isinstance(id, str):
        raise PasskeyRefused("the browser sent no passkey with an account")
    try:
        return base64url_to_bytes(handle).decode(), id
    except ValueError as error:
        raise PasskeyRefused("the browser sent no passkey with an account") from error
