"""The configurations of NATS that we give, as the server itself reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.composed import FILE, read
from tests.deploy.unit import ROOT
from tests.e2e.nats_mqtt import ENVIRON, understood, written
from tests.e2e.nats_server import PROGRAM, needs_nats

COMPOSED = FILE.parent / "nats.conf"
SYSTEMD = ROOT / "deploy" / "systemd" / "nats-server.conf"
GIVEN = {
    "compose": COMPOSED.read_text("utf-8"),
    "systemd": SYSTEMD.read_text("utf-8"),
    "devices": written(),
}
each = pytest.mark.parametrize("name", GIVEN)


@needs_nats
@each
def test_the_server_takes_the_configuration(name: str, tmp_path: Path) -> None:
    file = tmp_path / "nats.conf"
    file.write_text(understood(GIVEN[name]))
    done = subprocess.run(
        [str(PROGRAM), "-t", "-c", str(file)],
        env=ENVIRON | {"HOSTNAME": "nats-1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@each
def test_what_is_acknowledged_is_on_the_disks_of_a_cluster(name: str) -> None:
    text = GIVEN[name]
    assert re.search(r"^ *sync_interval: always\b", text, re.MULTILINE)
    routes = re.search(r"^ *routes: \[(.*)\]$", text, re.MULTILINE)
    assert routes is not None
    assert len(routes[1].split(",")) == 3


def test_each_server_of_the_compose_file_has_a_volume_for_what_it_keeps() -> None:
    place = re.search(r"^ *store_dir: (\S+)$", GIVEN["compose"], re.MULTILINE)
    assert place is not None
    compose = read()
    volumes = [
        service["volumes"]
        for name, service in compose["services"].items()
        if name.startswith("nats-")
    ]
    assert volumes == [[f"nats-{number}:{place[1]}"] for number in (1, 2, 3)]
    assert {f"nats-{number}" for number in (1, 2, 3)} <= set(compose["volumes"])
