"""The pages as somebody without scripts meets them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from madang.api.cookies import form_token
from tests.web.browser import Browser, alert_of
from tests.web.small_site import PASSWORD, SmallSite, small_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SmallSite]:
    async with small_site(tmp_path, security_contact="mailto:cert@city.example") as opened:
        yield opened


@pytest.fixture
async def browser(site: SmallSite) -> AsyncIterator[Browser]:
    async with Browser(site) as opened:
        yield opened


async def become_administrator(site: SmallSite, browser: Browser, name: str = "jin.park") -> None:
    """Follow the first administrator's link and choose a password."""
    link = site.identities.first_administrator_link()
    assert link is not None
    page = await browser.get(link)
    done = await browser.submit(page, "/welcome", {"name": name, "password": PASSWORD})
    assert (done.status_code, done.headers["location"]) == (303, "/account"), alert_of(done.text)


async def test_the_first_link_makes_the_administrator_who_is_signed_in_at_once(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    account = await browser.get("/account")
    assert account.status_code == 200
    assert "jin.park" in account.text
    assert "administrator" in account.text
    assert "Sign out" in account.text


async def test_a_link_that_was_used_says_so_and_where_to_get_another(
    site: SmallSite, browser: Browser
) -> None:
    link = site.identities.first_administrator_link()
    assert link is not None
    page = await browser.get(link)
    await browser.submit(page, "/welcome", {"name": "jin", "password": PASSWORD})
    again = await browser.get(link)
    assert again.status_code == 401
    assert "Ask for a new one" in again.text


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("jin park", PASSWORD, "no blanks"),
        ("jin", "short", "5 characters, at least 12"),
        ("jin", "password1234", "first that attackers try"),
        ("jin", "x" * 257, "256 are allowed"),
    ],
)
async def test_a_name_or_password_that_will_not_do_is_explained_and_the_link_stays_good(
    site: SmallSite, browser: Browser, name: str, password: str, says: str
) -> None:
    link = site.identities.first_administrator_link()
    assert link is not None
    page = await browser.get(link)
    refused = await browser.submit(page, "/welcome", {"name": name, "password": password})
    assert refused.status_code == 400
    assert says in alert_of(refused.text)
    assert PASSWORD not in refused.text
    done = await browser.submit(refused, "/welcome", {"name": "jin", "password": PASSWORD})
    assert done.status_code == 303


async def test_an_invitation_keeps_the_name_it_was_made_for(
    site: SmallSite, browser: Browser
) -> None:
    _, link = await site.identities.people.invite("mina@city.kr", "person:1", ["operator"])
    page = await browser.get(link)
    assert "Your role: operator" in page.text
    await browser.submit(page, "/welcome", {"name": "somebody.else", "password": PASSWORD})
    account = site.identities.accounts.by_login("mina@city.kr")
    assert account is not None
    assert account.roles == {"operator"}


async def test_a_link_for_a_new_password_ends_the_sessions_before(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    account = site.identities.accounts.named("jin.park")
    _, link = await site.identities.people.password_link(account, account.principal_id)
    async with Browser(site) as elsewhere:
        page = await elsewhere.get(link)
        new = "nine lanterns by the river"
        done = await elsewhere.submit(page, "/welcome", {"name": "jin.park", "password": new})
        assert done.status_code == 303
    assert (await browser.get("/account")).status_code == 401


async def test_signing_in_goes_on_to_the_page_that_was_asked_for(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    async with Browser(site) as other:
        page = await other.get("/sign-in?next=/account?x=1")
        done = await other.submit(page, "/sign-in", {"name": "JIN.park", "password": PASSWORD})
        assert (done.status_code, done.headers["location"]) == (303, "/account?x=1")


@pytest.mark.parametrize(
    "next",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "/%0d%0aX: y\r\n"],
)
async def test_signing_in_never_leads_to_another_site(
    site: SmallSite, browser: Browser, next: str
) -> None:
    await become_administrator(site, browser)
    async with Browser(site) as other:
        page = await other.get("/sign-in")
        values = {"name": "jin.park", "password": PASSWORD, "next": next}
        done = await other.submit(page, "/sign-in", values)
        assert (done.status_code, done.headers["location"]) == (303, "/")


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    async with Browser(site) as other:
        page = await other.get("/sign-in")
        for name in ("jin.park", "nobody"):
            refused = await other.submit(page, "/sign-in", {"name": name, "password": "wrong"})
            assert refused.status_code == 401
            assert "do not belong together" in alert_of(refused.text)


async def test_many_tries_are_slowed_down_and_the_page_says_for_how_long(
    site: SmallSite, browser: Browser
) -> None:
    page = await browser.get("/sign-in")
    for _ in range(8):
        refused = await browser.submit(page, "/sign-in", {"name": "jin", "password": "wrong"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert re.search(r"Wait \d+ s", alert_of(refused.text))


async def test_the_session_changes_at_every_sign_in_and_the_one_before_ends(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    before = browser.cookies["madang_session"]
    page = await browser.get("/sign-in")
    await browser.submit(page, "/sign-in", {"name": "jin.park", "password": PASSWORD})
    after = browser.cookies["madang_session"]
    assert before != after
    browser.cookies.set("madang_session", before, domain="localhost.local", path="/")
    async with Browser(site) as thief:
        thief.cookies.set("madang_session", before)
        assert (await thief.get("/account")).status_code == 401


async def test_signing_out_ends_the_session_at_the_hub_too(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    session = browser.cookies["madang_session"]
    page = await browser.get("/account")
    done = await browser.submit(page, "/sign-out")
    assert done.status_code == 303
    assert "madang_session" not in browser.cookies
    async with Browser(site) as thief:
        thief.cookies.set("madang_session", session)
        assert (await thief.get("/account")).status_code == 401


async def test_the_password_changes_only_for_who_knows_the_old_one(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    page = await browser.get("/account")
    new = "nine lanterns by the river"
    values = {"current": "not it", "new": new}
    refused = await browser.submit(page, "/account/password", values)
    assert refused.status_code == 403
    assert "current password is not right" in alert_of(refused.text)
    done = await browser.submit(page, "/account/password", {"current": PASSWORD, "new": new})
    told = await browser.get(done.headers["location"])
    assert "The password is changed" in told.text


async def test_a_new_key_is_shown_once_with_a_command_to_try_it_and_can_be_revoked(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    page = await browser.get("/account")
    values = {"name": "Bus <app>", "kind": "app", "reads": "Vehicle, ParkingSpot", "writes": ""}
    shown = await browser.submit(page, "/account/keys", values)
    found = re.search(r"mdg_[0-9a-f]+_[0-9a-f]+", shown.text)
    assert found is not None
    assert "curl -H" in shown.text
    assert "Bus &lt;app&gt;" in shown.text
    assert site.identities.principal_of(found[0], "").reads == {"Vehicle", "ParkingSpot"}
    account = await browser.get("/account")
    assert found[0] not in account.text
    await browser.submit(account, "/account/keys/revoke")
    assert "No key yet" in (await browser.get("/account")).text
    assert "can do nothing yet" not in shown.text
    idle = await browser.submit(account, "/account/keys", {"name": "x", "kind": "app"})
    assert "can do nothing yet" in idle.text


async def test_nobody_ends_sessions_or_revokes_keys_of_others(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    mine = site.identities.sessions.of(site.identities.accounts.named("jin.park").principal_id)[0]
    key, _ = await site.identities.keys.create("app", "jin's", by="person:jin")
    await site.identities.people.add("mina", "person:1", PASSWORD, roles=["citizen"])
    async with Browser(site) as other:
        page = await other.get("/sign-in")
        await other.submit(page, "/sign-in", {"name": "mina", "password": PASSWORD})
        account = await other.get("/account")
        assert "/account/keys" not in re.findall(r'action="([^"]+)"', account.text)
        token = form_token(other.cookies["madang_session"])
        same = {"Sec-Fetch-Site": "same-origin"}
        await other.post(
            "/account/sessions/end", data={"token": token, "id": mine.id}, headers=same
        )
        gone = await other.post(
            "/account/keys/revoke", data={"token": token, "id": key.id}, headers=same
        )
        assert gone.status_code == 404
        made = await other.post("/account/keys", data={"token": token}, headers=same)
        assert made.status_code == 403
    assert (await browser.get("/account")).status_code == 200


async def test_other_sessions_are_listed_and_can_be_ended(
    site: SmallSite, browser: Browser
) -> None:
    await become_administrator(site, browser)
    agent = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/156 Mobile Safari/537.36"
    async with Browser(site, **{"User-Agent": agent}) as phone:
        page = await phone.get("/sign-in")
        await phone.submit(page, "/sign-in", {"name": "jin.park", "password": PASSWORD})
        account = await browser.get("/account")
        assert "Chrome, Android" in account.text
        await browser.submit(account, "/account/sessions/end-others")
        assert (await phone.get("/account")).status_code == 401
    assert (await browser.get("/account")).status_code == 200


async def test_pages_that_need_a_sign_in_say_so_and_others_are_seen_by_everybody(
    browser: Browser,
) -> None:
    refused = await browser.get("/account")
    assert refused.status_code == 401
    assert 'href="/sign-in' in refused.text
    assert (await browser.get("/")).status_code == 200
    assert (await browser.get("/docs")).status_code == 200
    missing = await browser.get("/sign-in/openid/nobody")
    assert missing.status_code == 404
    assert "There is nothing here" in missing.text


async def test_a_program_gets_problem_documents_and_no_pages(browser: Browser) -> None:
    refused = await browser.get("/account", headers={"Accept": "application/json"})
    assert refused.headers["content-type"] == "application/json"
    assert refused.json()["status"] == 401


async def test_the_start_page_shows_figures_only_to_who_may_see_them(
    site: SmallSite, browser: Browser
) -> None:
    assert "1,234" not in (await browser.get("/")).text
    await become_administrator(site, browser)
    start = await browser.get("/")
    assert "1,234" in start.text
    assert "Signed in as jin.park" in start.text


async def test_the_language_follows_the_browser_until_it_is_chosen(
    site: SmallSite, browser: Browser
) -> None:
    korean = await browser.get("/sign-in", headers={"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.5"})
    assert '<html lang="ko">' in korean.text
    assert "로그인" in korean.text
    chosen = await browser.submit(korean, "/language", {"language": "ko"})
    assert chosen.headers["location"] == "/sign-in"
    assert '<html lang="ko">' in (await browser.get("/sign-in")).text
    refused = await browser.submit(korean, "/language", {"language": "xx"})
    assert refused.status_code == 400


async def test_what_people_type_is_never_taken_for_html(browser: Browser) -> None:
    page = await browser.get("/sign-in?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page.text
    refused = await browser.submit(
        page, "/sign-in", {"name": '"><script>alert(1)</script>', "password": "x"}
    )
    assert "<script>alert" not in refused.text


async def test_security_txt_names_the_contact_and_expires(
    site: SmallSite, browser: Browser, tmp_path: Path
) -> None:
    told = await browser.get("/.well-known/security.txt")
    assert told.headers["content-type"].startswith("text/plain")
    assert "Contact: mailto:cert@city.example\n" in told.text
    assert re.search(r"^Expires: \d{4}-\d\d-\d\dT00:00:00Z$", told.text, re.MULTILINE)
    async with small_site(tmp_path / "other") as silent, Browser(silent) as other:
        assert (await other.get("/.well-known/security.txt")).status_code == 404


async def test_static_files_may_be_kept_and_other_answers_may_not(browser: Browser) -> None:
    page = await browser.get("/sign-in")
    assert page.headers["cache-control"] == "no-store"
    style = re.search(r'href="(/static/style.css\?v=\w+)"', page.text)
    assert style is not None
    file = await browser.get(style[1])
    assert "immutable" in file.headers["cache-control"]
    again = await browser.get(style[1], headers={"If-None-Match": file.headers["etag"]})
    assert again.status_code == 304
    assert (await browser.get("/static/..%2Fpages.py")).status_code == 404
