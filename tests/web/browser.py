"""A browser as simple as can be: cookies, forms, no scripts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.web.small_site import SmallSite

PAGE = {"Accept": "text/html", "Accept-Language": "en"}


class _Forms(HTMLParser):
    """Collects the forms of a page with their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append((given.get("action") or "", {}))
        elif tag in ("input", "button") and self.forms and given.get("name"):
            self.forms[-1][1].setdefault(given["name"] or "", given.get("value") or "")


def forms_of(page: str) -> list[tuple[str, dict[str, str]]]:
    """Return action and fields of each form on a page."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def alert_of(page: str) -> str:
    """Return what a page says is wrong."""
    found = re.search(r'role="alert" id="error"><p>(.*?)</p>', page, re.DOTALL)
    return found.group(1) if found else ""


class Browser(httpx.AsyncClient):
    """Speaks to the application without a network; sends what a browser sends with a form."""

    def __init__(self, site: SmallSite, **headers: str) -> None:
        super().__init__(
            transport=httpx.ASGITransport(site.app), base_url=site.url, headers={**PAGE, **headers}
        )
        self.origin = site.site.url

    async def submit(
        self, page: httpx.Response, action: str, values: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Fill in the form of a page with this action, and send it."""
        for at, fields in forms_of(page.text):
            if at == action:
                headers = {"Sec-Fetch-Site": "same-origin", **more}
                return await self.post(action, data={**fields, **(values or {})}, headers=headers)
        raise AssertionError(f"no form {action} on the page: {forms_of(page.text)}")
