"""A publisher of open data: an HTTP server on this machine, in threads of its own."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

import orjson


class Asked(NamedTuple):
    """One request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Told(NamedTuple):
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    after_s: float = 0.0


Page = Told | bytes | str | dict[str, Any] | list[Any]


class Publisher:
    """Answers with what is in ``pages``: by path, or made by a function of the request."""

    def __init__(self) -> None:
        self.pages: dict[str, Page | Callable[[Asked], Page]] = {}
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(one.path == path for one in self.asked)

    def answer(self, asked: Asked) -> Told:
        """Return the answer to a request; what has not changed is not sent again."""
        self.asked.append(asked)
        page = self.pages.get(asked.path)
        if page is None:
            return Told(status=404)
        found = page(asked) if callable(page) else page
        if isinstance(found, Told):
            return found
        if isinstance(found, str):
            found = found.encode()
        body = found if isinstance(found, bytes) else orjson.dumps(found)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if asked.headers.get("if-none-match") == tag:
            return Told(status=304)
        return Told(body, headers={"ETag": tag})


def _handler(publisher: Publisher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = publisher.answer(Asked(parts.path, query, headers))
            time.sleep(told.after_s)
            try:
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                if told.status != 304:
                    self.wfile.write(told.body)
            except OSError:
                self.close_connection = True  # who asked has gone

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
