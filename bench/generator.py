"""Runs wrk with one of the scripts in bench/wrk and reads what it measured."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.machine import cpu_seconds, memory_mb, stolen_seconds

SCRIPTS = Path(__file__).parent / "wrk"


class GeneratorFailed(Exception):
    """wrk ended without figures."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of one case showed."""

    rate: float  # [requests/s]
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    """Answers that are no 2xx or 3xx, and connections that failed."""
    server_cpu: float  # [1], one core is 1
    generator_cpu: float  # [1]
    stolen: float  # [1], of one core
    rss_mb: float
    anonymous_mb: float


def run(
    script: str,
    url: str,
    server: int,
    *,
    seconds: float,
    connections: int,
    entities: int = 0,
    key: str = "",
    number: int = 0,
) -> Run:
    """Run a script against a server.

    Args:
        script: name of a file in bench/wrk.
        url: of the server.
        server: its process id.
        seconds: how long.
        connections: how many at the same time.
        entities: how many vehicles have been loaded.
        key: signs in.
        number: of several generators at the same time; each upserts vehicles of its own.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    command += ["--timeout", "30s", "-s", str(SCRIPTS / f"{script}.lua"), url]
    environ = {
        **os.environ,
        "DIR": str(SCRIPTS),
        "ENTITIES": str(entities),
        "RUN": str(time.time_ns() // 1_000_000 + number),
        "NUMBER": str(number),
    }
    if key:
        environ["KEY"] = key
    children, busy, stolen = _children(), cpu_seconds(server), stolen_seconds()
    began = time.perf_counter()
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    took = time.perf_counter() - began
    figures = _figures(done)
    rss, anonymous = memory_mb(server)
    return Run(
        rate=figures["requests"] / figures["seconds"],
        p50_ms=figures["p50_us"] / 1000,
        p99_ms=figures["p99_us"] / 1000,
        max_ms=figures["max_us"] / 1000,
        errors=int(figures["status_errors"] + figures["socket_errors"]),
        server_cpu=(cpu_seconds(server) - busy) / took,
        generator_cpu=(_children() - children) / took,
        stolen=(stolen_seconds() - stolen) / took,
        rss_mb=rss,
        anonymous_mb=anonymous,
    )


def _figures(done: subprocess.CompletedProcess[str]) -> dict[str, float]:
    for line in done.stdout.splitlines():
        if line.startswith("FIGURES "):
            found: dict[str, float] = orjson.loads(line.removeprefix("FIGURES "))
            return found
    raise GeneratorFailed(f"wrk gave no figures: {done.stdout[-500:]}{done.stderr[-500:]}")


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system
