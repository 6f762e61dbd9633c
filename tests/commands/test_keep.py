"""Backups: complete, checked, never half a restore."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from madang.commands import keep
from madang.commands.keep import BackupError, backup, restore
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from madang.store.protocol import Batch

TENANTS = ("", "강남 구/1")


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


async def _make(folder: Path) -> None:
    engine = SqliteEngine(folder)
    for tenant in TENANTS:
        store = await engine.open(tenant, create=True)
        assert store is not None
        await store.commit(Batch(items={("setting", "name"): tenant.encode()}))
    await engine.close()


async def _names(folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    engine = SqliteEngine(folder)
    try:
        found = {}
        for tenant in await engine.tenants():
            store = await engine.open(tenant, create=False)
            assert store is not None
            found[tenant] = await store.items("setting")
        return found
    finally:
        await engine.close()


EXPECTED = {tenant: [("name", tenant.encode())] for tenant in TENANTS}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    asyncio.run(_make(folder / "state"))
    return folder


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_what_was_backed_up_comes_back(data: Path, tmp_path: Path, name: str) -> None:
    target, place = tmp_path / "backups" / name, tmp_path / "other"
    backup(Settings(data=data), target, console())
    restore(place, target, force=False, console=console())
    assert asyncio.run(_names(place / "state")) == EXPECTED
    assert [entry.name for entry in place.iterdir()] == ["state"]
    assert [entry.name for entry in target.parent.iterdir()] == [name]


def test_the_manifest_tells_what_is_there(data: Path, tmp_path: Path) -> None:
    backup(Settings(data=data), tmp_path / "copy", console())
    found = manifest(tmp_path / "copy")
    assert {item["tenant"] for item in found["tenants"]} == set(TENANTS)
    for item in found["tenants"]:
        file = tmp_path / "copy" / "state" / item["file"]
        assert keep.checksum(file) == item["sha256"]
        assert file.stat().st_size == item["bytes"]


def test_a_backup_never_overwrites(data: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(BackupError, match="exists already"):
        backup(Settings(data=data), tmp_path / "copy", console())


def test_a_folder_without_data_cannot_be_backed_up(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no data"):
        backup(Settings(data=tmp_path), tmp_path / "copy", console())
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_fails_leaves_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keep, "_pack", full)
    with pytest.raises(BackupError, match="No space left"):
        backup(Settings(data=data), tmp_path / "copy.tar", console())
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_a_folder_with_data_is_not_replaced_unless_forced(data: Path, tmp_path: Path) -> None:
    backup(Settings(data=data), tmp_path / "copy", console())
    with pytest.raises(BackupError, match="not empty; --force"):
        restore(data, tmp_path / "copy", force=False, console=console())
    restore(data, tmp_path / "copy", force=True, console=console())
    assert asyncio.run(_names(data / "state")) == EXPECTED
    assert [entry.name for entry in data.iterdir()] == ["state"]


def _damage_a_file(copy: Path) -> None:
    with (copy / "state" / "default.sqlite").open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"damage")


def _lose_a_file(copy: Path) -> None:
    (copy / "state" / "default.sqlite").unlink()


def _lose_the_manifest(copy: Path) -> None:
    (copy / "manifest.json").unlink()


def _claim_another_count(copy: Path) -> None:
    found = manifest(copy)
    found["tenants"][0]["entities"] = 5
    (copy / "manifest.json").write_text(json.dumps(found))


def _come_from_the_future(copy: Path) -> None:
    found = manifest(copy) | {"format": 99, "madang": "9.0"}
    (copy / "manifest.json").write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (_damage_a_file, "checksum of default.sqlite is wrong"),
        (_lose_a_file, "not those its manifest names"),
        (_lose_the_manifest, "no backup of Madang"),
        (_claim_another_count, "does not hold what the manifest says"),
        (_come_from_the_future, "made by Madang 9.0"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_spoilt_backup_is_refused_and_the_data_untouched(
    data: Path, tmp_path: Path, spoil: Any, complaint: str
) -> None:
    backup(Settings(data=data), tmp_path / "copy", console())
    spoil(tmp_path / "copy")
    with pytest.raises(BackupError, match=complaint):
        restore(data, tmp_path / "copy", force=True, console=console())
    assert asyncio.run(_names(data / "state")) == EXPECTED
    assert [entry.name for entry in data.iterdir()] == ["state"]


def test_what_is_no_backup_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"nonsense")
    with pytest.raises(BackupError, match="cannot be restored"):
        restore(tmp_path / "new", tmp_path / "x.tar", force=False, console=console())
    with pytest.raises(BackupError, match="there is no backup"):
        restore(tmp_path / "new", tmp_path / "y.tar", force=False, console=console())


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    evil = tmp_path / "evil.tar"
    (tmp_path / "payload").write_text("x")
    with tarfile.open(evil, "w") as archive:
        archive.add(tmp_path / "payload", "../../escaped")
    with pytest.raises(BackupError, match="cannot be restored"):
        restore(tmp_path / "new", evil, force=False, console=console())
    assert not (tmp_path / "escaped").exists()


def test_a_swap_that_fails_puts_the_old_data_back(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(Settings(data=data), tmp_path / "copy", console())
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if "restoring-" in str(self):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(BackupError, match="Input/output error"):
        restore(data, tmp_path / "copy", force=True, console=console())
    assert asyncio.run(_names(data / "state")) == EXPECTED


def test_a_new_folder_lacks_the_secret_key_and_restoring_says_so(
    data: Path, tmp_path: Path
) -> None:
    backup(Settings(data=data), tmp_path / "copy", console())
    told = console()
    restore(tmp_path / "new", tmp_path / "copy", force=False, console=told)
    assert isinstance(told.file, io.StringIO)
    assert "put the secret.key of the hub it came from into" in told.file.getvalue()
