"""docs/reference/security.md: each test it names is there, each item has one or says why not."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "security.md"
TEST = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)


def rows() -> list[list[str]]:
    """Return the cells of each item."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "item" and not row[0].startswith("---")]


def known() -> set[str]:
    """Return the names of all tests there are."""
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for file in files for name in DEFINED.findall(file.read_text(encoding="utf-8"))}


def test_every_test_that_the_security_page_names_exists() -> None:
    named = set(TEST.findall(PAGE.read_text(encoding="utf-8")))
    assert len(named) > 80
    assert named - known() == set()


def test_every_item_names_a_test_or_says_that_it_is_not_met() -> None:
    for row in rows():
        assert len(row) == 4, row
        assert TEST.search(row[3]) or row[3] == "by reading" or "**not met**" in row[2], row


def test_every_attack_is_in_the_table() -> None:
    named = set(TEST.findall(PAGE.read_text(encoding="utf-8")))
    modules = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {
        Path(__file__).name
    }
    for module in modules:
        source = (Path(__file__).parent / module).read_text(encoding="utf-8")
        assert named & set(re.findall(r"def (test_\w+)", source)), f"{module} shows nothing"
