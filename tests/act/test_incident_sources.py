"""Alerts of others become incidents: warnings in CAP, and the alerts of the Smart Data Models."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.act.incidents.alert import MOST_POSITIONS, is_far, report
from madang.act.incidents.deeds import deeds
from madang.act.incidents.service import service
from madang.model.errors import BadRequestData
from madang.query.distance import between
from madang.sense.feeds.cap.alert import ended, entities
from madang.sense.feeds.cap.document import Alert, alert_of, parsed
from madang.services.city import Thing
from madang.services.played import Played, at
from tests.recorded import recorded

INFO = """<info><language>{0}</language><category>Met</category><event>{1}</event>
<urgency>Immediate</urgency><severity>{2}</severity><certainty>Observed</certainty>
<expires>2026-07-01T18:00:00+09:00</expires><headline>{3}</headline>
<area><areaDesc>Jongno-gu</areaDesc><circle>37.57,126.98 5</circle></area></info>"""
NOW = "2026-07-01T06:00:00Z"


def warning(identifier: str, kind: str = "Alert", severity: str = "Severe") -> Alert:
    refers = "<references>kma.go.kr,KMA-1,2026-07-01T14:55:00+09:00</references>"
    text = f"""<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
    <identifier>{identifier}</identifier><sender>kma.go.kr</sender>
    <sent>2026-07-01T14:55:00+09:00</sent><status>Actual</status><msgType>{kind}</msgType>
    <scope>Public</scope>{refers if kind != "Alert" else ""}
    {INFO.format("ko-KR", "호우", severity, "호우 경보")}
    {INFO.format("en-US", "Heavy rain", severity, "Heavy rain warning")}</alert>"""
    return alert_of(parsed(text.encode(), identifier))


class Feed:
    """A feed of warnings, and the service at work on what it writes."""

    def __init__(self) -> None:
        self.played = Played(service, at("2026-07-01 05:00"), notify="desk")

    async def put(self, minute: int, documents: list[dict[str, Any]]) -> None:
        for one in documents:
            rest = {name: value for name, value in one.items() if name not in ("id", "type")}
            now = at("2026-07-01 06:00") + minute * 60_000_000
            await self.played.put(now, one["id"], one["type"], **rest)

    @property
    def one(self) -> Thing:
        (found,) = self.played.things("Incident")
        return found


async def test_a_warning_in_cap_is_an_incident_in_its_area() -> None:
    feed = Feed()
    await feed.put(0, entities(warning("KMA-1"), "ko-KR"))
    assert (feed.one["title"]["ko"], feed.one["severity"]) == ("호우 경보", "high")
    assert (feed.one["category"], feed.one["subCategory"]) == ("weather", "호우")
    assert (feed.one["areaServed"], feed.one["location"]["type"]) == ("Jongno-gu", "Polygon")


async def test_its_update_is_the_same_incident_and_its_cancel_the_end_of_its_alerts() -> None:
    feed = Feed()
    await feed.put(0, entities(warning("KMA-1", severity="Moderate"), "ko-KR"))
    update = warning("KMA-2", "Update", "Extreme")
    await feed.put(9, ended(update, "KMA-1", 1) + entities(update, "ko-KR"))
    assert (feed.one["severity"], feed.one["status"], feed.one["reports"]) == (
        "critical", "open", 2,
    )  # fmt: skip
    await feed.put(20, ended(warning("KMA-3", "Cancel"), "KMA-2", 1))
    course = [entry["what"] for entry in feed.one["timeline"]]
    assert course.count("alertOver") == 2
    assert feed.one["status"] == "open"  # a critical one waits for somebody


async def test_a_mild_warning_is_over_when_it_expires() -> None:
    feed = Feed()
    await feed.put(0, entities(warning("KMA-1", severity="Minor"), "en-US"))
    await feed.played.until(at("2026-07-01 08:59"))
    assert feed.one["status"] == "open"
    await feed.played.until(at("2026-07-01 09:00"))
    assert feed.one["status"] == "resolved"


def test_the_example_of_the_smart_data_models_is_understood() -> None:
    (path,) = recorded("iot/ngsi_ld/Alert/Alert/example-normalized.jsonld")
    document = orjson.loads(path.read_bytes())
    told = report(Thing(document), NOW)
    assert told.category == document["category"]["value"]
    assert told.severity == document["severity"]["value"]
    assert told.location is not None
    assert told.title["en"]


@pytest.mark.parametrize(
    "broken",
    [
        {"severity": {"type": "Property", "value": 3}},
        {"severity": {"type": "Property", "value": ["high"]}},
        {"category": {"type": "Property", "value": {"a": 1}}},
        {"validTo": {"type": "Property", "value": "tomorrow"}},
        {"validTo": {"type": "Property", "value": 7}},
        {"title": {"type": "Property", "value": []}},
        {"title": {"type": "LanguageProperty", "languageMap": {"fr": "feu"}}},
        {"status": {"type": "Property", "value": {"x": "y"}}},
        {"refersTo": {"type": "Property", "value": 5}},
        {"location": {"type": "Property", "value": "here"}},
    ],
)
def test_an_alert_that_says_nonsense_breaks_nothing(broken: dict[str, Any]) -> None:
    told = report(Thing({"id": "urn:ngsi-ld:Alert:x", "type": "Alert", **broken}), NOW)
    assert told.title["en"]
    assert told.severity in ("informational", "low", "medium", "high", "critical")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = (
    "category", "subCategory", "severity", "title", "name", "description", "refersTo",
    "alertSource", "areaServed", "status", "alertStatus", "validTo",
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6))
async def test_whatever_an_alert_holds_the_service_goes_on(values: dict[str, Any]) -> None:
    played = Played(service, at("2026-07-01 05:00"), from_severity="informational")
    told = {
        name: {"type": "JsonProperty", "json": value} if isinstance(value, list | dict) else value
        for name, value in values.items()
        if value is not None
    }
    await played.put(at("2026-07-01 06:00"), "urn:ngsi-ld:Alert:x", "Alert", **told)
    await played.until(at("2026-07-02 06:00"))


@pytest.mark.parametrize(
    "place", [{"type": "Point"}, {"a": 1}, {"type": "Point", "coordinates": [1]}]
)
def test_an_incident_is_opened_only_at_a_place_that_there_is(place: Any) -> None:
    with pytest.raises(BadRequestData, match=r"^location: "):
        deeds([{"do": "open", "title": "x", "location": place}])


POINTS = st.tuples(st.floats(-180, 180), st.floats(-90, 90))


@settings(max_examples=200)
@given(POINTS, POINTS, st.floats(0, 50_000))
def test_what_is_left_out_at_once_is_really_far(
    one: tuple[float, float], other: tuple[float, float], metres: float
) -> None:
    if is_far((*one, *one), (*other, *other), metres):
        assert between(*one, *other) > metres


def test_a_very_fine_area_is_made_simpler() -> None:
    ring = [[127 + n / 1e5, 37 + (n % 7) / 1e3] for n in range(2_000)]
    area = {"type": "Polygon", "coordinates": [[*ring, [127.01, 38.0], ring[0]]]}
    place = {"location": {"type": "GeoProperty", "value": area}}
    told = report(Thing({"id": "urn:ngsi-ld:Alert:x", "type": "Alert", **place}), NOW)
    assert told.location is not None
    assert len(told.location["coordinates"][0]) <= MOST_POSITIONS
