"""``madang person``: hand out or erase one person's data, and show who read it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from madang.commands.terminal import DEFAULT_URL, Json, Url

if TYPE_CHECKING:
    from aiohttp import ClientResponse

app = typer.Typer(no_args_is_help=True, help="Hand out or erase one person's data.")

Who = Annotated[
    str, typer.Argument(metavar="ID", help="Login name, or id of the account or of the entity.")
]


@app.command()
def export(
    who: Who,
    file: Annotated[Path, typer.Argument(help="New ZIP archive to write.")],
    url: Url = DEFAULT_URL,
) -> None:
    """Write all that is known about a person to a ZIP archive."""
    size = asyncio.run(_download(url, f"/trust/persons/{quote(who, safe='')}/export", file))
    typer.echo(f"{file} has all that is known about {who}: {size:,} bytes, readable by you only")


@app.command()
def erase(
    who: Who,
    reason: Annotated[str, typer.Option(help="Why, for the audit log; no personal data in it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Erase a person's data and account, but for what a law keeps. There is no way back."""
    if not yes:
        typer.confirm(f"Erase all data about {who} for good?", abort=True)
    path = f"/trust/persons/{quote(who, safe='')}/erasure"
    report = asyncio.run(_send("POST", url, path, {"reason": reason}))
    if as_json:
        _print_json(report)
    else:
        _tell(report)
    if report["failed"]:
        raise typer.Exit(1)


@app.command()
def reads(
    who: Who,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 20,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show who read what about a person, and why, the newest first."""
    path = f"/trust/persons/{quote(who, safe='')}/reads?limit={limit}"
    found = asyncio.run(_send("GET", url, path, None))["reads"]
    if as_json:
        _print_json(found)
        return
    for read in found:
        name = read["name"] or read["by"]
        purpose = read["purpose"] or "no purpose named"
        what = ", ".join(read["attributes"]) or read["action"]
        typer.echo(f"{read['time'][:19]}Z  {name}  {purpose}  {what}")
    if not found:
        typer.echo("nobody has read personal data of this person")


def _tell(report: dict[str, Any]) -> None:
    for one in report["removed"]:
        typer.echo(f"removed  {_place(one)}  {', '.join(one['attributes'])}")
    for one in report["kept"]:
        what = one.get("what") or f"{_place(one)}  {one['attribute']}"
        law = one["law"] if isinstance(one["law"], str) else one["law"]["en"]
        typer.echo(f"kept     {what}  because of {law}")
    for one in report["shared"]:
        typer.echo(f"left     {_place(one)}  {one['attribute']}  is about others as well")
    for one in report["failed"]:
        typer.echo(f"failed   {_place(one)}  {one['why']}")
    typer.echo(f"history  {report['history']:,} values removed")
    typer.echo(f"consents {report['consents']:,} removed")
    typer.echo(f"account  {report['account']}")


def _place(one: dict[str, Any]) -> str:
    tenant = f" in {one['tenant']}" if one["tenant"] else ""
    return f"{one['id']}{tenant}"


def _print_json(body: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())


@asynccontextmanager
async def _answer(
    method: str, url: str, path: str, body: dict[str, Any] | None
) -> AsyncIterator[ClientResponse]:
    """Send a request and give its answer, or raise HubError with what the hub says."""
    import aiohttp
    from yarl import URL

    from madang.commands.client import HubError, connect, detail_of

    async with connect(url, timeout_s=None) as client:
        address = URL(client.url + path, encoded=True)
        try:
            async with client.session.request(method, address, json=body) as answer:
                if answer.status != 200:
                    said = detail_of(await answer.read())
                    raise HubError(f"the hub refuses ({answer.status}): {said}")
                yield answer
        except aiohttp.ClientConnectionError as error:
            raise HubError(client.unreachable()) from error
        except aiohttp.ClientError as error:
            raise HubError(f"the answer of {url} broke off: {error}") from error


async def _send(method: str, url: str, path: str, body: dict[str, Any] | None) -> Any:
    async with _answer(method, url, path, body) as answer:
        return await answer.json()


async def _download(url: str, path: str, file: Path) -> int:
    """Write an answer to a new file that only its owner may read; return its size."""
    from madang.model.errors import MadangError

    size = 0
    try:
        async with _answer("GET", url, path, None) as answer:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                async for chunk in answer.content.iter_chunked(1 << 16):
                    size += stream.write(chunk)
    except FileExistsError:
        raise MadangError(f"{file} exists already; name a new file") from None
    except OSError as error:
        raise MadangError(f"{file} cannot be written: {error}") from error
    return size
