"""Rebirth requests of Sparkplug: when an edge node is asked for its births, and how often."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from madang.sense.codecs import sparkplug, sparkplug_rebirth
from madang.sense.codecs.sparkplug import Sparkplug
from madang.sense.codecs.sparkplug_payload import Payload
from madang.sense.codecs.sparkplug_rebirth import Rebirths
from madang.sense.message import Message, Rejected
from madang.trust.principal import OPEN
from tests.sense.codec_messages import NOW
from tests.sense.mqtt_town import until

NCMD = "spBv1.0/Plant/NCMD/Edge1"
SPEED = {"name": "Speed", "alias": 1, "datatype": 3, "int_value": 5}
BY_ALIAS = {"alias": 1, "int_value": 6}
SECOND = 1_000_000


class Plant:
    """An edge node and the codec that hears it."""

    def __init__(self) -> None:
        self.codec = Sparkplug()
        self.now = NOW
        self.told: list[tuple[str, bytes]] = []
        """Commands that the edge node got, with their topics."""

    def says(
        self, what: str, *metrics: dict[str, Any], seq: int | None = None, device: str = ""
    ) -> None:
        body = Payload(timestamp=self.now // 1000, seq=seq)
        for metric in metrics:
            body.metrics.add(**metric)
        topic = f"spBv1.0/Plant/{what}/Edge1{device and '/'}{device}"
        self.sends(topic, body.SerializeToString())

    def sends(self, topic: str, body: bytes) -> None:
        message = Message("mqtt", topic, body, OPEN, self.now, answer=self._hear)
        with suppress(Rejected):
            self.codec.decode(message)

    def _hear(self, topic: str, body: bytes) -> None:
        self.told.append((topic, body))

    def is_born(self) -> None:
        self.says("NBIRTH", SPEED, seq=0)
        self.says("DBIRTH", SPEED, seq=1, device="pump")


@pytest.fixture
def plant() -> Plant:
    return Plant()


@pytest.fixture
def born(plant: Plant) -> Plant:
    plant.is_born()
    assert not plant.told
    return plant


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug, "REORDER_S", 0.02)


@pytest.mark.parametrize("metric", [SPEED, BY_ALIAS])
def test_an_edge_node_whose_birth_is_not_known_is_asked_for_it(
    plant: Plant, metric: dict[str, Any]
) -> None:
    plant.says("NDATA", metric, seq=7)
    [(topic, body)] = plant.told
    assert topic == NCMD
    command = Payload.FromString(body)
    assert not command.HasField("seq")
    assert command.timestamp == NOW // 1000
    [asked] = command.metrics
    assert (asked.name, asked.datatype, asked.boolean_value) == ("Node Control/Rebirth", 11, True)


def test_nothing_is_asked_while_all_births_are_known(born: Plant) -> None:
    born.says("NDATA", BY_ALIAS, seq=2)
    born.says("DDATA", BY_ALIAS, seq=3, device="pump")
    born.says("DDEATH", seq=4, device="pump")
    born.says("NDATA", BY_ALIAS, seq=5)
    born.says("NDEATH")
    assert not born.told


def test_a_device_whose_birth_is_not_known_makes_its_edge_node_be_asked(born: Plant) -> None:
    born.says("DDATA", SPEED, seq=2, device="fan")
    assert [topic for topic, _ in born.told] == [NCMD]


def test_a_device_is_born_by_an_edge_node_that_is_not_known(plant: Plant) -> None:
    plant.says("DBIRTH", SPEED, seq=1, device="pump")
    assert [topic for topic, _ in plant.told] == [NCMD]


@pytest.mark.parametrize(("what", "device"), [("NDEATH", ""), ("DDEATH", "pump")])
def test_who_tells_of_values_after_its_death_is_asked_for_a_birth(
    born: Plant, what: str, device: str
) -> None:
    born.says(what, device=device)
    born.says("DDATA", SPEED, device="pump")
    assert [topic for topic, _ in born.told] == [NCMD]


def test_an_edge_node_is_asked_once_in_ten_seconds(plant: Plant) -> None:
    for _ in range(20):
        plant.says("NDATA", SPEED)
        plant.now += SECOND
    assert len(plant.told) == 2
    plant.is_born()
    plant.now += 60 * SECOND
    plant.says("NDATA", SPEED, seq=2)
    assert len(plant.told) == 2


def test_a_birth_that_breaks_the_rules_is_not_asked_for_again(plant: Plant) -> None:
    plant.says("NBIRTH", {"name": "", "int_value": 1}, seq=0)
    plant.says("NDATA", SPEED, seq=1)
    assert not plant.told


def test_an_edge_node_of_a_tenant_is_asked_there(plant: Plant) -> None:
    body = Payload(timestamp=1).SerializeToString()
    plant.sends("seoul/spBv1.0/Plant/DDATA/Edge1/pump", body)
    assert [topic for topic, _ in plant.told] == [f"seoul/{NCMD}"]


def test_what_is_remembered_of_those_asked_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_rebirth, "MOST_NODES", 3)
    rebirths = Rebirths()
    for place in range(10):
        assert rebirths.ask(("", "", str(place)), NCMD, NOW, lambda _topic, _body: None)
    assert len(rebirths._asked) == 3


async def test_messages_that_do_not_come_make_the_edge_node_be_asked(born: Plant) -> None:
    born.says("NDATA", BY_ALIAS, seq=4)
    assert not born.told  # they may have been overtaken
    await until(lambda: born.told)
    born.now += 60 * SECOND
    born.says("NDATA", BY_ALIAS, seq=5)
    await asyncio.sleep(0.05)
    assert [topic for topic, _ in born.told] == [NCMD]


async def test_messages_that_are_overtaken_are_not_missed(born: Plant) -> None:
    for seq in (4, 3, 2, 5):
        born.says("NDATA", BY_ALIAS, seq=seq)
    await asyncio.sleep(0.05)
    assert not born.told


async def test_a_birth_that_comes_meanwhile_is_enough(born: Plant) -> None:
    born.says("NDATA", BY_ALIAS, seq=9)
    born.is_born()
    await asyncio.sleep(0.05)
    assert not born.told


async def test_sequence_numbers_begin_anew_after_255(plant: Plant) -> None:
    plant.is_born()
    for number in range(2, 600):
        plant.says("NDATA", BY_ALIAS, seq=number % 256)
    await asyncio.sleep(0.05)
    assert not plant.told


async def test_what_is_missed_soon_after_a_request_is_asked_for_later(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparkplug_rebirth, "PATIENCE_S", 0.1)
    plant.says("NDATA", SPEED)
    plant.is_born()
    plant.now += SECOND // 20
    plant.says("NDATA", SPEED, seq=9)
    await asyncio.sleep(0.03)
    assert len(plant.told) == 1
    await until(lambda: len(plant.told) == 2)
