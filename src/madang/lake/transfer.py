"""A lake copied into another catalog: month by month, each durable by itself, then compared.

The copy has files of its own, so that neither lake takes away what the other one reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from madang.lake.files import LOWEST, Files
from madang.lake.schema import NAMES, ORDER
from madang.model.errors import MadangError

if TYPE_CHECKING:
    import duckdb

Told = Callable[[int], None]
"""Is told how many instances more are there and compared."""

Mark = tuple[int, int]
"""The number of instances of a month and a checksum over them that heeds no order."""


class TransferError(MadangError):
    """History cannot be copied to where it should go, or is not there as it was."""


def transfer(source: Files, target: Files, told: Told) -> int:
    """Answer :meth:`madang.lake.ducklake.DuckLake.take_over`."""
    # Nobody merges or forgets meanwhile, so that what is read stays; drains go on beside it.
    with source.catalog.alone(), target.catalog.alone():
        cursor = source.cursor()
        try:
            now = _snapshot(cursor, source)
            wanted = _months(cursor, f"{source.files}.instance {now}")
            found = _months(cursor, f"{target.files}.instance")
            if strange := [m for m, mark in found.items() if wanted.get(m) != mark]:
                raise TransferError(
                    f"{target.catalog.shown} has history of {_shown(strange[0])} that the"
                    f" original in {source.catalog.shown} has not; name an empty place"
                )
            for month, mark in sorted(wanted.items()):
                if month not in found:
                    _copy(source, target, now, month)
                told(mark[0])
            _compare(cursor, wanted, source, target)
            _finish(cursor, source, target, now)
        finally:
            cursor.close()
    return sum(count for count, _ in wanted.values())


def _snapshot(cursor: duckdb.DuckDBPyConnection, files: Files) -> str:
    """Return how SQL names the state in which the lake is now."""
    row = cursor.execute(
        f"SELECT max(snapshot_id) FROM ducklake_snapshots('{files.files}')"
    ).fetchone()
    assert row is not None, "a lake that is attached has a snapshot"
    return f"AT (VERSION => {row[0]})"


def _months(cursor: duckdb.DuckDBPyConnection, table: str) -> dict[int, Mark]:
    """Return what a table has, by months since the year 0."""
    rows = cursor.execute(
        f"SELECT year(time) * 12 + month(time) - 1 AS m, count(*), sum(hash({NAMES})::HUGEINT)"
        f" FROM {table} GROUP BY m"
    ).fetchall()
    return {int(month): (int(count), int(sum)) for month, count, sum in rows}


def _shown(month: int) -> str:
    return f"{month // 12}-{month % 12 + 1:02d}"


def _copy(source: Files, target: Files, now: str, month: int) -> None:
    first, after = (
        f"make_timestamp({m // 12}, {m % 12 + 1}, 1, 0, 0, 0)" for m in (month, month + 1)
    )
    with target.writing, target.transaction() as cursor:
        cursor.execute(
            f"INSERT INTO {target.files}.instance ({NAMES}) SELECT {NAMES}"
            f" FROM {source.files}.instance {now} WHERE time >= {first} AND time < {after}"
            f" ORDER BY {ORDER}"
        )


def _compare(
    cursor: duckdb.DuckDBPyConnection, wanted: dict[int, Mark], source: Files, target: Files
) -> None:
    found = _months(cursor, f"{target.files}.instance")
    for month in sorted(wanted.keys() | found.keys()):
        if wanted.get(month) != found.get(month):
            (rows, mark), (there, other) = (some.get(month, (0, 0)) for some in (wanted, found))
            raise TransferError(
                f"{_shown(month)} has {rows:,} instances with checksum {mark:x} in"
                f" {source.catalog.shown}, its copy {there:,} with {other:x}; empty"
                f" {target.catalog.shown} and begin again"
            )


def _finish(cursor: duckdb.DuckDBPyConnection, source: Files, target: Files, now: str) -> None:
    """Copy what goes with the instances: kinds of series, numbers, how far the outbox went."""
    target.kinds.add(source.kinds.all())
    lowest = cursor.execute(LOWEST.format(lake=target.files)).fetchone()
    target.catalog.begin(0 if lowest is None else int(lowest[0]))
    upto = cursor.execute(f"SELECT upto FROM {source.files}.mark {now}").fetchone()
    with target.writing, target.transaction(0 if upto is None else int(upto[0])):
        pass
