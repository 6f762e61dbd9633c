"""Where a request may hold its @context, and the resource /jsonldContexts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.api import contexts as api
from madang.api.http import Request, Response
from madang.hub.contexts import PATH, Contexts
from madang.hub.remote_contexts import RemoteContexts
from madang.model.context import CORE, link_header
from madang.model.core_context import CORE_URL
from madang.model.errors import (
    BadRequestData,
    InvalidRequest,
    LdContextNotAvailable,
    OperationNotSupported,
    ResourceNotFound,
)

URL = "https://city.example.org/context.jsonld"
LINK = link_header(URL)
JSON, LD, PATCH = "application/json", "application/ld+json", "application/merge-patch+json"
TERMS = {"speed": "https://city.example.org/model#speed"}


def request(media: str | None = None, link: str | None = None, body: object = None) -> Request:
    headers = {"content-type": media, "link": link}
    return Request(
        "POST",
        "/ngsi-ld/v1/entities",
        "",
        {name: value for name, value in headers.items() if value is not None},
        b"" if body is None else orjson.dumps(body),
    )


# --- the @context of a request ---


def test_without_a_body_the_link_header_names_it() -> None:
    assert api.source_of(request(link=LINK)) == URL
    assert api.source_of(request()) is None


def test_a_json_body_has_its_context_in_the_link_header() -> None:
    for media in (JSON, PATCH, "application/json; charset=utf-8"):
        assert api.source_of(request(media, LINK), {"id": "urn:x:1"}) == URL
        assert api.source_of(request(media), {"id": "urn:x:1"}) is None
        with pytest.raises(BadRequestData, match="must not hold @context"):
            api.source_of(request(media), {"@context": URL})


def test_a_json_ld_body_has_its_context_inside() -> None:
    assert api.source_of(request(LD), {"@context": [URL]}) == [URL]
    with pytest.raises(BadRequestData, match="must hold @context"):
        api.source_of(request(LD), {"id": "urn:x:1"})
    with pytest.raises(BadRequestData, match="Link header"):
        api.source_of(request(LD, LINK), {"@context": URL})
    with pytest.raises(BadRequestData, match="null"):
        api.source_of(request(LD), {"@context": None})


def test_in_a_batch_each_entity_answers_for_itself() -> None:
    json, ld = request(JSON, LINK), request(LD)
    api.check_batch(json)
    api.check_batch(ld)
    assert api.item_source(json, {"id": "urn:x:1"}) == URL
    assert api.item_source(ld, {"@context": URL}) == URL
    for wrong, item in ((json, {"@context": URL}), (ld, {"id": "urn:x:1"}), (ld, None)):
        with pytest.raises(BadRequestData):
            api.item_source(wrong, item)
    with pytest.raises(BadRequestData):
        api.check_batch(request(LD, LINK))


@pytest.mark.parametrize(
    "header",
    [
        LINK,
        f'<{URL}>;rel="{api.RELATION}"',
        f"<{URL}>; type=application/ld+json; REL={api.RELATION}",
        f'</next>; rel="next"; title="a, b; <c>", {LINK}',
        f'{LINK} , </x>; rel="prev"; crossorigin',
        f'<{URL}>; rel="other {api.RELATION}"',
    ],
)
def test_links_are_read_as_rfc_8288_writes_them(header: str) -> None:
    assert api.linked(header) == URL


def test_links_to_other_things_are_left_alone() -> None:
    assert api.linked('</next>; rel="next"') is None
    assert api.linked("") is None
    assert api.linked(f'</x>; rel="next"; title="{api.RELATION}"') is None


@pytest.mark.parametrize(
    "header", [f"{LINK}, {LINK}", f'{URL}; rel="{api.RELATION}"', f"{LINK} x", f"{LINK},"]
)
def test_a_link_header_that_is_wrong_or_ambiguous_is_refused(header: str) -> None:
    with pytest.raises(BadRequestData):
        api.linked(header)


@given(st.lists(st.sampled_from([LINK, "<", ">", ";", ",", ' rel="', '"', " ", api.RELATION, "é"])))
def test_any_link_header_is_read_or_refused(parts: list[str]) -> None:
    try:
        found = api.linked("".join(parts))
    except BadRequestData:
        return
    assert found is None or isinstance(found, str)


# --- /jsonldContexts ---


class Place:
    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {URL: orjson.dumps({"@context": TERMS})}
        self.saved: dict[str, bytes | None] = {}
        self.contexts = Contexts(RemoteContexts(self.fetch), self.save)

    async def fetch(self, url: str) -> bytes:
        if url not in self.answers:
            raise LdContextNotAvailable(f"{url} does not answer")
        return self.answers[url]

    async def save(self, id: str, body: bytes | None) -> None:
        self.saved[id] = body

    async def add(self, body: object) -> str:
        response = await api.add(request(JSON, body=body), self.contexts, {})
        assert response.status == 201
        assert response.body == b""
        location = dict(response.headers)["location"]
        assert location.startswith(PATH)
        return location.removeprefix(PATH)

    async def list(self, **parameters: str) -> Any:
        return told(await api.catalogue(request(), self.contexts, parameters))

    async def get(self, id: str, **parameters: str) -> Any:
        return told(await api.serve(request(), self.contexts, parameters, id))

    async def delete(self, id: str, **parameters: str) -> int:
        return (await api.delete(request(), self.contexts, parameters, id)).status


def told(response: Response) -> Any:
    assert response.status == 200
    assert ("content-type", "application/json") in response.headers
    return orjson.loads(response.body)


@pytest.fixture
def place() -> Place:
    return Place()


async def test_a_request_gets_the_context_it_names(place: Place) -> None:
    assert await api.context_of(request(), place.contexts) is CORE
    context = await api.context_of(request(link=LINK), place.contexts)
    assert context.expand("speed") == TERMS["speed"]
    inline = await api.context_of(request(LD), place.contexts, {"@context": TERMS})
    assert inline.expand("speed") == TERMS["speed"]


async def test_a_context_is_added_listed_served_and_deleted(place: Place) -> None:
    for source in (TERMS, [URL, TERMS], URL):
        id = await place.add({"@context": source})
        assert await place.get(id) == {"@context": source}
        assert await place.get(id, details="false") == {"@context": source}
        details = await place.get(id, details="true")
        assert set(details) == {"URL", "localId", "kind", "createdAt"}
        assert details["kind"] == "Hosted"
        assert details["URL"].endswith(PATH + id)
        assert await place.list() == [details["URL"]]
        assert await place.list(details="true", kind="Hosted") == [details]
        assert await place.list(kind="Cached") == []
        assert await place.delete(id) == 204
        assert await place.list() == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", InvalidRequest),
        (b'{"a" "b"}', InvalidRequest),
        (b'{"A1": "urn:x:A1"}', InvalidRequest),
        (b"[]", InvalidRequest),
        (b'{"@context": 42}', BadRequestData),
        (b'{"@context": true}', BadRequestData),
        (b'{"@context": null}', BadRequestData),
        (b'{"@context": ["https://a.example/c", 7]}', BadRequestData),
    ],
)
async def test_what_is_no_context_is_not_added(
    place: Place, body: bytes, error: type[Exception]
) -> None:
    sent = request(JSON)
    sent.body = body
    with pytest.raises(error):
        await api.add(sent, place.contexts, {})
    assert place.saved == {}


@pytest.mark.parametrize(
    "parameters", [{"kind": "other"}, {"details": "other"}, {"details": "", "kind": "Hosted"}]
)
async def test_a_list_wants_known_words(place: Place, parameters: dict[str, str]) -> None:
    with pytest.raises(BadRequestData):
        await place.list(**parameters)


async def test_unknown_parameters_are_refused(place: Place) -> None:
    for call in (place.list(x="1"), place.get("x", x="1"), place.delete("x", x="1")):
        with pytest.raises(InvalidRequest, match="'x'"):
            await call


async def test_a_cached_context_shows_its_details_only(place: Place) -> None:
    await api.context_of(request(link=LINK), place.contexts)
    assert (await place.get(URL, details="true"))["kind"] == "Cached"
    with pytest.raises(OperationNotSupported):
        await place.get(URL)
    assert await place.delete(URL, reload="true") == 204
    place.answers.clear()
    with pytest.raises(LdContextNotAvailable):
        await place.delete(URL, reload="true")
    assert (await place.get(URL, details="true"))["kind"] == "Cached"
    assert await place.delete(URL) == 204
    with pytest.raises(ResourceNotFound):
        await place.get(URL, details="true")


async def test_deleting_what_is_not_there_or_cannot_be_reloaded(place: Place) -> None:
    id = await place.add({"@context": TERMS})
    for name, reload in (
        ("unknown", "true"),
        ("unknown", "xxx"),
        (id, "true"),
        (CORE_URL, "false"),
    ):
        with pytest.raises(BadRequestData):
            await place.delete(name, reload=reload)
    with pytest.raises(ResourceNotFound):
        await place.delete("unknown", reload="false")
    assert await place.delete(CORE_URL, reload="true") == 204
    assert (await place.get(CORE_URL, details="true"))["kind"] == "Cached"
