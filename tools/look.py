"""Open a page of a running hub in Chromium as a signed-in person and keep what it looks like.

    python -m tools.look /control/incidents --url http://127.0.0.1:8080 --out /tmp/look

Signs in with ``--name`` and ``--password`` unless the hub is open; prints what the browser's
console says, every request that failed, and what axe finds against WCAG 2.2 AA.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Response, sync_playwright

AXE = Path(__file__).parents[1] / "src/madang/web/ui/node_modules/axe-core/axe.min.js"
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
OPTIONS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def main() -> None:
    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=OPTIONS)
        for size in given.sizes.split(","):
            for language in given.languages.split(","):
                width, height = SIZES[size]
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    locale="ko-KR" if language == "ko" else "en-GB",
                    color_scheme=given.colours,
                    bypass_csp=True,  # axe is put into the page
                )
                page = context.new_page()
                listen(page)
                if given.name:
                    sign_in(page, given.url, given.name, given.password)
                for path in given.paths:
                    look(page, given, path, f"{size}-{language}-{given.colours}")
                context.close()
        browser.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", help="of the pages, such as /control/map")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--name", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--sizes", default="desktop,phone")
    parser.add_argument("--languages", default="ko")
    parser.add_argument("--colours", default="light", choices=["light", "dark"])
    parser.add_argument("--wait", type=float, default=1.5, help="after the page has loaded [s]")
    parser.add_argument("--no-axe", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("/tmp/look"))
    return parser.parse_args()


def listen(page: Page) -> None:
    """Print what goes wrong in the page."""

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            print("console:", message.text)

    def answered(answer: Response) -> None:
        if answer.status >= 400:
            print("answer:", answer.status, answer.request.method, answer.url)

    page.on("console", said)
    page.on("pageerror", lambda error: print("error:", error))
    page.on("response", answered)


def sign_in(page: Page, url: str, name: str, password: str) -> None:
    page.goto(f"{url}/sign-in")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.click("form[action$='/sign-in'] button")
    page.wait_for_url(lambda there: "/sign-in" not in there)


def look(page: Page, given: argparse.Namespace, path: str, kind: str) -> None:
    """Open one page, say what axe finds, and keep the picture."""
    page.goto(given.url + path, wait_until="load")
    page.wait_for_timeout(given.wait * 1000)
    if not given.no_axe:
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("tags => axe.run({runOnly: tags})", AXE_TAGS)
        for one in found["violations"]:
            nodes = [node["target"] for node in one["nodes"][:3]]
            print(f"axe: {kind} {path}: {one['id']} ({one['impact']}): {one['help']} {nodes}")
    name = urlsplit(path).path.strip("/").replace("/", "_").replace(":", "-")[:80] or "start"
    picture = given.out / f"{name}-{kind}.png"
    page.screenshot(path=picture, full_page=True)
    print("picture:", picture)


if __name__ == "__main__":
    main()
