"""Sessions: that somebody has signed in, from where and how, and until when it holds.

Two kinds: at **pages**, the session's own credential is sent with every request
(``mds_<id>_<secret>``); for **programs**, a family of tokens belongs to it (trust/tokens.py).
Ending a session ends both at once. Source of the times: NIST SP 800-63B-4 sections 2.1.3 and 2.2.3
(reauthentication), OWASP ASVS 5.0 V7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Final, Literal, NamedTuple

from madang.model import time
from madang.model.errors import ResourceNotFound, Unauthorized
from madang.store.protocol import ItemKind
from madang.trust import credentials
from madang.trust.accounts import Account
from madang.trust.credentials import Credential
from madang.trust.records import Body, Records

HOUR: Final = 3600 * 1_000_000
DAY: Final = 24 * HOUR
MOST_EACH: Final = 50
"""Sessions of one person; a further one ends the oldest."""
_LONGEST_AGENT = 200
_AT_ONCE = 100  # sessions in one transaction, so that nobody waits for it

SignInBy = Literal["password", "passkey", "provider", "link", "key"]
"""How somebody proved who they are; ``key`` is a token made of a key."""


class Lifetime(NamedTuple):
    idle: int
    """Without any request. [us]"""
    whole: int
    """However much it is used. [us]"""


CITIZEN: Final = Lifetime(14 * DAY, 30 * DAY)
STAFF: Final = Lifetime(1 * HOUR, 1 * DAY)
"""Of everybody who may do more than a citizen."""


@dataclass(slots=True)
class Session:
    """Instants in microseconds since 1970."""

    id: str
    principal_id: str
    by: SignInBy
    digest: str
    """Of its secret; empty where tokens belong to it."""
    created: int
    seen: int
    idle: int
    """How long it lasts without a request."""
    ends: int
    address: str = ""
    agent: str = ""
    generation: int = 0
    """Which refresh token is the present one."""
    seen_kept: int = 0
    """The ``seen`` that is on the disk."""

    @property
    def until(self) -> int:
        """Until when it holds if nothing is heard of it."""
        return min(self.ends, self.seen + self.idle)

    def shown(self) -> Body:
        """Return what its owner may see of it."""
        return {
            "id": self.id,
            "kind": "page" if self.digest else "token",
            "by": self.by,
            "address": self.address,
            "agent": self.agent,
            "createdAt": time.render(self.created),
            "lastSeenAt": time.render(self.seen),
            "expiresAt": time.render(self.until),
        }


OVER: Final = "this session is over or unknown here; sign in again"


def lifetime(account: Account) -> Lifetime:
    return CITIZEN if account.roles <= {"citizen"} else STAFF


class Sessions:
    """All sessions that hold, in memory and on the disk.

    Args:
        records: where they are kept.
        changed: told the principal id whose session has ended.
        now: the time. [us since 1970]
    """

    def __init__(
        self, records: Records, changed: Callable[[str], None], now: Callable[[], int]
    ) -> None:
        self._records = records
        self._changed = changed
        self._now = now
        self._sessions: dict[str, Session] = {}
        self._of: dict[str, set[str]] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up the sessions that still hold."""
        for body in (await self._records.all("session")).values():
            session = Session(**body)
            session.seen_kept = session.seen
            self._put(session)
        await self.tidy(0)

    def take(self, id: str, body: Body | None) -> None:
        """Take up a session as another hub has left it."""
        known = self._sessions.get(id)
        if body is not None:
            session = Session(**body)
            session.seen_kept = session.seen
            session.seen = max(session.seen, known.seen if known is not None else 0)
            self._put(session)
        elif known is not None:
            self._drop(known)
            self._changed(known.principal_id)

    def get(self, id: str) -> Session | None:
        """Return a session that holds."""
        session = self._sessions.get(id)
        return None if session is None or session.until <= self._now() else session

    def of(self, principal_id: str) -> list[Session]:
        """Return the sessions of one principal that hold, the latest first."""
        found = [self.get(id) for id in self._of.get(principal_id, ())]
        return sorted((s for s in found if s is not None), key=lambda s: s.seen, reverse=True)

    def check(self, credential: Credential) -> Session:
        """Return the session of a page's credential.

        Raises:
            Unauthorized: there is none that holds.
        """
        session = self.get(credential.id)
        if not credentials.fits(credential.secret, (session.digest or None) if session else None):
            raise Unauthorized(OVER)
        assert session is not None  # nothing fits None
        return session

    def touch(self, session: Session, address: str) -> None:
        """Take note that a session is in use."""
        session.seen = self._now()
        session.address = address

    async def open(
        self,
        principal_id: str,
        by: SignInBy,
        times: Lifetime,
        *,
        address: str,
        agent: str = "",
        is_page: bool,
    ) -> tuple[Session, str]:
        """Begin a session; return it with its credential, empty where tokens belong to it."""
        credential = credentials.new(credentials.SESSION, credentials.new_id())
        now = self._now()
        session = Session(
            id=credential.id,
            principal_id=principal_id,
            by=by,
            digest=credentials.digest(credential.secret) if is_page else "",
            created=now,
            seen=now,
            idle=times.idle,
            ends=now + times.whole,
            address=address,
            agent="".join(filter(str.isprintable, agent))[:_LONGEST_AGENT],
        )
        self._put(session)
        try:
            await self._write([session])
        except BaseException:
            self._drop(session)
            raise
        await self._end([one.id for one in self.of(principal_id)[MOST_EACH:]])
        return session, credential.text() if is_page else ""

    async def keep(self, session: Session) -> None:
        """Write a changed session; what it returns from is on the disk."""
        await self._write([session])

    async def end(self, id: str) -> None:
        """End one session.

        Raises:
            ResourceNotFound: there is none.
        """
        if id not in self._sessions:
            raise ResourceNotFound(f"there is no session {id[:40]!r}; perhaps it is over already")
        await self._end([id])

    async def end_all(self, principal_id: str, but: str = "") -> int:
        """End all sessions of a principal, ``but`` one perhaps; return how many."""
        ids = [id for id in self._of.get(principal_id, ()) if id != but]
        await self._end(ids)
        return len(ids)

    async def tidy(self, least_change: int) -> None:
        """Forget what is over, and write down when sessions were last seen.

        Args:
            least_change: nothing is written for a request less than this after the one
                written. [us]
        """
        now = self._now()
        await self._end([s.id for s in self._sessions.values() if s.until <= now])
        due = [
            session
            for session in self._sessions.values()
            if session.seen > session.seen_kept and session.seen >= session.seen_kept + least_change
        ]
        for start in range(0, len(due), _AT_ONCE):
            await self._write(due[start : start + _AT_ONCE])

    def _put(self, session: Session) -> None:
        self._sessions[session.id] = session
        self._of.setdefault(session.principal_id, set()).add(session.id)

    def _drop(self, session: Session) -> None:
        if self._sessions.pop(session.id, None) is None:
            return  # it has ended meanwhile
        mine = self._of[session.principal_id]
        mine.discard(session.id)
        if not mine:
            del self._of[session.principal_id]

    async def _write(self, sessions: Iterable[Session]) -> None:
        async with self._turn:
            bodies: dict[tuple[ItemKind, str], Body | None] = {}
            for session in sessions:
                if session.id not in self._sessions:
                    continue  # it has ended meanwhile
                session.seen_kept = session.seen
                bodies["session", session.id] = {
                    field.name: getattr(session, field.name) for field in fields(session)
                }
            await self._records.commit(bodies)

    async def _end(self, ids: Iterable[str]) -> None:
        """End sessions in memory first: from here on, nobody passes."""
        ended = [session for id in ids if (session := self._sessions.get(id))]
        for session in ended:
            self._drop(session)
        for principal_id in {session.principal_id for session in ended}:
            self._changed(principal_id)
        for start in range(0, len(ended), _AT_ONCE):
            async with self._turn:
                await self._records.commit(
                    {("session", s.id): None for s in ended[start : start + _AT_ONCE]}
                )
