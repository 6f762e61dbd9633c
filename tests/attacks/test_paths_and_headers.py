"""Ways out of a folder or a header: encoded paths, line ends in whatever comes back."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.attacks.stranger import LD_JSON, raw
from tests.e2e.server import API, Server

UP = [
    "..%2f..%2fpages.py",
    "%2e%2e/pages.py",
    "%2e%2e%2fpages.py",
    "../pages.py",
    "..%252fpages.py",
    "%252e%252e%252fpages.py",
    "..%5cpages.py",
    "..\\pages.py",
    "..;/pages.py",
    "%c0%ae%c0%ae%c0%afpages.py",
    "%e0%80%ae%e0%80%ae/pages.py",
    "%uff0e%uff0e/pages.py",
    "%00",
    "style.css%00",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "....//....//pages.py",
    ".",
    "",
    "pages.py",
    "__init__.py",
    "file:%2f%2f%2fetc/passwd",
]
AROUND = [
    "//status",
    "/./status",
    "/x/../status",
    "/%2e/status",
    "/status;x",
    "/status%00",
    "/status%20",
    "/STATUS",
    "/sign-in/../status",
    "/static/../status",
    f"{API}/../../status",
    f"{API}/%2e%2e/%2e%2e/status",
    "http://127.0.0.1/status",
    "http://evil.example/status",
    "/%73%74%61%74%75%73",
    "/status?",
    "/status#x",
    "/.well-known/../status",
]
LINE_ENDS = ["\r\nSet-Cookie: evil=1", "\nSet-Cookie: evil=1", "\rSet-Cookie: evil=1"]


@pytest.mark.parametrize("path", UP)
def test_no_path_leads_out_of_the_folder_of_static_files(hub: Server, path: str) -> None:
    head = f"GET /static/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(hub, head.encode())
    assert answer.statuses in ([404], [400])
    assert b"import" not in answer.text
    assert b"root:" not in answer.text


@pytest.mark.parametrize("path", AROUND)
def test_no_way_to_write_a_path_leads_around_the_gate(hub: Server, path: str) -> None:
    answer = raw(hub, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.statuses in ([401], [404], [400])
    assert b'"tenants"' not in answer.text


@pytest.mark.parametrize("name", ["../../x", "..", ".", "a/b", "a\\b", "a%2fb", "C:x", "a" * 999])
def test_a_tenant_is_no_path(hub: Server, name: str) -> None:
    headers = {**hub.local_key(), "NGSILD-Tenant": name}
    body = {"id": "urn:x:1", "type": "T"}
    answer = hub.request("POST", f"{API}/entities", body, headers)
    assert answer.status in (201, 400), answer.body
    assert {path.name for path in hub.data.parent.iterdir()} == {"data", "data.log"}
    assert all(path.parent.parent == hub.data for path in hub.data.rglob("tenant-*.sqlite"))


@pytest.mark.parametrize("end", LINE_ENDS)
def test_what_comes_back_in_a_header_brings_no_line_end_along(hub: Server, end: str) -> None:
    local = hub.local_key()
    context = "http://x.example/c" + end
    bodies: list[tuple[str, object, dict[str, str]]] = [
        ("entities", {"id": "urn:x:1" + end, "type": "T"}, {}),
        ("entities", {"id": "urn:x:2", "type": "T", "@context": context}, LD_JSON),
        ("entities", {"id": "urn:x:3", "type": "T" + end}, {}),
        ("jsonldContexts", {"@context": context}, {}),
        (
            "subscriptions",
            {
                "id": "urn:s:1" + end,
                "type": "Subscription",
                "entities": [{"type": "T"}],
                "notification": {"endpoint": {"uri": "http://example.org/"}},
            },
            {},
        ),
    ]
    for path, body, headers in bodies:
        answer = hub.request("POST", f"{API}/{path}", body, {**local, **headers})
        assert answer.status >= 400, answer.body
        assert "set-cookie" not in answer.headers
    for path in (
        f"{API}/entities/urn:x:1{quote(end)}",
        f"{API}/entities?type=T&count=true&limit=1&idPattern=x{quote(end)}",
        f"{API}/types/{quote(end)}",
        f"/sign-in?next=/{quote(end)}",
        f"/static/{quote(end)}",
        f"/sign-in/openid/{quote(end)}",
        f"/account?done={quote(end)}",
        f"/language?x={quote(end)}",
    ):
        answer = hub.request("GET", path, headers=local)
        assert "evil=1" not in answer.headers.get("set-cookie", "")


def test_a_header_that_is_echoed_cannot_end_its_line(hub: Server) -> None:
    local = hub.local_key()["Authorization"]
    for value in (b"a\nSet-Cookie: evil=1", b"a\rSet-Cookie: evil=1", b"a\x00b"):
        for name in (b"NGSILD-Tenant", b"Link", b"Prefer", b"Origin"):
            head = b"GET %b/types HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\n%b: %b\r\n\r\n"
            answer = raw(hub, head % (API.encode(), local.encode(), name, value))
            assert answer.statuses == [400]
            assert b"\nSet-Cookie" not in answer.text


@pytest.mark.parametrize(
    "pair",
    [
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nb"),
        ("X-A", "a\x00b"),
        ("X-A\r\nX-B", "a"),
        ("X-A: b", "a"),
        ("", "a"),
        ("X A", "a"),
        ("Host", "inside.example"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("NGSILD-Tenant", "north"),
        ("Link", "<http://x.example>"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "x"),
    ],
)
def test_a_subscriber_sets_no_header_that_frames_or_speaks_for_the_hub(
    hub: Server, pair: tuple[str, str]
) -> None:
    endpoint = {
        "uri": "http://example.org/",
        "receiverInfo": [{"key": pair[0], "value": pair[1]}],
    }
    wanted = {
        "type": "Subscription",
        "entities": [{"type": "T"}],
        "notification": {"endpoint": endpoint},
    }
    answer = hub.request("POST", f"{API}/subscriptions", wanted, hub.local_key())
    assert answer.status == 400
    assert b"receiverInfo" in answer.body


@pytest.mark.parametrize("text", ["mdg_x\r\nX: y", "a" * 9000, "\xff\xfe", "a b c"])
def test_a_credential_may_be_anything_and_nothing_comes_of_it(hub: Server, text: str) -> None:
    head = f"GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {text}"
    answer = raw(hub, head.encode("latin-1") + b"\r\n\r\n")
    assert answer.statuses == [401]
    assert hub.request("GET", "/ready").status == 200
