"""Notifications over HTTP in other forms than NGSI-LD's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from madang.hub.delivery_http import HttpSender
from madang.hub.endpoint import Endpoint, parse
from madang.hub.message import Message, SendFailed

MESSAGE = Message("application/json", "https://example.org/context.jsonld", b"a b")


def words(message: Message, endpoint: Endpoint) -> Sequence[bytes]:
    return [endpoint.uri[-1].encode() + word for word in message.body.split()]


@asynccontextmanager
async def receiving(*, taken: int = 10) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Take so many requests, then refuse; yield the URL, and the bodies as they come."""
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        assert request.headers["Content-Type"] == "application/json"
        return web.Response(status=200 if len(bodies) <= taken else 503)

    application = web.Application()
    application.router.add_post("/x", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/x", bodies
    finally:
        await runner.cleanup()


def endpoint(uri: str, form: str = "") -> Endpoint:
    info = {"notifierInfo": [{"key": "Body", "value": form}]} if form else {}
    return parse({"uri": uri, **info})


@pytest.mark.parametrize(
    ("form", "wanted"), [("", [b"a b"]), ("unknown", [b"a b"]), ("words", [b"xa", b"xb"])]
)
async def test_an_endpoint_chooses_the_form_of_its_notifications(
    form: str, wanted: list[bytes]
) -> None:
    sender = HttpSender(forms={"words": words})
    async with receiving() as (uri, bodies):
        await sender.send(endpoint(uri, form), MESSAGE, "")
        await sender.close()
    assert bodies == wanted


async def test_a_notification_is_sent_only_when_every_part_of_it_was_taken() -> None:
    sender = HttpSender(forms={"words": words})
    async with receiving(taken=1) as (uri, bodies):
        with pytest.raises(SendFailed):
            await sender.send(endpoint(uri, "words"), MESSAGE, "")
        await sender.close()
    assert bodies == [b"xa", b"xb"]
