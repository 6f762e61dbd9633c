"""Attacks on forms and cookies: forged requests, other people's tokens, planted cookies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.api.cookies import form_token, new_visit
from madang.api.site import safe_next
from tests.web.browser import Browser
from tests.web.small_site import PASSWORD, SmallSite, small_site

SAME = {"Sec-Fetch-Site": "same-origin"}
SECURE = "https://hub.example.org"
VALUES = {"name": "jin", "password": PASSWORD}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SmallSite]:
    async with small_site(tmp_path) as opened:
        await opened.identities.people.add("jin", "local", PASSWORD, roles=["citizen"])
        yield opened


@pytest.fixture
async def browser(site: SmallSite) -> AsyncIterator[Browser]:
    async with Browser(site) as opened:
        page = await opened.get("/sign-in")
        await opened.submit(page, "/sign-in", VALUES)
        yield opened


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=str,
)
async def test_a_request_another_site_sent_changes_nothing_even_with_the_right_token(
    browser: Browser, headers: dict[str, str]
) -> None:
    token = form_token(browser.cookies["madang_session"])
    refused = await browser.post("/sign-out", data={"token": token}, headers=headers)
    assert refused.status_code == 403
    assert (await browser.get("/account")).status_code == 200


async def test_the_origin_is_enough_where_a_browser_sends_no_fetch_metadata(
    browser: Browser,
) -> None:
    token = form_token(browser.cookies["madang_session"])
    headers = {"Origin": browser.origin}
    done = await browser.post("/sign-out", data={"token": token}, headers=headers)
    assert done.status_code == 303


@pytest.mark.parametrize(
    "token", ["", "0" * 64, form_token("another session"), "한글"], ids=["none", "0", "other", "ko"]
)
async def test_a_form_without_this_sessions_token_changes_nothing(
    browser: Browser, token: str
) -> None:
    refused = await browser.post("/sign-out", data={"token": token}, headers=SAME)
    assert refused.status_code == 403
    assert "open for too long" in refused.text
    assert (await browser.get("/account")).status_code == 200


async def test_nobody_is_signed_in_by_a_form_of_another_site(site: SmallSite) -> None:
    async with Browser(site) as victim:
        refused = await victim.post("/sign-in", data=VALUES, headers=SAME)
        assert refused.status_code == 403
        assert "madang_session" not in victim.cookies
        visit = new_visit()  # the attacker's own, with the token that belongs to it
        forged = {**VALUES, "token": form_token(visit)}
        await victim.get("/sign-in")
        refused = await victim.post("/sign-in", data=forged, headers=SAME)
        assert refused.status_code == 403


async def test_scripts_need_the_token_too(browser: Browser) -> None:
    refused = await browser.post("/sign-in/passkey/options", json={}, headers=SAME)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"token=x", 400),
        ("multipart/form-data", b"token=x", 400),
        ("application/x-www-form-urlencoded", b"a=%ff", 400),
        ("application/x-www-form-urlencoded", b"\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 50), 400),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 70_000, 413),
    ],
)
async def test_a_form_that_is_none_is_refused(
    browser: Browser, kind: str, body: bytes, status: int
) -> None:
    headers = {**SAME, "Content-Type": kind}
    assert (await browser.post("/sign-out", content=body, headers=headers)).status_code == status


async def test_cookies_are_kept_from_scripts_other_sites_and_open_lines(tmp_path: Path) -> None:
    async with small_site(tmp_path, SECURE) as site, Browser(site) as browser:
        await site.identities.people.add("jin", "local", PASSWORD, roles=["citizen"])
        page = await browser.get("/sign-in")
        done = await browser.submit(page, "/sign-in", VALUES)
        for cookie in [*page.headers.get_list("set-cookie"), *done.headers.get_list("set-cookie")]:
            assert cookie.startswith("__Host-madang_")
            for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
                assert part in cookie
            assert "Domain" not in cookie


async def test_a_session_cookie_another_host_of_the_domain_has_planted_is_not_looked_at(
    tmp_path: Path,
) -> None:
    async with small_site(tmp_path, SECURE) as site, Browser(site) as browser:
        account = await site.identities.people.add("eve", "local", PASSWORD, roles=["citizen"])
        planted = await site.identities.open_session(account, "password", "192.0.2.1")
        browser.cookies.set("madang_session", planted.credential)
        assert (await browser.get("/account")).status_code == 401
        browser.cookies.set("__Host-madang_session", planted.credential)
        assert (await browser.get("/account")).status_code == 200


async def test_a_token_of_ones_own_does_not_open_the_session_of_somebody_else(
    site: SmallSite, browser: Browser
) -> None:
    jin = site.identities.accounts.named("jin")
    session = site.identities.sessions.of(jin.principal_id)[0]
    eve = await site.identities.people.add("eve", "local", PASSWORD, roles=["citizen"])
    own = await site.identities.open_session(eve, "password", "192.0.2.1")
    whole = browser.cookies["madang_session"]
    for cookie in (f"mds_{session.id}_{'0' * 64}", whole):
        async with Browser(site, Authorization=f"Bearer {own.credential}") as thief:
            thief.cookies.set("madang_session", cookie)
            page = await thief.get("/account")
            assert (page.status_code, "/account/password" in page.text) == (200, False)
            values = {"token": form_token(cookie), "new": "nine lanterns by the river"}
            refused = await thief.post("/account/password", data=values, headers=SAME)
            assert refused.status_code == 403
    assert (await browser.get("/account")).status_code == 200


async def test_what_changes_how_one_signs_in_needs_a_sign_in_of_the_last_hour(
    site: SmallSite, browser: Browser
) -> None:
    account = site.identities.accounts.named("jin")
    session = site.identities.sessions.of(account.principal_id)[0]
    session.created -= 3601 * 1_000_000
    session.ends += 10**12
    token = form_token(browser.cookies["madang_session"])
    refused = await browser.post(
        "/account/passkeys/remove", data={"token": token, "id": "x"}, headers=SAME
    )
    assert refused.status_code == 401
    assert "show once more that it is you" in refused.text


@given(st.text(alphabet=st.sampled_from("/\\.:@?#%a1\r\n\t \u2028"), max_size=12))
def test_going_on_never_leaves_the_hub(path: str) -> None:
    onward = safe_next(path)
    assert onward.startswith("/")
    assert not onward.startswith(("//", "/\\"))
    assert onward.isascii()
    assert onward.isprintable()
