"""Where one request ends and the next begins: what a proxy before the hub might see otherwise.

Sources: RFC 9112 sections 2.2, 5.2, 6 and 7 (message framing); J. Kettle, HTTP Desync
Attacks, 2019.
"""

from __future__ import annotations

import pytest

from tests.attacks.stranger import connection, raw, received
from tests.e2e.server import API, Server

HIDDEN = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BODY = b'{"id":"urn:smuggled:1","type":"T"}'
SIZE = str(len(BODY)).encode()
LENGTHS = [
    b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 0\r\nContent-Length: " + SIZE + b"\r\n\r\n" + BODY,
    b"Content-Length: 0, " + SIZE + b"\r\n\r\n" + BODY,
    b"Content-Length: +0\r\n\r\n",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 0x0\r\n\r\n",
    b"Content-Length: 0_0\r\n\r\n",
    b"Content-Length: 99999999999999999999999\r\n\r\n",
    b"Content-Length : 0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: y\x00\r\nContent-Length: 0\r\n\r\n",
]
CHUNKS = [b"-1", b"0x1", b"ffffffffffffffff1", b"1 ", b"\n1", b"1;a=\n", b"+1", b""]


@pytest.mark.parametrize("path", [f"{API}/entities", "/token"])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_body_of_doubtful_length_ends_the_connection(
    hub: Server, path: str, lengths: bytes
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    answer = raw(hub, head + lengths + HIDDEN)
    assert answer.statuses == [400]
    assert answer.closed
    assert b"version" not in answer.text


@pytest.mark.parametrize("size", CHUNKS)
def test_a_chunk_of_doubtful_size_ends_the_connection(hub: Server, size: bytes) -> None:
    head = f"POST {API}/entities HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = raw(hub, head + size + b"\r\na\r\n0\r\n\r\n" + HIDDEN)
    assert answer.statuses == [400]
    assert answer.closed


def test_a_request_in_the_body_of_another_is_a_body(hub: Server) -> None:
    for path in (f"{API}/types", "/status"):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(HIDDEN)}\r\n\r\n".encode()
        answer = raw(hub, head + HIDDEN)
        assert answer.statuses == [401]


@pytest.mark.parametrize(
    "line",
    [
        b"GET /ngsi-ld/v1/types HTTP/1.1 HTTP/1.1",
        b"GET\t/ngsi-ld/v1/types\tHTTP/1.1",
        b"GET  /ngsi-ld/v1/types HTTP/1.1\x00",
        b"GET /ngsi-ld/v1/types\x00 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"get /health HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"CONNECT example.org:80 HTTP/1.1",
    ],
)
def test_a_request_line_that_is_none_ends_the_connection(hub: Server, line: bytes) -> None:
    answer = raw(hub, line + b"\r\nHost: x\r\n\r\n" + HIDDEN)
    assert answer.statuses[:1] == [400]
    assert answer.closed
    assert b"version" not in answer.text


def test_what_claims_to_be_an_older_http_gets_one_answer(hub: Server) -> None:
    for line in (b"GET /ngsi-ld/v1/types\r\n\r\n", b"GET /ngsi-ld/v1/types HTTP/1.0\r\n\r\n"):
        answer = raw(hub, line + HIDDEN)
        assert answer.statuses == [401]
        assert answer.closed


def test_nobody_is_shown_their_own_headers(hub: Server) -> None:
    for path in ("/health", f"{API}/types"):
        answer = raw(hub, f"TRACE {path} HTTP/1.1\r\nHost: x\r\nCookie: secret=1\r\n\r\n".encode())
        assert answer.statuses == [405]
        assert b"secret" not in answer.text


@pytest.mark.parametrize("path", [f"{API}/types", "/health"])
def test_a_head_without_an_end_is_given_up(hub: Server, path: str) -> None:
    endless = [
        (f"GET {path}?", b"a" * 65_536),
        (f"GET {path} HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 65_536),
        (f"GET {path} HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n" * 10_000),
    ]
    for begin, more in endless:
        with connection(hub) as sock:
            sock.sendall(begin.encode())
            sent = 0
            try:
                while sent < 16 * 1024 * 1024:
                    sock.sendall(more)
                    sent += len(more)
            except OSError:
                pass
            answer = received(sock)
        assert answer.closed
        assert answer.statuses in ([431], []), "an answer may be lost with what is sent after it"
        assert sent < 8 * 1024 * 1024, "the rest is what the sockets hold"


def test_trailers_without_an_end_are_given_up(hub: Server) -> None:
    head = b"POST %b/entities HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with connection(hub) as sock:
        sock.sendall(head % API.encode())
        sent = 0
        try:
            while sent < 16 * 1024 * 1024:
                sock.sendall(b"X: y\r\n" * 10_000)
                sent += 60_000
        except OSError:
            pass
        assert received(sock).closed
    assert sent < 8 * 1024 * 1024
