"""Which account belongs to somebody a provider vouches for.

An account is found by issuer and subject, which the provider never gives to anybody else. A name or
an e-mail address finds one only where the settings say so and the provider has verified it: else
whoever can choose an address at the provider could take over an account here (OpenID Connect Core
section 5.7).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from typing import TYPE_CHECKING

import structlog

from madang.model.errors import Conflict
from madang.trust.events import Event, Recorder
from madang.trust.openid import Vouched
from madang.trust.records import Records

if TYPE_CHECKING:
    from madang.trust.accounts import Account
    from madang.trust.identities import Identities

log = structlog.get_logger("madang.trust")

_UNUSUAL = re.compile(r"[^\w.-]+")
_LONGEST = 60  # characters of a name we make up


class ProviderAccounts:
    """Finds, links and makes the accounts of people who sign in through a provider."""

    def __init__(self, records: Records, identities: Identities, recorder: Recorder) -> None:
        self._records = records
        self._identities = identities
        self._recorder = recorder
        self._turn = asyncio.Lock()

    async def of(self, who: Vouched) -> Account:
        """Return the account of somebody; the first time, one is linked or made."""
        key = hashlib.sha256(f"{who.issuer}\n{who.subject}".encode()).hexdigest()
        async with self._turn:  # two windows at once must not make two accounts
            login = await self._records.get("login", key)
            account = self._identities.accounts.get(login["account"]) if login else None
            if account is None:
                account = await self._linked(who) or await self._made(who)
                await self._keep(key, who, account)
            return await self._with_roles(account, who)

    async def providers(self, account: str) -> list[str]:
        """Return the names of the providers that an account can sign in through."""
        return sorted(set((await self._kept(account)).values()))

    async def forget(self, account: str) -> None:
        """Remove what is kept of the sign-ins of an account that is gone."""
        async with self._turn:
            keys = [*await self._kept(account), _of(account)]
            await self._records.commit({("login", key): None for key in keys})

    async def _linked(self, who: Vouched) -> Account | None:
        found = self._identities.accounts.by_login(who.email) if who.email else None
        if found is not None:
            await self._recorder.record(
                Event(
                    "account",
                    found.principal_id,
                    "providerLinked",
                    targets=(found.principal_id,),
                    detail={"provider": who.provider},
                )
            )
        return found

    async def _made(self, who: Vouched) -> Account:
        return await self._identities.people.add(
            who.email or self._free_name(who),
            f"provider:{who.provider}",
            roles=sorted(who.roles or ["citizen"]),
            name=who.name,
        )

    def _free_name(self, who: Vouched) -> str:
        """Return a name nobody has, such as ``jin.park@city``."""
        plain = _UNUSUAL.sub(".", who.name).strip(".-_")[:_LONGEST] or "somebody"
        name = f"{plain}@{who.provider}"
        while self._identities.accounts.by_login(name) is not None:
            name = f"{plain}-{secrets.token_hex(3)}@{who.provider}"
        return name

    async def _keep(self, key: str, who: Vouched, account: Account) -> None:
        logins = {**await self._kept(account.id), key: who.provider}
        await self._records.commit(
            {
                ("login", key): {
                    "account": account.id,
                    "issuer": who.issuer,
                    "subject": who.subject,
                },
                ("login", _of(account.id)): {"logins": logins},
            }
        )

    async def _kept(self, account: str) -> dict[str, str]:
        """Return the providers of an account, by the keys of its sign-ins."""
        kept = await self._records.get("login", _of(account))
        return dict(kept["logins"]) if kept else {}

    async def _with_roles(self, account: Account, who: Vouched) -> Account:
        """Give an account the roles its provider says it has now."""
        if who.roles is None or who.roles == account.roles:
            return account
        try:
            return await self._identities.people.change(
                account, f"provider:{who.provider}", roles=sorted(who.roles)
            )
        except Conflict as refused:  # the last administrator stays one
            log.warning("openid.roles_kept", account=account.login, reason=str(refused))
            return account


def _of(account: str) -> str:
    return f"of:{account}"
