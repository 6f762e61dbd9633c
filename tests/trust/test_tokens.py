"""Tokens, and the attacks on them that are known (RFC 8725, RFC 9700)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey

from madang.model.errors import Unauthorized
from madang.trust import credentials
from madang.trust.identities import Identities
from madang.trust.tokens import ACCESS_S, Pair
from tests.trust.people import ADDRESS, PASSWORD, SECOND, URL, City, Clock, city

OTHER_KEY = ECKey.generate_key("P-256", private=True)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path) as found:
        await found.person("jin", "citizen")
        yield found


async def enter(identities: Identities) -> Pair:
    signed_in = await identities.sign_in("jin", PASSWORD, ADDRESS, is_page=False)
    return identities.pair(signed_in.session)


def part(text: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(text + "=="))
    return found


def encoded(content: dict[str, Any] | bytes) -> str:
    raw = content if isinstance(content, bytes) else orjson.dumps(content)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return part(header), part(claims)


def signed(place: City, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return a token with the hub's own signature, whatever it says."""
    tokens = place.identities.tokens
    key = tokens._signers[tokens._newest() or ""].key
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    return jwt.encode(header, claims, key, registry=registry, default_type=None)


def refused(place: City, token: str) -> str:
    with pytest.raises(Unauthorized) as told:
        place.identities.principal_of(token, ADDRESS)
    assert token not in str(told.value)
    return str(told.value)


async def test_a_token_says_who_somebody_is_for_a_quarter_of_an_hour(place: City) -> None:
    tokens = await enter(place.identities)
    assert place.identities.principal_of(tokens.access, ADDRESS).name == "jin"
    header, claims = opened(tokens.access)
    assert header["alg"] == "ES256"
    assert header["typ"] == "at+jwt"
    assert (claims["iss"], claims["aud"]) == (URL, "madang")
    assert claims["exp"] - claims["iat"] == ACCESS_S == tokens.expires_s
    place.clock.step(ACCESS_S - 1)
    place.identities.principal_of(tokens.access, ADDRESS)
    place.clock.step(1)
    assert "expired; get a new one with your refresh token" in refused(place, tokens.access)


async def test_others_can_verify_a_token_with_the_key_set(place: City) -> None:
    tokens = await enter(place.identities)
    jwks = orjson.loads(orjson.dumps(place.identities.tokens.jwks()))
    header, _ = opened(tokens.access)
    (key,) = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    assert "d" not in key
    assert jwt.decode(tokens.access, ECKey.import_key(key), ["ES256"]).claims["sub"]


# --- attacks on access tokens -----------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None])
async def test_a_token_without_a_signature_is_refused(place: City, algorithm: str | None) -> None:
    header, claims = opened((await enter(place.identities)).access)
    for signature in ("", "x", encoded(b"\x00" * 64)):
        head = encoded(header | {"alg": algorithm})
        assert "not one of" in refused(place, f"{head}.{encoded(claims)}.{signature}")


@pytest.mark.parametrize("form", ["pem", "der", "x", "jwk"])
async def test_the_public_key_is_no_shared_secret(place: City, form: str) -> None:
    header, claims = opened((await enter(place.identities)).access)
    jwk = place.identities.tokens.jwks()["keys"][0]
    public = ECKey.import_key(jwk)
    secrets = {
        "pem": public.as_pem(private=False),
        "der": public.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "x": base64.urlsafe_b64decode(jwk["x"] + "=="),
        "jwk": orjson.dumps(jwk),
    }
    for algorithm in ("HS256", "HS384", "HS512"):
        text = f"{encoded(header | {'alg': algorithm})}.{encoded(claims)}"
        digest = getattr(hashlib, "sha" + algorithm[2:])
        mac = encoded(hmac.new(secrets[form], text.encode(), digest).digest())
        assert "not one of" in refused(place, f"{text}.{mac}")


async def test_an_algorithm_that_is_not_ours_is_refused_even_with_a_good_key(place: City) -> None:
    header, claims = opened((await enter(place.identities)).access)
    shared = OctKey.import_key("k" * 64)
    token = jwt.encode(header | {"alg": "HS256"}, claims, shared, ["HS256"])
    assert "not one of" in refused(place, token)


@pytest.mark.parametrize("kid", ["", "0" * 16, "../../secret.key", None, 5, ["a"], {"a": 1}])
async def test_a_token_of_an_unknown_key_is_refused(place: City, kid: object) -> None:
    header, claims = opened((await enter(place.identities)).access)
    head = {**header, "kid": kid}
    if kid is None:
        del head["kid"]
    text = f"{encoded(head)}.{encoded(claims)}"
    assert "not one of" in refused(place, f"{text}.{encoded(b'0' * 64)}")


@pytest.mark.parametrize("brings", ["jwk", "jku", "x5u", "x5c", "kid"])
async def test_a_key_that_a_token_brings_along_is_nothing_to_us(place: City, brings: str) -> None:
    header, claims = opened((await enter(place.identities)).access)
    public = OTHER_KEY.as_dict(private=False)
    headers: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": public},
        "jku": {"jku": "https://evil.example/jwks.json"},
        "x5u": {"x5u": "https://evil.example/cert.pem"},
        "x5c": {"x5c": ["AAAA"]},
        "kid": {"kid": "https://evil.example/jwks.json"},
    }
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    token = jwt.encode(header | headers[brings], claims, OTHER_KEY, registry=registry)
    assert "not one of" in refused(place, token)


@pytest.mark.parametrize(
    "change",
    [{"iss": "https://other.example"}, {"aud": "other"}, {"aud": ["other"]}, {"iss": None},
     {"aud": None}, {"exp": None}, {"nbf": None}, {"iat": None}, {"jti": None}, {"sub": None},
     {"sid": None}, {"exp": "never"}, {"exp": True}, {"sub": 5}, {"iss": [URL]}],
)  # fmt: skip
async def test_a_token_for_others_or_without_a_claim_is_refused(
    place: City, change: dict[str, Any]
) -> None:
    header, claims = opened((await enter(place.identities)).access)
    claims = {name: one for name, one in (claims | change).items() if one is not None}
    assert "not one of" in refused(place, signed(place, header, claims))


async def test_a_token_that_is_not_yet_valid_is_refused(place: City) -> None:
    header, claims = opened((await enter(place.identities)).access)
    for claim in ("nbf", "iat"):
        later = claims | {claim: claims[claim] + 60}
        assert "not one of" in refused(place, signed(place, header, later))


@pytest.mark.parametrize("kind", ["JWT", "dpop+jwt", "", None])
async def test_a_token_of_another_kind_is_refused(place: City, kind: str | None) -> None:
    header, claims = opened((await enter(place.identities)).access)
    head = {name: one for name, one in (header | {"typ": kind}).items() if one is not None}
    assert "not one of" in refused(place, signed(place, head, claims))


async def test_a_critical_header_that_we_do_not_know_is_refused(place: City) -> None:
    header, claims = opened((await enter(place.identities)).access)
    text = f"{encoded(header | {'crit': ['exp2'], 'exp2': 1})}.{encoded(claims)}"
    assert "not one of" in refused(place, f"{text}.{encoded(b'0' * 64)}")


async def test_another_subject_with_the_same_session_is_refused(place: City) -> None:
    boss = await place.person("boss", "administrator")
    header, claims = opened((await enter(place.identities)).access)
    token = signed(place, header, claims | {"sub": boss.principal_id})
    assert "revoked" in refused(place, token)


async def test_a_token_of_another_hub_with_the_same_name_is_refused(
    place: City, tmp_path: Path
) -> None:
    async with city(tmp_path / "other", place.clock) as other:
        await other.person("jin")
        token = (await enter(other.identities)).access
    assert "not one of" in refused(place, token)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(where=st.integers(0, 9999), number=st.integers(0, 4))
async def test_a_token_with_any_letter_changed_is_refused(
    place: City, where: int, number: int
) -> None:
    token = (await enter(place.identities)).access
    at = where % (len(token) - 1)  # the last has bits that mean nothing
    letter = [one for one in "Aa0-_." if one != token[at]][number]
    with pytest.raises(Unauthorized):
        place.identities.principal_of(token[:at] + letter + token[at + 1 :], ADDRESS)


async def test_a_token_cut_off_anywhere_is_refused(place: City) -> None:
    token = (await enter(place.identities)).access
    for length in range(0, len(token), 7):
        with pytest.raises(Unauthorized):
            place.identities.principal_of(token[:length], ADDRESS)


async def test_a_huge_token_is_refused_before_it_is_read(
    place: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await enter(place.identities)).access
    huge = token + "A" * 1_000_000
    monkeypatch.setattr(credentials, "parse", None)
    assert "no credential" in refused(place, huge)


@given(text=st.text(alphabet='abc.=-_{}"0é\x00', max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
async def test_anything_at_all_is_refused_in_words(place: City, text: str) -> None:
    with pytest.raises(Unauthorized):
        place.identities.principal_of(text, ADDRESS)
    with pytest.raises(Unauthorized):
        await place.identities.refresh(text, ADDRESS)


@pytest.mark.parametrize(
    "token",
    ["a.b.c", "..", "e30.e30.e30", "bnVsbA.bnVsbA.AA", "W10.W10.AA", ("[" * 300) + ".a.b",
     encoded(b"[" * 2000) + ".e30.AA",
     encoded(b'{"alg":"ES256","b64":false,"crit":["b64"]}') + ".x.y"],
)  # fmt: skip
async def test_a_token_that_is_no_json_is_refused(place: City, token: str) -> None:
    refused(place, token)


# --- revocation -------------------------------------------------------------------------------


async def test_a_revoked_token_is_refused_at_once(place: City) -> None:
    for by in ("access", "refresh"):
        tokens = await enter(place.identities)
        place.identities.principal_of(tokens.access, ADDRESS)
        await place.identities.revoke(getattr(tokens, by), ADDRESS)
        assert "revoked" in refused(place, tokens.access)
        with pytest.raises(Unauthorized):
            await place.identities.refresh(tokens.refresh, ADDRESS)


async def test_revoking_what_is_no_token_is_no_error(place: City) -> None:
    for text in ("", "x", "a.b.c", "mdr_" + "0" * 16 + "_" + "0" * 72, "x" * 10_000):
        await place.identities.revoke(text, ADDRESS)


async def test_an_account_switched_off_has_no_tokens(place: City) -> None:
    tokens = await enter(place.identities)
    place.identities.principal_of(tokens.access, ADDRESS)
    account = place.identities.accounts.named("jin")
    await place.identities.people.change(account, "service:local", disabled=True)
    refused(place, tokens.access)
    with pytest.raises(Unauthorized):
        await place.identities.refresh(tokens.refresh, ADDRESS)


async def test_a_page_session_has_no_refresh_token(place: City) -> None:
    signed_in = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    with pytest.raises(Unauthorized):
        await place.identities.refresh(place.identities.tokens.refresh(signed_in.session), ADDRESS)


# --- refresh ----------------------------------------------------------------------------------


async def test_a_refresh_token_gives_new_ones(place: City) -> None:
    tokens = await enter(place.identities)
    for _ in range(3):
        place.clock.step(ACCESS_S)
        tokens = await place.identities.refresh(tokens.refresh, ADDRESS)
        assert place.identities.principal_of(tokens.access, ADDRESS).name == "jin"


async def test_a_refresh_token_that_comes_again_ends_all_of_its_family(place: City) -> None:
    first = await enter(place.identities)
    second = await place.identities.refresh(first.refresh, ADDRESS)
    with pytest.raises(Unauthorized, match="was used before"):
        await place.identities.refresh(first.refresh, ADDRESS)
    for token in (first.access, second.access):
        assert "revoked" in refused(place, token)
    with pytest.raises(Unauthorized):
        await place.identities.refresh(second.refresh, ADDRESS)
    assert "refreshReused" in place.kept.actions()


async def test_of_two_refreshes_at_once_one_is_a_copy(place: City) -> None:
    tokens = await enter(place.identities)
    both = await asyncio.gather(
        place.identities.refresh(tokens.refresh, ADDRESS),
        place.identities.refresh(tokens.refresh, ADDRESS),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Unauthorized) for one in both) >= 1


async def test_a_refresh_token_that_comes_again_after_a_restart_is_known(tmp_path: Path) -> None:
    clock = Clock()
    async with city(tmp_path, clock) as place:
        await place.person("jin")
        tokens = await enter(place.identities)
        newer = await place.identities.refresh(tokens.refresh, ADDRESS)
    async with city(tmp_path, clock) as place:
        place.identities.principal_of(newer.access, ADDRESS)
        with pytest.raises(Unauthorized, match="was used before"):
            await place.identities.refresh(tokens.refresh, ADDRESS)


async def test_a_refresh_token_cannot_be_made_from_another(place: City) -> None:
    tokens = await enter(place.identities)
    id, secret = tokens.refresh.split("_")[1:]
    for forged in (
        f"mdr_{id}_00000001{secret[8:]}",
        f"mdr_{id}_{secret[:8]}{'0' * 64}",
        f"mdr_{'0' * 16}_{secret}",
    ):
        with pytest.raises(Unauthorized, match="sign in again"):
            await place.identities.refresh(forged, ADDRESS)
    await place.identities.refresh(tokens.refresh, ADDRESS)  # guessing does not end the session


async def test_a_refresh_token_is_no_access_token(place: City) -> None:
    tokens = await enter(place.identities)
    assert "POST /token" in refused(place, tokens.refresh)
    with pytest.raises(Unauthorized, match="no refresh token"):
        await place.identities.refresh(tokens.access, ADDRESS)


# --- tokens of keys ---------------------------------------------------------------------------


async def test_a_token_of_a_key_ends_with_the_key(place: City) -> None:
    key, _ = await place.identities.keys.create("app", "map", by="service:local")
    tokens = await place.identities.key_token(key, "service:local", ADDRESS)
    assert tokens.refresh == ""
    assert place.identities.principal_of(tokens.access, ADDRESS).id == key.principal_id
    await place.identities.keys.revoke(key, "service:local")
    assert "switched off or gone" in refused(place, tokens.access)


# --- signing keys -----------------------------------------------------------------------------


async def test_tokens_of_the_signing_key_before_stay_good_until_they_are_gone(place: City) -> None:
    older = await enter(place.identities)
    place.clock.step(1)
    kid = await place.identities.rotate_signing_key("service:local")
    newer = await enter(place.identities)
    assert opened(newer.access)[0]["kid"] == kid != opened(older.access)[0]["kid"]
    place.identities.principal_of(older.access, ADDRESS)
    await place.identities.tidy()
    assert len(place.identities.tokens.jwks()["keys"]) == 2
    place.clock.step(2 * ACCESS_S)
    await place.identities.tidy()
    assert [key["kid"] for key in place.identities.tokens.jwks()["keys"]] == [kid]


async def test_the_signing_key_is_renewed_by_itself(place: City) -> None:
    (before,) = place.identities.tokens.jwks()["keys"]
    place.clock.step(90 * 86_400)
    await place.identities.tidy()
    assert len(place.identities.tokens.jwks()["keys"]) == 2
    place.clock.step(2 * ACCESS_S)
    await place.identities.tidy()
    (after,) = place.identities.tokens.jwks()["keys"]
    assert after["kid"] != before["kid"]


async def test_tokens_outlive_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with city(tmp_path, clock) as place:
        await place.person("jin")
        tokens = await enter(place.identities)
    async with city(tmp_path, clock) as place:
        assert place.identities.principal_of(tokens.access, ADDRESS).name == "jin"


async def test_a_token_never_outlives_its_session(place: City) -> None:
    tokens = await enter(place.identities)
    session = place.identities.session_of(tokens.access)
    assert session is not None
    session.ends = place.clock.at + 100 * SECOND
    claims = opened(place.identities.tokens.access(session))[1]
    assert claims["exp"] - claims["iat"] == 100
