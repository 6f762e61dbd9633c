"""One-time links: the first administrator, an invitation, a new password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.site import Site, text_of
from madang.api.surface import Surface
from madang.model.errors import AlreadyExists, BadRequestData, ResourceNotFound, Unauthorized
from madang.trust import passwords
from madang.trust.accounts import login_name
from madang.trust.passkeys import PasskeyRefused
from madang.web.words import Wrong, name_problem, password_problem

if TYPE_CHECKING:
    from madang.api.entry import Doors, Entry
    from madang.api.surface import Action, Handler
    from madang.trust.accounts import Account
    from madang.trust.links import Link

KINDS = {"first": "first", "invitation": "invitation", "password": "reset"}


class WelcomePages:
    """The page a one-time link leads to, and what its forms do."""

    def __init__(self, site: Site, doors: Doors, entry: Entry) -> None:
        self._site = site
        self._doors = doors
        self._entry = entry

    def surfaces(self) -> list[Surface]:
        def surface(method: str, path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "seePages"
            return Surface(method, path, handler, action, summary, "Sign-in")

        return [
            surface("GET", "/welcome", self.page, "The page of a one-time link"),
            surface("POST", "/welcome", self.with_password, "Use a link, with a password"),
            surface("POST", "/welcome/passkey/options", self.ask_passkey, "Begin, with a passkey"),
            surface("POST", "/welcome/passkey", self.with_passkey, "Use a link, with a passkey"),
        ]

    async def page(self, request: Request) -> Response:
        code = request.query_params.get("code", "")
        try:
            return self._show(request, code, self._doors.identities.links.check(code))
        except Unauthorized:
            return self._ended(request)

    async def with_password(self, request: Request) -> Response:
        form = await self._site.form(request)
        code, name, password = (form.get(key, "") for key in ("code", "name", "password"))
        try:
            link = self._doors.identities.links.check(code)
            wrong = self._name_problem(link, name) or password_problem(password, name)
            if wrong is not None:
                return self._show(request, code, link, 400, name, wrong)
            address = request.state.address
            account = await self._doors.identities.redeem(code, name, password, address)
        except Unauthorized:
            return self._ended(request)
        except AlreadyExists:
            taken = Wrong("name", "form.name_taken")
            return self._show(request, code, link, 409, name, taken)
        response = self._site.redirect("/account")
        return await self._welcomed(request, response, account)

    async def ask_passkey(self, request: Request) -> Response:
        message = await self._site.message(request)
        t = self._site.texts(request)
        try:
            code, name, link = self._named(message)
        except Unauthorized:
            return self._site.refusal(401, t("welcome.bad_title"))
        wrong = self._name_problem(link, name)
        if wrong is not None:
            return self._site.refusal(400, t(wrong.key, **wrong.values))
        options = await self._passkeys().options_to_make("", link.login or name, code)
        return JSONResponse(options)

    async def with_passkey(self, request: Request) -> Response:
        message = await self._site.message(request)
        t = self._site.texts(request)
        answer = message.get("credential")
        try:
            code, name, _ = self._named(message)
            made = self._passkeys().made(
                text_of(message, "ceremony"), code, answer if isinstance(answer, dict) else {}
            )
            account = await self._doors.identities.redeem(code, name, None, request.state.address)
        except PasskeyRefused as refused:
            return self._site.refusal(401, t(f"passkey.{refused.reason}"))
        except Unauthorized:
            return self._site.refusal(401, t("welcome.bad_title"))
        except AlreadyExists:
            return self._site.refusal(409, t("form.name_taken"))
        await self._passkeys().keep(account.id, made, name)
        response = JSONResponse({"next": self._site.pages.url("/account")})
        return await self._welcomed(request, response, account)

    # --- the steps ----------------------------------------------------------------------------

    def _named(self, message: dict[str, Any]) -> tuple[str, str, Link]:
        """Return code, name and link of a message for an account that is to be made.

        Raises:
            Unauthorized: the link is not good.
        """
        code, name = text_of(message, "code"), text_of(message, "name")
        link = self._doors.identities.links.check(code)
        if link.purpose == "password":
            raise BadRequestData("this link sets a password; add a passkey on the account page")
        return code, name, link

    def _name_problem(self, link: Link, name: str) -> Wrong | None:
        if link.login:  # the name is given, whatever was typed
            return None
        wrong = name_problem(name)
        if wrong is None and self._doors.identities.accounts.by_login(login_name(name)):
            return Wrong("name", "form.name_taken")
        return wrong

    def _passkeys(self) -> Any:
        if self._doors.passkeys is None:
            raise ResourceNotFound("passkeys need base_url to be an https address with a name")
        return self._doors.passkeys

    async def _welcomed(self, request: Request, response: Response, account: Account) -> Response:
        signed_in = await self._entry.open_session(request, account, "link")
        return self._entry.let_in(response, signed_in)

    def _show(
        self,
        request: Request,
        code: str,
        link: Link,
        status: int = 200,
        name: str = "",
        wrong: Wrong | None = None,
    ) -> Response:
        t = self._site.texts(request)
        here = f"/welcome?code={code}"
        return self._site.answer(
            request,
            "welcome.html",
            status,
            here=here,
            kind=KINDS[link.purpose],
            code=code,
            name=link.login or name,
            fixed_name=bool(link.login),
            roles=", ".join(str(t(f"roles.{role}")) for role in sorted(link.roles)),
            error=t(wrong.key, **wrong.values) if wrong else "",
            field=wrong.field if wrong else "",
            shortest=passwords.SHORTEST,
            place=self._doors.passkeys is not None,
            elsewhere=self._site.elsewhere(request, here),
        )

    def _ended(self, request: Request) -> Response:
        return self._site.answer(request, "link_ended.html", 401)
