"""Where the history of each tenant lies: below the data folder, or with its catalog in PostgreSQL.

With the setting ``store``, the catalog of a tenant's lake is a schema of the same database, beside
that of its state. The Parquet files lie in a folder that all processes of the city see, or in a
bucket.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from madang.lake.bucket import SCHEME, Bucket, Server
from madang.lake.catalog import Catalog, SqliteCatalog
from madang.lake.engine import Engine
from madang.lake.storage import FilesAway, Folder, Storage
from madang.model.errors import MadangError
from madang.settings import Settings
from madang.store.engine import stem

if TYPE_CHECKING:
    from madang.lake.catalog_postgres import PostgresCatalog

FOLDER = "lake"


class UnusableFiles(MadangError):
    """The bucket of history cannot be used; a person must see to it or to the settings."""


class Lakes:
    """The lakes of one city."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.data / FOLDER
        """Of what this process needs for its lakes, and of the lakes that are not shared."""
        self.is_shared = bool(settings.store)
        self._store = settings.store
        self._password = settings.store_password.get_secret_value()
        self._files = settings.history_path
        self._server = _server(settings)

    def catalog(self, tenant: str) -> Catalog:
        """Return the catalog of a tenant's lake; nothing is opened yet.

        Raises:
            OSError: the state is in PostgreSQL, but the history is still below the data folder.
        """
        own = self.embedded(tenant)
        if not self.is_shared:
            return own
        found = self.in_database(tenant)
        if own.file.exists() and found.id is None:
            found.close()
            raise OSError(
                f"the state is in PostgreSQL, but the history is still in {own.home}; stop the hub"
                " and run `madang move` with --to and the database that the setting store names"
            )
        return found

    def embedded(self, tenant: str) -> SqliteCatalog:
        """Return the catalog of a tenant's lake below the data folder, whether it is there or not.

        What is still there after a city was moved is not read any more.
        """
        return SqliteCatalog(self.folder / stem(tenant))

    def in_database(self, tenant: str) -> PostgresCatalog:
        """Return the catalog of a tenant's lake in PostgreSQL, whether it is there or not."""
        from madang.lake.catalog_postgres import PostgresCatalog  # only who uses it pays for it
        from madang.store.postgres.schema import schema_of

        # No tenant's own schema can begin like this.
        schema = schema_of(tenant).replace("madang_", "madang_lake_", 1)
        return PostgresCatalog(self._store, self._password, schema, self._storage(stem(tenant)))

    @property
    def _bucket(self) -> str:
        """The place of all lakes in a bucket; empty if they are in a folder."""
        return self._files.rstrip("/") if self._files.startswith(SCHEME) else ""

    def _storage(self, name: str) -> Storage:
        if self._bucket:
            return Bucket(f"{self._bucket}/{name}", self._server)
        return Folder((Path(self._files) if self._files else self.folder) / name, "shared")

    def check(self, engine: Engine) -> None:
        """Make sure that files can be read and written, where a server has them.

        Raises:
            UnusableFiles: they cannot; the text says why.
        """
        if not self._bucket:
            return
        try:
            Bucket(self._bucket, self._server).check(engine)
        except FilesAway as error:
            raise UnusableFiles(f"history cannot be kept: {error}") from error

    def existing(self, tenants: Iterable[str]) -> list[tuple[str, Catalog]]:
        """Return those lakes of tenants that are there, with the names of their folders."""
        if not self.is_shared:
            files = sorted(self.folder.glob(f"*/{SqliteCatalog.FILE}"))
            return [(file.parent.name, SqliteCatalog(file.parent)) for file in files]
        found: list[tuple[str, Catalog]] = []
        for tenant in tenants:
            catalog = self.in_database(tenant)
            if catalog.id is not None:
                found.append((stem(tenant), catalog))
            catalog.close()  # it opens again when it is asked again
        return found


def _server(settings: Settings) -> Server:
    """Return the server of buckets; keys that are not set are those of Amazon's programs."""
    return Server(
        settings.history_endpoint,
        settings.history_region,
        settings.history_key or os.environ.get("AWS_ACCESS_KEY_ID", ""),
        settings.history_secret.get_secret_value() or os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
    )
