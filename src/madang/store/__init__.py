"""Where state lives: the :class:`~madang.store.protocol.Store` protocol and its engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from madang.settings import Settings
    from madang.store.protocol import Engine


def engine_of(settings: Settings, query_seconds: float = 30.0) -> Engine:
    """Return the engine that the settings name; nothing is opened yet."""
    if settings.store:
        from madang.store.postgres.engine import PostgresEngine  # only who uses it pays for it

        password = settings.store_password.get_secret_value()
        shared = bool(settings.bus)
        return PostgresEngine(settings.store, password, query_seconds, is_shared=shared)
    from madang.store.engine import SqliteEngine

    return SqliteEngine(settings.data / "state", query_seconds)
