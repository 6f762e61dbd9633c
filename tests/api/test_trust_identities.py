"""People, keys and tokens over HTTP, behind whatever gate there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from madang.api.guarded import problem
from madang.api.surface import Handler
from madang.api.trust_identities import surfaces
from madang.model.errors import NgsiError
from madang.trust.principal import LOCAL, PUBLIC
from tests.trust.people import ADDRESS, PASSWORD, City, city

GOOD = "nine tall green lamps"


def _open(handler: Handler, place: City) -> Handler:
    """Let everybody in, as who their credential says they are."""

    async def handle(request: Request) -> Response:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        request.state.address = ADDRESS
        request.state.principal = (
            LOCAL if sent == "local" else place.identities.principal_of(sent, ADDRESS)
        ) if sent else PUBLIC  # fmt: skip
        return await handler(request)

    return handle


class Client:
    def __init__(self, place: City, http: httpx.AsyncClient) -> None:
        self.place = place
        self._http = http

    async def __call__(
        self, method: str, path: str, body: Any = None, credential: str = "local"
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        if isinstance(body, bytes):
            return await self._http.request(method, path, content=body, headers=headers)
        return await self._http.request(method, path, json=body, headers=headers)

    async def token(self, login: str) -> str:
        grant = {"grant_type": "password", "username": login, "password": PASSWORD}
        answer = await self("POST", "/token", grant, "")
        return str(answer.json()["access_token"])


@asynccontextmanager
async def client_of(folder: Path) -> AsyncIterator[Client]:
    async with city(folder) as place:
        routes = [
            Route(one.path, _open(one.handler, place), methods=[one.method])
            for one in surfaces(place.identities)
        ]
        app = Starlette(routes=routes, exception_handlers={NgsiError: problem})
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield Client(place, http)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with client_of(tmp_path) as found:
        yield found


# --- who may ----------------------------------------------------------------------------------


async def test_only_tokens_and_their_key_set_are_open_to_anybody(client: Client) -> None:
    found = {(one.method, one.path): one.action for one in surfaces(client.place.identities)}
    opened = {key for key, action in found.items() if action == "seePages"}
    assert opened == {
        ("POST", "/token"), ("POST", "/token/revoke"), ("GET", "/.well-known/jwks.json")
    }  # fmt: skip
    assert all(
        action == ("managePeople" if path.startswith("/trust/") else "useAccount")
        for (method, path), action in found.items()
        if (method, path) not in opened
    )


# --- accounts ---------------------------------------------------------------------------------


async def test_an_account_from_its_making_to_its_removal(client: Client) -> None:
    body = {"login": "Jin@Seoul.KR", "roles": ["operator"], "password": PASSWORD, "language": "ko"}
    made = await client("POST", "/trust/users", body)
    assert made.status_code == 201
    account = made.json()
    assert made.headers["location"] == f"/trust/users/{account['id']}"
    assert account["login"] == "jin@seoul.kr"
    assert not {"password", "password_hash"} & account.keys()
    assert (await client("GET", "/trust/users/JIN@seoul.kr")).json() == account
    changed = await client("PATCH", f"/trust/users/{account['id']}", {"roles": ["analyst"]})
    assert changed.json()["roles"] == ["analyst"]
    assert (await client("DELETE", "/trust/users/jin@seoul.kr")).status_code == 204
    gone = await client("GET", "/trust/users/jin@seoul.kr")
    assert gone.status_code == 404
    assert "madang user list" in gone.json()["detail"]


async def test_lists_come_in_pages_with_their_count(client: Client) -> None:
    for name in ("ann", "bob", "cho"):
        await client.place.person(name)
    page = await client("GET", "/trust/users?limit=2&offset=1")
    assert [one["login"] for one in page.json()] == ["bob", "cho"]
    assert page.headers["ngsild-results-count"] == "3"
    found = await client("GET", "/trust/users?q=OB")
    assert [one["login"] for one in found.json()] == ["bob"]
    await client("PATCH", "/trust/users/cho", {"disabled": True, "roles": ["analyst"]})
    ids = [one["id"] for one in (await client("GET", "/trust/users")).json()]
    for asked, expected in (
        ("disabled=true", ["cho"]),
        ("disabled=false&limit=1", ["ann"]),
        ("role=analyst", ["cho"]),
        (f"id={ids[0]},{ids[2]},none", ["ann", "cho"]),
    ):
        logins = [one["login"] for one in (await client("GET", f"/trust/users?{asked}")).json()]
        assert logins == expected, asked
    for wrong in ("limit=1001", "limit=x", "offset=-1", "limit=²", "disabled=perhaps"):
        assert (await client("GET", f"/trust/users?{wrong}")).status_code == 400


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"{", "no JSON"),
        (b"[]", "JSON object"),
        ({}, "login is missing"),
        ({"login": "jin"}, "roles is missing"),
        ({"login": "jin", "roles": ["operator"], "admin": True}, "admin is not known here"),
        ({"login": 5, "roles": ["operator"]}, "login must be a text"),
        ({"login": "", "roles": ["operator"]}, "login must be a text"),
        ({"login": "jin", "roles": "operator"}, "roles must be an array"),
        ({"login": "jin", "roles": [{}]}, "roles must be an array"),
        ({"login": "jin", "roles": ["boss"]}, "no role 'boss'"),
        ({"login": "jin", "roles": ["operator"], "password": 5}, "password must be a text"),
        ({"login": "jin", "roles": ["operator"], "password": "short"}, "at least 12"),
        ({"login": "jin", "roles": ["operator"], "tenants": {}}, "tenants must be an array"),
        ({"login": "jin", "roles": ["operator"], "name": []}, "name must be a text"),
    ],
)
async def test_a_bad_account_is_refused_with_the_member_named(
    client: Client, body: object, names: str
) -> None:
    answer = await client("POST", "/trust/users", body)
    assert answer.status_code == 400
    assert names in answer.json()["detail"]


async def test_a_switch_is_true_or_false(client: Client) -> None:
    await client.place.person("jin")
    answer = await client("PATCH", "/trust/users/jin", {"disabled": "no"})
    assert answer.json()["detail"] == "disabled must be true or false"


async def test_an_invitation_is_listed_without_its_code_and_withdrawn(client: Client) -> None:
    made = await client("POST", "/trust/invitations", {"roles": ["citizen"], "login": "kim"})
    link = made.json()["link"]
    assert made.headers["cache-control"] == "no-store"
    (listed,) = (await client("GET", "/trust/invitations")).json()
    assert listed["login"] == "kim"
    assert "link" not in listed
    assert link.partition("_")[2] not in str(listed)
    assert (await client("DELETE", f"/trust/invitations/{listed['id']}")).status_code == 204
    assert (await client("DELETE", f"/trust/invitations/{listed['id']}")).status_code == 404


async def test_a_link_sets_a_new_password(client: Client) -> None:
    await client.place.person("jin")
    made = (await client("POST", "/trust/users/jin/password-link")).json()
    code = made["link"].partition("code=")[2]
    await client.place.identities.redeem(code, "", GOOD, ADDRESS)
    await client.place.identities.sign_in("jin", GOOD, ADDRESS)


# --- keys -------------------------------------------------------------------------------------


async def test_a_key_from_its_making_to_its_revocation(client: Client) -> None:
    body = {
        "kind": "app", "name": "map", "reads": ["Alert"], "expiresAt": "2030-01-01T00:00:00Z"
    }  # fmt: skip
    made = await client("POST", "/trust/keys", body)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    credential, id = made.json()["key"], made.json()["id"]
    assert client.place.identities.principal_of(credential, ADDRESS).reads == {"Alert"}
    shown = (await client("GET", f"/trust/keys/{id}")).json()
    assert "key" not in shown
    assert shown["expiresAt"] == "2030-01-01T00:00:00Z"
    rotated = await client("POST", f"/trust/keys/{id}/rotate", {"overlap_s": 0})
    assert rotated.json()["key"] != credential
    off = await client("PATCH", f"/trust/keys/{id}", {"disabled": True})
    assert off.json()["state"] == "disabled"
    assert (await client("DELETE", f"/trust/keys/{id}")).status_code == 204
    assert (await client("GET", "/trust/keys")).json() == []
    (revoked,) = (await client("GET", "/trust/keys?revoked=true&kind=app")).json()
    assert revoked["state"] == "revoked"
    assert (await client("DELETE", f"/trust/keys/{id}")).status_code == 409


async def test_keys_are_found_by_name_owner_and_id(client: Client) -> None:
    ann = await client.place.person("ann")
    for name, owner in (("Tram map", "ann"), ("Tram doors", ""), ("Lamps", "")):
        await client("POST", "/trust/keys", {"kind": "app", "name": name, "owner": owner})
    every = {one["name"]: one["id"] for one in (await client("GET", "/trust/keys")).json()}
    for asked, names in (
        ("q=TRAM", {"Tram map", "Tram doors"}),
        (f"q={every['Lamps']}", {"Lamps"}),
        (f"owner=person:{ann.id}", {"Tram map"}),
        (f"id={every['Lamps']},{every['Tram map']}", {"Lamps", "Tram map"}),
    ):
        found = (await client("GET", f"/trust/keys?{asked}")).json()
        assert {one["name"] for one in found} == names, asked


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"kind": "person"}, "kind must be one of"),
        ({"name": " "}, "name must be a text"),
        ({"expiresAt": "soon"}, "expiresAt must be a UTC DateTime"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "in the future"),
        ({"writes": "Alert"}, "writes must be an array"),
        ({"owner": "nobody"}, "no account 'nobody'"),
        ({"secret": "mine"}, "secret is not known here"),
    ],
)
async def test_a_bad_key_is_refused_with_the_member_named(
    client: Client, change: dict[str, object], names: str
) -> None:
    answer = await client("POST", "/trust/keys", {"kind": "app", "name": "map"} | change)
    assert answer.status_code in (400, 404)
    assert names in answer.json()["detail"]


@pytest.mark.parametrize("overlap", [-1, 10**9, "1d", True, 1.5])
async def test_a_bad_overlap_is_refused(client: Client, overlap: object) -> None:
    await client.place.identities.keys.create("app", "map", by=LOCAL.id)
    answer = await client("POST", "/trust/keys/map/rotate", {"overlap_s": overlap})
    assert answer.status_code == 400
    assert "overlap" in answer.json()["detail"]


async def test_a_token_of_a_key_is_made_listed_and_ended(client: Client) -> None:
    await client.place.identities.keys.create("app", "map", by=LOCAL.id)
    made = (await client("POST", "/trust/tokens", {"key": "map"})).json()
    assert made["token_type"] == "Bearer"
    assert "refresh_token" not in made
    client.place.identities.principal_of(made["access_token"], ADDRESS)
    (session,) = (await client("GET", "/trust/tokens?who=map")).json()
    assert (await client("DELETE", f"/trust/tokens/{session['id']}")).status_code == 204
    assert (await client("GET", "/me", None, made["access_token"])).status_code == 401
    assert (await client("GET", "/trust/tokens?who=nobody")).status_code == 404


# --- tokens -----------------------------------------------------------------------------------


async def test_tokens_for_a_password_and_for_a_refresh_token(client: Client) -> None:
    await client.place.person("jin")
    grant = {"grant_type": "password", "username": "jin", "password": PASSWORD}
    first = await client("POST", "/token", grant, "")
    assert first.headers["cache-control"] == "no-store"
    assert first.json()["expires_in"] == 900
    again = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"]}
    second = await client("POST", "/token", again, "")
    assert second.status_code == 200
    replayed = await client("POST", "/token", again, "")
    assert replayed.status_code == 401
    assert "used before" in replayed.json()["detail"]
    assert (await client("GET", "/me", None, second.json()["access_token"])).status_code == 401


async def test_a_wrong_password_is_told_as_such_and_then_slowed_down(client: Client) -> None:
    grant = {"grant_type": "password", "username": "jin", "password": "wrong"}
    statuses = [(await client("POST", "/token", grant, "")).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    refused = await client("POST", "/token", grant, "")
    assert refused.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "body",
    [{}, {"grant_type": "none"}, {"grant_type": "password"}, {"grant_type": ["password"]},
     {"grant_type": "refresh_token", "refresh_token": 5}, {"grant_type": "password", "scope": "x"},
     {"grant_type": "password", "username": {}, "password": "x"}],
)  # fmt: skip
async def test_a_bad_grant_is_refused(client: Client, body: dict[str, object]) -> None:
    assert (await client("POST", "/token", body, "")).status_code == 400


async def test_who_has_a_token_can_end_it(client: Client) -> None:
    await client.place.person("jin")
    token = await client.token("jin")
    assert (await client("POST", "/token/revoke", {"token": token}, "")).status_code == 204
    assert (await client("GET", "/me", None, token)).status_code == 401
    assert (await client("POST", "/token/revoke", {"token": "nonsense"}, "")).status_code == 204


async def test_the_key_set_holds_no_private_part(client: Client) -> None:
    answer = await client("GET", "/.well-known/jwks.json", None, "")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert not any("d" in key for key in answer.json()["keys"])
    rotated = await client("POST", "/trust/tokens/rotate-signing-key")
    kids = [key["kid"] for key in (await client("GET", "/.well-known/jwks.json")).json()["keys"]]
    assert rotated.json()["kid"] in kids
    assert len(kids) == 2


# --- one's own --------------------------------------------------------------------------------


async def test_one_sees_and_changes_who_one_is_but_not_ones_roles(client: Client) -> None:
    await client.place.person("jin")
    token = await client.token("jin")
    me = (await client("GET", "/me", None, token)).json()
    assert (me["login"], me["kind"], me["roles"]) == ("jin", "person", ["operator"])
    changed = await client("PATCH", "/me", {"name": "박진", "language": "ko"}, token)
    assert changed.json()["name"] == "박진"
    for member in ("roles", "tenants", "scopes", "disabled"):
        refused = await client("PATCH", "/me", {member: ["administrator"]}, token)
        assert refused.status_code == 400


async def test_one_changes_ones_password_and_stays_signed_in_here(client: Client) -> None:
    await client.place.person("jin")
    here, there = await client.token("jin"), await client.token("jin")
    wrong = await client("POST", "/me/password", {"old": "wrong", "new": GOOD}, here)
    assert wrong.status_code == 401
    missing = await client("POST", "/me/password", {"new": GOOD}, here)
    assert missing.status_code == 401
    right = await client("POST", "/me/password", {"old": PASSWORD, "new": GOOD}, here)
    assert right.status_code == 204
    assert (await client("GET", "/me", None, here)).status_code == 200
    assert (await client("GET", "/me", None, there)).status_code == 401


async def test_one_ends_ones_own_sessions_and_no_others(client: Client) -> None:
    for name in ("jin", "kim"):
        await client.place.person(name)
    here, there, stranger = [await client.token(one) for one in ("jin", "jin", "kim")]
    sessions = (await client("GET", "/me/sessions", None, here)).json()
    assert [one["current"] for one in sessions].count(True) == 1
    theirs = (await client("GET", "/me/sessions", None, stranger)).json()[0]["id"]
    assert (await client("DELETE", f"/me/sessions/{theirs}", None, here)).status_code == 404
    assert (await client("DELETE", "/me/sessions", None, here)).status_code == 204
    known = [(await client("GET", "/me", None, one)).status_code for one in (here, there, stranger)]
    assert known == [200, 401, 200]
    mine = next(one["id"] for one in sessions if one["current"])
    assert (await client("DELETE", f"/me/sessions/{mine}", None, here)).status_code == 204
    assert (await client("GET", "/me", None, here)).status_code == 401


async def test_one_rotates_and_revokes_ones_own_keys_and_no_others(client: Client) -> None:
    for name in ("jin", "kim"):
        await client.place.person(name)
    made = await client("POST", "/trust/keys", {"kind": "app", "name": "map", "owner": "jin"})
    id = made.json()["id"]
    jin, kim = await client.token("jin"), await client.token("kim")
    assert [one["id"] for one in (await client("GET", "/me/keys", None, jin)).json()] == [id]
    assert (await client("GET", "/me/keys", None, kim)).json() == []
    assert (await client("POST", f"/me/keys/{id}/rotate", {}, kim)).status_code == 404
    assert (await client("DELETE", f"/me/keys/{id}", None, kim)).status_code == 404
    assert (await client("POST", f"/me/keys/{id}/rotate", {}, jin)).status_code == 200
    assert (await client("DELETE", f"/me/keys/{id}", None, jin)).status_code == 204


async def test_who_is_no_person_has_no_account_to_change(client: Client) -> None:
    assert (await client("GET", "/me")).json()["principal"] == "service:local"
    refused = await client("PATCH", "/me", {"name": "x"})
    assert refused.status_code == 404
    assert "no person with an account" in refused.json()["detail"]
