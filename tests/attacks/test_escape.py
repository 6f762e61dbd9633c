"""Out of the filter that a reader sees through, at a running hub: what is hidden stays so.

That each query is answered byte for byte as by a city without the rest is in
tests/trust/test_view_attacks.py, that subscribers are told no more in
tests/hub/test_subscription_sight.py; here are the other ways on which data leaves a hub.
"""

from __future__ import annotations

import http.client
from urllib.parse import quote

import pytest

from tests.attacks.stranger import Headers, content, key_of
from tests.e2e.server import API, Server

VAULT, PERSON = "urn:ngsi-ld:Vault:1", "urn:ngsi-ld:Person:mina"
CODE, PHONE = "gold-4711", "+82-10-5555-0199"
NEVER = (CODE.encode(), PHONE.encode(), b"Vault", b"secretScope")
MINA = {
    "id": PERSON,
    "type": "Person",
    "telephone": PHONE,
    "badge": "Mina",
    "keeps": {"type": "Relationship", "object": VAULT},
    "location": {
        "type": "GeoProperty",
        "value": {"type": "Point", "coordinates": [127, 37]},
    },
}


@pytest.fixture(scope="module")
def city(hub: Server) -> Server:
    """Return a hub with a type, a scope and a personal attribute that a stranger must not see."""
    local = hub.local_key()
    lock = {"type": "Property", "value": CODE, "observedAt": "2026-01-01T00:00:00Z"}
    vault = {"id": VAULT, "type": "Vault", "scope": "/secretScope", "code": lock}
    for one in (vault, MINA):
        assert hub.request("POST", f"{API}/entities", one, local).status == 201
    changed = hub.request("PATCH", f"{API}/entities/{VAULT}", {"code": CODE + "-2"}, local)
    assert changed.status == 204
    return hub


@pytest.fixture(scope="module")
def reader(city: Server) -> Headers:
    """Return who reads Person, without a purpose, and nothing else."""
    key = key_of(city, reads=["Person"])
    for path in (f"entities/{PERSON}", f"temporal/entities/{PERSON}", "entities?type=Person"):
        assert b"Mina" in city.request("GET", f"{API}/{path}", headers=key).body
    return key


ASKED = [
    f"entities/{VAULT}",
    f"entities/{PERSON}",
    f"entities/{PERSON}?join=inline&joinLevel=3",
    f"entities/{PERSON}?pick=telephone",
    f"entities/{PERSON}?options=sysAttrs",
    "entities?type=Vault&count=true",
    "entities?type=Person,Vault&count=true&join=flat&joinLevel=2",
    f"entities?type=Person&q=telephone==%22{quote(PHONE)}%22&count=true",
    "entities?type=Person&q=keeps%7Bcode%7D~=%22.*%22&join=inline&count=true",
    "entities?type=Person&orderBy=telephone",
    "entities?local=true&scopeQ=/secretScope&count=true",
    "entities?idPattern=Vault&local=true&count=true",
    "entities?type=Person&georel=near;maxDistance==1&geometry=Point&coordinates=[127,37]",
    "types",
    "types?details=true",
    "types/Vault",
    "attributes",
    "attributes?details=true",
    "attributes/telephone",
    "attributes/code",
    f"temporal/entities/{VAULT}",
    f"temporal/entities/{PERSON}",
    f"temporal/entities/{PERSON}?lastN=5&options=temporalValues",
    "temporal/entities?type=Vault&count=true",
    "temporal/entities?type=Person&count=true",
    f"temporal/entities?type=Person&q=telephone==%22{quote(PHONE)}%22&count=true",
    "temporal/entities?type=Vault,Person&timerel=after&timeAt=2020-01-01T00:00:00Z",
    "temporal/entities?attrs=telephone,code&local=true",
    "temporal/entities?type=Person&options=aggregatedValues&aggrMethods=totalCount,max"
    "&timerel=after&timeAt=2020-01-01T00:00:00Z",
    "subscriptions",
]


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("accept", ["application/json", "application/ld+json"])
def test_no_question_brings_it_to_light(
    city: Server, reader: Headers, path: str, accept: str
) -> None:
    answer = city.request("GET", f"{API}/{path}", headers={**reader, "Accept": accept})
    assert answer.status in (200, 206, 400, 403, 404)
    told = answer.body
    for given in path.replace("%22", '"').split("?")[0].split("/"):
        told = told.replace(given.encode(), b"")  # an error may repeat what was asked for
    told = told.replace(quote(PHONE).encode(), b"")
    if "type=Vault" not in path and "Vault" not in path:
        told = told.replace(VAULT.encode(), b"")  # where a Relationship leads is no secret
    assert not [secret for secret in NEVER[:2] if secret in told], told
    if "Vault" in path and answer.status == 200 and "join" not in path:
        assert answer.body == b"[]"
    if "q=telephone" in path or "q=keeps" in path:
        assert answer.body == b"[]"
    count = answer.headers.get("ngsild-results-count", "1")
    assert int(count) <= 1


@pytest.mark.parametrize("path", ["entityOperations/query", "temporal/entityOperations/query"])
def test_no_question_in_a_body_does_either(city: Server, reader: Headers, path: str) -> None:
    bodies: list[dict[str, object]] = [
        {"entities": [{"type": "Vault"}]},
        {"entities": [{"id": VAULT, "type": "Vault"}]},
        {"entities": [{"type": "Person"}], "q": f'telephone=="{PHONE}"'},
        {"entities": [{"type": "Person"}], "attrs": ["telephone"]},
        {"attrs": ["code"]},
    ]
    for body in bodies:
        body["type"] = "Query"
        if path.startswith("temporal"):
            body["temporalQ"] = {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"}
        answer = city.request("POST", f"{API}/{path}?count=true", body, reader)
        assert answer.status in (200, 206, 400, 403), answer.body
        assert not [
            s for s in NEVER[:2] if s in answer.body.replace(str(body["type"]).encode(), b"")
        ]
        if answer.status == 200:
            assert answer.body == b"[]"
            assert answer.headers.get("ngsild-results-count", "0") == "0"


def test_geojson_hides_what_json_hides(city: Server, reader: Headers) -> None:
    accept = {**reader, "Accept": "application/geo+json"}
    for path in (f"entities/{PERSON}", "entities?type=Person", "entities?type=Vault"):
        answer = city.request("GET", f"{API}/{path}", headers=accept)
        assert CODE.encode() not in answer.body
        assert PHONE.encode() not in answer.body


def test_what_is_hidden_and_what_is_not_there_are_told_alike(city: Server, reader: Headers) -> None:
    local = city.local_key()
    for path in ("entities/{}", "temporal/entities/{}", "entities/{}/attrs/code"):
        method = "DELETE" if "attrs" in path else "GET"
        answers = []
        for id in (VAULT, "urn:ngsi-ld:Vault:2"):
            answer = city.request(method, f"{API}/{path.format(id)}", headers=reader)
            answers.append((answer.status, answer.body.replace(id.encode(), b"")))
        assert answers[0] == answers[1]
    assert city.request("GET", f"{API}/entities/{VAULT}", headers=local).status == 200


def test_writing_does_not_read(city: Server) -> None:
    """A writer of Person that may not see telephone learns nothing of it by how writes end."""
    writer = key_of(city, reads=["Person"], writes=["Person"])
    for method, path, body in (
        ("PATCH", f"entities/{PERSON}", {"telephone": "1"}),
        ("PATCH", f"entities/{PERSON}/attrs/telephone", {"value": "1"}),
        ("POST", f"entities/{PERSON}/attrs?options=noOverwrite", {"telephone": "1"}),
        ("DELETE", f"entities/{PERSON}/attrs/telephone", None),
        ("PUT", f"entities/{PERSON}", {"id": PERSON, "type": "Person"}),
        ("POST", "entities", {"id": PERSON, "type": "Person"}),
        ("POST", "entityOperations/upsert", [{"id": PERSON, "type": "Person"}]),
        ("PATCH", f"entities/{PERSON}", {"type": ["Person", "Vault"]}),
    ):
        answer = city.request(method, f"{API}/{path}", body, writer)
        assert PHONE.encode() not in answer.body
    local = city.local_key()
    found = city.request("GET", f"{API}/entities/{PERSON}", headers=local)
    assert content(found)["telephone"]["value"] == PHONE
    assert content(found)["type"] == "Person"
    back = city.request("PUT", f"{API}/entities/{PERSON}", MINA, local)  # others ask for her, too
    assert back.status == 204


def test_the_stream_of_changes_shows_what_may_be_seen(city: Server, reader: Headers) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", city.port, timeout=5)
    connection.request("GET", "/changes", headers=reader)
    answer = connection.getresponse()
    assert answer.status == 200
    answer.readline()
    local = city.local_key()
    city.request("PATCH", f"{API}/entities/{VAULT}", {"code": CODE + "-3"}, local)
    city.request("PATCH", f"{API}/entities/{PERSON}", {"telephone": PHONE + "0"}, local)
    city.request("PATCH", f"{API}/entities/{PERSON}", {"telephone": PHONE}, local)
    city.request("PATCH", f"{API}/entities/{PERSON}", {"badge": "Sora"}, local)
    told = b""
    while b"badge" not in told:
        told += answer.readline()
    connection.close()
    assert b"telephone" not in told
    assert b"555" not in told
    assert b"Vault" not in told
