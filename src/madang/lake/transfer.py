"""A lake copied into another catalog: month by month, each durable by itself, then compared.

The copy has files of its own, so that neither lake takes away what the other one reads. A copy of
an earlier state is brought to a later one by what the two differ in: files are never changed, so
the rows of those that are in both need not be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from madang.lake.files import LOWEST, Files
from madang.lake.schema import COLUMNS, NAMES, ORDER
from madang.lake.sql_job import instances
from madang.lake.window import instant
from madang.model.errors import MadangError

if TYPE_CHECKING:
    import duckdb

Told = Callable[[int], None]
"""Is told how many instances more are there and compared."""

Mark = tuple[int, int]
"""The number of instances of a month and a checksum over them that heeds no order."""


Part = tuple[str, str | None]
"""A file of instances and, if some of them are deleted, the file that says which."""

Parts = dict[tuple[str, str], Part]
"""The parts of a lake by the names of their files, wherever these are."""

_AUTHOR = "madang move"


class TransferError(MadangError):
    """History cannot be copied to where it should go, or is not there as it was."""


def transfer(source: Files, target: Files, told: Told) -> int:
    """Answer :meth:`madang.lake.ducklake.DuckLake.take_over`."""
    # Nobody merges or forgets meanwhile, so that what is read stays; drains go on beside it.
    with source.catalog.alone(), target.catalog.alone():
        cursor = source.cursor()
        try:
            now = f"AT (VERSION => {snapshot(source)})"
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


# --- from one state to the next -----------------------------------------------------------------


def snapshot(files: Files) -> int:
    """Return the number of the state in which a lake is."""
    return _number(files, f"SELECT max(snapshot_id) FROM ducklake_snapshots('{files.files}')")


def followed(target: Files) -> int:
    """Answer :attr:`madang.lake.ducklake.DuckLake.followed`."""
    return _number(
        target,
        "SELECT coalesce(max(commit_message::BIGINT), 0)"
        f" FROM ducklake_snapshots('{target.files}') WHERE author = '{_AUTHOR}'",
    )


def hold_to(source: Files, target: Files) -> int:
    """Answer :meth:`madang.lake.ducklake.DuckLake.hold_to`."""
    cursor = source.cursor()
    try:
        wanted = _months(cursor, f"{source.files}.instance")
        _compare(cursor, wanted, source, target)
    finally:
        cursor.close()
    return sum(count for count, _ in wanted.values())


def follow(had: Parts, now: Files, target: Files) -> int:
    """Answer :meth:`madang.lake.ducklake.DuckLake.follow`."""
    cursor = now.cursor()
    try:
        has, there = parts(now), parts(target)
        gone, come = _only(had, has), _only(has, had)
        wanted = _less(_mark(cursor, come), _mark(cursor, gone))
        _step(now, target, gone, come)
        after = parts(target)
        found = _less(_mark(cursor, _only(after, there)), _mark(cursor, _only(there, after)))
    finally:
        cursor.close()
    if found != wanted:
        raise TransferError(
            f"{wanted[0]:+,} instances with checksum {wanted[1]:x} have come to"
            f" {now.catalog.shown}, {found[0]:+,} with {found[1]:x} to its copy; empty"
            f" {target.catalog.shown} and begin again"
        )
    return wanted[0]


def _step(now: Files, target: Files, gone: list[Part], come: list[Part]) -> None:
    """Take the rows of some files away and put those of others there, in one transaction.

    With it is noted which state that is, so a copy that was cut off knows whether it was done.
    """
    upto = _number(now, f"SELECT upto FROM {now.files}.mark")
    target.kinds.add(now.kinds.all())
    if come:
        target.catalog.begin(
            _number(target, f"SELECT least(coalesce(min(seq), 0), 0) FROM ({_rows(come)})")
        )
    with (
        target.catalog.alone(),
        target.reshaping,
        target.writing,
        target.transaction(upto) as cursor,
    ):
        if gone:
            _take_away(cursor, target, gone, come)
        if come:
            news = _rows(come) + (f" EXCEPT ALL ({_rows(gone)})" if gone else "")
            cursor.execute(
                f"INSERT INTO {target.files}.instance ({NAMES}) SELECT {NAMES} FROM ({news})"
                f" ORDER BY {ORDER}"
            )
        cursor.execute(f"CALL {target.files}.set_commit_message('{_AUTHOR}', '{snapshot(now)}')")


def _take_away(
    cursor: duckdb.DuckDBPyConnection, target: Files, gone: list[Part], come: list[Part]
) -> None:
    """Delete the rows that are in some files and not in others any more."""
    rest = f" EXCEPT ALL ({_rows(come)})" if come else ""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE gone AS ({_rows(gone)}){rest}")
    bounds = cursor.execute(
        "SELECT epoch_us(min(time)), epoch_us(max(time)) FROM temp.gone"
    ).fetchone()
    if bounds is None or bounds[0] is None:  # they were only put into other files
        return
    same = " AND ".join(f"old.{name} IS NOT DISTINCT FROM new.{name}" for name in COLUMNS)
    cursor.execute(
        f"DELETE FROM {target.files}.instance AS old"
        f" WHERE time BETWEEN {instant(bounds[0])} AND {instant(bounds[1])}"
        f" AND EXISTS (SELECT 1 FROM temp.gone AS new WHERE {same})"
    )


def parts(files: Files) -> Parts:
    """Answer :attr:`madang.lake.ducklake.DuckLake.parts`."""
    cursor = files.cursor()
    try:
        rows = cursor.execute(
            f"SELECT data_file, delete_file FROM ducklake_list_files('{files.files}', 'instance')"
        ).fetchall()
    finally:
        cursor.close()
    return {(Path(file).name, Path(gone or "").name): (file, gone) for file, gone in rows}


def _only(some: Parts, others: Collection[tuple[str, str]]) -> list[Part]:
    """Return the parts that are not among others."""
    return [part for name, part in sorted(some.items()) if name not in others]


def _rows(some: list[Part]) -> str:
    """Return the SQL of the rows of some parts; there must be one."""
    return instances([file for file, _ in some], [(file, gone) for file, gone in some if gone])


def _mark(cursor: duckdb.DuckDBPyConnection, some: list[Part]) -> Mark:
    if not some:
        return 0, 0
    row = cursor.execute(
        f"SELECT count(*), coalesce(sum(hash({NAMES})::HUGEINT), 0) FROM ({_rows(some)})"
    ).fetchone()
    assert row is not None, "an aggregate without groups has one row"
    return int(row[0]), int(row[1])


def _less(mark: Mark, other: Mark) -> Mark:
    return mark[0] - other[0], mark[1] - other[1]


def _number(files: Files, sql: str) -> int:
    cursor = files.cursor()
    try:
        row = cursor.execute(sql).fetchone()
        return 0 if row is None else int(row[0])
    finally:
        cursor.close()
