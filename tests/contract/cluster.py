"""A PostgreSQL of the tests' own, from the programs that are installed: one a session."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

MISSING = (
    "PostgreSQL with PostGIS is not installed, so nothing of the state on PostgreSQL was tested;"
    " `tools/programs.sh` installs it"
)
_USER = "postgres"  # the server refuses to run as root; Debian's package makes this user
_SETTINGS = (
    "listen_addresses=''", "shared_buffers=32MB", "max_connections=200", "max_wal_size=256MB",
    "autovacuum=off", "log_min_messages=fatal",
)  # fmt: skip


def programs() -> Path | None:
    """Return the folder of the newest server that is installed with PostGIS; None if none is."""
    found = [Path(path).parent for path in (shutil.which("pg_ctl"),) if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        real = (folder / "pg_ctl").resolve().parent
        shared = Path("/usr/share/postgresql") / real.parent.name
        if list(shared.glob("extension/postgis.control")) or _has_postgis(real):
            return real
    return None


def _has_postgis(folder: Path) -> bool:
    config = folder / "pg_config"
    if not config.exists():
        return False
    shared = subprocess.run([config, "--sharedir"], capture_output=True, text=True, check=True)
    return (Path(shared.stdout.strip()) / "extension" / "postgis.control").exists()


class Cluster:
    """A server on a socket in a folder of its own; it does not listen to the network.

    Args:
        folder: for everything; ``data`` in it is taken as it is if it is there.
        server: folder of the programs.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = server
        if not (folder / "data").exists():
            self.run("initdb", "-D", str(folder / "data"), "-U", "madang", "-A", "trust",
                     "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        self.start()

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in _SETTINGS)
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"),
                 "-o", f"-k {self.folder} {options}", "start")  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: ``fast`` in order, ``immediate`` as a crash would."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def run(self, program: str, *words: str) -> None:
        """Run a program of PostgreSQL, in the folder and as the user of the server."""
        user: dict[str, Any] = {}
        if sys.platform != "win32" and os.geteuid() == 0:
            user = {"user": _USER, "group": _USER, "extra_groups": []}
        done = subprocess.run(
            [self._server / program, *words], cwd=self.folder, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **user,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()

    def url(self, database: str = "postgres") -> str:
        return f"postgres://madang@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run statements from outside; return the rows, if there are any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def make(self, database: str) -> str:
        """Make an empty database; return its address."""
        self.execute(f"CREATE DATABASE {database} STRATEGY file_copy")
        return self.url(database)

    def pids(self) -> list[int]:
        """Return the process ids of the server and all its children."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]


def started() -> Cluster:
    """Start a server in a new folder; whoever asked for it stops and removes it."""
    server = programs()
    if server is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="madang-pg-"))
    if sys.platform != "win32" and os.geteuid() == 0:
        shutil.chown(folder, _USER, _USER)
    return Cluster(folder, server)


@cache
def shared() -> Cluster:
    """Return the one server of this session."""
    cluster = started()
    atexit.register(_end, cluster)
    return cluster


def _end(cluster: Cluster) -> None:
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)
