"""Measures the live map in a browser: 2,000 things move five times a second, 20,000 stand still.

``python bench/live.py`` starts a hub of its own, writes through its API, opens the map of the
control room in headless Chromium and looks for a minute. Printed are the times between frames, how
often the moving points were drawn, and the processor time of hub and browser. Without a graphics
card Chromium draws with the processor, and the page draws points anew only where they were told
of; a second minute shows what it costs to let them glide from place to place all the same.

Frames are late here for want of processors: hub, writers, browser and drawing share those of one
machine. What the page itself does is counted apart, by its main thread: how long it worked, and
each task of more than 50 ms, which is what a viewer with a machine of their own would feel.

The pages must have been built (``make web``); while developing, ``--pages`` names the server of
Vite that has them (started with ``MADANG_URL`` of this hub, whose port ``--port`` chooses).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from playwright.sync_api import Browser, CDPSession, Page, ViewportSize, sync_playwright
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from bench.moving import EAST, NORTH, SOUTH, WEST, Traffic, Writer, load
from tests.e2e.server import Server
from tools.look import OPTIONS

RESULT = Path(__file__).parent / "results" / "live.json"
LAYERS = "Vehicle~speed,AirQualityObserved~pm25"
ZOOM: Final = 11.2
SIZE: Final[ViewportSize] = {"width": 1280, "height": 800}
STUTTER_MS: Final = 100.0
DRAGS: Final = 12  # of the map, after the minute

# Counts frames, and what is drawn as points in them, without the help of the page.
WATCH = """
(() => {
  const watched = { frames: [], tasks: [], draws: 0, points: 0, messages: 0, bytes: 0 }
  window.watched = watched
  const draw = WebGL2RenderingContext.prototype.drawArrays
  WebGL2RenderingContext.prototype.drawArrays = function (mode, first, count) {
    if (mode === this.POINTS) {
      watched.draws += 1
      watched.points = count
    }
    return draw.call(this, mode, first, count)
  }
  const frame = (now) => {
    watched.frames.push(now)
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
  const long = new PerformanceObserver((list) => {
    for (const task of list.getEntries()) watched.tasks.push(task.duration)
  })
  long.observe({ type: 'longtask' })
  const Socket = window.WebSocket
  window.WebSocket = class extends Socket {
    constructor(...given) {
      super(...given)
      this.addEventListener('message', ({ data }) => {
        watched.messages += 1
        watched.bytes += data.byteLength ?? 0
      })
    }
  }
})()
"""
# The page lets points glide only where it sees a graphics card.
GLIDE = """
(() => {
  const ask = WebGL2RenderingContext.prototype.getParameter
  const RENDERER = 0x9246
  WebGL2RenderingContext.prototype.getParameter = function (name) {
    return name === RENDERER ? 'a graphics card' : ask.call(this, name)
  }
})()
"""
TAKEN = """() => {
  const { frames, tasks, draws, points, messages, bytes } = window.watched
  window.watched.frames = []
  window.watched.tasks = []
  window.watched.draws = window.watched.messages = window.watched.bytes = 0
  return { frames, tasks, draws, points, messages, bytes }
}"""


def looked(browser: Browser, given: argparse.Namespace, hub: Server, *, glide: bool) -> Any:
    """Look at the map for some time; return what was seen and used."""
    context = browser.new_context(viewport=SIZE)
    context.add_init_script(WATCH)
    if glide:
        context.add_init_script(GLIDE)
    page = context.new_page()
    middle = f"{(WEST + EAST) / 2:.5f},{(SOUTH + NORTH) / 2:.5f},{ZOOM}"
    address = f"/control/map?layers={quote(LAYERS)}&at={quote(middle)}"
    page.goto((given.pages or hub.url) + address, timeout=120_000)
    wait_for_points(page)
    page.wait_for_timeout(8_000)
    session, own = browser.new_browser_cdp_session(), context.new_cdp_session(page)
    own.send("Performance.enable")
    began = page.evaluate(TAKEN)
    before, cpu, worked = used(session), machine.cpu_seconds(hub.pid), main_thread_s(own)
    page.wait_for_timeout(given.seconds * 1000)
    seen = page.evaluate(TAKEN)
    after, hub_cpu = used(session), machine.cpu_seconds(hub.pid) - cpu
    worked = main_thread_s(own) - worked
    move(page)
    moving = page.evaluate(TAKEN)
    if given.picture:
        page.screenshot(
            path=given.picture.with_stem(f"{given.picture.stem}-{glide:d}"), timeout=120_000
        )
    context.close()
    times = sorted(b - a for a, b in zip(seen["frames"], seen["frames"][1:], strict=False))
    if not times:
        raise SystemExit("the browser drew nothing: something else took the processor")
    return {
        "glides": glide,
        "points_drawn_at_once": seen["points"],
        "drawn_per_s": round(seen["draws"] / given.seconds, 1),
        "messages_per_s": round(seen["messages"] / given.seconds, 1),
        "kb_per_s": round(seen["bytes"] / given.seconds / 1000),
        "frames_per_s": round(len(times) / given.seconds, 1),
        **{f"frame_p{part}_ms": round(at(times, part), 1) for part in (50, 95, 99)},
        "frame_max_ms": round(times[-1], 1),
        "stutters": sum(time > STUTTER_MS for time in times),
        "main_thread_ms_per_frame": round(1000 * worked / len(times), 2),
        "main_thread_busy": round(worked / given.seconds, 3),
        "tasks_over_50_ms": len(seen["tasks"]),
        "longest_task_ms": round(max(seen["tasks"], default=0.0)) or "under 50",
        "tasks_over_50_ms_while_opening": len(began["tasks"]),
        "longest_task_while_opening_ms": round(max(began["tasks"], default=0.0)),
        "tasks_over_50_ms_while_moving_the_map": len(moving["tasks"]),
        "longest_task_while_moving_the_map_ms": round(max(moving["tasks"], default=0.0)),
        "cpu_hub": round(hub_cpu / given.seconds, 2),
        **{
            f"cpu_{kind}": round((after[kind] - before.get(kind, 0.0)) / given.seconds, 2)
            for kind in ("browser", "renderer", "GPU")
        },
    }


def wait_for_points(page: Page) -> None:
    """Wait until moving points are drawn."""
    for _ in range(60):
        if page.evaluate("() => window.watched.draws > 3 && window.watched.points > 100"):
            return
        page.wait_for_timeout(2_000)
    raise SystemExit(f"no points are drawn: {page.inner_text('body')[:500]}")


def used(session: CDPSession) -> dict[str, float]:
    """Return the processor time that the browser's processes have used, by kind. [s]"""
    found: dict[str, float] = {}
    for one in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        found[one["type"]] = found.get(one["type"], 0.0) + one["cpuTime"]
    return found


def move(page: Page) -> None:
    """Drag the map to and fro by the mouse, so that other things come into view."""
    left, right, height = SIZE["width"] * 0.55, SIZE["width"] * 0.85, SIZE["height"] * 0.6
    for turn in range(DRAGS):
        start, end = (left, right) if turn % 2 else (right, left)
        page.mouse.move(start, height)
        page.mouse.down()
        page.mouse.move(end, height + (turn % 3 - 1) * 60, steps=20)
        page.mouse.up()
        page.wait_for_timeout(500)


def main_thread_s(session: CDPSession) -> float:
    """Return how long tasks of the page's main thread have run, by the clock. [s]"""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


def prefer(browser: Browser, niceness: int) -> None:
    """Let the browser, which begins a session of its own, go before others as the hub does."""
    for one in browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]:
        group = Path(f"/proc/{one['id']}/autogroup")
        if niceness and one["type"] == "browser" and group.exists():
            group.write_text(str(niceness))


def at(values: list[float], part: int) -> float:
    return values[min(len(values) * part // 100, len(values) - 1)]


def table(runs: list[Any]) -> Table:
    shown = Table(title="The live map in headless Chromium")
    shown.add_column("")
    for run in runs:
        shown.add_column("gliding" if run["glides"] else "as the page decides", justify="right")
    for name in runs[0]:
        if name != "glides":
            shown.add_row(name, *(str(run[name]) for run in runs))
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--moving", type=int, default=2_000)
    parser.add_argument("--still", type=int, default=20_000)
    parser.add_argument("--pages", default="", help="address that has the pages, if not the hub")
    parser.add_argument("--port", type=int, default=0, help="of the hub")
    parser.add_argument("--nice", type=int, default=0, help="below 0: go before other processes")
    parser.add_argument("--picture", type=Path, help="keep what it looks like in the end")
    given = parser.parse_args()
    if given.nice:
        machine.prefer(given.nice)
    traffic = Traffic(moving=given.moving, still=given.still)
    with tempfile.TemporaryDirectory() as folder:
        hub = Server(Path(folder) / "hub")
        hub.port = given.port or hub.port
        hub.url = f"http://127.0.0.1:{hub.port}"
        hub.start(wait_s=120)
        try:
            load(hub, traffic)
            with Writer(hub, traffic) as writer, sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path="/usr/bin/chromium", args=OPTIONS
                )
                prefer(browser, given.nice)
                runs = [looked(browser, given, hub, glide=glide) for glide in (False, True)]
                browser.close()
                written = writer.written
        finally:
            hub.stop()
    Console().print(table(runs))
    load_now = round(os.getloadavg()[0], 1)
    print(f"{written:,} changes were written in all; load of the machine {load_now}")
    found = {
        "moving": traffic.moving,
        "still": traffic.still,
        "seconds": given.seconds,
        "runs": runs,
        "load": load_now,
    }
    machine.keep(RESULT, found)


if __name__ == "__main__":
    main()
