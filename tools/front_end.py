"""What is done about the front end while developing it, with Node from PyPI.

python -m tools.front_end install # what its checks and tests need
python -m tools.front_end check   # types of TypeScript and Svelte, against our own OpenAPI
python -m tools.front_end dev     # a server that shows edits at once; MADANG_URL is the hub
python -m tools.front_end test    # tests of its logic (*.test.ts)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hatch_build import SOURCES, install, run
from tools import openapi_types


def types() -> None:
    """Write the types of what the hub answers, from its OpenAPI document."""
    openapi_types.main(openapi_types.FILE)
    run(
        "node_modules/openapi-typescript/bin/cli.js",
        "src/generated/openapi.json",
        "-o",
        "src/generated/openapi.ts",
    )


def check() -> None:
    types()
    run(
        "node_modules/svelte-check/bin/svelte-check",
        "--tsconfig",
        "tsconfig.json",
        "--fail-on-warnings",
    )


def dev() -> None:
    run("node_modules/vite/bin/vite.js")


def test() -> None:
    found = sorted(
        str(path.relative_to(SOURCES)) for path in Path(SOURCES, "src").rglob("*.test.ts")
    )
    run("--test", "--test-reporter=spec", *found)


def main() -> None:
    works = {"check": check, "dev": dev, "test": test}
    if len(sys.argv) != 2 or sys.argv[1] not in ("install", *works):
        sys.exit(f"python -m tools.front_end install|{'|'.join(works)}")
    try:
        install(for_development=True)
        if sys.argv[1] in works:
            works[sys.argv[1]]()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


if __name__ == "__main__":
    main()
