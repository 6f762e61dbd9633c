"""What a stranger has: raw sockets, made-up tokens, and what others were given by the hub."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson

from tests.e2e.server import API, Answer, Server

PASSWORD = "correct horse battery staple"
LD_JSON = {"Content-Type": "application/ld+json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
Headers = dict[str, str]


def content(answer: Answer) -> Any:
    """Return the JSON of an answer, whose parts the caller knows."""
    return orjson.loads(answer.body)


def bearer(credential: str) -> Headers:
    return {"Authorization": f"Bearer {credential}"}


def key_of(hub: Server, kind: str = "app", **limits: object) -> Headers:
    """Return the header of a new key, whose name nobody else has."""
    wanted = {"kind": kind, "name": f"{kind} {uuid.uuid4()}", **limits}
    made = hub.request("POST", "/trust/keys", wanted, hub.local_key())
    assert made.status == 201, made.body
    return bearer(orjson.loads(made.body)["key"])


class Person(NamedTuple):
    login: str
    id: str
    headers: Headers
    """Sign-in by token."""
    refresh: str


def person_of(hub: Server, *roles: str, **members: object) -> Person:
    """Return a new person of these roles, signed in for programs."""
    login = f"{roles[0]}-{uuid.uuid4().hex[:12]}"
    wanted = {"login": login, "password": PASSWORD, "roles": list(roles), **members}
    made = hub.request("POST", "/trust/users", wanted, hub.local_key())
    assert made.status == 201, made.body
    tokens = tokens_of(hub, login)
    id = orjson.loads(made.body)["id"]
    return Person(login, id, bearer(tokens["access_token"]), tokens["refresh_token"])


def tokens_of(hub: Server, login: str, password: str = PASSWORD) -> dict[str, Any]:
    grant = {"grant_type": "password", "username": login, "password": password}
    answer = hub.request("POST", "/token", grant)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


class Visit(NamedTuple):
    """A browser that was shown the page to sign in."""

    cookie: str
    token: str


def visit(hub: Server, path: str = "/sign-in", headers: Headers | None = None) -> Visit:
    page = hub.request("GET", path, headers={"Accept": "text/html", **(headers or {})})
    cookie = page.headers.get("set-cookie", "").split(";")[0]
    token = page.body.decode().split('name="token" value="')[1].split('"')[0]
    return Visit(cookie, token)


def session_of(hub: Server, login: str, cookie: str = "", token: str = "") -> str:
    """Return the cookie of a new session at pages, signed in from a visit."""
    if not cookie:
        cookie, token = visit(hub)
    answer = sign_in(hub, login, cookie, token)
    assert answer.status == 303, answer.body
    return next(c for c in answer.headers["set-cookie"].split(", ") if "session" in c).split(";")[0]


def sign_in(hub: Server, login: str, cookie: str, token: str, password: str = PASSWORD) -> Answer:
    form = f"token={token}&name={login}&password={password.replace(' ', '+')}".encode()
    return hub.request("POST", "/sign-in", form, {**FORM, "Cookie": cookie, "Origin": hub.url})


def entity(hub: Server, id: str, type: str, tenant: str = "", **attributes: object) -> None:
    """Make an entity as this machine's own user."""
    headers = hub.local_key() | ({"NGSILD-Tenant": tenant} if tenant else {})
    answer = hub.request("POST", f"{API}/entities", {"id": id, "type": type} | attributes, headers)
    assert answer.status in (201, 409), answer.body


class Raw(NamedTuple):
    """What came back on a connection, and whether the hub closed it."""

    text: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        lines = self.text.split(b"HTTP/1.1 ")[1:]
        return [int(line[:3]) for line in lines]


@contextmanager
def connection(hub: Server, timeout_s: float = 2.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", hub.port), timeout_s) as sock:
        yield sock


def raw(hub: Server, request: bytes, wait_s: float = 0.5) -> Raw:
    """Send bytes as they are; return what came until the hub closed or was quiet for a while."""
    with connection(hub) as sock:
        sock.sendall(request)
        return received(sock, wait_s)


def received(sock: socket.socket, wait_s: float = 0.5) -> Raw:
    sock.settimeout(wait_s)
    text = b""
    try:
        while True:
            piece = sock.recv(65536)
            if not piece:
                return Raw(text, True)
            text += piece
    except TimeoutError:
        return Raw(text, False)
    except ConnectionError:
        return Raw(text, True)
