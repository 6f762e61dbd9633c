"""Tokens that were forged, used up, revoked or weakened, sent to a running hub.

What needs the hub's own signing key (expiry, wrong claims) is in tests/trust/test_tokens.py.
Sources: RFC 8725 (JSON Web Token best current practices), RFC 9700 section 4.14 (refresh tokens).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from tests.attacks.stranger import (
    PASSWORD,
    bearer,
    content,
    key_of,
    person_of,
    session_of,
    tokens_of,
)
from tests.e2e.server import API, Server

ME = "/me"


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, body, signature = token.split(".")
    header, claims = (
        orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in (head, body)
    )
    return header, claims, signature


def written(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    return f"{b64(orjson.dumps(header))}.{b64(orjson.dumps(claims))}.{signature}"


def refused(hub: Server, token: str) -> bool:
    """Tell whether both kinds of surface refuse a token, in words and without a fault."""
    answers = [
        hub.request("GET", ME, headers=bearer(token)),
        hub.request("GET", f"{API}/types", headers=bearer(token)),
    ]
    return [answer.status for answer in answers] == [401, 401]


@pytest.fixture(scope="module")
def token(hub: Server) -> str:
    """Return a token of an administrator: what is made of it would open everything."""
    person = person_of(hub, "administrator", tenants=["*"])
    good = person.headers["Authorization"].removeprefix("Bearer ")
    assert hub.request("GET", ME, headers=bearer(good)).status == 200
    return good


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_that_says_it_needs_no_signature_is_refused(
    hub: Server, token: str, algorithm: str
) -> None:
    header, claims, signature = parts(token)
    assert refused(hub, written(header | {"alg": algorithm}, claims))
    assert refused(hub, written(header | {"alg": algorithm}, claims, signature))


def test_the_public_key_signs_nothing(hub: Server, token: str) -> None:
    header, claims, _ = parts(token)
    [public] = content(hub.request("GET", "/.well-known/jwks.json"))["keys"]
    pem = ECKey.import_key(public).as_pem(private=False)
    secrets = [pem, pem.strip(), orjson.dumps(public), public["x"].encode(), b"", b"madang"]
    for name, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        unsigned = written(header | {"alg": name}, claims).rstrip(".")
        for secret in secrets:
            mac = b64(hmac.new(secret, unsigned.encode(), digest).digest())
            assert refused(hub, f"{unsigned}.{mac}")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kid": "another"},
        {"jwk": "mine"},
        {"jku": "http://127.0.0.1:9/jwks.json"},
        {"x5u": "http://127.0.0.1:9/chain.pem"},
        {"x5c": ["bWluZQ=="]},
        {"kid": "../../../../dev/null"},
        {"kid": "x' OR '1'='1"},
        {"kid": None},
        {"kid": ["a"]},
        {"kid": {"a": 1}},
        {"crit": ["b64"], "b64": False},
        {"zip": "DEF"},
        {"typ": "JWT"},
        {"typ": None},
        {"cty": "JWT"},
    ],
    ids=lambda more: "-".join(more) + str(next(iter(more.values()), ""))[:12],
)
def test_a_key_of_ones_own_signs_nothing_however_it_is_brought(
    hub: Server, token: str, more: dict[str, Any]
) -> None:
    header, claims, _ = parts(token)
    mine = ECKey.generate_key("P-256", private=True)
    signing = mine.private_key
    assert signing is not None
    if more.get("jwk"):
        more = {"jwk": mine.as_dict(private=False)}
    head = {name: value for name, value in (header | more).items() if value is not None}
    unsigned = written(head, claims).rstrip(".").encode()
    r, s = decode_dss_signature(signing.sign(unsigned, ec.ECDSA(hashes.SHA256())))
    forged = f"{unsigned.decode()}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    assert refused(hub, forged)


@pytest.mark.parametrize("signature", [bytes(64), b"", b"\xff" * 64, b"\x00" * 31 + b"\x01" * 33])
def test_a_signature_of_zeros_is_none(hub: Server, token: str, signature: bytes) -> None:
    """CVE-2022-21449: r and s of 0 were a good signature of anything."""
    header, claims, _ = parts(token)
    assert refused(hub, written(header, claims, b64(signature)))


def test_what_a_token_says_cannot_be_changed(hub: Server, token: str) -> None:
    header, claims, signature = parts(token)
    other = person_of(hub, "administrator", tenants=["*"])
    changes: list[dict[str, Any]] = [
        {"exp": int(time.time()) + 10**6},
        {"sub": f"person:{other.id}"},
        {"sub": "local"},
        {"aud": "other"},
        {"sid": "0" * 16},
    ]
    for change in changes:
        assert refused(hub, written(header, claims | change, signature))


def test_a_token_of_another_hub_is_refused(hub: Server, token: str) -> None:
    header, claims, _ = parts(token)
    registry = JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    other = ECKey.generate_key("P-256", private=True)
    assert refused(hub, jwt.encode(header, claims, other, registry=registry))


def test_a_refresh_token_that_comes_again_ends_what_the_thief_has(hub: Server) -> None:
    person = person_of(hub, "citizen")
    grant = {"grant_type": "refresh_token", "refresh_token": person.refresh}
    thief = hub.request("POST", "/token", grant)
    assert thief.status == 200
    stolen = orjson.loads(thief.body)
    assert hub.request("GET", ME, headers=bearer(stolen["access_token"])).status == 200
    assert hub.request("POST", "/token", grant).status == 401, "the owner comes with it later"
    assert refused(hub, stolen["access_token"])
    grant["refresh_token"] = stolen["refresh_token"]
    assert hub.request("POST", "/token", grant).status == 401


def test_what_has_been_revoked_stays_so(hub: Server) -> None:
    person = person_of(hub, "citizen")
    token = person.headers["Authorization"].removeprefix("Bearer ")
    assert hub.request("GET", ME, headers=person.headers).status == 200
    assert hub.request("POST", "/token/revoke", {"token": person.refresh}).status in (200, 204)
    assert refused(hub, token)
    grant = {"grant_type": "refresh_token", "refresh_token": person.refresh}
    assert hub.request("POST", "/token", grant).status == 401


@pytest.mark.parametrize("change", [{"disabled": True}, {"roles": ["citizen"]}])
def test_tokens_end_at_once_when_their_owner_may_no_more(
    hub: Server, change: dict[str, object]
) -> None:
    person = person_of(hub, "operator")
    assert hub.request("GET", f"{API}/types", headers=person.headers).status == 200
    path = f"/trust/users/{person.id}"
    assert hub.request("PATCH", path, change, hub.local_key()).status == 200
    assert refused(hub, person.headers["Authorization"].removeprefix("Bearer "))
    grant = {"grant_type": "refresh_token", "refresh_token": person.refresh}
    assert hub.request("POST", "/token", grant).status == 401


def test_a_new_password_ends_the_tokens_of_who_knew_the_old_one(hub: Server) -> None:
    person = person_of(hub, "citizen")
    thief = tokens_of(hub, person.login)
    new = {"old": PASSWORD, "new": "another horse, another staple"}
    assert hub.request("POST", "/me/password", new, person.headers).status == 204
    assert refused(hub, thief["access_token"])


def test_credentials_of_other_kinds_are_no_tokens(hub: Server) -> None:
    person = person_of(hub, "citizen")
    assert refused(hub, person.refresh)
    wish = {"roles": ["administrator"], "tenants": ["*"]}
    made = hub.request("POST", "/trust/invitations", wish, hub.local_key())
    code = orjson.loads(made.body)["link"].partition("code=")[2]
    assert refused(hub, code)
    key = key_of(hub, reads=["T"])["Authorization"].removeprefix("Bearer ")
    prefix, id, secret = key.split("_")
    for made_up in (f"mds_{id}_{secret}", f"mdr_{id}_{secret}", f"{prefix}_{'0' * 16}_{secret}"):
        assert refused(hub, made_up)
    assert refused(hub, f"{prefix}_{id}_{'0' * 64}")


def test_a_session_that_was_signed_out_opens_nothing_by_its_cookie_or_as_a_header(
    hub: Server,
) -> None:
    person = person_of(hub, "citizen")
    cookie = session_of(hub, person.login)
    credential = cookie.partition("=")[2]
    assert hub.request("GET", ME, headers={"Cookie": cookie}).status == 200
    assert hub.request("POST", "/token/revoke", {"token": credential}).status in (200, 204)
    assert hub.request("GET", ME, headers={"Cookie": cookie}).status == 401
    assert refused(hub, credential)
