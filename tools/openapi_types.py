"""Writes the OpenAPI document to where the front end makes its types of it.

``python -m tools.front_end check`` does both; ``python -m tools.openapi_types FILE`` only writes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import orjson

from madang.api.application import surfaces
from madang.api.openapi import document
from madang.api.site import Site
from tools.access_table import a_city

FILE = Path(__file__).parents[1] / "src/madang/web/ui/src/generated/openapi.json"


async def text() -> bytes:
    """Return the document of a hub with all of its surfaces."""
    async with a_city() as city:
        found = document(surfaces(city.parts, Site(city.settings.url)))
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def main(file: Path) -> None:
    """Write the file, if it would differ."""
    content = asyncio.run(text())
    if file.exists() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
