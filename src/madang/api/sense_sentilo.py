"""The API of Sentilo, so that its clients work as they are: observations, catalog, orders.

A key of Madang comes in the header ``IDENTITY_KEY``; errors are told as Sentilo tells them. What a
client may do, the policies say, as everywhere. See docs/how-to/move-from-sentilo.md.

Source: Sentilo 2.0, API documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from madang.api.sense_sentilo_alerts import Alerts
from madang.api.sense_sentilo_catalog import Catalog
from madang.api.sense_sentilo_data import Data
from madang.api.sense_sentilo_orders import Orders
from madang.api.sense_sentilo_subscribe import Subscribe
from madang.api.surface import Surface
from madang.model.errors import NgsiError, Overloaded, TooManyRequests

if TYPE_CHECKING:
    from madang.act.commands.commands import Commands
    from madang.api.surface import Action, Handler
    from madang.sense.sense import Sense
    from madang.trust.gate import Gate
    from madang.trust.keys import Keys

KEY: Final = "identity_key"


def surfaces(sense: Sense, gate: Gate, keys: Keys, commands: Commands) -> list[Surface]:
    """Return the routes of Sentilo's API."""
    data, catalog, orders = Data(sense), Catalog(sense, gate, keys), Orders(sense, commands)
    alerts, subscribe = Alerts(), Subscribe(sense)

    def one(method: str, path: str, handler: Handler, action: Action, summary: str) -> Surface:
        return Surface(method, path, handler, action, summary, "Sentilo", KEY, told)

    one_sensor, provider, entity = (
        "/{provider}/{sensor}",
        "/{provider}",
        "/catalog/alert/{entity}",
    )
    return [
        one("PUT", f"/data{provider}", data.publish, "observe", "Observations of some sensors"),
        one("PUT", f"/data{one_sensor}", data.publish, "observe", "Observations of a sensor"),
        one("PUT", f"/data{one_sensor}/{{value}}", data.publish, "observe", "A value, just now"),
        one("GET", f"/data{provider}", data.of_provider, "readHistory", "Last of each sensor"),
        one("GET", f"/data{one_sensor}", data.of_sensor, "readHistory", "Last observations"),
        one("DELETE", f"/data{provider}", data.remove, "changeHistory", "Remove the last of each"),
        one("DELETE", f"/data{one_sensor}", data.remove, "changeHistory", "Remove the last one"),
        one("GET", "/catalog", catalog.list, "readEntity", "Providers and their sensors"),
        one("GET", "/catalog/alert", alerts.list, "readEntity", "Alerts"),
        one("GET", entity, alerts.list, "readEntity", "Alerts of an entity"),
        one("POST", entity, alerts.create, "createEntity", "Register alerts"),
        one("PUT", entity, alerts.update, "updateEntity", "Change alerts, or remove some"),
        one("DELETE", entity, alerts.remove, "deleteEntity", "Remove the alerts of an entity"),
        one("GET", f"/catalog{provider}", catalog.list, "readEntity", "Sensors of a provider"),
        one("POST", f"/catalog{provider}", catalog.create, "createEntity", "Register sensors"),
        one("PUT", f"/catalog{provider}", catalog.update, "updateEntity", "Change or remove some"),
        one("DELETE", f"/catalog{provider}", catalog.remove, "deleteEntity", "Remove all sensors"),
        one("PUT", f"/order{provider}", orders.publish, "command", "An order to all sensors"),
        one("PUT", f"/order{one_sensor}", orders.publish, "command", "An order to a sensor"),
        one("GET", f"/order{provider}", orders.of_provider, "readHistory", "Last of each sensor"),
        one("GET", f"/order{one_sensor}", orders.of_sensor, "readHistory", "Last orders"),
        one("PUT", "/alarm/{alert}", alerts.publish, "updateEntity", "Raise an alarm"),
        one("GET", "/alarm/{alert}", alerts.last, "readHistory", "Last alarms"),
        one("GET", "/subscribe", subscribe.list, "subscribe", "Own subscriptions"),
        one("GET", "/subscribe/{kind}", subscribe.list, "subscribe", "Own ones of a kind"),
        one("PUT", "/subscribe/{kind}/{name}", subscribe.put, "subscribe", "Subscribe"),
        one("PUT", "/subscribe/{kind}/{name}/{sensor}", subscribe.put, "subscribe", "Subscribe"),
        one("DELETE", "/subscribe", subscribe.remove, "subscribe", "Cancel all"),
        one("DELETE", "/subscribe/{kind}", subscribe.remove, "subscribe", "Cancel a kind"),
        one("DELETE", "/subscribe/{kind}/{name}", subscribe.remove, "subscribe", "Cancel"),
        one("DELETE", "/subscribe/{kind}/{name}/{sensor}", subscribe.remove, "subscribe", "Cancel"),
    ]  # fmt: skip


def told(error: NgsiError) -> Response:
    """Return an error as Sentilo tells it."""
    content = {"code": error.status, "message": error.detail or str(error)}
    headers = {}
    if isinstance(error, TooManyRequests):
        headers = {"Retry-After": str(error.retry_after_s), **dict(error.headers)}
    elif isinstance(error, Overloaded):
        headers = {"Retry-After": "1"}
    return JSONResponse(content, error.status, headers)
