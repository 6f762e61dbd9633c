"""What a centre says of a node: read, kept by key, taken; and rules that change under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from madang.app import City
from madang.model.errors import Conflict, ResourceNotFound
from madang.sense.edge.book import Book
from madang.sense.edge.centre import Centre, CutOff
from madang.sense.edge.configuration import (
    LONGEST,
    BadConfiguration,
    parse,
    read,
    version,
    written,
)
from madang.sense.edge.forward import Forwarder, Turn
from madang.sense.edge.kept import Kept, KeptFile
from madang.sense.edge.late import Late
from madang.sense.edge.parts import Parts
from madang.sense.edge.position import Position, Told
from madang.sense.edge.rules import Rules
from madang.sense.edge.windows import Windows
from madang.settings_types import EdgeRule
from tests.sense.small_town import message, town
from tests.sense.test_edge_rules import CAMERA, MINUTE, T0, fill, measured

pytestmark = pytest.mark.slow

PROFILE = 'type = "NoiseLevelObserved"\n[attributes]\nLAeq = { unit = "2N" }\n'
WHOLE = """
personal = true
profiles = ["noise"]

[rules.Camera]
strip = ["face"]
aggregate = { count = 60 }

[[devices]]
name = "noise-7"
profile = "noise"
aliases = ["SN-7"]
owner = "Noise team"
location = { longitude = 126.9, latitude = 37 }
interval = 60
"""


def test_a_configuration_says_rules_profiles_and_devices() -> None:
    found = parse(WHOLE)
    assert found.rules == {"Camera": EdgeRule(strip=["face"], aggregate={"count": 60.0})}
    assert found.personal is True
    form = found.devices[0].form()
    assert form.name == "noise-7"
    assert form.attributes["alias"]["value"] == ["SN-7"]
    assert form.attributes["location"]["value"]["coordinates"] == [126.9, 37.0]
    assert parse("").rules is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules = 3", "rules: "),
        ("rulez = {}", "rulez: there is no such key in a configuration; did you mean 'rules'?"),
        ("[rules.A]\naggregate = { x = 0 }", "rules.A.aggregate.x: "),
        ("[[devices]]\nname = 'a b'", "devices.0: the name of a device is"),
        ("[[devices]]\nname = 'a'\n[[devices]]\nname = 'a'", "devices: two are called a"),
        ("[[devices]]\nname = 'a'\nlocation = { longitude = 999, latitude = 0 }", "no place on"),
        ("profiles = [1]", "profiles.0: "),
        ("x = ", "is not valid TOML"),
        ("#" * (LONGEST + 1), "at most 256 KiB"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_named(text: str, told: str) -> None:
    with pytest.raises(BadConfiguration) as error:
        parse(text)
    assert told in str(error.value)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"name":"a","text":1,"profiles":{}}'])
def test_what_is_no_configuration_is_not_taken(body: bytes) -> None:
    with pytest.raises(BadConfiguration):
        read(body)


def test_the_kept_configuration_is_that_of_one_centre(tmp_path: Path) -> None:
    path = tmp_path / "sense" / "edge-configuration.json"
    file = KeptFile(path, "https://a")
    assert file.content == Kept()
    kept = Kept(b'{"x":1}', 5.0, b"", 17)
    file.save(kept)
    assert KeptFile(path, "https://a").content == kept
    assert KeptFile(path, "https://b").content == Kept()
    path.write_bytes(b'{"upstream":"https://a"}')
    assert KeptFile(path, "https://a").content == Kept()


# --- the centre --------------------------------------------------------------------------------


@asynccontextmanager
async def centre(folder: Path) -> AsyncIterator[tuple[City, Book]]:
    async with town(folder) as city:
        station = await city.sense.station("")
        if station.devices.profile("noise") is None:
            await station.devices.shelf.put("noise", PROFILE)
        yield city, await city.sense.edge.books.of("")


async def test_a_configuration_belongs_to_a_key_and_outlives_a_restart(tmp_path: Path) -> None:
    async with centre(tmp_path) as (city, book):
        keys = city.trust.identities.keys
        key, _ = await keys.create("app", "mapo", by="person:x", writes=["*"])
        other, _ = await keys.create("app", "other", by="person:x", writes=["*"])
        assert await book.put("mapo", "mapo", WHOLE, "person:x")
        assert not await book.put("mapo", key.id, WHOLE, "person:x")
        with pytest.raises(Conflict, match="node mapo already"):
            await book.put("second", key.id, WHOLE, "person:x")
        with pytest.raises(BadConfiguration, match="no profile 'nose'"):
            await book.put("mapo", key.id, 'profiles = ["nose"]', "person:x")
        with pytest.raises(ResourceNotFound):
            await book.put("mapo", "nobody", "", "person:x")
        with pytest.raises(BadConfiguration, match="cannot be called"):
            await book.put("a b", key.id, "", "person:x")
    async with centre(tmp_path) as (city, book):
        body = book.hand_out(key.id, "")
        assert body is not None
        assert read(body).profiles == {"noise": PROFILE}
        assert book.hand_out(other.id, "") is None
        assert book.shown(book.get("mapo"))["taken"] is False
        book.hand_out(key.id, version(body), 17)
        shown = book.shown(book.get("mapo"))
        assert (shown["taken"], shown["behind"]) == (True, 17)
        station = await city.sense.station("")
        await station.devices.shelf.put("noise", PROFILE + "\n")
        assert book.hand_out(key.id, "") != body
        await book.remove("mapo")
        assert book.hand_out(key.id, "") is None


# --- the node ----------------------------------------------------------------------------------


async def test_profiles_and_devices_are_taken_and_what_cannot_be_is_told(tmp_path: Path) -> None:
    text = WHOLE + '[[devices]]\nname = "lost"\nprofile = "nowhere"\n'
    handed = read(written("mapo", text, {"noise": PROFILE, "bad": "type = 3"}))
    async with town(tmp_path) as city:
        devices = (await city.sense.station("")).devices
        parts = Parts("", devices, city.trust.identities.keys)
        problems = await parts.apply(handed)
        assert [one.partition(":")[0] for one in problems] == ["profile bad", "device lost"]
        assert devices.named("SN-7").profile == "noise"
        handed = read(written("mapo", WHOLE.replace("Noise", "New"), {"noise": PROFILE}))
        assert await parts.apply(handed) == []
        assert devices.named("noise-7").owner == "New team"


# --- rules that change -------------------------------------------------------------------------


def test_cut_windows_leave_what_they_have_and_the_rest_later() -> None:
    windows = Windows()
    fill(windows, [(0, 2), (20, 4)])
    (cut,) = windows.cut()
    assert cut["count"]["observedAt"] == "2026-02-02T02:40:20.000001Z"
    assert cut["count"]["sampleCount"]["value"] == 2
    assert windows.first is None
    fill(windows, [(40, 9)], first=3)
    (rest,) = windows.close(T0 + 10 * MINUTE)
    assert rest["count"]["value"] == 9.0
    assert rest["count"]["observedAt"] == "2026-02-02T02:41:00Z"


def test_what_was_made_ready_before_is_stripped_by_new_rules() -> None:
    rules = Rules({"Camera": EdgeRule(strip=["face"])}, tuple)
    entity = {"id": CAMERA, "type": "Camera", "face": measured(1), "count": measured(2)}
    assert rules.left_of(entity) == {k: v for k, v in entity.items() if k != "face"}
    assert rules.left_of({"id": CAMERA, "type": ["Camera"], "face": measured(1)}) is None


class Ear:
    """A centre that notes what it is told, and may break off after a body."""

    url = "https://centre"

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.is_deaf = False

    async def push(self, body: bytes) -> None:
        if self.is_deaf:
            raise CutOff("deaf")
        self.told += orjson.loads(body)


async def sent(city: City, *values: float) -> None:
    for value in values:
        entity = {"id": CAMERA, "type": "Camera", "count": measured(value, value)}
        await city.sense.intake.take(message([entity]))


RAW = Rules({}, tuple)
GATHERED = Rules({"Camera": EdgeRule(aggregate={"count": 86_400})}, tuple)


async def forwarder(
    city: City, folder: Path, ear: Ear, rules: Rules, turned: Turn | None = None
) -> Forwarder:
    async def keep(body: bytes, why: str) -> None:
        raise AssertionError(why)

    tenant = (await city.sense.station("")).tenant
    position, late = Position(folder / "edge.json", ear.url), Late(folder / "late")
    return Forwarder(tenant, cast("Centre", ear), position, late, rules, keep, turned)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(one: Forwarder) -> AsyncIterator[None]:
    task = asyncio.ensure_future(one.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def counted(ear: Ear) -> dict[str, tuple[float, int]]:
    """Return mean and number of values by time, as the centre knows them: once each."""
    return {
        one["count"]["observedAt"]: (
            one["count"]["value"],
            one["count"].get("sampleCount", {"value": 1})["value"],
        )
        for one in ear.told
    }


async def test_no_value_is_lost_or_doubled_when_rules_change(tmp_path: Path) -> None:
    ear, settled = Ear(), list[int]()

    async def settle(after: int) -> None:
        settled.append(after)

    async with town(tmp_path / "node") as city:
        one = await forwarder(city, tmp_path, ear, GATHERED)
        async with running(one):
            await sent(city, 1, 2, 3)
            await until(lambda: one.behind == 0)
            assert ear.told == []
            one.change(RAW, settle)
            await until(lambda: len(ear.told) == 1)
            await sent(city, 4, 5)
            await until(lambda: len(ear.told) == 3)
            one.change(GATHERED, settle)
            await until(lambda: len(settled) == 2)
            await sent(city, 6)
            one.change(RAW, settle)
            await until(lambda: len(ear.told) >= 4)
        values = list(counted(ear).values())
        assert values == [(2.0, 3), (4, 1), (5, 1), (6.0, 1)]
        assert settled == sorted(settled)


async def test_a_change_that_a_crash_cut_short_is_made_at_the_same_place(tmp_path: Path) -> None:
    ear, settled = Ear(), list[int]()

    async def settle(after: int) -> None:
        settled.append(after)

    async with town(tmp_path / "node") as city:
        one = await forwarder(city, tmp_path, ear, GATHERED)
        async with running(one):
            await sent(city, 1, 2, 3)
            await until(lambda: one.behind == 0)
            before = Told(0, one._read, one._clock)
            one.change(RAW, settle)
            await until(lambda: len(ear.told) == 1)
            await sent(city, 4)
            await until(lambda: len(ear.told) == 2)
        # Killed after it told the centre, and before its position was on the disk.
        Position(tmp_path / "edge.json", ear.url).save(before)
        again = await forwarder(city, tmp_path, ear, RAW, Turn(GATHERED, settled[0]))
        async with running(again):
            await sent(city, 5)
            await until(lambda: "2026-02-02T02:40:05Z" in counted(ear))
        assert list(counted(ear).values()) == [(2.0, 3), (4, 1), (5, 1)]
