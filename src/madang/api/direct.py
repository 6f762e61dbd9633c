"""The direct lane: Uvicorn's HTTP protocol, with the hub API answered without ASGI.

Uvicorn keeps the listening, parsing, keep-alive, TLS, WebSocket and shutdown; a request below the
lane's prefix goes from the parser to its handler and back in one step, everything else takes the
usual way through ASGI. Why: docs/decisions/0003-direct-http-lane.md.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from madang.api import eager
from madang.api.http import Fields, Request, Response

log = structlog.get_logger("madang.http")

_NO_BODY = frozenset({204, 304})
_METHODS = frozenset({b"GET", b"POST", b"PATCH", b"PUT", b"DELETE", b"HEAD"})
_WRITES = frozenset({b"POST", b"PATCH", b"PUT"})
_PRINTABLE = bytes(range(0x21, 0x7F))
_LOOK = 5.0  # [s] between two looks at whether a connection is idle or stuck
_RECEIVE = 120.0  # [s] a request may take to arrive
_MOST_HEAD = 65_536  # [bytes] of a request line and headers, beyond the piece they begin in
_UNUSUAL = frozenset({"transfer-encoding", "expect", "upgrade"})
_header_names: dict[bytes, str] = {}


class Lane(Protocol):
    """What answers the requests of the direct lane."""

    prefix: bytes
    max_body: int
    always: Sequence[tuple[str, str]]
    """Headers of every answer."""

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


def _lines(headers: Sequence[tuple[str, str]]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1", "replace")


_recurring = lru_cache(1024)(_lines)


class HeaderBlock(NamedTuple):
    """All headers of a request, as parsed when their very bytes came for the first time."""

    fields: Fields
    body_size: int


_blocks: dict[bytes, HeaderBlock] = {}
_MOST_BLOCKS = 2000
_LONGEST_BLOCK = 2000  # [bytes]


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
        request = Request(self.method, path, query, self.headers, body, protocol.address)
        eager.run(protocol.lane.answer(request), protocol.loop, self.done)

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
    fields: Fields

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._date: list[tuple[bytes, bytes]] | None = None
        self._common = b""
        self._begun = False
        self._chunk = b""
        self._since = 0.0
        self._held = False  # the next of the pipeline waits only for the reader
        self._in_head = False
        self._bare = 0  # bytes since the request, its headers or its body last got on
        self.address = ""

    # --- the short way ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take a request whose headers came before, byte for byte, without parsing them again."""
        if not self._begun:
            self._since = self.loop.time()
            previous: Any = self.cycle
            if (previous is None or previous.response_complete) and self._is_known(data):
                return
            self._chunk = data
        self._bare += len(data)
        super().data_received(data)
        if self._begun and self._bare > _MOST_HEAD and not self.transport.is_closing():
            head = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(b"".join((STATUS_LINE[431], self._common_headers(), head)))
            self.transport.close()

    def _is_known(self, data: bytes) -> bool:
        """Answer a whole request with known headers; else leave it to the parser."""
        line_end = data.find(b"\r\n")
        end = data.find(b"\r\n\r\n", line_end) + 4
        block = _blocks.get(data[line_end:end]) if end > 3 else None
        if block is None or len(data) != end + block.body_size or self.flow.write_paused:
            return False
        words = data[:line_end].split(b" ")
        if len(words) != 3 or words[2] != b"HTTP/1.1" or words[0] not in _METHODS:
            return False
        if words[0] in _WRITES and "content-length" not in block.fields:
            return False  # learned from a read; the parser's way refuses it
        url = words[1]
        if not url.startswith(self.lane.prefix) or url.translate(None, _PRINTABLE):
            return False
        self.url = url
        self.fields = block.fields
        cycle = DirectCycle(self, words[0].decode(), True)
        cycle.parts.append(data[end:])
        cycle.whole = cycle.may_start = True
        self.cycle = cycle  # type: ignore[assignment]
        cycle.start()
        return True

    def _learn(self, cycle: DirectCycle) -> None:
        """Remember the headers of a plain request that came whole in one piece."""
        chunk, self._chunk = self._chunk, b""
        line_end = chunk.find(b"\r\n")
        end = chunk.find(b"\r\n\r\n", line_end) + 4
        plain = cycle.keep_alive and not cycle.refused and not _UNUSUAL & cycle.headers.keys()
        if plain and end > 3 and len(chunk) == end + cycle.size and end - line_end < _LONGEST_BLOCK:
            if len(_blocks) >= _MOST_BLOCKS:
                _blocks.clear()
            _blocks[chunk[line_end:end]] = HeaderBlock(cycle.headers, cycle.size)

    # --- parser callbacks ---------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._begun = self._in_head = True
        self._bare = 0
        self.url = b""
        self.headers = []
        self.fields = Fields()
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer is no header (RFC 9110 section 6.5.1)
        if not self.url.startswith(self.lane.prefix):
            super().on_header(name, value)
            return
        key = _name(name)
        text = value.decode("latin-1")
        fields = self.fields
        fields[key] = f"{fields[key]}, {text}" if key in fields else text

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._bare = 0
        if not self.url.startswith(self.lane.prefix):
            self._to_asgi()
            return
        parser, previous = self.parser, self.cycle
        cycle = DirectCycle(self, parser.get_method().decode("ascii"), parser.should_keep_alive())
        cycle.may_start = previous is None or previous.response_complete
        self._admit(cycle)
        self.cycle = cycle  # type: ignore[assignment]
        if self.fields.get("expect", "").lower() == "100-continue":
            if not cycle.refused:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            elif cycle.refused == 413 and cycle.may_start:
                cycle.start()  # the body may never come

    def _admit(self, cycle: DirectCycle) -> None:
        """Decide, before the body comes, whether it will be read."""
        length = self.fields.get("content-length")
        if length is None:
            if cycle.method in ("POST", "PUT", "PATCH") and "transfer-encoding" not in self.fields:
                cycle.refused = 411
        elif int(length) > self.lane.max_body:
            cycle.refused = 413
            cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._bare = 0
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
        self._begun = False
        cycle: Any = self.cycle
        if not isinstance(cycle, DirectCycle):
            super().on_message_complete()
            return
        if cycle.response_complete:
            return
        cycle.whole = True
        if self._chunk:
            self._learn(cycle)
        if cycle.may_start and not self.flow.write_paused:
            cycle.start()
        else:
            self._held = cycle.may_start or self._held
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
        fields = response.headers
        lines = _recurring(fields) if type(fields) is tuple else _lines(fields)
        head = [STATUS_LINE[status], self._common_headers(), lines]
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

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if not self.pipeline:
            self.flow.resume_reading()
        elif self.flow.write_paused:
            self._held = True  # else answers nobody reads would fill the memory
        else:
            self._start_asgi_task(*self.pipeline.pop())

    def _common_headers(self) -> bytes:
        """Return Date and what is always sent, joined anew only when Uvicorn has a new date."""
        current = self.server_state.default_headers
        if current is not self._date:
            self._date = current
            date = b"".join(b"%b: %b\r\n" % header for header in current)
            self._common = date + _recurring(self.lane.always)
        return self._common

    # --- time ---------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._since = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_later(_LOOK, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer: one that looks now and then costs less than one for each request."""
        if self.transport.is_closing():
            super()._unset_keepalive_if_required()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket protocol, which looks after its peer by pings."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().handle_websocket_upgrade()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle, or whose request does not come to its end."""
        if self.transport.is_closing():
            return
        quiet = self.loop.time() - self._since
        cycle: Any = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if quiet > (_RECEIVE if self._begun else self.timeout_keep_alive) and not (
            busy and not self._begun
        ):
            self.transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(_LOOK, self.timeout_keep_alive_handler)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held and self.pipeline:
            self._held = False
            self._start_asgi_task(*self.pipeline.pop())

    def shutdown(self) -> None:
        """Finish what has arrived; a request that is still arriving is not waited for."""
        cycle: Any = self.cycle
        if isinstance(cycle, DirectCycle) and cycle.may_start and not cycle.whole:
            self.transport.close()
        else:
            super().shutdown()


def protocol_for(lane: Lane) -> type[DirectProtocol]:
    """Return the protocol class for Uvicorn's ``http`` setting, bound to a lane."""
    return type("BoundProtocol", (DirectProtocol,), {"lane": lane})
