"""Signing in as people do it: ``madang up``, its link, Chromium, passkeys, a provider."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.certificate import certificate
from tests.e2e.chromium import Authenticator, Watched, chromium
from tests.e2e.server import API, Server
from tests.trust.openid_provider import real_provider

PASSWORD = "seven kites over the yard"
ADMINISTRATOR = "jin.park"
expect.set_options(timeout=15_000)
OPEN_PAGES = ["/", "/docs", "/sign-in", "/welcome?code=none", "/nothing-here"]
KEY = re.compile(r"mdg_[0-9a-f]+_[0-9a-f]+")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with real_provider({"sub": "mina", "name": "Mina Kim", "groups": ["control-room"]}) as issuer:
        yield issuer


class Hub:
    """A running hub under the name localhost, where browsers allow passkeys."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = f"http://localhost:{server.port}"

    def first_link(self) -> str:
        """Return the link that ``madang up`` has printed."""
        found = re.findall(r"http://\S+/welcome\?code=\S+", self.server.log_end())
        return str(found[-1])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, issuer: str, browser: Browser) -> Iterator[Hub]:
    """Run a hub, and make its first administrator by the link it prints."""
    folder = tmp_path_factory.mktemp("hub")
    config = folder / "madang.toml"
    server = Server(folder / "data", "--config", str(config), open=False)
    hub = Hub(server)
    config.write_text(
        f"""base_url = "{hub.url}"
security_contact = "mailto:cert@city.example"
[openid.city]
issuer = "{issuer}"
client_id = "madang"
client_secret = "any"
title = "City"
roles_claim = "groups"
roles = {{ control-room = "operator" }}
"""
    )
    with server:
        context = browser.new_context(locale="en-GB")
        page = context.new_page()
        page.goto(hub.first_link())
        expect(page.get_by_role("heading", level=1)).to_have_text("Set up this city")
        page.locator("#name").fill(ADMINISTRATOR)
        page.locator("#password").fill(PASSWORD)
        page.get_by_role("button", name="Use this password").click()
        expect(page).to_have_url(f"{hub.url}/account")
        context.close()
        yield hub


@pytest.fixture
def context(browser: Browser, hub: Hub) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB", base_url=hub.url)
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def watched(context: BrowserContext, hub: Hub) -> Iterator[Watched]:
    watched = Watched(context, hub.url)
    yield watched
    assert watched.complaints == []
    assert watched.strangers == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def sign_in(page: Page, name: str = ADMINISTRATOR, password: str = PASSWORD) -> None:
    page.goto("/sign-in?next=/account")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def invite(hub: Hub, page: Page, name: str) -> str:
    """Return the link of an invitation that the administrator makes."""
    sign_in(page)
    made = page.request.post(
        "/trust/invitations",
        data={"login": name, "roles": ["citizen"]},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert made.ok, made.text()
    page.context.clear_cookies()
    return str(made.json()["link"])


def test_a_link_works_once(hub: Hub, page: Page) -> None:
    page.goto(hub.first_link())
    expect(page.get_by_role("heading", level=1)).to_have_text("This link has had its time")


def test_signing_in_leads_to_the_page_asked_for_and_out_again(page: Page) -> None:
    page.goto("/account")
    page.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("Name").fill(ADMINISTRATOR)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("do not belong together")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile("/account$"))
    page.get_by_role("button", name="Sign out").click()
    expect(
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Sign in")
    ).to_be_visible()


def test_a_passkey_is_added_signs_in_and_is_removed(page: Page) -> None:
    device = Authenticator(page)
    sign_in(page)
    page.get_by_label("Name of the new passkey").fill("work phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_have_text("The passkey is added.")
    assert len(device.credentials()) == 1
    page.get_by_role("button", name="Sign out").click()
    page.goto("/sign-in?next=/account")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/account$"))
    expect(page.get_by_text("work phone", exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove: work phone").click()
    expect(page.get_by_role("status")).to_have_text("The passkey is removed.")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").first).to_contain_text("not known here")


def test_a_person_who_is_not_verified_gets_in_with_no_passkey(page: Page) -> None:
    device = Authenticator(page)
    sign_in(page)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    device.verify(succeeds=False)
    page.goto("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").first).to_contain_text("Nothing has happened")


def test_an_invitation_is_taken_up_with_a_passkey_and_no_password(hub: Hub, page: Page) -> None:
    Authenticator(page)
    page.goto(invite(hub, page, "sora"))
    page.get_by_role("button", name="Use a passkey instead").click()
    expect(page).to_have_url(re.compile("/account$"))
    expect(page.get_by_text("You have no password")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("alert").first).to_contain_text("only way to sign in")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("Signed in as sora")).to_be_visible()


def test_a_key_made_on_the_account_page_reads_what_it_may_and_no_more_once_revoked(
    hub: Hub, page: Page
) -> None:
    sign_in(page)
    page.get_by_label("What is it for?").fill("parking app")
    page.get_by_label("May read").fill("ParkingSpot")
    page.get_by_role("button", name="Create a key").click()
    found = KEY.search(page.locator("#curl").inner_text())
    assert found is not None
    bearer = {"Authorization": f"Bearer {found[0]}"}
    assert hub.server.request("GET", f"{API}/entities?type=ParkingSpot").status == 401
    read = hub.server.request("GET", f"{API}/entities?type=ParkingSpot", headers=bearer)
    assert (read.status, read.json()) == (200, [])
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_text(found[0])).to_have_count(0)
    page.get_by_role("button", name="Revoke: parking app").click()
    expect(page.get_by_role("status")).to_contain_text("revoked")
    refused = hub.server.request("GET", f"{API}/entities?type=ParkingSpot", headers=bearer)
    assert refused.status == 401


def test_a_real_provider_signs_somebody_in_with_the_role_it_names(
    hub: Hub, context: BrowserContext, issuer: str
) -> None:
    page = context.new_page()
    page.goto("/sign-in?next=/account")
    page.get_by_role("link", name="Continue with City").click()
    expect(page).to_have_url(re.compile(re.escape(issuer)))
    page.get_by_placeholder("sub").fill("mina")
    page.get_by_role("button", name="Authorize").click()
    expect(page).to_have_url(f"{hub.url}/account")
    expect(
        page.get_by_text("Mina.Kim@city").or_(page.get_by_text("mina.kim@city")).first
    ).to_be_visible()
    expect(page.get_by_text("operator", exact=True)).to_be_visible()


def test_without_scripts_a_password_works_and_passkeys_say_what_they_need(
    browser: Browser, hub: Hub
) -> None:
    context = browser.new_context(locale="en-GB", base_url=hub.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/sign-in")
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    sign_in(page)
    expect(page).to_have_url(re.compile("/account$"))
    context.close()


def test_the_language_is_korean_for_korean_browsers_and_can_be_switched_for_good(
    browser: Browser, hub: Hub
) -> None:
    context = browser.new_context(locale="ko-KR", base_url=hub.url)
    page = context.new_page()
    page.goto("/sign-in")
    expect(page.get_by_role("heading", level=1)).to_have_text("로그인")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto("/")
    assert page.locator("html").get_attribute("lang") == "en"
    context.close()


def test_passkeys_on_an_address_without_a_name_point_to_where_they_work(
    hub: Hub, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{hub.server.port}/sign-in")
    link = page.get_by_role("main").get_by_role("link", name=f"{hub.url}/sign-in")
    expect(link).to_have_attribute("href", f"{hub.url}/sign-in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_have_labels_and_enough_contrast(
    browser: Browser, hub: Hub, scheme: str
) -> None:
    context = browser.new_context(
        base_url=hub.url,
        locale="ko-KR",
        viewport={"width": 360, "height": 740},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    script = Path(__file__).with_name("page_checks.js").read_text("utf-8")

    def wrong(path: str) -> object:
        page.goto(path)
        return page.evaluate(script)

    assert {path: wrong(path) for path in OPEN_PAGES} == {path: [] for path in OPEN_PAGES}
    page.goto("/sign-in?next=/account")
    page.locator("#name").fill(ADMINISTRATOR)
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^[^?]*/account$"))
    assert wrong("/account") == []
    context.close()


def test_over_tls_cookies_keep_to_the_host_and_pages_stay_encrypted(
    browser: Browser, tmp_path: Path
) -> None:
    crt, pem = certificate(tmp_path)
    config = tmp_path / "madang.toml"
    server = Server(tmp_path / "data", "--config", str(config), open=False)
    url = f"https://localhost:{server.port}"
    config.write_text(f'base_url = "{url}"\ntls_certificate = "{crt}"\ntls_key = "{pem}"\n')
    context = browser.new_context(locale="en-GB", base_url=url, ignore_https_errors=True)
    server.launch()
    try:
        server.wait_for(lambda: "/welcome?code=" in server.log_end())
        page = context.new_page()
        Authenticator(page)
        page.goto(re.findall(r"https://\S+/welcome\?code=\S+", server.log_end())[-1])
        page.locator("#name").fill(ADMINISTRATOR)
        page.get_by_role("button", name="Use a passkey instead").click()
        expect(page).to_have_url(f"{url}/account")
        start = page.goto("/")
        assert start is not None
        assert start.headers["strict-transport-security"] == "max-age=31536000"
        (session,) = [one for one in context.cookies() if one["name"].endswith("session")]
        assert session["name"] == "__Host-madang_session"
        assert (session["secure"], session["httpOnly"], session["sameSite"]) == (True, True, "Lax")
    finally:
        context.close()
        server.stop()
