"""A server of S3's calls for the tests: SeaweedFS, from a wheel of PyPI, on loopback."""

from __future__ import annotations

import atexit
import http.client
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from madang.lake.bucket import Server
from tests.e2e.server import free_port

PROGRAM = Path(sys.executable).with_name("weed")
MISSING = "SeaweedFS is not installed (there is no wheel for this system), so no bucket was tested"
KEY, SECRET = "madang", "secret-of-the-city"
READER = "reader"  # may read and nothing else; the secret is the same
_PARTS = ("master", "volume", "filer", "s3")
_START_S = 60.0


class Objects:
    """A server with a disk of its own, to be frozen, killed and started again.

    Args:
        folder: for everything it keeps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {part: (free_port(), free_port()) for part in _PARTS}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "log"
        self._buckets = count(1)
        (folder / "data").mkdir()
        self._keys = folder / "keys.json"
        rights = {KEY: ["Admin", "Read", "Write", "List"], READER: ["Read", "List"]}
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": SECRET}],
                "actions": actions,
            }
            for name, actions in rights.items()
        ]
        self._keys.write_text(json.dumps({"identities": identities}))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3'][0]}"

    def server(self, key: str = KEY, secret: str = SECRET) -> Server:
        """Return it as Madang is told of it."""
        return Server(self.endpoint, "us-east-1", key, secret)

    def start(self) -> None:
        """Start it and wait until it keeps things."""
        words = [
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder / 'data'}",
            "-filer", "-s3", f"-s3.config={self._keys}", "-s3.autoCreateBucket=false",
            "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64", "-master.electionTimeout=1s",
            "-master.heartbeatInterval=100ms",
            "-volume.max=500", "-volume.minFreeSpace=0",
            *(f"-{part}.port={http}" for part, (http, _) in self._ports.items()),
            *(f"-{part}.port.grpc={grpc}" for part, (_, grpc) in self._ports.items()),
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "server", *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + _START_S
        while not (self._answers("filer", "PUT", "/ready") and self._answers("s3", "GET", "/")):
            assert self._process.poll() is None, f"it has ended:\n{self._log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"it does not keep:\n{self._log.read_text()[-2000:]}"
            time.sleep(0.05)

    def _answers(self, part: str, method: str, path: str) -> bool:
        """Tell whether a part of it answers, and keeps what it is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[part][0], timeout=10)
        try:
            connection.request(method, path, b"yes" if method == "PUT" else None)
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def bucket(self) -> str:
        """Make a bucket; return its name."""
        name = f"city-{next(self._buckets)}"
        assert self._answers("filer", "POST", f"/buckets/{name}/")
        return name

    def names(self, bucket: str) -> list[str]:
        """Return what there is in a bucket, as a list on the server's own disk has it."""
        root = f"/buckets/{bucket}/"
        found: list[str] = []
        waiting = [root]
        while waiting:
            for entry in self._entries(waiting.pop()):
                if entry["Mode"] & 1 << 31:
                    waiting.append(f"{entry['FullPath']}/")
                else:
                    found.append(entry["FullPath"].removeprefix(root))
        return sorted(found)

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports["filer"][0], timeout=10)
        try:
            connection.request(
                "GET", f"{quote(folder)}?limit=10000", None, {"Accept": "application/json"}
            )
            answer = connection.getresponse()
            return list(json.loads(answer.read()).get("Entries") or ())
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        """Freeze it (SIGSTOP), let it go on (SIGCONT), or anything else."""
        assert self._process is not None, "it has not been started"
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> None:
        """End it for good, and leave nothing."""
        self.kill()
        for ports in self._ports.values():
            for port in ports:
                for file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def started() -> Objects:
    """Start a server; whoever asked for it ends it."""
    if not PROGRAM.exists():
        pytest.skip(MISSING)
    made = Objects(Path(tempfile.mkdtemp(prefix="madang-s3-")))
    made.start()
    return made


@cache
def shared() -> Objects:
    """Return the one server of this session that nothing happens to."""
    server = started()
    atexit.register(server.end)
    return server
