"""Opens the SQLite stores of all tenants below one folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from madang.store.sqlite import SqliteStore

DEFAULT = "default"
SYSTEM = "system"
SUFFIX = ".sqlite"
PREFIX = "tenant-"
_PLAIN = "abcdefghijklmnopqrstuvwxyz0123456789-_"


class SqliteEngine:
    """One file a tenant: ``default.sqlite`` and ``tenant-<percent-encoded name>.sqlite``.

    ``system.sqlite`` is the system store. Why: docs/decisions/0002-one-sqlite-file-per-tenant.md.
    """

    is_shared = False

    def __init__(self, folder: Path, query_seconds: float = 30.0) -> None:
        self.folder = folder
        self._query_seconds = query_seconds
        self._open: dict[str, SqliteStore] = {}
        self._system: SqliteStore | None = None
        folder.mkdir(parents=True, exist_ok=True)

    async def claim(self) -> None:
        """Nothing: who works on a data folder has its lock (madang/lock.py)."""

    def file(self, tenant: str) -> Path:
        """Return where a tenant's store is; the default tenant is the empty string."""
        return self.folder / (stem(tenant) + SUFFIX)

    async def open(self, tenant: str, create: bool) -> SqliteStore | None:
        found = self._open.get(tenant)
        if found is None:
            file = self.file(tenant)
            if not create and not file.exists():
                return None
            found = self._open[tenant] = SqliteStore(file, self._query_seconds)
        return found

    async def system(self) -> SqliteStore:
        """Return the store of what belongs to no tenant."""
        if self._system is None:
            self._system = SqliteStore(self.folder / (SYSTEM + SUFFIX), self._query_seconds)
        return self._system

    async def tenants(self) -> list[str]:
        names = {file.name.removesuffix(SUFFIX) for file in self.folder.glob("*" + SUFFIX)}
        found = [unquote(name.removeprefix(PREFIX)) for name in names if name.startswith(PREFIX)]
        return sorted([*found, ""] if DEFAULT in names else found)

    async def close(self) -> None:
        for store in self._open.values():
            await store.close()
        self._open.clear()
        if self._system is not None:
            await self._system.close()
            self._system = None


def stem(tenant: str) -> str:
    """Return the name of a tenant's file or folder, without suffix."""
    return PREFIX + _encoded(tenant) if tenant else DEFAULT


def _encoded(tenant: str) -> str:
    """Return a name that no file system takes for that of another tenant, nor for a path."""
    return "".join(
        c if c in _PLAIN else "".join(f"%{byte:02X}" for byte in c.encode()) for c in tenant
    )
