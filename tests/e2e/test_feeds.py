"""Feeds as a city runs them: declared in files, added on the terminal, read from a publisher."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.feed_city import ENVIRON, HEAD, City
from tests.e2e.publisher import Asked, Publisher, Told
from tests.e2e.server import API, Server

TREES = f'kind = "plain"\nurl = "{{url}}/trees"\n{HEAD}[parameters]\ntype = "Tree"\n'
OAK = {"id": "1", "height": 12.5, "time": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("feeds") / "data"
    with Server(folder, environ=ENVIRON) as running:
        yield running


@pytest.fixture
def city(server: Server, tmp_path: Path) -> Iterator[City]:
    with Publisher() as publisher:
        one = City(server, publisher, tmp_path)
        yield one
        found: Any = server.request("GET", "/sense/feeds").json()
        for feed in found:
            server.request("DELETE", f"/sense/feeds/{feed['name']}")


# --- on the terminal ----------------------------------------------------------------------------


def test_a_feed_is_tried_added_listed_run_switched_and_removed(city: City) -> None:
    city.publisher.pages["/trees"] = [OAK | {"id": "trial"}, {"id": "2", "height": 3}, 7]
    file = city.write("trees", TREES.replace("type =", 'records = ""\ntype ='))
    tried = city.madang("try", file)
    assert tried.returncode == 1  # one record is bad
    assert "Tree: 2 entities" in tried.stdout
    assert "nothing was written" in tried.stdout
    assert "is no JSON object" in tried.stderr
    assert city.server.request("GET", f"{API}/entities/urn:ngsi-ld:Tree:trial").status == 404
    city.good("add", file)
    city.settled("trees")
    assert city.value("urn:ngsi-ld:Tree:trial", "height") == 12.5
    assert "trees" in city.good("list")
    shown = city.good("show", "trees")
    assert "entities: 2" in shown
    assert 'kind = "plain"' in shown
    assert "2 written" in city.good("run", "trees")
    city.good("off", "trees")
    assert "off" in city.good("list")
    city.good("on", "trees")
    again = city.madang("add", file)
    assert again.returncode != 0
    assert "already" in again.stderr
    city.good("add", file, "--replace")
    city.good("remove", "trees", "--yes")
    assert "no feeds yet" in city.good("list")
    assert city.value("urn:ngsi-ld:Tree:trial", "height") == 12.5  # what it wrote stays


def test_a_file_that_cannot_be_used_is_told_on_the_terminal(city: City) -> None:
    done = city.madang("add", city.write("trees", TREES.replace("every", "evry")))
    assert done.returncode != 0
    assert "every: is missing" in done.stderr or "did you mean 'every'" in done.stderr
    assert "oslo-bikes" in city.good("examples")
    assert 'kind = "gbfs"' in city.good("examples", "oslo-bikes")


def test_bad_records_are_among_the_dead_letters(city: City) -> None:
    city.publisher.pages["/trees"] = {"trees": [OAK, "no tree"]}
    city.add("letters", TREES.replace("type =", 'records = "trees"\ntype ='))
    city.run("letters")
    found: Any = city.server.request("GET", "/sense/letters").json()
    mine = [one for one in found["letters"] if one["address"] == "feed:letters"]
    assert [(one["reason"], one["detail"]) for one in mine] == [("badRow", "record 2 is no object")]


def test_the_limits_of_a_feed_flag_its_values(city: City) -> None:
    city.publisher.pages["/trees"] = [OAK | {"id": "tall", "height": 250}]
    city.add("trees", TREES + "[limits.height]\nfail_above = 120\n")
    height = city.get("/entities/urn:ngsi-ld:Tree:tall")["height"]
    assert height["quality"]["value"] == "fail"
    assert "range" in height["qualityReason"]["value"]


# --- publishers of every mood -------------------------------------------------------------------


def test_what_has_not_changed_is_neither_sent_nor_written(city: City) -> None:
    city.publisher.pages["/trees"] = [OAK]
    city.add("trees", TREES)
    before = city.get("/entities/urn:ngsi-ld:Tree:1?options=sysAttrs")
    city.server.request("PATCH", "/sense/feeds/trees", {"on": True})
    state = city.settled("trees", lambda one: one["readings"] == 2)
    assert state["changedAt"] < state["goodAt"]
    assert "if-none-match" in city.publisher.asked[-1].headers
    assert city.get("/entities/urn:ngsi-ld:Tree:1?options=sysAttrs") == before


@pytest.mark.parametrize(
    ("page", "trouble", "said"),
    [
        (Told(status=500), "unavailable", "answers 500"),
        (Told(status=429, headers={"Retry-After": "600"}), "unavailable", "asks to wait 600 s"),
        (Told(status=410), "refused", "answers 410"),
        (Told(b'[{"id": ', headers={"Content-Type": "application/json"}), "", ""),
        (Told(b"<html>Down</html>"), "unusable", "web page"),
        (Told(b"[]", after_s=1.5), "unavailable", "did not answer in time"),
        (
            Told(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}),
            "refused",
            "inside this city's network",
        ),
        (
            Told(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}),
            "refused",
            "feed_max_bytes",
        ),
    ],
    ids=["500", "429", "410", "broken", "web page", "slow", "private", "bomb"],
)
def test_a_publisher_in_trouble_is_told_and_left_alone(
    city: City, page: Told, trouble: str, said: str
) -> None:
    city.publisher.pages["/trees"] = page
    state = city.add("trees", TREES)
    assert (state["trouble"] or "") == trouble
    assert said in state["error"]
    if trouble:
        assert state["failures"] == 1
        assert state["nextAt"] > state["triedAt"]
    else:  # what could be read before the break is taken, the rest is a bad record
        assert state["bad"] == 1
    assert city.server.request("GET", "/ready").status == 200


def test_an_alarm_is_raised_for_a_no_and_ends_when_the_feed_is_back(city: City) -> None:
    alert = "urn:ngsi-ld:Alert:feedFailing:trees"
    city.add("trees", TREES)  # there is no such page
    assert "404" in city.value(alert, "description")
    city.publisher.pages["/trees"] = [OAK]
    assert "done" in city.run("trees")
    assert "validTo" in city.get(f"/entities/{alert}")


# --- every kind ---------------------------------------------------------------------------------

MAPPING = """
[mapping]
[[mapping.entity]]
id = "urn:ngsi-ld:Tree:{KIND}:{code}"
type = "Tree"
[mapping.entity.attributes]
height = { column = "height", unit = "MTR" }
"""
TABLE = [{"code": "1", "height": 12.5}, {"code": "2", "height": 3}]


def ckan(asked: Asked) -> dict[str, Any]:
    rows = TABLE[int(asked.query["offset"]) :][: int(asked.query["limit"])]
    return {"success": True, "result": {"records": rows, "total": len(TABLE)}}


def socrata(asked: Asked) -> list[dict[str, Any]]:
    rows = [{":updated_at": "2026-01-01T00:00:00.000Z"} | one for one in TABLE]
    return rows[int(asked.query["$offset"]) :][: int(asked.query["$limit"])]


def features(asked: Asked) -> dict[str, Any]:
    at = int(asked.query.get("offset", "0"))
    made = [
        {"type": "Feature", "id": one["code"], "geometry": None, "properties": one} for one in TABLE
    ]
    links = [] if at else [{"rel": "next", "href": "items?offset=1&limit=1"}]
    return {"type": "FeatureCollection", "features": made[at : at + 1], "links": links}


CAP = """<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>E2E-1</identifier>
<sender>kma.go.kr</sender><sent>2026-07-01T14:55:00+09:00</sent><status>Actual</status>
<msgType>Alert</msgType><scope>Public</scope><info><category>Met</category><event>Rain</event>
<urgency>Immediate</urgency><severity>Extreme</severity><certainty>Observed</certainty>
<area><areaDesc>Seoul</areaDesc><circle>37.5,127.0 5</circle></area></info></alert>"""
PLACE = {
    "id": 7,
    "name": "Seoul",
    "coordinates": {"latitude": 37.5, "longitude": 127.0},
    "sensors": [{"id": 70, "parameter": {"name": "pm25", "units": "µg/m³"}}],
}
LATEST = {"sensorsId": 70, "value": 8.5, "datetime": {"utc": "2026-01-01T20:00:00Z"}}
BIKES = {
    "stationId": "ST-4",
    "stationName": "망원역",
    "rackTotCnt": "15",
    "parkingBikeTotCnt": "3",
    "stationLatitude": "37.555",
    "stationLongitude": "126.910",
}

KINDS: dict[str, tuple[str, dict[str, Any], str, str, Any]] = {
    "ckan": (
        'kind = "ckan"\nurl = "{url}"\n'
        '[parameters]\nresource = "r"\nsource = "datastore"\npage = 1\n',
        {"/api/3/action/datastore_search": ckan},
        "urn:ngsi-ld:Tree:ckan:2",
        "height",
        3,
    ),
    "socrata": (
        'kind = "socrata"\nurl = "{url}/resource/a.json"\n[parameters]\npage = 1\n',
        {"/resource/a.json": socrata},
        "urn:ngsi-ld:Tree:socrata:2",
        "height",
        3,
    ),
    "ogc-features": (
        'kind = "ogc-features"\nurl = "{url}/collections/trees/items"\n',
        {"/collections/trees/items": features},
        "urn:ngsi-ld:Tree:ogc-features:2",
        "height",
        3,
    ),
    "cap": (
        'kind = "cap"\nurl = "{url}/cap"\n',
        {"/cap": CAP},
        "urn:ngsi-ld:Alert:cap:E2E-1",
        "severity",
        "critical",
    ),
    "openaq": (
        'kind = "openaq"\nurl = "{url}/v3"\nkey = "city"\nheaders = { X-API-Key = "{key}" }\n'
        "[parameters]\nlocations = [7]\n",
        {"/v3/locations/7": {"results": [PLACE]}, "/v3/locations/7/latest": {"results": [LATEST]}},
        "urn:ngsi-ld:AirQualityObserved:openaq:7",
        "pm25",
        8.5,
    ),
    "seoul": (
        'kind = "seoul"\nurl = "{url}"\nkey = "city"\n[parameters]\nservice = "bikeList"\n',
        {
            "/s3cret/json/bikeList/1/1000/": {
                "rentBikeStatus": {"RESULT": {"CODE": "INFO-000"}, "row": [BIKES]}
            }
        },
        "urn:ngsi-ld:BikeHireDockingStation:Ttareungyi:ST-4",
        "availableBikeNumber",
        3,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_publishers_of_each_kind_tell_becomes_entities(city: City, kind: str) -> None:
    text, pages, id, name, value = KINDS[kind]
    city.publisher.pages.update(pages)
    begin, _, parameters = text.partition("[parameters]")
    text = begin + HEAD + (f"[parameters]{parameters}" if parameters else "")
    if ":Tree:" in id:
        text += MAPPING.replace("{KIND}", kind)
    state = city.add(kind, text)
    assert state["error"] == ""
    assert state["bad"] == 0
    assert city.value(id, name) == value
    shown = city.server.request("GET", f"/sense/feeds/{kind}")
    assert b"s3cret" not in shown.body


# --- a hub that is killed -----------------------------------------------------------------------


def test_a_killed_hub_goes_on_with_its_feeds_where_it_was(tmp_path: Path) -> None:
    with Publisher() as publisher:
        publisher.pages["/trees"] = [OAK]
        server = Server(tmp_path / "data", environ=ENVIRON, open=False)
        server.start()
        try:
            body = {"name": "trees", "text": TREES.replace("{url}", publisher.url)}
            key = server.local_key()
            assert server.request("POST", "/sense/feeds", body).status == 401
            assert server.request("POST", "/sense/feeds", body, key).status == 201
            server.wait_for(lambda: _readings(server) == 1)
            time.sleep(1)  # until what is known of the feed is on the disk, too
            server.kill()
            server.start()
            key = server.local_key()
            tree: Any = server.request("GET", f"{API}/entities/urn:ngsi-ld:Tree:1", headers=key)
            assert tree.json()["height"]["value"] == 12.5
            assert _readings(server) == 1
            assert publisher.count("/trees") == 1  # it is not due yet
        finally:
            server.kill()


def _readings(server: Server) -> int:
    answer: Any = server.request("GET", "/sense/feeds/trees", headers=server.local_key())
    return int(answer.json()["readings"])
