"""``madang policy`` and the routes behind it, against a hub as a user runs it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from madang.cli import app
from madang.model.errors import MadangError
from tests.e2e.server import API, Server

BENCHES = """// Citizens see benches.
@id("see")
permit (principal in Madang::Role::"citizen", action == Madang::Action::"readEntity", resource)
when { resource.types.contains("Bench") };
"""
Policy = Callable[..., str]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("hub") / "data", open=False) as server:
        yield server


def run(hub: Server, *words: str | Path) -> Result:
    environ = {"MADANG_URL": hub.url, "MADANG_DATA": str(hub.data), "MADANG_KEY": ""}
    return CliRunner().invoke(app, ["policy", *map(str, words)], env=environ)


@pytest.fixture
def policy(hub: Server) -> Policy:
    """``madang policy`` on the machine where the hub runs; gives what it prints."""

    def call(*words: str | Path) -> str:
        result = run(hub, *words)
        assert result.exit_code == 0, (words, result.output, result.exception)
        return result.output

    return call


def refused(hub: Server, *words: str | Path) -> str:
    """Return what is said of a command that fails."""
    error = run(hub, *words).exception
    assert isinstance(error, MadangError), (words, error)
    return str(error)


@pytest.fixture
def benches(tmp_path: Path) -> Path:
    file = tmp_path / "benches.cedar"
    file.write_text(BENCHES, "utf-8")
    return file


def test_a_policy_is_checked_added_explained_shown_and_removed(
    policy: Policy, benches: Path
) -> None:
    assert policy("check", benches) == "benches/see: permit, line 1, good\n"
    asked = ("explain", "role:citizen", "readEntity", "Bench")
    assert policy(*asked).startswith("deny: any citizen may not do readEntity on Bench\n→ ")
    policy("add", benches)
    assert "benches/see (permit)\n// Citizens see benches." in policy(*asked)
    assert policy("show", "benches") == BENCHES
    assert "Citizens see benches" in policy("list")
    policy("remove", "benches")
    assert "benches" not in policy("list")
    assert "everybody/read-public-data" in policy("list")


def test_a_published_type_is_read_without_signing_in_but_for_what_is_marked(
    hub: Server, policy: Policy
) -> None:
    bench = {"id": "urn:bench:1", "type": "Bench", "seats": 3, "donor": "Kim"}
    made = hub.request("POST", f"{API}/entities", bench, hub.local_key())
    assert made.status == 201, made.body
    path = f"{API}/entities/urn:bench:1?options=keyValues"
    assert hub.request("GET", path).status == 401
    policy("mark", "add", "donor", "--type", "Bench", "--keep", "Foundations Act")
    policy("public", "add", "Bench")
    assert "default tenant  Bench" in policy("public", "list")
    assert "donor\n" in policy("mark", "list")
    answer: Any = hub.request("GET", path).json()
    assert answer == {"id": "urn:bench:1", "type": "Bench", "seats": 3}
    assert "allow: anybody may do readEntity on urn:bench:1" in policy(
        "explain", "role:public", "readEntity", "urn:bench:1"
    )
    policy("mark", "remove", "donor", "--type", "Bench")
    answer = hub.request("GET", path).json()
    assert answer["donor"] == "Kim"
    policy("public", "remove", "Bench")
    assert hub.request("GET", path).status == 401


def test_a_tenant_as_a_whole_is_made_public_and_closed_again(hub: Server, policy: Policy) -> None:
    key = {**hub.local_key(), "NGSILD-Tenant": "parks"}
    hub.request("POST", f"{API}/entities", {"id": "urn:tree:1", "type": "Tree"}, key)
    policy("public", "add", "--all", "--tenant", "parks")
    head = {"NGSILD-Tenant": "parks"}
    assert hub.request("GET", f"{API}/entities/urn:tree:1", headers=head).status == 200
    assert "parks  everything" in policy("public", "list")
    policy("public", "remove", "--all", "--tenant", "parks")
    assert hub.request("GET", f"{API}/entities/urn:tree:1", headers=head).status == 401


def test_lists_and_explanations_are_there_for_programs(policy: Policy) -> None:
    listed = json.loads(policy("list", "--json"))
    assert {"id", "effect", "origin", "text"} == set(listed[0])
    marks = json.loads(policy("mark", "list", "--json"))
    assert {"Person"} < {name for mark in marks for name in mark["types"]}
    assert json.loads(policy("public", "list", "--json")) == []
    found = json.loads(
        policy("explain", "role:operator", "readAttribute", "telephone",
               "--purpose", "emergency", "--json")
    )  # fmt: skip
    assert found["decision"] == "allow"


def test_what_goes_wrong_is_told_with_the_way_out(hub: Server, benches: Path) -> None:
    benches.write_text(BENCHES.replace("types", "typs"), "utf-8")
    for command in ("check", "add"):
        said = refused(hub, command, benches)
        assert "policy benches, line 4: attribute `typs`" in said
        assert "it has tenant, types, within, id, public" in said
    assert "`madang policy list`" in refused(hub, "show", "nope")
    assert "comes with Madang" in refused(hub, "remove", "operator")
    assert "role:operator" in refused(hub, "explain", "stranger", "readEntity", "Bench")
    assert "expected one of readEntity" in refused(hub, "explain", "role:app", "fly")
    assert "no entity 'urn:x:1'" in refused(hub, "explain", "role:app", "readEntity", "urn:x:1")
    assert "no tenant 'nosuch'" in refused(hub, "public", "add", "Bench", "--tenant", "nosuch")
    assert "--all" in refused(hub, "public", "add")
    assert "must be personal or internal" in refused(
        hub, "mark", "add", "x", "--type", "T", "--sensitivity", "secret"
    )
    assert "cannot be read" in refused(hub, "add", benches.with_name("gone.cedar"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/trust/policies/x", {"txt": "permit"}, 400),
        ("PUT", "/trust/policies/x", {"text": " " * 66_000}, 400),
        ("PUT", "/trust/policies/x", {"text": " " * 2_000_000}, 413),
        ("PUT", "/trust/policies/X..", {"text": BENCHES}, 400),
        ("GET", "/trust/policies/..%2fschema", None, 404),
        ("POST", "/trust/public", {"type": 1}, 400),
        ("POST", "/trust/public", {}, 400),
        ("POST", "/trust/marks", {"attribute": "a", "types": "T"}, 400),
        ("DELETE", "/trust/marks?attribute=a", None, 400),
        ("GET", f"/trust/explanation?who=role:app&action=enter&purpose={'x' * 201}", None, 400),
    ],
)
def test_bad_requests_are_refused(
    hub: Server, method: str, path: str, body: object, status: int
) -> None:
    answer = hub.request(method, path, body, hub.local_key())
    assert answer.status == status, answer.body


def test_policies_are_for_administrators_only(hub: Server) -> None:
    assert hub.request("GET", "/trust/policies").status == 401
    assert hub.request("PUT", "/trust/policies/x", {"text": BENCHES}).status == 401


def signed_in(hub: Server, login: str, role: str) -> dict[str, str]:
    """Make an account with a role and sign in; return the header of its token."""
    account = {"login": login, "roles": [role], "password": "violet tram over the Han river"}
    made = hub.request("POST", "/trust/users", account, hub.local_key())
    assert made.status == 201, made.body
    grant = {"grant_type": "password", "username": login, "password": account["password"]}
    tokens: Any = hub.request("POST", "/token", grant).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def recorded_purposes(hub: Server, person: str) -> list[str]:
    """Return what a person's data was read for; what is noted is kept within a second."""
    path = f"/trust/audit?kind=personalRead&subject={person}"
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found: Any = hub.request("GET", path, headers=hub.local_key()).json()
        if found["records"]:
            return [record["purpose"] for record in found["records"]]
        time.sleep(0.05)
    return []


def test_a_purpose_opens_personal_data_and_what_is_read_so_is_on_record(
    hub: Server, policy: Policy
) -> None:
    lee = {"id": "urn:person:lee", "type": "Person", "nick": "lee", "telephone": "010-1234"}
    clerk = signed_in(hub, "clerk", "administrator")
    made = hub.request("POST", f"{API}/entities", lee, clerk)
    assert made.status == 403, "personal attributes are written for a purpose only"
    made = hub.request("POST", f"{API}/entities", lee, {**clerk, "Purpose": "administration"})
    assert made.status == 201, made.body
    ann = signed_in(hub, "ann", "operator")
    path = f"{API}/entities/urn:person:lee?options=keyValues"
    answer: Any = hub.request("GET", path, headers=ann).json()
    assert answer == {"id": "urn:person:lee", "type": "Person", "nick": "lee"}
    answer = hub.request("GET", path, headers={**ann, "Purpose": "emergency"}).json()
    assert answer["telephone"] == "010-1234"
    assert recorded_purposes(hub, "urn:person:lee") == ["emergency"]
    said = policy("explain", "ann", "readAttribute", "Person.telephone")
    assert said.startswith("deny: ann may not do readAttribute on Person.telephone\n→ ")
    assert "by the purpose emergency" in said


def test_a_role_that_does_not_manage_policies_is_turned_away(hub: Server) -> None:
    bob = signed_in(hub, "bob", "operator")
    answer = hub.request("PUT", "/trust/policies/mine", {"text": BENCHES}, bob)
    assert answer.status == 403
    assert hub.request("GET", "/trust/explanation?who=bob&action=enter", headers=bob).status == 403


def test_a_key_is_explained_by_its_name(hub: Server, policy: Policy) -> None:
    wanted = {"kind": "app", "name": "Bench map", "reads": ["Bench"]}
    assert hub.request("POST", "/trust/keys", wanted, hub.local_key()).status == 201
    assert "Bench map may do readEntity on Bench" in policy(
        "explain", "Bench map", "readEntity", "Bench"
    )
