"""A lake as it stands at one moment, for another process to read at leisure.

Its files are linked into a folder, which costs nothing and keeps them when upkeep removes them;
those in a bucket are fetched. The other process reads them with an engine of its own, and the hub
goes on meanwhile.

What is read of it is **told again**: at the moment at which the hub learnt of it, as followers were
told; what came into history by another way (files of years, values that came late) at the time at
which it was observed, as if it had come in time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from madang.lake import journal, seen, views, window
from madang.lake.connecting import connect
from madang.lake.kinds import Kinds
from madang.lake.protocol import Lake
from madang.lake.questions import TYPE, Instance, Kind, Logged
from madang.lake.schema import NAMES, quoted
from madang.lake.sql_job import instances, is_link
from madang.lake.sql_run import held
from madang.lake.states import entity_at
from madang.lake.storage import FilesAway
from madang.lake.values import COLUMNS, instance_of
from madang.model.entity import Entity
from madang.query.reach import Reach

if TYPE_CHECKING:
    import duckdb

MEMORY_MB = 512  # of the engine that reads; what does not fit goes to the disk
ROWS = 50_000  # instances read at once
ANSWER_S = 30.0  # that a server of files may let us wait
MINUTE = 60_000_000  # [us]
MOMENT = "CASE WHEN seq > 0 THEN created ELSE time END"
"""When an instance is told again, as SQL."""
_MADE = f"attribute = '{TYPE}' AND kind = 'Created'"
_IN_TURN = f"{MOMENT} DESC, seq > 0 DESC, abs(seq) DESC"


@dataclass(frozen=True, slots=True)
class Frozen:
    """The files, and what may be seen of them. It can be pickled."""

    files: list[str]
    deletes: list[tuple[str, str]]
    kinds: list[Kind]
    reach: Reach


def freeze(lake: Lake, reach: Reach, folder: Path) -> Frozen:
    """Return a lake as it is now.

    Args:
        lake: what is to be read.
        reach: what of it; personal data that only consent opens is left out.
        folder: keeps the files until it is removed.
    """
    with lake.reading() as cursor:
        files, deletes = held(lake, cursor, folder)
    kept = {file: _linked(file, folder / f"{n}.parquet") for n, file in enumerate(files)}
    gone = [
        (kept[file], _linked(positions, folder / f"gone_{n}.parquet"))
        for n, (file, positions) in enumerate(deletes)
    ]
    whole = replace(reach, hidden=(*reach.hidden, *reach.personal), personal=())
    return Frozen(list(kept.values()), gone, lake.kinds(), whole)


def _linked(file: str, to: Path) -> str:
    if is_link(file):
        _fetched(file, to)
        return str(to)
    try:
        os.link(file, to)
    except OSError:  # another disk, or one without links
        shutil.copyfile(file, to)
    return str(to)


def _fetched(link: str, to: Path) -> None:
    try:
        with urlopen(link, timeout=ANSWER_S) as answer, to.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except OSError as error:  # its text is not told, for it may have the link
        name = urlsplit(link).path
        raise FilesAway(f"the file {name} of history cannot be read") from error


class FrozenLake:
    """Reads a frozen lake. It blocks, and is for one thread.

    Args:
        frozen: what is read.
        folder: for what does not fit into memory.
    """

    def __init__(self, frozen: Frozen, folder: Path) -> None:
        self.kinds = Kinds(frozen.kinds)
        self._reach = frozen.reach
        self._connection = connect(
            {
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": f"{MEMORY_MB}MB",
                "temp_directory": quoted(folder / "spill"),
            }
        )
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self._connection.execute(
            f"CREATE VIEW recorded AS {instances(frozen.files, frozen.deletes)}"
        )
        self._cursor = self.cursor()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own; ``history`` and ``known`` are what may be seen."""
        cursor = self._connection.cursor()
        views.same(cursor, "FROM main.recorded")
        where = seen.within(cursor, self.kinds, self._reach)
        cursor.execute(f"CREATE TEMP VIEW known AS SELECT {NAMES} FROM main.recorded WHERE {where}")
        views.same(cursor, "FROM temp.known")
        return cursor

    def close(self) -> None:
        """Let go of the files."""
        self._cursor.close()
        self._connection.close()

    def state(self, at: int) -> Iterator[Entity]:
        """Yield the entities as they were known at an instant. [us since 1970]"""
        rows = self._cursor.execute(
            f"SELECT {COLUMNS} FROM history WHERE {MOMENT} <= {window.instant(at)}"
            " QUALIFY row_number() OVER"
            f" (PARTITION BY entity, attribute, dataset ORDER BY {_IN_TURN}) = 1"
            " ORDER BY entity, created, attribute, dataset NULLS FIRST"
        )
        for _, latest in groupby(map(instance_of, _all(rows)), lambda one: one.entity):
            entity = entity_at(list(latest))
            if entity is not None:
                yield entity

    def changes(self, start: int, end: int, trace: str = "") -> Iterator[Logged]:
        """Yield what is told again later than one instant, up to another, in its order.

        What came by another way than a change has a number below zero.

        Args:
            start: us since 1970.
            end: us since 1970.
            trace: what was done under this trace is left out.
        """
        for first, last in self._portions(start, end):
            rows = self._cursor.execute(
                f"SELECT {COLUMNS}, epoch_us({MOMENT}) AS moment FROM history"
                f" WHERE {_during(first, last)} AND trace IS DISTINCT FROM {window.text(trace)}"
                " ORDER BY moment, seq > 0, greatest(seq, 0), entity, attribute,"
                " dataset NULLS FIRST"
            ).fetchall()
            for _, some in groupby(rows, _same_change):
                yield _told_again(list(some))

    def made(self, start: int, end: int, trace: str) -> list[tuple[int, int, str]]:
        """Return when entities were made under a trace: instant, number of the change, and id."""
        rows = self._cursor.execute(
            f"SELECT epoch_us(created), seq, entity FROM history WHERE {_during(start, end)}"
            f" AND trace = {window.text(trace)} AND {_MADE} ORDER BY created, seq"
        ).fetchall()
        return [(int(at), int(number), str(id)) for at, number, id in rows]

    def count_made(self, start: int, end: int, prefix: str) -> int:
        """Return how many entities were made in the meantime whose ids begin like this."""
        rows = self._cursor.execute(
            f"SELECT count(DISTINCT entity) FROM history WHERE {_during(start, end)} AND {_MADE}"
            f" AND starts_with(entity, {window.text(prefix)})"
        ).fetchall()
        return int(rows[0][0])

    def position(self, at: int) -> int:
        """Return the number of the last change at or before an instant."""
        return journal.position(self._cursor, at)

    def values(self, entity: str, attribute: str, start: int, end: int) -> list[tuple[int, Any]]:
        """Return what an attribute was set to in the meantime: times and values."""
        rows = self._cursor.execute(
            f"SELECT {COLUMNS} FROM history WHERE {_during(start, end)} AND NOT deleted"
            f" AND entity = {window.text(entity)} AND attribute = {window.text(attribute)}"
            " ORDER BY time, abs(seq)"
        ).fetchall()
        return [(one.time, one.value) for one in map(instance_of, rows)]

    def _portions(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield parts of a period with so few instances that they can be read at once."""
        counts = self._cursor.execute(
            f"SELECT epoch_us({MOMENT}) // {MINUTE} AS n, count(*) FROM history"
            f" WHERE {_during(start, end)} GROUP BY n ORDER BY n"
        ).fetchall()
        first, rows = start, 0
        for minute, count in counts:
            if rows and rows + count > ROWS:
                edge = minute * MINUTE - 1  # what is told at the full minute comes next
                yield first, edge
                first, rows = edge, 0
            rows += count
        if rows:
            yield first, end


def _all(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := found.fetchmany(ROWS):
        yield from rows


def _during(start: int, end: int) -> str:
    """Return the condition that an instance is told again in a period.

    The second half says nothing new, but lets files be passed over without being read.
    """
    later, until = window.instant(start), window.instant(end)
    return (
        f"{MOMENT} > {later} AND {MOMENT} <= {until}"
        f" AND ((seq > 0 AND created > {later} AND created <= {until})"
        f" OR (seq <= 0 AND time > {later} AND time <= {until}))"
    )


def _same_change(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what rows of one change have in common; what came from files is one by its time."""
    seq, moment = row[15], row[17]
    return (seq,) if seq > 0 else (row[0], moment)


def _told_again(rows: list[tuple[Any, ...]]) -> Logged:
    found: list[Instance] = [instance_of(row[:17]) for row in rows]
    return journal.change_of(found)._replace(at=rows[0][17])
