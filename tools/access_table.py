"""Prints the table of docs/reference/access.md: every route, and what each role may do there.

It is worked out from the routes and the policies that the package ships; the test
tests/e2e/test_access.py holds the page to it, and to what a running hub answers.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, get_args

from madang.api.application import surfaces
from madang.api.routes import ROUTES
from madang.api.site import Site
from madang.app import City
from madang.settings import Settings
from madang.trust.actions import Action, EntityAction
from madang.trust.policy import Policies
from madang.trust.principal import EVERY_TENANT, PUBLIC, ROLES, Kind, Principal, Role

_ENTITY_ACTIONS = frozenset(get_args(EntityAction))
_KINDS: dict[Role, Kind] = {"device": "device", "app": "app"}
EXAMPLES: dict[Role, dict[str, frozenset[str]]] = {
    "department": {"scopes": frozenset({"/Seoul/Water"})},
    "citizen": {"entities": frozenset({"urn:ngsi-ld:Person:citizen"})},
    "device": {"entities": frozenset({"urn:ngsi-ld:Device:d1"})},
    "app": {"reads": frozenset({"Vehicle"}), "writes": frozenset({"Vehicle"})},
}
"""What one of the role has been granted, where the role alone grants nothing."""


class Row(NamedTuple):
    method: str
    path: str
    actions: tuple[Action, ...]


def example(role: Role) -> Principal:
    """Return somebody who has just this role."""
    if role == "public":
        return PUBLIC
    tenants = EVERY_TENANT if role == "administrator" else frozenset({""})
    kind = _KINDS.get(role, "person")
    return Principal(
        f"{kind}:{role}", kind, role, frozenset({role}), tenants, **EXAMPLES.get(role, {})
    )


def rows(city: City) -> list[Row]:
    """Return every route there is."""
    site = Site(city.settings.url)
    own = [Row(one.method, one.path, (one.action,)) for one in surfaces(city.parts, site)]
    hub = [Row(route.method, route.path, tuple(route.actions)) for route in ROUTES]
    return sorted({*own, *hub}, key=lambda row: (row.path, row.method))


def word(policies: Policies, role: Role, actions: tuple[Action, ...]) -> str:
    """Return ``yes``, ``part`` (of the entities or their attributes) or ``no``."""
    principal = example(role)
    found = "no"
    for action in actions:
        if action not in _ENTITY_ACTIONS:
            found = "yes" if policies.allows(principal, action) else found  # type: ignore[arg-type]
            continue
        reach = policies.reach(principal, action, "")  # type: ignore[arg-type]
        if reach.is_whole:
            found = "yes"
        elif not reach.is_empty and found == "no":
            found = "part"
    return found


def lines(city: City) -> Iterator[str]:
    """Yield the table in Markdown."""
    yield f"| route | action | {' | '.join(ROLES)} |"
    yield "|" + "---|" * (len(ROLES) + 2)
    for row in rows(city):
        words = " | ".join(word(city.trust.policies, role, row.actions) for role in ROLES)
        yield f"| `{row.method} {row.path}` | {', '.join(row.actions)} | {words} |"


@asynccontextmanager
async def a_city() -> AsyncIterator[City]:
    """Open a new city with the policies that the package ships."""
    with tempfile.TemporaryDirectory() as folder:
        city = await City.open(Settings(data=Path(folder)))
        try:
            yield city
        finally:
            await city.trust.close()
            await city.engine.close()


async def table() -> str:
    """Return the table in Markdown."""
    async with a_city() as city:
        return "\n".join(lines(city)) + "\n"


async def routes() -> set[str]:
    """Return every route there is, as ``GET /path``."""
    async with a_city() as city:
        return {f"{row.method} {row.path}" for row in rows(city)}


if __name__ == "__main__":
    print(asyncio.run(table()), end="")
