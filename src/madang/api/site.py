"""What all pages share: language, forms that cannot be forged, addresses, answers to errors."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import orjson
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from madang.api import cookies
from madang.api.cookies import Cookies, credential_of
from madang.model.errors import (
    BadRequestData,
    Forbidden,
    InvalidRequest,
    NgsiError,
    PayloadTooLarge,
    TooManyRequests,
)
from madang.trust.passkeys import Place
from madang.trust.principal import OPEN, PUBLIC, Principal
from madang.web.pages import Pages, Reader
from madang.web.texts import Texts, preferred

LARGEST_FORM: Final = 64 * 1024  # [bytes]
MOST_FIELDS: Final = 40
WORKING: Final = frozenset({"operator", "analyst", "department", "administrator"})
"""Roles of those who work for the city: the control room is for them."""
TOKEN_HEADER: Final = "x-form-token"
Form = dict[str, str]


class StalePage(Forbidden):
    """A form does not belong to the present session; the text is for its reader."""


class WrongMethod(NgsiError):
    """There is something at this path, but not for this method."""

    name, title, status = "OperationNotSupported", "This method does not work here", 405


class Site:
    """The pages at one address.

    Args:
        url: the address under which others reach the hub.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.pages = Pages(urlsplit(self.url).path)
        self.cookies = Cookies(self.url)
        self.place = Place.of(self.url)

    # --- who reads ----------------------------------------------------------------------------

    def texts(self, request: Request) -> Texts:
        """Return the texts in the language of who asks."""
        chosen = self.cookies.get(request, cookies.LANGUAGE)
        return self.pages.texts[preferred(chosen, request.headers.get("accept-language", ""))]

    def principal(self, request: Request) -> Principal:
        """Return who asks; the public where a request failed before that was known."""
        found: Principal = getattr(request.state, "principal", PUBLIC)
        return found

    def elsewhere(self, request: Request, here: str = "") -> str:
        """Return where a page must be opened for passkeys to work; empty if that is here.

        Args:
            here: where the page can be asked for, if not where it was.
        """
        place = self.place
        if place is None or place.rp_id != "localhost" or request.url.hostname == "localhost":
            return ""
        return place.origin + self.pages.root + (here or _here(request))

    # --- answers ------------------------------------------------------------------------------

    def answer(
        self, request: Request, template: str, status: int = 200, *, here: str = "", **values: Any
    ) -> HTMLResponse:
        """Return a page, with a visit cookie if its forms need one.

        Args:
            here: where the same page can be asked for, if not where it was.
        """
        principal = self.principal(request)
        bound = credential_of(request) or self.cookies.get(request, cookies.VISIT)
        visit = "" if bound else cookies.new_visit()
        reader = Reader(
            language=self.texts(request).language,
            name="" if principal is PUBLIC else principal.name,
            here=here or (_here(request) if request.method == "GET" else "/"),
            token=cookies.form_token(bound or visit),
            open=principal is OPEN,
            works=principal is OPEN or not WORKING.isdisjoint(principal.roles),
        )
        page = HTMLResponse(self.pages.render(template, reader, **values), status)
        page.headers["Content-Language"] = reader.language
        page.headers["Vary"] = "Accept-Language, Cookie"
        if visit:
            self.cookies.set(page, cookies.VISIT, visit)
        return page

    def redirect(self, path: str) -> RedirectResponse:
        """Send the browser to a page of ours, to be asked for with GET."""
        return RedirectResponse(self.pages.root + path, 303)

    def to_sign_in(self, request: Request) -> RedirectResponse:
        """Send somebody to sign in; they come back to what they asked for."""
        return self.redirect(f"/sign-in?next={quote(_here(request), safe='')}")

    def refusal(self, status: int, text: object) -> JSONResponse:
        """Return an answer to a script of ours, with words for the reader."""
        return JSONResponse({"title": str(text), "detail": str(text), "status": status}, status)

    def problem(self, request: Request, error: NgsiError) -> Response | None:
        """Return a page that says what to do about an error; None for who reads no HTML."""
        if "text/html" not in request.headers.get("accept", ""):
            return None
        t = self.texts(request)
        status = error.status if f"problem.title_{error.status}" in t else 500
        wait = error.retry_after_s if isinstance(error, TooManyRequests) else 1
        public = status == 403 and self.principal(request) is PUBLIC
        advice = t(f"problem.do_{status}{'_public' if public else ''}", seconds=wait)
        detail = error.detail
        if isinstance(error, StalePage):
            advice, detail = Markup(escape(detail)), ""
        page = self.answer(
            request, "problem.html", status, number=status, advice=advice, detail=detail
        )
        if status == 429:
            page.headers["Retry-After"] = str(wait)
        return page

    # --- questions ----------------------------------------------------------------------------

    async def form(self, request: Request) -> Form:
        """Return the fields of a form that a page of ours has sent.

        Raises:
            Forbidden: it was sent by another site, or the page is out of date.
            InvalidRequest, PayloadTooLarge: it is no form of ours.
        """
        cookies.refuse_forged(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise InvalidRequest("a form is sent as application/x-www-form-urlencoded")
        try:
            text = (await _body(request)).decode("ascii")
            fields = parse_qsl(
                text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
            )
        except ValueError as error:
            raise InvalidRequest("the form cannot be read; send it from the page") from error
        form = dict(fields)
        self._check_token(request, form.pop("token", ""))
        return form

    async def message(self, request: Request) -> dict[str, Any]:
        """Return the JSON object that a script of ours has sent.

        Raises:
            Forbidden, InvalidRequest, PayloadTooLarge: as :meth:`form`.
        """
        cookies.refuse_forged(request)
        found = await json_of(request)
        self._check_token(request, request.headers.get(TOKEN_HEADER, ""))
        return found

    def _check_token(self, request: Request, token: str) -> None:
        session, visit = credential_of(request), self.cookies.get(request, cookies.VISIT)
        if not cookies.token_fits(token, session or visit):
            raise StalePage(self.texts(request)("form.stale"))


async def json_of(request: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body.

    Raises:
        InvalidRequest, PayloadTooLarge: there is none.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidRequest("this is sent as application/json")
    try:
        found = orjson.loads(await _body(request))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("the body is not JSON") from error
    if not isinstance(found, dict):
        raise InvalidRequest("the body must be a JSON object")
    return found


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise PayloadTooLarge(f"a form may have {LARGEST_FORM:,} bytes at most")
    return body


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def text_of(message: dict[str, Any], name: str, longest: int = 4096) -> str:
    """Return a text from a message, or raise BadRequestData naming it."""
    value = message.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise BadRequestData(f"{name} must be a text of at most {longest} characters")
    return value


def safe_next(path: str, otherwise: str = "/") -> str:
    """Return a path of ours to go on to; anything that could lead elsewhere is not taken.

    >>> safe_next("/account?x=1"), safe_next("//evil.example"), safe_next("https://evil.example")
    ('/account?x=1', '/', '/')
    """
    good = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    if not good or "\\" in path or len(path) > 2000:
        return otherwise
    return quote(path, safe="/?&=%:@!$'()*+,;~#-._")
