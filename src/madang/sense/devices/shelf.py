"""The profiles of one tenant: those that come with Madang, and the city's own, kept as items."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from madang.model.errors import BadRequestData, Conflict, ResourceNotFound
from madang.sense.devices import profile as profiles
from madang.sense.devices.profile import Profile, ProfileError

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

log = structlog.get_logger("madang.devices")

MOST: Final = 2_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Shelf:
    """All profiles by name.

    Args:
        tenant: whose.
        changed: told the name of each profile that is changed.
    """

    def __init__(self, tenant: Tenant, changed: Callable[[str], None]) -> None:
        self._tenant = tenant
        self._changed = changed
        self._profiles: dict[str, Profile] = {}
        self._texts: dict[str, str] = {}
        self._shipped: set[str] = set()

    async def start(self) -> None:
        """Take up what there is."""
        for name, text in profiles.shipped().items():
            self._use(name, text, profiles.parse(text, name, is_known=True))
            self._shipped.add(name)
        for name, body in await self._tenant.store.items("profile"):
            try:
                text = body.decode()
                self._use(name, text, profiles.parse(text, name, is_known=True))
                self._shipped.discard(name)
            except ProfileError as error:  # an earlier version took it
                log.error("profile.unusable", tenant=self._tenant.name, error=str(error))

    @property
    def names(self) -> list[str]:
        """The names of all profiles, in order."""
        return sorted(self._profiles)

    def get(self, name: str) -> Profile | None:
        """Return the profile of a name."""
        return self._profiles.get(name)

    def named(self, name: str) -> Profile:
        """Return the profile of a name.

        Raises:
            ResourceNotFound: there is none.
        """
        found = self._profiles.get(name)
        if found is None:
            raise ResourceNotFound(
                f"there is no profile {name[:64]!r}; `madang device profile list` shows all"
            )
        return found

    def text(self, name: str) -> str:
        """Return a profile as it was written.

        Raises:
            ResourceNotFound: there is none.
        """
        self.named(name)
        return self._texts[name]

    def is_shipped(self, name: str) -> bool:
        """Return whether a profile is the one that comes with Madang."""
        return name in self._shipped

    async def put(self, name: str, text: str) -> Profile:
        """Keep a profile of the city; one that comes with Madang is covered by it.

        Raises:
            ProfileError: something in it is wrong.
            BadRequestData: a profile cannot be called so.
            Conflict: there are as many as one tenant can have.
        """
        if not _NAME.fullmatch(name):
            raise BadRequestData(
                f"a profile cannot be called {name[:80]!r}; expected up to 64 small letters,"
                " digits and . _ - such as air-station-2"
            )
        found = profiles.parse(text, name)
        if name not in self._profiles and len(self._profiles) >= MOST:
            raise Conflict(f"there are {MOST:,} profiles already; remove one first")
        await self._tenant.writer.keep("profile", name, text.encode())
        self._shipped.discard(name)
        self._use(name, text, found)
        return found

    async def remove(self, name: str, users: int) -> None:
        """Remove a profile of the city; one of Madang's that it covered is back.

        Args:
            users: how many devices use it.

        Raises:
            ResourceNotFound: there is none.
            Conflict: it comes with Madang, or devices use it.
        """
        self.named(name)
        if name in self._shipped:
            raise Conflict(f"the profile {name} comes with Madang and cannot be removed")
        covered = profiles.shipped().get(name)
        if users and covered is None:
            raise Conflict(
                f"{users} devices use the profile {name}; `madang device list --profile {name}`"
                " shows them; give them another first"
            )
        await self._tenant.writer.keep("profile", name, None)
        if covered is None:
            del self._profiles[name], self._texts[name]
            return
        self._shipped.add(name)
        self._use(name, covered, profiles.parse(covered, name))

    def _use(self, name: str, text: str, profile: Profile) -> None:
        self._profiles[name] = profile
        self._texts[name] = text
        self._changed(name)
