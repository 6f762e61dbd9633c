"""The OpenAPI document does not lie: answers of a running hub are as it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson
import pytest

from madang.api.schemas import OPERATIONS
from tests.e2e.commanded import Town, until
from tests.e2e.server import Answer, Server
from tests.twin.street_town import made

CLOSED = 'title = "Works"\n[[closure]]\nedges = ["n12-n22"]'
FEED = files("madang.sense.feeds").joinpath("examples", "oslo-bikes.toml").read_text("utf-8")
NO_TALE = {
    "GET /sense/edge/configuration", "GET /metrics", "GET /openapi.json",
    "GET /ui/texts/{language}", "GET /v1.1/Observations({id})",
}  # fmt: skip
"""Answers of which the document says nothing much, or that a hub of its own has none of."""


class Told:
    """The document of a hub, and its answers held to it."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.document: Any = orjson.loads(town.server.request("GET", "/openapi.json").body)
        self.seen: set[str] = set()

    def validator(self, name: str, status: int) -> Any:
        method, path = name.split(" ", 1)
        operation = self.document["paths"][path][method.lower()]
        assert str(status) in operation["responses"], (name, status)
        content: dict[str, Any] = operation["responses"][str(status)].get("content", {})
        schema = content[next(iter(content))].get("schema", {}) if content else {}
        components = self.document["components"]
        return jsonschema_rs.validator_for({**schema, "components": components})

    def holds(
        self, name: str, path: str = "", body: object = None, as_: dict[str, str] | None = None
    ) -> Any:
        """Ask, and compare the answer with what is said of the operation."""
        method, template = name.split(" ", 1)
        answer = self.town.ask(method, path or template, body, as_)
        assert answer.status < 400, (name, answer.status, answer.body[:500])
        self.seen.add(name)
        found = None
        for found in contents(answer):
            check = self.validator(name, answer.status)
            faults = [f"{one.instance_path}: {one.message}" for one in check.iter_errors(found)]
            assert not faults, (name, faults[:5], found)
        return found


def contents(answer: Answer) -> Iterator[Any]:
    """Yield the JSON values of an answer: one, or one of each line."""
    kind = answer.headers.get("content-type", "")
    if kind.startswith("application/x-ndjson"):
        yield from map(orjson.loads, answer.body.splitlines())
    elif "json" in kind:
        yield orjson.loads(answer.body)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("openapi")
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    environ = {
        **limits,
        "MADANG_DEMO_TRAFFIC": "no",  # its traffic makes nothing of another form
        "MADANG_TWIN_CITY": str(made(folder / "city").folder),
    }
    with Server(folder / "data", "--demo", open=False, environ=environ) as server:
        town = Town(server)
        until(lambda: server.log_end(100_000), lambda log: "demo.past" in log, 180)
        until(
            lambda: town.ask("GET", "/incidents").json(),
            lambda found: isinstance(found, list) and len(found) >= 2,
            60,
        )
        yield Told(town)


def test_the_document_names_every_operation_and_nothing_else(told: Told) -> None:
    there = {
        f"{method.upper()} {path}"
        for path, methods in told.document["paths"].items()
        for method in methods
    }
    assert OPERATIONS.keys() <= there
    jsonschema_rs.meta.validate({"$defs": told.document["components"]["schemas"], "type": "object"})


def look_at_incidents(told: Told) -> None:
    body = {
        "title": "Test",
        "severity": "low",
        "location": {"type": "Point", "coordinates": [127, 37.56]},
    }
    made = told.holds("POST /incidents", body=body)
    one, number = "/incidents/{incident}", made["number"]
    told.holds("GET /incidents")
    told.holds("GET /incidents", "/incidents?status=open,acknowledged&limit=5")
    for found in told.town.good("GET", "/incidents"):
        told.holds(f"GET {one}", f"/incidents/{found['number']}")
        told.holds(f"GET {one}/report", f"/incidents/{found['number']}/report")
        if found["category"] == "airPollution":
            path = f"/incidents/{found['number']}/steps/look"
            told.holds(f"POST {one}/steps/{{step}}", path, {"done": True})
    told.holds(f"PATCH {one}", f"/incidents/{number}", {"status": "acknowledged", "public": True})
    told.holds(f"PATCH {one}", f"/incidents/{number}", {"handOver": "lee", "text": "Over to you"})
    told.holds(f"POST {one}/notes", f"/incidents/{number}/notes", {"text": "Noted"})
    told.holds(f"POST {one}/calls", f"/incidents/{number}/calls", {"to": "control-room"})
    told.holds(f"GET {one}/cap", f"/incidents/{number}/cap")
    told.holds("GET /city/incidents")
    told.holds("GET /city/incidents/{incident}", f"/city/incidents/{number}")
    told.holds("GET /playbooks")
    playbook = told.holds("GET /playbooks/{name}", "/playbooks/demo-smoke")
    told.holds("PUT /playbooks/{name}", "/playbooks/copy", {"text": playbook["text"]})
    told.holds("DELETE /playbooks/{name}", "/playbooks/copy")
    told.holds("GET /contacts")
    for name in ("kim", "control-room", "duty"):
        told.holds("GET /contacts/{name}", f"/contacts/{name}")
        told.holds("GET /contacts/{name}/on-call", f"/contacts/{name}/on-call")
    hook = {"kind": "person", "channels": [{"kind": "webhook", "url": "https://example.org/x"}]}
    told.holds("PUT /contacts/{name}", "/contacts/hook", hook)
    told.holds("DELETE /contacts/{name}", "/contacts/hook")
    told.holds("POST /contacts/{name}/test", "/contacts/kim/test")
    told.holds("GET /notices/push-key")


def look_at_commands(told: Told) -> None:
    target = "urn:ngsi-ld:Streetlight:demo-lamp-06"
    wanted = {"target": target, "name": "setLevel", "parameters": {"level": 0.5}}
    made = told.holds("POST /commands", body=wanted)
    told.town.becomes(made["id"], "done", "timedOut")
    told.holds("POST /commands", body=wanted | {"dryRun": True})
    told.holds("GET /commands/{command}", f"/commands/{made['id']}")
    told.holds("POST /commands/{command}/revert", f"/commands/{made['id']}/revert", {})
    (waiting,) = told.town.good("GET", "/commands?status=waiting")
    told.holds("POST /commands/{command}/refuse", f"/commands/{waiting['id']}/refuse",
               {"reason": "not now"})  # fmt: skip
    told.holds("GET /commands")
    found = until(lambda: told.holds("GET /decisions"), bool, 90)
    told.holds("GET /decisions/{decision}", f"/decisions/{found[0]['id']}")


def look_at_devices(told: Told) -> None:
    told.holds("GET /devices")
    told.holds("GET /devices", "/devices?silent=true&q=air")
    told.holds("GET /devices/{device}", "/devices/demo-air-01")
    told.holds("GET /devices/{device}", "/devices/demo-lamp-01")
    told.holds(
        "POST /devices", body={"device": "new-1", "profile": "open-air-station", "key": True}
    )
    told.holds("PATCH /devices/{device}", "/devices/new-1", {"owner": ["me"], "longitude": 127.0,
               "latitude": 37.5})  # fmt: skip
    told.holds("POST /devices/{device}/key", "/devices/new-1/key", {})
    told.holds("DELETE /devices/{device}/key", "/devices/new-1/key")
    told.holds("DELETE /devices/{device}", "/devices/new-1")
    told.holds("POST /devices/import", "/devices/import?profile=open-air-station",
               b"device,serialNumber\nrow-1,x1\nrow 2,x2\n")  # fmt: skip
    told.holds("POST /devices/provisioning", body={"profile": "open-air-station", "count": 2})
    told.holds("GET /devices/provisioning")
    told.holds("GET /profiles")
    profile = told.holds("GET /profiles/{name}", "/profiles/demo-cabinet")
    told.holds("PUT /profiles/{name}", "/profiles/copy", {"text": profile["text"]})
    letters = told.holds("GET /sense/letters")["letters"]
    told.holds("GET /sense/letters/{letter}", f"/sense/letters/{letters[0]['id']}")
    told.holds("POST /sense/letters/replay", "/sense/letters/replay?reason=badValue")
    told.holds("GET /sense/drop")
    told.holds("GET /sense/edge")
    key = told.town.good("POST", "/trust/keys", {"kind": "app", "name": "node"})
    told.holds("PUT /sense/edges/{name}", "/sense/edges/mapo", {"key": key["id"], "text": ""})
    told.holds("GET /sense/edges/{name}", "/sense/edges/mapo")
    told.holds("GET /sense/edges")
    told.holds("POST /sense/feeds", body={"name": "bikes", "text": FEED})
    told.holds("PATCH /sense/feeds/{feed}", "/sense/feeds/bikes", {"on": False})
    told.holds("GET /sense/feeds/{feed}", "/sense/feeds/bikes")
    told.holds("GET /sense/feeds")
    told.holds("POST /sense/feeds/{feed}/readings", "/sense/feeds/bikes/readings")
    told.holds("GET /sense/quality", f"/sense/quality?day={datetime.now(UTC):%Y-%m-%d}")
    told.holds("POST /sense/quality/trial", body={
        "entity": "urn:ngsi-ld:AirQualityObserved:demo:002", "attribute": "pm25",
        "limits": {"fail_above": 22},
    })  # fmt: skip


def look_at_services(told: Told) -> None:
    for one in told.holds("GET /services"):
        told.holds("GET /services/{service}", f"/services/{one['name']}")
    told.holds("PATCH /services/{service}", "/services/waste", {"options": {"vehicles": 2}})
    told.holds("GET /catalogue/services")
    told.holds("GET /rules")
    rule = told.holds("GET /rules/{rule}", "/rules/smoke")["rule"]
    told.holds("GET /rules/schema")
    told.holds("POST /rules/check", body={"x": {"type": "Nothing", "attribute": "y", "above": 1}})
    told.holds("PUT /rules", body={"smoke": rule})
    past = (datetime.now(UTC) - timedelta(hours=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    told.holds("POST /rules/try", body={"rule": rule | {"above": 100}, "since": past})
    period = {"from": past, "to": f"{datetime.now(UTC) - timedelta(hours=29):%Y-%m-%dT%H:%M:%SZ}"}
    replay = told.holds("POST /services/{service}/replays", "/services/parking/replays", period)
    path = f"/services/parking/replays/{replay['id']}"
    until(
        lambda: told.holds("GET /services/{service}/replays/{replay}", path),
        lambda one: one["state"] in ("done", "failed"),
        120,
    )
    told.holds("GET /services/{service}/replays", "/services/parking/replays")
    told.holds("GET /services/{service}/replays/{replay}/effects", f"{path}/effects")
    told.holds("DELETE /services/{service}/replays/{replay}", path)


def look_at_people(told: Told) -> None:
    told.holds("POST /trust/users", body={"login": "ann@example.org", "roles": ["analyst"]})
    told.holds("PATCH /trust/users/{who}", "/trust/users/ann@example.org", {"name": "Ann"})
    told.holds("GET /trust/users")
    told.holds("GET /trust/users/{who}", "/trust/users/ann@example.org")
    told.holds("GET /trust/roles")
    told.holds(
        "POST /trust/users/{who}/password-link", "/trust/users/ann@example.org/password-link"
    )
    told.holds("POST /trust/invitations", body={"roles": ["operator"]})
    told.holds("GET /trust/invitations")
    key = told.holds("POST /trust/keys", body={"kind": "app", "name": "app", "reads": ["Vehicle"]})
    told.holds("GET /trust/keys")
    told.holds("GET /trust/keys/{id}", f"/trust/keys/{key['id']}")
    told.holds("POST /trust/keys/{id}/rotate", f"/trust/keys/{key['id']}/rotate", {})
    told.holds("POST /trust/tokens", body={"key": key["id"]})
    told.holds("GET /trust/tokens", f"/trust/tokens?who={key['id']}")
    told.holds("GET /me")
    mine = told.town.person("zoe", "citizen")
    told.holds("GET /me", as_=mine)
    told.holds("GET /me/sessions", as_=mine)
    told.holds("GET /me/keys", as_=mine)
    told.holds("GET /me/consents", as_=mine)
    told.holds("PUT /me/consents/{purpose}", "/me/consents/research", {}, mine)
    told.holds("GET /me/consents", as_=mine)
    told.holds("GET /me/reads", as_=mine)
    told.holds("GET /trust/persons/{id}/reads", "/trust/persons/zoe/reads")
    told.holds("GET /trust/persons/{id}/consents", "/trust/persons/zoe/consents")
    told.holds("GET /.well-known/jwks.json")
    told.holds("GET /ui/session")
    told.holds("GET /trust/policies")
    told.holds("GET /trust/policies/{name}", "/trust/policies/"
               + told.town.good("GET", "/trust/policies")[0]["id"].split("/")[0])  # fmt: skip
    told.holds("GET /trust/explanation",
               "/trust/explanation?who=role:operator&action=readEntity&what=Person")  # fmt: skip
    told.holds("GET /trust/public")
    told.holds("GET /trust/marks")
    told.holds("GET /trust/purposes")
    page = told.holds("GET /trust/audit", "/trust/audit?limit=200")
    told.holds("GET /trust/audit", "/trust/audit?limit=5&form=text")
    sequence = page["records"][-1]["sequence"]
    told.holds("GET /trust/audit/{sequence}/proof", f"/trust/audit/{sequence}/proof")
    told.holds("GET /trust/audit/consistency", "/trust/audit/consistency?old=1")
    told.holds("GET /trust/audit/checkpoint")


def look_at_history(told: Told) -> None:
    for path in ("/health", "/ready", "/status"):
        told.holds(f"GET {path}")
    told.holds("POST /history/sql", body={"sql": 'SELECT * FROM "Vehicle" LIMIT 3'})
    told.holds("GET /history/sql/tables")
    told.holds("GET /history/rules")
    now = datetime.now(UTC)
    times = [f"{now - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (5, 4)]
    told.holds("GET /history/state", f"/history/state?at={times[0]}&type=Vehicle&limit=3")
    told.holds("GET /history/diff", f"/history/diff?from={times[0]}&to={times[1]}&type=Vehicle")


def look_at_entities(told: Told) -> None:
    told.holds("GET /ui/types")
    told.holds("GET /ui/pulse")
    (found, *_) = told.town.good("GET", "/ngsi-ld/v1/entities?type=Streetlight&limit=1")
    told.holds("GET /ui/rights", f"/ui/rights?entity={found['id']}")
    told.holds("GET /ui/changes", f"/ui/changes?entity={found['id']}&limit=5")
    told.holds("GET /commands/offers", f"/commands/offers?target={found['id']}")


def look_at_twin(told: Told) -> None:
    told.holds("GET /twin")
    told.holds("POST /twin/policies/check", body={"text": CLOSED})
    told.holds("POST /twin/branches", body={"name": "now"})
    told.holds("GET /twin/branches")
    told.holds("DELETE /twin/branches/{branch}", "/twin/branches/now")
    asked = {"policies": [CLOSED], "hours": 0.05, "seeds": 2, "time": "08:00"}
    trial = told.holds("POST /twin/trials", body=asked)
    one, path = "/twin/trials/{trial}", f"/twin/trials/{trial['id']}"
    until(
        lambda: told.holds(f"GET {one}", path),
        lambda found: found["state"] in ("done", "failed"),
        300,
    )
    told.holds("GET /twin/trials")
    told.holds(f"GET {one}/streets", f"{path}/streets?policy=1")
    told.holds(f"POST {one}/decision", f"{path}/decision", {"adopt": False, "reason": "Test"})
    told.holds(f"GET {one}", path)
    told.holds(f"DELETE {one}", path)


def test_answers_are_as_the_document_says(told: Told) -> None:
    for look in (look_at_incidents, look_at_commands, look_at_devices, look_at_services,
                 look_at_people, look_at_history, look_at_entities, look_at_twin):  # fmt: skip
        look(told)
    reading = {name for name, one in OPERATIONS.items() if name.startswith("GET ") and one.answer}
    missing = reading - told.seen - NO_TALE
    assert not missing, f"nothing has looked at the answers of {sorted(missing)}"
