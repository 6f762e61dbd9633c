"""The table of codecs: names, topics, and what to do about a wrong name."""

from __future__ import annotations

import pytest

from madang.sense.codecs import CODECS, table
from madang.sense.message import Rejected


@pytest.mark.parametrize("name", table.names())
def test_every_codec_has_the_name_and_the_topics_of_the_table(name: str) -> None:
    found = table.codec(name)
    assert found.name == name
    assert tuple(found.topics) == table.TOPICS.get(name, ())
    assert CODECS[name] is found


def test_an_unknown_name_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(Rejected, match=r"no codec 'sneml'; did you mean 'senml'\?") as caught:
        table.codec("sneml")
    assert caught.value.reason == "noCodec"


def test_a_name_like_none_is_answered_with_all_there_are() -> None:
    with pytest.raises(Rejected, match="there are ack, chirpstack, json, "):
        table.codec("?" * 1000)


@pytest.mark.parametrize(
    ("topic", "name", "device"),
    [
        ("/ul/4jggokgpepnvsb2uv4s40d59ov/motion001/attrs", "ultralight", "motion001"),
        ("ul/key/motion001/attrs", "ultralight", "motion001"),
        ("/json/key/d1/attrs", "json", "d1"),
        ("json/key/d1/attrs", "json", "d1"),
        ("spBv1.0/Plant/DDATA/Edge1/pump", "sparkplug", "Plant/Edge1"),
        ("spBv1.0/Plant/NBIRTH/Edge1", "sparkplug", "Plant/Edge1"),
        ("v1.1/Observations", "sensorthings", ""),
        ("v1.1/Datastreams(12)/Observations", "sensorthings", "12"),
        ("v1.1/Datastreams('air:1')/Observations", "sensorthings", "air:1"),
    ],
)
def test_a_topic_of_a_convention_finds_its_codec_and_device(
    topic: str, name: str, device: str
) -> None:
    found = table.by_topic(topic)
    assert found is not None
    assert (found[0].name, found[1]) == (name, device)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "ul",
        "/ul/key/attrs",
        "/ul/key//attrs",
        "/ul/key/d/cmd",
        "spBv1.0/STATE/host",
        "v1.1/Datastreams()/Observations",
        "v1.1/Datastreams(/Observations",
        "v1.1/Things",
        "v1/devices/d1/up",
        "x" * 70_000,
    ],
)
def test_a_topic_of_no_convention_finds_nothing(topic: str) -> None:
    assert table.by_topic(topic) is None
