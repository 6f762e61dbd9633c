"""Pages have words for everything that can stand in an incident."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import madang.act
from madang.act.incidents.deeds import AgencyState
from madang.act.incidents.incident import SEVERITIES, Status
from madang.web.texts import LANGUAGES, Texts

ACT = Path(madang.act.__file__).parent
CHOSEN = {"published", "unpublished", "step", "stepUndone", "told", "notTold"}
"""Entries whose name is chosen before they are written."""


def entries() -> set[str]:
    modules = sorted((ACT / "incidents").glob("*.py"))
    source = "".join(path.read_text("utf-8") for path in modules)
    return CHOSEN | set(re.findall(r'\bnote\(\s*\w+,\s*\w+,\s*"(\w+)"', source))


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_entries_states_and_severities(language: str) -> None:
    texts = Texts(language)
    assert len(entries()) > 15
    wanted = {f"what_{name}" for name in entries()}
    wanted |= {f"severity_{name}" for name in SEVERITIES}
    wanted |= {f"status_{name}" for name in get_args(Status)}
    wanted |= {f"state_{name}" for name in get_args(AgencyState)}
    known = {key.partition(".")[2] for key in texts if key.startswith("incident.")}
    assert wanted == known
