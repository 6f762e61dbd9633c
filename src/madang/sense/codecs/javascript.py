"""Makers' own payload decoders in JavaScript, run where they can do no harm.

Three conventions are known, in this order: ``decodeUplink({bytes, fPort, recvTime, variables})``
(LoRa Alliance TS013; The Things Stack, ChirpStack v4), ``Decode(fPort, bytes, variables)``
(ChirpStack v3) and ``Decoder(bytes, port)`` (The Things Network v2). Commands are encoded by
``encodeDownlink({data, variables})`` of TS013.

A script runs in QuickJS in a child process (:mod:`.javascript_child`), not in a thread: some
built-in functions (``Array(2 ** 32 - 1).join()``) do not look at the engine's time limit, and only
a process can be ended within one. The child has no environment, opens no files and holds nothing
of the hub. Every payload gets a context of its own, so nothing that one leaves behind can change
the result of the next; that costs 0.15 ms, and 0.1 ms for each kB of the script.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from madang.sense.codecs.bounds import check_depth, shown
from madang.sense.message import Rejected

LONGEST_SCRIPT = 128 * 1024  # [bytes]
WORKERS = 2
LONGEST_WAIT_S = 10.0  # the child ends itself after half a second of processor time
HEAD = 4  # [bytes] of the length before each request and answer

_CHILD = Path(__file__).with_name("javascript_child.py")


class Result(NamedTuple):
    """What a decoder returned."""

    data: dict[str, Any]
    warnings: list[str]
    errors: list[str]
    """Not empty: the payload could not be decoded."""


async def decode(script: str, payload: bytes, port: int, received: int | None = None) -> Result:
    """Run a decoder off the event loop.

    Args:
        script: its source.
        payload: the FRMPayload.
        port: the FPort.
        received: what it sees as ``recvTime``. [us]

    Raises:
        Rejected: it failed, took too long, wanted too much memory or returned no object.
    """
    request = _request(script, payload, port, received)
    return _result(await asyncio.get_running_loop().run_in_executor(_workers, _ask, request))


def run(script: str, payload: bytes, port: int) -> dict[str, Any]:
    """Run a decoder once, for a person who tries it; return ``data``, ``warnings``, ``errors``.

    Raises:
        Rejected: as :func:`decode`.
    """
    sandbox = _Sandbox()
    try:
        return _result(sandbox.ask(_request(script, payload, port, None)))._asdict()
    finally:
        sandbox.close()


class Frame(NamedTuple):
    """What an encoder returned."""

    payload: bytes
    port: int
    """The FPort; 0 if the encoder does not say."""


async def encode(script: str, data: Any) -> Frame:
    """Run an encoder (``encodeDownlink`` of TS013) off the event loop.

    Args:
        script: its source.
        data: what it sees as ``data``.

    Raises:
        Rejected: it failed, took too long, wanted too much memory or returned no bytes.
    """
    request = _written(script, {"data": data})
    answer = await asyncio.get_running_loop().run_in_executor(_workers, _ask, request)
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise Rejected("badPayload", f"the encoder returned what is no JSON: {error}") from None
    if "fault" in found:
        raise Rejected("badPayload", f"the encoder {found['fault']}")
    if errors := _texts(found.get("errors")):
        raise Rejected("badPayload", f"the encoder says: {'; '.join(errors)}")
    port, numbers = found.get("fPort") or 0, found.get("bytes")
    try:
        if not isinstance(numbers, list) or not isinstance(port, int) or not 0 <= port <= 223:
            raise ValueError
        payload = bytes(numbers)
    except (TypeError, ValueError):
        raise Rejected(
            "badPayload",
            "the encoder must return {bytes: [...], fPort: 1 to 223}, bytes from 0 to 255",
        ) from None
    return Frame(payload, port)


def _request(script: str, payload: bytes, port: int, received: int | None) -> bytes:
    request: dict[str, Any] = {"bytes": list(payload), "fPort": port}
    if received is not None:
        request["recvTime"] = received / 1000
    return _written(script, request)


def _written(script: str, request: dict[str, Any]) -> bytes:
    if len(script.encode("utf-8", "replace")) > LONGEST_SCRIPT:
        raise Rejected("noCodec", f"the script is longer than {LONGEST_SCRIPT // 1024} KiB")
    try:
        return orjson.dumps([script, request])
    except orjson.JSONEncodeError:
        raise Rejected("noCodec", "the script is no Unicode text") from None


def _result(answer: bytes) -> Result:
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError as error:  # half a surrogate pair, or nested too deeply
        raise Rejected("badPayload", f"the decoder returned what is no JSON: {error}") from None
    if "fault" in found:
        raise Rejected("badPayload", f"the decoder {found['fault']}")
    data = found.get("data")
    errors = _texts(found.get("errors"))
    if not isinstance(data, dict):
        if not errors:
            raise Rejected(
                "badPayload", f"the decoder must return an object of fields, not {shown(data)}"
            )
        data = {}
    check_depth(data)
    return Result(data, _texts(found.get("warnings")), errors)


def _texts(value: object) -> list[str]:
    """Return what should be an array of texts as one, whatever a script put there."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    return [str(item)[:500] for item in items[:20]]


class _Sandbox:
    """One child process, started when first asked and again after it had to be ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes) -> bytes:
        """Return the child's answer. Blocks; one thread at a time."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(len(request).to_bytes(HEAD, "big") + request)
            process.stdin.flush()
            length = int.from_bytes(self._read(process, HEAD), "big")
            return self._read(process, length)
        except (EOFError, OSError):
            raise Rejected("badPayload", f"the decoder {self._how_it_ended()}") from None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            bufsize=0,
            start_new_session=True,  # Ctrl-C in a terminal is not for it
        )
        return self._process

    @staticmethod
    def _read(process: subprocess.Popen[bytes], size: int) -> bytes:
        """Read so many bytes, or raise EOFError if it ended or takes too long."""
        assert process.stdout is not None
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        found = bytearray()
        while len(found) < size:
            part = (
                process.stdout.read(size - len(found)) if poll.poll(LONGEST_WAIT_S * 1e3) else b""
            )
            if not part:
                raise EOFError
            found += part
        return bytes(found)

    def _how_it_ended(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            code = -signal.SIGPROF
        self.close()
        if code == -signal.SIGPROF:
            return "took too long"
        return f"broke the process it ran in ({code})"

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


_workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="javascript")
_own = threading.local()
_sandboxes: list[_Sandbox] = []


def _ask(request: bytes) -> bytes:
    """Ask the sandbox of this thread."""
    sandbox: _Sandbox | None = getattr(_own, "sandbox", None)
    if sandbox is None:
        sandbox = _own.sandbox = _Sandbox()
        _sandboxes.append(sandbox)
    return sandbox.ask(request)


@atexit.register
def _close() -> None:
    """End the children; if the process is killed, they end because their input does."""
    for sandbox in _sandboxes:
        sandbox.close()
