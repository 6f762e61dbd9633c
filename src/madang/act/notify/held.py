"""Contacts as personal data: what the hub holds about somebody beside entities, and its erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from madang.act.notify.contacts import told

if TYPE_CHECKING:
    from madang.act.notify.notices import Notices


class HeldContacts:
    """The contacts of all tenants that belong to an account (:class:`madang.trust.personal.Held`).

    Args:
        notices: knows them.
    """

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    async def about(self, account: str) -> list[dict[str, Any]]:
        """Return the contacts of an account, without secrets."""
        return [
            {"tenant": tenant, "contact": told(name, person)}
            for tenant, directory in self._notices.directories()
            for name, person in directory.of_account(account).items()
        ]

    async def erase(self, account: str) -> list[dict[str, Any]]:
        """Erase the contacts of an account; return which, as an erasure tells it."""
        return [
            {"tenant": tenant, "id": f"contact {name}", "attributes": ["channels", "title"]}
            for tenant, directory in self._notices.directories()
            for name in await directory.erase(account)
        ]
