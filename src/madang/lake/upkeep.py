"""Upkeep of a lake: merging and sorting files, forgetting what nothing needs, retention, checks.

None of it stops readers; what the drain has taken they read from memory while it waits. SQLite,
which keeps the catalog, refuses at once whoever has read before another one wrote, however long the
busy timeout is ("database is locked"), so those who write the catalog take turns. A snapshot is
kept as long as a read may take, then the files that only it needs are removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog

from madang.lake import window
from madang.lake.corrections import covered
from madang.lake.files import Files
from madang.lake.periods import boundaries, bucket, floor, months_later
from madang.lake.questions import SCOPE, TYPE, Figures, Period, Policy
from madang.lake.schema import ORDER

if TYPE_CHECKING:
    import duckdb

log = structlog.get_logger("madang.lake")

TIERS = ((0, 1 << 20), (1 << 20, 1 << 24))
"""Sizes of files that are merged with one another [B]: a row is rewritten about twice in all."""
ENOUGH = 8  # files of a tier before they are merged
SNAPSHOT_MINUTES = 10  # for which a snapshot is kept: a read takes no longer
ORPHAN_HOURS = 1  # after which a file that nothing refers to was left by a crash
ABOUT = f"attribute IN ('{TYPE}', '{SCOPE}')"


def maintain(files: Files, whole: bool) -> None:
    """Answer :meth:`madang.lake.protocol.Lake.maintain`."""
    name = f"'{files.files}', 'instance'"
    with files.catalog.alone(), files.reshaping:
        threshold = ", delete_threshold => 0" if whole else ""
        with files.tidying() as cursor:
            cursor.execute(f"CALL ducklake_rewrite_data_files({name}{threshold})")
        for sizes in [""] if whole else _due_tiers(files, name):
            while _merge(files, f"{name}{sizes}"):
                pass
        cursor = files.cursor()
        try:
            with files.writing:
                _forget(files, cursor)
        finally:
            cursor.close()


def _merge(files: Files, chosen: str) -> int:
    """Merge files into one a month; return how many there are fewer.

    All that DuckLake merges at once it also sorts at once, in the engine's memory.
    """
    with files.tidying() as cursor:
        (fewer,) = _row(
            cursor,
            "SELECT coalesce(sum(files_processed - files_created), 0)"
            f" FROM ducklake_merge_adjacent_files({chosen}, max_compacted_files => 1)",
        )
    return int(fewer)


def _due_tiers(files: Files, name: str) -> list[str]:
    """Return the sizes of files that there are enough of to merge them, as arguments."""
    cursor = files.cursor()
    try:
        found = cursor.execute(
            f"SELECT data_file_size_bytes FROM ducklake_list_files({name})"
        ).fetchall()
    finally:
        cursor.close()
    return [
        f", min_file_size => {least}, max_file_size => {below}"
        for least, below in TIERS
        if sum(least <= size < below for (size,) in found) >= ENOUGH
    ]


def _forget(files: Files, cursor: duckdb.DuckDBPyConnection) -> None:
    files.catalog.tidy(cursor, files.files)
    older = f"older_than => now() - INTERVAL '{SNAPSHOT_MINUTES} minutes'"
    lost = f"older_than => now() - INTERVAL '{ORPHAN_HOURS} hours'"
    for call in (
        f"ducklake_expire_snapshots('{files.files}', {older})",
        f"ducklake_cleanup_old_files('{files.files}', {older})",
        f"ducklake_delete_orphaned_files('{files.files}', {lost})",
    ):
        cursor.execute(f"SELECT count(*) FROM {call}").fetchall()


def mend(files: Files) -> int:
    """Answer :meth:`madang.lake.protocol.Lake.mend`."""
    with files.catalog.alone(), files.reshaping, files.writing:
        files.catalog.sole()
        cursor = files.cursor()
        try:
            (count,) = _row(
                cursor,
                f"SELECT count(*) FROM ducklake_delete_orphaned_files('{files.files}',"
                " older_than => now())",
            )
        finally:
            cursor.close()
    return int(count)


def retain(files: Files, policies: Sequence[Policy], now: int) -> int:
    """Answer :meth:`madang.lake.protocol.Lake.retain`."""
    gone = 0
    for policy in policies:
        with files.changing() as cursor:
            went = _apply(files, cursor, policy, now)
        if went:
            log.info("history.retained", policy=policy.name, instances=went)
        gone += went
    return gone


def _apply(files: Files, cursor: duckdb.DuckDBPyConnection, policy: Policy, now: int) -> int:
    table = f"{files.files}.instance"
    age = policy.age
    limit = months_later(now, -age.months) if age.months else now - age.microseconds
    if policy.every is not None:
        limit = floor(limit, policy.every)
    condition = _due(files, policy, limit)
    (count,) = _row(cursor, f"SELECT count(*) FROM {table} WHERE {condition}")
    if count and policy.every is not None:
        return _thin(files, cursor, policy.every, condition)
    if count:
        cursor.execute(f"DELETE FROM {table} WHERE {condition}")
    return int(count)


def _due(files: Files, policy: Policy, limit: int) -> str:
    """Return the condition that a row is old enough for a policy, and not held."""
    terms = [f"time < {window.instant(limit)}", f"NOT ({ABOUT})"]
    if policy.types:
        terms.append(f"list_has_any(string_split(type, ' '), {window.strings(policy.types)})")
    if policy.attributes:
        terms.append(window.among("attribute", policy.attributes))
    if policy.every is not None:
        terms.append("number IS NOT NULL AND NOT deleted")
    terms += [f"NOT {covered(hold)}" for hold in files.holds]
    return " AND ".join(terms)


def _thin(files: Files, cursor: duckdb.DuckDBPyConnection, every: Period, condition: str) -> int:
    """Put one instance with the mean in the place of all those of a period."""
    table = f"{files.files}.instance"
    first, last = _row(
        cursor, f"SELECT epoch_us(min(time)), epoch_us(max(time)) FROM {table} WHERE {condition}"
    )
    start = bucket(every, "epoch_us(time)", boundaries(floor(first, every), last, every))
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE thinned AS
        SELECT *, row_number() OVER () AS n FROM (
            SELECT entity, arg_max(type, time) AS type, attribute, dataset,
                   arg_max(kind, time) AS kind, {start} AS begun, bool_or(observed) AS observed,
                   avg(number) AS number, arg_max(unit, time) AS unit, max(created) AS created,
                   count(*) AS size
            FROM {table} WHERE {condition}
            GROUP BY entity, attribute, dataset, begun HAVING count(*) > 1)
        """
    )
    groups, rows = _row(cursor, "SELECT count(*), coalesce(sum(size), 0) FROM temp.thinned")
    if not groups:
        return 0
    cursor.execute(
        f"""
        DELETE FROM {table} AS old WHERE {condition} AND EXISTS (
            SELECT 1 FROM temp.thinned AS new WHERE new.entity = old.entity
                AND new.attribute = old.attribute
                AND new.dataset IS NOT DISTINCT FROM old.dataset AND new.begun = {start})
        """
    )
    cursor.execute(
        f"""
        INSERT INTO {table} (entity, type, attribute, dataset, kind, time, observed, number, unit,
                             deleted, created, seq)
        SELECT entity, type, attribute, dataset, kind, make_timestamp(begun), observed, number,
               unit, false, created, {files.number(int(groups))} - n + 1
        FROM temp.thinned ORDER BY {ORDER.replace("time", "begun")}
        """
    )
    return int(rows - groups)


def figures(files: Files) -> Figures:
    """Answer :meth:`madang.lake.protocol.Lake.figures`."""
    with files.reading() as cursor:
        rows, first, last = _row(
            cursor,
            "SELECT count(*), epoch_us(min(time)), epoch_us(max(time))"
            f" FROM {files.files}.instance",
        )
        count, size = _row(
            cursor,
            "SELECT count(*), coalesce(sum(data_file_size_bytes), 0)"
            f" FROM ducklake_list_files('{files.files}', 'instance')",
        )
    return Figures(
        rows=int(rows),
        waiting=files.waiting,
        bytes=int(size) + files.catalog.bytes(),
        files=int(count),
        drained=files.drained,
        first=first,
        last=last,
    )


def check(files: Files) -> list[str]:
    """Answer :meth:`madang.lake.protocol.Lake.check`."""
    found: list[str] = []
    with files.reading() as cursor:
        rows = cursor.execute(
            "SELECT data_file, data_file_size_bytes, delete_file, delete_file_size_bytes"
            f" FROM ducklake_list_files('{files.files}', 'instance')"
        ).fetchall()
        orphans = cursor.execute(
            f"SELECT path FROM ducklake_delete_orphaned_files('{files.files}', dry_run => true,"
            f" older_than => now() - INTERVAL '{ORPHAN_HOURS} hours')"
        ).fetchall()
        (beyond,) = _row(
            cursor,
            f"SELECT count(*) FROM {files.files}.instance"
            f" WHERE seq > (SELECT upto FROM {files.files}.mark)",
        )
        named = {name: size for row in rows for name, size in (row[:2], row[2:]) if name}
        sizes = files.catalog.storage.sizes(cursor, list(named))
    for name, size in named.items():
        found += _fault(name, size, sizes.get(name))
    found += [f"{path} belongs to no table; the hub removes it when it runs" for (path,) in orphans]
    if beyond:
        found.append(f"{beyond} instances are in the files though their drain was not completed")
    return found


def _fault(name: str, size: int, found: int | None) -> list[str]:
    if found is None:
        return [f"the file {name} of the lake is missing"]
    return [f"the file {name} has {found} bytes instead of {size}"] if found != size else []


def _row(cursor: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = cursor.execute(sql).fetchone()
    assert row is not None, "an aggregate without groups has one row"
    return row
