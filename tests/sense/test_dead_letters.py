"""Dead letters: kept on the disk, found, removed; one sender never pushes out another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from madang.sense import dead_letters
from madang.sense.dead_letters import DeadLetters, Filter
from tests.sense.small_town import message


async def test_a_letter_is_on_the_disk_when_it_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a" / "letters.sqlite"
    letters = DeadLetters(file)
    number = await letters.keep(message(b"\xff\x00", "json", "d1"), "badPayload", "no JSON")
    other = DeadLetters(file)  # as after a kill
    found = await other.get(number)
    assert found is not None
    assert found.body == b"\xff\x00"
    assert found.shown(whole=True)["body"] == {"bytes": 2, "base64": "/wA="}
    await other.close()
    await letters.close()


async def test_letters_are_found_by_device_reason_and_page(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "letters.sqlite")
    for n in range(6):
        device = f"d{n % 2}"
        await letters.keep(message(b"", "json", device), "badValue" if n < 3 else "tooLarge", "-")
    assert [one.id for one in await letters.page(Filter(), 4)] == [6, 5, 4, 3]
    assert [one.id for one in await letters.page(Filter(before=3), 4)] == [2, 1]
    assert [one.id for one in await letters.page(Filter("d0", "badValue"), 4)] == [3, 1]
    counts = await letters.counts()
    assert counts["byReason"] == {"badValue": 3, "tooLarge": 3}
    assert sum(counts["byDevice"].values()) == 6
    assert await letters.remove(Filter("d0")) == 3
    assert await letters.remove(Filter(), 6) == 1
    assert await letters.remove(Filter(), 6) == 0
    assert (await letters.counts())["count"] == 2
    await letters.close()


async def test_a_flood_of_one_device_replaces_its_own_letters_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOST_OF_SENDER", 5)
    letters = DeadLetters(tmp_path / "letters.sqlite")
    await letters.keep(message(b"", "json", "quiet"), "badValue", "-")
    flood = [letters.keep(message(b"", "json", "loud"), "badValue", str(n)) for n in range(50)]
    await asyncio.gather(*flood)
    await letters.keep(message(b"", "json", "loud"), "badValue", "50")
    kept = await letters.page(Filter("loud"), 99)
    assert [one.detail for one in kept] == ["50", "49", "48", "47", "46"]
    assert len(await letters.page(Filter("quiet"), 9)) == 1
    assert (await letters.counts())["replaced"] == 46
    await letters.close()


async def test_so_many_letters_are_kept_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOST", 8)
    letters = DeadLetters(tmp_path / "letters.sqlite")
    for n in range(20):
        await letters.keep(message(b"", "json", f"d{n}"), "badValue", "-")
    counts = await letters.counts()
    assert (counts["count"], counts["replaced"]) == (8, 12)
    await letters.close()


async def test_a_full_disk_is_an_error_of_the_sender_to_try_again(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "letters.sqlite")
    await letters.keep(message(b"", "json", "d"), "badValue", "-")
    await letters._run(lambda db: db.pragma("max_page_count", 1))
    with pytest.raises(Exception, match="full"):
        await letters.keep(message(b"x" * 90_000, "json", "d"), "badValue", "-")
    await letters.close()


async def test_large_letters_of_one_device_take_so_much_room_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOST_BYTES_OF_SENDER", 10_000)
    letters = DeadLetters(tmp_path / "letters.sqlite")
    await letters.keep(message(b"x" * 9_000, "json", "quiet"), "badValue", "-")
    for n in range(9):
        await letters.keep(message(b"x" * 4_000, "json", "loud"), "badValue", str(n))
    assert [one.detail for one in await letters.page(Filter("loud"), 9)] == ["8", "7"]
    assert len(await letters.page(Filter("quiet"), 9)) == 1
    assert (await letters.counts())["replaced"] == 7
    await letters.close()
