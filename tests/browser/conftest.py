"""The browser that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.room import drawing_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that draws; each test has windows of its own in it."""
    with drawing_chromium() as browser:
        yield browser
