"""Subscriptions of Sentilo clients: subscriptions of the hub that are told in Sentilo's way.

They are delivered as all of them are: in order, kept and tried again while the endpoint is away.
``GET /ngsi-ld/v1/subscriptions`` shows them with their figures.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.sense_sentilo_alerts import TYPE as ALERT_TYPE
from madang.api.sense_sentilo_alerts import NotOffered
from madang.api.sense_sentilo_catalog import body_of
from madang.api.sense_sentilo_data import series_of
from madang.model.context import CORE
from madang.model.errors import AlreadyExists, BadRequestData, ResourceNotFound
from madang.model.names import shown
from madang.sense.devices.device import TYPE as DEVICE_TYPE
from madang.sense.devices.device import id_of
from madang.sense.sentilo.events import ALARM, ORDER
from madang.sense.sentilo.kinds import entity_types
from madang.sense.sentilo.names import alert_id, checked, device_of
from madang.sense.sentilo.notifications import BODY, TOPIC

if TYPE_CHECKING:
    from madang.hub.subscription import Subscription
    from madang.sense.sense import Sense

_PREFIX: Final = "urn:ngsi-ld:Subscription:sentilo:"
_KINDS: Final = ("data", "order", "alarm")
_MOST: Final = 10_000  # looked through for those of one client


class Topic(NamedTuple):
    """What a subscription is about: ``/data/rec/RE0012``, ``/alarm/43``."""

    kind: str
    name: str
    sensor: str = ""

    @property
    def path(self) -> str:
        return "/" + "/".join(part for part in self if part)


class Subscribe:
    """Handlers of ``/subscribe``."""

    def __init__(self, sense: Sense) -> None:
        self._sense = sense

    async def list(self, request: Request) -> Response:
        """``GET /subscribe`` and ``…/{kind}``."""
        listed = []
        for topic, found in _own(request):
            of = {"alert": topic.name} if topic.kind == "alarm" else {"provider": topic.name}
            sensor = {"sensor": topic.sensor} if topic.sensor else {}
            listed.append(
                {"endpoint": found.endpoint.uri, "type": topic.kind.upper(), **of, **sensor}
            )
        return JSONResponse({"subscriptions": listed})

    async def put(self, request: Request) -> Response:
        """``PUT /subscribe/{kind}/{name}`` and ``…/{sensor}``; again, it changes the endpoint."""
        topic = _topic(request)
        body = await body_of(request)
        if body.get("secretCallbackKey"):
            raise NotOffered(
                "secretCallbackKey is not offered: notifications are not signed; use an https"
                " endpoint, which is checked"
            )
        endpoint = body.get("endpoint")
        if not isinstance(endpoint, str):
            raise BadRequestData(f"endpoint must be an http or https URL, not {shown(endpoint)}")
        selector, watched = await self._about(request, topic)
        subscription: dict[str, Any] = {
            "id": _id(request, topic),
            "type": "Subscription",
            "subscriptionName": f"Sentilo {topic.path}",
            "entities": [selector],
            "notification": {
                "endpoint": {
                    "uri": endpoint,
                    "accept": "application/json",
                    "notifierInfo": [
                        {"key": BODY, "value": "sentilo"},
                        {"key": TOPIC, "value": topic.path},
                    ],
                }
            },
        }
        if watched:
            subscription["watchedAttributes"] = [watched]
            subscription["notification"]["attributes"] = [watched, "location"]
        service = request.state.tenant.subscriptions
        try:
            await service.create(dict(subscription), CORE)
        except AlreadyExists:
            await service.update(subscription.pop("id"), subscription, CORE)
        return Response()

    async def remove(self, request: Request) -> Response:
        """``DELETE /subscribe``, of a kind, about something."""
        service = request.state.tenant.subscriptions
        for _, found in _own(request):
            await service.delete(found.id)
        return Response()

    async def _about(self, request: Request, topic: Topic) -> tuple[dict[str, str], str]:
        """Return the entities that a topic is about, and the attribute (empty: all of them).

        Raises:
            ResourceNotFound: there is no such sensor or alert.
        """
        tenant = request.state.tenant
        if topic.kind == "alarm":
            id = alert_id(topic.name)
            if await tenant.get(id) is None:
                raise ResourceNotFound(f"there is no alert {topic.name}")
            return {"id": id, "type": ALERT_TYPE}, ALARM
        if not topic.sensor:
            name = re.escape(f"{topic.name}.")
            if topic.kind == "order":
                return {"idPattern": f"^{re.escape(id_of(''))}{name}", "type": DEVICE_TYPE}, ORDER
            types = "|".join(entity_types())
            return {"idPattern": f"^urn:ngsi-ld:({types}):{name}", "type": "*"}, ""
        devices = (await self._sense.station(tenant.name)).devices
        device = devices.find(device_of(topic.name, topic.sensor))
        series = None if device is None else series_of(devices, device, topic.sensor)
        if device is None or series is None:
            raise ResourceNotFound(f"there is no sensor {topic.name}.{topic.sensor} in the catalog")
        if topic.kind == "order":
            return {"id": device.id, "type": DEVICE_TYPE}, ORDER
        return {"id": series.entity, "type": "*"}, series.attribute


def _topic(request: Request) -> Topic:
    given = request.path_params
    if given["kind"] not in _KINDS:
        raise BadRequestData(
            f"one can subscribe to {', '.join(_KINDS)}, not {shown(given['kind'])}"
        )
    sensor = given.get("sensor", "")
    if sensor:
        checked(sensor, "the sensor")
    return Topic(given["kind"], checked(given["name"], "the provider or alert"), sensor)


def _whose(request: Request) -> str:
    return hashlib.sha256(request.state.principal.id.encode()).hexdigest()[:16]


def _id(request: Request, topic: Topic) -> str:
    return f"{_PREFIX}{_whose(request)}:{':'.join(part for part in topic if part)}"


def _own(request: Request) -> list[tuple[Topic, Subscription]]:
    """Return the client's subscriptions that the path asks for."""
    given = request.path_params
    wanted = [given[name] for name in ("kind", "name", "sensor") if name in given]
    prefix = f"{_PREFIX}{_whose(request)}:"
    found, _ = request.state.tenant.subscriptions.page(0, _MOST)
    own = []
    for one in found:
        if one.id.startswith(prefix):
            parts = one.id.removeprefix(prefix).split(":")
            if parts[: len(wanted)] == wanted:
                own.append((Topic(*parts), one))
    return own
