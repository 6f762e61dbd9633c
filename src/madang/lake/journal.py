"""The log of changes: what happened, in the order it was acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from madang.lake import window
from madang.lake.questions import TYPE, Instance, Logged
from madang.lake.values import COLUMNS, instance_of, types_of

if TYPE_CHECKING:
    import duckdb


def log(
    cursor: duckdb.DuckDBPyConnection, after: int, limit: int, upto: int | None
) -> list[Logged]:
    """Answer :meth:`madang.lake.protocol.Lake.log`."""
    found: list[Logged] = []
    end = _last(cursor) if upto is None else min(upto, _last(cursor))
    start = max(after, 0)
    while start < end and len(found) < limit:
        # Numbers have few gaps, so about as many changes as numbers come at once.
        until = min(start + limit - len(found), end)
        rows = cursor.execute(
            f"SELECT {COLUMNS} FROM history WHERE seq > {start} AND seq <= {until}"
            " ORDER BY seq, attribute, dataset NULLS FIRST"
        ).fetchall()
        instances = (instance_of(row) for row in rows)
        found += [change_of(list(some)) for _, some in groupby(instances, lambda one: one.seq)]
        start = until
    return found


def _last(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.execute("SELECT max(seq) FROM history").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def change_of(instances: Sequence[Instance]) -> Logged:
    """Return the change that brought these instances."""
    one = instances[0]
    about = next((one for one in instances if one.attribute == TYPE), None)
    kind: Literal["created", "updated", "deleted"] = "updated"
    if about is not None and about.kind != "Retyped":
        kind = "deleted" if about.deleted else "created"
    rest = [one for one in instances if one.attribute != TYPE]
    return Logged(
        one.seq,
        one.created,
        kind,
        one.entity,
        types_of(one.type),
        [one for one in rest if not one.deleted],
        [one for one in rest if one.deleted],
        one.trace,
    )


def position(cursor: duckdb.DuckDBPyConnection, at: int) -> int:
    """Answer :meth:`madang.lake.protocol.Lake.position`."""
    row = cursor.execute(
        f"SELECT max(seq) FROM history WHERE created <= {window.instant(at)}"
    ).fetchone()
    return 0 if row is None or row[0] is None else max(int(row[0]), 0)
