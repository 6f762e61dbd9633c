"""One's own passkeys: add and remove."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.site import Site, text_of
from madang.api.surface import Surface
from madang.model.errors import ResourceNotFound
from madang.trust.passkeys import LONGEST_LABEL, PasskeyRefused

if TYPE_CHECKING:
    from madang.api.account import AccountPages
    from madang.api.entry import Doors
    from madang.api.surface import Action, Handler
    from madang.trust.passkeys import Passkeys


class AccountWays:
    """What the account page does about passkeys."""

    def __init__(self, site: Site, doors: Doors, pages: AccountPages) -> None:
        self._site = site
        self._doors = doors
        self._pages = pages

    def surfaces(self) -> list[Surface]:
        def surface(path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "useAccount"
            return Surface("POST", path, handler, action, summary, "Account")

        return [
            surface("/account/passkeys/options", self.ask, "Begin to add a passkey"),
            surface("/account/passkeys", self.add, "Add a passkey"),
            surface("/account/passkeys/remove", self.remove, "Remove a passkey"),
        ]

    async def ask(self, request: Request) -> Response:
        await self._site.message(request)
        account, session = self._pages.signed_in(request)
        if self._pages.again(request, session):
            return self._site.refusal(401, self._site.texts(request)("sign_in.again"))
        try:
            options = await self._passkeys().options_to_make(account.id, account.login, session.id)
        except PasskeyRefused as refused:
            return self._refused(request, refused)
        return JSONResponse(options)

    async def add(self, request: Request) -> Response:
        message = await self._site.message(request)
        account, session = self._pages.signed_in(request)
        answer = message.get("credential")
        label = text_of(message, "label", LONGEST_LABEL).strip()
        if not label:
            today = datetime.now(UTC).date().isoformat()
            label = str(self._site.texts(request)("account.label_default", date=today))
        try:
            made = self._passkeys().made(
                text_of(message, "ceremony"),
                session.id,
                answer if isinstance(answer, dict) else {},
            )
            await self._passkeys().keep(account.id, made, label)
        except PasskeyRefused as refused:
            return self._refused(request, refused)
        await self._pages.record(account, "passkeyAdded", passkey=made.id)
        return JSONResponse({"next": self._site.pages.url("/account?done=added")})

    async def remove(self, request: Request) -> Response:
        form = await self._site.form(request)
        account, session = self._pages.signed_in(request)
        if again := self._pages.again(request, session):
            return again
        mine = await self._passkeys().of(account.id)
        others = account.password or await self._doors.provider_accounts.providers(account.id)
        if len(mine) == 1 and not others:
            t = self._site.texts(request)
            return await self._pages.show(request, 409, error=t("account.last_way"))
        id = form.get("id", "")
        if await self._passkeys().remove(account.id, id):
            await self._pages.record(account, "passkeyRemoved", passkey=id)
        return self._pages.done("removed")

    def _passkeys(self) -> Passkeys:
        if self._doors.passkeys is None:
            raise ResourceNotFound("passkeys need base_url to be an https address with a name")
        return self._doors.passkeys

    def _refused(self, request: Request, refused: PasskeyRefused) -> Response:
        t = self._site.texts(request)
        return self._site.refusal(401, t(f"passkey.{refused.reason}", most=20))
