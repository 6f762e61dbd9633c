"""What is done about people: proving who they are, making, changing and removing accounts.

Each change is in the audit log before it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from madang.model.errors import BadRequestData, Conflict, Overloaded, ResourceNotFound, Unauthorized
from madang.trust import passwords
from madang.trust.accounts import (
    LONGEST_NAME,
    Account,
    Accounts,
    login_name,
    people_roles,
    scope_paths,
    texts,
)
from madang.trust.events import Event, PersonDeed, Recorder
from madang.trust.links import Link, Links
from madang.trust.passwords import Passwords
from madang.trust.principal import LOCAL, PUBLIC
from madang.trust.sessions import Sessions
from madang.trust.throttle import Throttle

WRONG: Final = "the name or the password is wrong"


class People:
    """Accounts with what belongs to them: passwords, sessions, links.

    ``by`` is the principal id of who asks for a change.
    """

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        links: Links,
        hashes: Passwords,
        recorder: Recorder,
        now: Callable[[], int],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._links = links
        self._passwords = hashes
        self._recorder = recorder
        self._now = now
        self._throttle = Throttle()
        self.on_remove: list[Callable[[str], Awaitable[None]]] = []
        """Called with the id of an account that is removed: forget what belongs to it."""
        self._first = asyncio.Lock()

    async def add(
        self, login: str, by: str, password: str | None = None, **members: Any
    ) -> Account:
        """Make an account; without a password they sign in otherwise.

        Args:
            members: the others of :meth:`Accounts.add`; ``roles`` must be there.

        Raises:
            BadRequestData, AlreadyExists: as :meth:`Accounts.add`; or the password is too weak.
        """
        hashed = ""
        if password is not None:
            passwords.check(password, login, members.get("name", ""))
            hashed = await self._passwords.hash(password)
        account = await self._accounts.add(login, password_hash=hashed, **members)
        await self._record(by, "accountCreated", account, roles=sorted(account.roles))
        return account

    async def change(self, account: Account, by: str, **members: Any) -> Account:
        """Change roles, tenants, scopes, name, language, or switch off and on (``disabled``).

        With other roles, or switched off, all sessions end.

        Raises:
            BadRequestData: a value is not as it must be.
            Conflict: nobody would be left to manage this hub.
        """
        changed = await self._accounts.change(account, **members)
        if changed.disabled or changed.roles != account.roles:
            await self._sessions.end_all(account.principal_id)
        detail = {name: value for name, value in changed.shown().items() if name in members}
        await self._record(by, "accountChanged", account, **detail)
        return changed

    async def prove(self, login: str, password: str, address: str) -> Account:
        """Return the account whose name and password these are.

        Raises:
            Unauthorized: name or password is wrong, which of them is not said.
            TooManyRequests: there were too many tries.
            Overloaded: too many people sign in at this moment.
        """
        try:
            name = login_name(login)
        except BadRequestData:
            name = login[:LONGEST_NAME]
        self._throttle.begin(name, address, self._now())
        account = self._accounts.by_login(login)
        try:
            right = await self._passwords.verify(password, account.password if account else None)
        except Overloaded:
            self._throttle.withdraw(name, address)
            raise
        if account is not None:
            current = self._accounts.get(account.id)  # that took a while
            is_same = current is not None and current.password == account.password
            account = current if is_same else None
        if account is None or not right or account.disabled:
            # An unknown name is not kept: people type passwords into the wrong field.
            who = account.principal_id if account else PUBLIC.id
            self._recorder.note(Event("signIn", who, "password", "denied", address=address))
            raise Unauthorized(WRONG)
        self._throttle.succeed(name, address)
        if self._passwords.is_dated(account.password):
            hashed = await self._passwords.hash(password)
            account = await self._accounts.change(account, password=hashed)
        return account

    async def change_password(
        self, account: Account, old: str, new: str, address: str, session_id: str = ""
    ) -> None:
        """Set a new password for who knows the old one; all sessions but the given one end.

        Raises:
            Unauthorized: the old one is wrong.
            BadRequestData: the new one is not good enough.
        """
        passwords.check(new, account.login, account.name)
        if account.password:
            await self.prove(account.login, old, address)
        await self.set_password(account, account.principal_id, new, but=session_id)

    async def set_password(
        self, account: Account, by: str, password: str, *, but: str = ""
    ) -> Account:
        """Set a new password; all sessions end, ``but`` one perhaps, and links to set another.

        Raises:
            BadRequestData: it is not good enough.
        """
        passwords.check(password, account.login, account.name)
        hashed = await self._passwords.hash(password)
        changed = await self._accounts.change(account, password=hashed)
        await self._sessions.end_all(account.principal_id, but=but)
        await self._links.drop(account.id)
        await self._record(by, "passwordChanged", account)
        return changed

    async def remove(self, account: Account, by: str) -> None:
        """Remove an account for good.

        Raises:
            Conflict: nobody would be left to manage this hub.
        """
        await self._accounts.remove(account)
        await self._sessions.end_all(account.principal_id)
        await self._links.drop(account.id)
        for forget in self.on_remove:
            await forget(account.id)
        await self._record(by, "accountRemoved", account)

    async def invite(
        self,
        login: str,
        by: str,
        roles: Iterable[str],
        tenants: Iterable[str] = ("",),
        scopes: Iterable[str] = (),
    ) -> tuple[Link, str]:
        """Return a link for somebody who is to have an account, and its address.

        Args:
            login: name the account will have; empty lets them choose.

        Raises:
            BadRequestData: the name, a role or a scope is not as it must be.
            Conflict: there is an account of this name.
        """
        name = login_name(login) if login else ""
        if name and self._accounts.by_login(name) is not None:
            raise Conflict(f"there is an account {name!r} already")
        link, address = await self._links.invite(
            name,
            by,
            frozenset(people_roles(roles)),
            texts("tenants", tenants),
            scope_paths(scopes),
        )
        await self._record(by, "invited", None, link=link.id, roles=sorted(link.roles))
        return link, address

    async def fulfil(self, link: Link, login: str, password: str | None) -> Account:
        """Do what a link is for: make its account, or set its new password.

        Raises:
            BadRequestData, AlreadyExists: name or password are not as they must be.
            Conflict: the first administrator has been made meanwhile.
        """
        if link.purpose == "password":
            account = self._accounts.named(link.account)
            if password is None:
                raise BadRequestData("password is missing")
            return await self.set_password(account, account.principal_id, password)
        async with self._first:
            if link.purpose == "first" and self._accounts.has_administrator():
                raise Conflict("there is an administrator already; ask them for an invitation")
            return await self.add(
                link.login or login,
                link.by or LOCAL.id,
                password,
                roles=link.roles,
                tenants=link.tenants,
                scopes=link.scopes,
            )

    async def withdraw(self, link_id: str, by: str) -> None:
        """Make an unused link good for nothing.

        Raises:
            ResourceNotFound: there is none.
        """
        link = next((one for one in self._links if one.id == link_id), None)
        if link is None:
            raise ResourceNotFound(f"there is no unused link {link_id[:40]!r}")
        await self._links.use(link)
        await self._record(by, "linkWithdrawn", None, link=link.id)

    async def password_link(self, account: Account, by: str) -> tuple[Link, str]:
        """Return a link that sets a new password, and its address."""
        made = await self._links.password(account.id, account.login, by)
        await self._record(by, "passwordLinkMade", account)
        return made

    async def _record(
        self, by: str, action: PersonDeed, account: Account | None, **detail: Any
    ) -> None:
        targets = (account.principal_id,) if account else ()
        await self._recorder.record(Event("account", by, action, targets=targets, detail=detail))
