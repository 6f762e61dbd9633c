"""A city with a hub and feeds, and a publisher on this machine that they are read from."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.publisher import Publisher
from tests.e2e.server import API, Server

KEYS = {"city": {"key": "s3cret", "hosts": ["127.0.0.1"]}}
ENVIRON = {
    "MADANG_FEED_HOSTS": "*,127.0.0.1",
    "MADANG_FEED_PAUSE_S": "0.01",
    "MADANG_FEED_TIMEOUT_S": "0.7",
    "MADANG_FEED_MAX_BYTES": "2000000",
    "MADANG_FEED_KEYS": orjson.dumps(KEYS).decode(),
}
HEAD = 'every = "1h"\nprovider = "The Publisher"\nlicence = "CC-BY-4.0"\n'


class City:
    """A hub, and a folder with the files of its feeds."""

    def __init__(self, server: Server, publisher: Publisher, folder: Path) -> None:
        self.server = server
        self.publisher = publisher
        self.folder = folder

    def madang(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.server.madang("feed", *words, timeout_s=120, cwd=self.folder)

    def good(self, *words: str) -> str:
        done = self.madang(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, name: str, text: str) -> str:
        """Write the file of a feed; return its name."""
        (self.folder / f"{name}.toml").write_text(text.replace("{url}", self.publisher.url))
        return f"{name}.toml"

    def add(self, name: str, text: str) -> dict[str, Any]:
        """Add a feed over HTTP and wait until it was read; return how it went."""
        body = {"name": name, "text": text.replace("{url}", self.publisher.url), "replace": True}
        answer = self.server.request("POST", "/sense/feeds", body)
        assert answer.status == 201, answer.body
        state: dict[str, Any] = self.settled(name)
        return state

    def settled(self, name: str, is_done: Callable[[dict[str, Any]], bool] | None = None) -> Any:
        """Return how a feed goes as soon as it was read."""
        for _ in range(1000):
            state: Any = self.server.request("GET", f"/sense/feeds/{name}").json()
            if (is_done or (lambda one: one["triedAt"] is not None))(state):
                return state
            time.sleep(0.02)
        raise AssertionError(f"{name} was not read: {state}")

    def run(self, name: str) -> dict[str, Any]:
        """Read a feed now; return the last line of the answer."""
        answer = self.server.request("POST", f"/sense/feeds/{name}/readings")
        assert answer.status == 200, answer.body
        last: dict[str, Any] = orjson.loads(answer.body.splitlines()[-1])
        return last

    def get(self, path: str) -> Any:
        answer = self.server.request("GET", f"{API}{path}")
        assert answer.status == 200, answer.body
        return answer.json()

    def value(self, id: str, name: str) -> Any:
        return self.get(f"/entities/{id}")[name]["value"]
