"""History beyond the standard: SQL for analysts, export, the city at an instant, differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from madang.api import history_rules as rules
from madang.api.history_load import LoadPages
from madang.api.history_sql import SqlPages
from madang.api.history_state import StatePages
from madang.api.surface import Surface

if TYPE_CHECKING:
    from madang.api.surface import Action, Handler
    from madang.settings import Settings

_TAG = "History"


def surfaces(settings: Settings) -> list[Surface]:
    """Return what is asked of history over HTTP, besides the temporal API."""
    sql, states, loads = SqlPages(settings.data), StatePages(settings), LoadPages(settings.data)
    rows: list[tuple[str, str, Handler, Action, str]] = [
        ("POST", "/history/sql", sql.answer, "runSql", "Ask history in SQL"),
        ("GET", "/history/sql/tables", sql.tables, "runSql", "What SQL can ask: tables, columns"),
        ("GET", "/history/export", sql.export, "readHistory", "A type's history as one file"),
        ("POST", "/history/instances", loads.load, "changeHistory", "Load history in bulk"),
        ("GET", "/history/state", states.state, "readHistory", "Entities as they were at a time"),
        ("GET", "/history/diff", states.diff, "readHistory", "What differs between two times"),
        ("GET", "/history/rules", rules.show, "changeHistory", "How long history is kept"),
        ("PUT", "/history/rules", rules.replace, "changeHistory", "Set how long history is kept"),
    ]
    return [
        Surface(method, path, handler, action, summary, _TAG)
        for method, path, handler, action, summary in rows
    ]
