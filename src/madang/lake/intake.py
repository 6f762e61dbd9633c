"""From outbox rows to rows of history, inside DuckDB: Python never looks at a single change.

See :func:`madang.store.rows.outbox_row` for what an outbox row holds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from madang.lake.schema import NAMES
from madang.model.attributes import VALUE_MEMBER
from madang.model.entity import INSTANCE

_MEMBERS = tuple(dict.fromkeys(VALUE_MEMBER.values()))
_CHANGE = json.dumps(
    [
        {
            "kind": "VARCHAR",
            "at": "BIGINT",
            "id": "VARCHAR",
            "type": "JSON",
            "entity": "MAP(VARCHAR, JSON)",
            "put": "VARCHAR[]",
            "kept": "VARCHAR[]",
            "deleted": "MAP(VARCHAR, VARCHAR)",
            "retyped": "BOOLEAN",
            "trace": "VARCHAR",
        }
    ]
)
_BLOCKS = '[{"upto": "BIGINT", "size": "BIGINT", "body": "JSON"}]'
_INSTANCE = json.dumps(
    {
        "type": "VARCHAR",
        "observedAt": "VARCHAR",
        "unitCode": "VARCHAR",
        "datasetId": "VARCHAR",
        **dict.fromkeys(_MEMBERS, "JSON"),
    }
)
_KNOWN = json.dumps(dict.fromkeys(("type", "observedAt", "unitCode", "datasetId", *_MEMBERS), None))
_VALUE = "coalesce(" + ", ".join(f'x."{member}"' for member in _MEMBERS) + ")"
_SEPARATOR = f"chr({ord(INSTANCE)})"
# What a change says beside the attributes that were put stands among them, in one list; no name of
# an attribute begins with these.
_GONE = "chr(28)"  # the path of a deleted instance follows
_TYPE = "chr(29)"


def value_columns(value: str, kind: str) -> str:
    """Return the SQL of the columns that hold a value.

    Args:
        value: SQL of the value as JSON.
        kind: SQL of the type of attribute.
    """
    number = f"json_type({value}) IN ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')"
    point = f"{kind} = 'GeoProperty' AND ({value}->>'$.type') = 'Point'"
    return f"""
        CASE WHEN {number} THEN CAST({value} AS DOUBLE) END AS number,
        CASE WHEN json_type({value}) = 'VARCHAR' THEN {value}->>'$' END AS text,
        CASE WHEN NOT ({number}) THEN
                 CASE WHEN json_type({value}) <> 'VARCHAR' THEN CAST({value} AS VARCHAR) END
             WHEN length(CAST({value} AS VARCHAR)) > 15 AND json_type({value}) <> 'DOUBLE'
                 THEN CAST({value} AS VARCHAR) END AS json,
        CASE WHEN {point} THEN CAST({value}->'$.coordinates[0]' AS DOUBLE) END AS longitude,
        CASE WHEN {point} THEN CAST({value}->'$.coordinates[1]' AS DOUBLE) END AS latitude"""


TAKE = f"""
INSERT INTO {{tail}} ({NAMES})
WITH block AS (
    SELECT unnest(from_json($1, '{_BLOCKS}')) AS b
), numbered AS (
    SELECT b.upto - b.size + unnest(range(1, b.size + 1)) AS seq,
           unnest(from_json(b.body, '{_CHANGE}')) AS c
    FROM block
), change AS (
    SELECT seq, c.kind AS what, make_timestamp(c.at) AS moment, c.id AS id,
           CASE WHEN json_type(c.type) = 'ARRAY'
                THEN array_to_string(from_json(c.type, '["VARCHAR"]'), ' ')
                ELSE c.type->>'$' END AS types,
           c.put AS put, c.kept AS kept, c.trace AS trace, map_entries(c.entity) AS members,
           CASE WHEN c.kind <> 'updated' OR c.retyped
                THEN [{{'key': {_TYPE}, 'value': c.type}}] END AS typed,
           CASE WHEN c.kind <> 'deleted' AND c.deleted IS NOT NULL THEN
                list_transform(map_entries(c.deleted), lambda d:
                    {{'key': {_GONE} || d.key, 'value': to_json(d.value)}}) END AS gone
    FROM numbered WHERE seq > $2
), member AS (
    SELECT seq, what, moment, id, types, trace, put, kept,
           unnest(CASE WHEN typed IS NULL AND gone IS NULL THEN members
                       ELSE list_concat(members, typed, gone) END) AS e
    FROM change
), one AS (
    SELECT seq, what, moment, id, types, trace, kept, attribute, v,
           CASE WHEN is_instance THEN from_json(v, '{_INSTANCE}') END AS x
    FROM (
        SELECT seq, what, moment, id, types, trace, kept, e.key AS attribute,
               e.key <> 'scope' AND left(e.key, 1) NOT IN ({_TYPE}, {_GONE}) AS is_instance,
               unnest(CASE WHEN is_instance AND starts_with(CAST(e.value AS VARCHAR), '[')
                           THEN from_json(e.value, '["JSON"]') ELSE [e.value] END) AS v
        FROM member
        WHERE e.key NOT IN ('id', 'type')
          AND (put IS NULL OR list_contains(put, e.key) OR left(e.key, 1) IN ({_TYPE}, {_GONE}))
    )
), told AS (
    SELECT seq, moment, id, types, trace, attribute, v, x,
           CASE WHEN x IS NOT NULL THEN x.type WHEN attribute = 'scope' THEN 'Scope'
                WHEN attribute <> {_TYPE} THEN v->>'$' WHEN what = 'created' THEN 'Created'
                WHEN what = 'deleted' THEN 'Deleted' ELSE 'Retyped' END AS kind,
           CASE WHEN x IS NOT NULL THEN {_VALUE}
                WHEN attribute IN ('scope', {_TYPE}) THEN v END AS val,
           CAST(replace(rtrim(x.observedAt, 'Z'), ',', '.') AS TIMESTAMP) AS seen,
           left(attribute, 1) = {_GONE} AS is_gone,
           is_gone OR (attribute = {_TYPE} AND what = 'deleted') AS deleted
    FROM one
    WHERE kept IS NULL OR NOT list_contains(
        kept, attribute || coalesce({_SEPARATOR} || x.datasetId, ''))
)
SELECT id, types,
       CASE WHEN is_gone THEN split_part(attribute[2:], {_SEPARATOR}, 1)
            WHEN attribute = {_TYPE} THEN 'type' ELSE attribute END,
       CASE WHEN is_gone THEN nullif(split_part(attribute, {_SEPARATOR}, 2), '')
            ELSE x.datasetId END,
       kind, coalesce(seen, moment), seen IS NOT NULL,
       number, text, json, unit, more, longitude, latitude,
       deleted, moment, NULL, seq, nullif(trace, '')
FROM (
    SELECT *, {value_columns("val", "kind")}, x.unitCode AS unit,
           CASE WHEN len(json_keys(v)) > 1 + (val IS NOT NULL)::INT + (seen IS NOT NULL)::INT
                    + (x.unitCode IS NOT NULL)::INT + (x.datasetId IS NOT NULL)::INT
                THEN nullif(CAST(json_merge_patch(v, '{_KNOWN}') AS VARCHAR), '{{}}')
           END AS more
    FROM told
)
"""
"""Parameters: last number, count and body of each block; the number up to which all is there."""


def one_text(blocks: Sequence[tuple[int, int, bytes]]) -> str:
    """Return what :data:`TAKE` reads: blocks of the outbox (last number, size, changes) as JSON.

    As one text: of each value in a list, DuckDB would ask whether NumPy or pandas made it, which
    takes many times as long as to read it.
    """
    parts = [b'{"upto":%d,"size":%d,"body":%b}' % block for block in blocks]
    return f"[{b','.join(parts).decode()}]"
