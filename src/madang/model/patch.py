"""Changing one attribute instance by a fragment of one: partial update and merge.

Both return a new instance and leave their arguments alone; what did not change is shared.
Source: ETSI GS CIM 009 clauses 5.5.8 (partial update patch), 5.5.12 (merge patch) and 5.6.17;
RFC 7396, with NGSI-LD Null in the place of null.
"""

from __future__ import annotations

from typing import Any

from madang.model import geometry, values
from madang.model.attributes import (
    MEMBERS,
    NULL,
    UNITLESS,
    UNTYPED,
    VALUE_MEMBER,
    VALUE_MEMBERS,
    instances,
)
from madang.model.entity import Attribute, path_of
from madang.model.errors import BadRequestData
from madang.model.instance import check_fits
from madang.model.stamps import Ledger

_NO_CONTENT = frozenset({"type", "datasetId"})


def has_content(fragment: Attribute) -> bool:
    """Tell whether a fragment changes anything but (perhaps) an expiry."""
    return not _NO_CONTENT.issuperset(fragment)


def is_deletion(fragment: Attribute) -> bool:
    """Tell whether a fragment deletes the instance it is about."""
    return fragment.get("type") == NULL


def gather(found: dict[str | None, Attribute]) -> Attribute | list[Attribute]:
    """Return instances by datasetId in the form a document has them."""
    kept = list(found.values())
    return kept if len(kept) > 1 else kept[0]


def by_dataset(attribute: Attribute | list[Attribute] | None) -> dict[str | None, Attribute]:
    """Return the instances of an attribute (or of none) by datasetId."""
    if attribute is None:
        return {}
    return {instance.get("datasetId"): instance for instance in instances(attribute)}


def overwritten(
    name: str, present: Attribute, fragment: Attribute, path: str, ledger: Ledger, since: int
) -> Attribute:
    """Return an instance with the members of a fragment in the place of its own (5.5.8)."""
    kind = present["type"]
    if fragment.get("type", kind) != kind:
        raise BadRequestData(
            f"{name} is a {kind}; a partial update cannot make it a {fragment['type']}"
        )
    result = present.copy()
    for member, value in fragment.items():
        if member not in MEMBERS:
            _put_sub_attribute(result, member, value, path, ledger, since)
        elif value == NULL:
            result.pop(member, None)
        elif member in VALUE_MEMBERS:
            result[member] = _fitting(name, kind, member, value)
        else:
            check_fits(name, kind, member, value)
            result[member] = value
    return result


def merged(
    name: str,
    present: Attribute,
    fragment: Attribute,
    path: str,
    ledger: Ledger,
    since: int,
    lang: str | None,
) -> Attribute:
    """Return an instance with a fragment merged into it, member by member (5.5.12)."""
    fragment = typed(name, fragment, present["type"], lang)
    kind = fragment["type"]
    result = present.copy() if kind == present["type"] else _retyped(present, kind)
    for member, value in fragment.items():
        if member not in MEMBERS:
            _merge_sub_attribute(result, member, value, path, ledger, since, lang)
        elif value == NULL and type(value) is str:
            result.pop(member, None)
        elif member in VALUE_MEMBERS:
            result[member] = _merged_value(kind, result.get(member), value)
        else:
            check_fits(name, kind, member, value)
            result[member] = value
    return _complete(name, result)


def fresh(name: str, fragment: Attribute, lang: str | None) -> Attribute:
    """Return the instance that merging a fragment into nothing makes (5.5.12)."""
    fragment = typed(name, fragment, None, lang)
    kind = fragment["type"]
    result: Attribute = {}
    for member, value in fragment.items():
        if member not in MEMBERS:
            found = {
                dataset: fresh(member, one, lang)
                for dataset, one in by_dataset(value).items()
                if not is_deletion(one)
            }
            if found:
                result[member] = gather(found)
        elif member in VALUE_MEMBERS:
            result[member] = value if kind == "JsonProperty" else patched(None, value)
        elif value != NULL:
            check_fits(name, kind, member, value)
            result[member] = value
    return _complete(name, result)


def patched(target: Any, patch: Any) -> Any:
    """Return a JSON value with a merge patch applied (RFC 7396).

    >>> patched({"a": 1, "b": 2}, {"b": "urn:ngsi-ld:null", "c": 3})
    {'a': 1, 'c': 3}
    """
    if type(patch) is not dict:
        return patch
    result = target.copy() if type(target) is dict else {}
    for key, value in patch.items():
        if type(value) is str and value == NULL:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), value)
    return result


def typed(name: str, fragment: Attribute, kind: str | None, lang: str | None) -> Attribute:
    """Return a fragment with the type it has or takes from the instance it meets."""
    given = fragment.get("type")
    if given is None:
        if kind is None:
            raise BadRequestData(f"{name} is new and has no value; give it one, such as value")
        return {"type": kind, **fragment}
    if given == UNTYPED:
        return _of_type(name, fragment, kind or "Property", lang)
    if (
        given == "Property"
        and kind == "LanguageProperty"
        and lang
        and _is_text(fragment.get("value"))
    ):
        return _of_type(name, fragment, kind, lang)
    return fragment


def _of_type(name: str, fragment: Attribute, kind: str, lang: str | None) -> Attribute:
    """Return a value that stands alone as an attribute of a type (clause 4.5.4, ``lang``)."""
    result = {member: value for member, value in fragment.items() if member != "value"}
    result["type"] = kind
    value = fragment["value"]
    if kind == "LanguageProperty":
        value = {lang or "@none": value}
    elif kind == "VocabProperty":
        raise BadRequestData(f'{name} is a VocabProperty; give its terms as {{"vocab": ...}}')
    result[VALUE_MEMBER[kind]] = values.READERS[kind](value, name, True, 1)
    return result


def _is_text(value: object) -> bool:
    return type(value) is str or (
        type(value) is list and bool(value) and all(type(item) is str for item in value)
    )


def _fitting(name: str, kind: str, member: str, value: Any) -> Any:
    if member != VALUE_MEMBER[kind]:
        raise BadRequestData(f"{name} is a {kind}; it cannot have the member {member}")
    return geometry.read(value, name) if kind == "GeoProperty" else value


def _merged_value(kind: str, before: Any, value: Any) -> Any:
    return value if kind == "GeoProperty" else patched(before, value)


def _retyped(present: Attribute, kind: str) -> Attribute:
    """Return an instance about to become another type, without what belonged to the old one."""
    gone = VALUE_MEMBERS | {"valueType", "objectType"}
    if kind in UNITLESS:
        gone |= {"unitCode"}
    kept = {member: value for member, value in present.items() if member not in gone}
    kept["type"] = kind
    return kept


def _complete(name: str, instance: Attribute) -> Attribute:
    kind = instance["type"]
    member = VALUE_MEMBER[kind]
    if member not in instance:
        raise BadRequestData(f"{name} is a {kind}; it must have the member {member}")
    if kind == "LanguageProperty" and not instance[member]:
        raise BadRequestData(f"{name} would be left without any language; delete it instead")
    return instance


def _put_sub_attribute(
    result: Attribute, name: str, given: Any, path: str, ledger: Ledger, since: int
) -> None:
    """Put a whole sub-attribute in, or take it out."""
    before = by_dataset(result.get(name))
    after = {dataset: one for dataset, one in by_dataset(given).items() if not is_deletion(one)}
    for dataset, one in before.items():
        if dataset not in after:
            ledger.remove(path_of(name, one, path))
    for dataset, one in after.items():
        own = path_of(name, one, path)
        if dataset in before:
            ledger.replace(own, before[dataset], one, since)
        else:
            ledger.add(own)
    if after:
        result[name] = gather(after)
    else:
        result.pop(name, None)


def _merge_sub_attribute(
    result: Attribute,
    name: str,
    given: Any,
    path: str,
    ledger: Ledger,
    since: int,
    lang: str | None,
) -> None:
    found = by_dataset(result.get(name))
    for one in instances(given):
        merge_instance(found, name, one, path, ledger, since, lang)
    if found:
        result[name] = gather(found)
    else:
        result.pop(name, None)


def merge_instance(
    found: dict[str | None, Attribute],
    name: str,
    fragment: Attribute,
    parent: str,
    ledger: Ledger,
    since: int,
    lang: str | None,
) -> None:
    """Merge one instance into those of its attribute, changing ``found``."""
    dataset = fragment.get("datasetId")
    path = path_of(name, fragment, parent)
    present = found.get(dataset)
    if is_deletion(fragment):
        if found.pop(dataset, None) is not None:
            ledger.remove(path)
    elif present is None:
        found[dataset] = fresh(name, fragment, lang)
        ledger.add(path)
    elif has_content(fragment):
        created = ledger.created(path, since)
        found[dataset] = merged(name, present, fragment, path, ledger, created, lang)
        ledger.touch(path, since)
    else:
        ledger.reschedule(path, since)
