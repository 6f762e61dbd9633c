"""One-time links: the first administrator's, invitations, and to set a new password.

A link holds a code (``mdl_<id>_<secret>``) that works once. Only its digest is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Final, Literal

from madang.model import time
from madang.model.errors import BadRequestData, Unauthorized
from madang.trust import credentials
from madang.trust.records import Body, Records

Purpose = Literal["first", "invitation", "password"]
VALID_S: Final = 7 * 24 * 3600
"""How long an invitation or a new password's link is good. [s]"""
PATH: Final = "/welcome"
"""The page a link leads to; the code is its query parameter ``code``."""
MOST: Final = 10_000
_SECOND = 1_000_000
_SETS = ("roles", "tenants", "scopes")
NOT_GOOD: Final = (
    "this link is not good (any more): it was used, replaced or has expired; ask for a new one"
)


@dataclass(frozen=True, slots=True)
class Link:
    id: str
    purpose: Purpose
    digest: str
    expires: int
    """[us since 1970]"""
    by: str
    """Principal id of who made it."""
    login: str = ""
    """Name the account is to have; its owner chooses if empty."""
    account: str = ""
    """Id of the account whose password it sets."""
    roles: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()

    def shown(self) -> Body:
        return {
            "id": self.id,
            "purpose": self.purpose,
            "login": self.login,
            "roles": sorted(self.roles),
            "expiresAt": time.render(self.expires),
        }


class Links:
    """All links that still can be used.

    Args:
        records: where they are kept, but the first administrator's, which each start makes anew.
        url: address of this hub, as others reach it.
        now: the time. [us since 1970]
    """

    def __init__(self, records: Records, url: str, now: Callable[[], int]) -> None:
        self._records = records
        self._url = url
        self._now = now
        self._links: dict[str, Link] = {}

    async def start(self) -> None:
        """Take up the links that were made."""
        for id, body in (await self._records.all("link")).items():
            self.take(id, body)
        await self.tidy()

    def take(self, id: str, body: Body | None) -> None:
        """Take up a link as it is kept."""
        if body is None:
            self._links.pop(id, None)
        else:
            self._links[id] = Link(**(body | {name: frozenset(body[name]) for name in _SETS}))

    def __iter__(self) -> Iterator[Link]:
        """Go through all links that others can be told of."""
        return iter([link for link in self._links.values() if link.purpose != "first"])

    def first(self) -> str:
        """Return a link that makes the first administrator; an older one is good no more."""
        for link in [one for one in self._links.values() if one.purpose == "first"]:
            del self._links[link.id]
        return self._new("first", "", roles=frozenset({"administrator"}), tenants=frozenset({"*"}))[
            1
        ]

    async def invite(
        self,
        login: str,
        by: str,
        roles: frozenset[str],
        tenants: frozenset[str],
        scopes: frozenset[str],
    ) -> tuple[Link, str]:
        """Return a link that makes an account, and its address."""
        link, address = self._new(
            "invitation", by, login=login, roles=roles, tenants=tenants, scopes=scopes
        )
        await self._keep(link)
        return link, address

    async def password(self, account: str, login: str, by: str) -> tuple[Link, str]:
        """Return a link that sets a new password; an older one for the account goes."""
        await self.drop(account)
        link, address = self._new("password", by, account=account, login=login)
        await self._keep(link)
        return link, address

    def check(self, code: str) -> Link:
        """Return the link of a code, without using it up.

        Raises:
            Unauthorized: it is not good.
        """
        credential = credentials.parse(code) if len(code) <= credentials.LONGEST else None
        link = self._links.get(credential.id) if credential else None
        secret = credential.secret if credential else ""
        fits = credentials.fits(secret, link.digest if link else None)
        if link is None or not fits or link.expires <= self._now():
            raise Unauthorized(NOT_GOOD)
        return link

    async def use(self, link: Link) -> None:
        """Use a link up.

        Raises:
            Unauthorized: somebody was faster.
        """
        if self._links.pop(link.id, None) is None:
            raise Unauthorized(NOT_GOOD)
        if link.purpose != "first":
            await self._records.put("link", link.id, None)

    async def give_back(self, link: Link) -> None:
        """Make a link good again, as what it was used for did not happen."""
        await self._keep(link)

    async def drop(self, account: str) -> None:
        """Forget the links that set the password of an account."""
        for link in [one for one in self._links.values() if account and one.account == account]:
            await self.use(link)

    async def tidy(self) -> None:
        """Forget what has expired."""
        now = self._now()
        for link in [one for one in self._links.values() if one.expires <= now]:
            await self.use(link)

    def _new(
        self,
        purpose: Purpose,
        by: str,
        *,
        login: str = "",
        account: str = "",
        roles: frozenset[str] = frozenset(),
        tenants: frozenset[str] = frozenset(),
        scopes: frozenset[str] = frozenset(),
    ) -> tuple[Link, str]:
        if len(self._links) >= MOST:
            raise BadRequestData(f"there are {MOST:,} unused links; wait until some expire")
        credential = credentials.new(credentials.LINK, credentials.new_id())
        digest = credentials.digest(credential.secret)
        # The first administrator's lives as long as the process does.
        expires = self._now() + (VALID_S if purpose != "first" else 100 * 365 * 86_400) * _SECOND
        link = Link(
            credential.id, purpose, digest, expires, by, login, account, roles, tenants, scopes
        )
        self._links[link.id] = link
        return link, f"{self._url}{PATH}?code={credential.text()}"

    async def _keep(self, link: Link) -> None:
        self._links[link.id] = link
        if link.purpose == "first":
            return
        body: Body = {field.name: getattr(link, field.name) for field in fields(link)}
        body |= {name: sorted(body[name]) for name in _SETS}
        await self._records.put("link", link.id, body)
