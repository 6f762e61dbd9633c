"""Who asks: a person, a device, an app, a service or a partner city, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["public", "person", "device", "app", "service", "city"]
Role = Literal[
    "public", "citizen", "operator", "analyst", "department", "administrator", "device", "app"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
ROLES: tuple[Role, ...] = get_args(Role)

EVERY_TENANT = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Principal:
    """One who asks. Frozen and hashable: what they may do is remembered by it."""

    id: str
    """``public``, or the kind and an id that is never used again, such as ``person:9f2c…``."""
    kind: Kind
    name: str
    """For people to read: audit log, account page."""
    roles: frozenset[Role]
    tenants: frozenset[str] = frozenset({""})
    """Tenants they belong to; the default one is the empty string, ``*`` is all of them."""
    scopes: frozenset[str] = frozenset()
    """Scopes they work in, with everything below (``/Seoul/Water``): departments, limited keys."""
    reads: frozenset[str] = frozenset()
    """Entity types that a key may read (canonical names); ``*`` is all of them."""
    writes: frozenset[str] = frozenset()
    """Entity types that a key may write; ``*`` is all of them."""
    entities: frozenset[str] = frozenset()
    """Ids of the entities that are their own: a device's, a citizen's."""

    @property
    def is_service(self) -> bool:
        """Whether it is a city service of this process, which writes the records it declares.

        A key of the kind ``service`` is of that kind; who takes in messages may write every type.
        """
        return self.kind == "app" and self.id.startswith("service:") and "*" not in self.writes


PUBLIC = Principal("public", "public", "anybody", frozenset({"public"}), EVERY_TENANT)
"""Who has not signed in."""

LOCAL = Principal(
    "service:local", "service", "this machine", frozenset({"administrator"}), EVERY_TENANT
)
"""The user of the operating system who started the process: sees the data folder anyway."""

OPEN = Principal(
    "service:open", "service", "anybody (open)", frozenset({"administrator"}), EVERY_TENANT
)
"""Everybody, where sign-in is switched off (``madang up --open``)."""
