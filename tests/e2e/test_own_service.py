"""A service of one's own, from ``madang service new`` to its replay, and the public catalogue."""

from __future__ import annotations

import os
import re
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.chromium import Watched, chromium
from tests.e2e.server import API, COMMAND, Server

NAME = "container_fire"
REPLAYS = f"/services/{NAME}/replays"
CONTAINER = "urn:ngsi-ld:WasteContainer:"
PASSWORD = "correct horse battery staple"
CHECKS = Path(__file__).with_name("page_checks.js").read_text("utf-8")


class Town:
    """A hub beside which the new package is installed."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        answer: Any = self.server.request(method, path, body, self.server.local_key())
        assert answer.status == status, answer.body
        return answer.json() if answer.body else None

    def fill(self, name: str, level: float) -> None:
        value = {"type": "Property", "value": level}
        entity = {"id": CONTAINER + name, "type": "WasteContainer", "fillingLevel": value}
        whole = f"{API}/entityOperations/upsert?options=update"
        answer = self.server.request("POST", whole, [entity], self.server.local_key())
        assert answer.status in (201, 204), answer.body

    def said(self, *words: str) -> str:
        return self.server.said(*words, timeout_s=120)

    def until(self, path: str, member: str, wanted: Any) -> Any:
        end = time.monotonic() + 60
        while (found := self.ask("GET", path))[member] != wanted:
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found

    def begin(self, **body: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("POST", REPLAYS, body, 201)
        return found


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("own")
    command = [str(COMMAND), "service", "new", NAME, "--directory", str(folder / "mine")]
    assert (
        "service.py" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    environ = {"PYTHONPATH": str(installed(folder / "mine")), **limits}
    with Server(folder / "data", open=False, environ=environ) as server:
        yield Town(server)


def installed(folder: Path) -> Path:
    """Do what an installer does with a package; return the folder for the path."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    told = folder / "src" / f"{NAME}-{project['version']}.dist-info"
    told.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (told / "METADATA").write_text(head)
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {at}" for name, at in entries.items()))
    ]
    (told / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder / "src"


@pytest.fixture(scope="module")
def period(town: Town) -> dict[str, str]:
    """Let the service work on a few changes; return from when to when."""
    town.fill("first", 0.1)
    town.said("service", "on", NAME)
    start = now()
    for name, level in [("a", 0.5), ("b", 0.85), ("a", 0.95), ("b", 0.2), ("c", 0.9)]:
        town.fill(name, level)
    town.until(f"/services/{NAME}", "behind", 0)
    town.until(f"/services/{NAME}", "effects", 11)
    return {"from": start, "to": now()}


def now() -> str:
    at = time.time_ns() // 1000
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1_000_000))
    return f"{seconds}.{at % 1_000_000:06d}Z"


# --- one's own ------------------------------------------------------------------------------------


def test_a_package_that_is_installed_is_in_the_list_and_in_the_catalogue(town: Town) -> None:
    assert NAME in town.said("service", "list")
    told = town.said("service", "catalogue")
    assert "Container fire - container_fire" in told
    assert "improves: Containers full now (lower is better)" in told
    assert "costs: A level sensor in each container" in told
    assert re.search(r"^Other\n=====$", told, re.MULTILINE)


# --- replays --------------------------------------------------------------------------------------


def test_a_replay_does_what_the_live_service_did(town: Town, period: dict[str, str]) -> None:
    made = town.begin(**period, runs=[{}, {"full": 0.9}])
    one = f"{REPLAYS}/{made['id']}"
    found = town.until(one, "state", "done")
    result = found["result"]
    same, other = result["runs"]
    assert (result["changes"], same["failure"], found["progress"]) == (5, None, 1)
    assert same["decisions"] == result["recorded"]["decisions"] == 3
    assert other["decisions"] == 2
    (indicator,) = result["indicators"]
    assert indicator["replayed"][0] == indicator["recorded"]
    assert indicator["recorded"]["last"] == 2
    kinds = "type=Decision&options=keyValues&limit=100"
    live = town.ask("GET", f"{API}/entities?{kinds}")
    assert {one["id"] for one in same["decided"]} == {one["id"] for one in live}
    answer = town.server.request("GET", f"{one}/effects", headers=town.server.local_key())
    lines = [orjson.loads(line) for line in answer.body.splitlines()]
    assert len(lines) == same["effects"] == 11
    assert [one["id"] for one in town.ask("GET", REPLAYS)] == [made["id"]]
    second = f"{REPLAYS}/{town.begin(**period)['id']}"
    again = town.until(second, "state", "done")
    assert again["result"]["runs"][0]["digest"] == same["digest"]
    town.ask("DELETE", second, status=204)
    town.ask("DELETE", one, status=204)
    town.ask("GET", one, status=404)
    assert len(town.ask("GET", f"{API}/entities?{kinds}")) == 3


def test_a_replay_is_made_on_the_terminal(
    town: Town, period: dict[str, str], tmp_path: Path
) -> None:
    words = ["replay", "--service", NAME, "--from", period["from"][:19] + "Z", "--to", "0s"]
    told = town.said(*words, "--against", "full=0.9", "--output", str(tmp_path / "did.ndjson"))
    head = next(line for line in told.splitlines() if "in reality" in line)
    assert "full=0.8" in head
    assert "full=0.9" in head
    row = next(line for line in told.splitlines() if line.startswith("decisions"))
    assert row.split()[1:] == ["3", "3", "2"]
    assert f"Full to 85%: {CONTAINER}b" in told
    assert len((tmp_path / "did.ndjson").read_text().splitlines()) == 11
    assert (tmp_path / "did-2.ndjson").exists()
    assert orjson.loads(town.said(*words, "--json"))["result"]["runs"][0]["decisions"] == 3
    wrong = town.server.madang(*words, "--set", "full=7")
    assert wrong.returncode != 0
    assert "full" in wrong.stderr
    assert town.ask("GET", REPLAYS) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2999-01-01T00:00:00Z"}, "ahead"),
        ({"from": "2000-01-01T00:00:00Z"}, "366 days"),
        ({"runs": []}, "runs"),
        ({"runs": [{"full": 3}]}, "full"),
        ({"runs": [{"empty": 3}]}, "empty"),
        ({"more": 1}, "more"),
    ],
    ids=str,
)
def test_what_cannot_be_replayed_is_refused_by_name(
    town: Town, change: dict[str, Any], named: str
) -> None:
    body = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"} | change
    assert named in town.ask("POST", REPLAYS, body, 400)["detail"]


def test_who_may_not_manage_services_may_not_replay_them(town: Town) -> None:
    analyst = {"login": "ana@example.org", "password": PASSWORD, "roles": ["analyst"]}
    town.ask("POST", "/trust/users", analyst, 201)
    asked = {"grant_type": "password", "username": "ana@example.org", "password": PASSWORD}
    token: Any = town.server.request("POST", "/token", asked).json()
    ana = {"Authorization": f"Bearer {token['access_token']}"}
    body = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    assert town.server.request("POST", REPLAYS, body, ana).status == 403
    assert town.server.request("GET", REPLAYS, headers=ana).status == 403
    assert town.server.request("GET", REPLAYS).status == 401


# --- the catalogue --------------------------------------------------------------------------------


def test_anybody_may_read_the_catalogue_but_not_what_this_city_has(town: Town) -> None:
    def entry(headers: dict[str, str] | None) -> Any:
        found: Any = town.server.request("GET", "/catalogue/services", headers=headers).json()
        assert len(found["categories"]) == 11
        services = [one for category in found["categories"] for one in category["services"]]
        return next(one for one in services if one["name"] == NAME)

    town.fill("first", 0.1)
    anybody, operator = entry(None), entry(town.server.local_key())
    assert anybody["needs"] == [{"type": "WasteContainer", "here": None}]
    assert anybody["state"] is None
    assert operator["needs"] == [{"type": "WasteContainer", "here": True}]
    assert operator["state"] in ("running", "off")
    assert operator["operator"] == {"en": "The department of cleaning", "ko": "청소과"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
@pytest.mark.parametrize(
    ("locale", "heading", "category"),
    [("en-GB", "City services", "Transport"), ("ko-KR", "도시 서비스", "교통")],
)
def test_the_catalogue_is_a_page_in_two_languages_without_scripts(
    town: Town, browser: Browser, locale: str, heading: str, category: str, width: int, height: int
) -> None:
    size: Any = {"width": width, "height": height}
    context = browser.new_context(locale=locale, viewport=size, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{town.server.url}/")
    page.get_by_role("link", name=heading).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    page.get_by_role("link", name=category).click()
    expect(page.get_by_role("heading", level=2, name=category)).to_be_in_viewport()
    expect(page.locator("#service-parking")).to_be_visible()
    context.close()
    context = browser.new_context(locale=locale, viewport=size)
    watched = Watched(context, town.server.url)
    watched.page.goto(f"{town.server.url}/catalogue")
    assert watched.page.evaluate(CHECKS) == []
    assert (watched.complaints, watched.strangers) == ([], [])
    if folder := os.environ.get("MADANG_SHOTS"):
        watched.page.screenshot(path=f"{folder}/catalogue-{locale}-{width}.png", full_page=True)
    context.close()


# --- ends ----------------------------------------------------------------------------------------


SLOW = """
import time

from madang.services.service import Service, Text

NAME = Text("Slow", "느림")
service = Service("slow", title=NAME, purpose=NAME, category="other", needs=["Bench"])


@service.every("1m")
async def wait(city):
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("slow")
    told = folder / "package" / "slow-1.0.dist-info"
    told.mkdir(parents=True)
    (folder / "package" / "slow_of_the_city.py").write_text(SLOW, "utf-8")
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[madang.services]\nslow = slow_of_the_city:service\n")
    environ = {"PYTHONPATH": str(folder / "package")}
    with Server(folder / "data", open=False, environ=environ) as server:
        town = Town(server)
        town.fill("first", 0.1)
        yield town


def processes(town: Town) -> list[int]:
    """Return the processes that the hub has begun."""
    children = Path(f"/proc/{town.server.pid}/task/{town.server.pid}/children").read_text()
    return [int(one) for one in children.split()]


def gone(pid: int) -> bool:
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if status == "Z":
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def begun(town: Town) -> tuple[str, int]:
    """Begin a replay that takes long; return its path and its process."""
    body = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-31T00:00:00Z"}
    made = town.ask("POST", "/services/slow/replays", body, 201)
    path = f"/services/slow/replays/{made['id']}"
    town.until(path, "state", "running")
    end = time.monotonic() + 20
    while not (found := processes(town)):
        assert time.monotonic() < end
        time.sleep(0.02)
    return path, found[-1]


def test_a_replay_can_be_ended_and_its_process_ends_with_it(slow: Town) -> None:
    path, process = begun(slow)
    waiting = slow.ask("POST", "/services/slow/replays", {"from": "2026-01-01T00:00:00Z",
                       "to": "2026-01-02T00:00:00Z"}, 201)  # fmt: skip
    second = f"/services/slow/replays/{waiting['id']}"
    assert slow.ask("GET", second)["state"] == "waiting"
    slow.ask("GET", f"{path}/effects", status=404)
    slow.ask("DELETE", second, status=204)
    slow.ask("DELETE", path, status=204)
    assert gone(process)
    assert slow.ask("GET", "/services/slow/replays") == []
    assert list((slow.server.data / "lake" / "replays").iterdir()) == []


def test_a_replay_ends_when_its_hub_is_killed(slow: Town) -> None:
    _, process = begun(slow)
    slow.server.kill()
    assert gone(process)
    slow.server.start()
    assert slow.ask("GET", "/services/slow/replays") == []
