"""The direct lane: Uvicorn's HTTP protocol, with the hub API answered without ASGI.

Uvicorn keeps the listening, parsing, keep-alive, TLS, WebSocket and shutdown; a request below the
lane's prefix goes from the parser to its handler and back in one step, everything else takes the
usual way through ASGI. Why: docs/decisions/0003-direct-http-lane.md.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from madang.api import eager
from madang.api.http import Request, Response

log = structlog.get_logger("madang.http")

_NO_BODY = frozenset({204, 304})
_header_names: dict[bytes, str] = {}


class Lane(Protocol):
    """What answers the requests of the direct lane."""

    prefix: bytes
    max_body: int

    def answer(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Answer a request; never raises."""

    def refuse(self, status: int, method: str) -> Response:
        """Return the answer to a request whose body is not read (411, 413)."""


def _name(raw: bytes) -> str:
    """Return a header name in lower case; the few common ones are kept."""
    found = _header_names.get(raw)
    if found is None:
        found = raw.lower().decode("latin-1")
        if len(_header_names) < 1000:
            _header_names[raw] = found
    return found


class _Waiting:
    """Stands in for the event that Uvicorn sets on a cycle; nobody waits for ours."""

    def set(self) -> None: ...


class DirectCycle:
    """One request of the lane and its answer; has what Uvicorn's protocol looks at in a cycle."""

    message_event = _Waiting()

    def __init__(self, protocol: DirectProtocol, method: str, keep_alive: bool) -> None:
        self.protocol = protocol
        self.method = method
        self.keep_alive = keep_alive
        self.headers = protocol.fields
        self.url = protocol.url
        self.parts: list[bytes] = []
        self.size = 0
        self.whole = False
        self.may_start = False
        self.refused = 0
        self.disconnected = False
        self.response_complete = False

    def start(self) -> None:
        protocol = self.protocol
        if self.refused:
            self.done(protocol.lane.refuse(self.refused, self.method), None)
            return
        path, _, query = self.url.decode("latin-1").partition("?")
        parts = self.parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        request = Request(self.method, path, query, self.headers, body)
        task = eager.run(protocol.lane.answer(request), protocol.loop, self.done)
        if task is not None:
            protocol.tasks.add(task)
            task.add_done_callback(protocol.tasks.discard)

    def done(self, response: Response | None, error: BaseException | None) -> None:
        if self.disconnected or self.response_complete:
            return
        if response is None:
            log.error("request.failed", path=self.url.decode("latin-1"), exc_info=error)
            response = Response(500)
            self.keep_alive = False
        self.response_complete = True
        self.protocol.reply(self, response)


class DirectProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with a :class:`Lane` beside the ASGI application."""

    lane: Lane  # set on a subclass by `protocol_for`
    fields: dict[str, str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._date: list[tuple[bytes, bytes]] | None = None
        self._common = b""

    # --- parser callbacks ---------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.fields = {}
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.url.startswith(self.lane.prefix):
            super().on_header(name, value)
            return
        key = _name(name)
        text = value.decode("latin-1")
        fields = self.fields
        fields[key] = f"{fields[key]}, {text}" if key in fields else text

    def on_headers_complete(self) -> None:
        if not self.url.startswith(self.lane.prefix):
            self._to_asgi()
            return
        parser, previous = self.parser, self.cycle
        cycle = DirectCycle(self, parser.get_method().decode("ascii"), parser.should_keep_alive())
        cycle.may_start = previous is None or previous.response_complete
        self._admit(cycle)
        self.cycle = cycle  # type: ignore[assignment]

    def _admit(self, cycle: DirectCycle) -> None:
        """Decide, before the body comes, whether it will be read."""
        length = self.fields.get("content-length")
        if length is None:
            if cycle.method in ("POST", "PUT", "PATCH") and "transfer-encoding" not in self.fields:
                cycle.refused = 411
        elif int(length) > self.lane.max_body:
            cycle.refused = 413
            cycle.keep_alive = False
        if not cycle.refused and self.fields.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if not isinstance(cycle, DirectCycle):
            super().on_body(body)
            return
        cycle.size += len(body)
        if cycle.size > self.lane.max_body:
            cycle.refused, cycle.keep_alive = 413, False
            cycle.parts.clear()
            if cycle.may_start and not cycle.response_complete:
                cycle.start()
        elif not cycle.refused:
            cycle.parts.append(body)

    def on_message_complete(self) -> None:
        cycle: Any = self.cycle
        if not isinstance(cycle, DirectCycle):
            super().on_message_complete()
            return
        if cycle.response_complete:
            return
        cycle.whole = True
        if cycle.may_start and not self.flow.write_paused:
            cycle.start()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, None))  # type: ignore[arg-type]

    def _to_asgi(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    # --- answering ----------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if not isinstance(cycle, DirectCycle):
            super()._start_asgi_task(cycle, app)
            return
        cycle.may_start = True
        if cycle.whole:
            # Not from inside the answer before it: a long pipeline would nest as deep.
            self.loop.call_soon(cycle.start)

    def reply(self, cycle: DirectCycle, response: Response) -> None:
        """Write an answer and let the next request of the connection begin."""
        status, body = response.status, response.body
        head = [STATUS_LINE[status], self._common_headers()]
        for name, value in response.headers:
            head.append(f"{name}: {value}\r\n".encode("latin-1", "replace"))
        if status not in _NO_BODY:
            head.append(b"content-length: %d\r\n" % len(body))
        if not cycle.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(b"\r\n")
        if cycle.method != "HEAD" and status not in _NO_BODY:
            head.append(body)
        self.transport.write(b"".join(head))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _common_headers(self) -> bytes:
        """Return the Date header, joined anew only when Uvicorn has renewed it."""
        current = self.server_state.default_headers
        if current is not self._date:
            self._date = current
            self._common = b"".join(b"%b: %b\r\n" % header for header in current)
        return self._common

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.pipeline and self.cycle.response_complete:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)


def protocol_for(lane: Lane) -> type[DirectProtocol]:
    """Return the protocol class for Uvicorn's ``http`` setting, bound to a lane."""
    return type("BoundProtocol", (DirectProtocol,), {"lane": lane})
