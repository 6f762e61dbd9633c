"""The temporal API over HTTP, on the server as a user runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.server import API, Answer, Server

PAST = f"{API}/temporal/entities"
NULL = "urn:ngsi-ld:null"
LD = {"Content-Type": "application/ld+json"}
_numbers = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    few = {"MADANG_MAX_INSTANCES": "15"}
    with Server(tmp_path_factory.mktemp("temporal") / "data", environ=few) as running:
        yield running


@pytest.fixture
def id() -> str:
    """An entity that no other test knows."""
    return f"urn:ngsi-ld:Car:{next(_numbers)}"


@pytest.fixture(scope="module")
def known(server: Server) -> str:
    """An entity with one instance, for tests that change nothing."""
    id = f"urn:ngsi-ld:Car:{next(_numbers)}"
    lived(server, id, speed=seen(1))
    return id


@pytest.fixture
def kind() -> str:
    """An entity type that no other test uses."""
    return f"Kind{next(_numbers)}"


def at(minute: int) -> str:
    return f"2026-03-01T{8 + minute // 60:02d}:{minute % 60:02d}:00Z"


def seen(*values: Any, start: int = 0, **members: Any) -> list[dict[str, Any]]:
    """Return instances of a Property, one a minute."""
    return [
        {"type": "Property", "value": value, "observedAt": at(start + n), **members}
        for n, value in enumerate(values)
    ]


def tell(server: Server, id: str, kind: str = "Car", **attributes: Any) -> Answer:
    return server.request("POST", PAST, {"id": id, "type": kind, **attributes})


def told(server: Server, id: str, kind: str = "Car", **attributes: Any) -> None:
    answer = tell(server, id, kind, **attributes)
    assert answer.status == 201, answer.body


def lived(server: Server, id: str, kind: str = "Car", **attributes: Any) -> None:
    """Let instances come in one after the other, as a sensor would send them."""
    steps = max(map(len, attributes.values()))
    updates = [
        {
            "id": id,
            "type": kind,
            **{name: all[n] for name, all in attributes.items() if n < len(all)},
        }
        for n in range(steps)
    ]
    answer = server.request("POST", f"{API}/entityOperations/upsert?options=update", updates)
    assert answer.status == 201, answer.body


def get(server: Server, path: str, status: int = 200) -> Any:
    answer = server.request("GET", f"{PAST}{path}")
    assert answer.status == status, answer.body
    return answer.json()


def values(body: Any, attribute: str = "speed", member: str = "value") -> list[Any]:
    return [one[member] for one in body.get(attribute, [])]


# --- telling -----------------------------------------------------------------------------------


def test_a_past_is_told_and_read_again(server: Server, id: str) -> None:
    answer = tell(server, id, speed=seen(1, 2, 3, unitCode="KMH"))
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["location"] == f"{PAST}/{id}"
    body = get(server, f"/{id}")
    assert [set(one) for one in body["speed"]] == 3 * [
        {"type", "value", "unitCode", "observedAt", "instanceId"}
    ]
    assert values(body) == [1, 2, 3]
    assert values(body, member="observedAt") == [at(0), at(1), at(2)]
    assert len(set(values(body, member="instanceId"))) == 3


def test_what_nobody_knew_is_a_current_entity_with_the_newest_instances(
    server: Server, id: str
) -> None:
    named: dict[str, Any] = {"datasetId": "urn:d:1"}
    gone = {"type": "Property", "value": NULL, "observedAt": at(9)}
    told(
        server, id, scope="/Seoul", speed=[*seen(3, 2, 1)[::-1], *seen(7, 8, **named)],
        fuel=[*seen(50), gone],
    )  # fmt: skip
    now: Any = server.request("GET", f"{API}/entities/{id}").json()
    assert now["scope"] == "/Seoul"
    assert sorted((one.get("datasetId", ""), one["value"]) for one in now["speed"]) == [
        ("", 1),
        ("urn:d:1", 8),
    ]
    assert "fuel" not in now
    body = get(server, f"/{id}")
    assert sorted(values(body)) == [1, 2, 3, 7, 8], "nothing twice"
    assert values(body, "fuel") == [50, NULL]


def test_telling_more_adds_replaces_and_unites_types(server: Server, id: str, kind: str) -> None:
    told(server, id, speed=seen(1, 2))
    more = tell(server, id, kind, speed=seen(9, 8, 7), fuel=seen(50))
    assert (more.status, more.body) == (204, b"")
    body = get(server, f"/{id}")
    assert values(body) == [9, 8, 7], "those of the same time took the places"
    assert body["type"] == ["Car", kind]
    assert [one["id"] for one in get(server, f"?type={kind}")] == [id]
    now: Any = server.request("GET", f"{API}/entities/{id}").json()
    assert now["speed"]["value"] == 2, "the current entity stays as it is"


def test_a_history_of_a_current_entity_can_be_told_of_too(server: Server, id: str) -> None:
    entity = {"id": id, "type": "Car", "speed": {"type": "Property", "value": 5}}
    assert server.request("POST", f"{API}/entities", entity).status == 201
    assert tell(server, id, speed=seen(1)).status == 204
    assert values(get(server, f"/{id}")) == [1, 5]


def test_attributes_are_added_to_a_history_only_if_there_is_one(server: Server, id: str) -> None:
    path = f"{PAST}/{id}/attrs"
    assert server.request("POST", path, {"fuel": seen(1)}).status == 404
    told(server, id, speed=seen(1))
    assert server.request("POST", path, {"fuel": seen(1, 2), "speed": 5}).status == 204
    body = get(server, f"/{id}")
    assert values(body, "fuel") == [1, 2]
    assert values(body) == [1, 5]
    assert "observedAt" not in body["speed"][1]


def test_every_kind_of_attribute_comes_back_as_it_was_told(server: Server, id: str) -> None:
    sub = {"type": "Property", "value": 0.5}
    told_of = {
        "number": {"type": "Property", "value": 1.5, "observedAt": at(0), "accuracy": sub},
        "whole": {"type": "Property", "value": 12345678901234567, "observedAt": at(0)},
        "text": {"type": "Property", "value": "12", "observedAt": at(0)},
        "flag": {"type": "Property", "value": False, "observedAt": at(0)},
        "object": {"type": "Property", "value": {"a": [1, "2"]}, "observedAt": at(0)},
        "place": {
            "type": "GeoProperty", "observedAt": at(0),
            "value": {"type": "Point", "coordinates": [127.1, 37.5]},
        },
        "owner": {"type": "Relationship", "object": "urn:a:1", "observedAt": at(0)},
        "label": {"type": "LanguageProperty", "languageMap": {"ko": "차"}, "observedAt": at(0)},
        "vocabulary": {"type": "VocabProperty", "vocab": ["a", "b"], "observedAt": at(0)},
        "json": {"type": "JsonProperty", "json": {"a": None}, "observedAt": at(0)},
        "list": {"type": "ListProperty", "valueList": [1, 2], "observedAt": at(0)},
        "owners": {
            "type": "ListRelationship", "objectList": [{"object": "urn:a:1"}], "observedAt": at(0),
        },
    }  # fmt: skip
    attributes: dict[str, Any] = {f"the{name.title()}": [one] for name, one in told_of.items()}
    told(server, id, **attributes)
    body = get(server, f"/{id}")
    for name, one in told_of.items():
        (shown,) = body[f"the{name.title()}"]
        del shown["instanceId"]
        assert shown == one, name


def test_names_are_expanded_and_compacted_by_the_context(server: Server, id: str) -> None:
    context = {"velocity": "https://example.org/speed"}
    body = {"id": id, "type": "Car", "velocity": seen(1), "@context": context}
    assert server.request("POST", PAST, body, LD).status == 201
    assert "https://example.org/speed" in get(server, f"/{id}")
    answer: Any = server.request(
        "GET", f"{PAST}/{id}", headers={"Accept": "application/ld+json"}
    ).json()
    assert "@context" in answer


def test_an_unknown_tenant_is_made_by_telling_alone(server: Server, id: str) -> None:
    tenant = {"NGSILD-Tenant": "past"}
    assert server.request("GET", f"{PAST}/{id}", headers=tenant).status == 404
    body = {"id": id, "type": "Car", "speed": seen(1)}
    assert server.request("POST", PAST, body, tenant).status == 201
    assert server.request("GET", f"{PAST}/{id}", headers=tenant).status == 200
    assert server.request("GET", f"{PAST}/{id}").status == 404


# --- what writes leave -------------------------------------------------------------------------


def test_every_write_is_an_instance_and_deletions_are_null(server: Server, id: str) -> None:
    entity = {
        "id": id, "type": "Car", "scope": "/A", "speed": seen(1)[0],
        "owner": {"type": "Relationship", "object": "urn:a:1"},
    }  # fmt: skip
    path = f"{API}/entities/{id}"
    assert server.request("POST", f"{API}/entities", entity).status == 201
    changed = {"speed": seen(2, start=5)[0], "scope": "/B"}
    assert server.request("PATCH", path, changed).status == 204
    for gone in ("speed", "owner", "scope"):
        assert server.request("DELETE", f"{path}/attrs/{gone}").status == 204
    body = get(server, f"/{id}?options=sysAttrs")
    assert values(body) == [1, 2, NULL]
    assert values(body, "owner", "object") == ["urn:a:1", NULL]
    assert values(body, "scope") == ["/A", "/B", []]
    first = body["scope"][0]
    assert first["observedAt"] == first["modifiedAt"]
    deletions = get(server, f"/{id}?timeproperty=deletedAt")
    assert values(deletions) == [NULL]
    assert all("deletedAt" in one[0] for one in (deletions["speed"], deletions["scope"]))


def test_a_deleted_entity_has_a_past(server: Server, id: str) -> None:
    entity = {"id": id, "type": "Car", "speed": seen(1)[0]}
    assert server.request("POST", f"{API}/entities", entity).status == 201
    assert server.request("DELETE", f"{API}/entities/{id}").status == 204
    body = get(server, f"/{id}")
    assert values(body)[0] == 1
    assert "deletedAt" in body


def test_an_entity_without_attributes_has_an_empty_past(server: Server, id: str) -> None:
    entity = {"id": id, "type": "Car"}
    assert server.request("POST", f"{API}/entities", entity).status == 201
    assert get(server, f"/{id}") == entity
    assert get(server, f"/{id}?type=Bus", 404)
    assert tell(server, id, speed=seen(1)).status == 204


# --- asking ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "kept"),
    [
        (f"timerel=before&timeAt={at(2)}", [0, 1]),
        (f"timerel=after&timeAt={at(2)}", [2, 3]),
        (f"timerel=between&timeAt={at(1)}&endTimeAt={at(3)}", [1, 2]),
        ("lastN=2", [3, 2]),
        (f"lastN=2&timerel=before&timeAt={at(3)}", [2, 1]),
        ("timerel=after&timeAt=2020-01-01T00:00:00Z&timeproperty=createdAt", [0, 1, 2, 3]),
    ],
)
def test_a_window_keeps_what_lies_in_it(
    server: Server, id: str, window: str, kept: list[int]
) -> None:
    lived(server, id, speed=seen(0, 1, 2, 3))
    assert values(get(server, f"/{id}?{window}")) == kept


def test_an_empty_window_leaves_the_bare_entity_or_no_entity(
    server: Server, id: str, kind: str
) -> None:
    lived(server, id, kind, speed=seen(1))
    window = "timerel=before&timeAt=2000-01-01T00:00:00Z"
    assert get(server, f"/{id}?{window}") == {"id": id, "type": kind}
    assert get(server, f"/{id}?{window}&attrs=speed") == {"id": id, "type": kind}
    assert get(server, f"/{id}?{window}&attrs=fuel", 404)["title"]
    assert get(server, f"/{id}?{window}&pick=speed", 404)["title"]
    assert get(server, f"?type={kind}&{window}") == []


def test_pairs_aggregates_and_texts_of_a_language(server: Server, id: str) -> None:
    label = {"type": "LanguageProperty", "languageMap": {"en": "red", "ko": "빨강"}}
    lived(
        server, id, speed=[*seen(1, 3), *seen(8, start=90)], label=[label | {"observedAt": at(0)}]
    )
    pairs = get(server, f"/{id}?format=temporalValues&lang=ko")
    assert pairs["speed"] == {
        "type": "Property",
        "values": [[1, at(0)], [3, at(1)], [8, at(90)]],
    }
    assert pairs["label"]["values"] == [["빨강", at(0)]]
    query = "options=aggregatedValues&aggrMethods=avg,totalCount&aggrPeriodDuration=PT1H"
    assert get(server, f"/{id}?{query}&attrs=speed")["speed"] == {
        "type": "Property",
        "avg": [[2.0, at(0), at(60)], [8.0, at(60), at(120)]],
        "totalCount": [[2, at(0), at(60)], [1, at(60), at(120)]],
    }


def test_periods_begin_at_the_start_of_the_window(server: Server, id: str) -> None:
    lived(server, id, speed=seen(1, 3))
    window = f"timerel=after&timeAt={at(-60)}"
    query = f"aggrMethods=sum&aggrPeriodDuration=PT2H&{window}"
    assert get(server, f"/{id}?{query}")["speed"]["sum"] == [[4.0, at(-60), at(60)]]


def test_entities_come_in_pages_with_a_count(server: Server, kind: str) -> None:
    ids = [f"urn:ngsi-ld:{kind}:{n}" for n in range(5)]
    for id in ids:
        lived(server, id, kind, speed=seen(1))
    answer = server.request("GET", f"{PAST}?type={kind}&limit=2&offset=2&count=true")
    assert [one["id"] for one in answer.json()] == ids[2:4]  # type: ignore[attr-defined]
    assert answer.headers["ngsild-results-count"] == "5"
    assert 'rel="next"' in answer.headers["link"]
    assert 'rel="prev"' in answer.headers["link"]
    falling = get(server, f"?type={kind}&orderBy=id;desc&limit=2")
    assert [one["id"] for one in falling] == [ids[4], ids[3]]


def test_values_places_and_scopes_count_inside_the_window_only(server: Server, kind: str) -> None:
    near = {"type": "Point", "coordinates": [127.0, 37.5]}
    far = {"type": "Point", "coordinates": [129.0, 35.1]}

    def place(value: Any, minute: int) -> dict[str, Any]:
        return {"type": "GeoProperty", "value": value, "observedAt": at(minute)}

    fast, slow = f"urn:ngsi-ld:{kind}:fast", f"urn:ngsi-ld:{kind}:slow"
    told(
        server, fast, kind, speed=[*seen(80), *seen(90, start=60)],
        location=[place(far, 0), place(near, 60)], scope=seen("/A", "/B"),
    )  # fmt: skip
    told(
        server, slow, kind, speed=[*seen(90), *seen(10, start=60)],
        location=[place(near, 0), place(far, 60)],
    )  # fmt: skip
    window = f"type={kind}&timerel=after&timeAt={at(30)}"
    circle = "georel=near;maxDistance==1000&geometry=Point&coordinates=[127.0,37.5]"
    for condition in ("q=speed>50", circle, "scopeQ=/B", "q=speed%3E50&scopeQ=/%23"):
        found = get(server, f"?{window}&{condition}".replace(">", "%3E"))
        assert [one["id"] for one in found] == [fast], condition
    assert get(server, f"?{window}&scopeQ=/A") == []


def test_a_body_asks_the_same(server: Server, id: str, kind: str) -> None:
    lived(server, id, kind, speed=seen(1, 2, 3))
    query = {
        "type": "Query",
        "entities": [{"type": kind}],
        "temporalQ": {"timerel": "after", "timeAt": at(1), "lastN": 1},
    }
    path = f"{API}/temporal/entityOperations/query"
    answer: Any = server.request("POST", f"{path}?options=temporalValues", query).json()
    assert answer[0]["speed"]["values"] == [[3, at(2)]]
    query["temporalQ"] = {"aggrMethods": "max"}
    answer = server.request("POST", path, query).json()
    assert answer[0]["speed"]["max"] == [[3.0, at(0), at(2)]]


def test_what_is_not_offered_is_refused(server: Server, id: str) -> None:
    lived(server, id, speed=seen(1))
    geo = {"Accept": "application/geo+json"}
    assert server.request("GET", f"{PAST}/{id}", headers=geo).status == 406
    assert server.request("GET", f"{PAST}?type=Car", headers=geo).status == 406
    assert get(server, f"/{id}?join=inline", 400)["title"]
    assert get(server, f"/{id}?options=keyValues", 400)["title"]
    assert server.request("HEAD", f"{PAST}/{id}").status == 200


def test_times_at_the_edges_of_the_calendar_are_times(server: Server, id: str) -> None:
    edges = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]
    lived(
        server, id, speed=[{"type": "Property", "value": 1, "observedAt": edge} for edge in edges]
    )
    assert values(get(server, f"/{id}"), member="observedAt") == edges
    for length in ("P1D", "P1000Y", "P9999Y"):
        query = f"aggrMethods=avg&aggrPeriodDuration={length}&timerel=after&timeAt={edges[1]}"
        assert get(server, f"/{id}?{query}")["speed"]["avg"] == [[1.0, edges[1], edges[1]]]
    instants = "timerel=after&timeAt=0001-01-01T00:00:00Z&aggrMethods=avg"
    assert get(server, f"/{id}?{instants}&aggrPeriodDuration=PT1S", 400)["title"]


# --- long answers ------------------------------------------------------------------------------


def covered(answer: Answer) -> tuple[str, str, str]:
    found = re.fullmatch(r"date-time (.+?Z)-(.+?Z)/(.+)", answer.headers["content-range"])
    assert found is not None
    start, end, size = found.groups()
    return start, end, size


def test_a_long_answer_is_cut_in_time_and_says_what_it_covers(server: Server, id: str) -> None:
    lived(server, id, speed=seen(*range(40)), fuel=seen(*range(40), start=60))
    answer = server.request("GET", f"{PAST}/{id}?timerel=after&timeAt={at(-10)}")
    body: Any = answer.json()
    start, end, size = covered(answer)
    assert (answer.status, start, size) == (206, at(-10), "*")
    assert values(body) == list(range(len(body["speed"])))
    assert 0 < len(body["speed"]) < 40
    assert body["speed"][-1]["observedAt"] == end
    assert body["fuel"] == []


def test_the_pages_of_a_window_together_are_the_window(server: Server, id: str) -> None:
    lived(server, id, speed=seen(*range(50)), fuel=seen(*range(50), start=20))
    found: dict[str, list[int]] = {"speed": [], "fuel": []}
    start = at(0)
    for _ in range(20):
        answer = server.request("GET", f"{PAST}/{id}?timerel=after&timeAt={start}")
        for name, all in found.items():
            all += values(answer.json(), name)
        if answer.status == 200:
            break
        start = covered(answer)[1].replace("Z", ".000001Z")
    assert found == {"speed": list(range(50)), "fuel": list(range(50))}


def test_the_newest_are_cut_backwards(server: Server, id: str) -> None:
    lived(server, id, speed=seen(*range(40)), fuel=seen(*range(40), start=60))
    window = f"timerel=before&timeAt={at(200)}"
    answer = server.request("GET", f"{PAST}/{id}?lastN=100&{window}&format=temporalValues")
    body: Any = answer.json()
    start, end, size = covered(answer)
    assert (answer.status, start, size) == (206, at(200), "100")
    assert body["fuel"]["values"][0] == [39, at(99)]
    assert body["fuel"]["values"][-1][1] == end
    assert body["speed"] == {"type": "Property", "values": []}


def test_an_entity_beyond_the_cut_is_listed_without_instances(server: Server, kind: str) -> None:
    early, late = f"urn:ngsi-ld:{kind}:1", f"urn:ngsi-ld:{kind}:2"
    lived(server, early, kind, speed=seen(*range(40)))
    lived(server, late, kind, speed=seen(1, 2, start=300))
    answer = server.request("GET", f"{PAST}?type={kind}&format=temporalValues")
    entities: Any = answer.json()
    assert answer.status == 206
    first, second = entities
    assert first["id"] == early
    assert second == {"id": late, "type": kind, "speed": {"type": "Property", "values": []}}


# --- correcting --------------------------------------------------------------------------------


def test_an_instance_is_corrected_member_by_member(server: Server, id: str) -> None:
    lived(server, id, speed=seen(1, 2, unitCode="KMH"))
    old = get(server, f"/{id}")["speed"]
    for place, change in ((0, {"value": 7}), (1, {"type": "Property", "observedAt": at(30)})):
        path = f"{PAST}/{id}/attrs/speed/{old[place]['instanceId']}"
        assert server.request("PATCH", path, change).status == 204
    new = get(server, f"/{id}?options=sysAttrs")["speed"]
    assert [one["instanceId"] for one in new] == [one["instanceId"] for one in old]
    assert [(one["value"], one["observedAt"], one["unitCode"]) for one in new] == [
        (7, at(0), "KMH"),
        (2, at(30), "KMH"),
    ]
    assert all(one["modifiedAt"] > one["createdAt"] for one in new)


@pytest.mark.parametrize(
    "change",
    [
        {}, {"value": NULL}, {"type": "Relationship", "object": "urn:a:1"}, {"observedAt": "soon"},
        {"value": 1, "datasetId": "urn:d:1"}, [], "x",
    ],
)  # fmt: skip
def test_a_wrong_correction_is_refused(server: Server, id: str, change: Any) -> None:
    lived(server, id, speed=seen(1))
    before = get(server, f"/{id}")
    path = f"{PAST}/{id}/attrs/speed/{before['speed'][0]['instanceId']}"
    assert server.request("PATCH", path, change).status == 400
    assert get(server, f"/{id}") == before


def test_instances_attributes_and_all_are_deleted(server: Server, id: str) -> None:
    named: dict[str, Any] = {"datasetId": "urn:d:1"}
    told(server, id, speed=[*seen(1, 2), *seen(3, **named), *seen(4, datasetId="urn:d:2")])
    first = get(server, f"/{id}")["speed"][0]["instanceId"]
    path = f"{PAST}/{id}/attrs/speed"
    assert server.request("DELETE", f"{path}/{first}").status == 204
    assert server.request("DELETE", f"{path}/{first}").status == 404
    assert values(get(server, f"/{id}")) == [2, 3, 4]
    assert server.request("DELETE", path).status == 204
    assert values(get(server, f"/{id}")) == [3, 4]
    assert server.request("DELETE", path).status == 404
    assert server.request("DELETE", f"{path}?datasetId=urn:d:1").status == 204
    assert server.request("DELETE", f"{path}?deleteAll=true").status == 204
    assert get(server, f"/{id}") == {"id": id, "type": "Car"}
    assert server.request("DELETE", f"{PAST}/{id}").status == 204
    assert server.request("DELETE", f"{PAST}/{id}").status == 404
    assert server.request("GET", f"{PAST}/{id}").status == 404
    assert server.request("GET", f"{API}/entities/{id}").status == 200, "the present stays"
    assert tell(server, id, speed=seen(1)).status == 201, "its past begins anew"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "", 405),
        ("GET", "/no-uri", 400),
        ("DELETE", "/no-uri", 400),
        ("POST", "//attrs", 400),
        ("DELETE", "//attrs/speed", 400),
        ("PATCH", "//attrs/speed/urn:i:1", 400),
        ("DELETE", "/{id}/attrs/invalid(Name", 400),
        ("DELETE", "/{id}/attrs/%2e%2e", 400),
        ("DELETE", "/{id}/attrs/id", 400),
        ("DELETE", "/{id}/attrs/unknown", 404),
        ("DELETE", "/urn:ngsi-ld:Car:unknown/attrs/speed", 404),
        ("PATCH", "/{id}/attrs/speed/", 405),
        ("PATCH", "/{id}/attrs//urn:i:1", 405),
        ("DELETE", "/{id}/attrs//urn:i:1", 400),
        ("PATCH", "/{id}/attrs/speed/no-uri", 400),
        ("DELETE", "/{id}/attrs/speed/no-uri", 400),
        ("PATCH", "/{id}/attrs/speed/urn:i:1", 404),
        ("DELETE", "/{id}/attrs/speed/urn:ngsi-ld:Instance:--1:00000000", 404),
        ("PATCH", "/{id}/attrs/fuel/urn:ngsi-ld:Instance:1:00000000", 404),
        ("POST", "/urn:ngsi-ld:Car:unknown/attrs", 404),
        ("DELETE", "/{id}?since=1", 400),
        ("DELETE", "/{id}/attrs/speed?lastN=1", 400),
        ("POST", "?options=update", 400),
    ],
)
def test_wrong_paths_answer_as_the_standard_says(
    server: Server, known: str, method: str, path: str, status: int
) -> None:
    body: dict[str, Any] | None = None
    if method == "PATCH":
        body = {"value": 1}
    elif method == "POST":
        body = {"id": known, "type": "Car", "speed": 1} if "attrs" not in path else {"speed": 1}
    answer = server.request(method, f"{PAST}{path.replace('{id}', known)}", body)
    assert answer.status == status, answer.body
    assert values(get(server, f"/{known}")) == [1]


@pytest.mark.parametrize(
    ("body", "type"),
    [
        (b"", "InvalidRequest"),
        (b"{", "InvalidRequest"),
        (b"[]", "InvalidRequest"),
        ({}, "InvalidRequest"),
        ({"type": "Car", "speed": 1}, "BadRequestData"),
        ({"id": "urn:a:x", "speed": 1}, "BadRequestData"),
        ({"id": "urn:a:x", "type": "Car"}, "BadRequestData"),
        ({"id": "urn:a:x", "type": "Car", "speed": seen(1), "@context": {}}, "BadRequestData"),
        ({"id": "urn:a:x", "type": "Car", "expiresAt": NULL, "speed": 1}, "BadRequestData"),
    ],
)
def test_what_is_no_past_is_refused(server: Server, body: Any, type: str) -> None:
    answer = server.request("POST", PAST, body)
    problem: Any = answer.json()
    assert answer.status == 400
    assert problem["type"].endswith(type)
    assert get(server, "/urn:a:x", 404)["title"]


def test_ids_that_need_escaping_are_found_again(server: Server) -> None:
    id = "urn:ngsi-ld:Car:한"
    location = tell(server, id, speed=seen(1)).headers["location"]
    assert location == f"{PAST}/{quote(id, safe=':')}"
    assert server.request("GET", location).status == 200


def test_the_past_outlives_the_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    running = Server(tmp_path_factory.mktemp("restart") / "data")
    running.start()
    told(running, "urn:ngsi-ld:Car:1", speed=seen(*range(5)))
    before = get(running, "/urn:ngsi-ld:Car:1")
    running.kill()
    running.start()
    assert get(running, "/urn:ngsi-ld:Car:1") == before
    running.stop()
