"""What ``madang user``, ``key`` and ``token`` send and print."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from madang.cli import app
from madang.commands import identity, keys, terminal
from madang.commands.terminal import BadOption, instant, seconds

CREDENTIAL = "mdg_0123456789abcdef_" + "0" * 64


class Hub:
    """Remembers what was sent and answers as it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.answer: Any = {}

    def __call__(
        self,
        method: str,
        path: str,
        url: str,
        body: Any = None,
        parameters: Any = None,
        tenant: str = "",
    ) -> Any:
        self.sent.append((method, path, body if body is not None else parameters))
        return self.answer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = Hub()
    for module in (identity, keys, terminal):
        monkeypatch.setattr(module, "send", found)
    return found


def run(*words: str, typed: str = "") -> Any:
    return CliRunner().invoke(app, list(words), input=typed)


@pytest.mark.parametrize(("text", "s"), [("30s", 30), ("2h", 7200), ("1w", 604_800)])
def test_a_span_is_read(text: str, s: int) -> None:
    assert seconds(text) == s


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1y", "9999999d", "1 d"])
def test_what_is_no_span_is_told(text: str) -> None:
    with pytest.raises(BadOption, match="30m, 2h or 90d"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-01-31", "2027-01-31T00:00:00Z"),
        ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"),
        ("2027-01-31T21:00:00+09:00", "2027-01-31T12:00:00Z"),
    ],
)
def test_a_time_is_read(text: str, expected: str) -> None:
    assert instant(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "2027-13-01", "31.01.2027", "999999w"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(BadOption, match="90d, 2027-01-31"):
        instant(text)


def test_a_key_is_printed_alone_so_that_a_script_can_take_it(hub: Hub) -> None:
    hub.answer = {"id": "0123456789abcdef", "key": CREDENTIAL}
    done = run(
        "key", "create", "air 7", "--device", "--write", "A", "--write", "B", "--entity", "urn:a:1",
        "--scope", "/Seoul", "--tenant", "air", "--expires", "2027-01-31", "--owner", "jin",
    )  # fmt: skip
    assert done.stdout == CREDENTIAL + "\n"
    assert "shown this once" in done.stderr
    body = {
        "kind": "device", "name": "air 7", "writes": ["A", "B"], "entities": ["urn:a:1"],
        "scopes": ["/Seoul"], "tenants": ["air"], "expiresAt": "2027-01-31T00:00:00Z",
        "owner": "jin",
    }  # fmt: skip
    assert hub.sent == [("POST", "/trust/keys", body)]


@pytest.mark.parametrize("kinds", [[], ["--app", "--device"]])
def test_a_key_is_of_one_kind(hub: Hub, kinds: list[str]) -> None:
    done = run("key", "create", "map", *kinds)
    assert isinstance(done.exception, BadOption)
    assert hub.sent == []


def test_a_name_is_sent_whole_whatever_is_in_it(hub: Hub) -> None:
    run("key", "rotate", "a/b?c#d", "--overlap", "2h")
    run("user", "disable", "jin@seoul.kr")
    assert hub.sent[0] == ("POST", "/trust/keys/a%2Fb%3Fc%23d/rotate", {"overlap_s": 7200})
    assert hub.sent[1] == ("PATCH", "/trust/users/jin@seoul.kr", {"disabled": True})


def test_a_password_comes_from_a_pipe_and_is_not_printed(hub: Hub) -> None:
    hub.answer = {"login": "jin", "roles": ["operator"]}
    done = run("user", "add", "jin", "--role", "operator", typed="nine tall green lamps\n")
    assert hub.sent[0][2]["password"] == "nine tall green lamps"
    assert "lamps" not in done.output
    assert done.stdout == "jin can sign in, as operator\n"


def test_an_invitation_prints_its_link(hub: Hub) -> None:
    hub.answer = {"link": "https://city.example/welcome?code=mdl_1", "expiresAt": "2027"}
    done = run("user", "invite", "kim", "--role", "analyst", "--role", "operator")
    assert done.stdout == "https://city.example/welcome?code=mdl_1\n"
    assert hub.sent[0][2] == {"login": "kim", "roles": ["analyst", "operator"]}


def test_a_list_is_a_table_with_room_for_wide_letters(hub: Hub) -> None:
    key = {"id": "1", "kind": "app", "reads": ["*"], "writes": [], "tenants": ["", "*"],
           "lastUsedAt": None, "expiresAt": None, "state": "active"}  # fmt: skip
    hub.answer = [key | {"name": "공기"}, key | {"name": "air"}]
    lines = run("key", "list").stdout.splitlines()
    assert lines[0].split() == [
        "id", "kind", "name", "reads", "writes", "tenants", "last", "used", "expires", "state"
    ]  # fmt: skip
    assert lines[1].startswith("1   app   공기  *")
    assert lines[2].startswith("1   app   air   *")
    assert "default, all" in lines[1]
    assert run("key", "list", "--json").stdout.startswith("[\n  {")


@pytest.mark.parametrize(
    "words", [("key", "revoke", "map"), ("user", "remove", "jin"), ("token", "keys", "reset")]
)
def test_what_cannot_be_undone_is_asked_first(hub: Hub, words: tuple[str, ...]) -> None:
    done = run(*words, typed="n\n")
    assert done.exit_code == 1
    assert hub.sent == []


def test_a_token_is_revoked_by_its_session_or_from_a_pipe(hub: Hub) -> None:
    run("token", "revoke", "0123456789abcdef")
    run("token", "revoke", "-", typed="a.b.c\n")
    assert hub.sent == [
        ("DELETE", "/trust/tokens/0123456789abcdef", None),
        ("POST", "/token/revoke", {"token": "a.b.c"}),
    ]


@pytest.mark.parametrize("words", [(), ("map", "--user", "jin")])
def test_a_token_is_of_a_key_or_of_a_person(hub: Hub, words: tuple[str, ...]) -> None:
    assert isinstance(run("token", "create", *words).exception, BadOption)


@pytest.mark.parametrize(("kind", "option"), [("--app", "--read"), ("--device", "--entity")])
def test_a_key_that_can_do_nothing_is_told_so(hub: Hub, kind: str, option: str) -> None:
    hub.answer = {"id": "1", "key": CREDENTIAL}
    done = run("key", "create", "x", kind)
    assert "nothing yet: revoke it and name" in done.stderr
    assert option in done.stderr
    assert "nothing yet" not in run("key", "create", "x", kind, option, "urn:a:1").stderr
