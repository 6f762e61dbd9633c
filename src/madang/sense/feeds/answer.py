"""One answer of a publisher, in a file; it is read when a kind asks for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from madang.sense.feeds.errors import Unusable
from madang.sense.feeds.kept import Meta


@dataclass(slots=True)
class Answer:
    """What a URL answered."""

    url: str
    """What was asked for, without the key."""
    path: Path
    """Its bytes, decompressed."""
    meta: Meta
    changed: bool
    """Whether it differs from the last good one, as far as the publisher tells."""

    @property
    def content_type(self) -> str:
        """Its media type without parameters, in lower case."""
        return self.meta.content_type.partition(";")[0].strip().lower()

    def read(self) -> bytes:
        """Return the whole of it."""
        return self.path.read_bytes()

    def json(self) -> Any:
        """Return the JSON that it is.

        Raises:
            Unusable: it is none.
        """
        try:
            return orjson.loads(self.read())
        except orjson.JSONDecodeError as error:
            raise Unusable(f"{self.url} answered no valid JSON: {error}") from None

    def members(self) -> dict[str, Any]:
        """Return the JSON object that it is, or raise Unusable."""
        found = self.json()
        if not isinstance(found, dict):
            raise Unusable(f"{self.url} answered {type(found).__name__}, expected a JSON object")
        return found

    def fresh_for(self, seconds: float) -> None:
        """Note that the publisher has nothing newer for so long; it is not asked until then."""
        if seconds > 0:
            until = self.meta.received + round(min(seconds, 86_400.0) * 1e6)
            self.meta = replace(self.meta, fresh_until=until)
