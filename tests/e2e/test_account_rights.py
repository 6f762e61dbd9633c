"""Consents, and who read what, on the account page: in both languages, without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import httpx
import orjson
import pytest

from tests.e2e.server import API, Server
from tests.web.browser import forms_of

PASSWORD = "seven kites over the yard"
LANGUAGES = {"en": "en-GB,en;q=0.9", "ko": "ko-KR,ko;q=0.9"}
GIVE, WITHDRAW = "/account/consents/give", "/account/consents/withdraw"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("rights") / "data", open=False)
    server.start(90)
    try:
        for name, role in (("hana", "citizen"), ("mina", "citizen"), ("ops", "operator")):
            add(server, name, role)
        yield server
    finally:
        server.stop()


def add(hub: Server, name: str, role: str = "citizen") -> None:
    body = {"login": name, "password": PASSWORD, "roles": [role]}
    made = hub.request("POST", "/trust/users", body, hub.local_key())
    assert made.status == 201, made.body


class Citizen(httpx.Client):
    """A browser without scripts: it follows links and sends forms."""

    def submit(
        self, page: httpx.Response, action: str, values: dict[str, str], **wanted: str
    ) -> httpx.Response:
        """Send the form of a page with this action, and with these values in it."""
        for at, fields in forms_of(page.text):
            if at == action and wanted.items() <= fields.items():
                headers = {"Sec-Fetch-Site": "same-origin"}
                return self.post(action, data={**fields, **values}, headers=headers)
        raise AssertionError(f"no form {action} {wanted}: {forms_of(page.text)}")

    def offers(self, page: httpx.Response, action: str) -> set[str]:
        """Return the purposes that forms with this action are about."""
        return {fields["purpose"] for at, fields in forms_of(page.text) if at == action}


@contextmanager
def signed_in(hub: Server, name: str, language: str) -> Iterator[Citizen]:
    """Open a browser in which somebody has signed in."""
    accepted = {"Accept": "text/html", "Accept-Language": LANGUAGES[language]}
    with Citizen(base_url=hub.url, headers=accepted, follow_redirects=True, timeout=60) as citizen:
        page = citizen.get("/sign-in?next=/account")
        citizen.submit(page, "/sign-in", {"name": name, "password": PASSWORD})
        yield citizen


def told(page: httpx.Response) -> str:
    """Return the words of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def token(hub: Server, name: str) -> dict[str, str]:
    grant = {"grant_type": "password", "username": name, "password": PASSWORD}
    answer: Any = hub.request("POST", "/token", grant).json()
    return {"Authorization": f"Bearer {answer['access_token']}"}


@pytest.mark.parametrize(
    ("language", "agreed", "since", "withdrawn"),
    [
        ("en", "You have agreed.", "since 2026", "Your consent is withdrawn."),
        ("ko", "동의했습니다.", "부터", "동의를 철회했습니다."),
    ],
)
def test_a_citizen_agrees_and_withdraws_without_scripts(
    hub: Server, language: str, agreed: str, since: str, withdrawn: str
) -> None:
    with signed_in(hub, "hana", language) as hana:
        page = hana.get("/account")
        assert page.headers["Content-Language"] == language
        assert {"welfare", "research"} <= hana.offers(page, GIVE)
        assert "emergency" not in hana.offers(page, GIVE)  # its basis is no consent

        page = hana.submit(page, GIVE, {}, purpose="welfare")
        assert agreed in told(page)
        assert since.replace("2026", "20") in told(page)
        assert hana.offers(page, WITHDRAW) == {"welfare"}
        said: Any = hub.request("GET", "/me/consents", None, token(hub, "hana")).json()
        assert [one["purpose"] for one in said["consents"] if one["inForce"]] == ["welfare"]

        over = hana.submit(page, WITHDRAW, {}, purpose="welfare")
        assert withdrawn in told(over)
        assert hana.offers(over, WITHDRAW) == set()
        # The same form once more, from another window: what was wanted is so already.
        assert withdrawn in told(hana.submit(page, WITHDRAW, {}, purpose="welfare"))


def test_a_purpose_that_needs_no_consent_is_refused_in_words(hub: Server) -> None:
    with signed_in(hub, "hana", "en") as hana:
        page = hana.get("/account")
        refused = hana.submit(page, GIVE, {"purpose": "emergency"}, purpose="welfare")
        assert refused.status_code == 400
        assert "emergency needs no consent" in told(refused)


def test_nobody_agrees_for_somebody_by_a_page_of_their_own(hub: Server) -> None:
    with signed_in(hub, "hana", "en") as hana:
        page = hana.get("/account")
        forged = hana.submit(page, GIVE, {"token": "x"}, purpose="research")
        assert forged.status_code == 403
        hana.headers["Sec-Fetch-Site"] = "cross-site"
        assert hana.post(GIVE, data={"purpose": "research"}).status_code == 403
        del hana.headers["Sec-Fetch-Site"]
        assert "research" in hana.offers(hana.get("/account"), GIVE)


@pytest.mark.parametrize(
    ("language", "nobody", "purpose", "me", "name"),
    [
        ("en", "Nobody has read your personal data.", "Purpose: Emergency", "You ·", "hana"),
        (
            "ko",
            "아직 아무도 내 개인정보를 열람하지 않았습니다.",
            "목적: 긴급 대응",
            "본인 ·",
            "mina",
        ),
    ],
)
def test_a_citizen_sees_who_read_about_them(
    hub: Server, language: str, nobody: str, purpose: str, me: str, name: str
) -> None:
    with signed_in(hub, name, language) as citizen:
        assert nobody in told(citizen.get("/account"))
        shown: Any = hub.request("GET", "/me", None, token(hub, name)).json()
        phone = {"type": "Property", "value": "+82 10 1234 5678"}
        person = {"id": shown["entity"], "type": "Person", "telephone": phone}
        writer = hub.local_key() | {"Purpose": "administration"}
        assert hub.request("POST", f"{API}/entities", person, writer).status == 201
        path = f"{API}/entities/{shown['entity']}"
        reader = token(hub, "ops") | {"Purpose": "emergency"}
        for _ in range(2):
            read = hub.request("GET", path, None, reader)
            assert orjson.loads(read.body)["telephone"] == phone
        hub.wait_for(lambda: "ops" in told(citizen.get("/account")))
        page = told(citizen.get("/account"))
        assert "ops ·" in page
        assert "telephone" in page
        assert purpose in page
        assert "+82" not in page  # the value itself is nobody's business here
        assert name not in told(citizen.get("/account?before=0")).partition("telephone")[2]

        export = citizen.get("/me/export")
        assert export.headers["Content-Type"] == "application/zip"
        hub.wait_for(lambda: me in told(citizen.get("/account")))


def test_another_citizen_sees_nothing_of_it(hub: Server) -> None:
    add(hub, "other")
    with signed_in(hub, "other", "en") as other:
        page = told(other.get("/account"))
        assert "Nobody has read your personal data." in page
        assert "telephone" not in page


def test_whoever_has_not_signed_in_is_sent_to_do_so(hub: Server) -> None:
    with httpx.Client(base_url=hub.url, headers={"Accept": "text/html"}) as stranger:
        for path in (GIVE, WITHDRAW):
            assert stranger.post(path, data={"purpose": "welfare"}).status_code == 401


def test_who_is_erased_is_no_contact_any_more(hub: Server) -> None:
    add(hub, "leaving")
    mail = {"kind": "email", "address": "leaving@city.example"}
    person = {"kind": "person", "title": "Lee", "channels": [mail], "account": "leaving"}
    staff = hub.local_key()
    kept: Any = hub.request("PUT", "/contacts/lee", person, staff).json()
    me: Any = hub.request("GET", "/me", None, token(hub, "leaving")).json()
    assert kept["account"] == me["id"]
    group = {"kind": "group", "members": ["lee"]}
    assert hub.request("PUT", "/contacts/desk", group, staff).status == 201
    unknown = person | {"account": "nobody"}
    assert hub.request("PUT", "/contacts/lee", unknown, staff).status == 404

    confirmed = {"confirm": "erase"}
    report: Any = hub.request("POST", "/me/erasure", confirmed, token(hub, "leaving")).json()
    assert "contact lee" in [one["id"] for one in report["removed"]]
    assert hub.request("GET", "/contacts/lee", None, staff).status == 404
    listed = hub.request("GET", "/contacts", None, staff).body.decode()
    assert "leaving@" not in listed
    assert "Lee" not in listed
    desk: Any = hub.request("GET", "/contacts/desk", None, staff).json()
    assert [name.partition("-")[0] for name in desk["members"]] == ["erased"]
