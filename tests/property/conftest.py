"""SQLite in memory, with the tables that a query reads."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from madang.store import sql
from tests.property.queries import TABLES


@pytest.fixture(scope="module")
def connection() -> Iterator[apsw.Connection]:
    with apsw.Connection(":memory:") as connection:
        connection.execute(TABLES)
        sql.register(connection)
        yield connection
    connection.close()
