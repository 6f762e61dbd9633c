"""What a measurement needs to know of the machine and of a process on it (Linux)."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import orjson

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
LIBRARIES = ("madang", "uvicorn", "uvloop", "httptools", "orjson", "apsw", "aiohttp")

SETTLED_S = 1.5  # so long a process must have been idle; history is moved once a second
LIMIT_S = 30.0  # so long it is waited for that
SERVER_CORE, CLIENT_CORE = 0, 1
PINNED = shutil.which("taskset") is not None and {0, 1} <= os.sched_getaffinity(0)
"""Whether server and generator can have a core each."""


def keep(file: Path, found: object) -> None:
    """Write what was found as JSON, into a folder that is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def pin_client() -> None:
    """Bind this process, and what it starts, to the generator's core."""
    if PINNED:
        os.sched_setaffinity(0, {CLIENT_CORE})


def prefer(niceness: int) -> None:
    """Let this process, and what it starts, go before others on a machine that is not quiet."""
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    group = Path("/proc/self/autogroup")  # sessions share the cores, whatever their niceness
    if group.exists():
        group.write_text(str(niceness))


def server_core() -> int | None:
    """Return the core a server is to be bound to, if it can be."""
    return SERVER_CORE if PINNED else None


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used. [s]"""
    return _cpu_seconds(Path(f"/proc/{pid}/stat"))


def main_thread_seconds(pid: int) -> float:
    """Return the processor time of a process's first thread, where a server's loop runs. [s]"""
    return _cpu_seconds(Path(f"/proc/{pid}/task/{pid}/stat"))


def _cpu_seconds(file: Path) -> float:
    fields = file.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def settle(pids: Sequence[int], limit_s: float = LIMIT_S) -> None:
    """Wait until processes do next to nothing: what they put off must not fall on others.

    Args:
        pids: of the processes.
        limit_s: wait so long at most; 0 where nobody looks at the figures.
    """
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = [cpu_seconds(pid) for pid in pids]
        time.sleep(SETTLED_S)
        if sum(map(cpu_seconds, pids)) - sum(before) <= SETTLED_S * 0.05:
            return


def stolen_seconds() -> float:
    """Return how long the hypervisor kept the processors away from this machine. [s]"""
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / TICKS


def memory_mb(pid: int) -> tuple[float, float]:
    """Return a process's resident memory, and the part of it that is no mapped file. [MB]"""
    text = Path(f"/proc/{pid}/status").read_text()
    values = {line.split(":")[0]: line.split()[1] for line in text.splitlines() if "kB" in line}
    return int(values["VmRSS"]) / 1024, int(values["RssAnon"]) / 1024


def syncs_per_second(folder: Path, seconds: float = 1.0) -> float:
    """Return how many appended pages a second reach the disk for certain, one at a time."""
    with TemporaryDirectory(dir=folder) as scratch:
        file = os.open(Path(scratch) / "sync", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            os.write(file, bytes(4096))
            os.fdatasync(file)
            count += 1
        os.close(file)
    return count / seconds


def described() -> dict[str, Any]:
    """Return what a reader of the figures must know: machine, date, versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _first_line(["git", "describe", "--always", "--dirty"]),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30, 1),
            "system": platform.platform(),
            "pinned": PINNED,
        },
        "versions": {
            "python": platform.python_version(),
            "sqlite": apsw.sqlite_lib_version(),
            "wrk": _first_line(["wrk", "-v"]).removeprefix("wrk ").partition(" Copy")[0],
            **{name: importlib.metadata.version(name) for name in LIBRARIES},
        },
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    except OSError:
        return ""
    return next(iter((done.stdout or done.stderr).splitlines()), "")
