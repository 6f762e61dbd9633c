"""Accounts of people: a name to sign in with, a password's hash, roles, and where they hold.

All accounts are kept in memory, for whoever asks is looked up without a wait. Source of the form of
names: RFC 8265 (PRECIS UsernameCaseMapped), with NFKC so that look-alike letters of other widths
are one.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Final, cast

from madang.model import time
from madang.model.errors import AlreadyExists, BadRequestData, Conflict, ResourceNotFound
from madang.trust import credentials
from madang.trust.principal import ROLES, Principal, Role
from madang.trust.records import Body, Records

LONGEST_NAME: Final = 128
PERSON: Final = "urn:ngsi-ld:Person:"
"""What the id of the entity that is a person begins with, before the id of the account."""
MOST: Final = 500_000
_MOST_ITEMS = 100  # roles, tenants or scopes of one account
_LONGEST_ITEM = 1000
PEOPLE_ROLES: Final = tuple(role for role in ROLES if role not in ("public", "device", "app"))
_REFUSED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}


def login_name(text: str) -> str:
    """Return a name as it is stored and compared.

    Raises:
        BadRequestData: it is empty, too long, or holds blanks or invisible characters.

    >>> login_name("Ｊｉｎ.Park@Seoul.KR")
    'jin.park@seoul.kr'
    """
    if len(text) > LONGEST_NAME:
        raise BadRequestData(f"the name has {len(text)} characters, {LONGEST_NAME} are allowed")
    name, before = text.strip(), None
    while name != before:  # folding may make what is to be normalised again
        before, name = name, unicodedata.normalize("NFKC", name.casefold())
    if not name or len(name) > LONGEST_NAME:
        raise BadRequestData(f"the name must have 1 to {LONGEST_NAME} characters")
    if any(char in ":/" or unicodedata.category(char) in _REFUSED for char in name):
        raise BadRequestData(
            "the name must have no blanks, colons, slashes or invisible characters; "
            "jin.park and jin@example.org are good"
        )
    return name


@lru_cache(maxsize=4096)
def _shared(items: tuple[str, ...]) -> frozenset[str]:
    """Return one set for all accounts that have the same."""
    return frozenset(items)


def texts(member: str, items: Iterable[str]) -> frozenset[str]:
    """Return items as a set, or raise BadRequestData naming the member."""
    if not isinstance(items, list | tuple | frozenset) or not all(
        isinstance(item, str) for item in items
    ):
        raise BadRequestData(f"{member} must be an array of texts")
    found = sorted(set(items))
    if len(found) > _MOST_ITEMS or any(len(item) > _LONGEST_ITEM for item in found):
        raise BadRequestData(
            f"{member} may have {_MOST_ITEMS} items of {_LONGEST_ITEM} characters at most"
        )
    return _shared(tuple(found))


def people_roles(items: Iterable[str]) -> frozenset[Role]:
    """Return roles a person can have, or raise BadRequestData naming those there are."""
    found = texts("roles", items)
    if wrong := sorted(found - set(PEOPLE_ROLES)):
        raise BadRequestData(
            f"there is no role {wrong[0]!r} for people; roles are {', '.join(PEOPLE_ROLES)}"
        )
    if not found:
        raise BadRequestData(f"roles must name at least one of {', '.join(PEOPLE_ROLES)}")
    return cast("frozenset[Role]", found)


def scope_paths(items: Iterable[str]) -> frozenset[str]:
    """Return scopes such as ``/Seoul/Water``, or raise BadRequestData."""
    found = texts("scopes", items)
    for scope in found:
        if not scope.startswith("/") or not scope.strip("/"):
            raise BadRequestData(f"{scope!r} is no scope such as /Seoul/Water")
    return found


@dataclass(frozen=True, slots=True)
class Account:
    """One person. Its id is never used again, whatever becomes of the name."""

    id: str
    login: str
    name: str
    """As they want to be called."""
    roles: frozenset[Role]
    tenants: frozenset[str]
    scopes: frozenset[str]
    language: str
    password: str
    """What argon2id makes of it; empty if they sign in otherwise."""
    disabled: bool
    created: int
    """[us since 1970]"""

    @property
    def principal_id(self) -> str:
        return f"person:{self.id}"

    @property
    def entity(self) -> str:
        """The id of the entity that is this person."""
        return PERSON + self.id

    def principal(self) -> Principal:
        return Principal(
            self.principal_id,
            "person",
            self.login,
            self.roles,
            self.tenants,
            self.scopes,
            entities=frozenset({self.entity}),
        )

    def shown(self) -> Body:
        """Return what others may see of it: everything but the password."""
        return {
            "id": self.id,
            "login": self.login,
            "name": self.name,
            "roles": sorted(self.roles),
            "tenants": sorted(self.tenants),
            "scopes": sorted(self.scopes),
            "language": self.language,
            "entity": self.entity,
            "hasPassword": bool(self.password),
            "disabled": self.disabled,
            "createdAt": time.render(self.created),
        }

    def _body(self) -> Body:
        body = {field.name: getattr(self, field.name) for field in fields(self)}
        return body | {name: sorted(body[name]) for name in ("roles", "tenants", "scopes")}


def _read(body: Body) -> Account:
    sets = {name: _shared(tuple(body[name])) for name in ("roles", "tenants", "scopes")}
    return Account(**(body | sets))


class Accounts:
    """All accounts.

    Args:
        records: where they are kept.
        changed: told the principal id of each account that is changed, after the change.
        now: the time. [us since 1970]
    """

    def __init__(
        self, records: Records, changed: Callable[[str], None], now: Callable[[], int]
    ) -> None:
        self._records = records
        self._changed = changed
        self._now = now
        self._by_id: dict[str, Account] = {}
        self._ids: dict[str, str] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up the accounts there are."""
        for body in (await self._records.all("account")).values():
            account = _read(body)
            self._by_id[account.id] = account
            self._ids[account.login] = account.id

    def take(self, id: str, body: Body | None) -> None:
        """Take up an account as another hub has left it."""
        former = self._by_id.pop(id, None)
        if former is not None:
            del self._ids[former.login]
        if body is not None:
            account = self._by_id[id] = _read(body)
            self._ids[account.login] = id
        self._changed(f"person:{id}")

    def __iter__(self) -> Iterator[Account]:
        """Go through all accounts in the order of their names."""
        return iter([self._by_id[id] for _, id in sorted(self._ids.items())])

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, id: str) -> Account | None:
        return self._by_id.get(id)

    def by_login(self, login: str) -> Account | None:
        """Return the account of a name, however it is written; None for what is no name."""
        try:
            return self._by_id.get(self._ids.get(login_name(login), ""))
        except BadRequestData:
            return None

    def named(self, who: str) -> Account:
        """Return the account of a name or id.

        Raises:
            ResourceNotFound: there is none.
        """
        found = self._by_id.get(who) or self.by_login(who)
        if found is None:
            raise ResourceNotFound(
                f"there is no account {who[:LONGEST_NAME]!r}; `madang user list` shows all"
            )
        return found

    def has_administrator(self) -> bool:
        """Return whether somebody can manage this hub, which takes all of its tenants."""
        return any(_manages(account) for account in self._by_id.values())

    async def add(
        self,
        login: str,
        *,
        roles: Iterable[str],
        name: str = "",
        tenants: Iterable[str] = ("",),
        scopes: Iterable[str] = (),
        language: str = "",
        password_hash: str = "",
    ) -> Account:
        """Make an account.

        Raises:
            BadRequestData: the name, a role or a scope is not as it must be.
            AlreadyExists: there is an account of this name.
            Conflict: there are as many accounts as one hub can have.
        """
        account = Account(
            id=credentials.new_id(),
            login=login_name(login),
            name=_label("name", name) or login.strip(),
            roles=people_roles(roles),
            tenants=texts("tenants", tenants),
            scopes=scope_paths(scopes),
            language=_label("language", language),
            password=password_hash,
            disabled=False,
            created=self._now(),
        )
        async with self._turn:
            if account.login in self._ids:
                raise AlreadyExists(f"there is an account {account.login!r} already")
            if len(self._by_id) >= MOST:
                raise Conflict(f"there are {MOST:,} accounts already")
            await self._keep(account)
            self._ids[account.login] = account.id
        return account

    async def change(self, account: Account, **members: Any) -> Account:
        """Change members of an account.

        Raises:
            BadRequestData: a value is not as it must be.
            Conflict: nobody would be left to manage this hub.
        """
        checks: dict[str, Callable[[Any], Any]] = {
            "name": lambda text: _label("name", text) or account.login,
            "language": lambda text: _label("language", text),
            "roles": people_roles,
            "scopes": scope_paths,
            "tenants": lambda items: texts("tenants", items),
        }
        good = {name: checks.get(name, lambda v: v)(value) for name, value in members.items()}
        async with self._turn:
            before = self.named(account.id)
            after = replace(before, **good)
            self._leave_a_manager(before, after)
            await self._keep(after)
        return after

    async def remove(self, account: Account) -> None:
        """Remove an account; its id is never used again.

        Raises:
            Conflict: nobody would be left to manage this hub.
        """
        async with self._turn:
            self._leave_a_manager(self.named(account.id), None)
            await self._records.put("account", account.id, None)
            del self._by_id[account.id], self._ids[account.login]
        self._changed(account.principal_id)

    async def _keep(self, account: Account) -> None:
        await self._records.put("account", account.id, account._body())
        self._by_id[account.id] = account
        self._changed(account.principal_id)

    def _leave_a_manager(self, before: Account, after: Account | None) -> None:
        if not _manages(before) or (after is not None and _manages(after)):
            return
        if sum(_manages(account) for account in self._by_id.values()) == 1:
            raise Conflict(
                f"{before.login!r} is the last administrator of all tenants; "
                "make another one first, or nobody could manage this hub"
            )


def _manages(account: Account) -> bool:
    is_whole = "administrator" in account.roles and "*" in account.tenants
    return is_whole and not account.disabled


def _label(member: str, text: str) -> str:
    if not isinstance(text, str) or len(text) > LONGEST_NAME or not text.isprintable():
        raise BadRequestData(f"{member} must be a text of up to {LONGEST_NAME} characters")
    return text.strip()
