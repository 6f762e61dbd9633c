"""Holds entities to JSON Schemas, such as those of the Smart Data Models, before they are loaded.

The schemas lie in a folder, as their publishers lay them out (``Parking/ParkingSpot/schema.json``);
nothing is fetched. Where one refers to another by its public URL, the file of that name is taken
whose folders agree best with the URL. An entity is looked at as key-values (ETSI GS CIM 009 clause
4.5.4), which is what these schemas describe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import jsonschema_rs
import orjson

from madang.model.attributes import VALUE_MEMBER
from madang.model.errors import MadangError
from madang.sense.files.entities import Failure, Loadable

NAME: Final = "schema.json"
"""Of the schema of a type; other files hold definitions that several share."""
MOST_FILES: Final = 20_000
LARGEST: Final = 16 * 1024 * 1024  # [bytes]
MOST_FAULTS: Final = 20  # of one entity that are told
_LONGEST: Final = 240  # [characters] of what is told of one fault
_ABOVE: Final = 3  # folders above a single schema in which what it refers to is looked for


class SchemaError(MadangError):
    """Schemas cannot be used."""


class Fault(NamedTuple):
    """A rule that an entity breaks."""

    path: str
    """Where, such as ``location.coordinates[0]``; empty for the entity itself."""
    reason: str


class Schemas:
    """The schemas of entity types.

    Args:
        place: a folder with schemas in any folders below it, or one schema, to which then every
            entity is held.

    Raises:
        SchemaError: there is none, or one cannot be read.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._files = _files(place)
        self._by_type: dict[str, Path] = {}
        self._validators: dict[Path, jsonschema_rs.Validator] = {}
        if place.is_file():
            return
        for file in sorted(path for paths in self._files.values() for path in paths):
            if file.name == NAME:
                for name in (file.parent.name, *_types(_read(file))):
                    self._by_type.setdefault(name, file)
        if not self._by_type:
            raise SchemaError(
                f"{place} has no {NAME} in any folder; expected folders such as"
                " Parking/ParkingSpot with one in each"
            )

    def faults(self, entity: dict[str, Any]) -> list[Fault]:
        """Return the rules that an entity breaks, in any representation; none if it is good.

        Raises:
            SchemaError: the schema of its type cannot be used.
        """
        plain = key_values(entity)
        kinds = plain.get("type")
        found: list[Fault] = []
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            found += self._faults(plain | {"type": kind}, str(kind))
        return found[:MOST_FAULTS]

    def checked(self, items: Iterable[Loadable | Failure]) -> Iterator[Loadable | Failure]:
        """Yield what is to be loaded; in place of entities that break rules, why."""
        for item in items:
            faults = [] if isinstance(item, Failure) else self.faults(orjson.loads(item.body))
            if isinstance(item, Failure) or not faults:
                yield item
            else:
                for path, reason in faults:
                    yield Failure(item.row, path, f"{reason} in {item.id}")

    def _faults(self, entity: dict[str, Any], kind: str) -> Iterator[Fault]:
        file = self._place if self._place.is_file() else self._by_type.get(kind)
        if file is None:
            yield Fault("type", f"there is no schema of the type {kind} in {self._place}")
            return
        for error in self._validator(file).iter_errors(entity):
            closest = _closest(error)
            text = closest.message
            if len(text) > _LONGEST:
                text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
            yield Fault(_path(closest), f"{text} (rule {closest.kind.name!r} of {kind})")

    def _validator(self, file: Path) -> jsonschema_rs.Validator:
        found = self._validators.get(file)
        if found is None:
            try:
                found = jsonschema_rs.validator_for(
                    _read(file), validate_formats=True, retriever=self._retrieve
                )
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
                text = str(error).partition("\n")[0]
                raise SchemaError(f"the schema {file} cannot be used: {text}") from None
            self._validators[file] = found
        return found

    def _retrieve(self, url: str) -> Any:
        """Return the schema that is published at a URL, from its file."""
        parts = [part.lower().removeprefix("datamodel.") for part in urlsplit(url).path.split("/")]
        files = self._files.get(parts[-1], ())
        if not files:
            raise SchemaError(f"{url} is referred to, and no file of that name is there")
        return _read(max(files, key=lambda file: _agreement(file, parts)))


def key_values(entity: dict[str, Any]) -> dict[str, Any]:
    """Return an entity as key-values, its names without the IRI they begin with.

    Of several instances of an attribute the first one stands for all; of a text in several
    languages, the first.
    """
    plain: dict[str, Any] = {}
    for name, member in entity.items():
        if name in ("id", "@id"):
            plain["id"] = member
        elif name in ("type", "@type"):
            kinds = member if isinstance(member, list) else [member]
            names = [_short(kind) for kind in kinds]
            plain["type"] = names[0] if len(names) == 1 else names
        elif name != "@context":
            plain[_short(name)] = _value(member)
    return plain


def _value(member: Any) -> Any:
    """Return the value of an attribute; what is none is one already."""
    if isinstance(member, list) and member and all(_held_by(one) for one in member):
        member = member[0]
    holder = _held_by(member)
    if holder is None:
        return member
    value = member[holder]
    if isinstance(value, dict):
        if holder == "languageMap":
            return next(iter(value.values()), "")
        if "@value" in value:  # {"@type": "DateTime", "@value": "..."}
            return value["@value"]
    return value


def _held_by(member: Any) -> str | None:
    """Return the member of an attribute that holds its value; None if it is no attribute."""
    if not isinstance(member, dict):
        return None
    if "type" in member:
        holder = VALUE_MEMBER.get(str(member["type"]))
        return holder if holder in member else None
    return next((holder for holder in VALUE_MEMBER.values() if holder in member), None)


def _short(name: Any) -> str:
    return str(name).rstrip("/#").rsplit("/", 1)[-1].rsplit("#", 1)[-1]


# --- faults -------------------------------------------------------------------------------------


def _closest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Return what is wrong by the alternative that is nearest to being met."""
    branches: Sequence[Sequence[jsonschema_rs.ValidationError]] = getattr(error.kind, "context", ())
    broken = [branch for branch in branches if branch]
    if not broken or error.kind.name not in ("anyOf", "oneOf"):
        return error
    return _closest(min(broken, key=_distance)[0])


def _distance(branch: Sequence[jsonschema_rs.ValidationError]) -> tuple[bool, int, int]:
    """Return how far an alternative is from being met.

    One of another kind is farthest, one that fails deep within is nearest.
    """
    is_other = any(error.kind.name in ("enum", "const") for error in branch)
    return is_other, len(branch), -max(len(error.instance_path) for error in branch)


def _path(error: jsonschema_rs.ValidationError) -> str:
    """Return where an error is; what is missing, is where it should be."""
    text = ""
    parts: list[str | int] = list(error.instance_path)
    if error.kind.name == "required":
        parts.append(str(error.kind.value))
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


# --- files --------------------------------------------------------------------------------------


def _files(place: Path) -> dict[str, list[Path]]:
    """Return all files with schemas, by their names in lower case."""
    if not place.exists():
        raise SchemaError(f"{place} is not there; expected a JSON Schema or a folder with some")
    found: dict[str, list[Path]] = {}
    if place.is_file():
        above = place.absolute().parents[:_ABOVE]
        paths = [
            path
            for folder in above
            for part in ("*.json", "*/*.json")
            for path in folder.glob(part)
        ]
    else:
        paths = list(place.rglob("*.json"))
    if len(paths) > MOST_FILES:
        raise SchemaError(f"{place} has more than {MOST_FILES:,} JSON files; name a folder in it")
    for path in paths:
        found.setdefault(path.name.lower(), []).append(path)
    return found


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > LARGEST:
            raise SchemaError(f"the schema {file} has more than {LARGEST:,} bytes")
        return orjson.loads(file.read_bytes())
    except OSError as error:
        raise SchemaError(f"the schema {file} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise SchemaError(f"the schema {file} is no JSON: {error}") from None


def _types(schema: Any) -> list[str]:
    """Return the entity types that a schema says it is for."""
    if not isinstance(schema, dict):
        return []
    named: list[str] = []
    for part in (schema, *(one for one in schema.get("allOf", ()) if isinstance(one, dict))):
        match part.get("properties"):
            case {"type": {"enum": [*names]}}:
                named += [name for name in names if isinstance(name, str)]
    return named


def _agreement(file: Path, parts: Sequence[str]) -> int:
    """Return how many folders above a file are those of a URL, from the last one up."""
    folders = [part.lower() for part in file.parts]
    wanted, count = iter(reversed(parts[:-1])), 0
    for folder in reversed(folders[:-1]):
        if next(wanted, None) != folder:
            break
        count += 1
    return count
