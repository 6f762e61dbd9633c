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
           c.type AS type_value, c.entity AS entity, c.put AS put, c.kept AS kept,
           c.deleted AS deleted, c.retyped AS retyped, c.trace AS trace
    FROM numbered WHERE seq > $2
), member AS (
    SELECT seq, moment, id, types, trace, put, kept, unnest(map_entries(entity)) AS e FROM change
), one AS (
    SELECT seq, moment, id, types, trace, kept, attribute, v, from_json(v, '{_INSTANCE}') AS x
    FROM (
        SELECT seq, moment, id, types, trace, kept, e.key AS attribute,
               unnest(CASE WHEN starts_with(CAST(e.value AS VARCHAR), '[')
                           THEN from_json(e.value, '["JSON"]') ELSE [e.value] END) AS v
        FROM member
        WHERE e.key NOT IN ('id', 'type', 'scope')
          AND (put IS NULL OR list_contains(put, e.key))
    )
), instance AS (
    SELECT seq, moment, id, types, trace, attribute, v, x, x.type AS kind, {_VALUE} AS val,
           CAST(replace(rtrim(x.observedAt, 'Z'), ',', '.') AS TIMESTAMP) AS seen
    FROM one
    WHERE kept IS NULL OR NOT list_contains(
        kept, attribute || coalesce({_SEPARATOR} || x.datasetId, ''))
), gone AS (
    SELECT seq, moment, id, types, trace, unnest(map_entries(deleted)) AS e
    FROM change WHERE what <> 'deleted'
), happening AS (
    SELECT id, types, attribute, x.datasetId AS dataset, kind,
           coalesce(seen, moment) AS time, seen IS NOT NULL AS observed,
           {value_columns("val", "kind")},
           x.unitCode AS unit,
           CASE WHEN len(json_keys(v)) > 1 + (val IS NOT NULL)::INT + (seen IS NOT NULL)::INT
                    + (x.unitCode IS NOT NULL)::INT + (x.datasetId IS NOT NULL)::INT
                THEN nullif(CAST(json_merge_patch(v, '{_KNOWN}') AS VARCHAR), '{{}}')
           END AS more,
           false AS deleted, moment, seq, trace
    FROM instance
    UNION ALL BY NAME
    SELECT id, types, 'scope' AS attribute, 'Scope' AS kind, moment AS time, false AS observed,
           {value_columns("e.value", "'Scope'")},
           false AS deleted, moment, seq, trace
    FROM member WHERE e.key = 'scope' AND (put IS NULL OR list_contains(put, 'scope'))
    UNION ALL BY NAME
    SELECT id, types, split_part(e.key, {_SEPARATOR}, 1) AS attribute,
           nullif(split_part(e.key, {_SEPARATOR}, 2), '') AS dataset, e.value AS kind,
           moment AS time, false AS observed, true AS deleted, moment, seq, trace
    FROM gone
    UNION ALL BY NAME
    SELECT id, types, 'type' AS attribute,
           CASE WHEN what = 'created' THEN 'Created' WHEN what = 'deleted' THEN 'Deleted'
                ELSE 'Retyped' END AS kind,
           moment AS time, false AS observed,
           {value_columns("type_value", "'Created'")},
           what = 'deleted' AS deleted, moment, seq, trace
    FROM change WHERE what <> 'updated' OR retyped
)
SELECT id, types, attribute, dataset, kind, time, observed, number, text, json, unit, more,
       longitude, latitude, deleted, moment, NULL, seq, nullif(trace, '')
FROM happening
"""
"""Parameters: last number, count and body of each block; the number up to which all is there."""


def one_text(blocks: Sequence[tuple[int, int, bytes]]) -> str:
    """Return what :data:`TAKE` reads: blocks of the outbox (last number, size, changes) as JSON.

    As one text: of each value in a list, DuckDB would ask whether NumPy or pandas made it, which
    takes many times as long as to read it.
    """
    parts = [b'{"upto":%d,"size":%d,"body":%b}' % block for block in blocks]
    return f"[{b','.join(parts).decode()}]"
