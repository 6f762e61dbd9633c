"""A person lets a browser be told, on a page of the account, and is told there."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from html import unescape
from typing import Any

import http_ece
import httpx
import orjson
import pytest

from tests.e2e.server import Server
from tests.e2e.web_taker import WebTaker, browser
from tests.web.browser import forms_of

PASSWORD = "seven kites over the yard"
SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def web() -> AsyncIterator[WebTaker]:
    async with WebTaker() as taker:
        yield taker


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("push_page") / "data", open=False)
    server.start(90)
    try:
        for login, name, role in (
            ("Kim.Jin", "Kim Jin", "administrator"),
            ("mina", "Mina", "citizen"),
        ):
            body = {"login": login, "name": name, "password": PASSWORD, "roles": [role]}
            made = server.request("POST", "/trust/users", body, server.local_key())
            assert made.status == 201, made.body
        yield server
    finally:
        server.stop()


def visitor(hub: Server) -> httpx.AsyncClient:
    accepted = {"Accept": "text/html", "Accept-Language": "en"}
    return httpx.AsyncClient(base_url=hub.url, headers=accepted, follow_redirects=True, timeout=60)


async def sign_in(one: httpx.AsyncClient, name: str) -> httpx.Response:
    page = await one.get("/sign-in?next=/account/push")
    fields = next(fields for at, fields in forms_of(page.text) if at == "/sign-in")
    given = {**fields, "name": name, "password": PASSWORD}
    return await one.post("/sign-in", data=given, headers=SAME)


async def subscribe(one: httpx.AsyncClient, page: httpx.Response, push: Any) -> httpx.Response:
    """Send what the script of the page sends."""
    token = re.search(r'name="token" value="([^"]+)"', page.text[page.text.index("data-push") :])
    assert token is not None
    headers = {**SAME, "X-Form-Token": unescape(token[1]), "Accept": "application/json"}
    body = {name: push[name] for name in ("endpoint", "p256dh", "auth")}
    return await one.post("/account/push", json=body, headers=headers)


async def test_a_browser_that_was_added_on_the_page_is_told_and_can_be_removed(
    hub: Server, web: WebTaker
) -> None:
    push, private, secret = browser(web)
    async with visitor(hub) as kim:
        page = await sign_in(kim, "Kim.Jin")
        assert "Messages to this browser" in page.text
        assert (await subscribe(kim, page, {**push, "auth": "short"})).status_code == 400
        made = await subscribe(kim, page, push)
        assert made.status_code == 201, made.text
        page = await kim.get(made.json()["next"])
        assert "Messages are shown in this browser from now on." in page.text
        assert push["endpoint"] in unescape(page.text)

        contact = await asyncio.to_thread(
            hub.request, "POST", "/contacts/kim-jin/test", None, hub.local_key()
        )
        assert contact.status == 201, contact.body
        for _ in range(200):
            if web.on("/push"):
                break
            await asyncio.sleep(0.1)
        (pushed,) = web.on("/push")
        told = orjson.loads(http_ece.decrypt(pushed.body, private_key=private, auth_secret=secret))
        assert (told["title"], told["language"]) == ("A test of Madang", "en")

        form = next(fields for at, fields in forms_of(page.text) if at.endswith("/push/remove"))
        page = await kim.post("/account/push/remove", data=form, headers=SAME)
        assert "That browser is told no more." in page.text
        assert push["endpoint"] not in unescape(page.text)


async def test_a_browser_that_was_added_is_handed_out_and_erased_with_its_person(
    hub: Server, web: WebTaker
) -> None:
    body = {"login": "lee", "name": "Lee", "password": PASSWORD, "roles": ["operator"]}
    made = await asyncio.to_thread(hub.request, "POST", "/trust/users", body, hub.local_key())
    account: Any = made.json()
    push, _, _ = browser(web)
    async with visitor(hub) as lee:
        assert (await subscribe(lee, await sign_in(lee, "lee"), push)).status_code == 201
    # What the city took down of the same person, and what the browser told, is one contact.
    listed: Any = hub.request("GET", "/contacts/lee", None, hub.local_key()).json()
    assert listed["account"] == account["id"]

    person = f"/trust/persons/{account['id']}"
    archive = hub.request("GET", f"{person}/export", None, hub.local_key()).body
    held = zipfile.ZipFile(io.BytesIO(archive)).read("account.jsonl").decode()
    assert push["endpoint"] in held

    erased = hub.request("POST", f"{person}/erasure", {"reason": "asked"}, hub.local_key())
    told: Any = erased.json()
    assert "contact lee" in {one["id"] for one in told["removed"]}
    assert hub.request("GET", "/contacts/lee", None, hub.local_key()).status == 404


async def test_the_page_is_only_for_those_who_look_after_incidents(hub: Server) -> None:
    async with visitor(hub) as mina:
        page = await sign_in(mina, "mina")
        assert page.status_code == 403
        assert "data-push" not in page.text
