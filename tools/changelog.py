"""Fold the fragments of changelog.d into CHANGELOG.md, under a new version.

``python tools/changelog.py 0.2.0``; without a version it prints what would be written.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
FRAGMENTS = ROOT / "changelog.d"
KINDS = {"added": "Added", "changed": "Changed", "fixed": "Fixed", "removed": "Removed"}
MARK = "<!-- releases, newest first -->\n"


class BadFragment(ValueError):
    """A file in changelog.d whose name or content says nothing."""


def fragments(folder: Path) -> dict[str, list[Path]]:
    """Return the fragments by kind, in the order of their names."""
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*.md")):
        kind = path.name.removesuffix(".md").rpartition(".")[2]
        if kind not in KINDS or path.name.count(".") != 2:
            raise BadFragment(
                f"{path.name}: expected SUBJECT.KIND.md, KIND one of {', '.join(KINDS)}"
            )
        if not path.read_text("utf-8").strip():
            raise BadFragment(f"{path.name}: it is empty; write one sentence for users")
        found[kind].append(path)
    return found


def section(title: str, found: dict[str, list[Path]]) -> str:
    """Return the text of one release."""
    parts = [f"## {title}\n"]
    for kind, paths in found.items():
        if paths:
            items = "".join(f"- {' '.join(path.read_text('utf-8').split())}\n" for path in paths)
            parts.append(f"### {KINDS[kind]}\n\n{items}")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    try:
        found = fragments(FRAGMENTS)
    except BadFragment as error:
        print(error, file=sys.stderr)
        return 1
    if not arguments:
        print(section("Unreleased", found))
        return 0
    text = section(f"{arguments[0]} ({datetime.now(UTC):%Y-%m-%d})", found)
    changelog = ROOT / "CHANGELOG.md"
    changelog.write_text(changelog.read_text("utf-8").replace(MARK, f"{MARK}\n{text}"), "utf-8")
    for paths in found.values():
        for path in paths:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
