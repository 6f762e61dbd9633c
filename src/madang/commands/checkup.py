"""``madang doctor``: settings first, then every check, each with how to mend it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from madang import settings_sources
from madang.commands.moving import given_up
from madang.doctor import Finding, examine, mend
from madang.handover import own
from madang.model.errors import MadangError
from madang.settings import Settings

_MARKS = {"good": "[green]✓[/]", "warning": "[yellow]![/]", "bad": "[red]✗[/]"}


def show(
    command_line: dict[str, Any], config: Path | None, console: Console, *, mends: bool = False
) -> bool:
    """Print what is found; return whether nothing is bad.

    Args:
        mends: first remove what crashes left.
    """
    try:
        chosen = settings_sources.load(command_line, config=config)
    except settings_sources.SettingsError as error:
        chosen = Settings()
        findings = [
            Finding("bad", "Settings", str(error), "mend it; see docs/reference/settings.md")
        ]
    else:
        findings = [Finding("good", "Settings", _changed(chosen))]
    if mends:
        findings += _mended(chosen)
    findings += asyncio.run(examine(chosen))
    for finding in findings:
        line = (
            f"{_MARKS[finding.verdict]} [bold]{escape(finding.subject)}[/]: {escape(finding.text)}"
        )
        console.print(line, highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"  → {escape(finding.remedy)}", highlight=False, soft_wrap=True)
    return all(finding.verdict != "bad" for finding in findings)


def _mended(chosen: Settings) -> list[Finding]:
    try:
        with own(chosen.data):
            places = given_up(chosen.data)
            given = [] if places is None else [Finding("good", "Move", _given_up(places))]
            return given + asyncio.run(mend(chosen))
    except (MadangError, OSError) as error:
        return [Finding("bad", "Mending", str(error), "stop the hub, then run this again")]


def _given_up(places: list[str]) -> str:
    """Return what is said of a move, and what it has left where we have no key."""
    text = "a move that was not brought to its end is given up; drop its database"
    return f"{text}, and remove what is below {', '.join(places)}" if places else text


def _changed(chosen: Settings) -> str:
    """Return what is set otherwise than by default."""
    usual = Settings()
    changed = [
        f"{name} = {getattr(chosen, name)}"
        for name in Settings.model_fields
        if getattr(chosen, name) != getattr(usual, name)
    ]
    return ", ".join(changed) or "all as by default"
