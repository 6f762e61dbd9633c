"""Rules as users reach them: put, tried, fired, told, removed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.server import API, Answer, Server

WARM: dict[str, Any] = {
    "title": {"en": "Warm room", "ko": "더운 방"}, "type": "Room", "attribute": "temperature",
    "above": 30, "back": 28, "alert": {"severity": "high", "kind": "heat"},
}  # fmt: skip
TOML = """
[warm-for-long]
type = "Room"
attribute = "temperature"
above = 30
for = "1s"
set = {attribute = "warning", value = true, after = false}
"""
PASSWORD = "correct horse battery staple"


class Town:
    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        return self.server.request(method, path, body, self.server.local_key())

    def good(self, method: str, path: str, body: object = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.status in (200, 201, 204), answer.body
        return answer.json() if answer.body else None

    def refused(self, method: str, path: str, body: object, status: int) -> str:
        answer: Any = self.ask(method, path, body)
        assert answer.status == status, answer.body
        return str(answer.json()["detail"])

    def room(
        self,
        name: str,
        degrees: float,
        at: datetime | None = None,
        type: str = "Room",
        quality: str = "",
    ) -> str:
        """Write how warm a room is; return its id."""
        id = f"urn:ngsi-ld:{type}:{name}"
        value: dict[str, Any] = {"type": "Property", "value": degrees}
        if quality:
            value["quality"] = {"type": "Property", "value": quality}
        if at is not None:
            value["observedAt"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        path = f"{API}/entityOperations/upsert?options=update"
        self.good("POST", path, [{"id": id, "type": type, "temperature": value}])
        return id

    def alerts(self, about: str) -> list[str]:
        found = self.good("GET", f"{API}/entities?type=Alert&options=keyValues&limit=100")
        return [one["status"] for one in found if one.get("refersTo") == about]

    def tried(self, body: object) -> dict[str, Any]:
        answer = self.ask("POST", "/rules/try", body)
        assert answer.status == 200, answer.body
        lines = [orjson.loads(line) for line in answer.body.splitlines()]
        assert lines[-2]["progress"] == 1.0
        result: dict[str, Any] = lines[-1]["result"]
        return result

    def madang(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.server.madang("rule", *words)

    def said(self, *words: str) -> str:
        done = self.madang(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def file(self, text: str) -> str:
        path = self.folder / "rules.toml"
        path.write_text(text, "utf-8")
        return str(path)


def until(look: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    end = time.monotonic() + 20
    while not is_done(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.03)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("rules")
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    with Server(folder / "data", open=False, environ=limits) as server:
        yield Town(server, folder)


@pytest.fixture
def town(running: Town) -> Iterator[Town]:
    running.room("first", 0)  # so that the tenant is there
    yield running
    for one in running.good("GET", "/rules"):
        running.good("DELETE", f"/rules/{one['name']}")


@pytest.fixture(autouse=True)
def no_room_of_another_test(town: Town) -> None:
    """A rule is about all rooms; what another test has left warm would make it fire as well."""
    town.ask("DELETE", f"{API}/entities?type=Room")


def holds(rule: dict[str, Any], room: str) -> bool:
    return room in [one["entity"] for one in rule["on"]]


def firing(rule: dict[str, Any], room: str) -> dict[str, Any]:
    """Return the last time that a rule fired for a room; other tests have rooms, too."""
    found: dict[str, Any] = next(one for one in rule["firings"] if one["entity"] == room)
    return found


def test_a_rule_is_put_fires_and_is_seen(town: Town) -> None:
    assert town.good("PUT", "/rules", {"hall": WARM}) == {"rules": ["hall"], "state": "running"}
    room = town.room("hall", 31)
    until(lambda: town.alerts(room), lambda found: found == ["open"])
    found = until(lambda: town.good("GET", "/rules/hall"), lambda one: holds(one, room))
    assert found["rule"] == WARM
    assert found["fired"] >= 1
    assert firing(found, room)["value"] == "31"
    town.room("hall", 27)
    until(lambda: town.alerts(room), lambda found: found == ["closed"])
    found = until(lambda: town.good("GET", "/rules/hall"), lambda one: not holds(one, room))
    assert firing(found, room)["ended"] is not None
    (listed,) = town.good("GET", "/rules")
    assert listed["about"]["en"] == "temperature of Room is above 30 until it is 28 or less"
    assert (listed["title"]["ko"], listed["state"], listed["does"]) == (
        "더운 방",
        "running",
        ["alert"],
    )


def test_what_a_removed_rule_has_raised_ends(town: Town) -> None:
    town.good("PUT", "/rules", {"warm": WARM, "other": {**WARM, "above": 99}})
    room = town.room("removed", 35)
    until(lambda: town.alerts(room), lambda found: found == ["open"])
    town.good("DELETE", "/rules/warm")
    assert "warm" in town.refused("GET", "/rules/warm", None, 404)
    assert [one["name"] for one in town.good("GET", "/rules")] == ["other"]
    town.room("removed", 36)
    until(lambda: town.alerts(room), lambda found: found == ["closed"])


def test_a_rule_is_tried_on_the_past_before_it_is_put(town: Town) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for hours, degrees in ((50, 20), (40, 33), (38, 27), (30, 31), (29, 29), (20, 10)):
        town.room("past", degrees, now - timedelta(hours=hours))
    spec = {**WARM, "ids": ["urn:ngsi-ld:Room:past"]}
    found = town.tried({"rule": spec})
    assert (found["fired"], found["values"], found["entities"]) == (2, 6, 1)
    assert [one["value"] for one in found["firings"]] == [33, 31]
    assert found["firings"][0]["seconds"] == 2 * 3600
    assert found["firings"][1]["ended"] == f"{now - timedelta(hours=20):%Y-%m-%dT%H:%M:%SZ}"
    since = f"{now - timedelta(hours=35):%Y-%m-%dT%H:%M:%SZ}"
    assert town.tried({"rule": spec, "since": since})["fired"] == 1
    silent = {**spec, "above": None, "back": None, "silent": "9h"}
    silent = {name: value for name, value in silent.items() if value is not None}
    # Before the first, from 50 to 40, from 29 to 20, and since 20 hours ago.
    assert town.tried({"rule": silent})["fired"] == 4
    assert town.good("GET", "/rules") == []


def test_no_rule_goes_by_what_failed_its_quality_tests_and_no_trial(town: Town) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for hours, degrees, quality in ((9, 20, "good"), (8, 999, "fail"), (7, 31, "suspect")):
        town.room("flagged", degrees, now - timedelta(hours=hours), quality=quality)
    spec = {**WARM, "ids": ["urn:ngsi-ld:Room:flagged"]}
    found = town.tried({"rule": spec})
    assert [one["value"] for one in found["firings"]] == [31]
    town.good("PUT", "/rules", {"flagged": spec})
    room = town.room("flagged", 998, now - timedelta(hours=6), quality="fail")
    town.room("flagged", 32, now - timedelta(hours=5), quality="good")
    until(lambda: town.alerts(room), lambda found: found == ["open"])
    rule = until(lambda: town.good("GET", "/rules/flagged"), lambda one: holds(one, room))
    assert [one["value"] for one in rule["firings"]] == ["32"]


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("PUT", "/rules", {"warm": {**WARM, "abov": 3}}, "warm.abov"),
        ("PUT", "/rules", {"Warm": WARM}, "Warm"),
        ("PUT", "/rules", [], "by name"),
        ("PUT", "/rules", {}, "by name"),
        ("POST", "/rules/try", {"rule": {**WARM, "above": "x"}}, "above"),
        ("POST", "/rules/try", {}, "rule"),
        ("POST", "/rules/try", {"rule": WARM, "since": "2020-01-01T00:00:00Z"}, "31 days"),
        ("POST", "/rules/try", {"rule": WARM, "sinc": 1}, "sinc"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_by_name(
    town: Town, method: str, path: str, body: object, named: str
) -> None:
    assert named in town.refused(method, path, body, 400)
    assert town.good("GET", "/rules") == []


def test_unknown_types_and_attributes_are_warned_of(town: Town) -> None:
    town.room("hall", 20)
    found = town.good("POST", "/rules/check", {"a": {**WARM, "type": "Rom"},
                                               "b": {**WARM, "attribute": "temprature"},
                                               "c": {**WARM, "above": "x"}})  # fmt: skip
    assert [one["field"] for one in found["errors"]] == ["above"]
    told = {one["rule"]: one["message"] for one in found["warnings"]}
    assert "did you mean Room?" in told["a"]
    assert "did you mean temperature?" in told["b"]


def test_toml_is_checked_by_line_and_told_as_it_is_read(town: Town) -> None:
    headers = {"Content-Type": "application/toml", **town.server.local_key()}
    text = '[a]\ntype = "Room"\nattribute = "temperature"\nabov = 3\n[a.alert]\n'
    answer = town.server.request("POST", "/rules/check", text.encode(), headers=headers)
    found: Any = answer.json()
    assert ("abov", 4) in [(one["field"], one["line"]) for one in found["errors"]]
    assert found["rules"]["a"]["abov"] == 3
    assert town.server.request("POST", "/rules/check", b"\xff", headers=headers).status == 400


def test_who_may_see_rules_may_not_put_them(town: Town) -> None:
    town.good("PUT", "/rules", {"warm": WARM})
    analyst = {"login": "ana@example.org", "password": PASSWORD, "roles": ["analyst"]}
    town.good("POST", "/trust/users", analyst)
    asked = {"grant_type": "password", "username": "ana@example.org", "password": PASSWORD}
    token: Any = town.server.request("POST", "/token", asked).json()
    ana = {"Authorization": f"Bearer {token['access_token']}"}
    assert town.server.request("GET", "/rules/warm", headers=ana).status == 200
    assert town.server.request("POST", "/rules/try", {"name": "warm"}, ana).status == 200
    assert town.server.request("PUT", "/rules", {"a": WARM}, ana).status == 403
    assert town.server.request("DELETE", "/rules/warm", headers=ana).status == 403
    assert town.server.request("GET", "/rules").status == 401


def test_the_schema_is_served(town: Town) -> None:
    found = town.good("GET", "/rules/schema")
    assert found["$defs"]["Rule"]["properties"]["for"]["description"]


def test_rules_go_on_after_a_restart_and_do_not_fire_twice(town: Town) -> None:
    # A type of its own: rooms that other tests have warmed may still be on their way to the rules.
    warm = {**WARM, "type": "Cellar"}
    room = town.room("restart", 20, type="Cellar")
    town.good("PUT", "/rules", {"at-once": warm, "long": {**warm, "for": "3s"}})
    town.room("restart", 40, type="Cellar")
    until(lambda: town.alerts(room), bool)
    town.server.stop()
    town.server.start()
    until(lambda: town.alerts(room), lambda found: found == ["open", "open"])
    found = until(
        lambda: {one["name"]: one["fired"] for one in town.good("GET", "/rules")},
        lambda one: all(one.values()),
    )
    assert found == {"at-once": 1, "long": 1}
    assert town.good("GET", "/services/rules")["state"] == "running"


def test_rules_are_written_tried_and_looked_after_on_the_terminal(town: Town) -> None:
    file = town.file(TOML)
    assert "1 rule can be put: warm-for-long" in town.said("check", file)
    wrong = town.madang("check", town.file(TOML.replace("above", "abov").replace("1s", "soon")))
    assert wrong.returncode == 1
    assert "line 5, warm-for-long.abov: is not known here; did you mean above?" in wrong.stdout
    assert "line 6, warm-for-long.for" in wrong.stdout
    assert town.madang("put", file).returncode == 2
    file = town.file(TOML)
    now = datetime.now(UTC)
    for hours, degrees in ((30, 31), (29, 20)):
        town.room("shown", degrees, now - timedelta(hours=hours))
    tried = town.said("try", file, "--since", "3d")
    assert "It would have fired" in tried
    assert "█" in tried
    assert "urn:ngsi-ld:Room:shown" in tried
    assert "1 rule put: warm-for-long" in town.said("put", file)
    room = town.room("terminal", 35)
    until(lambda: town.good("GET", "/rules/warm-for-long")["fired"], bool)
    whole = town.good("GET", f"{API}/entities/{room}?options=keyValues")
    assert whole["warning"] is True
    assert "warm-for-long" in town.said("list")
    shown = town.said("show", "warm-for-long")
    assert room in shown
    assert "still on" in shown
    assert '"fired": 1' in town.said("show", "warm-for-long", "--json")
    assert "It would have fired" in town.said("try", "warm-for-long", "--since", "3d")
    assert "is removed" in town.said("remove", "warm-for-long")
    assert "there are no rules" in town.said("list")
    assert "no rule" in town.madang("show", "warm-for-long").stderr
