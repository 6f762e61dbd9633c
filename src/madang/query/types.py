"""Entity type selection, as in ``type=(A;B),C``.

Source: ETSI GS CIM 009 clause 4.17.
"""

from __future__ import annotations

import re

from madang.model.context import Names
from madang.query.reader import Reader
from madang.query.tree import Condition, HasType

_NAME = re.compile(r"[^\s\"'()\[\]{};|,<>\\^`]+")


def parse(text: str, names: Names) -> Condition | None:
    """Return the condition that a type selection means; None for ``*``, any type.

    Raises:
        BadRequestData: it is no type selection.
    """
    if text == "*":
        return None
    reader = Reader(text, "type")

    def term() -> Condition:
        name = reader.match(_NAME)
        if not name:
            reader.fail("the name of an entity type")
        return HasType(names.expand(name))

    return reader.whole(term, ",|")
