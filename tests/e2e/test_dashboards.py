"""Dashboards from outside: who may make, change, see and publish them, and what they show."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.e2e.small_city import CLOSED, OPEN, PAGE, City, small_city

NOBODY: dict[str, str] = {}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with small_city(tmp_path_factory.mktemp("boards")) as opened:
        yield opened


@pytest.fixture(scope="module")
def people(city: City) -> dict[str, dict[str, str]]:
    roles = ("citizen", "analyst", "department", "operator")
    return {role: city.person(f"a-{role}", role) for role in roles} | {
        "other": city.person("another", "analyst")
    }


def board(visibility: str = "private", **more: Any) -> dict[str, Any]:
    tiles = [
        {"kind": "number", "title": {"en": "Dust"}, "type": OPEN, "attribute": "pm25", "of": "max"},
        {"kind": "number", "title": {"en": "Noise"}, "type": CLOSED, "attribute": "LAeq"},
    ]
    return {"title": {"en": "Mine"}, "visibility": visibility, "tiles": tiles} | more


def put(
    city: City, name: str, who: dict[str, str], content: dict[str, Any], revision: int | None = None
) -> int:
    body: dict[str, Any] = {"content": content}
    if revision is not None:
        body["revision"] = revision
    return city.ask("PUT", f"/dashboards/{name}", body, who).status


def test_a_dashboard_is_kept_changed_and_removed(
    city: City, people: dict[str, dict[str, str]]
) -> None:
    mine = people["analyst"]
    assert put(city, "first", mine, board()) == 201
    kept: Any = city.ask("GET", "/dashboards/first", who=mine).json()
    assert (kept["revision"], kept["tiles"], kept["mayChange"]) == (1, 2, True)
    assert kept["owner"] == "a-analyst"
    assert put(city, "first", mine, kept["content"] | {"title": {"ko": "내 것"}}, 1) == 200
    again: Any = city.ask("GET", "/dashboards/first", who=mine).json()
    assert again["content"]["title"] == {"ko": "내 것"}
    assert put(city, "first", mine, board(), 1) == 409
    assert city.ask("DELETE", "/dashboards/first", who=mine).status == 204
    assert city.ask("GET", "/dashboards/first", who=mine).status == 404


def test_who_sees_a_dashboard_follows_from_how_it_is_shared(
    city: City, people: dict[str, dict[str, str]]
) -> None:
    mine, boss = people["analyst"], people["operator"]
    for visibility in ("private", "signedIn"):
        assert put(city, visibility.lower(), mine, board(visibility)) == 201
    assert put(city, "public", boss, board("public")) == 201

    def seen(who: dict[str, str]) -> set[str]:
        found: Any = city.ask("GET", "/dashboards", who=who).json()
        return {one["name"] for one in found}

    assert {"private", "signedin", "public", "city"} <= seen(mine)
    assert "private" in seen(boss)
    assert seen(people["citizen"]) >= {"signedin", "public", "city"}
    assert "private" not in seen(people["citizen"]) | seen(people["other"])
    assert seen(NOBODY) >= {"public", "city"}
    assert not seen(NOBODY) & {"private", "signedin"}
    for name, expected in (("private", 404), ("signedin", 404), ("public", 200)):
        page = city.server.request("GET", f"/city/dashboards/{name}", headers=PAGE)
        assert page.status == expected, name


def test_who_may_change_what(city: City, people: dict[str, dict[str, str]]) -> None:
    mine, other = people["department"], people["other"]
    assert put(city, "ours", mine, board("signedIn")) == 201
    assert put(city, "ours", other, board("signedIn")) == 403
    assert city.ask("DELETE", "/dashboards/ours", who=other).status == 403
    assert put(city, "ours", people["operator"], board("signedIn")) == 200
    assert put(city, "ours", mine, board("public")) == 403  # publishing is for who manages
    assert put(city, "ours", people["operator"], board("public")) == 200
    assert put(city, "theirs", people["citizen"], board()) == 403
    assert put(city, "theirs", NOBODY, board()) == 401


def test_the_page_of_the_city_is_changed_by_who_manages_and_comes_back(
    city: City, people: dict[str, dict[str, str]]
) -> None:
    changed = board("public", title={"en": "Our city"})
    assert put(city, "city", people["analyst"], changed) == 403
    assert put(city, "city", people["operator"], board("private")) == 400
    assert put(city, "city", people["operator"], changed) == 201
    assert "<h1>Our city</h1>" in city.page("/city")
    assert city.ask("DELETE", "/dashboards/city", who=people["operator"]).status == 204
    assert "<h1>City in a minute</h1>" in city.page("/city")
    assert city.ask("DELETE", "/dashboards/city", who=people["operator"]).status == 404


def test_page_and_facts_show_the_same_and_to_each_what_they_may_see(
    city: City, people: dict[str, dict[str, str]]
) -> None:
    assert put(city, "shared", people["operator"], board("public")) == 201

    def facts(who: dict[str, str]) -> list[dict[str, Any]]:
        found: Any = city.ask("GET", "/dashboards/shared/facts", who=who).json()
        tiles: list[dict[str, Any]] = found["tiles"]
        return tiles

    dust, noise = facts(NOBODY)
    assert noise == {"kind": "number", "missing": "type"}
    page = city.page("/city/dashboards/shared")
    assert f'<p class="big">{dust["value"]:.{dust["digits"]}f} ' in page
    assert "61.5" not in page
    _, noise = facts(people["analyst"])
    assert (noise["value"], noise["unit"], noise["entities"]) == (61.5, "dB", 3)
    assert noise["judgements"][0]["grade"]["en"] == "met"


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("avg", 21.0),
        ("max", 22.0),
        ("min", 20.0),
        ("count", 24.0),
        ("sum", 504.0),
    ],
)
def test_what_values_come_to(city: City, of: str, expected: float) -> None:
    tile = {
        "kind": "number", "title": {"en": "N"}, "type": OPEN, "attribute": "pm25", "of": of,
    }  # fmt: skip
    (fact,) = tried(city, tile)
    assert fact["value"] == pytest.approx(expected)
    assert fact["entities"] == 24
    if of != "count":
        assert len(fact["course"]) >= 20
        assert fact["course"][-1][1] == pytest.approx(expected)


def test_groups_are_compared(city: City) -> None:
    tile = {
        "kind": "number", "title": {"en": "N"}, "type": OPEN, "attribute": "pm25",
        "by": "areaServed", "q": "pm25<21",
    }  # fmt: skip
    (fact,) = tried(city, tile)
    assert {(one["name"], one["entities"]) for one in fact["groups"]} == {("East", 4), ("West", 4)}


def test_charts_have_a_line_for_each_group(city: City) -> None:
    tile = {"kind": "chart", "title": {"en": "C"}, "type": OPEN, "attribute": "pm25"}
    alone, split = tried(city, tile, {**tile, "by": "areaServed"})
    assert len(alone["series"]) == 1
    assert {one["label"] for one in split["series"]} == {"East", "West"}
    assert all(len(one["at"]) == len(one["value"]) >= 20 for one in split["series"])


def test_tables_are_sorted_and_cut(city: City) -> None:
    tile = {
        "kind": "table", "title": {"en": "T"}, "type": OPEN, "columns": ["pm25", "areaServed"],
        "order": "pm25", "descending": True, "limit": 5,
    }  # fmt: skip
    (fact,) = tried(city, tile)
    values = [row["cells"][0]["value"] for row in fact["rows"]]
    assert values == [22.0] * 5
    assert fact["count"] == 24
    assert fact["rows"][0]["cells"][1]["value"] in ("East", "West")


def test_bands_of_a_tile_judge_in_place_of_guidelines(city: City) -> None:
    bands = [{"upto": 20, "kind": "good"}, {"kind": "bad", "title": {"en": "too much"}}]
    tile = {
        "kind": "number", "title": {"en": "N"}, "type": OPEN, "attribute": "pm25", "bands": bands,
    }  # fmt: skip
    (fact,) = tried(city, tile)
    (judged,) = fact["judgements"]
    assert (judged["kind"], judged["grade"]["en"], judged["guideline"]) == ("bad", "too much", "")


def test_a_tile_that_cannot_be_shown_leaves_the_others_as_they_are(city: City) -> None:
    nothing = {"kind": "map", "title": {"en": "M"}, "type": "Nothing"}
    text = {"kind": "text", "title": {"en": "T"}, "text": {"en": "words"}}
    assert tried(city, nothing, text) == [{"kind": "map", "missing": "type"}, {"kind": "text"}]


def test_names_and_contents_that_will_not_do_are_refused_with_their_place(city: City) -> None:
    assert put(city, "Bad_Name", city.local, board()) == 400
    assert put(city, "facts", city.local, board()) == 400
    answer = city.ask("PUT", "/dashboards/x", {"content": board(tiles=[{"kind": "number"}])})
    assert answer.status == 400
    assert b"tiles[0]" in answer.body


def test_what_somebody_kept_is_handed_out_and_erased_with_them(city: City) -> None:
    leaving = city.person("leaving", "operator")
    for name, visibility in (
        ("my-own", "private"),
        ("my-shared", "signedIn"),
        ("my-shown", "public"),
    ):
        assert put(city, name, leaving, board(visibility)) == 201

    archive = zipfile.ZipFile(io.BytesIO(city.ask("GET", "/me/export", who=leaving).body))
    held = [orjson.loads(line) for line in archive.read("account.jsonl").splitlines()]
    kept = {one["dashboard"]["name"]: one["dashboard"] for one in held if "dashboard" in one}
    assert set(kept) == {"my-own", "my-shared", "my-shown"}
    assert kept["my-own"]["content"]["title"] == {"en": "Mine"}

    report: Any = city.ask("POST", "/me/erasure", {"confirm": "erase"}, leaving).json()
    assert report["account"] == "removed"
    gone = {one["id"]: one["attributes"] for one in report["removed"]}
    assert gone["dashboard my-own"] == ["content", "owner"]
    assert gone["dashboard my-shared"] == gone["dashboard my-shown"] == ["owner"]
    assert city.ask("GET", "/dashboards/my-own").status == 404
    for name in ("my-shared", "my-shown"):  # others look at them
        left: Any = city.ask("GET", f"/dashboards/{name}").json()
        assert (left["owner"], left["title"]["en"]) == ("", "Mine")
    assert b"leaving" not in city.ask("GET", "/dashboards").body


def test_dashboards_are_there_after_a_restart(
    city: City, people: dict[str, dict[str, str]]
) -> None:
    assert put(city, "lasting", people["operator"], board("public")) == 201
    city.server.stop()
    city.server.start(90)
    assert "<h1>Mine</h1>" in city.page("/city/dashboards/lasting")


def tried(city: City, *tiles: dict[str, Any]) -> list[dict[str, Any]]:
    answer: Any = city.ask("POST", "/dashboards/facts", {"tiles": list(tiles)}).json()
    found: list[dict[str, Any]] = answer["tiles"]
    return found
