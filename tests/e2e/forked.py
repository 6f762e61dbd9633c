"""``madang`` without its imports: forked from a process that has made them once.

A hub needs some three seconds of processor to start, nearly all of it imports, and the suite starts
hundreds of them. What is forked has its own memory, files, signals and standard streams, and runs
the same ``main`` on the same words. The real executable is started by test_first_steps.py,
test_docs.py, test_cli.py and the benchmarks.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from multiprocessing import get_context, process
from pathlib import Path
from types import MappingProxyType
from typing import IO

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "madang.app", "madang.cli", "madang.commands.checkup", "madang.commands.terminal",
        "tests.e2e.forked",
        # What a hub imports as it starts.
        "duckdb", "madang.settings_sources", "uvicorn.lifespan.on", "uvloop",
        "uvicorn.protocols.websockets.websockets_sansio_impl",
        *(service.module for service in entry_points(group="madang.services")),
        "tests.e2e.forking",  # after all others
    ]
)  # fmt: skip


class Forked:
    """A process, with the manners of :class:`subprocess.Popen`."""

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        streams: tuple[IO[bytes], IO[bytes], IO[bytes]],
        cwd: Path | None = None,
        core: int | None = None,
        paces: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        names = tuple(os.path.realpath(f"/proc/self/fd/{one.fileno()}") for one in streams)
        where = str(cwd or Path.cwd())
        # A daemon, so that whoever forgets to stop it does not wait for it at the end.
        self._process = _FORKS.Process(
            target=_main,
            args=(list(words), dict(environ), names, where, core, dict(paces)),
            daemon=True,
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        found = self._process.exitcode
        if found is None:
            raise subprocess.TimeoutExpired("madang", timeout or 0)
        return found


def run(
    words: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout_s: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it has printed, as ``subprocess.run`` does."""
    with (
        tempfile.NamedTemporaryFile() as given,
        tempfile.NamedTemporaryFile() as out,
        tempfile.NamedTemporaryFile() as err,
    ):
        given.write((stdin or "").encode())
        given.flush()
        done = Forked(words, environ, (given, out, err), cwd)
        try:
            code = done.wait(timeout_s)
        except subprocess.TimeoutExpired:
            done.kill()
            raise
        texts = [Path(one.name).read_text("utf-8", "replace") for one in (out, err)]
    return subprocess.CompletedProcess(["madang", *words], code, *texts)


def _main(
    words: list[str],
    environ: dict[str, str],
    streams: tuple[str, str, str],
    cwd: str,
    core: int | None,
    paces: dict[str, float],
) -> None:
    """Become ``madang`` with these words."""
    for number, name in enumerate(streams):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND
        opened = os.open(name, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(cwd)
    if core is not None:
        os.sched_setaffinity(0, {core})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()  # or all would draw the same
    for name, seconds in paces.items():
        module, _, constant = name.rpartition(".")
        assert hasattr(import_module(module), constant), name
        setattr(import_module(module), constant, seconds)
    # It has children of its own, which the standard library denies to a daemon.
    process.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    sys.argv = ["madang", *words]
    from madang.cli import main

    main()
