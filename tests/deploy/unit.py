"""A unit of systemd as the tests read it: what stands in it, and what it allows."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "systemd" / "madang.service"
TEMPLATE = FILE.with_name("madang@.service")


class Unit:
    """The lines of a unit, or an instance of a template; a name may stand in it several times."""

    def __init__(self, file: Path = FILE, instance: str = "") -> None:
        self.lines = [
            line.replace("%i", instance).partition("=")[::2]
            for line in file.read_text("utf-8").splitlines()
            if "=" in line and not line.startswith("#")
        ]

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.lines if found == name]

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def environment(self) -> dict[str, str]:
        return dict(value.partition("=")[::2] for value in self.all("Environment"))

    def system_calls(self) -> list[str]:
        """Return what ``SystemCallFilter`` lets through, by the lists of the systemd here."""
        allowed: set[str] = set()
        for line in self.all("SystemCallFilter"):
            named = {call for word in line.lstrip("~").split() for call in _members(word)}
            allowed = allowed - named if line.startswith("~") else allowed | named
        return sorted(allowed)


def _members(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    words = ["systemd-analyze", "syscall-filter", "--no-pager", name]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    lines = [line.strip() for line in told.splitlines()[1:]]
    named = [line for line in lines if line and not line.startswith("#")]
    return {call for one in named for call in _members(one)}
