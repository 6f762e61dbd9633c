"""The quality of data on a running hub: queried, reported, published, tried anew."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.server import API, COMMAND, Server

SENSOR = "urn:ngsi-ld:WeatherObserved:q1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("quality") / "data") as server:
        values = [(21.0, "good", []), (22.0, "good", []), (99.0, "fail", ["range"])]
        now = datetime.now(UTC).replace(microsecond=0)
        for n, (value, flag, reasons) in enumerate(values):
            quality: dict[str, Any] = {"quality": prop(flag)}
            if reasons:
                quality["qualityReason"] = prop(reasons)
            at = (now - timedelta(seconds=3 - n)).strftime("%Y-%m-%dT%H:%M:%SZ")
            entity = {
                "id": SENSOR,
                "type": "WeatherObserved",
                "dataProvider": prop("City of Madang"),
                "temperature": {**prop(value), "observedAt": at, **quality},
            }
            answer = server.request("POST", f"{API}/entityOperations/upsert", [entity])
            assert answer.status in (201, 204)
        yield server


def prop(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def today() -> str:
    """Return the day of the values; a test that runs over midnight is at fault itself."""
    return (datetime.now(UTC) - timedelta(seconds=3)).date().isoformat()


def madang(server: Server, *words: str) -> str:
    done = subprocess.run(
        [COMMAND, *words, "--url", server.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_a_day_is_reported_by_provider(server: Server) -> None:
    found: Any = server.request("GET", f"/sense/quality?day={today()}").json()
    (one,) = found
    assert one["provider"] == "City of Madang"
    assert (one["values"], one["flags"]) == (3, {"good": 2, "fail": 1})
    assert one["reasons"] == {"range": 1}
    assert one["completeness"] is None
    assert 0.5 < one["delayMedian"] < 10
    nobody: Any = server.request("GET", f"/sense/quality?day={today()}&provider=X").json()
    assert nobody == []


def test_the_command_shows_the_report_as_a_table(server: Server) -> None:
    table = madang(server, "quality", "report", "--day", today())
    assert "City of Madang" in table
    assert "66.7 %" in table
    assert "range 1" in table


def test_a_day_can_be_published_again(server: Server) -> None:
    for _ in range(2):
        assert server.request("POST", f"/sense/quality?day={today()}").status == 200
    found: Any = server.request(
        "GET", f"{API}/entities?type=DataQualityAssessment&options=keyValues"
    ).json()
    assert [(one["dataProvider"], one["values"]) for one in found] == [("City of Madang", 3)]


def test_other_limits_are_tried_on_what_was_measured(server: Server) -> None:
    words = ("quality", "try", SENSOR, "temperature", "--limit", "rate_per_s=5", "--since", "1d")
    shown = madang(server, *words)
    assert "flags: good 2, suspect 1" in shown
    assert "rate" in shown


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
            "92 days",
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
