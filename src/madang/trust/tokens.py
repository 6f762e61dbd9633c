"""Tokens: short-lived signed access tokens, and the refresh tokens that give new ones.

An access token is a JWT (RFC 7519, profile RFC 9068) signed with ES256 and nothing else (RFC 8725).
It names a session, which must still hold, so revocation works at once. A refresh token works once;
one that comes again has been copied, and ends its session with all of its tokens (RFC 9700 section
4.14.2). It carries a message authentication code, so nothing about it needs to be kept but its
number.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from madang.model.errors import Unauthorized
from madang.trust import credentials
from madang.trust.credentials import Credential
from madang.trust.records import Body, Records
from madang.trust.secrets import Secrets
from madang.trust.sessions import Session, Sessions

ALGORITHM: Final = "ES256"
TYPE: Final = "at+jwt"
AUDIENCE: Final = "madang"
ACCESS_S: Final = 15 * 60
"""How long an access token is good. [s]"""
_SECOND = 1_000_000
_SIGNING_DAYS = 90
_SIGNING_FOR = _SIGNING_DAYS * 24 * 3600 * _SECOND
_PREFIX = "signing:"
_GENERATION = 8  # hexadecimal digits in a refresh token

GET_NEW: Final = "get a new one with your refresh token, or sign in again"
UNKNOWN: Final = f"this token is not one of this hub's; {GET_NEW}"
OVER: Final = "this token has been revoked, or its session is over; sign in again"


@dataclass(frozen=True, slots=True)
class _Signer:
    """A key pair; the newest signs, older ones verify until their last token is gone."""

    key: ECKey
    created: int
    """[us since 1970]"""


class Pair(NamedTuple):
    """Tokens, as RFC 6749 section 5.1 has them; no refresh token for what must not last."""

    access: str
    refresh: str
    expires_s: int


class Tokens:
    """Makes and checks tokens.

    Args:
        records: where signing keys are kept, sealed.
        secrets: seals them.
        sessions: what tokens belong to.
        issuer: address of this hub; tokens of another are refused.
        now: the time. [us since 1970]
    """

    def __init__(
        self,
        records: Records,
        secrets: Secrets,
        sessions: Sessions,
        issuer: str,
        now: Callable[[], int],
    ) -> None:
        self._records = records
        self._secrets = secrets
        self._sessions = sessions
        self._issuer = issuer
        self._now = now
        self._mac_key = secrets.derive("refresh")
        self._signers: dict[str, _Signer] = {}
        self._registry = JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up the signing keys, and make the first.

        Raises:
            SecretKeyError: they cannot be opened.
        """
        for id, body in (await self._records.all("secret")).items():
            self.take(id, body)
        await self.tidy()

    def take(self, id: str, body: Body | None) -> None:
        """Take up a secret as it is kept, if it is a signing key."""
        if not id.startswith(_PREFIX):
            return
        kid = id.removeprefix(_PREFIX)
        if body is None:
            self._signers.pop(kid, None)
            return
        private = orjson.loads(self._secrets.unseal(body["sealed"], id))
        self._signers[kid] = _Signer(ECKey.import_key(private), body["created"])

    async def rotate(self) -> str:
        """Sign with a new key from now on; return its id. Tokens of older keys stay good."""
        async with self._turn:
            key = ECKey.generate_key("P-256", private=True)
            newest = self._newest()
            least = 0 if newest is None else self._signers[newest].created + 1
            kid, created = credentials.new_id(), max(self._now(), least)
            private = orjson.dumps(key.as_dict(private=True))
            sealed = self._secrets.seal(private, _PREFIX + kid)
            await self._records.put("secret", _PREFIX + kid, {"sealed": sealed, "created": created})
            self._signers[kid] = _Signer(key, created)
            return kid

    async def tidy(self) -> None:
        """Rotate when the signing key is old, and forget keys whose last token is gone."""
        now = self._now()
        newest = self._newest()
        if newest is None or self._signers[newest].created + _SIGNING_FOR <= now:
            newest = await self.rotate()
        since = self._signers[newest].created
        if since + 2 * ACCESS_S * _SECOND <= now:
            for kid in [kid for kid in self._signers if kid != newest]:
                await self._records.put("secret", _PREFIX + kid, None)
                self._signers.pop(kid, None)

    def jwks(self) -> Body:
        """Return the public keys with which others can verify our tokens (RFC 7517)."""
        return {
            "keys": [
                {
                    **signer.key.as_dict(private=False),
                    "kid": kid,
                    "alg": ALGORITHM,
                    "use": "sig",
                    "key_ops": ["verify"],
                }
                for kid, signer in self._signers.items()
            ]
        }

    # --- access tokens --------------------------------------------------------------------------

    def access(self, session: Session) -> str:
        """Return a new access token of a session."""
        kid = self._newest()
        assert kid is not None, "start() makes a signing key"
        now = self._now() // _SECOND
        until = min(now + ACCESS_S, session.until // _SECOND)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": session.principal_id,
            "sid": session.id,
            "jti": credentials.new_id(),
            "iat": now,
            "nbf": now,
            "exp": until,
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": kid}
        return jwt.encode(header, claims, self._signers[kid].key, registry=self._registry)

    def check(self, token: str) -> tuple[Session, int]:
        """Return the session of an access token, and until when the token is good.

        Raises:
            Unauthorized: it is not good; the text says what to do.
        """
        try:
            found = jwt.decode(token, self._key_of, registry=self._registry)
            if found.header.get("typ") != TYPE:
                raise Unauthorized(UNKNOWN)
            self._claims().validate(found.claims)
        except ExpiredTokenError:
            raise Unauthorized(f"this token has expired; {GET_NEW}") from None
        except (JoseError, ValueError, TypeError):
            raise Unauthorized(UNKNOWN) from None
        session = self._sessions.get(str(found.claims["sid"]))
        if session is None or session.principal_id != found.claims["sub"]:
            raise Unauthorized(OVER)
        return session, int(found.claims["exp"]) * _SECOND

    def _claims(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=self._now() // _SECOND,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            sid={"essential": True},
            jti={"essential": True},
            iat={"essential": True},
            nbf={"essential": True},
            exp={"essential": True},
        )

    def _key_of(self, token: Any) -> ECKey:
        """Return one of our own keys; whatever key a token brings or points to is nothing to us."""
        signer = self._signers.get(str(token.headers().get("kid")))
        if signer is None:
            raise Unauthorized(UNKNOWN)
        return signer.key

    def _newest(self) -> str | None:
        return max(self._signers, key=lambda kid: self._signers[kid].created, default=None)

    # --- refresh tokens -------------------------------------------------------------------------

    def refresh(self, session: Session) -> str:
        """Return the refresh token of a session's present generation."""
        generation = f"{session.generation:0{_GENERATION}x}"
        secret = generation + self._mac(session.id, generation)
        return Credential(credentials.REFRESH, session.id, secret).text()

    async def use(self, token: str) -> Session:
        """Take a refresh token, which works no second time; return its session.

        Raises:
            Unauthorized: it is not good. If it was used before, its session has ended.
        """
        credential = credentials.parse(token) if len(token) <= credentials.LONGEST else None
        if credential is None or credential.prefix != credentials.REFRESH:
            raise Unauthorized("this is no refresh token of this hub; sign in again")
        session = self.session_of(credential)
        if int(credential.secret[:_GENERATION], 16) != session.generation:
            await self._sessions.end(session.id)
            raise Reused(session.principal_id)
        session.generation += 1  # before the wait: of two at once, one is the second
        session.seen = self._now()
        await self._sessions.keep(session)
        return session

    def session_of(self, credential: Credential) -> Session:
        """Return the session of a refresh token, present or past.

        Raises:
            Unauthorized: it was not made here, or its session is over.
        """
        generation, mac = credential.secret[:_GENERATION], credential.secret[_GENERATION:]
        session = self._sessions.get(credential.id)
        right = hmac.compare_digest(mac, self._mac(credential.id, generation))
        if session is None or session.digest or not right:
            raise Unauthorized(OVER)
        return session

    def _mac(self, id: str, generation: str) -> str:
        return hmac.new(self._mac_key, f"{id}.{generation}".encode(), hashlib.sha256).hexdigest()


class Reused(Unauthorized):
    """A refresh token came a second time: it, or the one after it, has been copied."""

    def __init__(self, principal_id: str) -> None:
        super().__init__(
            "this refresh token was used before, so somebody may have copied it; "
            "its session has been ended: sign in again"
        )
        self.principal_id = principal_id
