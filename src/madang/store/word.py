"""What a hub tells the others of a commit it has made."""

from __future__ import annotations

from typing import NamedTuple, Self

import orjson


class Word(NamedTuple):
    """Word of one commit. The truth is in the database: a word that is lost is found missing."""

    store: str
    """Of which tenant; see :data:`madang.store.postgres.engine.SYSTEM_NAME`."""
    last: int
    """The number of the last change there is."""
    key: int
    """Of the last notification there is."""
    items: int
    """How many commits have changed the hub's own things."""
    expires: int | None = None
    """The earliest expiry among its entities. [us since 1970]"""
    ids: tuple[str, ...] = ()
    """The entities it wrote."""

    def dump(self) -> bytes:
        """Return it as bytes."""
        return orjson.dumps(tuple(self))

    @classmethod
    def load(cls, text: bytes) -> Self:
        """Return what :meth:`dump` made bytes of.

        >>> Word.load(Word("north", 7, 1, 0, ids=("urn:a",)).dump()).ids
        ('urn:a',)
        """
        store, last, key, items, expires, ids = orjson.loads(text)
        return cls(store, last, key, items, expires, tuple(ids))
