"""The control room: its page, its files, its texts, and who is there with what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from madang import __version__
from madang.api import cookies
from madang.api.cookies import credential_of
from madang.api.security_headers import CONTENT_SECURITY_POLICY
from madang.api.start import STATIC_AGE
from madang.api.surface import Surface
from madang.model.errors import ResourceNotFound
from madang.trust.actions import SYSTEM_ACTIONS, TENANT_ACTIONS
from madang.trust.principal import OPEN, PUBLIC
from madang.web.assets import Assets
from madang.web.texts import LANGUAGES

if TYPE_CHECKING:
    from madang.api.site import Site
    from madang.api.surface import Action, Handler
    from madang.trust.gate import Judge

# Maps draw pictures that they have made themselves.
POLICY: Final = CONTENT_SECURITY_POLICY.replace("img-src", "img-src blob:")


class ControlRoom:
    """The single-page application for operators, and what it asks first.

    Args:
        assets: the built front end.
        judge: knows what each may do.
    """

    def __init__(self, site: Site, assets: Assets, judge: Judge) -> None:
        self._site = site
        self._assets = assets
        self._judge = judge
        self._texts = {
            language: orjson.dumps(texts.ui) for language, texts in site.pages.texts.items()
        }

    def surfaces(self) -> list[Surface]:
        def surface(path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "seePages"
            return Surface("GET", path, handler, action, summary, "Control room")

        return [
            surface("/control", self.page, "The control room"),
            surface("/control/{view:path}", self.page, "A view of the control room"),
            surface("/ui/assets/{name}", self.asset, "Scripts and styles of the control room"),
            surface("/ui/session", self.session, "Who is here and what they may do"),
            surface("/ui/texts/{language}", self.texts, "What the control room says"),
        ]

    async def page(self, request: Request) -> Response:
        """Return the page; who has not signed in does that first and comes back."""
        if self._site.principal(request) is PUBLIC:
            return self._site.to_sign_in(request)
        if not self._assets.page:
            return self._site.answer(request, "not_built.html", 503)
        language = self._site.texts(request).language
        page = self._assets.page.replace('lang="en"', f'lang="{language}"', 1)
        headers = {"Content-Security-Policy": POLICY, "Content-Language": language}
        return Response(page, 200, headers, "text/html")

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        asset = self._assets.find(name, request.headers.get("accept-encoding", ""))
        if asset is None:
            raise ResourceNotFound(f"there is no file {name[:60]!r}")
        headers = {"Cache-Control": STATIC_AGE, "Vary": "Accept-Encoding"}
        if asset.encoding:
            headers["Content-Encoding"] = asset.encoding
        return FileResponse(asset.path, 200, headers, asset.media_type)

    async def session(self, request: Request) -> Response:
        """``{id, name, roles, tenants, may: {action: bool}, open, language, token, …}``."""
        principal = self._site.principal(request)
        may = {
            action: self._judge.allows(principal, action)
            for action in (*SYSTEM_ACTIONS, *TENANT_ACTIONS)
        }
        bound = credential_of(request) or self._site.cookies.get(request, cookies.VISIT)
        visit = "" if bound else cookies.new_visit()
        found: dict[str, Any] = {
            "id": principal.id,
            "name": principal.name,
            "roles": sorted(principal.roles),
            "tenants": sorted(principal.tenants),
            "may": may,
            "open": principal is OPEN,
            "signedIn": principal not in (OPEN, PUBLIC),
            "language": self._site.texts(request).language,
            "token": cookies.form_token(bound or visit),
            "version": __version__,
        }
        answer = JSONResponse(found)
        if visit:
            self._site.cookies.set(answer, cookies.VISIT, visit)
        return answer

    async def texts(self, request: Request) -> Response:
        language = request.path_params["language"]
        if language not in LANGUAGES:
            raise ResourceNotFound(f"there are texts in {', '.join(LANGUAGES)}")
        return Response(self._texts[language], media_type="application/json")
