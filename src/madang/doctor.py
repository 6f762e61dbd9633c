"""``madang doctor``: what could be wrong on this machine, and how to mend each of it."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

import apsw

from madang import __version__
from madang.hub.lakes import Lakes, UnusableFiles
from madang.lake.catalog import Catalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.model.errors import MadangError
from madang.settings import Settings
from madang.settings_types import is_loopback
from madang.store import engine_of

Verdict = Literal["good", "warning", "bad"]

OLDEST_PYTHON = (3, 11)
FREE_GB_WARNING = 5.0
FREE_GB_BAD = 0.5
SLOW_SYNC_MS = 20.0
_SYNCS = 20
_LIBRARIES = ("apsw", "uvicorn", "starlette", "orjson", "pydantic", "aiohttp", "polars", "shapely")


class Finding(NamedTuple):
    """What one check found."""

    verdict: Verdict
    subject: str
    text: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Run all checks; they change nothing in the data."""
    findings = [*_versions(), *_disk(settings.data), *_ports(settings), *_exposure(settings)]
    stores = [finding async for finding in _stores(settings)]
    tenants = await _tenants(settings)
    return [*findings, *stores, *await asyncio.to_thread(lambda: [*_lakes(settings, tenants)])]


def _versions() -> Iterator[Finding]:
    python = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("bad", "Python", python, "install Python 3.11 or newer, then `make up`")
    else:
        yield Finding("good", "Python", f"{python} on {platform.platform(terse=True)}")
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding("bad", "Libraries", f"{name} is missing", "install again: `make up`")
    yield Finding("good", "Libraries", f"madang {__version__}, {', '.join(found)}")


def _exposure(settings: Settings) -> Iterator[Finding]:
    """Tell whether passwords and keys would cross a network unencrypted."""
    encrypted = settings.url.startswith("https://")
    if not is_loopback(settings.host) and not encrypted:
        yield Finding(
            "warning",
            "Network",
            f"the hub listens on {settings.host} without TLS: anybody on the way can read"
            " passwords and keys",
            "set tls_certificate and tls_key, or put a proxy with TLS before it and set base_url",
        )
    else:
        reach = "this machine only" if is_loopback(settings.host) else "the network, with TLS"
        yield Finding("good", "Network", f"the hub is to be reached from {reach}")


def _disk(data: Path) -> Iterator[Finding]:
    place = _existing(data)
    if not os.access(place, os.W_OK):
        yield Finding(
            "bad",
            "Data folder",
            f"{place} cannot be written",
            f"give yourself the right (chown, chmod), or name another folder than {data} (--data)",
        )
        return
    state = "there" if data.exists() else "not yet there, will be made"
    yield Finding("good", "Data folder", f"{data.resolve()} ({state})")
    free = shutil.disk_usage(place).free / 1e9
    verdict: Verdict = (
        "bad" if free < FREE_GB_BAD else "warning" if free < FREE_GB_WARNING else "good"
    )
    remedy = "" if verdict == "good" else "free some space, or move the data folder (--data)"
    yield Finding(verdict, "Disk space", f"{free:,.1f} GB free", remedy)
    yield _sync_speed(place)


def _existing(path: Path) -> Path:
    """Return the folder itself or the nearest one above it that exists."""
    path = path.resolve()
    return path if path.exists() else next(up for up in path.parents if up.exists())


def _sync_speed(place: Path) -> Finding:
    """Measure how long the disk takes to make 4 KiB durable, as every commit must."""
    probe = place / f".madang-doctor-{os.getpid()}"
    block = bytes(4096)
    times = []
    try:
        with probe.open("wb", buffering=0) as stream:
            for _ in range(_SYNCS):
                started = time.perf_counter()
                stream.write(block)
                os.fsync(stream.fileno())
                times.append(time.perf_counter() - started)
    except OSError as error:
        return Finding("bad", "Disk speed", f"cannot write to {place}: {error}", "check the disk")
    finally:
        probe.unlink(missing_ok=True)
    took = median(times) * 1000
    text = f"{took:.2f} ms to make a write durable"
    if took > SLOW_SYNC_MS:
        remedy = "writes will wait for this disk; put the data folder on an SSD or a local disk"
        return Finding("warning", "Disk speed", text, remedy)
    return Finding("good", "Disk speed", text)


def _ports(settings: Settings) -> Iterator[Finding]:
    for name, port in (("port", settings.port), ("mqtt_port", settings.mqtt_port)):
        subject = f"{name} {port}"
        reason = _bind_error(settings.host, port) if port else ""
        if not reason:
            yield Finding("good", subject, f"free on {settings.host}")
        elif name == "port" and _is_hub(settings.host, port):
            yield Finding("good", subject, "a Madang hub is running there")
        elif name == "mqtt_port":
            text = f"in use on {settings.host} ({reason}), perhaps by your own MQTT broker"
            remedy = "nothing to do if that is your broker; else choose another with --mqtt-port"
            yield Finding("warning", subject, text, remedy)
        else:
            remedy = f"choose another with --{name}, or stop what uses it (`ss -ltnp` shows it)"
            yield Finding("bad", subject, f"cannot listen on {settings.host}: {reason}", remedy)


def _bind_error(host: str, port: int) -> str:
    """Return why nobody can listen there; nothing if one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _is_hub(host: str, port: int) -> bool:
    shown = f"[{host}]" if ":" in host else host
    try:
        with urllib.request.urlopen(f"http://{shown}:{port}/health", timeout=2) as answer:
            return b'"version"' in answer.read(1000)
    except (OSError, ValueError, urllib.error.URLError):
        return False


async def _stores(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.store and not (settings.data / "state").is_dir():
        return
    engine = engine_of(settings)
    try:
        try:
            tenants = await engine.tenants()
        except MadangError as error:
            yield Finding("bad", "Store", str(error), "see docs/how-to/use-postgresql.md")
            return
        for tenant in tenants:
            subject = f"Store of {tenant or 'the default tenant'}"
            try:
                store = await engine.open(tenant, create=False)
                faults = await store.check() if store is not None else ["it has vanished"]
                entities = (await store.size())["entities"] if store is not None else 0
            except (OSError, apsw.Error, MadangError) as error:
                faults, entities = [f"it cannot be opened: {error}"], 0
            for fault in faults:
                remedy = "stop the hub, keep a copy of the folder, then `madang restore` a backup"
                yield Finding("bad", subject, fault, remedy)
            if not faults:
                yield Finding("good", subject, f"sound, {entities:,} entities")
    finally:
        await engine.close()


async def _tenants(settings: Settings) -> list[str]:
    """Return the tenants whose lakes are to be looked at; those of files are found by their files.

    What is wrong with a database is told with its stores.
    """
    if not settings.store:
        return []
    engine = engine_of(settings)
    try:
        return await engine.tenants()
    except MadangError:
        return []
    finally:
        await engine.close()


def _lakes(settings: Settings, tenants: list[str]) -> Iterator[Finding]:
    """Compare the files of each lake with its catalog."""
    lakes = Lakes(settings)
    engine = Engine(lakes.folder / "scratch")
    try:
        lakes.check(engine)
        for name, catalog in lakes.existing(tenants):
            yield from _lake(engine, name, catalog)
    except UnusableFiles as error:
        yield Finding("bad", "Files of history", str(error), "mend what it names, then look again")
    finally:
        engine.close()


async def mend(settings: Settings) -> list[Finding]:
    """Remove what crashes left in the lakes; no hub may run on the data folder or the database.

    Raises:
        UnusableDatabase: a hub works on the database.
        OSError: a lake cannot be opened, or another process has it open.
    """
    if not settings.store:
        return [*_mended(settings, [])]
    state = engine_of(settings)
    try:
        await state.claim()
        tenants = await state.tenants()
        return await asyncio.to_thread(lambda: [*_mended(settings, tenants)])
    finally:
        await state.close()


def _mended(settings: Settings, tenants: list[str]) -> Iterator[Finding]:
    lakes = Lakes(settings)
    engine = Engine(lakes.folder / "scratch")
    try:
        for name, catalog in lakes.existing(tenants):
            lake = DuckLake(engine, catalog)
            count = lake.mend()
            lake.close()
            text = f"{count:,} files that a crash had left were removed"
            yield Finding("good", f"History in {name}", text)
    finally:
        engine.close()


def _lake(engine: Engine, name: str, catalog: Catalog) -> Iterator[Finding]:
    subject = f"History in {name}"
    try:
        lake = DuckLake(engine, catalog)
        faults, figures = lake.check(), lake.figures()
        lake.close()
    except (OSError, MadangError) as error:
        yield Finding("bad", subject, str(error), "install what it names, or restore a backup")
        return
    for fault in faults:
        remedy = "stop the hub, keep a copy of the folder, then `madang restore` a backup"
        yield Finding("bad", subject, fault, remedy)
    if not faults:
        size = f"{figures.bytes / 1e6:,.1f} MB in {figures.files:,} files"
        yield Finding("good", subject, f"sound, {figures.rows:,} rows, {size}")
