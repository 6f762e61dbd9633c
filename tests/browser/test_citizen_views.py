"""What a citizen is offered in the control room: their own data, and no administration."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from hatch_build import SOURCES
from tests.browser.room import Visit, add_person
from tests.e2e.server import Server

expect.set_options(timeout=30_000)
VIEW = re.compile(r"\{ path: '([^':]+)', title: '[\w.]+', may: '(\w+)'")
ANY = dict(VIEW.findall(SOURCES.joinpath("src/shell/views.ts").read_text("utf-8")))
"""Views that need an action, by their path."""
REFUSED = {
    "en": "Your roles do not let you see this.",
    "ko": "지금 역할로는 볼 수 없습니다.",
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("citizen") / "data", open=False)
    server.start(90)
    try:
        add_person(server, "hana", "citizen")
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_citizen_is_offered_their_own_data_and_no_administration(
    hub: Server, browser: Browser, language: str, size: str
) -> None:
    assert len(ANY) > 10
    visit = Visit(browser, hub.url, language, size)
    try:
        visit.sign_in("hana")
        expect(visit.page.locator("#views a[href$='/control/personal']")).to_have_count(1)
        for path in ANY:
            expect(visit.page.locator(f"#views a[href$='/control{path}']")).to_have_count(0)
        asked: list[str] = []
        visit.page.on("request", lambda one: asked.append(one.url))
        for path in ("/people", "/keys", "/policies", "/audit"):
            visit.open(path)
            expect(visit.page.locator("#main")).to_contain_text(REFUSED[language])
        assert [url for url in asked if "/trust/" in url] == []
    finally:
        visit.close()
