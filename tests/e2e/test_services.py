"""City services as users reach them: of a package that is installed beside Madang."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import API, Answer, Server

MODULE = """
from pydantic import Field

from madang.services.service import Indicator, Options, Service, Text


class Limits(Options):
    warm: float = Field(20, ge=0, le=50, description="From here on a bench is warm. [°C]")


service = Service(
    "benches",
    title=Text("Benches in the sun", "양지바른 벤치"),
    purpose=Text("Tells which benches are warm.", "따뜻한 벤치를 알려 줍니다."),
    category="cultureAndTourism",
    needs=["Bench"],
    gives=["Bench"],
    options=Limits,
    indicators=[Indicator("found", Text("Warm benches found", "찾은 벤치"), "C62", "higher")],
)


@service.on("Bench", attributes=["temperature"])
async def feel(city, change):
    if change.put["temperature"] == 666:
        raise ValueError("no bench is as hot as hell")
    if change.put["temperature"] < city.options.warm:
        return
    city.state["found"] = city.state.get("found", 0) + 1
    city.update(change.id, "Bench", status="warm")
    city.measure("found", city.state["found"])
    city.decide(f"{change.id} is warm", because=[(change.put, "temperature")])
"""
ENTRIES = """[madang.services]
benches = benches_of_the_city:service
broken = no_such_module_is_there:service
"""
PASSWORD = "correct horse battery staple"
ONE = "/services/benches"


class Town:
    """A hub with the service of the package."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: object = None, tenant: str = "") -> Answer:
        headers = self.server.local_key() | ({"NGSILD-Tenant": tenant} if tenant else {})
        return self.server.request(method, path, body, headers)

    def good(self, method: str, path: str, body: object = None, tenant: str = "") -> Any:
        answer = self.ask(method, path, body, tenant)
        assert answer.status in (200, 201, 204), answer.body
        return answer.json() if answer.body else None

    def refused(self, method: str, path: str, body: object, status: int) -> str:
        answer: Any = self.ask(method, path, body)
        assert answer.status == status, answer.body
        return str(answer.json()["detail"])

    def bench(self, name: str, degrees: float, tenant: str = "") -> str:
        """Write a bench; return its path."""
        id = f"urn:ngsi-ld:Bench:{name}"
        value = {"type": "Property", "value": degrees, "unitCode": "CEL"}
        self.good(
            "POST",
            f"{API}/entityOperations/upsert",
            [{"id": id, "type": "Bench", "temperature": value}],
            tenant,
        )
        return f"{API}/entities/{id}"

    def is_warm(self, path: str, tenant: str = "") -> bool:
        return "status" in self.good("GET", path, tenant=tenant)

    def settled(self, is_done: Callable[[dict[str, Any]], bool], tenant: str = "") -> Any:
        """Return how the service goes as soon as it goes so."""
        return until(lambda: self.good("GET", ONE, tenant=tenant), is_done)

    def caught_up(self, tenant: str = "") -> Any:
        return self.settled(lambda one: one["behind"] == 0, tenant)

    def madang(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.server.madang("service", *words)

    def said(self, *words: str) -> str:
        done = self.madang(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def until(look: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    end = time.monotonic() + 15
    while not is_done(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def benches(folder: Path) -> str:
    """Put the package into a folder; return the path to it."""
    package = folder / "package"
    told = package / "benches-1.0.dist-info"
    told.mkdir(parents=True)
    (package / "benches_of_the_city.py").write_text(MODULE, "utf-8")
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: benches\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(ENTRIES)
    return str(package)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("services")
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    environ = {"PYTHONPATH": benches(folder), **limits}
    with Server(folder / "data", open=False, environ=environ) as server:
        yield Town(server)


@pytest.fixture
def town(running: Town) -> Iterator[Town]:
    """The hub, with the service off and as it was made before and after each test."""
    running.bench("first", 0)  # so that the tenant is there
    yield running
    running.good("PATCH", ONE, {"on": False, "options": {"warm": 20}})


def test_the_catalogue_has_what_packages_offer_and_leaves_out_what_cannot_be_loaded(
    town: Town,
) -> None:
    found = {one["name"]: one for one in town.good("GET", "/services")}
    assert "broken" not in found
    assert found["benches"]["state"] == "off"
    assert found["benches"]["title"] == {"en": "Benches in the sun", "ko": "양지바른 벤치"}
    assert "no_such_module_is_there" in town.server.log_end(100_000)


def test_a_service_is_shown_with_what_can_be_set_and_what_it_is_for(town: Town) -> None:
    found = town.good("GET", ONE)
    assert found["purpose"]["ko"] == "따뜻한 벤치를 알려 줍니다."
    assert found["category"] == "cultureAndTourism"
    assert found["schema"]["properties"]["warm"]["maximum"] == 50
    assert found["options"] == {"warm": 20}
    assert (found["needs"], found["gives"]) == (["Bench"], ["Bench"])
    assert [one["name"] for one in found["indicators"]] == ["found"]


def test_a_service_that_is_on_writes_effects_decisions_and_figures(town: Town) -> None:
    assert town.good("PATCH", ONE, {"on": True})["state"] == "running"
    path = town.bench("sunny", 25)
    until(lambda: town.is_warm(path), bool)
    kinds = f"{API}/entities?type="
    decisions = town.good("GET", f"{kinds}Decision&options=keyValues&limit=100")
    (mine,) = [one for one in decisions if one["description"].endswith("sunny is warm")]
    assert mine["madeBy"] == "benches 1"
    assert mine["basedOn"]["json"][0]["value"] == 25
    (figure,) = town.good("GET", f"{kinds}KeyPerformanceIndicator")
    assert figure["currentValue"]["unitCode"] == "C62"
    found = town.settled(lambda one: one["effects"] >= 3)
    assert (found["alarm"], found["behind"]) == (None, 0)


def test_a_service_that_is_off_does_nothing_and_makes_up_for_it_later(town: Town) -> None:
    town.good("PATCH", ONE, {"on": True})
    town.caught_up()
    assert town.good("PATCH", ONE, {"on": False})["state"] == "off"
    path = town.bench("later", 30)
    time.sleep(0.3)
    assert not town.is_warm(path)
    town.good("PATCH", ONE, {"on": True})
    until(lambda: town.is_warm(path), bool)


def test_options_are_in_force_at_once(town: Town) -> None:
    town.good("PATCH", ONE, {"on": True, "options": {"warm": 40}})
    cool, hot = town.bench("cool", 30), town.bench("hot", 45)
    until(lambda: town.is_warm(hot), bool)
    assert not town.is_warm(cool)
    assert town.good("PATCH", ONE, {"options": {"warm": 25}})["options"] == {"warm": 25}
    again = town.bench("again", 30)
    until(lambda: town.is_warm(again), bool)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"options": {"warm": 51}}, "warm"),
        ({"options": {"warm": "hot"}}, "warm"),
        ({"options": {"cold": 1}}, "cold"),
        ({"options": 7}, "options"),
        ({"on": 1}, "on"),
        ({"off": True}, "off"),
        ({}, "on"),
    ],
    ids=str,
)
def test_what_cannot_be_set_is_refused_by_name_and_changes_nothing(
    town: Town, body: dict[str, Any], named: str
) -> None:
    sent = {"on": True} | body if "options" in body else body
    assert named in town.refused("PATCH", ONE, sent, 400)
    found = town.good("GET", ONE)
    assert (found["state"], found["options"]) == ("off", {"warm": 20})


def test_a_service_nobody_installed_is_not_found(town: Town) -> None:
    for method, path, body in (
        ("GET", "/services/none", None),
        ("PATCH", "/services/none", {"on": True}),
        ("POST", "/services/none/resume", {}),
    ):
        assert "none" in town.refused(method, path, body, 404)


def test_who_may_see_services_may_not_switch_them(town: Town) -> None:
    analyst = {"login": "ana@example.org", "password": PASSWORD, "roles": ["analyst"]}
    town.good("POST", "/trust/users", analyst)
    asked = {"grant_type": "password", "username": "ana@example.org", "password": PASSWORD}
    token: Any = town.server.request("POST", "/token", asked).json()
    ana = {"Authorization": f"Bearer {token['access_token']}"}
    assert town.server.request("GET", ONE, headers=ana).status == 200
    assert town.server.request("PATCH", ONE, {"on": True}, ana).status == 403
    assert town.server.request("POST", f"{ONE}/resume", {}, ana).status == 403
    made = town.good("POST", "/trust/keys", {"kind": "app", "name": "app", "reads": ["Bench"]})
    app = {"Authorization": f"Bearer {made['key']}"}
    assert town.server.request("GET", "/services", headers=app).status == 403
    assert town.server.request("GET", "/services").status == 401
    assert town.good("GET", ONE)["state"] == "off"


def test_a_service_is_on_in_one_tenant_and_off_in_another(town: Town) -> None:
    town.bench("first", 0, "busan")
    town.good("PATCH", ONE, {"on": True}, "busan")
    here, there = town.bench("tenant", 30), town.bench("tenant", 30, "busan")
    until(lambda: town.is_warm(there, "busan"), bool)
    assert not town.is_warm(here)
    assert town.good("GET", ONE)["state"] == "off"
    town.good("PATCH", ONE, {"on": False}, "busan")


def test_a_failure_is_told_and_a_change_that_fails_can_be_left_out(town: Town) -> None:
    town.good("PATCH", ONE, {"on": True})
    assert "not failed" in town.refused("POST", f"{ONE}/resume", {}, 409)
    town.caught_up()
    town.bench("hell", 666)
    found = town.settled(lambda one: one["state"] == "failed")
    assert "no bench is as hot as hell" in found["alarm"]["message"]
    assert "benches_of_the_city.py" in found["alarm"]["trace"]
    alert = f"{API}/entities/urn:ngsi-ld:Alert:benches:serviceFailure?options=keyValues"
    told = until(lambda: town.ask("GET", alert), lambda answer: answer.status == 200).json()
    assert (told["status"], told["severity"]) == ("open", "high")
    assert told["title"]["languageMap"]["ko"] == "양지바른 벤치 서비스가 멈췄습니다"
    path = town.bench("behind", 30)
    town.good("POST", f"{ONE}/resume", {})
    town.settled(lambda one: one["state"] == "failed")  # for it comes to the same change again
    assert not town.is_warm(path)
    (listed,) = [one for one in town.good("GET", "/services") if one["name"] == "benches"]
    assert "trace" not in listed["alarm"]
    town.good("POST", f"{ONE}/resume", {"skip": True})
    until(lambda: town.is_warm(path), bool)
    assert town.good("GET", ONE)["state"] == "running"
    until(lambda: town.good("GET", alert)["status"], lambda status: status == "closed")


def test_services_go_on_after_a_restart(town: Town) -> None:
    town.good("PATCH", ONE, {"on": True, "options": {"warm": 35}})
    before = town.bench("before", 40)
    until(lambda: town.is_warm(before), bool)
    town.server.stop()
    town.server.start()
    found = town.good("GET", ONE)
    assert (found["state"], found["options"]) == ("running", {"warm": 35})
    cool, after = town.bench("cool-after", 30), town.bench("after", 40)
    until(lambda: town.is_warm(after), bool)
    assert not town.is_warm(cool)


def test_services_are_listed_switched_set_and_resumed_on_the_terminal(town: Town) -> None:
    assert "Benches in the sun" in town.said("list")
    assert "benches is on" in town.said("on", "benches", "--set", "warm=30")
    assert "warm = 31" in town.said("set", "benches", "warm=31.0")
    shown = town.said("show", "benches")
    assert "(benches): running" in shown
    assert "0 to 50" in shown or "0.0 to 50.0" in shown
    assert '"warm": 31' in town.said("show", "benches", "--json")
    wrong = town.madang("set", "benches", "warm=99")
    assert wrong.returncode == 2
    assert "warm" in wrong.stderr
    assert "OPTION=VALUE" in town.madang("set", "benches", "warm").stderr
    assert "not failed" in town.madang("resume", "benches").stderr
    town.caught_up()
    town.bench("inferno", 666)
    town.settled(lambda one: one["state"] == "failed")
    assert "as hot as hell" in town.said("list")
    assert "madang service resume benches" in town.said("show", "benches")
    assert "goes on" in town.said("resume", "benches", "--skip")
    assert "benches is off" in town.said("off", "benches")
