"""Makers' scripts: what they are given, what comes of what they return, and what they cannot do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.codecs import javascript
from madang.sense.message import Rejected

PAYLOAD = bytes([0x01, 0x02])


async def refusal(script: str) -> str:
    with pytest.raises(Rejected) as caught:
        await javascript.decode(script, PAYLOAD, 2)
    assert caught.value.reason == "badPayload"
    return str(caught.value)


@pytest.mark.parametrize(
    "script",
    [
        "function decodeUplink({ bytes, fPort }) { return { data: { sum: bytes[1] + fPort } }; }",
        "const decodeUplink = (input) => ({ data: { sum: input.bytes[1] + input.fPort } });",
        "function Decode(fPort, bytes, variables) { return { sum: bytes[1] + fPort }; }",
        "function Decoder(bytes, port) { var decoded = {}; decoded.sum = bytes[1] + port;"
        " return decoded; }",
    ],
    ids=["TS013", "TS013 as a constant", "ChirpStack v3", "The Things Network v2"],
)
async def test_every_convention_of_decoders_is_called(script: str) -> None:
    assert (await javascript.decode(script, PAYLOAD, 7)).data == {"sum": 9}


async def test_the_newest_of_several_conventions_in_one_script_is_called() -> None:
    script = """
        function Decoder(bytes, port) { return { by: "Decoder" }; }
        function Decode(fPort, bytes) { return { by: "Decode" }; }
        function decodeUplink(input) { return { data: { by: "decodeUplink" } }; }
    """
    assert (await javascript.decode(script, PAYLOAD, 1)).data == {"by": "decodeUplink"}


async def test_a_script_sees_when_the_message_came_and_may_log() -> None:
    script = """function decodeUplink(input) {
        console.log("decoding", input); console.error("what a bug");
        return { data: { at: input.recvTime, year: input.recvTime.getUTCFullYear(),
                         variables: typeof input.variables, list: Array.isArray(input.bytes) } };
    }"""
    found = await javascript.decode(script, PAYLOAD, 1, 1_769_860_800_000_000)
    assert found.data == {
        "at": "2026-01-31T12:00:00.000Z",
        "year": 2026,
        "variables": "object",
        "list": True,
    }


async def test_warnings_and_errors_come_as_texts() -> None:
    script = (
        "function decodeUplink() { return { data: {a: 1}, warnings: ['low', 3], errors: 'e' } }"
    )
    found = await javascript.decode(script, PAYLOAD, 1)
    assert found == javascript.Result({"a": 1}, ["low", "3"], ["e"])
    assert (await javascript.decode("function Decoder() { return {} }", b"", 0)).data == {}


async def test_what_is_wrong_with_a_script_is_said_with_its_line() -> None:
    assert "failed: SyntaxError" in await refusal("function (")
    assert "has none of the functions decodeUplink" in await refusal("var a = 1;")
    script = "function Decoder(b) {\n  var x = 1;\n  return missing.field;\n}"
    assert "ReferenceError: missing is not defined in line 3" in await refusal(script)
    assert "must return an object" in await refusal("function decodeUplink() { return 3 }")
    assert "must return an object" in await refusal("function Decoder() { return [1] }")
    assert "must return an object" in await refusal("function Decoder() { return null }")
    assert "must return an object" in await refusal("async function decodeUplink() { return {} }")
    assert "circular" in await refusal("function Decoder() { let o = {}; o.o = o; return o }")
    assert "BigInt" in await refusal("function Decoder() { return { a: 1n } }")
    assert "no JSON" in await refusal("function Decoder() { return { a: '\\ud800' } }")
    assert "failed: oh no" in await refusal("function Decoder() { throw 'oh no' }")


async def test_what_is_nested_too_deeply_is_refused() -> None:
    script = "function Decoder() { let o = {}; for (let i = 0; i < %d; i++) o = { o }; return o }"
    assert "nested deeper" in await refusal(script % 40)
    await refusal(script % 2000)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("while (true);", "took too long"),
        ("function Decoder() { for (;;) { try { for (;;); } catch (e) {} } }", "took too long"),
        ("function Decoder() { return /(a+)+$/.test('a'.repeat(40) + 'b') }", "took too long"),
        ("function decodeUplink() { return { data: { get a() { for (;;); } } } }", "took too long"),
        # Built-in functions that do not look at the time: the system ends their process.
        ("function Decoder() { return Array(2 ** 32 - 1).join('') }", "took too long"),
        ("function Decoder() { return { a: String(2n ** 1000000n) } }", "took too long"),
        ("function Decoder() { throw { toString() { for (;;); } } }", "took too long"),
        ("function Decoder() { return Decoder() }", "calls itself without end"),
        ("let a = []; for (;;) a.push('x'.repeat(1000) + a.length)", "memory"),
        ("function Decoder() { return { a: new Uint8Array(1e9) } }", "memory"),
        ("function Decoder() { return { a: 'x'.repeat(1e6) } }", "more than 64 KiB"),
    ],
)  # fmt: skip
async def test_a_script_that_takes_too_much_is_ended(
    script: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(javascript, "LONGEST_WAIT_S", 120.0)  # not the hub ends it, but the system
    async with asyncio.timeout(60):
        assert why in await refusal(script)
    good = await javascript.decode("function Decoder(b) { return { a: b[0] } }", PAYLOAD, 1)
    assert good.data == {"a": 1}


async def test_a_script_that_takes_too_long_does_not_hold_up_the_event_loop() -> None:
    ended = asyncio.ensure_future(refusal("function Decoder() { for (;;); }"))
    turns = 0
    while not ended.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert "took too long" in await ended
    assert turns > 5  # a hundred, in half a second, where nothing else runs


async def test_nothing_that_a_script_leaves_behind_changes_the_next_result() -> None:
    counting = "var n = 0; function Decoder() { globalThis.m = (globalThis.m || 0) + 1;"
    counting += " Array.prototype.k = (Array.prototype.k || 0) + 1;"
    counting += " return { n: n++, m: globalThis.m, k: [].k } }"
    for _ in range(5):
        found = await javascript.decode(counting, PAYLOAD, 1)
        assert found.data == {"n": 0, "m": 1, "k": 1}


async def test_a_script_that_changes_the_language_changes_only_its_own_result() -> None:
    evil = """
        JSON.stringify = () => '{"data": {"evil": true}}'; JSON.parse = () => ({});
        Object.prototype.fault = "is evil";
        function Decoder(bytes) { return { bytes } }
    """
    assert (await javascript.decode(evil, PAYLOAD, 1)).data == {"bytes": [1, 2]}
    honest = await javascript.decode("function Decoder(b) { return { b: b[1] } }", PAYLOAD, 1)
    assert honest.data == {"b": 2}


async def test_a_script_reaches_nothing_outside() -> None:
    script = """function Decoder() {
        const names = ["require", "process", "std", "os", "fetch", "XMLHttpRequest", "WebSocket",
                       "module", "print", "load", "__import__", "setTimeout", "Deno", "Bun"];
        return { found: names.filter((name) => name in globalThis),
                 own: Function("return this")() === globalThis };
    }"""
    assert (await javascript.decode(script, PAYLOAD, 1)).data == {"found": [], "own": True}
    await refusal("import * as os from 'os'; function Decoder() { return {} }")


async def test_the_process_of_scripts_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_SECRET", "do not tell")
    sandbox = javascript._Sandbox()
    try:
        sandbox.ask(b'["function Decoder() { return {} }", {"bytes": [], "fPort": 1}]')
        process = sandbox._process
        assert process is not None
        place = Path("/proc") / str(process.pid)
        assert b"MADANG" not in (place / "environ").read_bytes()
        assert len(list((place / "fd").iterdir())) <= 4
    finally:
        sandbox.close()


async def test_a_child_that_was_killed_is_replaced() -> None:
    sandbox = javascript._Sandbox()
    request = b'["function Decoder() { return {} }", {"bytes": [], "fPort": 1}]'
    try:
        sandbox.ask(request)
        assert sandbox._process is not None
        sandbox._process.kill()
        sandbox._process.wait()
        assert sandbox.ask(request) == b'{"data":{}}'
    finally:
        sandbox.close()


def test_a_person_can_try_a_script_once() -> None:
    script = "function Decoder(bytes) { return { t: bytes[0] / 10 } }"
    assert javascript.run(script, b"\x15", 1) == {"data": {"t": 2.1}, "warnings": [], "errors": []}
    with pytest.raises(Rejected, match="longer than 128 KiB"):
        javascript.run(" " * 200_000, b"", 1)
    with pytest.raises(Rejected, match="no Unicode"):
        javascript.run("'\ud800'", b"", 1)


@given(st.text(max_size=60), st.binary(max_size=8), st.integers(0, 255))
def test_any_text_as_a_script_is_run_or_refused(script: str, payload: bytes, port: int) -> None:
    with suppress(Rejected):
        asyncio.run(javascript.decode(script, payload, port))


async def test_many_devices_are_decoded_at_the_same_time() -> None:
    script = "function Decoder(bytes) { return { n: bytes[0] } }"
    found = await asyncio.gather(
        *(javascript.decode(script, bytes([n % 256]), 1) for n in range(300))
    )
    assert [one.data["n"] for one in found] == [n % 256 for n in range(300)]
