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
    _hide("/srv")  # a place of our own to work in
    venv, python = Path(plan["venv"]), Path(sys.executable).resolve().parents[1]
    own = [Path(plan["source"]), venv, python]  # the second may lie in the first
    kept = [_put_by(place) for place in own]
    state = _put_by(Path(plan["state"]))
    shared = {Path(place): _put_by(Path(what)) for place, what in plan["shared"].items()}
    _hide("/opt", "/var/lib", "/home", "/root", "/tmp", "/var/tmp")  # ProtectHome, PrivateTmp
    for private in ("/tmp", "/var/tmp"):
        Path(private).chmod(0o1777)
    _bind(kept[1], Path(plan["opt"]))
    _bind(state, folder)
    for place, held in shared.items():
        _bind(held, place)
    for place, held in zip(own, kept, strict=True):
        if not place.exists():  # what the tests themselves run from lies where the unit hides it
            _bind(held, place)
    _read_only(str(folder), *plan["writable"])
    os.chown(folder, user, user)
    folder.chmod(0o700)
    os.chdir(folder)
    os.umask(0o077)
    os.setgroups([])
    _drop_capabilities()
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    assert ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    _filter(plan["system_calls"], plan["families"])
    os.execve(plan["command"][0], plan["command"], plan["environment"])


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _bind(what: Path, place: Path) -> None:
    place.mkdir(parents=True)
    _mount("--bind", str(what), str(place))


def _put_by(place: Path) -> Path:
    """Return another name of a folder, by which it is found when it is hidden."""
    held = Path("/srv", str(len(list(Path("/srv").iterdir()))))
    _bind(place, held)
    return held


def _hide(*places: str) -> None:
    for place in places:
        _mount("-t", "tmpfs", "-o", "mode=755", "none", place)


def _read_only(*but: str) -> None:
    """Make all read-only but some folders and what PrivateTmp gives (ProtectSystem=strict)."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in table]
    kept = ("/dev", "/proc", "/sys", "/tmp", "/var/tmp", *but)
    for place in places:
        is_kept = any(place == one or place.startswith(one + "/") for one in kept)
        if not is_kept and Path(place).exists():  # what was hidden above is no longer there
            _mount("-o", "remount,bind,ro", place)


def _drop_capabilities() -> None:
    for capability in range(_LAST_CAPABILITY + 1):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails past the last one


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
