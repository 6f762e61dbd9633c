"""Shapes of JSON objects: types that Python checks and that OpenAPI documents are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

shape = with_config(ConfigDict(use_attribute_docstrings=True))
"""Lets the document say what a TypedDict says of its members."""

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A DateTime of NGSI-LD, in UTC."""
Id = Annotated[str, Field(json_schema_extra={"format": "uri"})]
"""Of an entity."""
Json = Annotated[Any, Field(description="Any JSON value")]
Object = dict[str, Any]
Role = Literal[
    "public", "citizen", "operator", "analyst", "department", "device", "app", "administrator"
]


@shape
class Words(TypedDict):
    """A text in both languages."""

    en: str
    ko: str


@shape
class Geometry(TypedDict):
    """A GeoJSON geometry (RFC 7946)."""

    type: str
    coordinates: NotRequired[list[Any]]
    geometries: NotRequired[list[Object]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be asked with one method at one path, and what is answered."""

    answer: Any = None
    """Type of the JSON that is answered; None: nothing is, or it is no JSON."""
    query: Mapping[str, Any] = field(default_factory=dict)
    """Types of the parameters by name."""
    needs: frozenset[str] = frozenset()
    """Parameters that must be given."""
    body: Any = None
    """Type of the JSON that is sent; None: nothing is, or it is no JSON."""
    sends: str = "application/json"
    """Media type of the body."""
    media: str = "application/json"
    """Media type of the answer."""
    status: tuple[int, ...] = (200,)
    """Of what was done."""


GONE: Final = Operation(status=(204,))
"""Something is removed."""
LINES: Final = "application/x-ndjson"
PAGE: Final[dict[str, Any]] = {"limit": int, "offset": int}
"""Parameters of a part of a list; the header NGSILD-Results-Count has the length of the whole."""
