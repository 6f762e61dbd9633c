from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.feeds.cap.alert import circle_of, ring_of
from madang.sense.feeds.errors import Unusable
from tests.sense.publisher import HEAD, publishing, read

TEXT = f'kind = "cap"\nurl = "{{url}}/index"\n{HEAD}\n[parameters]\nlanguage = "ko-KR"\n'

INFO = """
<info><language>{language}</language><category>Met</category><event>{event}</event>
<responseType>Shelter</responseType><urgency>Immediate</urgency><severity>Severe</severity>
<certainty>Observed</certainty><onset>2026-07-01T15:00:00+09:00</onset>
<expires>2026-07-01T18:00:00+09:00</expires><headline>{headline}</headline>
<area><areaDesc>Jongno-gu</areaDesc>{area}
<geocode><valueName>KR</valueName><value>11110</value></geocode></area></info>
"""
POLYGON = "<polygon>37.5,126.9 37.6,126.9 37.6,127.0 37.5,126.9</polygon>"
CIRCLE = "<circle>37.5,127.0 5</circle>"


def alert(
    identifier: str = "KMA-1",
    kind: str = "Alert",
    references: str = "",
    area: str = POLYGON,
    status: str = "Actual",
    sent: str = "2026-07-01T14:55:00+09:00",
) -> str:
    english = INFO.format(language="en-US", event="Heavy rain", headline="Heavy rain", area=area)
    korean = INFO.format(language="ko-KR", event="호우", headline="호우 경보", area=area)
    refers = f"<references>{references}</references>" if references else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier>
<sender>kma.go.kr</sender><sent>{sent}</sent><status>{status}</status>
<msgType>{kind}</msgType><scope>Public</scope>{refers}{english}{korean}</alert>"""


async def test_an_alert_says_what_where_and_until_when(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/index"] = alert()
        found = await read(publisher, tmp_path, TEXT)
    (told,) = found.entities.values()
    assert told["id"] == "urn:ngsi-ld:Alert:cap:KMA-1"
    values = {name: one["value"] for name, one in told.items() if isinstance(one, dict)}
    assert values["category"] == "weather"
    assert values["subCategory"] == "호우"
    assert values["name"] == "호우 경보"
    assert values["severity"] == "high"
    assert values["urgency"] == "immediate"
    assert values["dateIssued"] == "2026-07-01T05:55:00Z"
    assert values["validFrom"] == "2026-07-01T06:00:00Z"
    assert values["validTo"] == "2026-07-01T09:00:00Z"
    assert values["areaServed"] == "Jongno-gu"
    assert values["geocode"] == {"KR": ["11110"]}
    assert values["location"] == {
        "type": "Polygon",
        "coordinates": [[[126.9, 37.5], [126.9, 37.6], [127.0, 37.6], [126.9, 37.5]]],
    }
    assert told["severity"]["observedAt"] == "2026-07-01T05:55:00Z"


async def test_several_areas_make_one_place(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/index"] = alert(area=POLYGON + CIRCLE)
        found = await read(publisher, tmp_path, TEXT)
    place = found.value("urn:ngsi-ld:Alert:cap:KMA-1", "location")
    assert place["type"] == "MultiPolygon"
    assert len(place["coordinates"]) == 2


async def test_a_cancel_ends_what_it_refers_to(tmp_path: Path) -> None:
    refers = "kma.go.kr,KMA-1,2026-07-01T14:55:00+09:00"
    async with publishing() as publisher:
        publisher.pages["/index"] = alert(
            "KMA-2", "Cancel", refers, sent="2026-07-01T16:00:00+09:00"
        )
        found = await read(publisher, tmp_path, TEXT)
    (ended,) = found.entities.values()
    assert ended["id"] == "urn:ngsi-ld:Alert:cap:KMA-1"
    assert ended["validTo"]["value"] == "2026-07-01T07:00:00Z"
    assert ended["alertStatus"]["value"] == "cancelled"


async def test_an_update_ends_the_older_one_and_takes_its_place(tmp_path: Path) -> None:
    refers = "kma.go.kr,KMA-1,2026-07-01T14:55:00+09:00"
    async with publishing() as publisher:
        publisher.pages["/index"] = alert("KMA-2", "Update", refers)
        found = await read(publisher, tmp_path, TEXT)
    assert found.value("urn:ngsi-ld:Alert:cap:KMA-1", "alertStatus") == "updated"
    assert found.value("urn:ngsi-ld:Alert:cap:KMA-2", "alertStatus") == "active"


async def test_exercises_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/index"] = alert(status="Exercise")
        left = await read(publisher, tmp_path / "a", TEXT)
        wanted = TEXT + 'status = ["Actual", "Exercise"]\n'
        taken = await read(publisher, tmp_path / "b", wanted)
    assert (len(left.entities), len(taken.entities)) == (0, 1)


async def test_an_atom_index_is_followed_and_only_what_is_new_is_asked_for(tmp_path: Path) -> None:
    def index(*entries: tuple[str, str]) -> str:
        listed = "".join(
            f'<entry><id>{name}</id><updated>{updated}</updated><link type="application/cap+xml"'
            f' href="/alerts/{name}"/></entry>'
            for name, updated in entries
        )
        return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>All</title>{listed}</feed>'

    async with publishing() as publisher:
        publisher.pages["/alerts/1"] = alert("KMA-1")
        publisher.pages["/alerts/2"] = alert("KMA-2")
        publisher.pages["/index"] = index(("1", "a"))
        first = await read(publisher, tmp_path, TEXT)
        publisher.pages["/index"] = index(("1", "a"), ("2", "a"), ("3", "a"))
        second = await read(publisher, tmp_path, TEXT, first.notes)
    assert list(second.entities) == ["urn:ngsi-ld:Alert:cap:KMA-2"]
    assert "404" in second.bad[0].reason  # the third was taken away
    assert publisher.paths == ["/index", "/alerts/1", "/index", "/alerts/2", "/alerts/3"]


async def test_an_rss_index_is_followed(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/alerts/1"] = alert("KMA-1")
        publisher.pages["/index"] = (
            f'<rss version="2.0"><channel><item><link>{publisher.url}/alerts/1</link>'
            "<pubDate>Wed, 01 Jul 2026 06:00:00 GMT</pubDate></item></channel></rss>"
        )
        found = await read(publisher, tmp_path, TEXT)
    assert list(found.entities) == ["urn:ngsi-ld:Alert:cap:KMA-1"]


async def test_alerts_inside_the_index_are_read_there(tmp_path: Path) -> None:
    inside = alert().partition("?>")[2]
    async with publishing() as publisher:
        publisher.pages["/index"] = (
            '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id>'
            f'<content type="text/xml">{inside}</content></entry></feed>'
        )
        found = await read(publisher, tmp_path, TEXT)
    assert list(found.entities) == ["urn:ngsi-ld:Alert:cap:KMA-1"]


async def test_a_broken_alert_becomes_a_bad_record(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/index"] = alert(area="<polygon>37.5,126.9 north,east</polygon>")
        found = await read(publisher, tmp_path, TEXT)
    assert not found.entities
    assert "KMA-1" in found.bad[0].reason


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert>&x;</alert>',
        "<html/>",
        "no XML",
        "<alert",
    ],
)
async def test_what_is_no_alert_and_no_index_is_refused(tmp_path: Path, body: str) -> None:
    async with publishing() as publisher:
        publisher.pages["/index"] = body
        with pytest.raises(Unusable):
            await read(publisher, tmp_path, TEXT)


@given(
    corners=st.lists(
        st.tuples(st.floats(-90, 90).map(lambda x: round(x, 4)), st.integers(-180, 180)),
        min_size=3,
        max_size=30,
        unique=True,
    )
)
def test_every_polygon_becomes_a_closed_ring(corners: list[tuple[float, int]]) -> None:
    ring = ring_of(" ".join(f"{north},{east}" for north, east in corners))
    assert ring[0] == ring[-1]
    assert [(north, east) for east, north in ring[:-1]] == corners


@given(north=st.floats(-85, 85), east=st.floats(-180, 180), radius=st.floats(0, 500))
def test_every_circle_becomes_a_ring_within_the_world(
    north: float, east: float, radius: float
) -> None:
    ring = circle_of(f"{north:.4f},{east:.4f} {radius:.3f}")
    assert ring[0] == ring[-1]
    assert all(abs(x) <= 180 and abs(y) <= 90 for x, y in ring)
