"""Where the values of settings come from; the later wins.

Default, where the data folder says that its city went, ``madang.toml``, ``MADANG_*`` variables,
command line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from madang import settings_moved
from madang.model.errors import MadangError
from madang.settings import TABLES, Settings

PREFIX = "MADANG_"
CONFIG_FILE = "madang.toml"
NOT_SETTINGS = (
    "MADANG_URL", "MADANG_CONFIG", "MADANG_KEY", "MADANG_SECRET_KEY", "MADANG_SECRET_KEY_FILE",
)  # fmt: skip
"""Variables that the command line and its clients read; they are no settings of the hub."""
IN_A_FILE = "_file"
"""Ends the name of a variable that names a file with a password, as Compose and others give it."""
PASSWORDS = frozenset(
    name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
)
TEST_PREFIX = "MADANG_TEST_"


class SettingsError(MadangError):
    """A setting is unknown or has a value that cannot be used; a person must mend it."""


def data_folder() -> Path:
    """Return the data folder that a hub started here would use; the default if settings are bad."""
    try:
        return load().data
    except SettingsError:
        return Path(Settings.model_fields["data"].default)


def load(
    command_line: Mapping[str, Any] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings in force.

    Args:
        command_line: values given as options; None values were not given.
        config: settings file; without it ``MADANG_CONFIG``, else ``madang.toml`` if there is one.
        environ: variables; those of the process if None.

    Raises:
        SettingsError: a name is unknown, a value is unusable, or the named file cannot be read.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in (command_line or {}).items() if value is not None}
    layers = [
        _read_file(config, environ),
        _read_environment(environ),
        {name: (value, "--" + name.replace("_", "-")) for name, value in given.items()},
    ]
    merged = {name: found for layer in layers for name, found in layer.items()}
    merged |= _read_moved(merged)
    try:
        return Settings.model_validate({name: value for name, (value, _) in merged.items()})
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(error, merged))) from None


Layer = dict[str, tuple[Any, str]]
"""Values by name of the setting, each with where it was written."""


def _read_file(config: Path | None, environ: Mapping[str, str]) -> Layer:
    named = config or (Path(environ["MADANG_CONFIG"]) if environ.get("MADANG_CONFIG") else None)
    path = named or Path(CONFIG_FILE)
    if named is None and not path.exists():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings file {path} is not valid TOML: {error}") from error
    values = dict(_flatten(content))
    for name in values:
        _check_known(name, f"{name} in {path}", "")
    return {name: (value, f"{name} in {path}") for name, value in values.items()}


def _read_moved(merged: Layer) -> Layer:
    """Return where a city is now that has left its data folder, unless that is set."""
    try:
        data = (
            Path(merged["data"][0]) if "data" in merged else Settings.model_fields["data"].default
        )
        moved = settings_moved.read(data)
    except TypeError:  # it is no path; that is told with all else
        return {}
    if moved is None or not moved.is_ended or merged.get("store", ("",))[0]:
        return {}
    place = str(data / settings_moved.FILE)
    found: Layer = {"store": (moved.store, place)}
    if moved.history_path and "history_path" not in merged:
        found["history_path"] = (moved.history_path, place)
        region = {
            "history_endpoint": (moved.history_endpoint, place),
            "history_region": (moved.history_region, place),
        }
        if moved.history_region:
            found |= {name: one for name, one in region.items() if name not in merged}
    return found


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Read ``[notify] timeout_s`` as ``notify_timeout_s``, so that a file may use tables."""
    for key, value in table.items():
        name = f"{prefix}{key}".replace("-", "_")
        if isinstance(value, dict) and name not in TABLES:
            yield from _flatten(value, f"{name}_")
        else:
            yield name, value


def _read_environment(environ: Mapping[str, str]) -> Layer:
    found: Layer = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        if variable.startswith(TEST_PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name.endswith(IN_A_FILE) and name.removesuffix(IN_A_FILE) in PASSWORDS:
            name, value = name.removesuffix(IN_A_FILE), _password(variable, value)
        _check_known(name, variable, PREFIX)
        if name in found:
            raise SettingsError(f"{found[name][1]} and {variable} are both set; leave one out")
        found[name] = (value, variable)
    return found


def _password(variable: str, file: str) -> str:
    try:
        return Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file that {variable} names cannot be read: {error}") from error


def _check_known(name: str, place: str, prefix: str) -> None:
    if name in Settings.model_fields:
        return
    near = get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
    right = (prefix + near[0].upper() if prefix else near[0]) if near else ""
    hint = f"; did you mean {right}?" if near else "; `madang doctor` lists all settings"
    raise SettingsError(f"there is no setting {place}{hint}")


def _explain(error: ValidationError, merged: Layer) -> Iterator[str]:
    for detail in error.errors():
        reason = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            yield reason
            continue
        name = str(detail["loc"][0])
        place = merged[name][1] if name in merged else name
        if name in TABLES:  # the input may hold a secret
            inside = ".".join(str(part) for part in detail["loc"])
            yield f"{inside} (set by {place}): {reason[0].lower()}{reason[1:]}"
            continue
        yield f"{place} is {detail['input']!r}: {reason[0].lower()}{reason[1:]}"
