"""The quality of data on a running hub: queried, reported, published, tried anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.server import API, Server

SENSOR = "urn:ngsi-ld:WeatherObserved:q1"
PROFILE = """
title = "Thermometer"
type = "WeatherObserved"
interval_s = 1

[attributes]
temperature = { unit = "CEL", quality = { fail_below = -40, fail_above = 60, stuck_s = 3600 } }
"""
OWNER = "City of Madang"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A hub to which a thermometer has sent three values: two good ones and one it cannot have."""
    environ = {"MADANG_MQTT_PORT": "0"}
    with Server(tmp_path_factory.mktemp("quality") / "data", environ=environ) as server:
        assert server.request("PUT", "/profiles/thermometer", {"text": PROFILE}).status == 201
        device = {"device": "q1", "profile": "thermometer", "owner": OWNER}
        assert server.request("POST", "/devices", device).status == 201
        for value in (21.0, 22.0, 99.0):
            push(server, value)
        yield server


def push(server: Server, temperature: float) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"observedAt": at, "values": {"temperature": temperature}}
    answer = server.request("POST", "/devices/q1/up", body)
    assert answer.status == 200, answer.body


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def madang(server: Server, *words: str) -> str:
    return server.said(*words)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ('temperature.quality=="fail"', [SENSOR]),
        ('temperature.quality!="fail"', []),
        ('temperature.qualityReason=="range"', [SENSOR]),
        ('temperature.quality=="suspect"', []),
    ],
)
def test_flags_and_reasons_can_be_queried(server: Server, q: str, expected: list[str]) -> None:
    answer = server.request("GET", f"{API}/entities?type=WeatherObserved&q={quote(q)}")
    found: Any = answer.json()
    assert [entity["id"] for entity in found] == expected


def test_the_flag_and_its_reason_are_stored_with_the_value(server: Server) -> None:
    found: Any = server.request("GET", f"{API}/entities/{SENSOR}").json()
    assert found["temperature"]["value"] == 99
    assert found["temperature"]["quality"]["value"] == "fail"
    assert found["temperature"]["qualityReason"]["value"] == ["range"]


def test_a_day_is_reported_by_provider(server: Server) -> None:
    found: Any = server.request("GET", f"/sense/quality?day={today()}").json()
    (one,) = found
    assert one["provider"] == OWNER
    assert (one["values"], one["flags"]) == (3, {"good": 2, "fail": 1})
    assert one["reasons"] == {"range": 1}
    assert one["completeness"] is None or 0 < one["completeness"] <= 1
    assert one["delayMedian"] < 5
    assert (one["sources"], one["silent"]) == (1, 0)
    nobody: Any = server.request("GET", f"/sense/quality?day={today()}&provider=X").json()
    assert nobody == []


def test_the_command_shows_the_report_as_a_table(server: Server) -> None:
    table = madang(server, "quality", "report", "--day", today())
    assert table.startswith(f"{today()} (UTC)")
    assert OWNER in table
    assert "66.7 %" in table
    assert "range 1" in table


def test_a_day_can_be_published_again(server: Server) -> None:
    for _ in range(2):
        assert server.request("POST", f"/sense/quality?day={today()}").status == 200
    found: Any = server.request(
        "GET", f"{API}/entities?type=DataQualityAssessment&options=keyValues"
    ).json()
    assert [(one["dataProvider"], one["values"]) for one in found] == [(OWNER, 3)]


def test_other_limits_are_tried_on_what_was_measured(server: Server) -> None:
    words = (
        "quality",
        "try",
        SENSOR,
        "temperature",
        "--limit",
        "suspect_above=50",
        "--since",
        "1d",
    )
    shown = madang(server, *words)
    assert "flags: good 2, suspect 1" in shown
    assert "reasons: range 1" in shown


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("GET", "/sense/quality?day=soon", None, "day must be a day"),
        ("GET", "/sense/quality?day=2999-01-01", None, "not come yet"),
        ("GET", "/sense/quality?days=3", None, "no parameter"),
        ("POST", "/sense/quality/trial", {"entity": SENSOR}, "attribute must be a text"),
        (
            "POST",
            "/sense/quality/trial",
            {"entity": SENSOR, "attribute": "temperature", "limits": {"peak": 1}},
            "limits has no",
        ),
        (
            "POST",
            "/sense/quality/trial",
            {"entity": SENSOR, "attribute": "temperature", "limits": {"spike": "high"}},
            "limits.spike must be a number",
        ),
        (
            "POST",
            "/sense/quality/trial",
            {
                "entity": SENSOR,
                "attribute": "temperature",
                "limits": {},
                "since": "2020-01-01T00:00:00Z",
            },
            "31 days",
        ),
    ],
)
def test_what_is_asked_wrongly_is_explained(
    server: Server, method: str, path: str, body: Any, told: str
) -> None:
    answer = server.request(method, path, body)
    problem: Any = answer.json()
    assert answer.status == 400
    assert told in problem["detail"]


def test_after_a_restart_values_are_compared_with_what_was_there_before(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environ={"MADANG_MQTT_PORT": "0"})
    jumpy = PROFILE.replace("stuck_s = 3600", "rate_per_s = 0.01")
    with server:
        assert server.request("PUT", "/profiles/thermometer", {"text": jumpy}).status == 201
        device = {"device": "q1", "profile": "thermometer"}
        assert server.request("POST", "/devices", device).status == 201
        push(server, 20.0)
        server.kill()
        server.start()
        push(server, 40.0)
        found: Any = server.request("GET", f"{API}/entities/{SENSOR}").json()
        assert found["temperature"]["qualityReason"]["value"] == ["rate"]
