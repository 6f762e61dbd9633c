"""Branches: the city at an instant, kept under a name, so that many trials begin from the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import orjson

from madang.model import time
from madang.model.errors import AlreadyExists, BadRequestData, Overloaded, ResourceNotFound
from madang.twin.branch.start import Start
from madang.twin.branch.trial import in_short

MOST: Final = 50
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Branches:
    """Those of all tenants.

    Args:
        folder: that they are kept in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, tenant: str, name: str, start: Start, by: str, at: int) -> dict[str, Any]:
        """Keep a branch; return it as JSON.

        Raises:
            BadRequestData: the name cannot be one.
            AlreadyExists: there is one of that name.
            Overloaded: there are too many.
        """
        file = self._file(tenant, name)
        if file.exists():
            raise AlreadyExists(f"there is a branch {name!r} already; remove it, or take another")
        if len(self.list(tenant)) >= MOST:
            raise Overloaded(f"there are {MOST} branches, which is the most; remove one")
        told = {"by": by, "at": time.render(at), "start": start.told()}
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.write_bytes(orjson.dumps(told))
        draft.replace(file)
        return _shown(name, told)

    def list(self, tenant: str) -> list[dict[str, Any]]:
        """Return all branches as JSON, by name."""
        files = sorted((self._folder / _tenant(tenant)).glob("*.json"))
        return [_shown(file.stem, orjson.loads(file.read_bytes())) for file in files]

    def start(self, tenant: str, name: str) -> Start:
        """Return the city as a branch has it; raises ResourceNotFound."""
        return Start.of(orjson.loads(self._there(tenant, name).read_bytes())["start"])

    def remove(self, tenant: str, name: str) -> None:
        """Forget a branch; raises ResourceNotFound."""
        self._there(tenant, name).unlink()

    def _there(self, tenant: str, name: str) -> Path:
        file = self._file(tenant, name)
        if not file.exists():
            raise ResourceNotFound(f"there is no branch {name!r}; `madang branch list` tells all")
        return file

    def _file(self, tenant: str, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadRequestData(
                f"a branch is named by up to 40 letters a to z, digits and -, not {name[:60]!r}"
            )
        return self._folder / _tenant(tenant) / f"{name}.json"


def _tenant(name: str) -> str:
    """Return the folder of a tenant; the name of the default one is empty."""
    return f"+{name}"


def _shown(name: str, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "by": told["by"],
        "at": told["at"],
        "start": in_short(Start.of(told["start"])),
    }
