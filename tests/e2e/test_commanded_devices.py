"""Commands from outside: a device that does, fails or stays silent, people who agree, a kill."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commanded import LAMP, Lamp, Town, until
from tests.e2e.mosquitto import needs_clients, published
from tests.e2e.server import API, Server

LEVEL = """
[commands.{name}.parameters]
type = "object"
required = ["level"]
additionalProperties = false
properties.level = {{ type = "number", minimum = 0, maximum = 1 }}
"""
PROFILE = """
title = "A street light"
type = "Streetlight"
[attributes]
powerState = {}
illuminanceLevel = {}
[commands.setLevel]
title = { en = "Set the level", ko = "밝기 설정" }
timeout_s = 600
revert = { command = "setLevel", parameters = { level = 1.0 } }
[commands.blink]
title = { en = "Blink", ko = "점멸" }
timeout_s = 3
[commands.blackout]
title = { en = "Switch off a street", ko = "구역 소등" }
approvals = 2
[[commands.blackout.interlocks]]
q = 'powerState=="on"'
message = { en = "the lamp is off already", ko = "이미 꺼져 있습니다" }
""" + LEVEL.format(name="setLevel")
SERVICE = """
from madang.services.service import Service, Text

service = Service(
    "festival",
    title=Text("Festival lights", "축제 조명"),
    purpose=Text("Dims the lights when the show begins.", "공연이 시작되면 조명을 낮춥니다."),
    category="cultureAndTourism",
    needs=["Show", "Streetlight"],
    commands=["Streetlight"],
)


@service.on("Show", attributes=["status"], where='status=="begun"')
async def dim(city, change):
    for lamp in await city.find("Streetlight"):
        why = city.decide(Text("The show begins", "공연 시작"), because=[(change.put, "status")])
        city.command(lamp, "setLevel", {"level": 0.2}, decision=why)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("commands")
    package = folder / "package"
    told = package / "festival-1.0.dist-info"
    told.mkdir(parents=True)
    (package / "festival_lights.py").write_text(SERVICE, "utf-8")
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: festival\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[madang.services]\nfestival = festival_lights:service\n"
    )
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    environ = {"PYTHONPATH": str(package), **limits}
    with Server(folder / "data", open=False, environ=environ) as server:
        town = Town(server)
        town.profile("light", PROFILE)
        yield town


@pytest.fixture
def lamp(running: Town, request: pytest.FixtureRequest) -> Iterator[Lamp]:
    """A lamp of its own for each test, that has told how it is."""
    name = "lamp-" + str(abs(hash(request.node.name)) % 10**8)
    key = running.device(name, "light")
    running.put(LAMP.format(name), powerState="on", illuminanceLevel=1.0)
    one = Lamp(running.server.mqtt_port, name, key)
    yield one
    one.close()


def test_a_command_reaches_a_device_that_does_it_and_says_so(running: Town, lamp: Lamp) -> None:
    asked = running.command(LAMP.format(lamp.name), "setLevel", parameters={"level": 0.3})
    found = running.becomes(asked["id"], "done")
    assert [one["parameters"] for one in lamp.done] == [{"level": 0.3}]
    assert lamp.done[0]["id"] == asked["id"]
    assert lamp.done[0]["command"] == "setLevel"
    assert found["sentAt"] <= found["endedAt"]
    assert found["requestedBy"] == "service:local"
    entity = running.good("GET", f"{API}/entities/{asked['id']}")
    assert entity["commandTarget"]["object"] == LAMP.format(lamp.name)
    listed = running.good("GET", f"/commands?target={LAMP.format(lamp.name)}&status=done")
    assert [one["id"] for one in listed] == [asked["id"]]
    assert listed[0]["title"] == {"en": "Set the level", "ko": "밝기 설정"}
    audit = running.good("GET", "/trust/audit?kind=command")
    assert any(asked["id"] in one["targets"] for one in audit["records"])


def test_a_device_can_be_commanded_by_its_own_id_too(running: Town, lamp: Lamp) -> None:
    asked = running.command(f"urn:ngsi-ld:Device:{lamp.name}", "setLevel", parameters={"level": 0})
    running.becomes(asked["id"], "done")


def test_a_device_acknowledges_first_and_fails_later(running: Town, lamp: Lamp) -> None:
    lamp.says = ("acknowledged",)
    asked = running.command(LAMP.format(lamp.name), "setLevel", parameters={"level": 0.3})
    running.becomes(asked["id"], "acknowledged")
    lamp.answer(asked["id"], "failed", "the driver does not answer")
    found = running.becomes(asked["id"], "failed")
    assert found["reason"] == "the driver does not answer"


def test_a_device_that_stays_silent_and_one_that_is_not_there_time_out(
    running: Town, lamp: Lamp
) -> None:
    lamp.says = ()
    silent = running.command(LAMP.format(lamp.name), "blink")
    running.device(f"{lamp.name}-away", "light")
    away = running.command(f"urn:ngsi-ld:Device:{lamp.name}-away", "blink")
    found = running.becomes(silent["id"], "timedOut")
    assert "said nothing for 3 s" in found["reason"]["en"]
    assert found["reason"]["ko"]
    found = running.becomes(away["id"], "timedOut")
    assert "nobody is connected who listens" in found["reason"]["en"]
    assert "sentAt" not in found


def test_two_others_must_agree_to_what_the_profile_says(running: Town, lamp: Lamp) -> None:
    anna, bora, chan = (
        running.person(f"{name}-{lamp.name}@example.org") for name in ("anna", "bora", "chan")
    )
    asked = running.command(LAMP.format(lamp.name), "blackout", anna)
    path = f"/commands/{asked['id']}"
    running.becomes(asked["id"], "waiting")
    assert "somebody else must" in running.refused("POST", f"{path}/approve", {}, 403, anna)
    assert "by a person" in running.refused("POST", f"{path}/approve", {}, 403)
    running.good("POST", f"{path}/approve", {}, bora)
    assert "already" in running.refused("POST", f"{path}/approve", {}, 409, bora)
    time.sleep(0.2)
    assert not lamp.done
    running.good("POST", f"{path}/approve", {}, chan)
    found = running.becomes(asked["id"], "done")
    assert len(found["approvedBy"]) == 2
    assert len(lamp.done) == 1
    second = running.command(LAMP.format(lamp.name), "blackout", anna)
    running.becomes(second["id"], "waiting")
    running.good("POST", f"/commands/{second['id']}/refuse", {"reason": "a festival"}, bora)
    assert running.becomes(second["id"], "refused")["reason"] == "a festival"
    third = running.command(LAMP.format(lamp.name), "blackout", anna)
    running.good("POST", f"/commands/{third['id']}/cancel", {}, anna)
    running.becomes(third["id"], "cancelled")


def test_who_may_not_command_is_turned_away(running: Town, lamp: Lamp) -> None:
    ana = running.person(f"analyst-{lamp.name}@example.org", "analyst")
    body = {"target": LAMP.format(lamp.name), "name": "setLevel", "parameters": {"level": 1}}
    running.refused("POST", "/commands", body, 403, ana)
    assert running.ask("GET", "/commands", as_=ana).status == 200
    made = running.good(
        "POST",
        "/trust/keys",
        {"kind": "app", "name": lamp.name, "writes": ["Command", "Streetlight"]},
    )
    app = {"Authorization": f"Bearer {made['key']}"}
    running.refused("POST", "/commands", body, 403, app)
    forged = {"id": "urn:ngsi-ld:Command:me:1:1", "type": "Command",
              "status": {"type": "Property", "value": "requested"}}  # fmt: skip
    for as_ in (app, None):
        told = running.refused("POST", f"{API}/entities", forged, 403, as_)
        assert "POST /commands" in told


def test_an_interlock_and_a_limit_refuse_with_their_reason(running: Town, lamp: Lamp) -> None:
    target = LAMP.format(lamp.name)
    running.put(target, powerState="off")
    dry = running.command(target, "blackout", dryRun=True)
    found = running.becomes(dry["id"], "refused")
    assert found["reason"] == {"en": "the lamp is off already", "ko": "이미 꺼져 있습니다"}
    for body, named in (
        ({"name": "setLevel", "parameters": {"level": 2}}, "parameters.level: 2 is greater"),
        ({"name": "explode"}, "it knows setLevel, blink, blackout"),
        ({"name": "setLevel", "parameters": [1]}, "parameters"),
        ({"name": "setLevel", "revertAfter": "1h", "parameters": {"level": 1}}, "revertAfter"),
        ({"name": "setLevel", "levels": 1}, "levels"),
    ):
        told = running.refused("POST", "/commands", {"target": target, **body}, 400)
        assert named in told
    body = {"target": "urn:ngsi-ld:Streetlight:none", "name": "setLevel"}
    running.refused("POST", "/commands", body, 404)


def test_a_target_says_what_it_can_be_told(running: Town, lamp: Lamp) -> None:
    path = f"/commands/offers?target={LAMP.format(lamp.name)}"
    found = running.good("GET", path)
    assert (found["device"], found["isInUse"]) == (lamp.name, True)
    offers = {one["name"]: one for one in found["commands"]}
    level, blackout = offers["setLevel"], offers["blackout"]
    assert level["parameters"]["properties"]["level"] == {
        "type": "number", "minimum": 0, "maximum": 1
    }  # fmt: skip
    assert (level["revert"]["command"], level["timeout_s"]) == ("setLevel", 600)
    assert (blackout["approvals"], blackout["interlocks"][0]["q"]) == (2, 'powerState=="on"')
    assert "payload" not in level
    running.put("urn:ngsi-ld:Bench:alone", seats=2)
    nothing = running.good("GET", "/commands/offers?target=urn:ngsi-ld:Bench:alone")
    assert (nothing["device"], nothing["commands"]) == (None, [])
    running.refused("GET", "/commands/offers?target=urn:ngsi-ld:Bench:none", None, 404)
    ana = running.person("offers.ana", "analyst")
    running.refused("GET", path, None, 403, ana)


def test_a_dry_run_shows_what_would_be_sent(running: Town, lamp: Lamp) -> None:
    asked = running.command(
        LAMP.format(lamp.name), "setLevel", parameters={"level": 0.3}, dryRun=True
    )
    found = running.becomes(asked["id"], "done")
    assert found["wire"]["address"] == f"v1/devices/{lamp.name}/down"
    assert json.loads(found["wire"]["body"])["parameters"] == {"level": 0.3}
    time.sleep(0.2)
    assert not lamp.heard


def test_a_command_is_taken_back_by_itself_and_by_people(running: Town, lamp: Lamp) -> None:
    target = LAMP.format(lamp.name)
    lasting = running.command(target, "setLevel", parameters={"level": 0.4})
    running.becomes(lasting["id"], "done")
    passing = running.command(target, "setLevel", parameters={"level": 0.9}, revertAfter=1)
    running.becomes(passing["id"], "done")
    running.becomes(passing["id"], "reverted")
    assert [one["parameters"]["level"] for one in lamp.done] == [0.4, 0.9, 0.4]
    last = running.command(target, "setLevel", parameters={"level": 0.5})
    running.becomes(last["id"], "done")
    running.good("POST", f"/commands/{last['id']}/revert", {})
    running.becomes(last["id"], "reverted")
    assert [one["parameters"]["level"] for one in lamp.done[3:]] == [0.5, 0.4]


@needs_clients
def test_only_who_may_command_publishes_where_devices_hear_commands(
    running: Town, lamp: Lamp
) -> None:
    topic = f"v1/devices/{lamp.name}/down"
    made = running.good(
        "POST", "/trust/keys", {"kind": "app", "name": f"app-{lamp.name}", "writes": ["*"]}
    )
    account = ("-V", "5", "-u", "x", "-P", made["key"])
    _, told = published(running.server.mqtt_port, topic, '{"id": "x"}', *account)
    assert "command" in told or "ot authorized" in told
    time.sleep(0.2)
    assert not lamp.heard
    key = running.server.local_key()["Authorization"].removeprefix("Bearer ")
    account = ("-V", "5", "-u", "x", "-P", key)
    code, told = published(running.server.mqtt_port, topic, '{"id": "x"}', *account)
    assert code == 0, told
    until(lambda: lamp.heard, bool)


def test_a_device_cannot_answer_for_another_one(running: Town, lamp: Lamp) -> None:
    lamp.says = ()
    other_key = running.device(f"{lamp.name}-b", "light")
    other = Lamp(running.server.mqtt_port, f"{lamp.name}-b", other_key)
    try:
        asked = running.command(LAMP.format(lamp.name), "setLevel", parameters={"level": 0.3})
        running.becomes(asked["id"], "sent")
        other.answer(asked["id"], "done")
        letters = until(
            lambda: running.good("GET", f"/sense/letters?device={other.name}")["letters"], bool
        )
        assert letters[0]["reason"] == "unknownCommand"
        assert running.good("GET", f"/commands/{asked['id']}")["status"] == "sent"
    finally:
        other.close()


def test_a_city_service_commands_a_street_light(running: Town, lamp: Lamp) -> None:
    running.put("urn:ngsi-ld:Show:1", status="planned")
    running.good("PATCH", "/services/festival", {"on": True})
    try:
        running.put("urn:ngsi-ld:Show:1", status="begun")
        until(lambda: lamp.done, bool)
        id = lamp.done[0]["id"]
        found = running.becomes(id, "done")
        assert found["requestedBy"] == "service:festival"
        decision = running.good("GET", f"{API}/entities/{found['decision']}")
        assert decision["description"]["languageMap"]["ko"] == "공연 시작"
        assert lamp.done[0]["parameters"] == {"level": 0.2}
    finally:
        running.good("PATCH", "/services/festival", {"on": False})


class _Device(http.server.BaseHTTPRequestHandler):
    """A lamp with an HTTP server; ``told`` and ``answers`` are of the class made for a test."""

    told: list[tuple[str, dict[str, Any], str]]
    answers: list[tuple[int, bytes]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.told.append((self.path, body, self.headers["Idempotency-Key"]))
        status, answer = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_device_with_an_http_server_acknowledges_in_its_answer(running: Town) -> None:
    class Device(_Device):
        told = []  # noqa: RUF012
        answers = [  # noqa: RUF012
            (503, b""),
            (200, b'{"status": "failed", "reason": "no such lamp"}'),
            (204, b""),
        ]

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Device)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port = server.server_address[1]
        way = f'[downlink]\nurl = "http://127.0.0.1:{port}/lamps/{{device}}"\n'
        running.profile(
            "web-light", PROFILE.replace("[commands.setLevel]\n", way + "[commands.setLevel]\n")
        )
        running.device("web-1", "web-light")
        target = "urn:ngsi-ld:Device:web-1"
        first = running.command(target, "setLevel", parameters={"level": 0.3})
        found = running.becomes(first["id"], "failed")
        assert found["reason"] == "no such lamp"
        assert [(path, key) for path, _, key in Device.told] == [("/lamps/web-1", first["id"])] * 2
        second = running.command(target, "setLevel", parameters={"level": 0.5})
        running.becomes(second["id"], "done")
        assert Device.told[2][1]["parameters"] == {"level": 0.5}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_people_command_on_the_terminal(running: Town, lamp: Lamp) -> None:
    target = LAMP.format(lamp.name)
    done = running.madang("send", target, "setLevel", "level=0.3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done"
    dry = running.madang("send", target, "setLevel", "level=0.3", "--dry-run")
    assert f"v1/devices/{lamp.name}/down" in dry.stdout
    assert (
        "greater than the maximum" in running.madang("send", target, "setLevel", "level=3").stderr
    )
    waiting = running.madang("send", target, "blackout")
    assert "another person must agree" in waiting.stdout
    id = waiting.stdout.splitlines()[0]
    listed = running.madang("list", "--target", target).stdout
    assert "setLevel level=0.3" in listed
    assert listed.count("done (dry run)") == 1
    assert "blackout" in running.madang("show", id.removeprefix("urn:ngsi-ld:Command:")).stdout
    assert "by a person" in running.madang("approve", id).stderr
    assert (
        "cancelled: changed my mind"
        in running.madang("cancel", id, "--reason", "changed my mind").stdout
    )
    sent = json.loads(running.madang("send", target, "setLevel", "level=0.1", "--json").stdout)
    assert "reverted" in running.madang("revert", sent["id"]).stdout
    lamp.says = ("failed",)
    assert running.madang("send", target, "setLevel", "level=0.3").returncode == 1


def test_a_kill_neither_loses_nor_doubles_a_command(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", open=False)
    lamp: Lamp | None = None
    try:
        server.start(90)
        town = Town(server)
        town.profile("light", PROFILE)
        key = town.device("lamp-k", "light")
        town.put(LAMP.format("lamp-k"), powerState="on")
        lamp = Lamp(server.mqtt_port, "lamp-k", key, says=())
        asked = town.command(LAMP.format("lamp-k"), "setLevel", parameters={"level": 0.3})
        town.becomes(asked["id"], "sent")
        until(lambda: lamp.heard, bool)
        away = town.device("lamp-away", "light")
        later = town.command("urn:ngsi-ld:Device:lamp-away", "setLevel", parameters={"level": 0.1})
        server.kill()
        lamp.says = ("done",)
        server.start(90)
        found = town.becomes(asked["id"], "done", wait_s=30)
        assert {one["id"] for one in lamp.heard} == {asked["id"]}
        assert len(lamp.heard) == 2  # told again, as it had not answered
        assert len(lamp.done) == 1  # done once, as the id is the same
        assert found["status"] == "done"
        other = Lamp(server.mqtt_port, "lamp-away", away)
        try:
            town.becomes(later["id"], "done", wait_s=30)
        finally:
            other.close()
        server.kill()
        server.start(90)
        time.sleep(1.5)
        assert len(lamp.heard) == 2  # what is over stays so
    finally:
        if lamp is not None:
            lamp.close()
        server.kill()


def test_timeouts_and_reverts_survive_a_kill(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", open=False)
    lamp: Lamp | None = None
    try:
        server.start(90)
        town = Town(server)
        town.profile("light", PROFILE)
        key = town.device("lamp-k", "light")
        town.put(LAMP.format("lamp-k"), powerState="on")
        lamp = Lamp(server.mqtt_port, "lamp-k", key)
        target = LAMP.format("lamp-k")
        passing = town.command(target, "setLevel", parameters={"level": 0.9}, revertAfter=4)
        town.becomes(passing["id"], "done")
        lamp.says = ()
        silent = town.command(target, "blink")
        town.becomes(silent["id"], "sent")
        later = town.command(target, "setLevel", parameters={"level": 0.8})
        town.becomes(later["id"], "sent")
        server.kill()
        time.sleep(4)
        lamp.says = ("done",)
        server.start(90)
        found = town.becomes(silent["id"], "timedOut")
        assert "said nothing" in found["reason"]["en"]
        found = town.becomes(passing["id"], "done", "reverted")
        # The later command may have been done, so the earlier one is not taken back over it.
        found = until(
            lambda: town.good("GET", f"/commands/{passing['id']}"),
            lambda one: not one.get("revertDue"),
        )
        assert "a later command" in found["reason"]["en"]
        third = town.command(target, "setLevel", parameters={"level": 0.7}, revertAfter=3)
        town.becomes(third["id"], "done")
        server.kill()
        server.start(90)
        town.becomes(third["id"], "reverted")
    finally:
        if lamp is not None:
            lamp.close()
        server.kill()


def test_orders_of_sentilo_clients_are_commands_where_the_profile_has_one(running: Town) -> None:
    head = 'title = "A pump"\ntype = "Device"\n[attributes]\n[commands.order]\n'
    order = 'title = { en = "Order", ko = "명령" }\nparameters = { type = "object" }\n'
    running.profile("ordered", head + order)
    sensor = {"sensor": "P1", "type": "status", "component": "C1", "componentType": "generic"}
    running.good("POST", "/catalog/pumps", {"sensors": [sensor]})
    (name,) = [
        one["device"] for one in running.good("GET", "/devices?limit=1000") if "P1" in one["device"]
    ]
    running.good("PATCH", f"/devices/{name}", {"profile": "ordered"})
    made = running.good(
        "POST",
        "/trust/keys",
        {"kind": "device", "name": name, "entities": [f"urn:ngsi-ld:Device:{name}"]},
    )
    pump = Lamp(running.server.mqtt_port, name, made["key"])
    try:
        running.good("PUT", "/order/pumps/P1", {"order": "START"})
        until(lambda: pump.done, bool)
        assert pump.done[0]["parameters"] == {"order": "START"}
        running.becomes(pump.done[0]["id"], "done")
        (got,) = running.good("GET", "/order/pumps/P1")["orders"]
        assert got["order"] == "START"
    finally:
        pump.close()
