"""What analysts' SQL may say: one SELECT over the views it is given, and nothing beside them.

The text is read by DuckDB's own parser; what is judged is the tree it makes, so no way of writing
something can get around it. This stands before an engine that has no files, network or settings to
give away (:mod:`madang.lake.sql_job`): either would do alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import orjson

from madang.model.errors import MadangError

if TYPE_CHECKING:
    import duckdb

LONGEST = 100_000  # characters of one question
DEEPEST = 500  # levels of its tree
TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest", "json_each", "json_tree"})
FORBIDDEN = frozenset(
    {
        "current_setting", "current_query", "current_user", "current_role", "current_catalog",
        "current_database", "current_schema", "current_schemas", "current_connection_id",
        "currval", "getenv", "getvariable", "get_block_size", "in_search_path",
        "json_deserialize_sql", "json_serialize_plan", "json_serialize_sql", "nextval",
        "setseed", "sleep_ms", "write_log",
    }
)  # fmt: skip
"""Functions that tell of the engine rather than of the city, or do something to it."""
_SYSTEM = ("duckdb_", "pg_", "sqlite_", "pragma_", "information_schema")
_NO_SHOW = (
    "SHOW, DESCRIBE and SUMMARIZE are not answered; `madang sql --tables` and"
    " GET /history/sql/tables tell what there is"
)


class Refused(MadangError):
    """The SQL may not be run; the text says why, and the way out."""


def check(cursor: duckdb.DuckDBPyConnection, sql: str, tables: Collection[str]) -> None:
    """Raise :class:`Refused` unless the SQL is one SELECT over these tables.

    Args:
        cursor: to parse with; nothing is run.
        sql: what an analyst wrote.
        tables: the names it may use.
    """
    import duckdb

    if len(sql) > LONGEST:
        raise Refused(f"the SQL may have {LONGEST:,} characters at most, not {len(sql):,}")
    try:
        statements = cursor.extract_statements(sql)
    except duckdb.Error as error:
        raise Refused(f"the SQL is not understood: {error}") from None
    if len(statements) != 1:
        raise Refused(
            f"the SQL must be one statement, not {len(statements)}; PIVOT needs the values it makes"
            " columns of: PIVOT … ON column IN (…)"
        )
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise Refused(f"only SELECT is answered, not {kind}; history is changed by other ways")
    tree = _tree(cursor, sql)
    _check_tree(cursor, tree, tables)


def _tree(cursor: duckdb.DuckDBPyConnection, sql: str) -> Any:
    import duckdb

    try:
        row = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        tree = orjson.loads(row[0]) if row else {"error": True}
    except (duckdb.Error, orjson.JSONDecodeError):
        raise Refused("the SQL is nested too deeply") from None
    if tree.get("error"):
        raise Refused(f"only SELECT is answered: {tree.get('error_message', 'this is none')}")
    return tree


def _check_tree(cursor: duckdb.DuckDBPyConnection, tree: Any, tables: Collection[str]) -> None:
    nodes = list(_nodes(tree))
    made = {name for node in nodes for name in _made(node)}
    system = _system_names(cursor)
    for name in made:
        if name in system or name.startswith(_SYSTEM) or not name.isidentifier():
            raise Refused(f"WITH cannot name a table {name!r}; take another name")
    known = {name.lower() for name in tables} | made
    for node in nodes:
        _check_node(node, known, tables, system)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a tree, without recursion, for it may be deep."""
    waiting = [(tree, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEEPEST:
            raise Refused("the SQL is nested too deeply")
        if isinstance(item, dict):
            yield item
            waiting += [(value, depth + 1) for value in item.values()]
        elif isinstance(item, list):
            waiting += [(value, depth + 1) for value in item]


def _made(node: dict[str, Any]) -> Iterator[str]:
    """Yield the names of tables that a node makes by WITH."""
    ctes = node.get("cte_map")
    if isinstance(ctes, dict):
        yield from (str(entry["key"]).lower() for entry in ctes.get("map", ()))


def _system_names(cursor: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the names of the engine's own tables and of functions outside its main schema."""
    rows = cursor.execute(
        "SELECT lower(view_name) FROM duckdb_views() WHERE internal"
        " UNION SELECT lower(function_name) FROM duckdb_functions() WHERE schema_name <> 'main'"
    ).fetchall()
    return {row[0] for row in rows}


def _check_node(
    node: dict[str, Any], known: set[str], tables: Collection[str], system: set[str]
) -> None:
    kind = node.get("type")
    if kind == "BASE_TABLE":
        _check_table(node, known, tables)
    elif kind == "TABLE_FUNCTION":
        _check_function(node["function"], system)
        name = str(node["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise Refused(f"the table function {name} is not there; only views can be asked")
    elif kind == "SHOW_REF":
        raise Refused(_NO_SHOW)
    if node.get("class") == "FUNCTION":
        _check_function(node, system)


def _check_table(node: dict[str, Any], known: set[str], tables: Collection[str]) -> None:
    name = str(node["table_name"])
    if node.get("schema_name") or node.get("catalog_name"):
        raise Refused(f"the table {name!r} must be named without schema or catalog")
    if name.lower() not in known:
        near = get_close_matches(name, list(tables), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise Refused(f"there is no table {name!r}{hint} (`madang sql --tables` lists them)")


def _check_function(node: dict[str, Any], system: set[str]) -> None:
    name = str(node.get("function_name", "")).lower()
    if node.get("schema") not in ("", "main") or node.get("catalog"):
        raise Refused(f"the function {name} must be named without a schema")
    if (
        name in FORBIDDEN
        or name.startswith(_SYSTEM)
        or (name in system and not node["is_operator"])
    ):
        raise Refused(f"the function {name} is not there for questions about history")
