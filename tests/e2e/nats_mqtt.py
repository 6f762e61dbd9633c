"""Real NATS servers with MQTT for devices, alone or as a cluster, to be killed and restarted.

They are configured as docs/how-to/devices-over-nats.md says, on ports of this machine, and keep
what they have in folders, where they find it when they are started again.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from madang.sense.transports.mqtt_packets import V311, Connect, encode
from tests.e2e.nats_server import PROGRAM
from tests.e2e.server import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "devices-over-nats.md"
HUB, PASSWORD = "hub", "secret"
ACK_WAIT_S = 2
"""After which NATS sends again what the hub has not acknowledged."""
ANSWER_S = 15
"""How long a server may take to say that it cannot let anybody in."""
ENVIRON = {
    **os.environ,
    **dict.fromkeys(
        ("BUS_PASSWORD", "HUB_PASSWORD", "GATEWAY_PASSWORD", "JONGNO_PASSWORD"), PASSWORD
    ),
}
"""Variables that the configurations name."""
_WELCOME = b"\x20\x02\x00\x00"
_CLUSTER = re.compile(r"^cluster \{.*?^\}\n", re.MULTILINE | re.DOTALL)


@cache
def version() -> tuple[int, ...]:
    """Return the version of the installed server."""
    said = subprocess.run([str(PROGRAM), "--version"], capture_output=True, text=True, check=True)
    return tuple(map(int, said.stdout.rpartition("v")[2].strip().split(".")))


def understood(configuration: str) -> str:
    """Return a configuration without what the installed server does not know yet."""
    if version() >= (2, 10):
        return configuration
    return re.sub(r"^ *sync_interval:.*\n", "", configuration, flags=re.MULTILINE)


def written(page: Path = PAGE) -> str:
    """Return the configuration that a page of the documentation has."""
    block = re.compile(r"^```text\n(# /etc/nats-server.conf.*?)^```$", re.DOTALL | re.MULTILINE)
    found = block.search(page.read_text("utf-8"))
    assert found is not None
    return found[1]


class NatsMqtt:
    """A server with the user ``hub``; who gives no name is a gateway of devices.

    Args:
        folder: of its configuration and of what it keeps.
        routes: ports by which the servers of a cluster reach one another, this one's first.
    """

    def __init__(self, folder: Path, routes: Sequence[int] = ()) -> None:
        self.port = free_port()
        """By which devices and the hub come."""
        self._watch = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self._configuration.write_text(self._written(routes))

    def _written(self, routes: Sequence[int]) -> str:
        text = _CLUSTER.sub(_cluster(routes) if routes else "", understood(written()))
        for line, instead in {
            "server_name: nats-1": f"server_name: {self._folder.name}",
            "port: 4222": f'listen: "127.0.0.1:{free_port()}"',
            "http: 127.0.0.1:8222": f'http: "127.0.0.1:{self._watch}"',
            "store_dir: /var/lib/nats": f'store_dir: "{self._folder / "kept"}"',
            "port: 1883": f'listen: "127.0.0.1:{self.port}"\n  no_auth_user: gateway',
            "stream_replicas: 3": f"stream_replicas: {len(routes) or 1}",
            'ack_wait: "10s"': f'ack_wait: "{ACK_WAIT_S}s"',
        }.items():
            assert line in text, line
            text = text.replace(line, instead)
        return text

    @property
    def _configuration(self) -> Path:
        return self._folder / "nats.conf"

    def start(self) -> None:
        """Start it, without waiting for anything."""
        words = ["-c", str(self._configuration), "-l", str(self._log)]
        self._process = subprocess.Popen([str(PROGRAM), *words], env=ENVIRON)

    @property
    def _log(self) -> Path:
        return self._folder / "nats.log"

    def wait(self, wait_s: float = 40) -> None:
        """Wait until it lets devices in: servers of a cluster do when most of them are there."""
        end = time.monotonic() + wait_s
        while not self.lets_in():
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < end, self._log.read_text()[-3000:]
            time.sleep(0.05)

    def lets_in(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), ANSWER_S) as line:
                line.sendall(encode(Connect(f"probe-{self.port}", V311), V311))
                return line.recv(len(_WELCOME)) == _WELCOME
        except OSError:
            return False

    def has(self, client_id: str) -> bool:
        """Tell whether a client is connected to this server."""
        url = f"http://127.0.0.1:{self._watch}/connz?mqtt_client={client_id}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(json.load(answer)["connections"])

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _cluster(routes: Sequence[int]) -> str:
    every = ", ".join(f'"nats://127.0.0.1:{port}"' for port in sorted(routes))
    return f'cluster {{ name: madang, listen: "127.0.0.1:{routes[0]}", routes: [{every}] }}\n'


def cluster(folder: Path, size: int = 3) -> list[NatsMqtt]:
    """Return servers that keep all messages on each of them; none is started yet."""
    ports = [free_port() for _ in range(size)]
    return [
        NatsMqtt(folder / f"nats-{number}", [*ports[number:], *ports[:number]])
        for number in range(size)
    ]
