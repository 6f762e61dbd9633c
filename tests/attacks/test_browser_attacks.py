"""What pages of other sites can have a browser do, and what a browser keeps.

Forgery of forms is in tests/web/test_forgery.py, headers of each page in tests/web/test_headers.py;
here is what a running hub adds: the API beside the pages, fixation, caches, hosts.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

from tests.attacks.stranger import FORM, person_of, raw, session_of, sign_in, visit
from tests.e2e.server import API, Server

EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
ELSEWHERE = [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%0d%0aLocation: https://evil.example",
    "/\r\nLocation: https://evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "https:evil.example",
    "///evil.example",
    "/.//evil.example\x00",
    "data:text/html,x",
]


@pytest.fixture(scope="module")
def session(hub: Server) -> str:
    return session_of(hub, person_of(hub, "administrator", tenants=["*"]).login)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{API}/entities", {"id": "urn:forged:1", "type": "T"}),
        ("POST", f"{API}/entityOperations/upsert", [{"id": "urn:forged:1", "type": "T"}]),
        ("DELETE", f"{API}/entities/urn:forged:1", None),
        ("POST", "/trust/users", {"login": "forged", "roles": ["administrator"]}),
        ("POST", "/trust/invitations", {"roles": ["administrator"]}),
        ("POST", "/trust/tokens/rotate-signing-key", None),
        ("PUT", "/trust/policies/forged", {"text": "permit(principal, action, resource);"}),
        ("POST", "/me/password", {"new": "forged forged forged"}),
        ("DELETE", "/me/sessions", None),
        ("POST", "/account/keys", None),
        ("POST", "/sign-out", None),
    ],
)
@pytest.mark.parametrize(
    "sender",
    [
        EVIL,
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.city.example"},
        {"Referer": "https://evil.example/"},
        {},
    ],
    ids=["cross-site", "origin", "null", "same-site", "referer", "nothing"],
)
def test_a_cookie_alone_changes_nothing(
    hub: Server, session: str, method: str, path: str, body: object, sender: dict[str, str]
) -> None:
    answer = hub.request(method, path, body, {"Cookie": session, **sender})
    assert answer.status == 403, answer.body
    assert hub.request("GET", "/me", headers={"Cookie": session}).status == 200


def test_a_body_that_needs_no_preflight_is_not_taken_for_json(hub: Server) -> None:
    body = b'{"id":"urn:forged:2","type":"T"}'
    for kind in ("text/plain", FORM["Content-Type"], "multipart/form-data", ""):
        headers = {**hub.local_key(), "Content-Type": kind}
        for path in (f"{API}/entities", "/trust/users"):
            assert hub.request("POST", path, body, headers).status in (400, 415)


def test_other_origins_read_nothing_and_are_granted_nothing(hub: Server, session: str) -> None:
    for path in (f"{API}/types", "/me", "/account", "/status", "/openapi.json"):
        for origin in ("https://evil.example", "null", hub.url + ".evil.example"):
            answer = hub.request("GET", path, headers={"Cookie": session, "Origin": origin})
            assert not [name for name in answer.headers if name.startswith("access-control")]
            wish = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
            answer = hub.request("OPTIONS", path, headers=wish)
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/sign-in", "/account", "/welcome?code=x", "/docs", "/none"])
def test_no_page_can_be_framed_sniffed_or_kept(hub: Server, session: str, path: str) -> None:
    for accept in ("text/html", "application/json"):
        answer = hub.request("GET", path, headers={"Cookie": session, "Accept": accept})
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_what_the_api_tells_is_not_kept_or_taken_for_a_page(hub: Server, session: str) -> None:
    local = hub.local_key()
    page = {"id": "urn:page:1", "type": "Page", "name": "<script>alert(1)</script>"}
    hub.request("POST", f"{API}/entities", page, local)
    for path in ("types", "entities/urn:page:1", "entities/urn:none", "entities?type=Page"):
        for headers in ({"Cookie": session}, local, {}):
            answer = hub.request("GET", f"{API}/{path}", headers={"Accept": "*/*", **headers})
            assert answer.headers["content-type"].startswith("application/")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"


def test_a_session_is_new_whatever_the_browser_brought(hub: Server) -> None:
    person = person_of(hub, "citizen")
    fixed = "mds_" + "1" * 16 + "_" + "2" * 64
    cookie, token = visit(hub)
    planted = f"{cookie}; madang_session={fixed}"
    answer = sign_in(hub, person.login, planted, token)
    if answer.status != 303:  # the token belongs to the planted session, which is none
        assert answer.status == 403
        session = session_of(hub, person.login)
    else:
        session = answer.headers["set-cookie"]
    assert fixed not in session
    assert hub.request("GET", "/me", headers={"Cookie": f"madang_session={fixed}"}).status == 401


def test_a_visit_planted_by_somebody_else_is_over_after_signing_in(hub: Server) -> None:
    person = person_of(hub, "citizen")
    planted = visit(hub)
    session = session_of(hub, person.login, *planted)
    form = f"token={planted.token}&id=x".encode()
    both = f"{planted.cookie}; {session}"
    answer = hub.request(
        "POST", "/account/sessions/end", form, {**FORM, "Cookie": both, "Origin": hub.url}
    )
    assert answer.status == 403, "its token opens no form of the session"


def test_cookies_cannot_be_read_by_scripts_or_sent_along_by_other_sites(hub: Server) -> None:
    person = person_of(hub, "citizen")
    answer = sign_in(hub, person.login, *visit(hub))
    for cookie in re.split(r", (?=madang_)", answer.headers["set-cookie"]):
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= flags
        assert not any(flag.startswith("domain") for flag in flags)


@pytest.mark.parametrize("onward", ELSEWHERE)
def test_signing_in_leads_nowhere_else(hub: Server, onward: str) -> None:
    page = hub.request("GET", f"/sign-in?next={quote(onward)}", headers={"Accept": "text/html"})
    for form in re.findall(rb'name="next" value="([^"]*)"', page.body):
        assert form == b"" or re.fullmatch(rb"/[^/\\].*", form)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "a@evil.example", "x/y"])
def test_no_link_or_redirect_names_the_host_of_the_request(hub: Server, host: str) -> None:
    local = hub.local_key()["Authorization"]
    wishes = [
        ("GET", "/sign-in", b""),
        ("GET", "/", b""),
        ("GET", "/status/", b""),
        ("GET", "/docs/", b""),
        ("GET", "/openapi.json", b""),
        ("GET", f"{API}/entities?local=true&limit=1&count=true", b""),
        ("POST", "/trust/invitations", orjson.dumps({"roles": ["citizen"]})),
        ("POST", f"{API}/jsonldContexts", orjson.dumps({"@context": {}})),
    ]
    for method, path, body in wishes:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {host}\r\n"
            f"Forwarded: host={host}\r\nX-Forwarded-Proto: gopher\r\nAuthorization: {local}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        answer = raw(hub, head.encode() + body)
        told = answer.text.replace(path.encode(), b"")
        assert host.encode() not in told, answer.text
        assert b"gopher" not in answer.text
    login = person_of(hub, "citizen").login
    path = f"/trust/users/{login}/password-link"
    made = hub.request("POST", path, {}, {**hub.local_key(), "Host": host})
    assert orjson.loads(made.body)["link"].startswith(hub.url)


@pytest.mark.slow
def test_a_name_that_somebody_had_lead_here_does_not_open_an_open_hub(tmp_path: Path) -> None:
    """DNS rebinding: to the browser, the hub is then a part of the attacker's site."""
    with Server(tmp_path / "data") as open_hub:
        for host in (
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "a.b@c.d",
            "1.2.x",
        ):
            headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
            entity = {"id": "urn:rebound:1", "type": "T"}
            assert open_hub.request("POST", f"{API}/entities", entity, headers).status == 403
            for path in (f"{API}/types", "/trust/users", "/status", "/changes"):
                answer = open_hub.request("GET", path, headers=headers)
                assert answer.status == 403
                assert b"base_url" in answer.body
        port = open_hub.port
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "LOCALHOST", "box"):
            answer = open_hub.request("GET", f"{API}/types", headers={"Host": host})
            assert answer.status == 200
