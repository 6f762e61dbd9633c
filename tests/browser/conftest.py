"""The browser that the tests of a module share, and a visit with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.room import Visit, drawing_chromium
from tests.e2e.server import Server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that draws; each test has windows of its own in it."""
    with drawing_chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, hub: Server) -> Iterator[Visit]:
    """Somebody at a desktop at the module's own hub, in English; the browser may not complain."""
    visit = Visit(browser, hub.url, "en", "desktop")
    yield visit
    assert visit.watched.complaints == []
    assert visit.watched.strangers == []
    visit.close()
