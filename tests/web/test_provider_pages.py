"""Signing in through a provider as a browser does it, and whose account that gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from madang.trust.accounts import Account
from tests.trust.openid_provider import Cheat, cheating_provider
from tests.web.browser import Browser, alert_of
from tests.web.small_site import PASSWORD, SmallSite, small_site

BACK = "/sign-in/openid/city/back"


@pytest.fixture
def cheat() -> Iterator[Cheat]:
    with cheating_provider() as cheat:
        yield cheat


@asynccontextmanager
async def opened(tmp_path: Path, cheat: Cheat, **more: Any) -> AsyncIterator[SmallSite]:
    provider = {"issuer": cheat.issuer, "client_id": "madang", "title": "City & Co", **more}
    async with small_site(tmp_path, providers={"city": provider}) as site:
        yield site


@pytest.fixture
async def site(tmp_path: Path, cheat: Cheat) -> AsyncIterator[SmallSite]:
    async with opened(tmp_path, cheat) as site:
        yield site


async def come_back(browser: Browser, cheat: Cheat, next: str = "/account") -> httpx.Response:
    """Press the button, agree at the provider, and come back."""
    away = await browser.get(f"/sign-in/openid/city?next={next}")
    assert away.headers["location"].startswith(cheat.issuer)
    return await browser.get(BACK, params=cheat.approve(away.headers["location"]))


def only_account(site: SmallSite) -> Account:
    (account,) = list(site.identities.accounts)
    return account


async def test_the_button_leads_to_the_provider_and_back_to_the_page(
    site: SmallSite, cheat: Cheat
) -> None:
    cheat.forge = lambda claims: cheat.sign(claims | {"name": "Jin Park", "email": "jin@city.kr"})
    async with Browser(site) as browser:
        page = await browser.get("/sign-in?next=/account")
        assert "Continue with City &amp; Co" in page.text
        assert 'href="/sign-in/openid/city?next=/account"' in page.text
        done = await come_back(browser, cheat)
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        account = await browser.get("/account")
        assert "Jin.Park@city" in account.text or "jin.park@city" in account.text
        assert "citizen" in account.text


async def test_the_same_person_has_the_same_account_whatever_their_name(
    site: SmallSite, cheat: Cheat
) -> None:
    for name in ("Jin", "Mayor", "jin"):
        cheat.forge = lambda claims, name=name: cheat.sign(claims | {"name": name})  # type: ignore[misc]
        async with Browser(site) as browser:
            await come_back(browser, cheat)
    assert only_account(site).login == "jin@city"


async def test_two_people_of_one_name_have_two_accounts(site: SmallSite, cheat: Cheat) -> None:
    for subject in ("one", "two"):
        cheat.forge = lambda claims, subject=subject: cheat.sign(  # type: ignore[misc]
            claims | {"sub": subject, "name": "Jin"}
        )
        async with Browser(site) as browser:
            await come_back(browser, cheat)
    assert len(site.identities.accounts) == 2


@pytest.mark.parametrize(("linking", "verified"), [(False, True), (True, False), (False, False)])
async def test_an_address_alone_takes_over_no_account(
    tmp_path: Path, cheat: Cheat, linking: bool, verified: bool
) -> None:
    claims = {"email": "jin@city.kr", "email_verified": verified, "name": "jin@city.kr"}
    cheat.forge = lambda plain: cheat.sign(plain | claims)
    async with opened(tmp_path, cheat, link_verified_email=linking) as site:
        jin = await site.identities.people.add("jin@city.kr", "local", PASSWORD, roles=["operator"])
        async with Browser(site) as browser:
            await come_back(browser, cheat)
            account = await browser.get("/account")
            assert account.status_code == 200
            assert "operator" not in account.text
        assert site.identities.sessions.of(jin.principal_id) == []


async def test_a_verified_address_links_an_account_where_the_settings_allow_it(
    tmp_path: Path, cheat: Cheat
) -> None:
    claims = {"email": "jin@city.kr", "email_verified": True}
    cheat.forge = lambda plain: cheat.sign(plain | claims)
    async with opened(tmp_path, cheat, link_verified_email=True) as site:
        await site.identities.people.add("jin@city.kr", "local", PASSWORD, roles=["operator"])
        async with Browser(site) as browser:
            await come_back(browser, cheat)
            assert "operator" in (await browser.get("/account")).text
        assert only_account(site).login == "jin@city.kr"
        assert "providerLinked" in [event.action for event in site.notes.events]


async def test_roles_follow_the_provider_at_every_sign_in(tmp_path: Path, cheat: Cheat) -> None:
    given = {"control-room": "operator"}
    async with opened(tmp_path, cheat, roles_claim="groups", roles=given) as site:
        for groups, roles in ((["control-room"], {"operator"}), ([], {"citizen"})):
            cheat.forge = lambda plain, groups=groups: cheat.sign(plain | {"groups": groups})  # type: ignore[misc]
            async with Browser(site) as browser:
                await come_back(browser, cheat)
                assert only_account(site).roles == roles
                assert (await browser.get("/account")).status_code == 200


async def test_a_refused_sign_in_says_what_to_do_and_is_on_record(
    site: SmallSite, cheat: Cheat
) -> None:
    async with Browser(site) as browser:
        away = await browser.get("/sign-in/openid/city")
        answer = cheat.approve(away.headers["location"])
        denied = await browser.get(BACK, params={"state": answer["state"], "error": "denied"})
        assert denied.status_code == 401
        assert "City &amp; Co did not sign you in" in alert_of(denied.text)
        late = await browser.get(BACK, params=answer)
        assert "Begin again" in alert_of(late.text)
        assert "madang_session" not in browser.cookies
    assert {event.outcome for event in site.notes.events} == {"denied"}


async def test_an_answer_brought_by_another_browser_signs_nobody_in(
    site: SmallSite, cheat: Cheat
) -> None:
    """Login CSRF: the attacker's answer, opened by the victim."""
    async with Browser(site) as attacker, Browser(site) as victim:
        away = await attacker.get("/sign-in/openid/city")
        answer = cheat.approve(away.headers["location"])
        await victim.get("/sign-in/openid/city")
        refused = await victim.get(BACK, params=answer)
        assert refused.status_code == 401
        assert "madang_session" not in victim.cookies


async def test_who_has_been_switched_off_is_not_let_in(site: SmallSite, cheat: Cheat) -> None:
    async with Browser(site) as browser:
        await come_back(browser, cheat)
        account = only_account(site)
        await site.identities.people.change(account, "local", disabled=True)
        assert (await browser.get("/account")).status_code == 401
        assert (await come_back(browser, cheat)).status_code == 401


async def test_nothing_is_kept_of_the_sign_ins_of_an_account_that_is_removed(
    site: SmallSite, cheat: Cheat
) -> None:
    site.identities.people.on_remove.append(site.doors.provider_accounts.forget)
    async with Browser(site) as browser:
        await come_back(browser, cheat)
        account = only_account(site)
        assert await site.doors.provider_accounts.providers(account.id) == ["city"]
        await site.identities.people.remove(account, "local")
        assert await site.records.all("login") == {}
        await come_back(browser, cheat)
        assert only_account(site).id != account.id


async def test_a_provider_that_is_down_is_said_to_be(tmp_path: Path, cheat: Cheat) -> None:
    async with opened(tmp_path, cheat, issuer="http://127.0.0.1:9") as site, Browser(site) as b:
        page = await b.get("/sign-in/openid/city")
        assert page.status_code == 502
        assert "does not answer right now" in alert_of(page.text)


async def test_a_client_secret_can_lie_sealed_in_the_store(site: SmallSite) -> None:
    await site.identities.people.add("root", "local", PASSWORD, roles=["administrator"])
    secret = {"clientSecret": "a secret of the provider"}
    async with Browser(site) as browser:
        page = await browser.get("/sign-in")
        await browser.submit(page, "/sign-in", {"name": "root", "password": PASSWORD})
        same = {"Sec-Fetch-Site": "same-origin"}
        done = await browser.put("/sign-in/openid/city/secret", json=secret, headers=same)
        assert done.status_code == 204
    assert site.openid.secrets is not None
    assert await site.openid.secrets.of("city") == "a secret of the provider"
    kept = await site.records.get("secret", "openid.city")
    assert "provider" not in str(kept)
