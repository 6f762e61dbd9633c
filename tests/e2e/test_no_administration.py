"""Who is a citizen gets no administration: no view is offered, and no data is answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from hatch_build import SOURCES
from tests.e2e.server import Server

PASSWORD = "seven kites over the yard"
ADMIN = SOURCES / "src/admin"
VIEW = re.compile(r"\{ path: '([^']+)'.*?\}", re.DOTALL)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("citizen") / "data", open=False)
    server.start(90)
    try:
        body = {"login": "dari", "password": PASSWORD, "roles": ["citizen"]}
        made = server.request("POST", "/trust/users", body, server.local_key())
        assert made.status == 201, made.body
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def dari(hub: Server) -> dict[str, str]:
    grant = {"grant_type": "password", "username": "dari", "password": PASSWORD}
    answer: Any = hub.request("POST", "/token", grant).json()
    return {"Authorization": f"Bearer {answer['access_token']}"}


def views() -> dict[str, str]:
    """Return the action that each view of the group of administration needs, by its path."""
    text = SOURCES.joinpath("src/shell/views.ts").read_text("utf-8")
    found = {}
    for match in VIEW.finditer(text):
        if "/admin/" in match[0]:
            may = re.search(r"may: '(\w+)'", match[0])
            found[match[1]] = may[1] if may else ""
    return found


def test_every_view_of_administration_but_ones_own_data_needs_an_action(
    hub: Server, dari: dict[str, str]
) -> None:
    found = views()
    assert {path for path, action in found.items() if not action} == {"/personal"}
    assert len(found) >= 6
    session: Any = hub.request("GET", "/ui/session", None, dari).json()
    assert session["roles"] == ["citizen"]
    assert [action for action in found.values() if action and session["may"][action]] == []


def asked() -> list[str]:
    """Return the paths below /trust that the views of administration read."""
    source = "".join(file.read_text("utf-8") for file in ADMIN.glob("*.svelte"))
    source += ADMIN.joinpath("words.ts").read_text("utf-8")
    found = {
        re.sub(r"\$\{[^}]*\}", "1", path) for path in re.findall(r"[`'](/trust/[^`'?]*)", source)
    }
    return sorted(found)


PUBLIC = {"/trust/audit/checkpoint", "/trust/audit/consistency", "/trust/purposes"}
"""Anybody may verify the log, and know what data may be read for."""


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_those_views_ask_for_is_refused_to_a_citizen(
    hub: Server, dari: dict[str, str], method: str
) -> None:
    paths = asked()
    assert len(paths) > 15
    answers = {path: hub.request(method, path, {}, dari) for path in paths if path not in PUBLIC}
    let_in = {
        path: one.status for path, one in answers.items() if one.status not in (403, 404, 405)
    }
    assert let_in == {}
    refused = [one for one in answers.values() if one.status == 403]
    assert refused
    assert all("may not" in one.body.decode() for one in refused)


def test_a_citizen_is_given_their_own_data_all_the_same(hub: Server, dari: dict[str, str]) -> None:
    for path in ("/me", "/me/consents", "/me/reads", "/me/sessions", "/me/keys"):
        assert hub.request("GET", path, None, dari).status == 200
