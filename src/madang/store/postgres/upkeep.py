"""Upkeep of a schema: its outbox, its size, and what could be wrong with it."""

from __future__ import annotations

from collections.abc import Collection

import orjson

from madang.store.postgres.schema import Connection
from madang.store.protocol import Block

_FETCHED = 50  # blocks of the outbox fetched at a time


async def blocks(
    connection: Connection,
    schema: str,
    after: int,
    limit: int,
    types: Collection[str] | None = None,
) -> list[Block]:
    """Return the outbox after a sequence number, until it makes up so many changes.

    Args:
        connection: lent.
        schema: of the tenant.
        after: the number.
        limit: how many changes.
        types: only blocks that name one of these types have a body; None is all of them.
    """
    found: list[Block] = []
    last = after
    # As they stand in the body; what else names one is not told from it, and does no harm.
    names = [] if types is None else [orjson.dumps(name) for name in types]
    named = " OR ".join(["position(%s IN body) > 0"] * len(names)) or "false"
    body = "body" if types is None else f"CASE WHEN {named} THEN body ELSE '' END"
    statement = (
        f"SELECT seq, count, {body} FROM {schema}.outbox WHERE seq > %s ORDER BY seq LIMIT %s"
    )
    while limit > 0:
        # In binary form: as text a body is twice as long, and read byte by byte.
        rows = await connection.cursor(binary=True).execute(statement, (*names, last, _FETCHED))
        some = [Block(*row) for row in await rows.fetchall()]
        for block in some:
            if limit <= 0:
                break
            found.append(block)
            limit -= min(block.size, block.last - after)
            last = block.last
        if len(some) < _FETCHED:
            break
    return found


async def forget(connection: Connection, schema: str, upto: int) -> None:
    """Note how far the outbox has been drained, and remove what has."""
    async with connection.pipeline():
        await connection.execute(
            f"INSERT INTO {schema}.item VALUES ('setting', 'drained', %b)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"
            # Of two hubs that drain, the slower one knows of less.
            " WHERE convert_from(item.body, 'UTF8')::bigint"
            " < convert_from(excluded.body, 'UTF8')::bigint",
            (str(upto).encode(),),
        )
        await connection.execute(f"DELETE FROM {schema}.outbox WHERE seq <= %s", (upto,))


async def faults(connection: Connection, schema: str) -> list[str]:
    """Return what is wrong with a schema, one sentence each."""
    found: list[str] = []
    for sql, text in (
        (
            f"SELECT id FROM {schema}.shape s LEFT JOIN (SELECT shape, count(*) AS there"
            f" FROM {schema}.entity GROUP BY shape) e ON e.shape = s.id"
            " WHERE s.count <> coalesce(e.there, 0)",
            "the count of shape {} does not fit its entities",
        ),
        (
            f"SELECT id FROM {schema}.entity WHERE place IS NULL"
            " AND body @? '$.* ? (@.type == \"GeoProperty\")'",
            "entity {} has a place that its row does not have",
        ),
        (
            f"SELECT e.id FROM {schema}.entity e LEFT JOIN {schema}.shape s ON s.id = e.shape"
            " WHERE s.id IS NULL",
            "entity {} is of a shape that is not there",
        ),
        (
            f"SELECT max(seq) FROM {schema}.outbox"
            f" HAVING max(seq) > (SELECT seq FROM {schema}.counter)",
            "the outbox goes up to change {}, beyond the counter",
        ),
    ):
        rows = await connection.execute(f"{sql} LIMIT 20")
        found += [text.format(row[0]) for row in await rows.fetchall()]
    return found


async def size(connection: Connection, schema: str) -> dict[str, int]:
    """Return figures for operators."""
    rows = await connection.execute(
        f"SELECT (SELECT coalesce(sum(count), 0)::bigint FROM {schema}.shape),"
        f" (SELECT count(*) FROM {schema}.shape WHERE count > 0),"
        " (SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
        "  WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r'),"
        f" (SELECT c.seq - o.seq + o.count FROM {schema}.counter c,"
        f"  (SELECT seq, count FROM {schema}.outbox ORDER BY seq LIMIT 1) o),"
        f" (SELECT count(*) FROM {schema}.delivery)",
        (schema,),
    )
    [(entities, shapes, used, outbox, deliveries)] = await rows.fetchall()
    return {
        "entities": entities,
        "shapes": shapes,
        "bytes": used,
        "outbox": outbox or 0,
        "deliveries": deliveries,
    }
