"""Tables of the PostgreSQL engine: a schema for each tenant, and the register of tenants.

A tenant is a schema, so that it can be dropped, dumped and distributed on its own. The table
``madang.tenant`` says which schema is whose and at which version it is. A step to the next version
runs in one transaction under an advisory lock, so a crash leaves the old version or the new one.

``doc`` is the document as it was written: ``jsonb`` would lose the order of its members and cannot
have NUL. ``body`` is the same for conditions, with U+0001 in the place of NUL. ``iris`` are the
IRIs in it: an index of all of ``body`` would be written at every update, these change rarely. The
entities are in partitions by a hash of the id, each with indexes that fit into memory longer than
one would.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import psycopg

from madang.model.errors import MadangError
from madang.store.postgres import paths

Connection = psycopg.AsyncConnection[Any]

REGISTER = "madang.tenant"
SYSTEM = "madang_system"
PARTITIONS = 16
_LOCK = 0x6D6164616E67  # "madang", of the advisory locks that this program takes
_PLAIN = re.compile(r"[a-z0-9_]{1,40}")

_TABLES = """
CREATE TABLE {s}.shape (
    id integer PRIMARY KEY,
    types text NOT NULL,
    attributes text NOT NULL,
    count bigint NOT NULL
);
CREATE TABLE {s}.entity (
    id text COLLATE "C" PRIMARY KEY,
    shape integer NOT NULL,
    version integer NOT NULL,
    created bigint NOT NULL,
    modified bigint NOT NULL,
    written bigint NOT NULL,
    ends bigint,
    expires bigint,
    place public.geometry(Geometry, 4326),
    times text,
    doc text NOT NULL,
    body jsonb NOT NULL GENERATED ALWAYS AS (replace(doc, '\\u0000', '\\u0001')::jsonb) STORED
) PARTITION BY HASH (id);
{partitions}
CREATE INDEX entity_shape ON {s}.entity (shape, id);
CREATE INDEX entity_expires ON {s}.entity (expires) WHERE expires IS NOT NULL;
CREATE INDEX entity_place ON {s}.entity USING gist (place);
CREATE TABLE {s}.outbox (seq bigint PRIMARY KEY, count integer NOT NULL, body bytea NOT NULL);
CREATE TABLE {s}.item (
    kind text NOT NULL,
    id text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TABLE {s}.delivery (
    key bigint PRIMARY KEY,
    subscription text NOT NULL,
    at bigint NOT NULL,
    body bytea NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    error text
);
CREATE INDEX delivery_subscription ON {s}.delivery (subscription, key);
CREATE TABLE {s}.counter (seq bigint NOT NULL, key bigint NOT NULL) WITH (fillfactor = 20);
INSERT INTO {s}.counter VALUES (0, 0);
CREATE TABLE {s}.turn (writer text PRIMARY KEY, number bigint NOT NULL) WITH (fillfactor = 20);
"""
_PARTITION = (
    "CREATE TABLE {s}.entity_{n} PARTITION OF {s}.entity"
    " FOR VALUES WITH (MODULUS {of}, REMAINDER {n}) WITH (fillfactor = 85);"
)
_FOR_SEVERAL = """
ALTER TABLE {s}.counter
    ADD items bigint NOT NULL DEFAULT 0,
    ADD guard bigint NOT NULL DEFAULT 0,
    ADD shapes bigint NOT NULL DEFAULT 0;
ALTER TABLE {s}.turn ADD last bigint[];
ALTER TABLE {s}.item ADD number bigint NOT NULL DEFAULT 0, ALTER body DROP NOT NULL;
CREATE INDEX item_number ON {s}.item (number) WHERE number > 0;
"""
_BODY = "replace(doc, '\\u0000', '\\u0001')::jsonb"
IRIS = f"jsonb_path_query_array({_BODY}, '{paths.IRIS}')"
"""Computes the column ``iris``."""
_WITH_IRIS = """
ALTER TABLE {s}.entity ADD iris jsonb NOT NULL GENERATED ALWAYS AS ({iris}) STORED;
ALTER TABLE {s}.entity ALTER body SET STATISTICS 0, ALTER iris SET STATISTICS 0;
CREATE INDEX entity_iris ON {s}.entity USING gin (iris jsonb_path_ops) WITH (fastupdate = off);
"""
_REGISTER = f"""
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE SCHEMA IF NOT EXISTS madang;
CREATE TABLE IF NOT EXISTS {REGISTER} (
    name text PRIMARY KEY,
    schema text NOT NULL UNIQUE,
    version integer NOT NULL,
    moving text
);
"""


_LEASES = """
CREATE TABLE IF NOT EXISTS madang.lease (
    work text PRIMARY KEY,
    holder text NOT NULL,
    number bigint NOT NULL,
    beat bigint NOT NULL
) WITH (fillfactor = 20)
"""

_NODES = """
CREATE TABLE IF NOT EXISTS madang.node (
    id text PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL,
    work json NOT NULL,
    behind bigint NOT NULL,
    started timestamptz NOT NULL DEFAULT now(),
    beat timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20)
"""


class NewerStore(MadangError):
    """The schema was written by a newer Madang."""


def _version_1(schema: str) -> str:
    partitions = [_PARTITION.format(s=schema, n=n, of=PARTITIONS) for n in range(PARTITIONS)]
    return _TABLES.format(s=schema, partitions="\n".join(partitions))


def _version_2(schema: str) -> str:
    """Count what other hubs must learn of: items, those no commit may miss, and shapes.

    An item that is gone stays without a body where there are several hubs, so that all hear of it.
    """
    return _FOR_SEVERAL.format(s=schema)


def _version_3(schema: str) -> str:
    """Find entities by the IRIs that they lead to. The table is written anew.

    Statistics of a sample of documents cost a plan more time than they save: they are read whole,
    and tell nothing of documents above 1 kB.
    """
    return _WITH_IRIS.format(s=schema, iris=IRIS)


MIGRATIONS = [_version_1, _version_2, _version_3]
"""``MIGRATIONS[n]`` makes the statements that lead from version n to version n + 1."""


def schema_of(tenant: str) -> str:
    """Return the name of a tenant's schema, which needs no quotes; the default one is empty.

    >>> schema_of(""), schema_of("north")
    ('madang_default', 'madang_tenant_north')
    """
    if not tenant:
        return "madang_default"
    if _PLAIN.fullmatch(tenant):
        return f"madang_tenant_{tenant}"
    return f"madang_named_{hashlib.sha256(tenant.encode()).hexdigest()[:32]}"


async def has_register(connection: Connection) -> bool:
    """Tell whether there is anything of Madang in the database."""
    found = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (REGISTER,))
    row = await found.fetchone()
    return row is not None and bool(row[0])


async def migrate(connection: Connection, name: str, schema: str) -> None:
    """Bring a schema to the newest version, making it if need be.

    Raises:
        NewerStore: the schema is of a version this program does not know.
    """
    if await has_register(connection) and await _version(connection, schema) == len(MIGRATIONS):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not await has_register(connection):
            await connection.execute(_REGISTER)
        found = await _version(connection, schema)
        if found > len(MIGRATIONS):
            raise NewerStore(
                f"the schema {schema} has store version {found}, this Madang knows up to"
                f" {len(MIGRATIONS)}; install the newer Madang again"
            )
        if not found:
            await connection.execute(f"CREATE SCHEMA {schema}")
        for version in range(found, len(MIGRATIONS)):
            await connection.execute(MIGRATIONS[version](schema))
        await connection.execute(
            f"INSERT INTO {REGISTER} VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET version = excluded.version",
            (name, schema, len(MIGRATIONS)),
        )


async def _version(connection: Connection, schema: str) -> int:
    found = await connection.execute(f"SELECT version FROM {REGISTER} WHERE schema = %s", (schema,))
    row = await found.fetchone()
    return 0 if row is None else int(row[0])


async def prepare_leases(connection: Connection) -> None:
    """Make the tables of leases and of hubs if need be; the register must be there."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute(_LEASES)
        await connection.execute(_NODES)


async def claim(connection: Connection, *, is_shared: bool) -> bool:
    """Take the lock that one hub has, or several that share, while the connection lasts."""
    function = "pg_try_advisory_lock_shared" if is_shared else "pg_try_advisory_lock"
    found = await connection.execute(f"SELECT {function}(%s)", (_LOCK + 1,))
    row = await found.fetchone()
    return row is not None and bool(row[0])
