"""Clients of Sentilo against a running server: every body of its documentation, and what follows.

The bodies are those of https://github.com/sentilo/sentilo, docs/api_docs, as they were recorded.
Requests are sent as the documentation says; of answers, what they tell of is made first, and then
the server must answer with the same members and values.
"""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from tests.e2e.server import Answer, Server
from tests.recorded import recorded

COUNT = 47
HERE = "http://127.0.0.1:9/"  # nobody listens there


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("sentilo") / "data", open=False) as running:
        yield running


@pytest.fixture(scope="module")
def bodies() -> list[dict[str, Any]]:
    (file,) = recorded("iot/sentilo/api_bodies.json")
    found: list[dict[str, Any]] = orjson.loads(file.read_bytes())
    assert len(found) == COUNT
    return found


class Client:
    """A client of Sentilo, with a key in its header."""

    def __init__(self, server: Server) -> None:
        self._server = server
        key = server.local_key()["Authorization"].removeprefix("Bearer ")
        self.headers = {"IDENTITY_KEY": key}

    def __call__(self, method: str, path: str, body: object = None) -> Answer:
        return self._server.request(method, path, body, self.headers)

    def done(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that must succeed; return the JSON of the answer, if it has some."""
        answer = self(method, path, body)
        assert answer.status == 200, (method, path, answer)
        return orjson.loads(answer.body) if answer.body else None

    def entity(self, id: str) -> dict[str, Any]:
        answer = self._server.request(
            "GET", f"/ngsi-ld/v1/entities/{id}", headers=self._server.local_key()
        )
        assert answer.status == 200, answer
        found: dict[str, Any] = orjson.loads(answer.body)
        return found


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server)


def registered(client: Client, provider: str, *sensors: str, type: str = "temperature") -> None:
    client.done(
        "POST",
        f"/catalog/{provider}",
        {"sensors": [{"sensor": name, "type": type} for name in sensors]},
    )


class Endpoint:
    """Takes notifications."""

    def __init__(self) -> None:
        taken: list[dict[str, Any]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                taken.append(orjson.loads(self.rfile.read(length)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.taken = taken
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/resource"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def wait(self, count: int) -> list[dict[str, Any]]:
        until = time.monotonic() + 20
        while len(self.taken) < count and time.monotonic() < until:
            time.sleep(0.01)
        return self.taken

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.close()


# --- each body of the documentation ---------------------------------------------------------------

Body = dict[str, Any]
Use = Callable[[Client, str, Body, Endpoint], None]
"""Takes a client, a provider of its own, the body, and an endpoint for notifications."""


def one_sensor(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    registered(client, provider, "S1")
    client.done("PUT", f"/data/{provider}/S1", body)
    values = [one["value"] for one in body["observations"]]
    answer = client.done("GET", f"/data/{provider}/S1?limit=20")
    got = [one["value"] for one in answer["observations"]]
    assert sorted(map(number, got)) == sorted(map(number, values))


def json_value(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    text_sensor = {"sensors": [{"sensor": "S1", "type": "status", "dataType": "TEXT"}]}
    client.done("POST", f"/catalog/{provider}", text_sensor)
    client.done("PUT", f"/data/{provider}/S1", body)
    answer = client.done("GET", f"/data/{provider}/S1")
    assert answer["observations"][0]["value"] == body["observations"][0]["value"]


def bare_json(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    """The tutorial's value, before it is put into an observation as text."""
    sensor = {"sensors": [{"sensor": "S1", "type": "status", "dataType": "JSON"}]}
    client.done("POST", f"/catalog/{provider}", sensor)
    client.done("PUT", f"/data/{provider}/S1", {"observations": [{"value": body}]})
    measured = client.entity(f"urn:ngsi-ld:DeviceMeasurement:{provider}.S1")
    assert measured["textValue"]["value"] == body


def several_sensors(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    registered(client, provider, *(one["sensor"] for one in body["sensors"]))
    client.done("PUT", f"/data/{provider}", body)
    answer = client.done("GET", f"/data/{provider}?limit=20")
    for sent, got in zip(body["sensors"], answer["sensors"], strict=True):
        assert got["sensor"] == sent["sensor"]
        values = {number(one["value"]) for one in sent["observations"]}
        assert {number(one["value"]) for one in got["observations"]} == values


def past_of_sensor(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    registered(client, provider, "RE0012")
    client.done("PUT", f"/data/{provider}/RE0012", body)
    answer = client.done("GET", f"/data/{provider}/RE0012?limit=20&from=01/01/2010T10:00:00")
    # Of one time there is one value, the last that was told.
    wanted = {one["timestamp"]: number(one["value"]) for one in reversed(body["observations"])}
    got = {one["timestamp"]: number(one["value"]) for one in answer["observations"]}
    assert got.keys() == wanted.keys()
    assert list(got) == sorted(got, key=lambda text: (text[6:10], text[3:5], text), reverse=True)
    twice = [one["timestamp"] for one in body["observations"]]
    assert all(got[at] == wanted[at] for at in got if twice.count(at) == 1)
    assert answer["observations"][0].keys() == {"value", "timestamp", "time"}


def past_of_provider(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    several_sensors(client, provider, body, _)
    answer = client.done("GET", f"/data/{provider}?from=10/09/2012T10:00:00&limit=5")
    assert answer["sensors"][0]["observations"][0].keys() == {"value", "timestamp", "time"}


def registration(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    client.done("POST", f"/catalog/{provider}", body)
    (listed,) = client.done("GET", f"/catalog/{provider}")["providers"]
    for sent, got in zip(body["sensors"], listed["sensors"], strict=True):
        for member, value in sent.items():
            if member == "dataType":
                assert got[member] == value.upper()
            elif sent is body["sensors"][0] or not member.startswith("component"):
                assert got[member] == value


def listing(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    own = {one["provider"]: f"{provider}-{one['provider']}" for one in body["providers"]}
    for one in body["providers"]:
        # The documentation lists two sensors of one component, one with details of it.
        client.done("POST", f"/catalog/{own[one['provider']]}", {"sensors": one["sensors"][::-1]})
    answer = client.done(
        "GET", "/catalog?component=" + body["providers"][0]["sensors"][0]["component"]
    )
    listed = {one["provider"]: one for one in answer["providers"]}
    for one in body["providers"]:
        if own[one["provider"]] not in listed:
            continue
        got = {sensor["sensor"]: sensor for sensor in listed[own[one["provider"]]]["sensors"]}
        for sensor in one["sensors"]:
            assert sensor.items() <= got[sensor["sensor"]].items()


def update(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    if "components" in body:
        sensor = {"sensor": "S1", "type": "temperature", "component": "COMP-2"}
        client.done("POST", f"/catalog/{provider}", {"sensors": [sensor]})
        client.done("PUT", f"/catalog/{provider}", body)
        place = client.entity(f"urn:ngsi-ld:Device:{provider}.S1")["location"]["value"]
        assert place["coordinates"] == [2.132012, 41.4051143]
        return
    registered(client, provider, *(one["sensor"] for one in body["sensors"]))
    client.done("PUT", f"/catalog/{provider}", body)
    (listed,) = client.done("GET", f"/catalog/{provider}")["providers"]
    assert [one["description"] for one in listed["sensors"]] == ["sensor 12", "sensor 13"]


def removal(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    names = body.get("sensors") or body["components"]
    sensors = [{"sensor": name, "type": "noise", "component": name} for name in [*names, "STAYS"]]
    client.done("POST", f"/catalog/{provider}", {"sensors": sensors})
    client.done("PUT", f"/catalog/{provider}?method=delete", body)
    (listed,) = client.done("GET", f"/catalog/{provider}")["providers"]
    assert [one["sensor"] for one in listed["sensors"]] == ["STAYS"]


def order(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    registered(client, provider, "RE0012", "RE0013")
    path = f"/order/{provider}" if " " in body["order"] else f"/order/{provider}/RE0012"
    client.done("PUT", path, body)
    (got,) = client.done("GET", f"/order/{provider}/RE0012")["orders"]
    assert got["order"] == body["order"]
    device = client.entity(f"urn:ngsi-ld:Device:{provider}.RE0012")
    assert device["order"]["value"] == body["order"]


def past_orders(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    by_sensor = (
        {one["sensor"]: one["orders"] for one in body["sensors"]}
        if "sensors" in body
        else {"RE0012": body["orders"]}
    )
    registered(client, provider, *by_sensor)
    for sensor, orders in by_sensor.items():
        for one in reversed(orders):
            client.done("PUT", f"/order/{provider}/{sensor}", {"order": one["order"]})
            time.sleep(0.002)  # of one millisecond there is one order
    answer = client.done("GET", f"/order/{provider}?limit=3")
    got = {one["sensor"]: one["orders"] for one in answer["sensors"]}
    assert {s: [o["order"] for o in some] for s, some in got.items()} == {
        s: [o["order"] for o in some] for s, some in by_sensor.items()
    }
    assert got["RE0012"][0].keys() == {"order", "timestamp", "sender", "time"}


def alert(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    answer = client("POST", f"/catalog/alert/{provider}", body)
    if body["alerts"][0]["type"] == "INTERNAL":
        assert answer.status == 501
        assert b"internal alerts are not offered here" in answer.body
        return
    assert answer.status == 200, answer
    (got,) = client.done("GET", f"/catalog/alert/{provider}")["alerts"]
    assert body["alerts"][0].items() <= got.items()
    client.done("DELETE", f"/catalog/alert/{provider}")


def alerts_listed(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    given = [one for one in body["alerts"] if one["type"] == "EXTERNAL"]
    client.done("POST", f"/catalog/alert/{provider}", {"alerts": given})
    answer = client.done("GET", f"/catalog/alert/{given[0]['entity']}?type=EXTERNAL")
    assert answer == {"alerts": given}
    client.done("PUT", f"/catalog/alert/{provider}?method=delete", {"alertsIds": [given[0]["id"]]})


def alert_update(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    (changed,) = body["alerts"]
    client.done(
        "POST",
        f"/catalog/alert/{provider}",
        {"alerts": [{"id": changed["id"], "type": "EXTERNAL", "name": "before"}]},
    )
    answer = client("PUT", f"/catalog/alert/{provider}", body)
    if changed["type"] == "INTERNAL":
        assert answer.status == 501
    else:
        (got,) = client.done("GET", f"/catalog/alert/{provider}")["alerts"]
        assert got["name"] == changed["name"]
    client.done("DELETE", f"/catalog/alert/{provider}")


def past_alarms(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    one = {"id": provider, "type": "EXTERNAL"}
    client.done("POST", f"/catalog/alert/{provider}", {"alerts": [one]})
    for alarm in reversed(body["alarms"]):
        client.done("PUT", f"/alarm/{provider}", {"message": alarm["message"]})
        time.sleep(0.002)  # of one millisecond there is one alarm
    got = client.done("GET", f"/alarm/{provider}?limit=3")["alarms"]
    assert [one["message"] for one in got] == [one["message"] for one in body["alarms"]]
    assert all(one.keys() == {"message", "timestamp", "time", "sender"} for one in got)


def subscription(client: Client, provider: str, body: Body, endpoint: Endpoint) -> None:
    registered(client, provider, "S1")
    for kind in ("data", "order"):
        path = f"/subscribe/{kind}/{provider}/S1"
        answer = client("PUT", path, body)
        assert answer.status == 400, "the placeholder of the documentation is no URL"
        assert b"notification.endpoint.uri" in answer.body
        client.done("PUT", path, {"endpoint": endpoint.url})
        client.done("DELETE", path)


def subscriptions(client: Client, provider: str, body: Body, endpoint: Endpoint) -> None:
    client.done("DELETE", "/subscribe")  # what other tests left
    for one in body["subscriptions"]:
        if one["type"] == "ALARM":
            alert = {"id": one["alert"], "type": "EXTERNAL"}
            client.done("POST", f"/catalog/alert/{provider}", {"alerts": [alert]})
            path = f"/subscribe/alarm/{one['alert']}"
        else:
            registered(client, one["provider"], one["sensor"])
            path = f"/subscribe/data/{one['provider']}/{one['sensor']}"
        client.done("PUT", path, {"endpoint": endpoint.url})
    wanted = [{**one, "endpoint": endpoint.url} for one in body["subscriptions"]]
    assert client.done("GET", "/subscribe")["subscriptions"] == wanted
    alarms = [one for one in wanted if one["type"] == "ALARM"]
    assert client.done("GET", "/subscribe/alarm")["subscriptions"] == alarms
    client.done("DELETE", "/subscribe")
    assert client.done("GET", "/subscribe") == {"subscriptions": []}
    client.done("DELETE", f"/catalog/alert/{provider}")
    client.done("DELETE", "/catalog/app_demo_provider")


def notification(client: Client, provider: str, body: Body, endpoint: Endpoint) -> None:
    sensor, kind = body["sensor"], body["type"].lower()
    registered(client, provider, sensor)
    whole = f"/{kind}/{provider}" if kind == "order" else f"/{kind}/{provider}/{sensor}"
    client.done("PUT", f"/subscribe{whole}", {"endpoint": endpoint.url})
    if kind == "data":
        one = {
            "value": body["message"],
            "timestamp": body["timestamp"],
            "location": body["location"],
        }
        client.done("PUT", f"/data/{provider}/{sensor}", {"observations": [one]})
    else:
        client.done("PUT", f"/order/{provider}/{sensor}", {"order": body["message"]})
    (got,) = endpoint.wait(1)
    own = {"topic": whole, "provider": provider, "publisher": got["publisher"]}
    for member in {"message", "type", "sensor", "tenant", "publisherTenant"}:
        assert number(got[member]) == number(body[member])
    assert got.items() >= own.items()
    assert body.keys() - {"retryAttempt", "location"} <= got.keys()
    if kind == "data":
        assert (got["timestamp"], got["time"]) == (body["timestamp"], body["time"])
        assert got["location"] == body["location"]
    client.done("DELETE", f"/subscribe{whole}")


def refusal(client: Client, provider: str, body: Body, _: Endpoint) -> None:
    if body["code"] == 401:
        nobody = client._server.request("GET", "/catalog")
        wrong = client._server.request("GET", "/catalog", headers={"IDENTITY_KEY": "null"})
        for answer in (nobody, wrong):
            assert answer.status == 401
            assert answer.json().keys() == body.keys()  # type: ignore[attr-defined]
        return
    registered(client, provider, "S1")
    answer = client("PUT", f"/data/{provider}/S1", b"observations")
    assert answer.status == body["code"]
    assert answer.json()["code"] == body["code"]  # type: ignore[index]


def number(text: str) -> float | str:
    """Return the number that a text is; 42.0 comes back as 42."""
    try:
        return float(text)
    except ValueError:
        return text


USES: list[tuple[str, Callable[[Body], bool], Use]] = [
    ("general_model", lambda body: "code" in body, refusal),
    ("general_model", lambda body: True, one_sensor),
    ("retrieve_alarms", lambda body: True, past_alarms),
    ("create_alerts", lambda body: True, alert),
    ("retrieve_authorized_alerts", lambda body: True, alerts_listed),
    ("update_alerts", lambda body: True, alert_update),
    ("create_sensors", lambda body: True, registration),
    ("delete_component_or_sensor", lambda body: True, removal),
    ("retrieve_authorized_entities", lambda body: True, listing),
    ("update_sensors", lambda body: True, update),
    ("publish_provider_sensor_data", lambda body: True, several_sensors),
    ("publish_sensor_data", lambda body: True, one_sensor),
    ("retrieve_provider_sensor_data", lambda body: True, past_of_provider),
    ("retrieve_sensor_data", lambda body: True, past_of_sensor),
    ("get_orders", lambda body: True, past_orders),
    ("publish_order", lambda body: True, order),
    ("retrieve_subscription_list", lambda body: True, subscriptions),
    ("subscription/subscription", lambda body: True, notification),
    ("subscription/retrieve", lambda body: True, subscription),
    ("quickstart", lambda body: True, one_sensor),
    ("arduino_tutorial", lambda body: "ldr" in body, bare_json),
    ("arduino_tutorial", lambda body: "observations" in body, json_value),
    ("arduino_tutorial", lambda body: "sensors" in body, registration),
]
"""What is done with a body, by the page that it is from."""


@pytest.mark.parametrize("place", range(COUNT))
def test_every_body_of_the_documentation_does_what_it_says(
    place: int, client: Client, bodies: list[dict[str, Any]], endpoint: Endpoint
) -> None:
    source, body = bodies[place]["source"], bodies[place]["body"]
    use = next(use for page, fits, use in USES if page in source and fits(body))
    use(client, f"p{place}", body, endpoint)


# --- what follows from them ----------------------------------------------------------------------


def test_a_sensor_becomes_an_entity_with_a_unit_a_place_and_a_quality(client: Client) -> None:
    sensor = {
        "sensor": "RE0025", "type": "humidity", "unit": "%", "component": "METEO-1",
        "location": "41.39479 2.148768",
    }  # fmt: skip
    client.done("POST", "/catalog/entity", {"sensors": [sensor]})
    client.done("PUT", "/data/entity/RE0025/45.5")
    found = client.entity("urn:ngsi-ld:WeatherObserved:entity.RE0025")
    humidity = found["relativeHumidity"]
    assert (humidity["value"], humidity["unitCode"]) == (45.5, "P1")
    assert humidity["quality"]["value"] == "good"
    assert found["location"]["value"]["coordinates"] == [2.148768, 41.39479]
    assert found["refDevice"]["object"] == "urn:ngsi-ld:Device:entity.RE0025"


def test_a_sensor_that_is_not_in_the_catalog_is_refused_and_its_message_kept(
    client: Client, server: Server
) -> None:
    answer = client("PUT", "/data/nobody/S9/1")
    assert answer.status == 404
    told: Any = answer.json()
    assert told["code"] == 404
    assert "nobody.S9" in told["message"]
    letters: Any = server.request("GET", "/sense/letters", headers=server.local_key()).json()
    kept = next(one for one in letters["letters"] if one["address"] == "/data/nobody/S9/1")
    assert kept["reason"] == "unknownDevice"


def test_a_sensor_that_is_offline_is_refused_and_not_listed(client: Client) -> None:
    sensor = {"sensor": "S1", "type": "noise", "state": "offline"}
    client.done("POST", "/catalog/offline", {"sensors": [sensor]})
    assert client("PUT", "/data/offline/S1/50").status == 403
    assert client.done("GET", "/catalog/offline") == {"providers": []}
    client.done("PUT", "/catalog/offline", {"sensors": [{"sensor": "S1", "state": "online"}]})
    client.done("PUT", "/data/offline/S1/50")


def test_a_sensor_cannot_be_registered_twice(client: Client) -> None:
    registered(client, "twice", "S1")
    both = {"sensors": [{"sensor": "S0", "type": "noise"}, {"sensor": "S1", "type": "noise"}]}
    answer = client("POST", "/catalog/twice", both)
    assert answer.status == 400
    assert b"sensor with the same id already exists" in answer.body
    (listed,) = client.done("GET", "/catalog/twice")["providers"]
    assert [one["sensor"] for one in listed["sensors"]] == ["S1"], "all of them or none"


def test_the_last_observation_can_be_removed(client: Client) -> None:
    registered(client, "gone", "S1")
    for value, hour in (("1", "10"), ("2", "11")):
        one = {"value": value, "timestamp": f"17/09/2024T{hour}:00:00"}
        client.done("PUT", "/data/gone/S1", {"observations": [one]})
    client.done("DELETE", "/data/gone/S1")
    got = client.done("GET", "/data/gone/S1?limit=9")["observations"]
    assert [one["value"] for one in got] == ["1"]
    assert "temperature" not in client.entity("urn:ngsi-ld:WeatherObserved:gone.S1")


def test_a_period_of_the_past_has_both_its_ends(client: Client) -> None:
    registered(client, "period", "S1")
    some = [{"value": str(hour), "timestamp": f"17/09/2024T{hour}:00:00"} for hour in range(10, 20)]
    client.done("PUT", "/data/period/S1", {"observations": some})
    path = "/data/period/S1?limit=50&from=17/09/2024T12:00:00&to=17/09/2024T15:00:00"
    got = client.done("GET", path)["observations"]
    assert [one["value"] for one in got] == ["15", "14", "13", "12"]
    for wrong in (
        "limit=0",
        "limit=x",
        "from=yesterday",
        "from=02/01/2024T00:00:00&to=01/01/2024T00:00:00",
    ):
        assert client("GET", f"/data/period/S1?{wrong}").status == 400


def test_a_key_publishes_what_it_may_and_no_more(client: Client, server: Server) -> None:
    registered(client, "keyed", "S1")
    made: Any = server.request(
        "POST",
        "/trust/keys",
        {"name": "rec", "kind": "app", "writes": ["WeatherObserved"]},
        server.local_key(),
    ).json()
    headers = {"IDENTITY_KEY": made["key"]}
    assert server.request("PUT", "/data/keyed/S1/21", None, headers).status == 200
    assert server.request("GET", "/data/keyed/S1", None, headers).status == 200
    refused = server.request("PUT", "/order/keyed/S1", {"order": "Stop"}, headers)
    assert refused.status == 403
    assert refused.json()["code"] == 403  # type: ignore[index]
    assert server.request("DELETE", "/catalog/keyed", None, headers).status == 200
    client.done("PUT", "/data/keyed/S1/22")  # what it does not see, it does not remove


def test_the_key_of_a_sensor_ends_with_the_sensor(client: Client, server: Server) -> None:
    registered(client, "ended", "S1")
    made: Any = server.request("POST", "/devices/ended.S1/key", {}, server.local_key()).json()
    headers = {"IDENTITY_KEY": made["key"]}
    assert server.request("PUT", "/data/ended/S1/21", None, headers).status == 200
    client.done("DELETE", "/catalog/ended")
    assert server.request("PUT", "/data/ended/S1/22", None, headers).status == 401


def test_all_sensors_of_a_provider_can_be_followed(client: Client, endpoint: Endpoint) -> None:
    registered(client, "followed", "S1", "S2")
    client.done("PUT", "/subscribe/data/followed", {"endpoint": endpoint.url})
    client.done("PUT", "/data/followed/S1/21")
    client.done("PUT", "/data/followed/S2/22")
    got = {one["sensor"]: one["message"] for one in endpoint.wait(2)}
    assert got == {"S1": "21", "S2": "22"}
    client.done("DELETE", "/subscribe/data/followed")


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("POST", "/catalog/bad", {}, "sensors must be a list"),
        ("POST", "/catalog/bad", {"sensors": [{"sensor": "a b"}]}, "sensor 1: sensor"),
        ("POST", "/catalog/bad", {"sensors": [{"sensor": "S1"}]}, "type must be"),
        ("POST", "/catalog/bad", {"sensors": [{"sensor": "S1", "location": "x"}]}, "location"),
        ("PUT", "/catalog/bad", {"sensors": [{"sensor": "S1"}]}, "not in the catalog"),
        ("PUT", "/order/bad/S1", {"order": "Stop"}, "no such sensor"),
        ("PUT", "/alarm/none", {"message": "x"}, "there is no alert none"),
        ("PUT", "/subscribe/data/bad/S1", {"endpoint": HERE}, "there is no sensor"),
        ("PUT", "/subscribe/all/bad", {"endpoint": HERE}, "subscribe to data, order, alarm"),
        ("PUT", "/subscribe/alarm/a", {"endpoint": HERE, "secretCallbackKey": "k"}, "not signed"),
        ("GET", "/data/bad/S1", None, "there is no sensor bad.S1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_the_way_of_sentilo(
    client: Client, method: str, path: str, body: object, text: str
) -> None:
    answer = client(method, path, body)
    told: Any = answer.json()
    assert told["code"] == answer.status >= 400
    assert text in told["message"]
