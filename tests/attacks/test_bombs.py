"""Little that becomes much: packed, deep, wide and huge bodies, patterns that never end.

After each, the hub must answer others as before. Sources: OWASP API Security Top 10 2023, API4;
CVE-2003-1564 (expansion), CVE-2011-4885 (colliding keys).
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.attacks.stranger import LD_JSON
from tests.e2e.server import API, Answer, Server

MIB = 1024 * 1024
PATIENCE_S = 20.0
"""A time-out: what is never answered fails the test, what a busy machine answers late does not."""


def resident(hub: Server) -> float:
    """Return how much memory the hub holds. [MiB]"""
    return int(Path(f"/proc/{hub.pid}/statm").read_text().split()[1]) * 4096 / MIB


def send(hub: Server, body: bytes, path: str = f"{API}/entities", **headers: str) -> Answer:
    """Send a body; the hub must answer and be well afterwards."""
    answer = hub.request("POST", path, body, {**hub.local_key(), **headers}, timeout_s=PATIENCE_S)
    assert hub.request("GET", "/ready", timeout_s=PATIENCE_S).status == 200
    assert answer.status != 500, answer.body
    return answer


@pytest.mark.parametrize("path", [f"{API}/entities", "/token", "/trust/keys"])
def test_a_packed_body_is_not_unpacked(hub: Server, path: str) -> None:
    before = resident(hub)
    small = gzip.compress(b'{"id":"urn:z:1","type":"T"}')
    bomb = gzip.compress(b" " * 200 * MIB, 1)[: 900 * 1024]
    nested = zlib.compress(zlib.compress(b"0" * 50 * MIB))
    for body, encoding in ((small, "gzip"), (bomb, "gzip"), (nested, "deflate"), (small, "br")):
        answer = send(hub, body, path, **{"Content-Encoding": encoding})
        assert answer.status in (400, 415), answer.body
    assert resident(hub) - before < 50


@pytest.mark.parametrize("depth", [65, 300, 1000, 5000, 200_000])
@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        (b"[", b"]"),
        (b'{"a":', b"}"),
        (b'{"type":"Property","value":1,"b":', b"}"),
        (b'{"type":"Property","value":', b"}"),
        (b'[{"value":', b"}]"),
    ],
)
@pytest.mark.parametrize("member", ["a", "@context", "location", "type"])
def test_a_deep_body_is_refused_in_words(
    hub: Server, member: str, opening: bytes, closing: bytes, depth: int
) -> None:
    if len(opening) * depth > 2 * MIB:
        depth = 2 * MIB // len(opening)
    deep = opening * depth + b"1" + closing * depth
    body = b'{"id":"urn:deep:1","type":"T","%b":%b}' % (member.encode(), deep)
    answer = send(hub, body, **LD_JSON)
    if (member, depth) != ("@context", 65):  # which is not looked at deeper than it is used
        assert answer.status == 400, answer.body
    assert len(answer.body) < 1000


@pytest.mark.parametrize("path", ["entityOperations/query", "subscriptions", "jsonldContexts"])
def test_other_bodies_may_not_be_deep_either(hub: Server, path: str) -> None:
    for member in ("entities", "geoQ", "q", "notification", "@context", "temporalQ", "id"):
        for depth in (100, 1000, 100_000):
            deep = b"[" * depth + b"]" * depth
            body = b'{"type":"Query","%b":%b}' % (member.encode(), deep)
            answer = send(hub, body, f"{API}/{path}", **LD_JSON)
            assert answer.status == 400, (member, depth, answer.body)


@pytest.mark.parametrize("path", ["/token", "/trust/keys", "/trust/users", "/trust/marks"])
def test_pages_take_no_deep_or_large_bodies(hub: Server, path: str) -> None:
    assert send(hub, b"[" * 100_000, path).status == 400
    assert send(hub, b'{"a":' * 900 + b"1" + b"}" * 900, path).status == 400
    assert send(hub, b'{"a":"' + b"a" * 2 * MIB + b'"}', path).status == 413


@pytest.mark.parametrize(
    "number",
    [b"1e999999999", b"-1e400", b"9" * 100_000, b"NaN", b"Infinity", b"-", b"0x10", b"1_0"],
)
def test_a_number_beyond_all_measure_is_refused(hub: Server, number: bytes) -> None:
    body = b'{"id":"urn:n:1","type":"T","a":%b}' % number
    assert send(hub, body).status == 400


def test_keys_made_to_collide_take_no_longer(hub: Server) -> None:
    """Keys that are 0 in the hash of other languages (DJBX33A) are nothing special here."""
    pairs = ("Ez", "FY")
    colliding = ["".join(text) for text in itertools.product(pairs, repeat=14)]
    body = b'{"id":"urn:h:1","type":"T",%b}'
    value = b"{%b}" % b",".join(b'"%b":1' % key.encode() for key in colliding)
    assert send(hub, body % (b'"a":' + value)).status in (201, 409)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*b",
        "(.*)*x",
        ".*.*.*.*x",
        "((a{1,9}){1,9}){1,9}",
        "(a)\\1*" * 20,
        "(?:a?){99}",
    ],
)
def test_a_pattern_that_would_never_end_is_refused(hub: Server, pattern: str) -> None:
    local = hub.local_key()
    long = {"id": "urn:r:" + "a" * 300, "type": "R", "s": "a" * 400 + "!"}
    hub.request("POST", f"{API}/entities", long, local)
    for query in (f"idPattern={quote(pattern)}", "q=" + quote(f's~="{pattern}"')):
        path = f"{API}/entities?type=R&{query}"
        answer = hub.request("GET", path, headers=local, timeout_s=PATIENCE_S)
        assert answer.status in (200, 400)


@pytest.mark.parametrize(
    "query",
    [
        "q=" + "(" * 5000 + "a" + ")" * 5000,
        "q=" + ";".join(f"a{n}==1" for n in range(5000)),
        "q=" + "!" * 5000 + "a",
        "q=a" + "%7Ba" * 500 + "%7D" * 500,
        "scopeQ=" + "(" * 5000,
        "type=" + "(" * 5000 + "T",
        "type=" + ",".join(f"T{n}" for n in range(20_000)),
        "limit=" + "9" * 5000,
        "offset=" + "9" * 5000,
        "pick=" + "a{" * 1000 + "b" + "}" * 1000,
        "join=inline&joinLevel=999999",
        "orderBy=" + ",".join(f"a{n}" for n in range(5000)),
        "georel=near;maxDistance==1e999&geometry=Point&coordinates=[1,1]",
        "georel=within&geometry=Polygon&coordinates=" + "[" * 5000,
        "lang=" + "a," * 20_000,
    ],
    ids=lambda query: query[:24],
)
def test_a_query_of_great_depth_or_length_is_answered(hub: Server, query: str) -> None:
    first = "" if query.startswith("type") else "type=T&"
    path = f"{API}/entities?{first}{query}"
    answer = hub.request("GET", path[:60_000], headers=hub.local_key(), timeout_s=PATIENCE_S)
    assert answer.status in (200, 400, 403), answer.body
    assert len(answer.body) < 10_000
