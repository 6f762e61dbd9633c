"""Identities: who there is, and who a credential belongs to.

The parts (accounts, keys, sessions, tokens, links) each keep one kind of thing. What concerns
several of them, or must be in the audit log, is done here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import structlog
from argon2 import PasswordHasher

from madang.hub.clock import Clock
from madang.model.errors import ResourceNotFound, Unauthorized
from madang.trust import credentials
from madang.trust.accounts import Account, Accounts
from madang.trust.events import Deed, Event, EventKind, Outcome, Recorder
from madang.trust.keys import Key, Keys
from madang.trust.links import Links
from madang.trust.passwords import Passwords
from madang.trust.people import People
from madang.trust.principal import LOCAL, PUBLIC, ROLES, Kind, Principal, Role
from madang.trust.records import Records
from madang.trust.secrets import Secrets
from madang.trust.sessions import Lifetime, Session, Sessions, SignInBy, lifetime
from madang.trust.tokens import ACCESS_S, Pair, Reused, Tokens

log = structlog.get_logger("madang.trust")

MINUTE: Final = 60 * 1_000_000
"""How long a credential is believed without a closer look, unless something changes. [us]"""
_USES = 15 * MINUTE  # how exactly uses of keys and sessions are kept over a restart
_REVOKED = 90 * 24 * 60 * MINUTE  # how long users of a revoked key are told why
_MOST = 100_000  # credentials remembered
_GONE: Final = "the account or key that this belongs to is switched off or gone; ask who manages it"
_MALFORMED: Final = (
    "this is no credential of this hub; a key begins with mdg_ and ends with 64 hexadecimal digits,"
    " so copy it whole; a token is made by POST /token"
)


class SignedIn(NamedTuple):
    """Somebody has signed in. The credential is empty where tokens belong to the session."""

    account: Account
    session: Session
    credential: str


class Identities:
    """Everybody who can ask.

    Args:
        records: where all of it is kept.
        recorder: takes note of every sign-in and change.
        folder: the data folder, where the key of the secrets is.
        url: address of this hub, as others reach it.
        now: the time. [us since 1970]
        hasher: of passwords; cheaper ones are for tests.
    """

    def __init__(
        self,
        records: Records,
        recorder: Recorder,
        folder: Path,
        url: str,
        *,
        now: Callable[[], int] | None = None,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._records = records
        self._recorder = recorder
        self._folder = folder
        self._url = url
        self._now = now or Clock().now
        self._grants: dict[str, tuple[Principal, int]] = {}
        self._granted: dict[str, set[str]] = {}  # credentials remembered, by principal
        self._task: asyncio.Task[None] | None = None
        self.on_change: list[Callable[[str], None]] = []
        """Called with the principal id of whoever is changed, or whose session has ended."""
        self.passwords = Passwords(hasher)
        self.accounts = Accounts(records, self._changed, self._now)
        self.keys = Keys(records, recorder, self._changed, self._now)
        self.sessions = Sessions(records, self._changed, self._now)
        self.links = Links(records, url, self._now)
        self.people = People(
            self.accounts, self.sessions, self.links, self.passwords, recorder, self._now
        )
        self.secrets: Secrets
        self.tokens: Tokens

    async def start(self) -> None:
        """Take up everything that is kept.

        Raises:
            SecretKeyError: the key of the secrets is missing or another one.
        """
        self.secrets = await Secrets.open(self._records, self._folder)
        self.tokens = Tokens(self._records, self.secrets, self.sessions, self._url, self._now)
        await self.accounts.start()
        await self.keys.start()
        await self.sessions.start()
        await self.links.start()
        await self.tokens.start()
        self._task = asyncio.get_running_loop().create_task(self._upkeep())

    async def close(self) -> None:
        """Write out what is only in memory."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self.tidy(0)
        self.passwords.close()

    # --- who asks -------------------------------------------------------------------------------

    def principal_of(self, credential: str, address: str) -> Principal:
        """Return whose a credential is.

        Args:
            credential: a key, an access token or the credential of a session.
            address: where the request came from.

        Raises:
            Unauthorized: it is not good; the text says what to do.
        """
        grant = self._grants.get(credential)
        if grant is not None and self._now() < grant[1]:
            return grant[0]
        return self._look(credential, address)

    def find(self, who: str) -> Principal | None:
        """Return the principal that somebody names; None for who is unknown or switched off.

        Args:
            who: name of an account, id or name of a key, ``role:operator`` for anybody who is just
                that, or the id of a principal.

        Raises:
            BadRequestData: several keys have that name.
        """
        if who in (PUBLIC.id, LOCAL.id):
            return PUBLIC if who == PUBLIC.id else LOCAL
        before, colon, rest = who.partition(":")
        if colon and before == "role":
            return _anybody(rest) if rest in ROLES else None
        if not colon:
            who = self._principal_id(who)
        try:
            return self._holder(who).principal()
        except Unauthorized:
            return None

    def _principal_id(self, name: str) -> str:
        """Return the principal of an account or key; empty if there is none."""
        try:
            return (self.accounts.by_login(name) or self.keys.named(name)).principal_id
        except ResourceNotFound:
            return ""

    def _look(self, credential: str, address: str) -> Principal:
        self._grants.pop(credential, None)
        if len(credential) > credentials.LONGEST:
            raise Unauthorized(_MALFORMED)
        holder, until = self._holder_of(credential, address)
        principal = holder.principal()
        until = min(until, self._now() + MINUTE)
        if len(self._grants) >= _MOST:
            self._grants.clear()
            self._granted.clear()
        self._grants[credential] = (principal, until)
        self._granted.setdefault(principal.id, set()).add(credential)
        return principal

    def _holder_of(self, credential: str, address: str) -> tuple[Account | Key, int]:
        found = credentials.parse(credential)
        if found is None:
            if credential.count(".") != 2:
                raise Unauthorized(_MALFORMED)
            session, until = self.tokens.check(credential)
            self.sessions.touch(session, address)
            return self._holder(session.principal_id), min(until, session.until)
        if found.prefix == credentials.KEY:
            key, expires = self.keys.check(found)
            return key, self._now() + MINUTE if expires is None else expires
        if found.prefix == credentials.SESSION:
            session = self.sessions.check(found)
            self.sessions.touch(session, address)
            return self._holder(session.principal_id), session.until
        raise Unauthorized(
            "a refresh token or a link's code is no credential for requests; "
            "POST /token gives an access token for a refresh token"
        )

    def _holder(self, principal_id: str) -> Account | Key:
        """Return the account or key of a principal, which must be good."""
        kind, _, id = principal_id.partition(":")
        if kind == "person":
            account = self.accounts.get(id)
            if account is not None and not account.disabled:
                return account
        else:
            key = self.keys.get(id)
            if key is not None and key.kind == kind and self.keys.is_good(key):
                return key
        raise Unauthorized(_GONE)

    def _changed(self, principal_id: str) -> None:
        for credential in self._granted.pop(principal_id, ()):
            self._grants.pop(credential, None)
        for tell in self.on_change:
            tell(principal_id)

    # --- signing in -----------------------------------------------------------------------------

    async def sign_in(
        self, login: str, password: str, address: str, agent: str = "", *, is_page: bool = True
    ) -> SignedIn:
        """Sign in with name and password.

        Args:
            is_page: begin a session with a credential of its own, rather than one for tokens.

        Raises:
            Unauthorized: name or password is wrong, which of them is not said.
            TooManyRequests: there were too many tries.
            Overloaded: too many people sign in at this moment.
        """
        account = await self.people.prove(login, password, address)
        return await self.open_session(account, "password", address, agent, is_page=is_page)

    async def open_session(
        self, account: Account, by: SignInBy, address: str, agent: str = "", *, is_page: bool = True
    ) -> SignedIn:
        """Begin a session of somebody who has proved who they are.

        Raises:
            Unauthorized: the account is switched off.
        """
        account = cast("Account", self._holder(account.principal_id))
        session, credential = await self.sessions.open(
            account.principal_id,
            by,
            lifetime(account),
            address=address,
            agent=agent,
            is_page=is_page,
        )
        self._note("signIn", account.principal_id, by, address)
        return SignedIn(account, session, credential)

    def session_of(self, credential: str) -> Session | None:
        """Return the session that a credential belongs to; None for a key or what is not good."""
        found = credentials.parse(credential) if len(credential) <= credentials.LONGEST else None
        try:
            if found is None:
                return self.tokens.check(credential)[0] if credential.count(".") == 2 else None
            if found.prefix == credentials.REFRESH:
                return self.tokens.session_of(found)
            return self.sessions.check(found) if found.prefix == credentials.SESSION else None
        except Unauthorized:
            return None

    async def sign_out(self, session: Session, address: str = "") -> None:
        """End a session and its tokens."""
        await self.sessions.end(session.id)
        self._note("signOut", session.principal_id, "signOut", address)

    # --- links ----------------------------------------------------------------------------------

    def first_administrator_link(self) -> str | None:
        """Return a link that makes the first administrator; None if there is one."""
        return None if self.accounts.has_administrator() else self.links.first()

    async def redeem(self, code: str, login: str, password: str | None, address: str) -> Account:
        """Use a link: make its account, or set its new password.

        Args:
            login: the name wished for; of no account for a link that names one.
            password: None for who will sign in otherwise.

        Raises:
            Unauthorized: the link is not good.
            BadRequestData: name or password are not as they must be; the link stays good.
            AlreadyExists: there is an account of this name; the link stays good.
        """
        try:
            link = self.links.check(code)
        except Unauthorized:
            self._note("account", PUBLIC.id, "linkRefused", address, "denied")
            raise
        await self.links.use(link)
        try:
            return await self.people.fulfil(link, login, password)
        except BaseException:
            await self.links.give_back(link)
            raise

    # --- tokens ---------------------------------------------------------------------------------

    def pair(self, session: Session) -> Pair:
        """Return an access token and the refresh token of a session without page credential."""
        return Pair(self.tokens.access(session), self.tokens.refresh(session), ACCESS_S)

    async def refresh(self, token: str, address: str) -> Pair:
        """Return new tokens for a refresh token, which is good no more.

        Raises:
            Unauthorized: it is not good; if it was used before, its session has ended.
        """
        try:
            session = await self.tokens.use(token)
        except Reused as error:
            self._note("token", error.principal_id, "refreshReused", address, "denied")
            raise
        self._holder(session.principal_id)
        session.address = address
        return self.pair(session)

    async def revoke(self, token: str, address: str) -> None:
        """End the session of an access token, a refresh token or a page; what is none is nothing.

        Who has it may end it (RFC 7009 section 2.2: an unknown token is no error).
        """
        session = self.session_of(token)
        if session is not None:
            await self.sign_out(session, address)

    async def key_token(self, key: Key, by: str, address: str) -> Pair:
        """Return one access token that speaks as a key, to be handed on for a quarter of an hour.

        Raises:
            Unauthorized: the key is not good.
        """
        self._holder(key.principal_id)
        span = ACCESS_S * 1_000_000
        session, _ = await self.sessions.open(
            key.principal_id, "key", Lifetime(span, span), address=address, is_page=False
        )
        await self._record(by, "tokenCreated", key.principal_id, session=session.id)
        return Pair(self.tokens.access(session), "", ACCESS_S)

    async def end_session(self, id: str, by: str) -> None:
        """End a session and its tokens, whoever's they are.

        Raises:
            ResourceNotFound: there is none.
        """
        session = self.sessions.get(id)
        if session is None:
            raise ResourceNotFound(f"there is no session {id[:40]!r}; perhaps it is over already")
        await self.sessions.end(id)
        await self._record(by, "sessionEnded", session.principal_id, session=id)

    async def rotate_signing_key(self, by: str) -> str:
        """Sign tokens with a new key from now on; return its id."""
        kid = await self.tokens.rotate()
        await self._record(by, "signingKeyRotated", kid=kid)
        return kid

    # --- upkeep ---------------------------------------------------------------------------------

    async def tidy(self, least_change: int = _USES) -> None:
        """Forget what is over, write down what was used, renew the signing key when it is due."""
        await self.sessions.tidy(least_change)
        await self.keys.tidy(least_change, _REVOKED)
        await self.links.tidy()
        await self.tokens.tidy()

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(MINUTE / 1_000_000)
            try:
                await self.tidy()
            except Exception:  # a full disk, say; the next minute may be better
                log.exception("identities.upkeep_failed")

    def _note(
        self, kind: EventKind, actor: str, action: Deed, address: str, outcome: Outcome = "done"
    ) -> None:
        self._recorder.note(Event(kind, actor, action, outcome, address=address))

    async def _record(self, by: str, action: Deed, *targets: str, **detail: Any) -> None:
        await self._recorder.record(Event("token", by, action, targets=targets, detail=detail))


def _anybody(role: str) -> Principal:
    kinds: dict[str, Kind] = {"device": "device", "app": "app", "public": "public"}
    if role == "public":
        return PUBLIC
    return Principal(
        f"role:{role}", kinds.get(role, "person"), f"any {role}", frozenset({cast("Role", role)})
    )
