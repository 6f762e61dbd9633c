"""Where the history of each tenant lies: below the data folder, or with its catalog in PostgreSQL.

With the setting ``store``, the catalog of a tenant's lake is a schema of the same database, beside
that of its state. The Parquet files lie in a folder that all processes of the city see.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from madang.lake.catalog import Catalog, SqliteCatalog
from madang.settings import Settings
from madang.store.engine import stem

if TYPE_CHECKING:
    from madang.lake.catalog_postgres import PostgresCatalog

FOLDER = "lake"


class Lakes:
    """The lakes of one city."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.data / FOLDER
        """Of what this process needs for its lakes, and of the lakes that are not shared."""
        self.is_shared = bool(settings.store)
        self._store = settings.store
        self._password = settings.store_password.get_secret_value()
        self._files = settings.history_path or self.folder

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
        return PostgresCatalog(self._store, self._password, schema, self._files / stem(tenant))

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
