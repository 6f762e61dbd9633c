"""A PostgreSQL of the tests' own, from the programs that are installed: one a session.

Its files are a copy of ones that were made once, PostGIS in them: to make those takes seconds, and
the tests have dozens of databases. How a hub starts in a database that has no PostGIS yet is seen
by tests/e2e/test_postgres.py.
"""

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

    syncs = True
    """Wait for the disk. Tests need not (tests/conftest.py): none of them cuts the power."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = server
        if not (folder / "data").exists():
            made = ["cp", "-a", str(_template(server)), str(folder / "data")]  # with their owner
            subprocess.run(made, check=True)
        self.start()

    def start(self) -> None:
        settings = (*_SETTINGS, f"fsync={'on' if self.syncs else 'off'}")
        options = " ".join(f"-c {setting}" for setting in settings)
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"),
                 "-o", f"-k {self.folder} {options}", "start")  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: ``fast`` in order, ``immediate`` as a crash would."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def run(self, program: str, *words: str) -> None:
        """Run a program of PostgreSQL, in the folder and as the user of the server."""
        _run(self._server, self.folder, program, *words)

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


def _run(server: Path, folder: Path, program: str, *words: str) -> None:
    user: dict[str, Any] = {}
    if sys.platform != "win32" and os.geteuid() == 0:
        user = {"user": _USER, "group": _USER, "extra_groups": []}
    done = subprocess.run(
        [server / program, *words], cwd=folder, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **user,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def started() -> Cluster:
    """Start a server in a new folder; whoever asked for it stops and removes it."""
    server = programs()
    if server is None:
        pytest.skip(MISSING)
    return Cluster(_folder(), server)


def _folder() -> Path:
    """Make a folder for the user of the server."""
    folder = Path(tempfile.mkdtemp(prefix="madang-pg-"))
    if sys.platform != "win32" and os.geteuid() == 0:
        shutil.chown(folder, _USER, _USER)
    return folder


@cache
def _template(server: Path) -> Path:
    """Return the files of a server whose new databases have PostGIS."""
    folder = _folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _run(server, folder, "initdb", "-D", str(folder / "data"), "-U", "madang", "-A", "trust",
         "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
    cluster = Cluster(folder, server)
    cluster.execute("CREATE EXTENSION postgis", "template1")
    cluster.stop("fast")
    return folder / "data"


@cache
def shared() -> Cluster:
    """Return the one server of this session."""
    cluster = started()
    atexit.register(_end, cluster)
    return cluster


def _end(cluster: Cluster) -> None:
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)
