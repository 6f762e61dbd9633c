"""One's own data at the account page: what was agreed to, and who read it.

The law behind them: 개인정보 보호법 제22조, 제35조 and 제37조; GDPR articles 7 (3) and 15.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from madang.api.site import Site
from madang.api.surface import Surface
from madang.model import time
from madang.model.context import CORE
from madang.model.errors import ResourceNotFound
from madang.trust.consents import Terms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from madang.api.account import AccountPages
    from madang.api.surface import Action, Handler
    from madang.trust.accounts import Account
    from madang.trust.consents import Consent, Consents
    from madang.trust.personal import Read
    from madang.trust.purposes import Purpose

READS: Final = 20
"""Readings of one page."""


class Rights:
    """What the account page shows somebody of their own data.

    Args:
        consents: what people have agreed to.
        reads: returns the readings about a person, before a number if one is given, so many.
    """

    def __init__(
        self,
        consents: Consents,
        reads: Callable[[str, int | None, int], Awaitable[list[Read]]],
    ) -> None:
        self.consents = consents
        self._reads = reads

    async def values(self, account: Account, language: str, before: int | None) -> dict[str, Any]:
        """Return what the page says in a language.

        Args:
            before: number of the last reading of the page before.
        """
        consents, subject = self.consents, account.entity
        now = consents.now()
        held = {
            one.terms.purpose: one for one in await consents.of(subject) if one.is_in_force(now)
        }
        reads = await self._reads(subject, before, READS)
        return {
            "purposes": [
                _purpose(one, held.get(one.id), language)
                for one in consents.purposes
                if one.basis == "consent"
            ],
            "reads": [_read(one, account, language) for one in reads],
            "reads_before": before,
            "reads_next": reads[-1].sequence if len(reads) == READS else None,
        }


class AccountRights:
    """What the forms of the account page do about consent."""

    def __init__(self, site: Site, pages: AccountPages, rights: Rights) -> None:
        self._site = site
        self._pages = pages
        self._consents = rights.consents

    def surfaces(self) -> list[Surface]:
        def surface(path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "useAccount"
            return Surface("POST", path, handler, action, summary, "Account")

        return [
            surface("/account/consents/give", self.give, "Agree to a purpose"),
            surface("/account/consents/withdraw", self.withdraw, "Withdraw consent"),
        ]

    async def give(self, request: Request) -> Response:
        """Agree to all that is personal, until it is withdrawn; the API has narrower terms."""
        form = await self._site.form(request)
        account, _ = self._pages.signed_in(request)
        terms = Terms(form.get("purpose", ""))
        await self._consents.give(account.entity, terms, **_by(request))
        return self._pages.done("agreed")

    async def withdraw(self, request: Request) -> Response:
        form = await self._site.form(request)
        account, _ = self._pages.signed_in(request)
        with suppress(ResourceNotFound):  # it is over already, as was wanted
            await self._consents.withdraw(account.entity, form.get("purpose", ""), **_by(request))
        return self._pages.done("withdrawn")


def _by(request: Request) -> dict[str, str]:
    return {"by": request.state.principal.id, "address": request.state.address}


def _purpose(purpose: Purpose, held: Consent | None, language: str) -> dict[str, Any]:
    names = held.terms.attributes if held else ()
    return {
        "id": purpose.id,
        "name": purpose.name[language],
        "text": purpose.text[language],
        "law": purpose.law.get(language, ""),
        "since": held.given_at if held else None,
        "until": held.terms.until if held else None,
        "only": [CORE.compact(name) for name in names],
    }


def _read(read: Read, account: Account, language: str) -> dict[str, Any]:
    said = read.shown
    named = said["purposeName"]
    return {
        "time": time.parse(said["time"]),
        "by": said["name"] or said["by"],
        "is_me": said["by"] == account.principal_id,
        "is_export": said["action"] == "personExported",
        "purpose": named[language] if named else said["purpose"],
        "attributes": [CORE.compact(name) for name in said["attributes"]],
        "others": [id for id in said["entities"] if id != account.entity],
    }
