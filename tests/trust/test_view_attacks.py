"""Nothing about what is out of reach can be learned: a view answers every request byte for byte as
a city would that has no more than what is to be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.trust.twin import REACHES, Twin, twin

POINT = "geometry=Point&coordinates=[127.1,37.6]"
QUERIES = [
    # q, with every operator, turned round, and where it is absent
    "entities?q=gold&count=true",
    "entities?q=gold==100",
    "entities?q=!gold&count=true",
    "entities?q=gold!=1&local=true",
    "entities?type=Person&q=phone",
    "entities?type=Person&q=!phone&count=true",
    "entities?type=Person&q=phone==%22010-1234%22",
    "entities?type=Person&q=phone!=%22010-1234%22",
    "entities?type=Person&q=phone~=%22%5E010%22",
    "entities?type=Person&q=phone!~=%22%5E010%22",
    "entities?type=Shop,Person&q=phone%3E%220%22",
    "entities?type=Person&q=(phone==%22010-1234%22|nick==%22lee%22);!gold",
    "entities?type=Person&q=phone.source==%22census%22",
    "entities?type=Person&q=phone.modifiedAt%3E2020-01-01T00:00:00Z",
    "entities?type=Person&q=modifiedAt%3E2025-10-10T20:00:00Z",
    "entities?type=Person&q=modifiedAt%3C=2025-10-10T20:00:00Z&options=sysAttrs",
    "entities?q=flow%3E1&count=true",
    "entities?type=Meter&q=!secret&count=true",
    # behind relationships
    "entities?q=near%7Bphone%7D&join=inline",
    "entities?q=near%7Bphone%7D==%22010-1234%22&join=inline",
    "entities?q=near%7BPerson:nick%7D==%22kim%22&join=flat",
    "entities?q=!near%7Bnick%7D&join=flat",
    "entities?q=knows%7Bphone%7D~=%22.*%22&join=inline",
    "entities?q=owns%7Bgold%7D%3E5&join=inline",
    "entities?q=sells%7Bgold%7D==100&join=inline&count=true",
    "entities?q=near%7Bknows%7Bphone%7D%7D&join=inline&joinLevel=2",
    "entities?q=near%7Bknows%7Bnick%7D%7D&join=inline&joinLevel=2",
    "entities?q=near%7BmodifiedAt%7D%3E2025-10-10T20:00:00Z&join=inline",
    # order, pages, counts
    "entities?type=Person&orderBy=phone",
    "entities?type=Person,Shop&orderBy=phone;desc&limit=1",
    "entities?type=Person,Shop&orderBy=phone;desc&limit=1&offset=1&count=true",
    "entities?local=true&orderBy=modifiedAt;desc&limit=3",
    "entities?local=true&orderBy=home;dist-asc&orderFrom=[127,37]",
    "entities?local=true&orderBy=gold",
    "entities?local=true&limit=2&offset=2&count=true",
    "entities?local=true&limit=0&count=true",
    "entities?type=Vault&count=true&limit=0",
    "entities?type=Vault,Shop&count=true",
    "entities?type=Meter&count=true&limit=1",
    "entities?scopeQ=/water/%23&type=*&local=true&count=true",
    "entities?scopeQ=/gas&type=Meter&count=true",
    # places
    f"entities?georel=near;maxDistance==1000&{POINT}&geoproperty=home&count=true",
    f"entities?georel=near;minDistance==1000&{POINT}&geoproperty=home",
    f"entities?georel=disjoint&{POINT}&geoproperty=home",
    "entities?georel=near;maxDistance==10&geometry=Point&coordinates=[127,37.5]&count=true",
    # ids, patterns, attributes, projection
    "entities?idPattern=%5Eurn:vault&local=true&count=true",
    "entities?idPattern=.*:1&local=true",
    "entities?id=urn:vault:1,urn:bench:1&local=true&count=true",
    "entities?attrs=phone&count=true",
    "entities?attrs=gold,seats&count=true",
    "entities?attrs=home,flow",
    "entities?type=Person&pick=phone",
    "entities?type=Person&pick=id,phone,nick",
    "entities?type=Person&omit=nick",
    "entities?type=Person&options=sysAttrs",
    "entities?type=Person&options=keyValues",
    "entities?local=true&join=inline&joinLevel=3",
    "entities?local=true&join=flat&joinLevel=3",
    "entities?local=true&join=inline&pick=id,near%7Bphone%7D",
    # single entities
    "entities/urn:vault:1",
    "entities/urn:vault:9",
    "entities/urn:person:1",
    "entities/urn:person:1?options=sysAttrs",
    "entities/urn:person:1?attrs=phone",
    "entities/urn:person:1?pick=phone",
    "entities/urn:person:2?type=Official",
    "entities/urn:person:1?join=inline&joinLevel=2",
    "entities/urn:shop:2",
    "entities/urn:shop:1?join=flat",
    "entities/urn:meter:1",
    "entities/urn:meter:2",
    "entities/urn:meter:3",
    # discovery
    "types",
    "types?details=true",
    "types/Vault",
    "types/Person",
    "types/Shop",
    "types/Meter",
    "types/Nothing",
    "attributes",
    "attributes?details=true",
    "attributes/phone",
    "attributes/gold",
    "attributes/home",
    "attributes/scope",
]


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[Twin]:
    async with twin(tmp_path) as found:
        yield found


@pytest.mark.parametrize("name", REACHES)
async def test_a_view_answers_as_a_city_without_the_rest(city: Twin, name: str) -> None:
    reach = REACHES[name]
    view, part = city.view(reach), await city.part(reach, name)
    for path in QUERIES:
        ours, theirs = await city.ask(view, path), await city.ask(part, path)
        assert ours.status == theirs.status, path
        assert ours.body == theirs.body, path
        assert list(ours.headers) == list(theirs.headers), path


@pytest.mark.parametrize("name", REACHES)
async def test_so_it_does_as_geojson_and_json_ld(city: Twin, name: str) -> None:
    reach = REACHES[name]
    view, part = city.view(reach), await city.part(reach, name)
    geo = "application/geo+json"
    asked = [(path, "application/ld+json") for path in QUERIES]
    for path in QUERIES:
        if path.startswith("entities"):
            more = f"{path}{'&' if '?' in path else '?'}geometryProperty=home"
            asked += [(path, geo), (more, geo)]
    for path, accept in asked:
        ours = await city.ask(view, path, accept=accept)
        theirs = await city.ask(part, path, accept=accept)
        assert (ours.status, ours.body) == (theirs.status, theirs.body), path


@pytest.mark.parametrize("name", REACHES)
async def test_so_it_does_to_queries_in_a_body(city: Twin, name: str) -> None:
    reach = REACHES[name]
    view, part = city.view(reach), await city.part(reach, name)
    bodies = [
        {"type": "Query", "entities": [{"type": "Person"}], "q": "phone"},
        {"type": "Query", "entities": [{"type": "*"}], "q": "!phone;!gold"},
        {"type": "Query", "entities": [{"id": "urn:vault:1", "type": "Vault"}]},
        {"type": "Query", "entities": [{"type": "Person"}], "ordering": {"orderBy": ["phone"]}},
        {"type": "Query", "attrs": ["phone", "gold"]},
        {
            "type": "Query",
            "entities": [{"type": "Person"}],
            "geoQ": {
                "georel": "near;maxDistance==100",
                "geometry": "Point",
                "coordinates": [127.1, 37.6],
                "geoproperty": "home",
            },
        },
    ]
    for body in bodies:
        ours = await city.ask(view, "entityOperations/query?count=true", body)
        theirs = await city.ask(part, "entityOperations/query?count=true", body)
        assert (ours.status, ours.body) == (theirs.status, theirs.body), body
        assert list(ours.headers) == list(theirs.headers), body


async def test_errors_do_not_tell_what_is_hidden_from_what_is_not_there(city: Twin) -> None:
    view = city.view(REACHES["both"])
    hidden = await city.ask(view, "entities/urn:vault:1")
    absent = await city.ask(view, "entities/urn:vault:8")
    assert hidden.status == absent.status == 404
    assert hidden.body.replace(b"vault:1", b"vault:8") == absent.body
    for path in ("entities/urn:person:1?attrs={}", "entities/urn:person:1?pick={}"):
        hidden = await city.ask(view, path.format("phone"))
        absent = await city.ask(view, path.format("fax"))
        assert hidden.body.replace(b"phone", b"fax") == absent.body


async def test_an_id_cannot_pass_for_a_type(city: Twin) -> None:
    view = city.view(REACHES["types"])
    trick = 'urn:x","type":"Bench'
    assert (await city.ask(view, f"entities/{quote(trick, safe='')}")).status in (400, 404)
