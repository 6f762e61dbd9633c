"""What passkeys prove: options for the browser and checks of its answers, by ``webauthn``.

Loaded when somebody first uses a passkey: the library takes longer to import than a tenth of the
whole hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRequestOptions,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

TIMEOUT = 120_000  # [ms] that the browser waits for the person
SITE = "Madang"
_NOT_GOOD = (WebAuthnException, TypeError, KeyError)


def to_make(
    rp_id: str, handle: str, name: str, known: Sequence[str]
) -> tuple[bytes, dict[str, Any]]:
    """Return a challenge and what ``navigator.credentials.create`` takes.

    Args:
        rp_id: host name of the site.
        handle: of the account at its authenticators.
        name: what the browser shows with the passkey.
        known: ids of passkeys that the account has already.
    """
    options = webauthn.generate_registration_options(
        rp_id=rp_id,
        rp_name=SITE,
        user_id=handle.encode(),
        user_name=name,
        timeout=TIMEOUT,
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(id)) for id in known
        ],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return options.challenge, _plain(options)


def made(
    answer: Mapping[str, Any], challenge: bytes, rp_id: str, origin: str
) -> tuple[str, dict[str, Any]]:
    """Return the id of a new passkey and what is kept of it: ``key count synced``.

    Raises:
        ValueError: the answer does not hold.
    """
    try:
        proof = webauthn.verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            require_user_verification=True,
        )
    except _NOT_GOOD as error:
        raise ValueError(error) from error
    key = bytes_to_base64url(proof.credential_public_key)
    kept = {"key": key, "count": proof.sign_count, "synced": proof.credential_backed_up}
    return bytes_to_base64url(proof.credential_id), kept


def to_enter(rp_id: str) -> tuple[bytes, dict[str, Any]]:
    """Return a challenge and what ``navigator.credentials.get`` takes."""
    options = webauthn.generate_authentication_options(
        rp_id=rp_id, timeout=TIMEOUT, user_verification=UserVerificationRequirement.REQUIRED
    )
    return options.challenge, _plain(options)


def entered(
    answer: Mapping[str, Any],
    challenge: bytes,
    rp_id: str,
    origin: str,
    passkey: Mapping[str, Any],
) -> int:
    """Check a signature by a passkey that is kept; return the counter that came with it.

    Raises:
        ValueError: it does not hold, or the counter went back.
    """
    try:
        proof = webauthn.verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            credential_public_key=base64url_to_bytes(passkey["key"]),
            credential_current_sign_count=passkey["count"],
            require_user_verification=True,
        )
    except _NOT_GOOD as error:
        raise ValueError(error) from error
    return proof.new_sign_count


def _plain(
    options: PublicKeyCredentialCreationOptions | PublicKeyCredentialRequestOptions,
) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return plain
