"""The dashboards of a tenant, as they are kept: whose they are, and who may see and change them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import orjson

from madang.model import time
from madang.model.errors import BadRequestData, Conflict, Forbidden, ResourceNotFound
from madang.trust.principal import PUBLIC, Principal
from madang.web.dashboards.tiles import LONGEST_BYTES, Dashboard, body, dashboard

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

CITY: Final = "city"
"""The dashboard that everybody sees as the page of the city."""
MOST: Final = 500  # dashboards of a tenant
TEMPLATES: Final = (CITY, "air", "traffic")
"""Dashboards that come with Madang, to begin with."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A dashboard with what is known of it."""

    name: str
    content: Dashboard
    owner: str = ""
    """Id of the principal who made it; empty for what comes with Madang."""
    owner_name: str = ""
    modified: int = 0
    """When it was last changed; 0 for what comes with Madang. [us since 1970]"""
    revision: int = 0
    """How often it has been changed."""


class Book:
    """Reads and keeps the dashboards of one tenant.

    Args:
        tenant: whose; not narrowed, for dashboards say what is looked at and not what is seen.
        who: reads or writes.
        manages: tells whether they may change the dashboards of others.
    """

    def __init__(self, tenant: Tenant, who: Principal, manages: bool) -> None:
        self._tenant = tenant
        self._who = who
        self._manages = manages

    async def all(self) -> list[Kept]:
        """Return those that may be seen, the page of the city first."""
        found = {name: _read(name, text) for name, text in await self._texts()}
        found.setdefault(CITY, shipped(CITY))
        seen = [one for one in found.values() if self._sees(one)]
        return sorted(seen, key=lambda one: (one.name != CITY, one.name))

    async def get(self, name: str) -> Kept:
        """Return one.

        Raises:
            ResourceNotFound: there is none of this name that may be seen.
        """
        found = await self._find(name)
        if found is None or not self._sees(found):
            raise ResourceNotFound(f"there is no dashboard {name!r} that you may see")
        return found

    async def put(self, name: str, given: Any, revision: int | None) -> Kept:
        """Keep a dashboard, and return it.

        Args:
            name: its name.
            given: as JSON.
            revision: of the one that was changed; None if that is not known.

        Raises:
            BadRequestData: it cannot be kept; the text says why.
            Forbidden: it is somebody else's, or the public is to see it.
            Conflict: somebody has changed it meanwhile.
        """
        content = dashboard(given)
        if len(orjson.dumps(given)) > LONGEST_BYTES:
            raise BadRequestData(f"a dashboard has at most {LONGEST_BYTES:,} bytes as JSON")
        before = await self._find(name)
        self._check_change(name, before, content)
        if before is not None and revision is not None and revision != before.revision:
            raise Conflict(
                f"{before.owner_name or 'somebody'} or somebody else changed the dashboard {name}"
                " meanwhile; open it again, or keep yours under another name"
            )
        if before is None and len(await self._texts()) >= MOST:
            raise BadRequestData(f"there are {MOST} dashboards already; remove some")
        kept = Kept(
            name,
            content,
            (before.owner if before else "") or self._who.id,
            (before.owner_name if before else "") or self._who.name,
            self._tenant.clock.now(),
            before.revision + 1 if before else 1,
        )
        await self._tenant.writer.keep("dashboard", name, _written(kept))
        return kept

    async def remove(self, name: str) -> None:
        """Remove one; of the page of the city, the one that comes with Madang is left.

        Raises:
            ResourceNotFound: there is none of this name that may be seen.
            Forbidden: it is somebody else's.
        """
        found = await self.get(name)
        if found.revision == 0:
            raise ResourceNotFound(f"the dashboard {name} comes with Madang and is as it was")
        self._check_change(name, found, found.content)
        await self._tenant.writer.keep("dashboard", name, None)

    def may_change(self, one: Kept) -> bool:
        """Tell whether one may be changed and removed."""
        return self._manages or (one.owner == self._who.id and one.name != CITY)

    def _sees(self, one: Kept) -> bool:
        match one.content.visibility:
            case "public":
                return True
            case "signedIn":
                return self._who is not PUBLIC
        return self._manages or one.owner == self._who.id

    def _check_change(self, name: str, before: Kept | None, after: Dashboard) -> None:
        if self._manages:
            if name == CITY and after.visibility != "public":
                raise BadRequestData("the dashboard of the city is public; visibility must say so")
            return
        if name == CITY or (before is not None and not self.may_change(before)):
            seen = before is not None and self._sees(before)
            raise Forbidden(
                f"the dashboard {name} is {'not yours' if seen else 'taken'}; keep it under another"
                " name, or ask somebody who may manageDashboards"
            )
        if after.visibility == "public" and (
            before is None or before.content.visibility != "public"
        ):
            raise Forbidden(
                "what the public sees is published by those who may manageDashboards; keep it for"
                " everybody who has signed in, and ask one of them"
            )

    async def _find(self, name: str) -> Kept | None:
        text = await self._tenant.store.item("dashboard", name)
        if text is not None:
            return _read(name, text)
        return shipped(CITY) if name == CITY else None

    async def _texts(self) -> list[tuple[str, bytes]]:
        return await self._tenant.store.items("dashboard")


async def owned(tenant: Tenant, owner: str) -> list[Kept]:
    """Return the dashboards that a principal made."""
    found = [_read(name, text) for name, text in await tenant.store.items("dashboard")]
    return [one for one in found if one.owner == owner]


async def disown(tenant: Tenant, one: Kept) -> bool:
    """Remove a dashboard that only its owner sees; of another, forget the owner.

    Returns:
        whether it was removed.
    """
    is_private = one.content.visibility == "private" and one.name != CITY
    left = None if is_private else _written(replace(one, owner="", owner_name=""))
    await tenant.writer.keep("dashboard", one.name, left)
    return is_private


@cache
def shipped(name: str) -> Kept:
    """Return a dashboard that comes with Madang."""
    file = files("madang.web.dashboards").joinpath("shipped", f"{name}.toml")
    return Kept(name, dashboard(tomllib.loads(file.read_text("utf-8"))))


def _read(name: str, text: bytes) -> Kept:
    found = orjson.loads(text)
    return Kept(
        name,
        dashboard(found["content"]),
        found["owner"],
        found["ownerName"],
        time.parse(found["modifiedAt"]),
        found["revision"],
    )


def _written(one: Kept) -> bytes:
    return orjson.dumps(
        {
            "content": body(one.content),
            "owner": one.owner,
            "ownerName": one.owner_name,
            "modifiedAt": time.render(one.modified),
            "revision": one.revision,
        }
    )
