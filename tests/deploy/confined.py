"""Runs a program as systemd would run it for our unit: a program of its own, for root only.

``unshare --mount --ipc --propagation private python confined.py PLAN.json`` reads what to do, makes
the file system that the unit asks for, gives up every right, and becomes the program. What the
kernel is asked for here is what systemd asks for; what is missing is said in the docs
(docs/how-to/deploy.md).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_LAST_CAPABILITY = 63


def main(plan: dict[str, Any]) -> None:
    user, folder = plan["user"], Path(plan["folder"])
    os.umask(0o022)
    hide("/srv")  # a place of our own to work in
    venv, python = Path(plan["venv"]), Path(sys.executable).resolve().parents[1]
    own = [Path(plan["source"]), venv, python]  # the second may lie in the first
    kept = [put_by(place) for place in own]
    state = put_by(Path(plan["state"]))
    shared = {Path(place): put_by(Path(what)) for place, what in plan["shared"].items()}
    hide("/opt", "/var/lib", "/home", "/root", "/tmp", "/var/tmp")  # ProtectHome, PrivateTmp
    for private in ("/tmp", "/var/tmp"):
        Path(private).chmod(0o1777)
    bind(kept[1], Path(plan["opt"]))
    bind(state, folder)
    for place, held in shared.items():
        bind(held, place)
    for place, held in zip(own, kept, strict=True):
        if not place.exists():  # what the tests themselves run from lies where the unit hides it
            bind(held, place)
    read_only(
        "/tmp", "/var/tmp", str(folder), *plan["writable"]
    )  # ProtectSystem=strict, PrivateTmp
    os.chown(folder, user, user)
    folder.chmod(0o700)
    os.chdir(folder)
    os.umask(0o077)
    become(user, user)
    _filter(plan["system_calls"], plan["families"])
    os.execve(plan["command"][0], plan["command"], plan["environment"])


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def bind(what: Path, place: Path) -> None:
    """Let a folder or file be found at another place too."""
    if what.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    mount("--bind", str(what), str(place))


def put_by(place: Path) -> Path:
    """Return another name of a folder or file, by which it is found when it is hidden."""
    held = Path("/srv", str(len(list(Path("/srv").iterdir()))))
    bind(place, held)
    return held


def hide(*places: str) -> None:
    for place in places:
        mount("-t", "tmpfs", "-o", "mode=755", "none", place)


def read_only(*but: str) -> None:
    """Make everything read-only but some places."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in table]
    kept = ("/dev", "/proc", "/sys", *but)
    for place in places:
        is_kept = any(place == one or place.startswith(one + "/") for one in kept)
        if not is_kept and Path(place).exists():  # what was hidden above is no longer there
            mount("-o", "remount,bind,ro", place)


def become(user: int, group: int) -> None:
    """Give up every right but those of a user, for good."""
    os.setgroups([])
    for capability in range(_LAST_CAPABILITY + 1):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails past the last one
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    assert ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


def _filter(system_calls: list[str], families: list[str]) -> None:
    """Let through only these calls, and sockets of these families only."""
    import pyseccomp as seccomp

    filter = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in system_calls:
        if name != "socket":
            try:
                filter.add_rule(seccomp.ALLOW, name)
            except (OSError, ValueError):  # not a call of this processor, or newer than the library
                continue
    for family in families:
        number = getattr(socket, family)
        filter.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, number))
    filter.load()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
