"""The key of this machine: whoever may read the data folder may use the hub that runs on it.

It is made anew at each start, lies in the data folder with mode 0600, and is what lets
``madang load``, ``madang user`` and the like work at once, without a password, for the user of the
operating system who started the hub.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import orjson
from yarl import URL

from madang.settings_types import is_loopback

FILE = "local.key"


def make(folder: Path, port: int) -> str:
    """Write a new key for the hub that listens on ``port``; return it."""
    key = "local_" + secrets.token_urlsafe(32)
    path = folder / FILE
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps({"port": port, "key": key}))
    return key


def remove(folder: Path) -> None:
    """Take the key away; the hub has ended."""
    (folder / FILE).unlink(missing_ok=True)


def find(folder: Path, address: URL) -> str | None:
    """Return the key of the hub at an address if it is the one that runs on this folder."""
    if not is_loopback(address.host or ""):
        return None
    try:
        content = orjson.loads((folder / FILE).read_bytes())
        return str(content["key"]) if content["port"] == address.port else None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
