"""History in memory: instances that are in no lake, asked for in the same way.

It stands alone, or on top of a frozen lake, as what a replay has done meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from madang.lake import frames, views, window
from madang.lake.connecting import connect
from madang.lake.corrections import stage
from madang.lake.frozen import MOMENT, FrozenLake
from madang.lake.kinds import Kinds
from madang.lake.questions import Instance, Series
from madang.lake.schema import COLUMNS, NAMES

if TYPE_CHECKING:
    import duckdb
    import polars

_TABLE = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())


class Memory:
    """Instances of one process, for one thread.

    Args:
        below: what had been recorded; None is nothing.
        trace: what was done under this trace after ``start`` is left out of it.
        start: us since 1970.
    """

    def __init__(self, below: FrozenLake | None = None, trace: str = "", start: int = 0) -> None:
        self._kinds = Kinds()
        self._below = ""
        if below is None:
            self._cursor = _connected()
        else:
            self._cursor = below.cursor()
            self._kinds = Kinds(below.kinds.all())
            self._below = (
                f"SELECT {NAMES} FROM temp.known WHERE (trace IS DISTINCT FROM"
                f" {window.text(trace)} OR {MOMENT} <= {window.instant(start)})"
            )
        self._cursor.execute(f"CREATE TEMP TABLE added ({_TABLE})")
        self._count = 0

    def add(self, instances: list[Instance]) -> None:
        """Take more instances, later than those before."""
        stage(self._cursor, instances, -1 - self._count)
        self._count += len(instances)
        self._cursor.execute(f"INSERT INTO temp.added SELECT {NAMES} FROM temp.staged")
        self._kinds.learn(self._cursor, "temp.staged")

    def frame(self, series: Series, now: int) -> polars.DataFrame:
        """Return values over time, as they were known at an instant. [us since 1970]"""
        below = f"{self._below} AND {MOMENT} <= {window.instant(now)}" if self._below else ""
        added = f"SELECT {NAMES} FROM temp.added"
        views.same(self._cursor, f"{below} UNION ALL {added}" if below else added)
        return frames.read(self._cursor, self._kinds, series)

    def close(self) -> None:
        """Let go of it."""
        self._cursor.close()


def _connected() -> duckdb.DuckDBPyConnection:
    connection = connect({"threads": "1"})
    connection.execute("SET TimeZone = 'UTC'")
    return connection
