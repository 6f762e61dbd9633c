"""Becomes a program of a Compose file, in namespaces of its own: run by root, by containers.py.

``unshare --net --mount --uts --ipc --propagation private python contained.py PLAN.json`` makes the
volumes, secrets and names that the file asks for, waits on its input until it has an address, gives
up every right but its user's, and becomes the program. It stays on the file system of this machine,
where Debian has put the programs that the images would have.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.deploy import confined


def main(plan: dict[str, Any]) -> None:
    socket.sethostname(plan["hostname"])
    _build(plan)
    print("has its namespaces", flush=True)
    sys.stdin.readline()  # whoever started it gives it an address meanwhile
    os.dup2(2, 1)  # into the log
    os.chdir(plan["folder"])
    os.umask(0o022)
    confined.become(*plan["user"])
    os.execvpe(plan["command"][0], plan["command"], plan["environment"])


def _build(plan: dict[str, Any]) -> None:
    """Make a file system as the file says, of this machine's and what is mounted into it."""
    confined.hide("/srv")
    venv, python = Path(plan["venv"]), Path(sys.executable).resolve().parents[1]
    own = [Path(plan["source"]), venv, python]
    kept = [confined.put_by(place) for place in own]
    mounted = {place: confined.put_by(Path(what)) for place, what in plan["mounts"].items()}
    for name in ("etc", "work"):
        Path("/srv", name).mkdir()
    layers = "lowerdir=/etc,upperdir=/srv/etc,workdir=/srv/work"
    confined.mount("-t", "overlay", "-o", layers, "none", "/etc")
    confined.hide("/run", "/var/lib", "/home", "/root", "/tmp")
    Path("/tmp").chmod(0o1777)
    for place, held in zip(own, kept, strict=True):
        if not place.exists():
            confined.bind(held, place)
    for place in sorted(mounted):  # outer ones first
        confined.bind(mounted[place], Path(place))
    Path("/etc/hosts").write_text(plan["hosts"])
    if plan["writable"] is not None:
        confined.read_only(*plan["writable"], *plan["mounts"])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
