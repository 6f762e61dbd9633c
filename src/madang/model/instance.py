"""One attribute as a client writes it, normalized or concise, into the form of a document.

This is the general way, for every kind of attribute and every representation; the usual ones take a
short cut in :mod:`madang.model.normalize`.
Source: ETSI GS CIM 009 clauses 4.5.2 to 4.5.24, 4.6 and 5.5.4.
"""

from __future__ import annotations

from typing import Any

from madang.model import geometry, time, values
from madang.model.attributes import (
    COMMON_MEMBERS,
    LINKS,
    MEMBERS,
    NULL,
    OUTPUT_MEMBERS,
    PROOF,
    RESERVED,
    SEALED_MEMBERS,
    SYSTEM_MEMBERS,
    TYPE_OF_MEMBER,
    UNITLESS,
    UNTYPED,
    VALUE_MEMBER,
    VALUE_MEMBERS,
)
from madang.model.context import Context
from madang.model.entity import CHILD, INSTANCE, Attribute
from madang.model.errors import BadRequestData
from madang.model.names import check_uri, shown

Expires = dict[str, int | None]
"""``expiresAt`` by path; None takes an old one away."""

Json = dict[str, Any]


class Reader:
    """Reads the attributes of one request; collects their ``expiresAt`` on the way.

    ``nulls`` lets NGSI-LD Null delete things, ``merging`` (which implies it) also inside values and
    lets an instance be incomplete, ``simplified`` means that values stand alone (clause 4.5.4).
    """

    __slots__ = ("expires", "merging", "names", "nulls", "simplified")

    def __init__(
        self,
        names: Context,
        expires: Expires,
        nulls: bool = False,
        merging: bool = False,
        simplified: bool = False,
    ) -> None:
        self.names = names
        self.expires = expires
        self.nulls = nulls
        self.merging = merging
        self.simplified = simplified

    def attribute(
        self, name: str, raw: object, parent: str = "", depth: int = 1
    ) -> Attribute | list[Attribute]:
        """Return an attribute in document form: an instance, or a list of several."""
        if depth > values.MAX_DEPTH:
            raise BadRequestData(f"{name} is nested deeper than {values.MAX_DEPTH} levels")
        if self.simplified:
            return self._simplified(name, raw, parent, depth)
        if isinstance(raw, list) and any(map(is_instance, raw)):
            return self._several(name, raw, parent, depth)
        if isinstance(raw, dict):
            return self._object(name, raw, parent, depth)
        return self._bare(name, raw, depth)

    def part(self, name: str, raw: Json) -> Attribute:
        """Return the body of a partial attribute update: only the given members (5.6.4)."""
        kind = self._explicit(name, raw)
        if kind == "":
            return self._bare(name, raw, 1)
        return self._instance(name, raw, kind, "", 1, partial=True)

    def term(self, term: str) -> str:
        """Return the canonical name of an attribute.

        Raises:
            BadRequestData: it is no valid name, or a word of the core that names no attribute.
        """
        name = self.names.expand(term)
        if name in RESERVED:
            raise BadRequestData(
                f"{term} is a reserved word and cannot be the name of an attribute"
            )
        return name

    def _several(
        self, name: str, raw: list[Any], parent: str, depth: int
    ) -> Attribute | list[Attribute]:
        found: dict[str | None, Attribute] = {}
        for item in raw:
            if not is_instance(item):
                raise BadRequestData(f"{name} mixes attribute instances with other values")
            one = self._object(name, item, parent, depth)
            dataset = one.get("datasetId")
            if dataset in found:
                which = f"the datasetId {dataset}" if dataset else "no datasetId"
                raise BadRequestData(f"{name} has two instances with {which}; one is allowed")
            found[dataset] = one
        instances = list(found.values())
        return instances if len(instances) > 1 else instances[0]

    def _object(self, name: str, raw: Json, parent: str, depth: int) -> Attribute:
        kind = self._explicit(name, raw)
        if kind is None:
            kind = self._inferred(name, raw)
            if kind is None and not (self.merging and _is_part(raw)):
                return self._bare(name, raw, depth)
        elif kind == "":
            return self._bare(name, raw, depth)
        return self._instance(name, raw, kind, parent, depth, partial=self.merging)

    def _explicit(self, name: str, raw: Json) -> str | None:
        """Return the attribute type that is given; None for none, empty for a bare geometry."""
        if "type" in raw:
            kind = raw["type"]
        elif "@type" in raw:
            kind = raw["@type"]
        else:
            return None
        if type(kind) is str:
            if kind in VALUE_MEMBER:
                return kind
            if kind in geometry.TYPES or "geometries" in raw:
                return ""
            canonical = self.names.expand(kind) if ":" in kind else kind
            if canonical in VALUE_MEMBER:
                return canonical
        raise BadRequestData(
            f"{name} has the type {shown(kind)}, which is no type of attribute; use one of "
            + ", ".join(VALUE_MEMBER)
        )

    def _inferred(self, name: str, raw: Json) -> str | None:
        """Return the type that a value member gives away (concise input), if there is one."""
        for member in raw:
            if member in VALUE_MEMBERS:
                if member == "value" and geometry.is_geometry(raw["value"]):
                    return "GeoProperty"
                return TYPE_OF_MEMBER[member]
        if not self.merging and not raw.keys().isdisjoint(COMMON_MEMBERS):
            raise BadRequestData(f"{name} has no value; give it a member such as value or object")
        return None

    def _bare(self, name: str, raw: object, depth: int) -> Attribute:
        """Return the attribute that a value alone stands for (clause 4.5.2.3)."""
        if raw == NULL and type(raw) is str:
            return self._deletion(name, None)
        if type(raw) is dict and ("geometries" in raw or geometry.is_geometry(raw)):
            return {"type": "GeoProperty", "value": values.place(raw, name, False, depth)}
        if name == PROOF:
            raise BadRequestData(f"{PROOF} needs a value that is an object")
        values.check(raw, name, self.merging, depth)
        return {"type": "Property", "value": raw}

    def _deletion(self, name: str, dataset: str | None) -> Attribute:
        if not self.nulls:
            raise BadRequestData(
                f"{name} is {NULL}, which is only allowed where it deletes something"
            )
        return {"type": NULL} if dataset is None else {"type": NULL, "datasetId": dataset}

    def _instance(
        self, name: str, raw: Json, kind: str | None, parent: str, depth: int, partial: bool
    ) -> Attribute:
        dataset = _dataset(name, raw)
        own = name if dataset is None else f"{name}{INSTANCE}{dataset}"
        path = f"{parent}{CHILD}{own}" if parent else own
        value_member = _value_member(name, raw, kind)
        if value_member is not None and _is_null(raw[value_member]):
            return self._deletion(name, dataset)
        if value_member is None and not partial:
            raise BadRequestData(
                f"{name} is a {kind}; it must have the member {VALUE_MEMBER[kind or 'Property']}"
            )
        instance: Attribute = {} if kind is None else {"type": kind}
        for member, value in raw.items():
            if member not in MEMBERS:
                self._sub_attribute(instance, name, member, value, path, depth, partial)
            elif member == value_member:
                instance[member] = self._value(name, kind, member, value, depth)
            elif member == "expiresAt":
                self._expires(name, value, path)
            elif member == "datasetId":
                if dataset is not None:
                    instance["datasetId"] = dataset
            elif member != "type" and member not in SYSTEM_MEMBERS:
                self._describing(instance, name, kind, member, value)
        return instance

    def _sub_attribute(
        self,
        instance: Attribute,
        name: str,
        member: str,
        value: object,
        path: str,
        depth: int,
        partial: bool,
    ) -> None:
        if member == "@type":
            return
        if member == "@context":
            raise BadRequestData(f"{name} holds an @context; only a whole request has one")
        sub = self.term(member)
        if sub in instance:
            raise BadRequestData(f"{name} has the sub-attribute {member} twice")
        found = self.attribute(sub, value, path, depth + 1)
        # Where an attribute is replaced whole, one that is deleted is simply not there.
        if partial or not _is_deletion(found):
            instance[sub] = found

    def _expires(self, name: str, value: object, path: str) -> None:
        if value == NULL and self.nulls:
            self.expires[path] = None
        else:
            self.expires[path] = time.parse(time.checked(value, f"{name}.expiresAt"))

    def _describing(
        self, instance: Attribute, name: str, kind: str | None, member: str, value: object
    ) -> None:
        """Check and keep a member that says something about the value."""
        if member in OUTPUT_MEMBERS:
            raise BadRequestData(f"{name} has the member {member}, which only answers have")
        if member in SEALED_MEMBERS and name != PROOF:
            raise BadRequestData(f"{name} has the member {member}, which only {PROOF} may have")
        if type(value) is not str and (member != "objectType" or type(value) is not list):
            raise BadRequestData(f"{name}.{member} must be a string")
        if value == NULL:
            if not self.nulls:
                raise BadRequestData(f"{name}.{member} is {NULL}; only an update may delete it")
        elif member == "observedAt":
            time.checked(value, f"{name}.observedAt")
        elif member in ("objectType", "entityTypeSealed"):
            value = self._vocabulary(name, member, value)
        check_fits(name, kind, member, value)
        instance[member] = value

    def _value(self, name: str, kind: str | None, member: str, value: Any, depth: int) -> Any:
        kind = kind or TYPE_OF_MEMBER[member]
        if kind == "VocabProperty":
            return self._vocabulary(name, member, value)
        if name == PROOF and type(value) is not dict:
            raise BadRequestData(f"{PROOF} needs a value that is an object")
        return values.READERS[kind](value, name, self.merging, depth)

    def _vocabulary(self, name: str, member: str, value: Any) -> Any:
        """Return terms as canonical names (VocabProperty, ``objectType``)."""
        terms = value if type(value) is list else [value]
        if terms and all(type(term) is str and term and term != NULL for term in terms):
            expand = self.names.expand if member != "vocab" else self.names.expand_value
            found = [expand(term) for term in terms]
            return found if type(value) is list else found[0]
        raise BadRequestData(f"{name}.{member} must be a term or an array of terms")

    def _simplified(
        self, name: str, raw: Any, parent: str, depth: int
    ) -> Attribute | list[Attribute]:
        """Read a value that stands alone (clauses 4.5.4 and 4.5.5.3)."""
        if type(raw) is dict and len(raw) == 1:
            member, value = next(iter(raw.items()))
            if member == "dataset" and type(value) is dict and value:
                return self._datasets(name, value, parent, depth)
            if member in ("languageMap", "vocab", "json"):
                kind = TYPE_OF_MEMBER[member]
                return self._instance(name, raw, kind, parent, depth, partial=False)
        found = self._bare(name, raw, depth)
        if found["type"] == "Property":
            found["type"] = UNTYPED
        return found

    def _datasets(
        self, name: str, raw: Json, parent: str, depth: int
    ) -> Attribute | list[Attribute]:
        instances: list[Attribute] = []
        for dataset, value in raw.items():
            one = self._simplified(name, value, parent, depth + 1)
            if isinstance(one, list) or "datasetId" in one:
                raise BadRequestData(f"{name} has a dataset inside a dataset")
            if dataset != "@none":
                one["datasetId"] = check_uri(dataset, f"{name}.dataset")
            instances.append(one)
        return instances if len(instances) > 1 else instances[0]


def _is_null(value: object) -> bool:
    """Tell whether a value member is NGSI-LD Null, in the form of a languageMap too (4.5.0)."""
    if type(value) is dict:
        return len(value) == 1 and value.get("@none") == NULL
    return value == NULL


def _is_deletion(attribute: Attribute | list[Attribute]) -> bool:
    return type(attribute) is dict and attribute.get("type") == NULL


def is_instance(item: object) -> bool:
    """Tell whether an array element is an attribute instance and no element of a plain value."""
    if type(item) is not dict:
        return False
    kind = item.get("type", item.get("@type"))
    if type(kind) is str and (kind in VALUE_MEMBER or kind.startswith(_ETSI)):
        return True
    return kind is None and not item.keys().isdisjoint(VALUE_MEMBERS)


_ETSI = ("https://uri.etsi.org/ngsi-ld/", "ngsi-ld:")


def _is_part(raw: Json) -> bool:
    """Tell whether an object without type and value is part of an instance, not a value itself."""
    if not raw.keys().isdisjoint(COMMON_MEMBERS):
        return True
    return bool(raw) and all(is_instance(value) or value == NULL for value in raw.values())


def _dataset(name: str, raw: Json) -> str | None:
    dataset = raw.get("datasetId", "@none")
    if dataset == "@none":
        return None
    if dataset == NULL:
        raise BadRequestData(
            f"{name}.datasetId cannot be deleted; it tells which instance is meant"
        )
    return check_uri(dataset, f"{name}.datasetId")


def _value_member(name: str, raw: Json, kind: str | None) -> str | None:
    """Return the member that holds the value, if it is there; refuse any other."""
    found = [member for member in raw if member in VALUE_MEMBERS]
    if not found:
        return None
    if kind is not None:
        wrong = next((member for member in found if member != VALUE_MEMBER[kind]), None)
        if wrong is not None:
            raise BadRequestData(f"{name} is a {kind}; it cannot have the member {wrong}")
    if len(found) > 1:
        raise BadRequestData(f"{name} has both {found[0]} and {found[1]}; only one is allowed")
    return found[0]


def check_fits(name: str, kind: str | None, member: str, value: object) -> None:
    """Refuse a member that this type of attribute does not have."""
    if kind is None:
        return
    if member == "unitCode" and kind in UNITLESS:
        raise BadRequestData(f"{name} is a {kind} and has no unit; unitCode is not allowed")
    if member == "objectType" and kind not in LINKS:
        raise BadRequestData(f"{name} is a {kind}; only relationships have an objectType")
    if member == "valueType":
        if kind in LINKS:
            raise BadRequestData(f"{name} is a {kind}; a relationship has no valueType")
        if kind == "LanguageProperty" and value not in ("langString", NULL):
            raise BadRequestData(
                f"{name} is a LanguageProperty; its valueType can only be langString"
            )
