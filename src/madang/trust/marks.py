"""Marks: which attributes of which types are personal or internal, and whose they are.

Some come with Madang (``policies/personal.toml``, for the Smart Data Models); a city adds its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from madang.model.attributes import ENTITY_MEMBERS
from madang.model.errors import BadRequestData
from madang.model.names import check_name, shown

Sensitivity = Literal["personal", "internal"]

MOST_TYPES = 50  # of one mark
MOST_MARKS = 1000  # of the city's own
LONGEST_KEEP = 500  # [characters]

_SMART_DATA_MODELS = "https://smartdatamodels.org"


@dataclass(frozen=True, slots=True)
class Mark:
    """An attribute that not everybody who sees the entity may see. Names are canonical."""

    attribute: str
    types: tuple[str, ...]
    """Of entities of one of these types, at least one."""
    sensitivity: Sensitivity = "personal"
    subject: str = ""
    """The Relationship that names the person; nothing if the entity is the person."""
    keep: str = ""
    """The law that makes us keep it even if the person wants it erased; or nothing."""

    @property
    def id(self) -> str:
        return " ".join((self.attribute, *self.types))

    def body(self) -> dict[str, Any]:
        """Return the mark as JSON."""
        return {**asdict(self), "types": list(self.types)}


def mark_of(body: Mapping[str, Any]) -> Mark:
    """Return the mark that a JSON object describes.

    Raises:
        BadRequestData: it describes none; the text names the member.
    """
    if unknown := body.keys() - {"attribute", "types", "sensitivity", "subject", "keep"}:
        raise BadRequestData(
            f"a mark has no member {shown(min(unknown))}; "
            "expected attribute, types, sensitivity, subject, keep"
        )
    types = body.get("types")
    if not isinstance(types, list | tuple) or not 1 <= len(types) <= MOST_TYPES:
        raise BadRequestData(
            f"types must be an array of 1 to {MOST_TYPES} entity types, not {shown(types)}; "
            "a mark says in entities of which types the attribute is sensitive"
        )
    sensitivity = body.get("sensitivity", "personal")
    if sensitivity not in get_args(Sensitivity):
        raise BadRequestData(f"sensitivity must be personal or internal, not {shown(sensitivity)}")
    subject, keep = body.get("subject", ""), body.get("keep", "")
    if not isinstance(keep, str) or len(keep) > LONGEST_KEEP:
        raise BadRequestData(
            f"keep must name a law in at most {LONGEST_KEEP} characters, not {shown(keep)}"
        )
    attribute = check_name(body.get("attribute"), "attribute")
    if attribute in ENTITY_MEMBERS:
        raise BadRequestData(
            f"{attribute} is no attribute and cannot be marked; let a policy leave out the entities"
        )
    return Mark(
        attribute=attribute,
        types=tuple(sorted({check_name(name, "types") for name in types})),
        sensitivity=sensitivity,
        subject=subject and check_name(subject, "subject"),
        keep=keep,
    )


@cache
def shipped() -> tuple[Mark, ...]:
    """Return the marks that come with Madang."""
    text = (files("madang.trust") / "policies" / "personal.toml").read_text("utf-8")
    found = [mark for entry in tomllib.loads(text)["marks"] for mark in _named(entry)]
    return tuple(sorted(found, key=lambda mark: mark.id))


def _named(entry: dict[str, Any]) -> Iterator[Mark]:
    """Yield the marks of an entry, under the short names and the IRIs of its model's @context."""
    bases = ("", f"{_SMART_DATA_MODELS}/", f"{_SMART_DATA_MODELS}/{entry['model']}/")
    types = [f"{base}{name}" for name in entry["types"] for base in (bases[0], bases[2])]
    subject = entry.get("subject", "")
    shared = {"owner"}  # what the models have in common is not below the name of the model
    for name in entry["attributes"]:
        for base in bases:
            named = subject and (bases[1] if base and subject in shared else base and bases[2])
            yield mark_of({"attribute": base + name, "types": types, "subject": named + subject})
