"""From one tenant into another: by header, path, subscription, @context and batch."""

from __future__ import annotations

import orjson
import pytest

from tests.attacks.stranger import (
    LD_JSON,
    Headers,
    bearer,
    content,
    entity,
    key_of,
    person_of,
    raw,
    session_of,
    tokens_of,
)
from tests.e2e.server import API, Server

SECRET = "urn:ngsi-ld:Plan:secret"
THERE = {"NGSILD-Tenant": "north"}


@pytest.fixture(scope="module")
def city(hub: Server) -> Server:
    """Return a hub with something in the tenants south and north."""
    entity(hub, SECRET, "Plan", "north", treasure=12345)
    entity(hub, "urn:ngsi-ld:Plan:open", "Plan", "south", size=1)
    return hub


@pytest.fixture(scope="module")
def key(city: Server) -> Headers:
    """Return who may do all an app may, in the tenant south."""
    return key_of(city, tenants=["south"], reads=["*"], writes=["*"])


REQUESTS = [
    ("GET", "entities?type=Plan", None),
    ("GET", f"entities/{SECRET}", None),
    ("GET", "types", None),
    ("GET", "attributes", None),
    ("GET", "subscriptions", None),
    ("GET", "jsonldContexts", None),
    ("GET", "info/sourceIdentity", None),
    ("GET", f"temporal/entities/{SECRET}", None),
    ("POST", "temporal/entityOperations/query", {"type": "Query", "entities": [{"type": "Plan"}]}),
    ("POST", "entityOperations/query", {"type": "Query", "entities": [{"type": "Plan"}]}),
    ("POST", "entities", {"id": "urn:ngsi-ld:Plan:new", "type": "Plan"}),
    ("POST", "entityOperations/upsert", [{"id": SECRET, "type": "Plan", "treasure": 0}]),
    ("POST", "entityOperations/delete", [SECRET]),
    ("PATCH", f"entities/{SECRET}", {"treasure": 0}),
    ("DELETE", f"entities/{SECRET}", None),
    ("DELETE", "entities?type=Plan", None),
    (
        "POST",
        "subscriptions",
        {
            "type": "Subscription",
            "entities": [{"type": "Plan"}],
            "notification": {"endpoint": {"uri": "http://example.org/"}},
        },
    ),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_key_of_one_tenant_does_nothing_in_another(
    city: Server, key: Headers, method: str, path: str, body: object
) -> None:
    answer = city.request(method, f"{API}/{path}", body, {**key, **THERE})
    assert answer.status == 403, answer.body
    nowhere = city.request(method, f"{API}/{path}", body, {**key, "NGSILD-Tenant": "nonesuch"})
    assert nowhere.status == 403
    assert nowhere.body.replace(b"nonesuch", b"north") == answer.body, "and learns not of its being"


@pytest.mark.parametrize(("method", "path", "body"), [r for r in REQUESTS if "?" not in r[1]])
def test_what_is_in_another_tenant_is_not_in_ones_own(
    city: Server, key: Headers, method: str, path: str, body: object
) -> None:
    own = {"NGSILD-Tenant": "south"}
    answer = city.request(method, f"{API}/{path}", body, {**key, **own})
    assert b"12345" not in answer.body
    found = city.request("GET", f"{API}/entities/{SECRET}", None, {**city.local_key(), **THERE})
    assert content(found)["treasure"]["value"] == 12345
    city.request("DELETE", f"{API}/entities/{SECRET}", None, {**key, **own})


@pytest.mark.parametrize(
    "lines",
    [
        ["NGSILD-Tenant: south", "NGSILD-Tenant: north"],
        ["NGSILD-Tenant: north", "NGSILD-Tenant: south"],
        ["NGSILD-Tenant: south,north"],
        ["NGSILD-Tenant: NORTH"],
        ["NGSILD-Tenant: ../north"],
        ["NGSILD-Tenant: south/../north"],
        ["NGSILD-Tenant: %6eorth"],
        ["NGSILD-Tenant: north\x00"],
        ["NGSILD-Tenant: south\x0bnorth"],
        ["NGSILD-Tenant: south\r\n NGSILD-Tenant: north"],
        ["Fiware-Service: north", "NGSILD-Tenant: south"],
        ["NGSILD_Tenant: north", "NGSILD-Tenant: south"],
        ["Connection: NGSILD-Tenant", "NGSILD-Tenant: north"],
    ],
)
def test_no_way_to_write_the_header_leads_across(
    city: Server, key: Headers, lines: list[str]
) -> None:
    head = [f"GET {API}/entities?type=Plan HTTP/1.1", "Host: x", "Connection: close", *lines]
    head.append(f"Authorization: {key['Authorization']}")
    answer = raw(city, "\r\n".join([*head, "", ""]).encode("latin-1"))
    assert b"12345" not in answer.text
    assert answer.statuses[0] in (200, 400, 403, 404)


def test_a_trailer_after_the_body_changes_neither_tenant_nor_sender(
    city: Server, key: Headers
) -> None:
    """RFC 9110 section 6.5.1: trailers are not merged into headers."""
    query = orjson.dumps({"type": "Query", "entities": [{"type": "Plan"}]})
    for trailer in (b"NGSILD-Tenant: north", b"Authorization: " + key["Authorization"].encode()):
        head = (
            f"POST {API}/entityOperations/query HTTP/1.1\r\nHost: x\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        ).encode()
        if b"Tenant" in trailer:
            own = b"Authorization: " + key["Authorization"].encode()
            head += own + b"\r\nNGSILD-Tenant: south\r\n"
        body = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(query), query, trailer)
        answer = raw(city, head + b"\r\n" + body)
        assert answer.statuses == ([200] if b"Tenant" in trailer else [401])
        assert b"12345" not in answer.text
        assert b"orth" not in answer.text


@pytest.mark.parametrize("surface", ["/changes", "/status", "/trust/keys", "/metrics"])
def test_pages_and_streams_do_not_cross_either(city: Server, key: Headers, surface: str) -> None:
    assert city.request("GET", surface, None, {**key, **THERE}).status == 403


def test_a_person_of_one_tenant_does_not_cross_by_key_token_or_cookie(city: Server) -> None:
    person = person_of(city, "operator", tenants=["south"])
    cookie = {"Cookie": session_of(city, person.login)}
    for headers in (person.headers, cookie, bearer(tokens_of(city, person.login)["access_token"])):
        path = f"{API}/entities/{SECRET}"
        assert city.request("GET", path, None, {**headers, **THERE}).status == 403
        own = {"NGSILD-Tenant": "south"}
        assert city.request("GET", path, None, {**headers, **own}).status == 404
        assert city.request("GET", path, None, headers).status == 403, "nor to the default tenant"


def test_the_context_of_another_tenant_is_not_to_be_had(city: Server, key: Headers) -> None:
    made = city.request(
        "POST",
        f"{API}/jsonldContexts",
        {"@context": {"treasure": "https://north.example/12345"}},
        {**city.local_key(), **THERE},
    )
    assert made.status == 201, made.body
    url = made.headers["location"]
    id = url.rpartition("/")[2]
    own = {**key, "NGSILD-Tenant": "south"}
    assert city.request("GET", f"{API}/jsonldContexts/{id}", None, own).status == 404
    assert id.encode() not in city.request("GET", f"{API}/jsonldContexts", None, own).body
    link = f'<{city.url}{API}/jsonldContexts/{id}>; rel="http://www.w3.org/ns/json-ld#context"'
    asked = city.request("GET", f"{API}/entities?type=Plan", None, {**own, "Link": link})
    assert asked.status >= 400
    assert b"12345" not in asked.body
    body = {"id": "urn:x:ctx", "type": "Plan", "@context": f"{city.url}{API}/jsonldContexts/{id}"}
    assert city.request("POST", f"{API}/entities", body, {**own, **LD_JSON}).status >= 400


def test_a_subscription_of_another_tenant_is_not_there(city: Server, key: Headers) -> None:
    wanted = {
        "id": "urn:ngsi-ld:Subscription:north",
        "type": "Subscription",
        "entities": [{"type": "Plan"}],
        "notification": {"endpoint": {"uri": "http://example.org/"}},
    }
    admin = {**city.local_key(), **THERE}
    assert city.request("POST", f"{API}/subscriptions", wanted, admin).status == 201
    own = {**key, "NGSILD-Tenant": "south"}
    path = f"{API}/subscriptions/{wanted['id']}"
    for method, body in (("GET", None), ("PATCH", {"isActive": False}), ("DELETE", None)):
        assert city.request(method, path, body, own).status == 404
    assert city.request("GET", path, None, admin).status == 200
    assert city.request("DELETE", path, None, admin).status == 204
