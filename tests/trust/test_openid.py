"""Sign-in through OpenID Connect: against a real provider, and against one that attacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from yarl import URL

from madang.settings_types import OpenIdProvider
from madang.trust.openid import OpenId, OpenIdRefused, ProviderSettings
from tests.trust.openid_provider import (
    Cheat,
    Claims,
    approve,
    cheating_provider,
    real_provider,
)

BACK = "http://localhost:8080/sign-in/openid/city/back"
JIN = {
    "sub": "jin",
    "name": "Jin Park",
    "email": "jin@city.kr",
    "email_verified": True,
    "groups": ["control-room", "football"],
}


def settings_for(issuer: str, **more: Any) -> dict[str, OpenIdProvider]:
    members = {"issuer": issuer, "client_id": "madang", "client_secret": "s3cret", **more}
    return {"city": OpenIdProvider.model_validate(members)}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with real_provider(JIN) as issuer:
        yield issuer


@pytest.fixture
async def real(issuer: str) -> AsyncIterator[OpenId]:
    roles = {"control-room": "operator"}
    openid = OpenId(
        settings_for(issuer, roles_claim="groups", roles=roles, link_verified_email=True)
    )
    yield openid
    await openid.close()


@pytest.fixture
def cheat() -> Iterator[Cheat]:
    with cheating_provider() as cheat:
        yield cheat


@pytest.fixture
async def wary(cheat: Cheat) -> AsyncIterator[OpenId]:
    openid = OpenId(settings_for(cheat.issuer))
    yield openid
    await openid.close()


async def sign_in(openid: OpenId, cheat: Cheat) -> str:
    """Sign in through the cheating provider; return the subject."""
    address, browser = await openid.begin("city", BACK, "/")
    vouched, _ = await openid.finish("city", cheat.approve(address), browser)
    return vouched.subject


# --- a real provider ------------------------------------------------------------------------------


async def test_a_real_provider_vouches_for_somebody(real: OpenId, issuer: str) -> None:
    address, browser = await real.begin("city", BACK, "/account")
    vouched, onward = await real.finish("city", approve(address, "jin"), browser)
    assert (vouched.issuer, vouched.subject, onward) == (issuer, "jin", "/account")
    assert vouched.name == "Jin Park"


async def test_the_request_has_state_nonce_and_a_challenge_of_pkce(real: OpenId) -> None:
    address, browser = await real.begin("city", BACK, "/")
    asked = URL(address).query
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile email"
    assert asked["redirect_uri"] == BACK
    for secret in (asked["state"], asked["nonce"], browser):
        assert len(secret) >= 43
    again, other = await real.begin("city", BACK, "/")
    for name in ("state", "nonce", "code_challenge"):
        assert URL(again).query[name] != asked[name]
    assert other != browser


async def test_an_answer_works_once(real: OpenId) -> None:
    address, browser = await real.begin("city", BACK, "/")
    answer = approve(address, "jin")
    await real.finish("city", answer, browser)
    with pytest.raises(OpenIdRefused) as refused:
        await real.finish("city", answer, browser)
    assert refused.value.reason == "late"


async def test_a_code_that_was_used_is_refused_by_the_provider(real: OpenId) -> None:
    address, browser = await real.begin("city", BACK, "/")
    used = approve(address, "jin")
    await real.finish("city", used, browser)
    again, browser = await real.begin("city", BACK, "/")
    answer = {**approve(again, "jin"), "code": used["code"]}
    with pytest.raises(OpenIdRefused) as refused:
        await real.finish("city", answer, browser)
    assert refused.value.reason == "invalid"


async def test_a_code_of_another_sign_in_does_not_fit(real: OpenId) -> None:
    """An attacker's code in a victim's sign-in: the verifier of PKCE or the nonce gives it away."""
    theirs, _ = await real.begin("city", BACK, "/")
    stolen = approve(theirs, "jin")["code"]
    mine, browser = await real.begin("city", BACK, "/")
    with pytest.raises(OpenIdRefused) as refused:
        await real.finish("city", {"state": URL(mine).query["state"], "code": stolen}, browser)
    assert refused.value.reason == "invalid"


async def test_an_answer_works_only_in_the_browser_that_asked(real: OpenId) -> None:
    for browser in ("", "another", "한글"):
        address, _ = await real.begin("city", BACK, "/")
        with pytest.raises(OpenIdRefused) as refused:
            await real.finish("city", approve(address, "jin"), browser)
        assert refused.value.reason == "late"


async def test_an_answer_with_another_state_is_refused(real: OpenId) -> None:
    address, browser = await real.begin("city", BACK, "/")
    answer = {**approve(address, "jin"), "state": "another"}
    with pytest.raises(OpenIdRefused) as refused:
        await real.finish("city", answer, browser)
    assert refused.value.reason == "late"


async def test_a_sign_in_under_way_ends_after_ten_minutes(issuer: str) -> None:
    clock = [0.0]
    openid = OpenId(settings_for(issuer), clock=lambda: clock[0])
    address, browser = await openid.begin("city", BACK, "/")
    clock[0] = 601.0
    with pytest.raises(OpenIdRefused) as refused:
        await openid.finish("city", approve(address, "jin"), browser)
    assert refused.value.reason == "late"
    await openid.close()


async def test_somebody_who_refuses_at_the_provider_is_told_so(real: OpenId) -> None:
    address, browser = await real.begin("city", BACK, "/")
    answer = {"error": "access_denied", "state": URL(address).query["state"]}
    with pytest.raises(OpenIdRefused) as refused:
        await real.finish("city", answer, browser)
    assert refused.value.reason == "denied"


# --- a provider that attacks ----------------------------------------------------------------------


async def test_the_provider_of_the_attacks_is_believed_when_it_is_honest(
    wary: OpenId, cheat: Cheat
) -> None:
    assert await sign_in(wary, cheat) == "248289761001"


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://other.example"},
        {"aud": "another-client"},
        {"aud": ["madang", "another-client"]},
        {"aud": ["madang", "other"], "azp": "other"},
        {"azp": "other"},
        {"nonce": "another"},
        {"nonce": ""},
        {"exp": 1},
        {"iat": 10**11},
        {"sub": ""},
        {"sub": 7},
        {"sub": None},
        {"exp": "soon"},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_is_refused(
    wary: OpenId, cheat: Cheat, lie: Claims
) -> None:
    cheat.forge = lambda claims: cheat.sign(claims | lie)
    with pytest.raises(OpenIdRefused) as refused:
        await sign_in(wary, cheat)
    assert refused.value.reason == "invalid"


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "nonce"])
async def test_a_token_without_a_claim_is_refused(wary: OpenId, cheat: Cheat, name: str) -> None:
    cheat.forge = lambda claims: cheat.sign({k: v for k, v in claims.items() if k != name})
    with pytest.raises(OpenIdRefused):
        await sign_in(wary, cheat)


def part(content: Claims) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()


async def test_an_unsigned_token_is_refused(wary: OpenId, cheat: Cheat) -> None:
    for algorithm in ("none", "None", "NONE"):
        header = part({"alg": algorithm, "kid": "one"})
        cheat.forge = lambda claims, header=header: f"{header}.{part(claims)}."  # type: ignore[misc]
        with pytest.raises(OpenIdRefused):
            await sign_in(wary, cheat)


async def test_a_public_key_is_not_taken_for_a_shared_secret(wary: OpenId, cheat: Cheat) -> None:
    secret = cheat.key.as_pem(private=False)

    def forged(claims: Claims) -> str:
        signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
        tag = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"

    cheat.forge = forged
    with pytest.raises(OpenIdRefused):
        await sign_in(wary, cheat)


async def test_the_client_secret_signs_nothing(wary: OpenId, cheat: Cheat) -> None:
    padded = hashlib.sha256(b"s3cret").digest()
    for secret in (b"s3cret-s3cret-s3cret-s3cret-s3cret", padded):
        key = OctKey.import_key(secret)
        cheat.more_keys = [key.as_dict(private=True) | {"kid": "oct"}]
        cheat.forge = lambda claims, key=key: jwt.encode(  # type: ignore[misc]
            {"alg": "HS256", "kid": "oct"}, claims, key, algorithms=["HS256"]
        )
        with pytest.raises(OpenIdRefused):
            await sign_in(wary, cheat)


async def test_a_signature_of_another_key_is_refused(wary: OpenId, cheat: Cheat) -> None:
    other = RSAKey.generate_key(2048, {"kid": "one"})
    cheat.forge = lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, other)
    with pytest.raises(OpenIdRefused):
        await sign_in(wary, cheat)


async def test_a_changed_token_is_refused(wary: OpenId, cheat: Cheat) -> None:
    def changed(claims: Claims) -> str:
        header, _, signature = cheat.sign(claims).split(".")
        return f"{header}.{part(claims | {'sub': 'the mayor'})}.{signature}"

    cheat.forge = changed
    with pytest.raises(OpenIdRefused):
        await sign_in(wary, cheat)


@pytest.mark.parametrize("rubbish", ["", "a.b", "a.b.c", "....", "한글", part({"alg": "RS256"})])
async def test_rubbish_is_refused(wary: OpenId, cheat: Cheat, rubbish: str) -> None:
    cheat.forge = lambda claims: rubbish
    with pytest.raises(OpenIdRefused):
        await sign_in(wary, cheat)


async def test_another_issuer_in_the_description_is_refused(wary: OpenId, cheat: Cheat) -> None:
    cheat.description["issuer"] = "https://other.example"
    with pytest.raises(OpenIdRefused) as refused:
        await wary.begin("city", BACK, "/")
    assert refused.value.reason == "invalid"


async def test_an_answer_of_another_provider_is_refused(wary: OpenId, cheat: Cheat) -> None:
    cheat.description["authorization_response_iss_parameter_supported"] = True
    for sender in ({}, {"iss": "https://other.example"}):
        address, browser = await wary.begin("city", BACK, "/")
        with pytest.raises(OpenIdRefused):
            await wary.finish("city", cheat.approve(address) | sender, browser)
    address, browser = await wary.begin("city", BACK, "/")
    honest = cheat.approve(address) | {"iss": cheat.issuer}
    assert (await wary.finish("city", honest, browser))[0].subject


async def test_an_endpoint_that_is_no_web_address_is_refused(wary: OpenId, cheat: Cheat) -> None:
    cheat.description["token_endpoint"] = "file:///etc/passwd"
    with pytest.raises(OpenIdRefused):
        await wary.begin("city", BACK, "/")


async def test_description_and_keys_are_fetched_once_and_keys_again_when_they_change(
    cheat: Cheat,
) -> None:
    clock = [0.0]
    openid = OpenId(settings_for(cheat.issuer), clock=lambda: clock[0])
    for _ in range(3):
        await sign_in(openid, cheat)
    assert cheat.fetched.count("/.well-known/openid-configuration") == 1
    assert cheat.fetched.count("/keys") == 1
    cheat.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
    cheat.forge = lambda claims: cheat.sign(claims, kid="two")
    with pytest.raises(OpenIdRefused):  # asked a moment ago: forged ids make no storm of requests
        await sign_in(openid, cheat)
    clock[0] = 61.0
    await sign_in(openid, cheat)
    assert cheat.fetched.count("/keys") == 2
    await openid.close()


async def test_a_provider_that_does_not_answer_is_named() -> None:
    openid = OpenId(settings_for("http://127.0.0.1:9"))
    with pytest.raises(OpenIdRefused, match="city does not answer") as refused:
        await openid.begin("city", BACK, "/")
    assert refused.value.reason == "unreachable"
    await openid.close()


# --- roles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "claims", "roles"),
    [
        ("", {"groups": ["control-room"]}, None),
        ("groups", {"groups": ["control-room", "x"]}, {"operator"}),
        ("groups", {"groups": "control-room"}, {"operator"}),
        ("groups", {"groups": ["administrator"]}, {"citizen"}),
        ("groups", {}, {"citizen"}),
        ("groups", {"groups": [1, None, {}]}, {"citizen"}),
        ("realm_access.roles", {"realm_access": {"roles": ["water"]}}, {"department"}),
        ("https://city.kr/roles", {"https://city.kr/roles": ["water"]}, {"department"}),
    ],
)
async def test_roles_come_from_the_claim_the_settings_name_and_nowhere_else(
    cheat: Cheat, claim: str, claims: Claims, roles: set[str] | None
) -> None:
    given = {"control-room": "operator", "water": "department"}
    openid = OpenId(settings_for(cheat.issuer, roles_claim=claim, roles=given))
    cheat.forge = lambda plain: cheat.sign(plain | claims)
    address, browser = await openid.begin("city", BACK, "/")
    vouched, _ = await openid.finish("city", cheat.approve(address), browser)
    assert vouched.roles == roles
    await openid.close()


@pytest.mark.parametrize("verified", [True, False, "true", None])
async def test_an_address_counts_only_when_verified_and_wanted(
    cheat: Cheat, verified: object
) -> None:
    cheat.forge = lambda plain: cheat.sign(
        plain | {"email": "jin@city.kr", "email_verified": verified}
    )
    for wanted in (True, False):
        openid = OpenId(settings_for(cheat.issuer, link_verified_email=wanted))
        address, browser = await openid.begin("city", BACK, "/")
        vouched, _ = await openid.finish("city", cheat.approve(address), browser)
        assert vouched.email == ("jin@city.kr" if wanted and verified is True else "")
        await openid.close()


def test_a_provider_cannot_give_a_role_of_machines() -> None:
    with pytest.raises(ProviderSettings, match=r"openid\.city\.roles gives the role 'device'"):
        OpenId(settings_for("https://id.example", roles={"x": "device"}))


@pytest.mark.parametrize("issuer", ["http://id.example", "ftp://id.example", "https://a?b", ""])
def test_an_issuer_must_be_encrypted(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        settings_for(issuer)
