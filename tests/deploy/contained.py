"""Becomes a program of a Compose file, in namespaces of its own: run by root, by containers.py.

``unshare --net --mount --uts --ipc --propagation private python contained.py PLAN.json`` makes the
volumes, secrets and names that the file asks for, waits on its input until it has an address, gives
up every right but its user's, and becomes the program. It stays on the file system of this machine,
where Debian has put the programs that the images would have.
"""

from __future__ import annotations

import ctypes
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
    os.chdir(plan["folder"])
    os.umask(0o022)
    os.setgroups([])
    confined._drop_capabilities()
    user, group = plan["user"]
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    assert ctypes.CDLL(None).prctl(confined._PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    os.execvpe(plan["command"][0], plan["command"], plan["environment"])


def _build(plan: dict[str, Any]) -> None:
    """Make a file system as the file says, of this machine's and what is mounted into it."""
    confined._hide("/srv")
    venv, python = Path(plan["venv"]), Path(sys.executable).resolve().parents[1]
    own = [Path(plan["source"]), venv, python]
    kept = [confined._put_by(place) for place in own]
    mounted = {place: _held(Path(what)) for place, what in plan["mounts"].items()}
    for name in ("etc", "work"):
        Path("/srv", name).mkdir()
    layers = "lowerdir=/etc,upperdir=/srv/etc,workdir=/srv/work"
    confined._mount("-t", "overlay", "-o", layers, "none", "/etc")
    confined._hide("/run", "/var/lib", "/home", "/root", "/tmp")
    Path("/tmp").chmod(0o1777)
    for place, held in zip(own, kept, strict=True):
        if not place.exists():
            confined._bind(held, place)
    for place in sorted(mounted):  # outer ones first
        _bind(mounted[place], Path(place))
    Path("/etc/hosts").write_text(plan["hosts"])
    if plan["read_only"]:
        _read_only({"/tmp", *plan["mounts"]})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _held(what: Path) -> Path:
    """Return another name of a folder or file, by which it is found when it is hidden."""
    held = Path("/srv", str(len(list(Path("/srv").iterdir()))))
    _bind(what, held)
    return held


def _bind(what: Path, place: Path) -> None:
    if what.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    confined._mount("--bind", str(what), str(place))


def _read_only(but: set[str]) -> None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = line.split()[4]
        kept = place in but or place.startswith(("/dev", "/proc", "/sys"))
        if not kept and Path(place).exists():
            confined._mount("-o", "remount,bind,ro", place)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
