"""Opens DuckDB, and keeps it from importing pandas: 90 MB that nothing here has a use of.

Of each parameter of a statement DuckDB asks whether it is pandas' ``NaT``, and imports pandas for
that where some library has brought it. Where our own modules ask DuckDB, it is told that there is
no pandas; everybody else gets it as always.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

_OURS: Final = __name__.rpartition(".")[0]
"""The package whose modules call DuckDB; none of them imports pandas."""


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "pandas" and _asker().partition(f"{_OURS}.")[1]:
            raise ModuleNotFoundError("DuckDB can do without pandas", name=name)
        return None


def _asker() -> str:
    """Return the name of the module for which something is imported."""
    frame = sys._getframe(2)
    while frame.f_back is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def connect(config: dict[str, str | bool | int | float | list[str]]) -> duckdb.DuckDBPyConnection:
    """Return an engine without a file of its own."""
    import duckdb

    if not any(isinstance(one, _NoPandas) for one in sys.meta_path):
        sys.meta_path.insert(0, _NoPandas())
    return duckdb.connect(":memory:", config=config)
