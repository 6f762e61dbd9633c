"""What answers tell browsers, and which other origins may call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from madang.api.security_headers import Cors
from tests.web.browser import Browser
from tests.web.small_site import SmallSite, small_site

FRIEND = "https://app.example.org"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SmallSite]:
    async with small_site(tmp_path, "https://hub.example.org", cors_origins=(FRIEND,)) as opened:
        yield opened


@pytest.fixture
async def browser(site: SmallSite) -> AsyncIterator[Browser]:
    async with Browser(site) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/", "/sign-in", "/account", "/static/style.css", "/nothing"])
async def test_every_answer_is_protected(browser: Browser, path: str) -> None:
    headers = (await browser.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["strict-transport-security"] == "max-age=31536000"


async def test_pages_hold_no_inline_scripts_or_styles(browser: Browser) -> None:
    for path in ("/", "/docs", "/sign-in"):
        page = (await browser.get(path)).text
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        assert page.count("<script") == page.count("<script src=")


async def test_an_unencrypted_hub_does_not_ask_for_encryption(tmp_path: Path) -> None:
    async with small_site(tmp_path) as site, Browser(site) as browser:
        assert "strict-transport-security" not in (await browser.get("/")).headers


async def test_only_origins_in_the_settings_may_read_answers(browser: Browser) -> None:
    friend = (await browser.get("/", headers={"Origin": FRIEND})).headers
    assert friend["access-control-allow-origin"] == FRIEND
    assert "access-control-allow-credentials" not in friend
    assert "Origin" in friend["vary"]
    for other in ("https://evil.example", "null", "https://app.example.org.evil.example"):
        headers = (await browser.get("/", headers={"Origin": other})).headers
        assert "access-control-allow-origin" not in headers


async def test_a_preflight_is_answered_for_friends_only(browser: Browser) -> None:
    ask = {"Access-Control-Request-Method": "PATCH"}
    granted = await browser.options("/ngsi-ld/v1/entities", headers={"Origin": FRIEND, **ask})
    assert granted.status_code == 204
    assert "PATCH" in granted.headers["access-control-allow-methods"]
    assert "Authorization" in granted.headers["access-control-allow-headers"]
    refused = await browser.options("/", headers={"Origin": "https://evil.example", **ask})
    assert "access-control-allow-origin" not in refused.headers


def test_by_default_there_is_no_sharing_at_all() -> None:
    closed = Cors(())
    assert closed.cors_headers(FRIEND) == ()
    assert closed.cors_headers(None) == ()
    assert closed.preflight("GET", {}) is None
