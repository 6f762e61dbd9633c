"""``madang backup`` and ``restore``: everything, copied while in use, verified, swapped.

A backup is a folder or a .tar: ``manifest.json`` and, under ``state/``, one store file a tenant,
the system store (accounts, keys, policies, consents) and the audit log; under ``lake/`` the history
of each tenant. The manifest has the SHA-256, the size and the number of entities of each. The audit
log is copied last, so nothing that the other copies hold is missing from it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import orjson
from rich.console import Console

from madang import __version__
from madang.commands import keep_lake
from madang.commands.keep_lake import LAKE
from madang.handover import own
from madang.lake.storage import synced
from madang.lake.transfer import TransferError
from madang.model.errors import MadangError
from madang.settings import Settings
from madang.store import engine_of
from madang.store.engine import SUFFIX, SYSTEM, SqliteEngine, stem
from madang.trust import audit_file, secrets

MANIFEST = "manifest.json"
STATE = "state"
FORMAT = 1
_CHUNK = 1 << 20
_PARTIAL = ".partial"
_RESTORING = "restoring-"


class BackupError(MadangError):
    """A backup cannot be made or used."""


def backup(settings: Settings, target: Path, console: Console) -> None:
    """Copy all tenants of a city into a new folder or .tar; the hub may be running.

    The target appears under its name only when it is complete and verified.

    Raises:
        BackupError: there is nothing to copy, the target exists, or a copy is not sound.
    """
    data = settings.data
    source = data / STATE
    if not settings.store and not source.is_dir():
        raise BackupError(f"there is no data in {data}; name its folder with --data")
    if target.exists():
        raise BackupError(f"{target} exists already; a backup never overwrites one")
    folder = target.with_name(f".{target.name}.partial")
    packed = target.with_name(f".{target.name}.packed")
    try:
        _remove(folder)
        (folder / STATE).mkdir(parents=True)
        tenants = asyncio.run(_copy_stores(settings, folder / STATE))
        lakes = _copy_lakes(settings, [item["tenant"] for item in tenants], folder)
        others = _copy_others(settings, folder / STATE)
        _write(folder / MANIFEST, _manifest(tenants, lakes, others))
        if target.suffix == ".tar":
            _pack(folder, packed)
        (packed if target.suffix == ".tar" else folder).rename(target)
        synced(target.parent)
    except OSError as error:
        raise BackupError(f"the backup cannot be written to {target}: {error}") from error
    finally:
        _remove(folder)
        _remove(packed)
    total = sum(item["entities"] for item in tenants)
    console.print(
        f"[green]✓[/] {_tenants(tenants)} with {total:,} entities are in {target}, "
        "checked and with their checksums",
        highlight=False,
        soft_wrap=True,
    )


def _tenants(tenants: list[dict[str, Any]]) -> str:
    return "1 tenant" if len(tenants) == 1 else f"{len(tenants)} tenants"


async def _copy_stores(settings: Settings, folder: Path) -> list[dict[str, Any]]:
    engine = engine_of(settings)
    try:
        names = await engine.tenants()
        if not names:
            raise BackupError(f"there is no tenant in {settings.store or settings.data / STATE}")
        for name in names:
            store = await engine.open(name, create=False)
            if store is not None:
                await store.backup(folder / (stem(name) + SUFFIX))
    finally:
        await engine.close()
    return await inspect(folder)


def _copy_others(settings: Settings, folder: Path) -> list[dict[str, Any]]:
    """Copy what belongs to no tenant, the audit log last; return their lines of the manifest."""
    source, system, audit = settings.data / STATE, SYSTEM + SUFFIX, audit_file.NAME
    if settings.store or (source / system).exists():
        asyncio.run(_copy_system(settings, folder / system))
    if (source / audit).exists():
        audit_file.backup(source / audit, folder / audit)
    found = []
    for name in (system, audit):
        if (folder / name).exists():
            synced(folder / name)
            found.append({"file": name} | _marks(folder / name))
    return found


async def _copy_system(settings: Settings, target: Path) -> None:
    engine = engine_of(settings)
    try:
        store = await engine.system()
        faults = await store.check()
        if faults:
            raise BackupError(f"the system store: {faults[0]}")
        await store.backup(target)
    finally:
        await engine.close()


def _marks(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "sha256": checksum(file)}


async def inspect(folder: Path) -> list[dict[str, Any]]:
    """Return what is in a folder of stores: a line of the manifest for each tenant.

    Raises:
        BackupError: a store is not sound.
    """
    found: list[dict[str, Any]] = []
    engine = SqliteEngine(folder)
    try:
        for name in await engine.tenants():
            store = await engine.open(name, create=False)
            if store is None:
                continue
            faults = await store.check()
            if faults:
                raise BackupError(f"the store of tenant {name or 'default'}: {faults[0]}")
            size = await store.size()
            found.append({"tenant": name, "file": engine.file(name).name} | _counts(size))
    finally:
        await engine.close()
    for item in found:  # after closing, when the files no longer change
        file = folder / str(item["file"])
        synced(file)
        item |= _marks(file)
    return found


def _counts(size: dict[str, int]) -> dict[str, int]:
    return {name: size.get(name, 0) for name in ("entities", "outbox", "deliveries")}


def _copy_lakes(settings: Settings, tenants: list[str], folder: Path) -> list[dict[str, Any]]:
    try:
        if settings.store:
            files = keep_lake.copy_shared(settings, tenants, folder)
        else:
            files = keep_lake.copy(settings.data, folder)
    except (keep_lake.LakeChanged, TransferError) as error:
        raise BackupError(str(error)) from error
    for file in files:
        synced(folder / file)
    return [{"file": file} | _marks(folder / file) for file in files]


def _manifest(
    tenants: list[dict[str, Any]], lakes: list[dict[str, Any]], others: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "madang": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "tenants": tenants,
        "lakes": lakes,
        "others": others,
    }


def restore(data: Path, source: Path, *, force: bool, console: Console) -> None:
    """Put a backup in the place of a data folder's stores.

    The backup is unpacked beside them, verified whole, and only then takes their place in one
    rename; the stores it replaces are kept until that has happened. An audit log that goes on where
    that of the backup ends stays: what was done since is not undone by forgetting it.

    Raises:
        BackupError: the backup is not sound, or the folder has data and ``force`` was not given.
    """
    if not source.exists():
        raise BackupError(f"there is no backup {source}")
    if data.is_dir() and any(data.iterdir()) and not force:
        raise BackupError(f"{data} is not empty; --force replaces its data (stop the hub first)")
    try:
        with own(data), _unpacked(source, data) as folder:
            tenants = _verified(folder)
            _keep_audit(data / STATE, folder / STATE)
            if (folder / LAKE).exists():
                _swap(folder / LAKE, data / LAKE, data)
            _swap(folder / STATE, data / STATE, data)
    except tarfile.ReadError as error:
        raise BackupError(
            f"{source} cannot be restored: it is neither a folder nor a whole .tar file, as"
            " `madang backup` makes them"
        ) from error
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"{source} cannot be restored: {error}") from error
    total = sum(item["entities"] for item in tenants)
    console.print(
        f"[green]✓[/] {_tenants(tenants)} with {total:,} entities restored to {data}",
        highlight=False,
        soft_wrap=True,
    )
    if not (data / secrets.FILE).exists() and secrets.VARIABLE not in os.environ:
        console.print(
            f"  → put the {secrets.FILE} of the hub it came from into {data} before you start it",
            highlight=False,
            soft_wrap=True,
        )


@contextmanager
def _unpacked(source: Path, data: Path) -> Iterator[Path]:
    """Copy a backup into a folder within the data folder, so that a rename can finish it."""
    with TemporaryDirectory(prefix=_RESTORING, dir=data) as place:
        folder = Path(place)
        if source.is_dir():
            shutil.copytree(source, folder, dirs_exist_ok=True)
        else:
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
        yield folder


def _verified(folder: Path) -> list[dict[str, Any]]:
    """Return the tenants of an unpacked backup after checking all of it."""
    manifest = _read_manifest(folder / MANIFEST)
    wanted: list[dict[str, Any]] = manifest["tenants"]
    everything = [*wanted, *manifest.get("others", [])]
    present = {file.name for file in (folder / STATE).glob("*")}
    if present != {item["file"] for item in everything}:
        raise BackupError("the files of the backup are not those its manifest names")
    for item in everything:
        if checksum(folder / STATE / item["file"]) != item["sha256"]:
            raise BackupError(f"the checksum of {item['file']} is wrong: the backup is damaged")
    if fault := keep_lake.fault(folder, manifest.get("lakes", []), checksum):
        raise BackupError(fault)
    found = {item["tenant"]: item for item in asyncio.run(inspect(folder / STATE))}
    for item in wanted:
        if _counts(found[item["tenant"]]) != _counts(item):
            raise BackupError(f"{item['file']} does not hold what the manifest says")
    return wanted


def _keep_audit(state: Path, new: Path) -> None:
    """Put the audit log there is in the place of an older beginning of it."""
    present, older = state / audit_file.NAME, new / audit_file.NAME
    try:
        stays = present.exists() and (not older.exists() or audit_file.continues(present, older))
        if stays:
            older.unlink(missing_ok=True)
            audit_file.backup(present, older)
            synced(older)
    except apsw.Error as error:
        raise BackupError(
            f"the audit log {present} cannot be read ({error}); `madang audit verify` says more;"
            " put it elsewhere to restore without it"
        ) from error


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = orjson.loads(path.read_bytes())
        known, version = manifest["format"], manifest["madang"]
        if not isinstance(manifest["tenants"], list):
            raise KeyError("tenants")
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BackupError("it is no backup of Madang: its manifest.json cannot be read") from error
    if known != FORMAT:
        raise BackupError(f"it was made by Madang {version} in a form this version cannot read")
    return manifest


def _swap(new: Path, state: Path, data: Path) -> None:
    """Put ``new`` in the place of ``state``; on failure the old one is back."""
    old = data / f"{state.name}.replaced"
    _remove(old)
    if state.exists():
        state.rename(old)
    try:
        new.rename(state)
    except OSError:
        if old.exists():
            old.rename(state)
        raise
    synced(data)
    _remove(old)


def _pack(folder: Path, target: Path) -> None:
    with tarfile.open(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.add(file, file.relative_to(folder).as_posix())
    synced(target)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    synced(path)


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
