"""More rights than one was given: roles, keys, links, members nobody asked for, ids of others."""

from __future__ import annotations

import uuid

import orjson
import pytest

from tests.attacks.stranger import PASSWORD, Headers, Person, bearer, content, key_of, person_of
from tests.e2e.server import API, Server

BELOW = ("citizen", "operator", "analyst", "department")


@pytest.fixture(scope="module")
def staff(hub: Server) -> dict[str, Person]:
    return {role: person_of(hub, role) for role in BELOW}


@pytest.fixture(scope="module")
def local_administrator(hub: Server) -> Person:
    """Return an administrator of one tenant."""
    return person_of(hub, "administrator", tenants=["south"])


@pytest.mark.parametrize("role", BELOW)
def test_nobody_gives_themselves_rights(hub: Server, staff: dict[str, Person], role: str) -> None:
    me = staff[role]
    before = hub.request("GET", "/me", headers=me.headers).json()
    wishes: list[dict[str, object]] = [
        {"roles": ["administrator"]},
        {"tenants": ["*"]},
        {"scopes": ["/"]},
        {"disabled": False},
        {"id": "x"},
        {"login": "root"},
        {"password": "x"},
        {"name": "A", "roles": ["administrator"]},
        {"entities": ["urn:x:1"]},
        {"__class__": {}},
    ]
    for wish in wishes:
        answer = hub.request("PATCH", "/me", wish, me.headers)
        assert answer.status == 400, wish
        answer = hub.request("PATCH", f"/trust/users/{me.id}", wish, me.headers)
        assert answer.status == 403, wish
    assert hub.request("GET", "/me", headers=me.headers).json() == before


@pytest.mark.parametrize("role", BELOW)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/trust/users", {"login": "evil", "password": PASSWORD, "roles": ["citizen"]}),
        ("POST", "/trust/keys", {"kind": "app", "name": "evil", "tenants": ["*"]}),
        ("POST", "/trust/invitations", {"roles": ["administrator"], "tenants": ["*"]}),
        ("POST", "/trust/tokens", {"key": "any"}),
        ("POST", "/trust/tokens/rotate-signing-key", {}),
        ("PUT", "/trust/policies/evil", {"text": "permit(principal, action, resource);"}),
        ("POST", "/trust/public", {"tenant": ""}),
        ("DELETE", "/trust/marks", None),
        ("GET", "/trust/audit", None),
        ("GET", "/trust/users", None),
        ("POST", "/account/keys", {}),
    ],
)
def test_only_administrators_manage(
    hub: Server,
    staff: dict[str, Person],
    role: str,
    method: str,
    path: str,
    body: object,
) -> None:
    answer = hub.request(method, path, body, staff[role].headers)
    assert answer.status == 403
    assert b" may not " in answer.body


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/trust/users", {"login": "evil", "password": PASSWORD, "roles": ["citizen"]}),
        ("POST", "/trust/keys", {"kind": "app", "name": "evil", "tenants": ["*"]}),
        ("POST", "/trust/invitations", {"roles": ["administrator"], "tenants": ["*"]}),
        ("PUT", "/trust/policies/evil", {"text": "permit(principal, action, resource);"}),
    ],
)
def test_an_administrator_of_one_tenant_cannot_reach_for_all(
    hub: Server, local_administrator: Person, method: str, path: str, body: object
) -> None:
    assert hub.request(method, path, body, local_administrator.headers).status == 403


@pytest.mark.parametrize("kind", ["app", "device", "service", "city"])
def test_no_key_manages_anything_whatever_it_was_granted(hub: Server, kind: str) -> None:
    key = key_of(hub, kind, tenants=["*"], reads=["*"], writes=["*"], scopes=[])
    for method, path in (
        ("POST", "/trust/users"),
        ("POST", "/trust/keys"),
        ("GET", "/trust/audit"),
        ("GET", "/trust/keys"),
        ("PATCH", "/me"),
        ("GET", "/status"),
    ):
        assert hub.request(method, path, {} if method != "GET" else None, key).status == 403


@pytest.mark.parametrize(
    "wish",
    [
        {"roles": ["administrator"]},
        {"role": "administrator"},
        {"id": "0" * 16},
        {"digest": "0" * 64},
        {"principal": {"roles": ["administrator"]}},
        {"kind": "person"},
        {"kind": "administrator"},
    ],
)
def test_a_key_cannot_be_asked_for_with_more_than_there_is(
    hub: Server, wish: dict[str, object]
) -> None:
    body = {"kind": "app", "name": "wish", **wish}
    assert hub.request("POST", "/trust/keys", body, hub.local_key()).status == 400


def test_an_invitation_gives_what_it_says_whatever_the_guest_sends(hub: Server) -> None:
    made = hub.request("POST", "/trust/invitations", {"roles": ["citizen"]}, hub.local_key())
    link = orjson.loads(made.body)["link"]
    page = hub.request("GET", link.removeprefix(hub.url), headers={"Accept": "text/html"})
    cookie = page.headers["set-cookie"].split(";")[0]
    token = page.body.decode().split('name="token" value="')[1].split('"')[0]
    code, login = link.partition("code=")[2], f"guest-{uuid.uuid4().hex[:8]}"
    form = (
        f"token={token}&code={code}&name={login}&password={PASSWORD.replace(' ', '+')}"
        "&roles=administrator&roles[]=administrator&tenants=*&login=root&by=local"
    )
    kind = "application/x-www-form-urlencoded"
    answer = hub.request(
        "POST",
        "/welcome",
        form.encode(),
        {"Content-Type": kind, "Cookie": cookie, "Origin": hub.url},
    )
    assert answer.status == 303, answer.body
    found = content(hub.request("GET", f"/trust/users/{login}", headers=hub.local_key()))
    assert (found["roles"], found["tenants"]) == (["citizen"], [""])


def test_keys_and_sessions_of_others_look_like_none(hub: Server, staff: dict[str, Person]) -> None:
    owner, thief = staff["operator"], staff["analyst"]
    wish = {"kind": "app", "name": str(uuid.uuid4()), "owner": owner.login, "reads": ["*"]}
    made = hub.request("POST", "/trust/keys", wish, hub.local_key())
    key = orjson.loads(made.body)
    session = content(hub.request("GET", "/me/sessions", headers=owner.headers))[0]
    for method, path in (
        ("DELETE", "/me/keys/{}"),
        ("POST", "/me/keys/{}/rotate"),
        ("DELETE", "/me/sessions/{}"),
    ):
        of_another = key["id"] if "keys" in path else session["id"]
        answers = [
            hub.request(method, path.format(id), {} if method == "POST" else None, thief.headers)
            for id in (of_another, "f" * 16)
        ]
        assert [answer.status for answer in answers] == [404, 404]
        assert answers[0].body.replace(of_another.encode(), b"f" * 16) == answers[1].body
    assert hub.request("GET", f"{API}/types", headers=bearer(key["key"])).status == 200
    assert hub.request("GET", "/me", headers=owner.headers).status == 200


def test_a_query_does_not_list_keys_and_sessions_of_others(
    hub: Server, staff: dict[str, Person]
) -> None:
    thief = staff["analyst"].headers
    for path in ("/me/keys", "/me/sessions"):
        own = hub.request("GET", path, headers=thief).body
        for query in (f"who={staff['operator'].id}", "owner=*", "q=", "all=true", "limit=1000"):
            found = hub.request("GET", f"{path}?{query}", headers=thief)
            assert found.status in (200, 400)
            assert staff["operator"].id.encode() not in found.body
        assert staff["operator"].id.encode() not in own


def test_a_device_writes_its_own_entity_and_takes_no_other(hub: Server) -> None:
    mine, other = "urn:ngsi-ld:Device:mine", "urn:ngsi-ld:Device:other"
    device = key_of(hub, "device", entities=[mine])
    local = hub.local_key()
    hub.request("POST", f"{API}/entities", {"id": other, "type": "Device", "n": 1}, local)
    made = hub.request("POST", f"{API}/entities", {"id": mine, "type": "Device"}, device)
    assert made.status == 201
    attempts: list[tuple[str, str, object]] = [
        ("PATCH", f"entities/{other}", {"n": 2}),
        ("PUT", f"entities/{other}", {"id": other, "type": "Device"}),
        ("POST", f"entities/{other}/attrs", {"n": 2}),
        ("DELETE", f"entities/{other}", None),
        ("DELETE", f"entities/{other}/attrs/n", None),
        ("POST", "entities", {"id": "urn:ngsi-ld:Device:new", "type": "Device"}),
        ("POST", "entityOperations/upsert", [{"id": other, "type": "Device", "n": 2}]),
        ("POST", "entityOperations/merge", [{"id": other, "type": "Device", "n": 2}]),
        ("POST", "entityOperations/delete", [other]),
        ("PATCH", f"entities/{mine}", {"id": other, "n": 2}),
        ("DELETE", "entities?type=Device", None),
    ]
    for method, path, body in attempts:
        hub.request(method, f"{API}/{path}", body, device)
    found = hub.request("GET", f"{API}/entities/{other}?options=keyValues", headers=local)
    assert found.json() == {"id": other, "type": "Device", "n": 1}
    new = hub.request("GET", f"{API}/entities/urn:ngsi-ld:Device:new", headers=local)
    assert new.status == 404


def test_a_department_moves_nothing_into_its_reach(hub: Server) -> None:
    water = person_of(hub, "department", scopes=["/Seoul/Water"])
    id, local = "urn:ngsi-ld:Road:1", hub.local_key()
    road = {"id": id, "type": "Road", "scope": "/Seoul/Roads", "lanes": 4}
    assert hub.request("POST", f"{API}/entities", road, local).status == 201
    attempts: list[tuple[str, str, object]] = [
        ("PATCH", f"entities/{id}", {"scope": "/Seoul/Water"}),
        ("POST", f"entities/{id}/attrs", {"scope": "/Seoul/Water"}),
        ("PUT", f"entities/{id}", {**road, "scope": "/Seoul/Water"}),
        ("POST", "entityOperations/upsert", [{**road, "scope": "/Seoul/Water"}]),
        ("POST", "entityOperations/upsert?options=update", [{**road, "scope": "/Seoul/Water"}]),
        ("DELETE", f"entities/{id}/attrs/scope", None),
    ]
    for method, path, body in attempts:
        hub.request(method, f"{API}/{path}", body, water.headers)
        assert hub.request("GET", f"{API}/entities/{id}", headers=water.headers).status == 404
    found = hub.request("GET", f"{API}/entities/{id}?options=keyValues", headers=local).json()
    assert found == road


def test_a_method_in_a_header_or_query_is_not_the_method(hub: Server) -> None:
    id, local = "urn:ngsi-ld:Lamp:override", hub.local_key()
    lamp = {"id": id, "type": "Lamp", "on": True}
    hub.request("POST", f"{API}/entities", lamp, local)
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method")
    for name in names:
        headers: Headers = {**local, name: "DELETE"}
        for path in (f"{API}/entities/{id}", f"{API}/entities/{id}?_method=DELETE"):
            assert hub.request("GET", path, headers=headers).status in (200, 400)
    assert hub.request("GET", f"{API}/entities/{id}", headers=local).status == 200
