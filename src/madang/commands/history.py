"""``madang diff``: what differs in the city between two times."""

from __future__ import annotations

from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape

from madang.commands.client import connect
from madang.commands.read import shown
from madang.commands.terminal import instant


async def diff(
    since: str,
    until: str,
    *,
    url: str,
    tenant: str,
    type_name: str | None,
    q: str | None,
    limit: int,
    as_json: bool,
    console: Console,
) -> None:
    """Print what was created, deleted and changed, as lines or as JSON."""
    wanted = {
        "from": instant(since),
        "to": instant(until),
        "type": type_name,
        "q": q,
        "limit": str(limit),
    }
    parameters = {name: value for name, value in wanted.items() if value}
    async with connect(url, tenant) as client:
        found = await client.get("/history/diff", parameters)
    if as_json:
        console.file.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    lines = list(_lines(found))
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    if not lines:
        console.print("Nothing differs.")
    if found["more"]:
        console.print(f"[yellow]![/] only the first {limit:,} entities; --limit N shows more")


def _lines(found: dict[str, Any]) -> list[str]:
    """Return a line for each entity, and one for each attribute that changed."""
    lines = [f"[green]+[/] {_name(entity)}" for entity in found["created"]]
    lines += [f"[red]-[/] {_name(entity)}" for entity in found["deleted"]]
    for entity in found["changed"]:
        lines.append(f"[cyan]~[/] {_name(entity)}")
        for name, values in entity["attributes"].items():
            before, after = (
                "[dim]nothing[/]" if values[part] is None else escape(shown(values[part]))
                for part in ("before", "after")
            )
            lines.append(f"    {escape(name)}: {before} → {after}")
    return lines


def _name(entity: dict[str, Any]) -> str:
    kinds = entity["type"]
    types = kinds if isinstance(kinds, str) else ", ".join(kinds)
    return f"[bold]{escape(entity['id'])}[/] {escape(types)}"
