"""Changes of a guessed mapping that a person asks for. Pure: each returns a new mapping."""

from __future__ import annotations

from typing import Any

from madang.sense.files.mapping import ROW, Attribute, Mapping, MappingError, is_name, placeholders


def with_type(mapping: Mapping, name: str) -> Mapping:
    """Give the entities another type; it is also part of their ids."""
    if not is_name(name):
        raise MappingError(f"{name!r} cannot be an entity type; expected a word such as Device")
    part = mapping.entity[0]
    _, _, rest = part.id.removeprefix("urn:ngsi-ld:").partition(":")
    return _entity(mapping, type=name, id=f"urn:ngsi-ld:{name}:{rest}")


def with_id(mapping: Mapping, column: str) -> Mapping:
    """Take the ids from another column; ``#`` gives every row its own entity."""
    if column != ROW and set("{}") & set(column):
        raise MappingError(f"the column {column!r} has braces in its name and cannot be the id")
    return _entity(mapping, id=f"urn:ngsi-ld:{mapping.entity[0].type}:{{{column}}}")


def with_zone(mapping: Mapping, zone: str) -> Mapping:
    """Take times that name no zone as of another one."""
    if mapping.observed is None:
        raise MappingError("no column says when rows were measured")
    return _checked(mapping, observed=mapping.observed.model_dump() | {"zone": zone})


def renamed(mapping: Mapping, old: str, new: str) -> Mapping:
    """Give an attribute another name, at its place."""
    if new != old and new in mapping.attributes:
        raise MappingError(f"there is an attribute {new} already")
    found = {new if name == old else name: one for name, one in mapping.attributes.items()}
    return _checked(mapping, attributes=_dumped(found))


def changed(mapping: Mapping, name: str, **values: Any) -> Mapping:
    """Change what is said of an attribute, such as its unit."""
    one = mapping.attributes[name].model_dump() | values
    return _checked(mapping, attributes=_dumped(mapping.attributes) | {name: one})


def without(mapping: Mapping, name: str) -> Mapping:
    """Leave an attribute out."""
    found = {key: one for key, one in mapping.attributes.items() if key != name}
    return _checked(mapping, attributes=_dumped(found))


def id_column(mapping: Mapping) -> str | None:
    """Return the column of the ids; None if all rows are of one entity."""
    found = placeholders(mapping.entity[0].id)
    return found[0] if found else None


def columns_of(attribute: Attribute) -> list[str]:
    """Return the columns that an attribute is made of."""
    if attribute.column is not None:
        return [attribute.column]
    texts = (attribute.template or "", *attribute.members.values())
    return [column for text in texts for column in placeholders(text)]


def _dumped(attributes: dict[str, Attribute]) -> dict[str, Any]:
    return {name: one.model_dump() for name, one in attributes.items()}


def _entity(mapping: Mapping, **values: Any) -> Mapping:
    return _checked(mapping, entity=[mapping.entity[0].model_dump() | values])


def _checked(mapping: Mapping, **values: Any) -> Mapping:
    try:
        return Mapping.model_validate(mapping.model_dump() | values)
    except ValueError as error:
        text = str(error).splitlines()[-2].strip() if len(str(error).splitlines()) > 2 else ""
        reason = text.split("[type=")[0].removeprefix("Value error, ").strip()
        raise MappingError(reason or "that is not possible in a mapping") from None
