"""``madang person`` and ``madang audit --url`` against a hub that runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from madang.api.surface import Handler
from madang.api.trust_audit import surfaces as audit_surfaces
from madang.api.trust_personal import surfaces
from madang.cli import app
from madang.model.errors import NgsiError
from madang.trust.checkpoint import Signer
from madang.trust.consents import Terms
from madang.trust.principal import LOCAL
from tests.trust.test_personal import Town, parts, read_by


async def problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NgsiError)
    return JSONResponse(error.problem(), error.status)


def local(handler: Handler) -> Handler:
    async def handled(request: Request) -> Response:
        request.state.principal, request.state.address = LOCAL, "127.0.0.1"
        return await handler(request)

    return handled


@asynccontextmanager
async def served(town: Town) -> AsyncIterator[str]:
    """Serve the surfaces to the user of this machine; the value is the address."""
    every = [*surfaces(town.personal), *audit_surfaces(town.audit)]
    routes = [Route(s.path, local(s.handler), methods=[s.method]) for s in every]
    application = Starlette(routes=routes, exception_handlers={NgsiError: problem})
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off", ws="none"))
    listening = socket.create_server(("127.0.0.1", 0))  # who comes early waits in its queue
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path / "data")
    await town.start()
    yield town
    await town.close()


async def run(*words: str) -> tuple[int, str]:
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 2, str(result.exception)
    return result.exit_code, result.output


async def test_staff_hand_out_and_erase_by_command(town: Town, tmp_path: Path) -> None:
    kim, archive = town.kim.entity, tmp_path / "kim.zip"
    await town.consents.give(kim, Terms("welfare"), by=town.kim.principal_id)
    await town.audit.record(read_by("app:x", kim))
    async with served(town) as url:
        code, output = await run("person", "reads", "kim", "--url", url)
        assert (code, output.split()[1:]) == (0, ["app:x", "welfare", "telephone"])
        code, output = await run("person", "export", "kim", str(archive), "--url", url)
        assert (code, "all that is known about kim" in output) == (0, True)
        assert archive.stat().st_mode & 0o077 == 0
        assert parts(archive)["account"][0]["login"] == "kim"
        assert (await run("person", "export", "kim", str(archive), "--url", url))[0] == 2
        erase = ("person", "erase", "kim", "--reason", "asked", "--url", url)
        assert (await run(*erase))[0] == 1  # nobody said yes
        code, output = await run(*erase, "--yes")
    assert code == 0
    assert f"removed  {kim}  hobby, name, telephone\n" in output
    assert "kept     urn:v:1 in health  diagnosis  because of 의료법 제22조\n" in output
    assert "left     urn:r:3  email  is about others as well\n" in output
    assert "values removed\nconsents 1 removed\naccount  removed\n" in output


async def test_an_unknown_person_is_told(town: Town) -> None:
    async with served(town) as url:
        code, output = await run("person", "reads", "nobody", "--url", url)
    assert code == 2
    assert "there is no account 'nobody'" in output


async def test_the_log_of_a_running_hub_is_verified_over_http(town: Town) -> None:
    await town.audit.record(*(read_by("app:x", f"urn:p:{n}") for n in range(2_500)))
    async with served(town) as url:
        code, output = await run("audit", "verify", "--url", url)
        assert (code, "2,500 records are as they were recorded" in output) == (0, True)
        other = str(Signer.of(bytes(range(32))).verifier)
        assert (await run("audit", "verify", "--url", url, "--key", other))[0] == 2
        code, output = await run("audit", "list", "--url", url, "--subject", "urn:p:7", "--json")
        assert (code, len(output.splitlines())) == (0, 1)
        code, output = await run("audit", "show", "3", "--url", url)
        assert (code, output.startswith('{"sequence":3,')) == (0, True)
        assert (await run("audit", "show", "2500", "--url", url))[0] == 2
