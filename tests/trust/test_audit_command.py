"""``madang audit``, the surfaces of the log and backups of it, as their users meet them."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from madang.api.trust_audit import surfaces
from madang.cli import app
from madang.commands.keep import backup, restore
from madang.model.errors import NgsiError
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from madang.store.protocol import Batch
from madang.trust import merkle
from madang.trust.actions import Action
from madang.trust.audit import Audit
from madang.trust.audit_file import NAME, Wanted
from madang.trust.checkpoint import Signer, Verifier, opened
from madang.trust.events import Event

SIGNER = Signer.of(bytes(range(32)))
RUNNER = CliRunner()


async def add(folder: Path, count: int) -> str:
    audit = Audit(folder / "state" / NAME, SIGNER)
    await audit.start()
    for n in range(count):
        await audit.record(
            Event(
                "personalRead" if n % 2 else "write",
                f"person:{n % 3}",
                "readEntity",
                targets=(f"urn:t:{n}",),
                subjects=("urn:ngsi-ld:Person:kim",) if n % 2 else (),
                purpose="care" if n % 2 else "",
            )
        )
    note = audit.checkpoint()
    await audit.close()
    return note


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asyncio.run(add(tmp_path / "data", 10))
    return tmp_path / "data"


def run(*words: str | Path) -> tuple[int, str]:
    result = RUNNER.invoke(app, ["audit", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 2, str(result.exception)
    return result.exit_code, result.output


def spoil(data: Path) -> None:
    with sqlite3.connect(data / "state" / NAME) as other:
        other.execute("DROP TRIGGER record_no_update")
        other.execute("UPDATE record SET body=replace(body, 'care', 'fun') WHERE sequence=3")
    other.close()


def test_list_shows_the_newest_records(data: Path) -> None:
    code, output = run("list", "--data", data, "--limit", "3", "--json")
    assert code == 0
    assert [json.loads(line)["sequence"] for line in output.splitlines()] == [9, 8, 7]
    code, output = run("list", "--data", data, "--subject", "urn:ngsi-ld:Person:kim")
    assert (code, output.count("personalRead")) == (0, 5)
    assert run("list", "--data", data, "--since", "today")[0] == 2


def test_show_prints_the_text_that_was_hashed(data: Path) -> None:
    code, output = run("show", "4", "--data", data)
    text, hash = output.splitlines()
    assert code == 0
    assert hash == f"hash {merkle.leaf_hash(text.encode()).hex()}"
    assert run("show", "10", "--data", data) == (2, "there is no record 10; the log has 10")


def test_verify_says_that_all_is_well_or_where_it_is_not(data: Path) -> None:
    code, output = run("verify", "--data", data)
    assert code == 0
    assert "10 records are as they were recorded" in output
    assert str(SIGNER.verifier) in output
    spoil(data)
    code, output = run("verify", "--data", data)
    assert code == 1
    assert "record 3: changed" in output


def test_verify_takes_a_key_and_heads_kept_elsewhere(data: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.txt"
    head.write_text(asyncio.run(add(data, 5)))
    assert run("verify", "--data", data, "--head", head, "--key", str(SIGNER.verifier))[0] == 0
    other = Signer.of(bytes(32)).verifier
    assert "not that of a known key" in run("verify", "--data", data, "--key", str(other))[1]


def test_a_folder_without_a_log_is_told(tmp_path: Path) -> None:
    code, output = run("verify", "--data", tmp_path)
    assert (code, output) == (
        2,
        f"there is no audit log in {tmp_path}; name its folder with --data",
    )


def test_an_export_can_be_checked_by_itself(data: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof.jsonl"
    code, output = run("export", "--proof", proof, "--kind", "personalRead", "--data", data)
    assert (code, output[:9]) == (0, "5 records")
    assert run("export", "--proof", proof, "--data", data)[0] == 2
    code, output = run("check", proof)
    assert (code, output[:11]) == (0, "✓ 5 records")
    assert run("check", proof, "--key", str(SIGNER.verifier))[0] == 0
    assert run("check", proof, "--key", str(Signer.of(bytes(32)).verifier))[0] == 2


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"care", b"fame", "line 2: record 1 is not in the log"),
        (b'"proof":["', b'"proof":["00', "line 2: record 1 is not in the log"),
        (b'"record"', b'"recor"', "line 2: it is no record with its proof"),
        (b"madang-audit-proof", b"other", "it is no export"),
        (b"\\n10\\n", b"\\n11\\n", "not that of a known key"),
    ],
)
def test_a_changed_export_is_found(
    data: Path, tmp_path: Path, old: bytes, new: bytes, complaint: str
) -> None:
    proof = tmp_path / "proof.jsonl"
    run("export", "--proof", proof, "--kind", "personalRead", "--data", data)
    raw = proof.read_bytes()
    assert old in raw
    proof.write_bytes(raw.replace(old, new))
    code, output = run("check", proof)
    assert code > 0
    assert complaint in output


def test_the_program_in_the_docs_checks_an_export(data: Path, tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "audit.md"
    program = page.read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    proof = tmp_path / "proof.jsonl"
    run("export", "--proof", proof, "--data", data)
    command = [sys.executable, "-c", program, str(proof), str(SIGNER.verifier)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("10 records are in the log that madang.audit signed, time 20")
    proof.write_bytes(proof.read_bytes().replace(b"care", b"fame"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


# --- over HTTP ---------------------------------------------------------------------------------


async def problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NgsiError)
    return JSONResponse(error.problem(), error.status)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    await add(tmp_path, 10)
    audit = Audit(tmp_path / "state" / NAME, SIGNER)
    await audit.start()
    routes = [Route(s.path, s.handler, methods=[s.method]) for s in surfaces(audit)]
    served = Starlette(routes=routes, exception_handlers={NgsiError: problem})
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client
    await audit.close()


async def test_records_are_found_over_http(client: httpx.AsyncClient) -> None:
    found = (await client.get("/trust/audit", params={"actor": "person:1", "limit": 2})).json()
    assert [record["sequence"] for record in found["records"]] == [7, 4]
    following = (
        await client.get("/trust/audit", params={"actor": "person:1", **found["next"]})
    ).json()
    assert [record["sequence"] for record in following["records"]] == [1]
    assert "next" not in following


async def test_records_are_found_by_what_was_done_and_in_which_tenant(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    audit = Audit(tmp_path / "other" / NAME, SIGNER)
    await audit.start()
    rows: tuple[tuple[str, Action], ...] = (
        ("", "createEntity"),
        ("parks", "createEntity"),
        ("parks", "enter"),
    )
    for tenant, action in rows:
        await audit.record(Event("write", "person:1", action, tenant=tenant))
    found = [
        [one.sequence for one in await audit.find(wanted, 10)]
        for wanted in (
            Wanted(action="createEntity"),
            Wanted(tenant="parks"),
            Wanted(action="createEntity", tenant="parks"),
        )
    ]
    await audit.close()
    assert found == [[1, 0], [2, 1], [1]]
    asked = await client.get("/trust/audit", params={"action": "readEntity", "limit": 2})
    assert [one["sequence"] for one in asked.json()["records"]] == [9, 8]
    none = await client.get("/trust/audit", params={"tenant": "parks"})
    assert none.json() == {"records": []}


async def test_the_head_over_http_is_a_signed_checkpoint(client: httpx.AsyncClient) -> None:
    answer = await client.get("/trust/audit/checkpoint")
    head, _ = opened(answer.text, [Verifier.parse(answer.headers["Audit-Key"])])
    assert head.size == 10


async def test_proofs_over_http_hold(client: httpx.AsyncClient) -> None:
    said = (await client.get("/trust/audit/3/proof")).json()
    head, _ = opened(said["head"], [SIGNER.verifier])
    path = [bytes.fromhex(step) for step in said["proof"]]
    leaf = merkle.leaf_hash(said["record"].encode())
    assert merkle.is_included(3, head.size, leaf, path, head.root)
    said = (await client.get("/trust/audit/consistency", params={"old": 4})).json()
    assert said["proof"]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/trust/audit?who=x", "'who' is no parameter"),
        ("/trust/audit?limit=0", "limit is 0; 1 to 1,000 were expected"),
        ("/trust/audit?limit=x", "limit is 'x'; a whole number was expected"),
        ("/trust/audit?since=yesterday", "since must be a UTC DateTime"),
        ("/trust/audit?form=xml", "form is 'xml'"),
        ("/trust/audit?actor=" + "x" * 3000, "actor may have 2,048 characters"),
        ("/trust/audit/x/proof", "sequence is 'x'"),
        ("/trust/audit/consistency", "old is None"),
        ("/trust/audit/99/proof", "there is no record 99"),
    ],
)
async def test_bad_requests_are_told_what_was_expected(
    client: httpx.AsyncClient, path: str, complaint: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code in (400, 404)
    assert complaint in answer.json()["detail"]


# --- backups -----------------------------------------------------------------------------------


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


async def put(data: Path, value: bytes) -> None:
    engine = SqliteEngine(data / "state")
    await engine.open("", create=True)
    system = await engine.system()
    await system.commit(Batch(items={("account", "kim"): value}))
    await engine.close()


async def account(data: Path) -> bytes | None:
    engine = SqliteEngine(data / "state")
    try:
        assert await engine.tenants() == [""]
        return await (await engine.system()).item("account", "kim")
    finally:
        await engine.close()


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_a_backup_has_accounts_and_the_audit_log(data: Path, tmp_path: Path, name: str) -> None:
    asyncio.run(put(data, b"{}"))
    backup(Settings(data=data), tmp_path / name, console())
    restore(tmp_path / "new", tmp_path / name, force=False, console=console())
    assert asyncio.run(account(tmp_path / "new")) == b"{}"
    assert run("verify", "--data", tmp_path / "new")[0] == 0


def test_restoring_does_not_undo_what_was_recorded_since(data: Path, tmp_path: Path) -> None:
    asyncio.run(put(data, b"{}"))
    backup(Settings(data=data), tmp_path / "copy", console())
    asyncio.run(put(data, b"[]"))
    asyncio.run(add(data, 5))
    restore(data, tmp_path / "copy", force=True, console=console())
    assert asyncio.run(account(data)) == b"{}"
    assert "15 records" in run("verify", "--data", data)[1]


def test_a_damaged_log_in_a_backup_is_refused(data: Path, tmp_path: Path) -> None:
    asyncio.run(put(data, b"{}"))
    backup(Settings(data=data), tmp_path / "copy", console())
    spoil(tmp_path / "copy")
    with pytest.raises(Exception, match=r"checksum of audit.sqlite is wrong"):
        restore(tmp_path / "new", tmp_path / "copy", force=False, console=console())


def test_the_manifest_names_all_files(data: Path, tmp_path: Path) -> None:
    asyncio.run(put(data, b"{}"))
    backup(Settings(data=data), tmp_path / "copy", console())
    manifest: dict[str, Any] = orjson.loads((tmp_path / "copy" / "manifest.json").read_bytes())
    assert [item["file"] for item in manifest["others"]] == ["system.sqlite", "audit.sqlite"]
