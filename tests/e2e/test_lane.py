"""The direct lane on the wire: raw bytes to the server as a user runs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.server import API, Server

MAX_BODY = 64 * 1024
BASE = API.encode()
HOST = b"Host: hub\r\n"
JSON = HOST + b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {
        "MADANG_MAX_BODY_BYTES": str(MAX_BODY),
        "MADANG_LOG_LEVEL": "warning",
        "MADANG_HISTORY_DRAIN_S": "3600",  # the memory that it takes is not what is measured here
    }
    with Server(tmp_path_factory.mktemp("lane") / "data", environ=environ) as running:
        yield running


class Reply:
    """One answer read off a connection."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        return orjson.loads(self.body)


class Wire:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, head: bool = False) -> Reply:
        async with asyncio.timeout(15):
            raw = await self.reader.readuntil(b"\r\n\r\n")
            lines = raw.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            size = 0 if head else int(headers.get("content-length", "0"))
            return Reply(status, headers, await self.reader.readexactly(size))

    async def ask(self, data: bytes) -> Reply:
        await self.send(data)
        return await self.reply()

    async def closed(self) -> bool:
        """Return whether the server has closed the connection, and sent nothing more."""
        async with asyncio.timeout(15):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def wire(server: Server, limit: int = 2**16) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=limit)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def get(path: str, headers: bytes = HOST, method: bytes = b"GET") -> bytes:
    return method + b" " + path.encode("latin-1") + b" HTTP/1.1\r\n" + headers + b"\r\n"


def sent(path: str, body: object, method: bytes = b"POST", headers: bytes = JSON) -> bytes:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    length = b"Content-Length: %d\r\n" % len(content)
    return method + b" " + path.encode() + b" HTTP/1.1\r\n" + headers + length + b"\r\n" + content


def thing(name: str, number: int = 1) -> dict[str, object]:
    return {
        "id": f"urn:ngsi-ld:Thing:{name}",
        "type": "Thing",
        "n": {"type": "Property", "value": number},
    }


def at(name: str) -> str:
    return f"{API}/entities/urn:ngsi-ld:Thing:{name}"


# --- order ------------------------------------------------------------------------------------


async def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """Writes wait for the disk, reads do not: an answer must not overtake another."""
    names = [f"order-{i}" for i in range(30)]
    data = b"".join(
        sent(f"{API}/entities", thing(name)) + get(at(name)) + get(at("nowhere")) for name in names
    )
    async with wire(server) as connection:
        await connection.send(data)
        for name in names:
            replies = [await connection.reply() for _ in range(3)]
            assert [r.status for r in replies] == [201, 200, 404]
            assert replies[0].headers["location"].endswith(name)
            assert replies[1].json()["id"].endswith(name)


async def test_a_pipeline_may_mix_the_lane_and_asgi(server: Server) -> None:
    async with wire(server) as connection:
        for round in range(3):
            many = [thing(f"mix-{round}-{i}") for i in range(200)]
            await connection.send(
                sent(f"{API}/entityOperations/upsert", many)
                + get("/health")
                + get(f"{API}/types")
                + get("/ready")
                + get(at(f"mix-{round}-199"))
            )
            replies = [await connection.reply() for _ in range(5)]
            assert [r.status for r in replies] == [201, 200, 200, 200, 200]
            assert replies[1].json()["status"] == "ok"
            assert replies[3].json() == {"status": "ready"}
            assert replies[4].json()["id"].endswith(f"mix-{round}-199")


async def test_a_thousand_requests_in_one_piece_are_all_answered(server: Server) -> None:
    async with wire(server) as connection:
        connection.writer.write(get(at("nowhere")) * 1000)
        assert {(await connection.reply()).status for _ in range(1000)} == {404}


# --- pieces -----------------------------------------------------------------------------------


async def test_a_request_may_be_split_at_every_byte(server: Server) -> None:
    """Each split is sent twice: what was learned from the first must not mislead the second."""
    body = orjson.dumps(thing("split", 7))
    data = sent(f"{API}/entityOperations/upsert", b"[" + body + b"]")
    for cut in range(1, len(data)):
        async with wire(server) as connection:
            for _ in range(2):
                await connection.send(data[:cut])
                await asyncio.sleep(0.001)
                reply = await connection.ask(data[cut:])
                assert reply.status in (201, 204), (cut, reply.body)


async def test_a_first_piece_as_long_as_the_body_is_not_taken_for_a_whole_request(
    server: Server,
) -> None:
    """A piece without the end of its headers may have any length."""
    for size in range(71, 90):
        data = sent(f"{API}/entityOperations/upsert", orjson.dumps([thing("piece")]).ljust(size))
        async with wire(server) as connection:
            for _ in range(2):
                await connection.send(data[: size + 3])
                await asyncio.sleep(0.003)
                reply = await connection.ask(data[size + 3 :])
                assert reply.status in (201, 204), (size, reply.body)


async def test_a_request_may_come_byte_by_byte(server: Server) -> None:
    async with wire(server) as connection:
        for byte in sent(f"{API}/entityOperations/upsert", [thing("bytes")]) + get(at("bytes")):
            await connection.send(bytes([byte]))
        assert (await connection.reply()).status in (201, 204)
        assert (await connection.reply()).json()["n"]["value"] == 1


# --- connections ------------------------------------------------------------------------------


async def test_a_connection_stays_open_until_asked_to_close(server: Server) -> None:
    async with wire(server) as connection:
        for _ in range(5):
            reply = await connection.ask(get(f"{API}/types"))
            assert reply.status == 200
            assert "connection" not in reply.headers
        reply = await connection.ask(get(f"{API}/types", HOST + b"Connection: close\r\n"))
        assert reply.headers["connection"] == "close"
        assert await connection.closed()


async def test_http_1_0_closes_unless_it_asks_to_stay(server: Server) -> None:
    line = f"GET {API}/types HTTP/1.0\r\n".encode()
    async with wire(server) as connection:
        reply = await connection.ask(line + b"Connection: keep-alive\r\n\r\n")
        assert reply.status == 200
        reply = await connection.ask(line + b"\r\n")
        assert reply.status == 200
        assert await connection.closed()


async def test_head_has_the_headers_of_get_and_no_body(server: Server) -> None:
    async with wire(server) as connection:
        body = await connection.ask(get(f"{API}/types"))
        await connection.send(get(f"{API}/types", method=b"HEAD"))
        head = await connection.reply(head=True)
        assert head.status == 200
        assert int(head.headers["content-length"]) == len(body.body)
        assert (await connection.ask(get("/health"))).status == 200


async def test_no_content_has_no_length(server: Server) -> None:
    async with wire(server) as connection:
        await connection.ask(sent(f"{API}/entityOperations/upsert", [thing("gone")]))
        reply = await connection.ask(get(at("gone"), method=b"DELETE"))
        assert reply.status == 204
        assert "content-length" not in reply.headers


# --- bodies -----------------------------------------------------------------------------------


def chunked(path: str, body: bytes, size: int) -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    head = f"POST {path} HTTP/1.1\r\n".encode() + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + chunks + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_body_may_come_in_chunks(server: Server, size: int) -> None:
    async with wire(server) as connection:
        for number in range(3):
            body = orjson.dumps([thing("chunks", number)])
            data = chunked(f"{API}/entityOperations/upsert", body, size)
            assert (await connection.ask(data)).status in (201, 204)
            assert (await connection.ask(get(at("chunks")))).json()["n"]["value"] == number


async def test_a_client_that_expects_to_be_told_may_go_on(server: Server) -> None:
    data = sent(
        f"{API}/entityOperations/upsert", [thing("on")], headers=JSON + b"Expect: 100-continue\r\n"
    )
    end = data.index(b"\r\n\r\n") + 4
    async with wire(server) as connection:
        for _ in range(2):
            assert (await connection.ask(data[:end])).status == 100
            assert (await connection.ask(data[end:])).status in (201, 204)


async def test_a_client_that_expects_to_be_told_is_told_that_its_body_is_too_large(
    server: Server,
) -> None:
    head = JSON + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1)
    async with wire(server) as connection:
        reply = await connection.ask(f"POST {API}/entities HTTP/1.1\r\n".encode() + head)
        assert reply.status == 413
        assert await connection.closed()


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH"])
async def test_a_write_without_a_length_is_refused(server: Server, method: bytes) -> None:
    async with wire(server) as connection:
        for _ in range(2):
            reply = await connection.ask(get(f"{API}/entities", JSON, method))
            assert (reply.status, reply.body) == (411, b"")
        assert (await connection.ask(get(f"{API}/types"))).status == 200


async def test_headers_learned_from_a_read_do_not_spare_a_write_its_length(
    server: Server,
) -> None:
    headers = JSON + b"X-Of: a read\r\n"
    async with wire(server) as connection:
        for _ in range(2):
            assert (await connection.ask(get(f"{API}/types", headers))).status == 200
        assert (await connection.ask(get(f"{API}/entities", headers, b"POST"))).status == 411


async def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(
    server: Server,
) -> None:
    body = orjson.dumps([thing("large")]).ljust(MAX_BODY)
    path = f"{API}/entityOperations/upsert"
    async with wire(server) as connection:
        assert (await connection.ask(sent(path, body))).status in (201, 204)
        assert (await connection.ask(chunked(path, body, 5000))).status in (201, 204)
        reply = await connection.ask(sent(path, body + b" "))
        assert reply.status == 413
        assert f"{MAX_BODY:,}" in reply.json()["detail"]
        assert await connection.closed()
    async with wire(server) as connection:
        reply = await connection.ask(chunked(path, body + b" ", 5000))
        assert reply.status == 413
        assert await connection.closed()


# --- what is no HTTP --------------------------------------------------------------------------


MALFORMED = {
    "no words": b"\x00\x01\x02\r\n\r\n",
    "unknown method": b"FETCH " + BASE + b"/types HTTP/1.1\r\nHost: a\r\n\r\n",
    "space in the target": b"GET " + BASE + b"/ty pes HTTP/1.1\r\nHost: a\r\n\r\n",
    "control character": b"GET " + BASE + b"/ty\x01pes HTTP/1.1\r\nHost: a\r\n\r\n",
    "non-ASCII": b"GET " + BASE + "/유형 HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "header without a colon": b"GET " + BASE + b"/types HTTP/1.1\r\nHost a\r\n\r\n",
    "space in a header name": b"GET " + BASE + b"/types HTTP/1.1\r\nHo st: a\r\n\r\n",
    "length that is no number": sent(f"{API}/entities", b"", headers=b"Content-Length: x\r\n"),
    "negative length": sent(f"{API}/entities", b"", headers=b"Content-Length: -1\r\n"),
    "two lengths": sent(f"{API}/entities", b"{}", headers=b"Content-Length: 3\r\n"),
    "length and chunks": sent(f"{API}/entities", b"{}", headers=b"Transfer-Encoding: chunked\r\n"),
    "bad chunk": chunked(f"{API}/entities", b"{}", 2).replace(b"2\r\n", b"zz\r\n", 1),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_http_is_refused_and_the_server_lives(server: Server, name: str) -> None:
    async with wire(server) as connection:
        assert (await connection.ask(MALFORMED[name])).status == 400
        assert await connection.closed()
    async with wire(server) as connection:
        assert (await connection.ask(get("/ready"))).status == 200


# --- the cache of header blocks ---------------------------------------------------------------


async def test_the_same_headers_serve_other_paths_and_bodies(server: Server) -> None:
    headers = JSON + b"X-Same: yes\r\n"
    async with wire(server) as connection:
        for number in range(10, 30):  # two digits: the length stays
            body = [thing(f"same-{number}", number)]
            data = sent(f"{API}/entityOperations/upsert", body, headers=headers)
            assert (await connection.ask(data)).status == 201
            reply = await connection.ask(get(at(f"same-{number}"), headers))
            assert reply.json()["n"]["value"] == number


async def test_headers_of_one_tenant_do_not_serve_another(server: Server) -> None:
    async with wire(server) as connection:
        for tenant in (b"north", b"south", b"north", b"south"):
            headers = JSON + b"NGSILD-Tenant: " + tenant + b"\r\n"
            body = thing("of")
            body["of"] = {"type": "Property", "value": tenant.decode()}
            path = f"{API}/entityOperations/upsert"
            reply = await connection.ask(sent(path, [body], headers=headers))
            assert reply.status in (201, 204)
        for tenant in (b"north", b"south") * 2:
            headers = JSON + b"NGSILD-Tenant: " + tenant + b"\r\n"
            reply = await connection.ask(get(at("of"), headers))
            assert reply.json()["of"]["value"] == tenant.decode()
            assert reply.headers["ngsild-tenant"] == tenant.decode()


ODD_TARGETS: dict[bytes, set[int]] = {
    b"http://hub" + BASE + b"/types": {200, 404},
    b"*": {400, 404},
    b"//": {404},
    BASE: {404},
    BASE + b"/": {404},
    BASE + b"//": {404},
    BASE + b"/types#here": {200, 400, 404},
    BASE + b"/types?limit=1?limit=2": {400},
    BASE + b"/types/%00": {400, 404},
    BASE + b"/types/%ff": {400},
    BASE + b"/entities/%ff": {400},
    BASE + b"/entities/%zz": {400, 404},
    BASE + b"/entities?q=%ff": {400},
    BASE + b"/entities/urn:a:%0d%0aX: y": {400},
    BASE + b"/entities/a\x7fb": {400},
    BASE + b"/entities/a\tb": {400},
    BASE + "/entities/á".encode(): {400},
    BASE + b"/../../health": {400, 404},
    BASE + b"/entities/" + b"a" * 20_000: {400, 404, 414},
}


@pytest.mark.parametrize("target", ODD_TARGETS)
async def test_an_odd_target_means_the_same_with_known_headers(
    server: Server, target: bytes
) -> None:
    statuses = []
    for known in (False, True):
        mark = b"X-Target: %d\r\n" % (hash(target) % 10**9)
        async with wire(server) as connection:
            if known:
                for _ in range(2):
                    await connection.ask(get(f"{API}/types", HOST + mark))
            reply = await connection.ask(
                b"GET " + target + b" HTTP/1.1\r\n" + HOST + mark + b"\r\n"
            )
            statuses.append(reply.status)
    assert statuses[0] == statuses[1]
    assert statuses[0] in ODD_TARGETS[target]


async def test_more_header_blocks_than_are_kept_do_no_harm(server: Server) -> None:
    async with wire(server) as connection:
        for start in range(0, 2500, 50):
            requests = [
                get(f"{API}/types", HOST + b"X-Number: %d\r\n" % i)
                for i in range(start, start + 50)
            ]
            for request in requests[:2]:
                assert (await connection.ask(request)).status == 200
            await connection.send(b"".join(requests))
            for _ in requests:
                assert (await connection.reply()).status == 200


async def test_an_offer_to_upgrade_is_passed_over(server: Server) -> None:
    headers = HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    async with wire(server) as connection:
        assert (await connection.ask(get(f"{API}/types", headers))).status == 200


# --- those who do not keep up -----------------------------------------------------------------


async def test_many_connections_that_stall_half_way_hold_nobody_up(server: Server) -> None:
    data = sent(f"{API}/entities", thing("stalled"))
    stalled = [
        await asyncio.open_connection("127.0.0.1", server.port, limit=2**16) for _ in range(200)
    ]
    try:
        for number, (_, writer) in enumerate(stalled):
            writer.write(data[: 1 + number * (len(data) - 2) // 200])
        async with wire(server) as connection:
            for _ in range(20):
                assert (await connection.ask(get(f"{API}/types"))).status == 200
            assert (await connection.ask(get(at("stalled")))).status == 404
    finally:
        for _, writer in stalled:
            writer.close()


def resident(server: Server) -> int:
    """Return the memory the server holds. [bytes]"""
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


async def _fill(connection: Wire) -> str:
    """Store entities that make a page of some megabytes; return the path of that page."""
    for number in range(60):
        body = thing(f"wide-{number}")
        body["type"] = "Wide"
        body["text"] = {"type": "Property", "value": "w" * 50_000}
        await connection.ask(sent(f"{API}/entityOperations/upsert", [body]))
    return f"{API}/entities?type=Wide&limit=100"


async def test_a_reader_that_never_reads_costs_bounded_memory(server: Server) -> None:
    async with wire(server) as connection:
        page = await _fill(connection)
        size = len((await connection.ask(get(page))).body)
        assert size > 3_000_000
        before = resident(server)
        async with wire(server, limit=1024) as idle:
            idle.writer.write(get(page) * 300)
            most = 0
            for _ in range(20):
                await asyncio.sleep(0.1)
                most = max(most, resident(server) - before)
            assert most < 25 * size
        assert (await connection.ask(get(f"{API}/types"))).status == 200


async def test_a_reader_that_was_slow_gets_all_its_answers(server: Server) -> None:
    async with wire(server) as connection:
        page = await _fill(connection)
    async with wire(server, limit=1024) as slow:
        await slow.send(get(page))
        await asyncio.sleep(0.3)  # the answer is made; most of it waits for us
        await slow.send(get(page))
        await slow.send(get("/health") + get(page) + get(f"{API}/types") + get("/ready"))
        await asyncio.sleep(0.3)
        replies = [await slow.reply() for _ in range(6)]
        assert {r.status for r in replies} == {200}
        assert replies[0].body == replies[1].body == replies[3].body
        assert replies[5].json() == {"status": "ready"}


# --- beside ASGI ------------------------------------------------------------------------------


async def test_lane_and_asgi_take_turns_on_one_connection(server: Server) -> None:
    async with wire(server) as connection:
        for _ in range(3):
            assert (await connection.ask(get("/health"))).json()["status"] == "ok"
            assert (await connection.ask(get(f"{API}/types"))).status == 200
            assert (await connection.ask(get("/nothing"))).status == 404


async def test_changes_stream_while_the_lane_writes(server: Server) -> None:
    async with wire(server) as stream, wire(server) as connection:
        await stream.send(get("/changes?type=Streamed"))
        async with asyncio.timeout(10):
            await stream.reader.readuntil(b": following\n\n")
            await asyncio.sleep(0.05)
            for number in range(5):
                body = [{**thing("streamed", number), "type": "Streamed"}]
                await connection.ask(sent(f"{API}/entityOperations/upsert", body))
            for number in range(5):
                await stream.reader.readuntil(b"data: ")
                event = orjson.loads(await stream.reader.readuntil(b"\n\n"))
                assert event["entity"]["n"]["value"] == number
                assert event["kind"] == ("created" if number == 0 else "updated")


# --- the end ----------------------------------------------------------------------------------


async def test_a_stop_answers_what_is_under_way_and_ends(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environ={"MADANG_LOG_LEVEL": "warning"})
    await asyncio.to_thread(server.start)
    many = [thing(f"stop-{i}") for i in range(5000)]
    exits: list[int] = []
    stopper = threading.Thread(target=lambda: exits.append(server.stop()))
    async with wire(server) as writing, wire(server) as idle, wire(server) as half:
        assert (await idle.ask(get(f"{API}/types"))).status == 200
        await half.send(sent(f"{API}/entities", thing("half"))[:-10])
        await writing.send(sent(f"{API}/entityOperations/upsert", many))
        await asyncio.sleep(0.05)
        stopper.start()
        assert (await writing.reply()).status == 201
        await asyncio.to_thread(stopper.join, 30)
        assert exits == [0]
    with server:
        reply = server.request("GET", f"{API}/entities?type=Thing&count=true&limit=0")
        assert reply.headers["ngsild-results-count"] == "5000"
