"""The lines for nginx of docs/how-to/behind-a-proxy.md, run by nginx before a real hub."""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.deploy.containers import PATH, needs_nginx
from tests.deploy.unit import ROOT
from tests.e2e.certificate import certificate
from tests.e2e.server import API, Server, free_port

pytestmark = [needs_nginx, pytest.mark.slow]
PAGE = ROOT / "docs" / "how-to" / "behind-a-proxy.md"
ID = "urn:ngsi-ld:Room:a%2Fb%20c"
ROOM = {"id": ID, "type": "Room", "temperature": {"type": "Property", "value": 21}}


class Nginx:
    """What the page says, for a hub on this machine."""

    def __init__(self, folder: Path, hub: Server) -> None:
        self.port, self.context = free_port(), ssl.create_default_context()
        chain, key = certificate(folder)
        self.context.load_verify_locations(chain)
        server, below = re.findall(r"```nginx\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        # The second block belongs into the server of the first.
        lines = server.rstrip().removesuffix("}") + below + "}"
        for there, here in {
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "server_name hub.example.org": "server_name localhost",
            "/etc/ssl/hub.example.org.pem": str(chain),
            "/etc/ssl/hub.example.org.key": str(key),
            "127.0.0.1:8080": f"127.0.0.1:{hub.port}",
        }.items():
            assert there in lines
            lines = lines.replace(there, here)
        own = "".join(
            f"{name}_temp_path {folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = folder / "nginx.conf"
        file.write_text(
            f"pid {folder}/pid; error_log stderr; user root; events {{}}\n"
            f"http {{ access_log off; {own}\n{lines}\n}}\n"
        )
        program = shutil.which("nginx", path=PATH)
        assert program is not None
        words = [program, "-c", str(file), "-p", str(folder), "-g", "daemon off;"]
        self.process = subprocess.Popen(words)

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=30)

    def get(self, path: str) -> int:
        with closing(self.connection()) as connection:
            connection.request("GET", path)
            return connection.getresponse().status


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def nginx(tmp_path: Path, hub: Server) -> Iterator[Nginx]:
    proxy = Nginx(tmp_path, hub)
    try:
        end = time.monotonic() + 20
        while True:
            with suppress(ConnectionError):
                if proxy.get("/ready") == 200:
                    break
            assert proxy.process.poll() is None
            assert time.monotonic() < end, "nginx does not answer"
            time.sleep(0.05)
        yield proxy
    finally:
        proxy.process.terminate()
        proxy.process.wait()


def test_paths_streams_and_web_sockets_pass_through_nginx(hub: Server, nginx: Nginx) -> None:
    assert hub.request("POST", f"{API}/entities", ROOM).status == 201
    encoded = ID.replace("%", "%25")
    for prefix in ("", "/madang"):
        assert nginx.get(f"{prefix}{API}/entities/{encoded}") == 200
    with closing(nginx.connection()) as stream:
        stream.request("GET", "/changes?type=Room&after=0")
        assert stream.getresponse().readline()  # comes while the answer goes on
    address = f"wss://localhost:{nginx.port}/live"
    with connect(address, ssl=nginx.context, proxy=None) as live:
        assert live.response is not None
        assert live.response.status_code == 101
