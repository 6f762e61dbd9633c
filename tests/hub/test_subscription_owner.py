"""Subscriptions that have an owner, in a whole hub: what is sent, kept, stopped, and where to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.hub import subscription as stored_as
from madang.hub.hub import Hub
from madang.hub.operations import Delete, Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Forbidden
from madang.model.normalize import entity as normalized
from madang.query.reach import EMPTY, WHOLE, Hidden, Reach
from madang.query.tree import And, HasType, InScope
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from tests.hub.one_hub import ID, Place, subscription
from tests.hub.web_receiver import Receiver, until

ANN = "person:ann"
SECRET = "s3cret"
OPEN_BENCHES = Reach(And((HasType("Bench"), InScope(("open",), below=True))), (Hidden("phone"),))


class OwnedPlace(Place):
    """A hub in a folder that knows what owners may see; it can be closed and opened again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            self._reach_of,
            self._on_personal,
            notify_hosts=["*", "127.0.0.0/8"],
        )
        self.rights: dict[str, Reach] = {ANN: OPEN_BENCHES}
        self.personal: list[tuple[str, set[str], set[str], set[str]]] = []

    def _reach_of(self, tenant: str, owner: str) -> Reach | None:
        assert tenant == ""
        return self.rights.get(owner)

    def _on_personal(
        self,
        tenant: str,
        owner: str,
        ids: frozenset[str],
        who: frozenset[str],
        what: frozenset[str],
    ) -> None:
        self.personal.append((owner, set(ids), set(who), set(what)))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[OwnedPlace]:
    made = OwnedPlace(tmp_path)
    yield made
    await made.close()


async def subscribe(tenant: Tenant, receiver: Receiver, owner: str = ANN, **members: Any) -> None:
    await tenant.subscriptions.create(
        subscription(receiver, **members), CORE, owner=owner, inside=False
    )


async def write(tenant: Tenant, number: int, **members: Any) -> None:
    given = {"id": f"urn:a:{number}", "type": "Bench", "scope": "/open", **members}
    content = normalized({"seats": number, "phone": f"{SECRET}{number}", **given}, CORE)
    await tenant.write([Upsert(content.document["id"], content)])


def told(receiver: Receiver) -> list[str]:
    return [one["id"] for body in receiver.bodies for one in body["data"]]


def text(receiver: Receiver) -> str:
    return orjson.dumps(receiver.bodies).decode()


async def failing(tenant: Tenant, count: int = 1) -> None:
    await until(lambda: tenant.subscriptions.delivery.counters.failed >= count)


async def test_a_subscriber_gets_what_the_owner_may_see_and_nothing_else(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    await subscribe(tenant, receiver, notification={"sysAttrs": True, "showChanges": True})
    await write(tenant, 1)
    await write(tenant, 2, scope="/closed")
    await write(tenant, 1, seats=5, phone="other")
    await write(tenant, 3)
    await until(lambda: "urn:a:3" in told(receiver))
    assert "urn:a:2" not in text(receiver)
    assert "phone" not in text(receiver)
    assert SECRET not in text(receiver)
    assert '"previousValue"' in text(receiver)


async def test_a_subscription_without_an_owner_sees_everything(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    await tenant.subscriptions.create(subscription(receiver), CORE)
    await write(tenant, 2, scope="/closed")
    await until(lambda: told(receiver) == ["urn:a:2"])
    assert SECRET in text(receiver)


async def test_an_entity_comes_and_goes_with_the_reach(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    await subscribe(
        tenant, receiver, notificationTrigger=["entityCreated", "entityUpdated", "entityDeleted"]
    )
    await write(tenant, 1, scope="/closed")
    await write(tenant, 1)
    await until(lambda: len(receiver.bodies) == 1)
    await write(tenant, 1, scope="/closed", seats=7)
    await until(lambda: len(receiver.bodies) == 2)
    await tenant.write([Delete("urn:a:1")])
    await write(tenant, 2)
    await until(lambda: len(receiver.bodies) == 3)
    first, second, third = (body["data"][0] for body in receiver.bodies)
    assert first["seats"]["value"] == 1
    assert second.keys() == {"id", "type", "deletedAt"}
    assert third["id"] == "urn:a:2"


async def test_periodic_notifications_stay_within_the_reach(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    for number in range(3):
        await write(tenant, number, scope="/closed" if number == 1 else "/open")
    await subscribe(tenant, receiver, timeInterval=0.05, notificationTrigger=None, q="!phone")
    await until(lambda: bool(receiver.bodies))
    assert sorted(one["id"] for one in receiver.bodies[0]["data"]) == ["urn:a:0", "urn:a:2"]
    assert SECRET not in text(receiver)
    place.rights[ANN] = EMPTY
    tenant.subscriptions.refresh()
    await until(lambda: not tenant.subscriptions.delivery._queues)
    count = len(receiver.bodies)
    await asyncio.sleep(0.2)
    assert len(receiver.bodies) == count


async def test_periodic_queries_tell_nothing_of_hidden_attributes(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    await write(tenant, 1)
    await subscribe(tenant, receiver, timeInterval=0.02, q="phone")
    await subscribe(tenant, receiver, id="urn:s:2", timeInterval=0.02, q=f'phone=="{SECRET}1"')
    await asyncio.sleep(0.1)
    assert receiver.bodies == []


@pytest.mark.parametrize("join", [None, "flat"])
@pytest.mark.parametrize("restart", [False, True])
async def test_what_waits_when_rights_are_narrowed_is_told_within_them(
    place: OwnedPlace, receiver: Receiver, restart: bool, join: str | None
) -> None:
    place.rights[ANN] = Reach(HasType("Bench"))
    receiver.answers = lambda n: 503
    tenant = await place.open()
    await subscribe(tenant, receiver, notification={"join": join} if join else {})
    for number in range(4):
        await write(tenant, number, scope="/closed" if number == 2 else "/open")
    await failing(tenant)
    if restart:
        await place.close()
        place.rights[ANN] = OPEN_BENCHES
        receiver.answers = lambda n: 200
        tenant = await place.open()
    else:
        place.rights[ANN] = OPEN_BENCHES
        tenant.subscriptions.refresh()
        waiting = await tenant.subscriptions.undelivered(ID)
        assert waiting
        receiver.answers = lambda n: 200
        tenant.subscriptions.resend(ID)
    await until(lambda: told(receiver) == ["urn:a:0", "urn:a:1", "urn:a:3"])
    assert SECRET not in text(receiver)
    await until(lambda: not tenant.subscriptions.delivery._queues)


async def test_nothing_is_sent_for_an_owner_who_is_gone(
    place: OwnedPlace, receiver: Receiver
) -> None:
    receiver.answers = lambda n: 503
    tenant = await place.open()
    await subscribe(tenant, receiver)
    await write(tenant, 1)
    await failing(tenant)
    del place.rights[ANN]
    receiver.answers = lambda n: 200
    tenant.subscriptions.refresh()
    tenant.subscriptions.resend(ID)
    await write(tenant, 2)
    await until(lambda: tenant.subscriptions.delivery.circuit(ID)["state"] == "open")
    assert receiver.bodies == []
    found = tenant.subscriptions.get(ID)
    served = found.served(CORE, tenant.clock.now())
    assert served["status"] == "paused"
    assert "its owner person:ann is gone" in served["statusReason"]
    await place.close()

    tenant = await place.open()
    await write(tenant, 3)
    assert receiver.bodies == []
    place.rights[ANN] = OPEN_BENCHES
    tenant.subscriptions.refresh()
    await until(lambda: told(receiver) == ["urn:a:1"])
    assert "statusReason" not in tenant.subscriptions.get(ID).served(CORE, tenant.clock.now())
    await write(tenant, 4)
    await until(lambda: told(receiver) == ["urn:a:1", "urn:a:4"])


async def test_a_hub_that_was_told_of_no_owners_sends_nothing_for_them(
    place: OwnedPlace, receiver: Receiver, tmp_path: Path
) -> None:
    tenant = await place.open()
    await subscribe(tenant, receiver)
    await place.close()
    tenants = Tenants(Settings(data=tmp_path))
    hub = Hub(SqliteEngine(tmp_path / "state"), tenants.make)
    await hub.start()
    tenant = await hub.tenant("", create=True)
    assert tenant.subscriptions.get(ID).status(tenant.clock.now()) == "paused"
    await hub.close()
    await tenants.close()


async def test_an_owner_stays_through_updates_and_restarts(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    await subscribe(tenant, receiver)
    await tenant.subscriptions.update(ID, {"description": "new"}, CORE)
    await place.close()
    tenant = await place.open()
    found = tenant.subscriptions.get(ID)
    assert (found.owner, found.inside) == (ANN, False)
    assert "owner" not in found.served(CORE, 0)
    assert tenant.subscriptions.page(0, 9, ANN) == ([found], 1)
    assert tenant.subscriptions.page(0, 9, "person:bob") == ([], 0)
    await tenant.subscriptions.delete(ID)
    assert tenant.subscriptions.page(0, 9, ANN) == ([], 0)


def test_a_subscription_of_an_older_store_belongs_to_the_hub(receiver: Receiver) -> None:
    made = stored_as.create(subscription(receiver), CORE, CORE, 1, ID)
    stored = orjson.loads(made.stored())
    assert "owner" not in stored
    read = stored_as.read(made.stored())
    assert (read.owner, read.inside) == (None, True)


async def test_wider_rights_hold_for_what_comes_next(place: OwnedPlace, receiver: Receiver) -> None:
    tenant = await place.open()
    await subscribe(tenant, receiver)
    await write(tenant, 1, scope="/closed")
    place.rights[ANN] = WHOLE
    tenant.subscriptions.refresh()
    await write(tenant, 2, scope="/closed")
    await until(lambda: told(receiver) == ["urn:a:2"])


# --- personal data --------------------------------------------------------------------------------

PERSONAL = Reach(None, (), (Hidden("phone", frozenset({"Bench"}), "owner"),))
OWNER = {"type": "Relationship", "object": "urn:p:1"}


async def test_personal_data_that_is_sent_is_told_of(place: OwnedPlace, receiver: Receiver) -> None:
    place.rights[ANN] = PERSONAL
    tenant = await place.open()
    await subscribe(tenant, receiver)
    await write(tenant, 1, owner=OWNER)
    await until(lambda: told(receiver) == ["urn:a:1"])
    assert place.personal == [(ANN, {"urn:a:1"}, {"urn:p:1"}, {"phone"})]
    assert SECRET in text(receiver)


async def test_personal_data_that_is_not_shown_is_not_told_of(
    place: OwnedPlace, receiver: Receiver
) -> None:
    place.rights[ANN] = PERSONAL
    tenant = await place.open()
    await subscribe(tenant, receiver, notification={"pick": ["id", "seats"]})
    await subscribe(tenant, receiver, id="urn:s:2", q="seats==9")
    await write(tenant, 1, owner=OWNER)
    await until(lambda: told(receiver) == ["urn:a:1"])
    assert place.personal == []


async def test_personal_data_of_linked_entities_and_at_intervals_is_told_of(
    place: OwnedPlace, receiver: Receiver
) -> None:
    place.rights[ANN] = PERSONAL
    tenant = await place.open()
    await write(tenant, 1, owner=OWNER)
    by = {"type": "Relationship", "object": "urn:a:1"}
    await subscribe(tenant, receiver, entities=[{"type": "Tree"}], notification={"join": "inline"})
    await write(tenant, 2, type="Tree", by=by)
    await until(lambda: told(receiver) == ["urn:a:2"])
    assert place.personal == [(ANN, {"urn:a:1"}, {"urn:p:1"}, {"phone"})]
    await tenant.subscriptions.delete(ID)
    await subscribe(tenant, receiver, timeInterval=0.02)
    await until(lambda: "urn:a:1" in told(receiver))
    assert place.personal[-1] == (ANN, {"urn:a:1"}, {"urn:p:1"}, {"phone"})


# --- where to -------------------------------------------------------------------------------------

INSIDE = [
    *("http://127.0.0.1/", "http://localhost:9/", "http://db.localhost/", "http://[::1]/"),
    *("http://169.254.169.254/latest/meta-data/", "http://168.63.129.16/", "http://10.0.0.7/"),
    *("http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://0.0.0.0/"),
    *("mqtt://192.168.1.4/topic", "http://hub.city.example/", "http://HUB.city.example./"),
]


@pytest.mark.parametrize("uri", INSIDE)
async def test_only_administrators_name_endpoints_inside(place: OwnedPlace, uri: str) -> None:
    tenant = await place.open(notify_hosts=["*"], base_url="https://hub.city.example")
    given = {
        "id": ID,
        "type": "Subscription",
        "entities": [{"type": "Bench"}],
        "notification": {"endpoint": {"uri": uri}},
    }
    with pytest.raises(Forbidden, match="notify_hosts"):
        await tenant.subscriptions.create(given, CORE, owner=ANN, inside=False)
    await tenant.subscriptions.create(given, CORE, owner=ANN, inside=True)
    notification = {"notification": given["notification"]}
    with pytest.raises(Forbidden, match="notify_hosts"):
        await tenant.subscriptions.update(ID, notification, CORE, inside=False)
    await tenant.subscriptions.update(ID, {"isActive": False}, CORE, inside=False)
    assert tenant.subscriptions.get(ID).endpoint.inside


async def test_hosts_that_the_settings_name_may_be_inside(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open(notify_hosts=["127.0.0.1"])
    await subscribe(tenant, receiver)
    await write(tenant, 1)
    await until(lambda: told(receiver) == ["urn:a:1"])
    with pytest.raises(BadRequestData, match="does not notify"):
        await tenant.subscriptions.update(
            ID, {"notification": {"endpoint": {"uri": "http://8.8.8.8/"}}}, CORE, inside=False
        )


async def test_an_endpoint_is_judged_again_when_it_is_connected_to(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    await subscribe(tenant, receiver)
    await place.close()
    tenant = await place.open(notify_hosts=["*"])
    await write(tenant, 1)
    await failing(tenant)
    assert receiver.asked == 0
    assert "administrator" in (await tenant.subscriptions.circuit(ID))["error"]


@pytest.mark.parametrize(
    "name", ["Link", "NGSILD-Tenant", "Forwarded", "X-Forwarded-For", "Via", "Nats-Rollup"]
)
async def test_a_subscriber_does_not_speak_for_the_hub(
    place: OwnedPlace, receiver: Receiver, name: str
) -> None:
    tenant = await place.open()
    endpoint = {"uri": receiver.uri, "receiverInfo": [{"key": name, "value": "x"}]}
    with pytest.raises(BadRequestData, match=f"'{name}' in receiverInfo"):
        await subscribe(tenant, receiver, notification={"endpoint": endpoint})


@pytest.mark.parametrize("value", ["a\r\nHost: evil", "a\nX: y", "a\rb", "a\x00"])
async def test_a_header_cannot_hold_another(
    place: OwnedPlace, receiver: Receiver, value: str
) -> None:
    tenant = await place.open()
    for pair in ({"key": "X-Key", "value": value}, {"key": f"X{value}", "value": "v"}):
        endpoint = {"uri": receiver.uri, "receiverInfo": [pair]}
        with pytest.raises(BadRequestData, match="receiverInfo"):
            await subscribe(tenant, receiver, notification={"endpoint": endpoint})


async def test_a_receiver_may_be_given_a_credential_but_one_only(
    place: OwnedPlace, receiver: Receiver
) -> None:
    tenant = await place.open()
    info = [{"key": "Authorization", "value": "Bearer abc"}]
    uri = receiver.uri.replace("//", "//user:word@")
    with pytest.raises(BadRequestData, match="give one of them"):
        await subscribe(
            tenant, receiver, notification={"endpoint": {"uri": uri, "receiverInfo": info}}
        )
    await subscribe(
        tenant, receiver, notification={"endpoint": {"uri": receiver.uri, "receiverInfo": info}}
    )
    await write(tenant, 1)
    await until(lambda: bool(receiver.headers))
    assert receiver.headers[0]["Authorization"] == "Bearer abc"
