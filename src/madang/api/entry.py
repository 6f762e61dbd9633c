"""Signing in and out: with name and password, a passkey, or through an OpenID Connect provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from madang.api import cookies
from madang.api.cookies import credential_of
from madang.api.site import Site, json_of, safe_next, text_of
from madang.api.surface import Surface
from madang.model.errors import (
    OperationNotSupported,
    Overloaded,
    ResourceNotFound,
    TooManyRequests,
    Unauthorized,
)
from madang.trust.events import Event, Recorder
from madang.trust.openid import OpenIdRefused
from madang.trust.passkeys import PasskeyRefused
from madang.trust.principal import PUBLIC

if TYPE_CHECKING:
    from madang.api.surface import Action, Handler
    from madang.trust.accounts import Account
    from madang.trust.identities import Identities, SignedIn
    from madang.trust.openid import OpenId
    from madang.trust.openid_accounts import ProviderAccounts
    from madang.trust.passkeys import Passkeys
    from madang.trust.sessions import Session, SignInBy


@dataclass(frozen=True, slots=True)
class Doors:
    """What the pages need of trust."""

    identities: Identities
    recorder: Recorder
    passkeys: Passkeys | None
    """None where browsers would not use them."""
    openid: OpenId
    provider_accounts: ProviderAccounts
    may_manage: Callable[[Any], bool]
    """Whether a principal may make keys for others (``managePeople``)."""

    def session_of(self, request: Request) -> Session | None:
        """Return the session a request's cookie names, if it holds and is who asks.

        A request can bring a token of somebody else beside the cookie; it has no session then.
        """
        session = self.identities.session_of(credential_of(request) or "")
        asks = request.state.principal.id
        return session if session is not None and session.principal_id == asks else None


class Entry:
    """The ways in and out."""

    def __init__(self, site: Site, doors: Doors) -> None:
        self._site = site
        self._doors = doors

    def surfaces(self) -> list[Surface]:
        def surface(method: str, path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "seePages"
            return Surface(method, path, handler, action, summary, "Sign-in")

        return [
            surface("GET", "/sign-in", self.page, "The page to sign in"),
            surface("POST", "/sign-in", self.with_password, "Sign in with name and password"),
            surface("POST", "/sign-in/passkey/options", self.ask_passkey, "Begin with a passkey"),
            surface("POST", "/sign-in/passkey", self.with_passkey, "Sign in with a passkey"),
            surface("GET", "/sign-in/openid/{name}", self.to_provider, "Go to a provider"),
            surface("GET", "/sign-in/openid/{name}/back", self.from_provider, "Back from it"),
            surface("POST", "/sign-out", self.out, "Sign out"),
            Surface(
                "PUT",
                "/sign-in/openid/{name}/secret",
                self.keep_secret,
                "managePeople",
                "Keep a provider's client secret, encrypted",
                "Sign-in",
            ),
        ]

    async def page(self, request: Request) -> Response:
        return self.show(request, next=request.query_params.get("next", ""))

    def show(
        self,
        request: Request,
        status: int = 200,
        *,
        next: str,
        name: str = "",
        note: object = "",
        error: object = "",
    ) -> HTMLResponse:
        """Return the page to sign in."""
        onward = safe_next(next, "")
        here = "/sign-in" + (f"?next={quote(onward)}" if onward else "")
        t = self._site.texts(request)
        return self._site.answer(
            request,
            "sign_in.html",
            status,
            here=here,
            next=onward,
            name=name,
            note=note or (t("sign_in.first") if onward else ""),
            error=error,
            place=self._doors.passkeys is not None,
            elsewhere=self._site.elsewhere(request, here),
            providers=self._doors.openid.buttons(),
        )

    # --- name and password --------------------------------------------------------------------

    async def with_password(self, request: Request) -> Response:
        form = await self._site.form(request)
        name, onward = form.get("name", ""), form.get("next", "")
        t = self._site.texts(request)
        try:
            account = await self._doors.identities.people.prove(
                name, form.get("password", ""), request.state.address
            )
            signed_in = await self.open_session(request, account, "password")
        except Unauthorized:
            return self.show(request, 401, next=onward, name=name, error=t("sign_in.wrong"))
        except TooManyRequests as slow:
            text = t("sign_in.wait", seconds=slow.retry_after_s)
            page = self.show(request, 429, next=onward, name=name, error=text)
            page.headers["Retry-After"] = str(slow.retry_after_s)
            return page
        except Overloaded:
            return self.show(request, 503, next=onward, name=name, error=t("sign_in.busy"))
        return self.let_in(self._site.redirect(safe_next(onward)), signed_in)

    # --- passkeys -----------------------------------------------------------------------------

    async def ask_passkey(self, request: Request) -> Response:
        await self._site.message(request)
        return JSONResponse(self._passkeys().options_to_enter())

    async def with_passkey(self, request: Request) -> Response:
        message = await self._site.message(request)
        answer = message.get("credential")
        onward = safe_next(text_of(message, "next"))
        try:
            id = await self._passkeys().enter(
                text_of(message, "ceremony"), answer if isinstance(answer, dict) else {}
            )
            account = self._doors.identities.accounts.get(id)
            if account is None:
                raise PasskeyRefused("unknown", "the account is gone")
            signed_in = await self.open_session(request, account, "passkey")
        except Unauthorized as refused:
            self._denied(request, "passkey")
            reason = refused.reason if isinstance(refused, PasskeyRefused) else "unknown"
            return self._site.refusal(401, self._site.texts(request)(f"passkey.{reason}"))
        return self.let_in(JSONResponse({"next": self._site.pages.url(onward)}), signed_in)

    def _passkeys(self) -> Passkeys:
        if self._doors.passkeys is None:
            raise ResourceNotFound("passkeys need base_url to be an https address with a name")
        return self._doors.passkeys

    # --- OpenID Connect -----------------------------------------------------------------------

    async def to_provider(self, request: Request) -> Response:
        name = self._provider(request)
        onward = safe_next(request.query_params.get("next", ""))
        try:
            address, browser = await self._doors.openid.begin(name, self._back(name), onward)
        except OpenIdRefused as refused:
            return self._not_vouched(request, name, refused)
        response = RedirectResponse(address, 303)
        self._site.cookies.set(response, cookies.OPENID, browser, 600)
        return response

    async def from_provider(self, request: Request) -> Response:
        name = self._provider(request)
        answer = {key: value[:4096] for key, value in request.query_params.items()}
        browser = self._site.cookies.get(request, cookies.OPENID)
        try:
            vouched, onward = await self._doors.openid.finish(name, answer, browser)
            account = await self._doors.provider_accounts.of(vouched)
            signed_in = await self.open_session(request, account, "provider")
        except OpenIdRefused as refused:
            self._denied(request, "provider", provider=name, reason=refused.detail)
            return self._not_vouched(request, name, refused)
        except Unauthorized:  # the account is switched off
            self._denied(request, "provider", provider=name)
            text = self._site.texts(request)("openid.denied", title=self._title(name))
            return self.show(request, 401, next="", error=text)
        response = self.let_in(self._site.redirect(onward), signed_in)
        self._site.cookies.delete(response, cookies.OPENID)
        return response

    async def keep_secret(self, request: Request) -> Response:
        """Keep a provider's client secret sealed, for who does not want it in the settings."""
        name = self._provider(request)
        secrets = self._doors.openid.secrets
        if secrets is None:
            raise OperationNotSupported("this hub keeps no secrets; set client_secret")
        message = await json_of(request)
        await secrets.put(name, text_of(message, "clientSecret"))
        by = self._site.principal(request).id
        event = Event("account", by, "providerSecretKept", detail={"provider": name})
        await self._doors.recorder.record(event)
        return Response(status_code=204)

    def _provider(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in self._doors.openid:
            raise ResourceNotFound(f"there is no provider {name[:40]!r} in the settings")
        return name

    def _title(self, name: str) -> str:
        return dict(self._doors.openid.buttons())[name]

    def _back(self, name: str) -> str:
        return f"{self._site.url}/sign-in/openid/{quote(name)}/back"

    def _not_vouched(self, request: Request, name: str, refused: OpenIdRefused) -> Response:
        text = self._site.texts(request)(f"openid.{refused.reason}", title=self._title(name))
        status = 502 if refused.reason == "unreachable" else 401
        return self.show(request, status, next="", error=text)

    # --- sessions -----------------------------------------------------------------------------

    async def out(self, request: Request) -> Response:
        await self._site.form(request)
        session = self._doors.session_of(request)
        if session is not None:
            await self._doors.identities.sign_out(session, request.state.address)
        response = self._site.redirect("/")
        self._site.cookies.delete(response, cookies.SESSION)
        return response

    async def open_session(self, request: Request, account: Account, by: SignInBy) -> SignedIn:
        """Begin a session; the one the browser had before ends."""
        signed_in = await self._doors.identities.open_session(
            account, by, request.state.address, request.headers.get("user-agent", "")
        )
        before = self._doors.session_of(request)
        if before is not None:
            await self._doors.identities.sign_out(before, request.state.address)
        return signed_in

    def let_in(self, response: Response, signed_in: SignedIn) -> Response:
        """Give the browser its new session; what belonged to the visit before is over."""
        site, session = self._site, signed_in.session
        age = max(0, (session.ends - session.created) // 1_000_000)
        site.cookies.set(response, cookies.SESSION, signed_in.credential, age)
        site.cookies.delete(response, cookies.VISIT)
        return response

    def _denied(self, request: Request, way: SignInBy, **detail: str) -> None:
        self._doors.recorder.note(
            Event(
                "signIn",
                PUBLIC.id,
                way,
                "denied",
                address=request.state.address,
                detail=dict(detail),
            )
        )
