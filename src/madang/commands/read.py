"""``madang find``, ``watch`` and ``status``: what is in a hub, and what happens in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
import orjson
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from madang.commands.client import API, HubClient, HubError, connect, detail_of
from madang.commands.terminal import instant

LEAST_COLUMNS = 3
_LONGEST_CELL = 40
_UNITS = {
    "CEL": "°C", "P1": "%", "GQ": "µg/m³", "GP": "mg/m³", "59": "ppm", "MTS": "m/s", "KMH": "km/h",
    "DD": "°", "A97": "hPa", "MMT": "mm", "MTR": "m", "2N": "dB", "LUX": "lx", "WTT": "W",
    "KWH": "kWh", "VLT": "V", "C62": "",
}  # fmt: skip


class BadPlace(HubError):
    """``--near`` is not what it should be."""


def near_parameters(text: str) -> dict[str, str]:
    """Return the geo-query for ``longitude,latitude,metres`` (clause 4.10).

    >>> near_parameters("126.98,37.57,500")["georel"]
    'near;maxDistance==500'
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        longitude, latitude, metres = map(float, parts)
    except ValueError:
        raise BadPlace(
            f"--near is {text!r}; expected longitude,latitude,metres such as 126.98,37.57,500"
        ) from None
    if abs(longitude) > 180 or abs(latitude) > 90 or metres <= 0:
        raise BadPlace(f"--near is {text!r}, which is no place and distance; longitude is first")
    return {
        "georel": f"near;maxDistance=={metres:.12g}",
        "geometry": "Point",
        "coordinates": f"[{longitude},{latitude}]",
    }


async def find(
    *,
    url: str,
    tenant: str,
    type_name: str | None,
    q: str | None,
    near: str | None,
    attrs: str | None,
    at: str | None,
    limit: int,
    as_json: bool,
    console: Console,
) -> None:
    """Print the entities that match, now or at a time, as a table or as JSON."""
    wanted = {"type": type_name, "q": q, "attrs": attrs}
    parameters = {name: value for name, value in wanted.items() if value}
    if near:
        parameters |= near_parameters(near)
    if not parameters:
        parameters["local"] = "true"
    parameters |= {"limit": str(limit), "count": "true"}
    path = f"{API}/entities"
    if at:
        path, parameters = "/history/state", parameters | {"at": instant(at)}
    async with connect(url, tenant) as client:
        entities, headers = await client.get_with_headers(path, parameters)
    if as_json:
        console.file.write(orjson.dumps(entities, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    total = int(headers.get("NGSILD-Results-Count", len(entities)))
    if not entities:
        console.print("Nothing found.")
        return
    table, hidden = _table(entities, attrs.split(",") if attrs else None, console.width)
    console.print(table)
    more = f"; --limit {total} shows all" if total > len(entities) else ""
    kind = _kind(entities) if type_name or not more else "entities"  # the rest may be others
    console.print(f"{len(entities):,} of {total:,} {kind}{more}", highlight=False)
    if hidden:
        names = ", ".join(map(_short, hidden))
        console.print(f"not shown: {escape(names)} (--attrs chooses)", highlight=False, style="dim")


def _table(
    entities: list[dict[str, Any]], chosen: list[str] | None, width: int
) -> tuple[Table, list[str]]:
    """Return a table as wide as the terminal, and the attributes there was no room for."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    names = chosen or _common(entities)
    columns = {"id": [entity["id"] for entity in entities]}
    types = [_types(entity) for entity in entities]
    if len(set(types)) > 1:
        columns["type"] = types
    room = width - sum(_width(name, cells) for name, cells in columns.items())
    hidden = []
    for name in names:
        cells = [shown(entity.get(name)) for entity in entities]
        room -= _width(_short(name), cells)
        if room >= 0 or chosen or len(columns) < LEAST_COLUMNS:
            columns[name] = cells
        else:
            hidden.append(name)
    for name in columns:
        is_id = name == "id"  # whole, to be copied
        table.add_column(
            escape(_short(name)), no_wrap=is_id, overflow="fold" if is_id else "ellipsis"
        )
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(escape, row))
    return table, hidden


def _kind(entities: list[dict[str, Any]]) -> str:
    """Return what the entities are, as the table leaves out a type that all have."""
    types = {_types(entity) for entity in entities}
    return escape(types.pop()) if len(types) == 1 else "entities"


def _width(header: str, cells: list[str]) -> int:
    return max(cell_len(text) for text in (header, *cells)) + 3  # padding


def _types(entity: dict[str, Any]) -> str:
    kinds = entity["type"]
    return ", ".join(_short(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _common(entities: Iterable[dict[str, Any]]) -> list[str]:
    """Return the attributes: measured ones first, then those that most entities have."""
    counts: Counter[str] = Counter()
    for entity in entities:
        for name, attribute in entity.items():
            if name not in ("id", "type", "@context", "scope"):
                measured = isinstance(attribute, dict) and _is_measured(attribute)
                counts[name] += 1000 if measured else 1
    return [name for name, _ in counts.most_common()]


def _is_measured(attribute: dict[str, Any]) -> bool:
    return "observedAt" in attribute or "unitCode" in attribute


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit("#", 1)[-1] if "://" in name else name


def shown(attribute: Any) -> str:
    """Return an attribute as it fits into a cell.

    >>> shown({"type": "Property", "value": 21.5, "unitCode": "CEL"})
    '21.5 °C'
    """
    if attribute is None:
        return ""
    if isinstance(attribute, list):
        return " | ".join(shown(instance) for instance in attribute)
    if not isinstance(attribute, dict):
        return str(attribute)
    if words := attribute.get("languageMap"):
        return _fit(str(next(iter(words.values()))))
    members = ("value", "object", "vocab", "json", "valueList", "objectList")
    value = next((attribute[member] for member in members if member in attribute), "")
    unit = attribute.get("unitCode", "")
    return _fit(f"{_shown_value(value)} {_UNITS.get(unit, unit)}".strip())


def _fit(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _shown_value(value: Any) -> str:
    if isinstance(value, dict) and value.get("type") == "Point":
        return ", ".join(f"{number:.5f}" for number in value["coordinates"][:2])
    if isinstance(value, dict) and "coordinates" in value:
        return str(value["type"])
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return str(value)


async def watch(
    *, url: str, tenant: str, type_name: str | None, as_json: bool, console: Console
) -> None:
    """Print changes as they happen, until interrupted.

    Raises:
        HubError: the hub cannot be reached, refuses, or ends the stream.
    """
    async with connect(url, tenant, timeout_s=None) as client:
        async for name, data in _events(client, type_name):
            if name == "lost":
                raise HubError(
                    f"this watcher was too slow and missed changes ({data.get('detail', '')}); "
                    "start it again"
                )
            if as_json:
                console.file.write(orjson.dumps(data).decode() + "\n")
                console.file.flush()
            elif name == "change":
                console.print(_told(data), highlight=False, soft_wrap=True)
    raise HubError("the hub has ended the stream")


def _told(change: dict[str, Any]) -> str:
    colour = {"created": "green", "updated": "cyan", "deleted": "red"}.get(change["kind"], "white")
    entity = change.get("entity") or {}
    values = [
        f"{_short(name)}={shown(entity[name])}"
        for name in change.get("attributes", [])
        if name in entity
    ]
    types = _types(change) if change.get("type") else ""
    return (
        f"[dim]{change['at']}[/] [{colour}]{change['kind']:7}[/] {escape(types)} "
        f"[bold]{escape(change['id'])}[/] {escape('  '.join(values))}"
    )


async def _events(
    client: HubClient, type_name: str | None
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Yield name and data of server-sent events (WHATWG HTML, section 9.2)."""
    address = client.address("/changes", {"type": type_name} if type_name else None)
    try:
        async with client.session.get(address) as answer:
            if answer.status != 200:
                detail = detail_of(await answer.read())
                raise HubError(f"the hub refuses ({answer.status}): {detail}")
            rest = b""
            async for chunk in answer.content.iter_any():
                *blocks, rest = (rest + chunk).split(b"\n\n")
                for block in blocks:
                    if event := _event(block):
                        yield event
    except aiohttp.ClientConnectorError as error:
        raise HubError(client.unreachable()) from error
    except aiohttp.ClientError as error:
        raise HubError(f"the hub has ended the stream: {error}") from error


def _event(block: bytes) -> tuple[str, dict[str, Any]] | None:
    name, data = "message", b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b": ")
        if field == b"event":
            name = value.decode()
        elif field == b"data":
            data += value
    return (name, orjson.loads(data)) if data else None


async def status(*, url: str, as_json: bool, console: Console) -> None:
    """Print how the hub is and what is in each of its tenants."""
    async with connect(url) as client:
        state = await client.get("/status")
    if as_json:
        console.file.write(orjson.dumps(state, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    ready = "[green]ready[/]" if state["ready"] else "[yellow]not ready[/]"
    console.print(f"Madang {state['version']} at {url}: {ready}", highlight=False)
    if state["hub"]["shares"]:
        does = ", ".join(_lanes(state["hub"]["works"]).values()) or "nothing"
        bus = "" if state["hub"]["bus"] else " [yellow]The bus is away.[/]"
        console.print(
            f"It shares its database, and does of the city's work: {does}.{bus}", highlight=False
        )
        console.print(_nodes(state["hub"]["nodes"]))
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("tenant")
    figures = list(dict.fromkeys(name for sizes in state["tenants"].values() for name in sizes))
    for figure in figures:
        table.add_column(_FIGURES.get(figure, figure), justify="right")
    for tenant, sizes in state["tenants"].items():
        cells = [_size(name, sizes.get(name)) for name in figures]
        table.add_row(escape(tenant), *cells)
    console.print(table)


def _nodes(nodes: list[dict[str, Any]]) -> Table:
    """Return the hubs that share a database, with the work of each."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title in ("hub", "role", "work", "behind", ""):
        table.add_column(title, justify="right" if title == "behind" else "left")
    for node in nodes:
        begun = sorted(node["work"].items(), key=lambda item: str(item[1]))
        since = {duty.partition("/")[0]: time for duty, time in begun}  # the last lane's
        lanes = _lanes(node["work"])
        work = "\n".join(f"{lanes[name]} since {since[name][:19]}Z" for name in lanes)
        state = "" if node["alive"] else f"[yellow]silent for {node['silent']:.0f} s[/]"
        changes = f"{node['behind']:,}"
        table.add_row(escape(node["name"]), node["role"], work, changes, state)
    return table


def _lanes(duties: Iterable[str]) -> dict[str, str]:
    """Return by each work what lanes of it are done, such as ``services/1, 3``."""
    found: dict[str, list[str]] = {}
    for duty in duties:
        work, _, lane = duty.partition("/")
        found.setdefault(work, []).append(lane)
    return {work: f"{work}/{', '.join(sorted(of))}".rstrip("/") for work, of in found.items()}


_FIGURES = {
    "bytes": "size",
    "outbox": "changes not yet in history",
    "deliveries": "notifications waiting",
    "unstreamed": "changes not yet on the stream",
}


def _size(figure: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value or "")
    return f"{value / 1e6:,.1f} MB" if figure == "bytes" else f"{value:,}"
