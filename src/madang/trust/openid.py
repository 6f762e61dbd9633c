"""Sign-in through OpenID Connect: another party vouches for a person.

Sources: OpenID Connect Core 1.0 (authorization code flow, section 3.1; ID token validation,
3.1.3.7), OpenID Connect Discovery 1.0 section 4, RFC 7636 (PKCE, S256), RFC 9207 (issuer in the
answer), RFC 9700 (security best practice). Requests are built by Authlib, tokens are verified by
joserfc with asymmetric algorithms only.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any, Literal
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import extract_compact

from madang.model.errors import MadangError, Unauthorized
from madang.settings_types import OpenIdProvider
from madang.trust.ceremony import Ceremonies
from madang.trust.openid_fetch import Fetcher, Unreachable
from madang.trust.openid_secrets import ProviderSecrets
from madang.trust.principal import Role

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
PublicKey = RSAKey | ECKey | OKPKey
# Shared secrets are not among them: a public key must never be taken for one (RFC 8725, 2.1).
KEY_TYPES: dict[object, type[PublicKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
GIVEN: dict[str, Role] = {
    "citizen": "citizen",
    "operator": "operator",
    "analyst": "analyst",
    "department": "department",
    "administrator": "administrator",
}
"""Roles that a provider's claim can give; those of machines are given by keys."""
FORM = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
SCOPE = "openid profile email"
FRESH = 3600.0  # [s] that a provider's own description and keys are kept
AGAIN = 60.0  # [s] at least between two fetches of keys for an unknown key id
LEEWAY = 60  # [s] that the provider's clock may differ from ours


class ProviderSettings(MadangError):
    """A provider's settings cannot be used; a person must mend them."""


class OpenIdRefused(Unauthorized):
    """Sign-in through a provider did not come to an end; ``reason`` says why, for people."""

    Reason = Literal["late", "denied", "unreachable", "invalid"]

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a provider says of a person, verified."""

    provider: str
    """Name in our settings."""
    issuer: str
    subject: str
    """With the issuer, identifies the person for good; names and addresses do not."""
    name: str
    email: str
    """Only if the provider has verified it and may find accounts by it; else empty."""
    roles: frozenset[Role] | None
    """None where the settings name no claim of roles."""


@dataclass(frozen=True, slots=True)
class _Begun:
    provider: str
    browser: str
    nonce: str
    verifier: str
    redirect_uri: str
    next: str


@dataclass(slots=True)
class _Known:
    """What a provider publishes, as last fetched."""

    description: dict[str, Any]
    at: float
    keys: dict[str, PublicKey] = field(default_factory=dict)
    keys_at: float = float("-inf")


class OpenId:
    """Signs people in through the providers that the settings name."""

    def __init__(
        self,
        providers: Mapping[str, OpenIdProvider],
        secrets: ProviderSecrets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the providers by name; ``secrets`` has the client secrets not in the settings.

        Raises:
            ProviderSettings: a provider gives a role that there is not.
        """
        for name, provider in providers.items():
            for role in provider.roles.values():
                if role not in GIVEN:
                    raise ProviderSettings(
                        f"openid.{name}.roles gives the role {role!r}; it may give "
                        + ", ".join(GIVEN)
                    )
        self._providers = dict(providers)
        self.secrets = secrets
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._open: Ceremonies[_Begun] = Ceremonies(clock)
        self._web = Fetcher()

    def buttons(self) -> list[tuple[str, str]]:
        """Return name and title of each provider."""
        return [(name, provider.title or name) for name, provider in self._providers.items()]

    def __contains__(self, name: str) -> bool:
        return name in self._providers

    async def begin(self, name: str, redirect_uri: str, next: str) -> tuple[str, str]:
        """Begin a sign-in.

        Returns:
            The address to send the browser to, and a secret that the browser must bring back in a
            cookie, so that an answer works in the browser that asked for it and in no other.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        provider = self._providers[name]
        known = await self._describe(name)
        begun = _Begun(
            provider=name,
            browser=token_urlsafe(32),
            nonce=token_urlsafe(32),
            verifier=token_urlsafe(48),
            redirect_uri=redirect_uri,
            next=next,
        )
        address = prepare_grant_uri(
            known.description["authorization_endpoint"],
            client_id=provider.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=SCOPE,
            state=self._open.begin(begun),
            nonce=begun.nonce,
            code_challenge=create_s256_code_challenge(begun.verifier),
            code_challenge_method="S256",
        )
        return str(address), begun.browser

    async def finish(
        self, name: str, answer: Mapping[str, str], browser: str
    ) -> tuple[Vouched, str]:
        """End a sign-in with the provider's answer; return who it is, and where they wanted to go.

        Raises:
            OpenIdRefused: anything at all is not as it should be.
        """
        begun = self._open.take(answer.get("state", ""))
        if begun is None or begun.provider != name:
            raise OpenIdRefused("late", "there is no such sign-in under way (any more)")
        if not hmac.compare_digest(begun.browser.encode(), browser.encode()):
            raise OpenIdRefused("late", "the sign-in was begun in another browser")
        if "error" in answer:
            raise OpenIdRefused("denied", f"{name} answered {answer['error'][:80]!r}")
        known = await self._describe(name)
        self._check_sender(name, known, answer)
        token = await self._redeem(name, known, answer.get("code", ""), begun)
        claims = await self._verified(name, known, token, begun.nonce)
        return self._vouched(name, claims), begun.next

    async def close(self) -> None:
        await self._web.close()

    # --- the steps ----------------------------------------------------------------------------

    async def _describe(self, name: str) -> _Known:
        known = self._known.get(name)
        if known is not None and self._clock() - known.at < FRESH:
            return known
        issuer = self._providers[name].issuer
        found = await self._get(name, issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise OpenIdRefused(
                "invalid", f"{name} calls itself {found.get('issuer')!r}, our settings {issuer!r}"
            )
        safe = "https" if urlsplit(issuer).scheme == "https" else "http"
        for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if urlsplit(str(found.get(endpoint))).scheme not in ("https", safe):
                raise OpenIdRefused("invalid", f"{name} has no usable {endpoint}")
        self._known[name] = _Known(found, self._clock())
        return self._known[name]

    def _check_sender(self, name: str, known: _Known, answer: Mapping[str, str]) -> None:
        """Refuse an answer that another provider has slipped in (RFC 9207 section 2.4)."""
        must = known.description.get("authorization_response_iss_parameter_supported") is True
        sender = answer.get("iss", None if must else self._providers[name].issuer)
        if sender != self._providers[name].issuer:
            raise OpenIdRefused("invalid", f"the answer is of {sender!r}, not of {name}")

    async def _redeem(self, name: str, known: _Known, code: str, begun: _Begun) -> str:
        """Return the ID token for a code (RFC 6749 section 4.1.3)."""
        from authlib.oauth2.auth import ClientAuth
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        if not code:
            raise OpenIdRefused("invalid", f"{name} sent no code")
        provider = self._providers[name]
        secret = provider.client_secret.get_secret_value()
        if not secret and self.secrets is not None:
            secret = await self.secrets.of(name)
        ways = known.description.get("token_endpoint_auth_methods_supported")
        post = isinstance(ways, list) and "client_secret_basic" not in ways
        way = "none" if not secret else "client_secret_post" if post else "client_secret_basic"
        body = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=begun.redirect_uri,
            code_verifier=begun.verifier,
        )
        address, headers, body = ClientAuth(provider.client_id, secret, way).prepare(
            "POST", known.description["token_endpoint"], dict(FORM), body
        )
        try:
            status, found = await self._web.post(address, headers, body)
        except Unreachable as error:
            raise OpenIdRefused("unreachable", f"{name} does not answer: {error}") from error
        token = found.get("id_token")
        if status != 200 or not isinstance(token, str):
            why = str(found.get("error", f"status {status}"))[:80]
            raise OpenIdRefused("invalid", f"{name} gave no ID token for the code: {why}")
        return token

    async def _verified(
        self, name: str, known: _Known, token: str, nonce: str
    ) -> Mapping[str, Any]:
        """Return the claims of an ID token after all checks of OpenID Connect Core 3.1.3.7."""
        provider = self._providers[name]
        client = {"essential": True, "value": provider.client_id}
        checks = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": provider.issuer},
            sub={"essential": True},
            aud=client,  # type: ignore[arg-type]
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            key = await self._key(name, known, token)
            claims = jwt.decode(token, KeySet([key]), algorithms=ALGORITHMS).claims
            checks.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise OpenIdRefused(
                "invalid", f"the ID token of {name} does not hold: {error}"
            ) from error
        audience, party = claims["aud"], claims.get("azp")
        several = isinstance(audience, list) and len(audience) > 1
        if (several or party is not None) and party != provider.client_id:
            raise OpenIdRefused("invalid", f"the ID token of {name} is for {party!r}")
        if not isinstance(claims["sub"], str):
            raise OpenIdRefused("invalid", f"the ID token of {name} names nobody")
        return claims

    async def _key(self, name: str, known: _Known, token: str) -> PublicKey:
        """Return the provider's key that a token says it is signed with."""
        id = _key_id(token)
        now = self._clock()
        unknown = id not in known.keys and now - known.keys_at > AGAIN
        if unknown or now - known.keys_at > FRESH:
            found = await self._get(name, known.description["jwks_uri"])
            known.keys, known.keys_at = _usable(found), now
        if not id and len(known.keys) == 1:
            return next(iter(known.keys.values()))
        if id not in known.keys:
            raise OpenIdRefused("invalid", f"{name} has no key {id[:80]!r}")
        return known.keys[id]

    async def _get(self, name: str, address: str) -> dict[str, Any]:
        try:
            return await self._web.get(address)
        except Unreachable as error:
            raise OpenIdRefused("unreachable", f"{name} does not answer: {error}") from error

    def _vouched(self, name: str, claims: Mapping[str, Any]) -> Vouched:
        provider = self._providers[name]
        email = claims.get("email")
        linking = provider.link_verified_email and claims.get("email_verified") is True
        shown = claims.get("name") or claims.get("preferred_username") or email
        return Vouched(
            provider=name,
            issuer=provider.issuer,
            subject=str(claims["sub"]),
            name=str(shown or "")[:120],
            email=email if linking and isinstance(email, str) else "",
            roles=_roles(provider, claims),
        )


def _key_id(token: str) -> str:
    """Return the key id in a token's header, unverified; empty if it has none."""
    id = extract_compact(token.encode()).headers().get("kid", "")
    return id if isinstance(id, str) else ""


def _usable(found: Mapping[str, Any]) -> dict[str, PublicKey]:
    """Return the keys of a JWK set that signatures may be checked with, by id."""
    usable: dict[str, PublicKey] = {}
    listed = found.get("keys")
    for data in listed if isinstance(listed, list) else ():
        kind = KEY_TYPES.get(data.get("kty")) if isinstance(data, dict) else None
        if kind is not None and data.get("use", "sig") == "sig":
            with suppress(JoseError, ValueError, TypeError, KeyError):  # RFC 7517: ignore others
                usable[str(data.get("kid", ""))] = kind.import_key(data)
    return usable


def _roles(provider: OpenIdProvider, claims: Mapping[str, Any]) -> frozenset[Role] | None:
    """Return the roles that a provider's claim stands for; nothing known is a citizen."""
    path = provider.roles_claim
    if not path:
        return None
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list) else [value]
    given = {
        GIVEN[provider.roles[one]]
        for one in values
        if isinstance(one, str) and one in provider.roles
    }
    return frozenset(given or {"citizen"})
