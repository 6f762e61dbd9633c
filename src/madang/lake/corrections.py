"""Instances that come by another way than the outbox, and instances that are changed or deleted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from madang.lake import window
from madang.lake.files import Files
from madang.lake.intake import value_columns
from madang.lake.questions import PREFIX, TYPE, HeldBack, Hold, Instance
from madang.lake.schema import COLUMNS, NAMES, ORDER, quoted
from madang.lake.values import COLUMNS as READ
from madang.lake.values import instance_of
from madang.lake.window import instant

if TYPE_CHECKING:
    import duckdb
    import polars

MUST = ("entity", "type", "attribute", "time")
NAMED = ("entity", "type", "attribute")
_VALUE = "CAST(value AS JSON)"
_ID = re.compile(re.escape(PREFIX) + r"(-?\d{1,18}):[0-9a-f]{8}", re.ASCII)


class Arrow:
    """Gives DuckDB a Polars frame through the Arrow C interface, without PyArrow."""

    def __init__(self, frame: polars.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def load(files: Files, source: polars.DataFrame | Path, created: int) -> int:
    """Answer :meth:`madang.lake.protocol.Lake.load`."""
    with (
        files.catalog.alone(),
        files.writing,
        _given(files, source) as given,
        files.transaction() as cursor,
    ):
        return _load(files, cursor, given, created)


@contextmanager
def _given(files: Files, source: polars.DataFrame | Path) -> Iterator[str]:
    """Give the name under which SQL finds what is to be loaded, checked, with enumerated names.

    Sorting by the position of a name among all names takes half the time of sorting by the names.
    Each row has its ``place`` in the source, which costs nothing; numbering sorted rows would let
    one thread alone write them.
    """
    home = f"memory.{files.name}"
    cursor = files.cursor()
    try:
        if isinstance(source, Path):
            rows = f"read_parquet('{quoted(source)}')"
            kind, place = "VIEW", "file_row_number"
        else:
            cursor.register("given_frame", Arrow(source))
            rows = "given_frame"
            kind, place = "TABLE", "row_number() OVER () - 1"
        _check_names(_names(cursor, rows))
        cursor.execute(
            f"CREATE OR REPLACE {kind} {home}.given AS SELECT *, {place} AS place FROM {rows}"
        )
        _check_rows(cursor, f"{home}.given")
        for name in NAMED:
            cursor.execute(
                f"CREATE TYPE {home}.given_{name} AS ENUM"
                f" (SELECT DISTINCT {name} FROM {home}.given ORDER BY {name})"
            )
        yield home
    finally:
        for name in NAMED:
            cursor.execute(f"DROP TYPE IF EXISTS {home}.given_{name}")
        kind = "VIEW" if isinstance(source, Path) else "TABLE"
        cursor.execute(f"DROP {kind} IF EXISTS {home}.given")
        cursor.close()


def _load(files: Files, cursor: duckdb.DuckDBPyConnection, home: str, created: int) -> int:
    given = f"{home}.given"
    names = [name for name in _names(cursor, given) if name in COLUMNS]
    count = int(_one(cursor, f"SELECT count(*) FROM {given}"))
    first = files.number(count)
    values = {
        "observed": "true",
        "kind": "'Property'",
        "deleted": "false",
        **{name: name for name in names},
        "created": window.instant(created),
        "modified": "NULL",
        "seq": f"{first} - place",
    }
    select = ", ".join(f"CAST({values.get(n, 'NULL')} AS {k}) AS {n}" for n, k in COLUMNS.items())
    files.kinds.learn(cursor, f"(SELECT {select} FROM {given})")
    inner = ", ".join(
        f"CAST({name} AS {home}.given_{name}) AS {name}" if name in NAMED else name
        for name in (*names, "place")
    )
    cursor.execute(
        f"INSERT INTO {files.files}.instance ({NAMES})"
        f" SELECT {select} FROM (SELECT {inner} FROM {given} ORDER BY {ORDER})"
    )
    _introduce(files, cursor, f"SELECT entity, type, time FROM {given}", created)
    return count


def _names(cursor: duckdb.DuckDBPyConnection, rows: str) -> list[str]:
    return [row[0] for row in cursor.execute(f"DESCRIBE FROM {rows}").fetchall()]


def _check_names(names: Sequence[str]) -> None:
    if missing := [name for name in MUST if name not in names]:
        raise ValueError(f"history to load must have the column {missing[0]}; it has {names}")
    if unknown := [name for name in names if name not in COLUMNS]:
        raise ValueError(f"history has no column {unknown[0]}; it may have {', '.join(COLUMNS)}")
    if not {"number", "text", "json"}.intersection(names):
        raise ValueError("history to load must have a column number, text or json")


def _check_rows(cursor: duckdb.DuckDBPyConnection, given: str) -> None:
    lacking = " OR ".join(f"{name} IS NULL" for name in MUST)
    if _one(cursor, f"SELECT count(*) FROM {given} WHERE {lacking}"):
        raise ValueError(f"each row of history to load must have {', '.join(MUST)}; some have not")


def _introduce(files: Files, cursor: duckdb.DuckDBPyConnection, rows: str, created: int) -> None:
    """Say of entities that history does not know yet that they exist, from their first time on."""
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE newcomer AS
        SELECT entity, type, time, row_number() OVER () AS n
        FROM (SELECT entity, arg_min(type, time) AS type, min(time) AS time
              FROM ({rows}) GROUP BY entity)
        WHERE entity NOT IN (SELECT entity FROM {files.files}.instance
                             WHERE attribute = '{TYPE}' AND kind = 'Created')
        """
    )
    count = int(_one(cursor, "SELECT count(*) FROM temp.newcomer"))
    if count:
        first = files.number(count)
        cursor.execute(
            f"""
            INSERT INTO {files.files}.instance
                (entity, type, attribute, kind, time, observed, text, deleted, created, seq)
            SELECT entity, type, '{TYPE}', 'Created', time, false, type, false,
                   {window.instant(created)}, {first} - n + 1
            FROM temp.newcomer ORDER BY entity
            """
        )


_SAME_INSTANT = (
    "new.observed AND old.observed AND new.entity = old.entity AND new.attribute = old.attribute"
    " AND new.dataset IS NOT DISTINCT FROM old.dataset AND new.time = old.time"
)
_SAME_VALUE = "NOT old.deleted AND " + " AND ".join(
    f"new.{name} IS NOT DISTINCT FROM old.{name}"
    for name in ("kind", "number", "text", "json", "unit")
)


def add(files: Files, instances: Sequence[Instance], only_news: bool) -> None:
    """Answer :meth:`madang.lake.protocol.Lake.add`."""
    if not instances:
        return
    concerned = _around(instances)
    table = f"(SELECT * FROM {files.files}.instance WHERE {concerned}) AS old"
    with files.changing() as cursor:
        stage(cursor, instances, files.number(len(instances)))
        if only_news:
            cursor.execute(
                "DELETE FROM temp.staged AS new WHERE EXISTS"
                f" (SELECT 1 FROM {table} WHERE {_SAME_INSTANT} AND {_SAME_VALUE})"
            )
            if not _one(cursor, "SELECT count(*) FROM temp.staged"):
                return
        cursor.execute(
            f"DELETE FROM {files.files}.instance AS old WHERE {concerned}"
            f" AND EXISTS (SELECT 1 FROM temp.staged AS new WHERE {_SAME_INSTANT})"
        )
        created = max(one.created for one in instances)
        _append(files, cursor, created)


def _around(instances: Sequence[Instance]) -> str:
    """Return a condition that holds for all rows of the same entities and times, and few others.

    Without the times, files of years would be read for what was late by a minute.
    """
    entities = window.among("entity", sorted({one.entity for one in instances}))
    times = [one.time for one in instances]
    return f"{entities} AND time BETWEEN {instant(min(times))} AND {instant(max(times))}"


def stage(cursor: duckdb.DuckDBPyConnection, instances: Sequence[Instance], first: int) -> None:
    """Put instances into the temporary table ``staged``, numbered from the first one downwards."""
    # As one text: of each value in a list, DuckDB would ask whether NumPy or pandas made it.
    rows = orjson.dumps([(n, *_plain(one)) for n, one in enumerate(instances)]).decode()
    columns = ", ".join(f"CAST(x->>{n} AS {kind}) AS {name}" for n, (name, kind) in _STAGED)
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE staged AS
        SELECT entity, type, attribute, dataset, kind, make_timestamp(moment) AS time, observed,
               {value_columns(_VALUE, "kind")}, unit, more, deleted,
               make_timestamp(since) AS created, make_timestamp(changed) AS modified,
               {first} - n AS seq, trace
        FROM (SELECT {columns} FROM (SELECT unnest(from_json($1, '["JSON"]')) AS x))
        """,
        [rows],
    )


_STAGED = tuple(
    enumerate(
        {
            "n": "BIGINT",
            "entity": "VARCHAR",
            "type": "VARCHAR",
            "attribute": "VARCHAR",
            "dataset": "VARCHAR",
            "kind": "VARCHAR",
            "moment": "BIGINT",
            "observed": "BOOLEAN",
            "value": "VARCHAR",
            "unit": "VARCHAR",
            "more": "VARCHAR",
            "deleted": "BOOLEAN",
            "since": "BIGINT",
            "changed": "BIGINT",
            "trace": "VARCHAR",
        }.items()
    )
)


def _plain(one: Instance) -> tuple[Any, ...]:
    value = None if one.deleted else orjson.dumps(one.value).decode()
    more = None if not one.more else orjson.dumps(one.more).decode()
    return (*one[:7], value, one.unit, more, one.deleted, one.created, one.modified, one.trace)


def _append(files: Files, cursor: duckdb.DuckDBPyConnection, created: int) -> None:
    cursor.execute(
        f"INSERT INTO {files.files}.instance ({NAMES}) SELECT {NAMES} FROM temp.staged"
        f" ORDER BY {ORDER}"
    )
    _introduce(files, cursor, "SELECT entity, type, time FROM temp.staged", created)
    files.kinds.learn(cursor, "temp.staged")


def change(files: Files, entity: str, attribute: str, instance: str, new: Instance) -> bool:
    """Answer :meth:`madang.lake.protocol.Lake.change`."""
    with files.changing() as cursor:
        old = find(cursor, f"{files.files}.instance", entity, attribute, instance)
        if old is None:
            return False
        _refuse_held(cursor, files, entity)
        stage(cursor, [new], files.number(1))
        _delete(files, cursor, _same(old))
        # The number stays: with it the instanceId, and the place in the log of changes.
        cursor.execute(f"UPDATE temp.staged SET seq = {old.seq}")
        _append(files, cursor, new.created)
        return True


def find(
    cursor: duckdb.DuckDBPyConnection, table: str, entity: str, attribute: str, instance: str
) -> Instance | None:
    """Return an instance of a table of history, found by its id."""
    numbered = _ID.fullmatch(instance)
    if numbered is None:
        return None
    rows = cursor.execute(
        f"SELECT {READ} FROM {table} WHERE entity = ? AND attribute = ?"
        f" AND seq = {int(numbered[1])}",
        [entity, attribute],
    ).fetchall()
    found = (instance_of(row) for row in rows)
    return next((one for one in found if one.id == instance), None)


def _same(one: Instance) -> str:
    return (
        f"entity = {window.text(one.entity)} AND attribute = {window.text(one.attribute)}"
        f" AND seq = {one.seq} AND {window.of_datasets([one.dataset])}"
    )


def remove(
    files: Files,
    entity: str,
    attribute: str | None,
    instance: str | None,
    datasets: Collection[str | None] | None,
) -> int:
    """Answer :meth:`madang.lake.protocol.Lake.remove`."""
    with files.changing() as cursor:
        condition = f"entity = {window.text(entity)}"
        if attribute is not None:
            condition += f" AND attribute = {window.text(attribute)}"
        if instance is not None:
            old = find(cursor, f"{files.files}.instance", entity, attribute or "", instance)
            if old is None:
                return 0
            condition = _same(old)
        if datasets is not None:
            condition += f" AND {window.of_datasets(list(datasets))}"
        count = int(_one(cursor, f"SELECT count(*) FROM {files.files}.instance WHERE {condition}"))
        if count:
            _refuse_held(cursor, files, entity)
            _delete(files, cursor, condition)
        return count


def _delete(files: Files, cursor: duckdb.DuckDBPyConnection, condition: str) -> None:
    cursor.execute(f"DELETE FROM {files.files}.instance WHERE {condition}")


def _refuse_held(cursor: duckdb.DuckDBPyConnection, files: Files, entity: str) -> None:
    for hold in files.holds:
        held = f"SELECT 1 FROM {files.files}.instance WHERE {covered(hold)}"
        if cursor.execute(f"{held} AND entity = ? LIMIT 1", [entity]).fetchone():
            raise HeldBack(
                f"{entity} is under the legal hold {hold.name!r} ({hold.reason});"
                " lift the hold before its history is changed or deleted"
            )


def covered(hold: Hold) -> str:
    """Return the condition that a row is under a hold."""
    terms = []
    if hold.types:
        terms.append(f"list_has_any(string_split(type, ' '), {window.strings(hold.types)})")
    if hold.ids:
        terms.append(window.among("entity", hold.ids))
    return f"({' OR '.join(terms) or 'true'})"


def _one(cursor: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = cursor.execute(sql).fetchone()
    return None if row is None else row[0]
