"""Observations of SensorThings, created over HTTP and looked at in the hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.server import Answer, Server

PROFILE = """
type = "WeatherObserved"
[attributes.temperature]
path = "result"
kind = "number"
unit = "CEL"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("things") / "data") as running:
        put = running.request("PUT", "/profiles/thermometer", {"text": PROFILE})
        assert put.status == 201, put
        for name, alias in (("roof", "1"), ("cellar", "uuid-2"), ("attic", "3"), ("shed", "4")):
            body = {"device": name, "profile": "thermometer", "alias": [alias]}
            made = running.request("POST", "/devices", body)
            assert made.status == 201, made
        yield running


def at(answer: Answer) -> str:
    return urlsplit(answer.headers["location"]).path


def temperature(server: Server, device: str) -> dict[str, Any]:
    path = f"/ngsi-ld/v1/entities/urn:ngsi-ld:WeatherObserved:{device}"
    found: Any = server.request("GET", path).json()
    state: dict[str, Any] = found["temperature"]
    return state


def test_an_observation_of_a_datastream_becomes_a_value_with_its_time(server: Server) -> None:
    observation = {"phenomenonTime": "2026-01-31T12:00:00Z", "result": 21.5}
    answer = server.request("POST", "/v1.1/Datastreams(1)/Observations", observation)
    assert answer.status == 201, answer
    state = temperature(server, "roof")
    assert (state["value"], state["unitCode"]) == (21.5, "CEL")
    assert state["observedAt"] == "2026-01-31T12:00:00Z"
    created: Any = server.request("GET", at(answer)).json()
    assert created["result"] == 21.5
    assert created["phenomenonTime"] == "2026-01-31T12:00:00Z"


def test_an_observation_may_name_its_datastream_itself(server: Server) -> None:
    observation = {
        "phenomenonTime": "2026-01-31T12:00:00Z/2026-01-31T12:10:00Z",
        "result": 12,
        "Datastream": {"@iot.id": "uuid-2"},
    }
    answer = server.request("POST", "/v1.1/Observations", observation)
    assert answer.status == 201, answer
    assert at(answer) == "/v1.1/Observations('uuid-2@1769861400000')"
    assert temperature(server, "cellar")["observedAt"] == "2026-01-31T12:10:00Z"


def test_an_id_that_is_a_text_is_quoted(server: Server) -> None:
    answer = server.request("POST", "/v1.1/Datastreams('shed')/Observations", {"result": 13})
    assert answer.status == 201, answer
    assert temperature(server, "shed")["value"] == 13


def test_many_are_created_at_once_and_each_is_answered(server: Server) -> None:
    groups = [
        {
            "Datastream": {"@iot.id": 3},
            "components": ["phenomenonTime", "result", "FeatureOfInterest/id"],
            "dataArray@iot.count": 3,
            "dataArray": [
                ["2026-02-01T00:00:00Z", 1, 7],
                ["2026-02-01T00:10:00Z", "cold", 7],
                ["2026-02-01T00:20:00Z", 3, 7],
            ],
        },
        {
            "Datastream": {"@iot.id": "nobody"},
            "components": ["result"],
            "dataArray": [[1]],
        },
    ]
    answer = server.request("POST", "/v1.1/CreateObservations", groups)
    assert answer.status == 201, answer
    told: Any = answer.json()
    assert [one == "error" for one in told] == [False, True, False, True]
    created: Any = server.request("GET", urlsplit(told[2]).path).json()
    assert created["result"] == 3
    letters: Any = server.request("GET", "/sense/letters").json()
    reasons = {one["reason"] for one in letters["letters"]}
    assert {"badValue", "unknownDevice"} <= reasons


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("Observations", {"result": 1}, 400, "names no Datastream"),
        ("Observations", b"{", 400, "no JSON"),
        ("Datastreams(1)/Observations", {"phenomenonTime": "2026-01-31T12:00:00Z"}, 400, "result"),
        ("Datastreams(99)/Observations", {"result": 1}, 404, "'99'"),
        ("Datastreams(1)/Observations", {"result": 1, "phenomenonTime": "now"}, 400, "its zone"),
        ("CreateObservations", {}, 400, "array of objects"),
        ("CreateObservations", [{"components": ["x", "result"], "dataArray": []}], 400, "not x"),
        ("CreateObservations", [{"components": ["result"], "dataArray": [[1, 2]]}], 400, "row 1"),
    ],
)
def test_what_is_wrong_is_told(
    server: Server, path: str, body: object, status: int, text: str
) -> None:
    answer = server.request("POST", f"/v1.1/{path}", body)
    told: Any = answer.json()
    assert answer.status == status
    assert text in told["detail"]


def test_an_observation_that_is_not_there_is_not_found(server: Server) -> None:
    assert server.request("GET", "/v1.1/Observations('roof@5')").status == 404
    assert server.request("GET", "/v1.1/Observations(7)").status == 400
