"""Prints docs/reference/settings.md, made of the table of settings itself."""

from __future__ import annotations

from typing import Any

from madang.settings import Settings
from madang.settings_sources import PREFIX


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    if default in ([], {}):
        return "(none)"
    if isinstance(default, list):
        default = ",".join(default)
    return "(empty)" if default in (None, "") else f"`{default}`"


def page() -> str:
    """Return the page."""
    lines = [
        "# Settings",
        "",
        "Every setting has a default. A later place wins over an earlier one: the default, the",
        "file `madang.toml` in the current folder (or the one named by `--config` or",
        "`MADANG_CONFIG`), the environment variable, the command line. In the file,",
        "`notify_timeout_s = 2` and `timeout_s = 2` under `[notify]` are the same; a list in a",
        "variable is separated by commas.",
        "A variable with `_FILE` behind its name says in which file the value is, for",
        "`store_password`, `bus_password`, `history_secret`, `edge_key` and `MADANG_SECRET_KEY`:",
        "so containers are given secrets.",
        "",
        "A name that does not exist is an error that names the nearest one that does.",
    ]
    group = ""
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        here = str(extra["group"]) if isinstance(extra, dict) else ""
        if here != group:
            group = here
            lines += ["", f"## {group}", "", "| setting | variable | default | meaning |"]
            lines += ["|---|---|---|---|"]
        lines.append(
            f"| `{name}` | `{PREFIX}{name.upper()}` | {_shown(field.default)} "
            f"| {field.description} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
