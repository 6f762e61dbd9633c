"""Pages about errors: each says what to do, in the language of who reads it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from madang.api.site import Site, WrongMethod
from madang.model import errors
from madang.model.errors import NgsiError, TooManyRequests
from madang.trust.principal import PUBLIC, Principal

SITE = Site("https://hub.example.org/city")
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, NgsiError) and kind is not NgsiError
]


def request(
    principal: Principal = PUBLIC, accept: str = "text/html", language: str = "en"
) -> Request:
    sent = {"accept": accept, "accept-language": language}
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/somewhere",
        "query_string": b"a=1",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "state": {"principal": principal},
    }
    return Request(scope)


def told(error: NgsiError, asked: Request) -> tuple[int, str]:
    page = SITE.problem(asked, error)
    assert page is not None
    return page.status_code, bytes(page.body).decode()


@pytest.mark.parametrize("kind", [*KINDS, WrongMethod], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_error_has_a_page(kind: type[NgsiError], language: str) -> None:
    status, page = told(kind("the <b>detail</b>"), request(language=language))
    assert f'lang="{language}"' in page
    assert "the &lt;b&gt;detail&lt;/b&gt;" in page
    assert status in (kind.status, 500)


def test_too_many_requests_says_how_long_to_wait() -> None:
    page = SITE.problem(request(), TooManyRequests("slow", retry_after_s=17))
    assert page is not None
    assert page.headers["retry-after"] == "17"
    assert b"Wait 17 s" in page.body


def test_somebody_signed_in_is_not_told_to_sign_in() -> None:
    jin = Principal("person:1", "person", "jin", frozenset({"citizen"}))
    _, public = told(errors.Forbidden(), request())
    _, signed_in = told(errors.Forbidden(), request(jin))
    assert "Signing in may help" in public
    assert "ask an administrator" in signed_in


def test_links_keep_to_the_path_the_hub_is_under_and_come_back() -> None:
    _, page = told(errors.Unauthorized(), request())
    assert 'href="/city/sign-in?next=/somewhere%3Fa%3D1"' in page
    assert 'href="/city/static/style.css' in page


def test_who_reads_no_html_gets_none() -> None:
    assert SITE.problem(request(accept="application/json"), errors.Forbidden()) is None
