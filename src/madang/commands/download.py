"""Answers of a hub that are files: fetched whole or not at all, with a progress bar."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from madang.commands.client import HubClient, HubError, detail_of

_CHUNK = 256 * 1024
WAIT_S = 600.0  # for the first byte: the hub writes the whole answer before


@asynccontextmanager
async def answered(
    client: HubClient,
    method: str,
    path: str,
    *,
    parameters: dict[str, str] | None = None,
    body: bytes | None = None,
    accept: str = "application/json",
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Open an answer.

    Raises:
        HubError: the hub does not answer, refuses, or breaks off.
    """
    headers = {"Accept": accept} | ({} if body is None else {"Content-Type": "application/json"})
    timeout = aiohttp.ClientTimeout(sock_connect=10, sock_read=WAIT_S)
    address = client.address(path, parameters)
    try:
        async with client.session.request(
            method, address, data=body, headers=headers, timeout=timeout
        ) as answer:
            if answer.status != 200:
                detail = detail_of(await answer.read())
                raise HubError(f"the hub refuses ({answer.status}): {detail}")
            yield answer
    except aiohttp.ClientConnectorError as error:
        raise HubError(client.unreachable()) from error
    except aiohttp.ClientError as error:
        raise HubError(f"the answer of {client.url} broke off: {error}") from error
    except TimeoutError as error:
        raise HubError(f"the hub at {client.url} does not answer in time") from error


async def save(answer: aiohttp.ClientResponse, target: Path, console: Console) -> int:
    """Write an answer to a file, which is there only when all of it is; return its size."""
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as stream:
            size = await _copied(answer, stream, target.name, console)
        part.replace(target)
    except OSError as error:
        raise HubError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return size


async def _copied(
    answer: aiohttp.ClientResponse, stream: BinaryIO, name: str, console: Console
) -> int:
    columns: Any = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    progress = Progress(
        *columns, TransferSpeedColumn(), console=console, disable=not console.is_terminal
    )
    size = 0
    with progress:
        task = progress.add_task(name, total=answer.content_length)
        async for chunk in answer.content.iter_chunked(_CHUNK):
            stream.write(chunk)
            size += len(chunk)
            progress.update(task, completed=size)
    return size


def rows_of(headers: Mapping[str, str]) -> tuple[int, bool]:
    """Return how many rows an answer has, and whether there were more."""
    return int(headers.get("History-Rows", 0)), headers.get("History-More") == "true"
