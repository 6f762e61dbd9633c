"""The control room in Chromium as somebody who has signed in: its pages, pictures and complaints.

Pictures of every view go to ``screenshots/`` (git ignores it), where people look at them.
"""

from __future__ import annotations

import os
import re
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from hatch_build import SOURCES
from tests.e2e.chromium import Watched, chromium
from tests.e2e.server import Server

PASSWORD = "seven kites over the yard"
PICTURES = Path(os.environ.get("MADANG_PICTURES", "screenshots"))
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
LOCALES = {"en": "en-GB", "ko": "ko-KR"}
AXE = SOURCES / "node_modules/axe-core/axe.min.js"
# WCAG 2.2 AA, and what axe counts as good practice beside it.
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Rows of a table are alike: what is wrong with one is wrong with the first.
SOME_ROWS = {"exclude": [["tbody tr:nth-child(n+9)"]]}
TALLEST = 2_400  # of a picture; drawing a page of 20,000 takes seconds. [px]
# Draws maps without a graphics card.
SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextmanager
def drawing_chromium() -> Iterator[Browser]:
    """Run Chromium so that it can draw maps."""
    with chromium(*SOFTWARE_GL) as browser:
        yield browser


class Visit:
    """One person's browser at one hub.

    Args:
        language: ``ko`` or ``en``, as the browser asks for it.
        size: ``desktop`` or ``phone``.
    """

    def __init__(self, browser: Browser, url: str, language: str, size: str, **more: Any) -> None:
        width, height = SIZES[size]
        self.url = url
        self.width, self.height = width, height
        self.kind = f"{size}-{language}"
        self.context: BrowserContext = browser.new_context(
            locale=LOCALES[language], viewport={"width": width, "height": height}, **more
        )
        self.watched = Watched(self.context, url)
        self.page: Page = self.watched.page

    def sign_in(self, name: str) -> None:
        self.page.goto(f"{self.url}/sign-in?next=%2Fcontrol")
        sign_in(self.page, name)
        expect(self.page).to_have_url(re.compile("/control"))

    def open(self, view: str) -> None:
        """Show a view of the control room as a click on a link does, without a new page."""
        if "/control" not in self.page.url:
            self.page.goto(f"{self.url}/control")
            expect(self.page.locator("#main h1").first).to_be_visible()
        self.page.evaluate(
            """path => {
                history.pushState(null, '', path)
                dispatchEvent(new PopStateEvent('popstate'))
            }""",
            f"/control{view}",
        )
        expect(self.page.locator("#main h1").first).to_be_visible()
        expect(self.page.locator("#main .waiting")).to_have_count(0)

    def picture(self, name: str) -> None:
        """Keep what the page looks like."""
        PICTURES.mkdir(exist_ok=True)
        safe = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "start"
        file = PICTURES / f"{safe}-{self.kind}.png"
        try:
            self._take(file)
        except Error:  # Chromium cannot if the page becomes shorter than it was a moment before
            self._take(file)

    def _take(self, file: Path) -> None:
        """Take a picture as Chromium does it fastest, which Playwright does not ask for."""
        whole = self.page.evaluate("() => document.documentElement.scrollHeight")
        box = {"x": 0, "y": 0, "width": self.width, "height": min(whole, TALLEST), "scale": 1}
        wish = {
            "format": "png",
            "clip": box,
            "captureBeyondViewport": box["height"] > self.height,
            "optimizeForSpeed": True,
        }
        session = self.context.new_cdp_session(self.page)
        file.write_bytes(b64decode(session.send("Page.captureScreenshot", wish)["data"]))
        session.detach()

    def barriers(self, rules: list[str] | None = None) -> list[str]:
        """Return what axe finds by some of its rules, or by those of WCAG: rule, why, where."""
        # Not as a script element, which the policy of the page forbids.
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        only = {"type": "rule", "values": rules} if rules else AXE_TAGS
        # Of what is right there is no need to hear where it is.
        found = self.page.evaluate(
            """([part, only]) =>
                axe.run(part, {runOnly: only, preload: false, resultTypes: ['violations']})""",
            [SOME_ROWS, only],
        )
        return [
            f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes'][:3]]}"
            for one in found["violations"]
        ]

    def close(self) -> None:
        self.context.close()


def sign_in(page: Page, name: str) -> None:
    """Sign in on the page that asks for it."""
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.locator("form[action$='/sign-in'] button").first.click()


NAME = """() => {
    const one = document.activeElement
    const label = one.getAttribute('aria-label') ?? one.labels?.[0]?.innerText
    return (label ?? one.innerText ?? '').trim()
}"""


def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Go to what has a name by the Tab key alone, as somebody does who has no mouse."""
    passed: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(NAME))
        if passed[-1].startswith(name):
            return
    pytest.fail(f"Tab does not reach {name!r}; it passes {passed}")


def click_in_the_middle(page: Page) -> None:
    """Click on what is in the middle of the map, as soon as it is there: the pointer is a hand."""
    canvas = page.locator(".maplibregl-canvas")
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        page.mouse.move(middle[0] + 1, middle[1])
        page.mouse.move(*middle)
        if canvas.evaluate("one => one.style.cursor") == "pointer":
            page.mouse.click(*middle)
            return
    pytest.fail("nothing is drawn in the middle of the map")


def first_administrator(server: Server, page: Page, name: str) -> None:
    """Make the first administrator by the link that ``madang up`` has printed."""
    link = re.findall(r"http://\S+/welcome\?code=\S+", server.log_end())[-1]
    page.goto(link)
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Use this password").click()
    expect(page).to_have_url(re.compile("/account$"))


def add_person(server: Server, name: str, role: str) -> None:
    """Make an account from the terminal."""
    made = server.madang("user", "add", name, "--role", role, stdin=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stdout + made.stderr
