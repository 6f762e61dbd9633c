"""Every route, asked by every role at a running hub, answers as docs/reference/access.md says."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from madang.trust.principal import ROLES, Role
from tests.e2e.server import Server
from tools import access_table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "access.md"
PASSWORD = "correct horse battery staple"
PERSONS: tuple[Role, ...] = ("citizen", "operator", "analyst", "department", "administrator")
TURNED_AWAY = ("this is not public", " may not ")
LAST = ("/me/erasure", "/sign-out", "/me/password", "/account/sessions", "/me/sessions")
"""Asked last, because they may end what the role signed in with."""

Words = dict[tuple[str, str], dict[str, str]]


def documented() -> Words:
    """Return what the page says, by method and path, then by role."""
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    roles = cells[0][2:]
    found: Words = {}
    for row in cells[2:]:
        method, path = row[0].strip("`").split(" ")
        found[method, path] = dict(zip(roles, row[2:], strict=True))
    return found


async def test_the_page_has_the_table_that_follows_from_routes_and_policies() -> None:
    assert PAGE.read_text().endswith(await access_table.table()), (
        "docs/reference/access.md is not what `python tools/access_table.py` prints"
    )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    with Server(tmp_path_factory.mktemp("access") / "data", open=False, environ=limits) as server:
        yield server


def credential(hub: Server, role: Role) -> dict[str, str]:
    """Return the header of somebody who has just this role."""
    if role == "public":
        return {}
    local, granted = hub.local_key(), access_table.EXAMPLES.get(role, {})
    lists = {name: sorted(values) for name, values in granted.items()}
    if role in PERSONS:
        wanted = {"login": f"{role}@example.org", "password": PASSWORD, "roles": [role]}
        lists.pop("entities", None)
        if role == "administrator":
            lists["tenants"] = ["*"]
        made = hub.request("POST", "/trust/users", {**wanted, **lists}, local)
        assert made.status == 201, made.body
        login = {"grant_type": "password", "username": wanted["login"], "password": PASSWORD}
        token = orjson.loads(hub.request("POST", "/token", login).body)
        return {"Authorization": f"Bearer {token['access_token']}"}
    made = hub.request("POST", "/trust/keys", {"kind": role, "name": role, **lists}, local)
    assert made.status == 201, made.body
    return {"Authorization": f"Bearer {orjson.loads(made.body)['key']}"}


def turned_away(hub: Server, method: str, path: str, headers: dict[str, str]) -> int:
    """Return 401 or 403 if the gate turned the request away, else 0."""
    path = re.sub(r"{\w+}", "urn:x:1", path)
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    try:
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        kind = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body, {**kind, **headers})
        answer = connection.getresponse()
        if answer.status not in (401, 403):
            return 0  # the body may be a stream without an end
        text = answer.read().decode()
        return answer.status if any(words in text for words in TURNED_AWAY) else 0
    finally:
        connection.close()


@pytest.mark.parametrize("role", ROLES)
def test_every_route_lets_in_whom_the_table_says(hub: Server, role: Role) -> None:
    headers = credential(hub, role)
    wrong = []
    for (method, path), words in sorted(
        documented().items(), key=lambda item: item[0][1].startswith(LAST)
    ):
        expected = 0 if words[role] != "no" else 403 if headers else 401
        found = turned_away(hub, method, path, headers)
        if found != expected:
            wrong.append(f"{method} {path}: {found}, expected {expected} ({words[role]})")
    assert not wrong, "\n".join(wrong)
