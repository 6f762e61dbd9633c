"""CAP 1.2: what others are told of an incident, by the rules of its schema and our own reader."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.act.incidents.alert import report
from madang.act.incidents.cap import NAMESPACE, cap_of
from madang.act.incidents.deeds import close, resolve
from madang.act.incidents.incident import Incident, new, note
from madang.sense.feeds.cap.alert import entities
from madang.sense.feeds.cap.document import alert_of, parsed
from madang.services.city import Thing

AT = "2026-03-02T09:00:00Z"
SENDER = "hub.city.example"
# The schema of CAP 1.2 (OASIS, section 3.4): elements in their order, ? may be missing, * repeat.
SCHEMA = {
    "alert": "identifier sender sent status msgType source? scope restriction? addresses? code*"
    " note? references? incidents? info*",
    "info": "language? category+ event responseType* urgency severity certainty audience?"
    " eventCode* effective? onset? expires? senderName? headline? description? instruction? web?"
    " contact? parameter* resource* area*",
    "parameter": "valueName value",
    "area": "areaDesc polygon* circle* geocode* altitude? ceiling?",
}
VALUES = {
    "status": "Actual Exercise System Test Draft",
    "msgType": "Alert Update Cancel Ack Error",
    "scope": "Public Restricted Private",
    "category": "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other",
    "urgency": "Immediate Expected Future Past Unknown",
    "severity": "Extreme Severe Moderate Minor Unknown",
    "certainty": "Observed Likely Possible Unlikely Unknown",
}
FORMS = {
    "identifier": r"[^\s,<&]+",
    "sender": r"[^\s,<&]+",
    "sent": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d",
    "onset": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d",
    "polygon": r"-?\d+(\.\d+)?,-?\d+(\.\d+)?( -?\d+(\.\d+)?,-?\d+(\.\d+)?){3,}",
    "circle": r"-?\d+(\.\d+)?,-?\d+(\.\d+)? \d+(\.\d+)?",
}


def check(element: Element) -> None:
    """Hold an element to the rules of the schema."""
    namespace, _, name = element.tag.rpartition("}")
    assert namespace == f"{{{NAMESPACE}"
    text = element.text or ""
    if name in VALUES:
        assert text in VALUES[name].split()
    if name in FORMS:
        assert re.fullmatch(FORMS[name], text), (name, text)
    if name in SCHEMA:
        parts = re.findall(r"(\w+)([?*+]?)", SCHEMA[name])
        order = "".join(f"(?:{part} ){many}" for part, many in parts)
        children = "".join(child.tag.rpartition("}")[2] + " " for child in element)
        assert re.fullmatch(order, children), children
    else:
        assert len(element) == 0
    for child in element:
        check(child)


def flood(**more: Any) -> Incident:
    title = {"en": "Water in the underpass", "ko": "지하차도에 물"}
    found = new("urn:ngsi-ld:Incident:20260302-abcdef", AT, "flood", "high", title)
    note(found, AT, "opened", text=title)
    found.update(more)  # type: ignore[typeddict-item]
    return found


def read(body: bytes) -> Any:
    root = parsed(body, "cap")
    check(root)
    return alert_of(root)


def test_an_incident_is_an_alert_in_two_languages_that_our_own_feed_reads_back() -> None:
    point = {"type": "Point", "coordinates": [126.98, 37.57]}
    area = {"en": "Jongno", "ko": "종로"}
    alert = read(cap_of(flood(location=point, area=area, text={"en": "!", "ko": "?"}), SENDER))
    assert (alert.kind, alert.status, alert.references) == ("Alert", "Actual", [])
    (english,) = entities(alert, "en-US")
    (korean,) = entities(alert, "ko-KR")
    assert english["name"]["value"] == "Water in the underpass"
    assert korean["name"]["value"] == "지하차도에 물"
    told = report(Thing(english), AT)
    assert (told.severity, told.kind, told.area) == ("high", "flood", "Jongno")
    assert report(Thing(korean), AT).area == "종로"
    assert told.location is not None
    lon, lat = told.location["coordinates"][0][0]
    assert (round(lon, 1), round(lat, 1)) == (127.0, 37.6)


@pytest.mark.parametrize(
    "location",
    [
        None,
        {"type": "Point", "coordinates": [127.0, 37.5]},
        {"type": "MultiPoint", "coordinates": [[127.0, 37.5], [127.1, 37.5]]},
        {"type": "LineString", "coordinates": [[127.0, 37.5], [127.1, 37.6]]},
        {"type": "Polygon", "coordinates": [[[127, 37], [128, 37], [128, 38], [127, 37]]]},
        {"type": "MultiPolygon", "coordinates": [[[[127, 37], [128, 37], [128, 38], [127, 37]]],
                                                 [[[129, 37], [130, 37], [130, 38], [129, 37]]]]},
    ],
)  # fmt: skip
def test_any_place_becomes_an_area_of_cap(location: Any) -> None:
    alert = read(cap_of(flood(location=location), SENDER))
    areas = [area for info in alert.infos for area in info.areas]
    assert all(area.description for area in areas)
    assert all(area.polygons or area.circles for area in areas) or location is None


def test_later_messages_name_those_before_and_the_last_takes_them_back() -> None:
    incident = flood()
    note(incident, "2026-03-02T09:10:00Z", "severity", before="high", now="critical")
    note(incident, "2026-03-02T09:11:00Z", "told", to="kim")
    update = read(cap_of(incident, SENDER))
    assert (update.kind, update.sent) == ("Update", "2026-03-02T09:10:00-00:00")
    assert update.references == [
        (SENDER, "urn:ngsi-ld:Incident:20260302-abcdef:1", "2026-03-02T09:00:00-00:00")
    ]
    resolve(incident, "2026-03-02T09:20:00Z")
    close(incident, "2026-03-02T09:30:00Z")
    cancel = read(cap_of(incident, SENDER))
    assert (cancel.kind, len(cancel.references)) == ("Cancel", 3)


def test_what_is_not_public_is_restricted() -> None:
    assert b"<scope>Restricted</scope>" in cap_of(flood(), SENDER)
    assert b"<scope>Public</scope>" in cap_of(flood(public=True), SENDER)


@settings(max_examples=100)
@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_whatever_people_write_is_valid_xml(title: str, text: str, area: str) -> None:
    incident = flood(
        title={"en": title or "x", "ko": title or "x"}, text={"en": text, "ko": text}, area=area
    )
    check(parsed(cap_of(incident, SENDER), "cap"))
