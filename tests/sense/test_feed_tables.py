"""Kinds whose records are anything: plain files, CKAN, Socrata, OGC API Features."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from madang.sense.feeds.errors import Refused, Unusable
from tests.sense.publisher import HEAD, publishing, read

MAPPING = """
[mapping]
[mapping.observed]
columns = "time"
[mapping.location]
longitude = "lon"
latitude = "lat"
[[mapping.entity]]
id = "urn:ngsi-ld:Tree:test:{code}"
type = "Tree"
[mapping.entity.attributes]
height = { column = "height", unit = "MTR" }
"""
RECORDS = [
    {
        "code": str(n),
        "lon": 127.0 + n / 10,
        "lat": 37.5,
        "time": "2026-01-01T00:00:00Z",
        "height": n,
    }
    for n in range(1, 6)
]
CSV = "code,lon,lat,time,height\n" + "".join(
    f"{one['code']},{one['lon']},{one['lat']},{one['time']},{one['height']}\n" for one in RECORDS
)


def plain(parameters: str = "", mapping: str = MAPPING) -> str:
    return f'kind = "plain"\nurl = "{{url}}/data"\n{HEAD}\n[parameters]\n{parameters}\n{mapping}'


def heights(found: Any) -> dict[str, float]:
    return {id.rsplit(":")[-1]: one["height"]["value"] for id, one in found.entities.items()}


ALL = {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}
FEATURES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": one["code"],
            "geometry": {"type": "Point", "coordinates": [one["lon"], one["lat"]]},
            "properties": one,
        }
        for one in RECORDS
    ],
}


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (CSV, ""),
        (CSV.encode("utf-16"), 'format = "csv"'),
        (RECORDS, ""),
        ({"data": {"trees": RECORDS}}, 'records = "data.trees"'),
        ({"all": [{"rows": RECORDS}]}, 'records = "all.0.rows"'),
        (FEATURES, ""),
        ("\n".join(str(one).replace("'", '"') for one in RECORDS), 'format = "lines"'),
    ],
    ids=["csv", "utf-16", "json", "path", "path with index", "geojson", "lines"],
)
async def test_files_of_every_make_become_the_same_entities(
    tmp_path: Path, body: Any, parameters: str
) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = body
        found = await read(publisher, tmp_path, plain(parameters))
    assert heights(found) == ALL
    tree = found.entities["urn:ngsi-ld:Tree:test:1"]
    assert tree["height"]["unitCode"] == "MTR"
    assert tree["height"]["observedAt"] == "2026-01-01T00:00:00Z"
    assert tree["location"]["value"]["coordinates"] == [127.1, 37.5]


async def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data.csv.gz"] = gzip.compress(CSV.encode())
        found = await read(publisher, tmp_path, plain().replace("/data", "/data.csv.gz"))
    assert heights(found) == ALL


async def test_a_bad_record_is_told_with_what_is_wrong(tmp_path: Path) -> None:
    records = [*RECORDS, RECORDS[0] | {"code": "6", "height": "tall"}, 7]
    async with publishing() as publisher:
        publisher.pages["/data"] = {"trees": records}
        found = await read(publisher, tmp_path, plain('records = "trees"'))
    assert heights(found) == ALL
    reasons = [one.reason for one in found.bad]
    assert reasons[0].startswith("record 6: height")
    assert reasons[1] == "record 7 is no object"
    assert found.bad[0].record == records[5]


async def test_without_a_mapping_the_records_are_looked_at(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = CSV
        found = await read(publisher, tmp_path, plain('type = "Tree"', ""))
    assert heights(found) == ALL
    assert set(found.entities) == {f"urn:ngsi-ld:Tree:{n}" for n in range(1, 6)}


async def test_entities_in_ngsi_ld_are_taken_as_they_are(tmp_path: Path) -> None:
    entity = {
        "id": "urn:ngsi-ld:Tree:9",
        "type": "Tree",
        "height": {"type": "Property", "value": 9},
    }
    async with publishing() as publisher:
        publisher.pages["/data"] = [entity]
        found = await read(publisher, tmp_path, plain("", ""))
    assert heights(found) == {"9": 9}


async def test_records_that_nothing_identifies_are_refused(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = [{"height": 1}, {"height": 2}]
        with pytest.raises(Unusable, match="identifies"):
            await read(publisher, tmp_path, plain("", ""))


@pytest.mark.parametrize(
    ("body", "parameters", "said"),
    [
        ("<html>Sorry</html>", "", "web page"),
        ({"a": 1}, 'records = "b"', "nothing is at 'b'"),
        ('{"trees": [', 'records = "trees"', "no valid JSON"),
    ],
)
async def test_what_is_not_what_was_expected_is_told(
    tmp_path: Path, body: Any, parameters: str, said: str
) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = body
        with pytest.raises(Unusable, match=said):
            await read(publisher, tmp_path, plain(parameters))


# --- CKAN (docs.ckan.org, Action API v3) --------------------------------------------------------

CKAN = f'kind = "ckan"\nurl = "{{url}}"\n{HEAD}\n[parameters]\nresource = "r-1"\n'


def datastore(request: web.Request) -> dict[str, Any]:
    """Answer datastore_search as CKAN does."""
    assert request.query["resource_id"] == "r-1"
    begin, size = int(request.query["offset"]), int(request.query["limit"])
    rows = [{"_id": n} | one for n, one in enumerate(RECORDS, start=1)]
    result = {"resource_id": "r-1", "records": rows[begin : begin + size], "total": len(rows)}
    return {"help": "…", "success": True, "result": result}


async def test_a_ckan_table_is_read_page_by_page(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/api/3/action/resource_show"] = {
            "success": True,
            "result": {"id": "r-1", "datastore_active": True},
        }
        publisher.pages["/api/3/action/datastore_search"] = datastore
        found = await read(publisher, tmp_path, f"{CKAN}page = 2\n{MAPPING}")
        again = await read(publisher, tmp_path, f"{CKAN}page = 2\n{MAPPING}")
    assert heights(found) == ALL
    assert not again.entities
    offsets = [one.query["offset"] for one in publisher.asked if "offset" in one.query]
    assert offsets == ["0", "2", "4"] * 2


async def test_a_ckan_file_is_found_by_its_resource(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/api/3/action/resource_show"] = {
            "success": True,
            "result": {"url": f"{publisher.url}/trees", "format": "CSV", "datastore_active": False},
        }
        publisher.pages["/trees"] = CSV
        found = await read(publisher, tmp_path, CKAN + MAPPING)
    assert heights(found) == ALL


async def test_what_ckan_refuses_is_told(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/api/3/action/datastore_search"] = {
            "success": False,
            "error": {"__type": "Not Found Error", "message": "Not found: Resource was not found."},
        }
        with pytest.raises(Refused, match="Resource was not found"):
            await read(publisher, tmp_path, f'{CKAN}source = "datastore"\n{MAPPING}')


# --- Socrata (dev.socrata.com, SODA 2.1) --------------------------------------------------------

SOCRATA = (
    f'kind = "socrata"\nurl = "{{url}}/resource/abcd-1234.json"\n{HEAD}\n[parameters]\npage = 2\n'
)


async def test_a_socrata_table_is_read_in_pages_and_then_only_what_changed(tmp_path: Path) -> None:
    rows = [
        {":id": f"row-{n}", ":updated_at": f"2026-01-0{n}T00:00:00.000Z"} | one
        for n, one in enumerate(RECORDS, start=1)
    ]

    def page(request: web.Request) -> list[dict[str, Any]]:
        begin, size = int(request.query["$offset"]), int(request.query["$limit"])
        where = request.query.get("$where", "")
        since = where.partition("'")[2].rstrip("'")
        assert request.query["$order"] == ":updated_at, :id"
        assert request.query["$select"] == ":*, *"
        return [row for row in rows if str(row[":updated_at"]) >= since][begin : begin + size]

    async with publishing() as publisher:
        publisher.pages["/resource/abcd-1234.json"] = page
        first = await read(publisher, tmp_path, SOCRATA + MAPPING)
        rows[0] |= {":updated_at": "2026-01-06T00:00:00.000Z", "height": 11}
        again = await read(publisher, tmp_path, SOCRATA + MAPPING, first.notes)
    assert heights(first) == ALL
    assert heights(again) == {"1": 11, "5": 5}
    assert publisher.asked[-1].query["$where"] == ":updated_at >= '2026-01-05T00:00:00.000Z'"


# --- OGC API Features (OGC 17-069r4) ------------------------------------------------------------

OGC = f'kind = "ogc-features"\nurl = "{{url}}/collections/trees/items"\n{HEAD}\n[parameters]\n'


async def test_features_are_read_by_their_next_links(tmp_path: Path) -> None:
    def page(request: web.Request) -> dict[str, Any]:
        begin = int(request.query.get("offset", "0"))
        assert request.headers["Accept"].startswith("application/geo+json")
        links = [{"rel": "self", "href": str(request.url)}]
        if begin + 2 < len(RECORDS):
            links.append({"rel": "next", "href": f"items?limit=2&offset={begin + 2}"})
        return FEATURES | {"features": FEATURES["features"][begin : begin + 2], "links": links}

    async with publishing() as publisher:
        publisher.pages["/collections/trees/items"] = page
        text = f'{OGC}limit = 2\nbbox = [126, 37, 128, 38]\ndatetime = "2026-01-01/.."\n{MAPPING}'
        found = await read(publisher, tmp_path, text)
    assert heights(found) == ALL
    first, second, third = publisher.asked
    assert first.query["bbox"] == "126,37,128,38"
    assert first.query["datetime"] == "2026-01-01/.."
    assert (second.query["offset"], third.query["offset"]) == ("2", "4")


async def test_next_links_that_go_round_end(tmp_path: Path) -> None:
    async with publishing() as publisher:
        here = f"{publisher.url}/collections/trees/items?limit=1000"
        content = FEATURES | {"links": [{"rel": "next", "href": here}]}
        publisher.pages["/collections/trees/items"] = content
        found = await read(publisher, tmp_path, OGC + MAPPING)
    assert heights(found) == ALL


async def test_an_answer_that_is_no_collection_is_told(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/collections/trees/items"] = {"code": "NotFound"}
        with pytest.raises(Unusable, match="FeatureCollection"):
            await read(publisher, tmp_path, OGC + MAPPING)
