"""Everything that people do about signing in, as surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from madang.api.account import AccountPages
from madang.api.account_rights import AccountRights, Rights
from madang.api.account_ways import AccountWays
from madang.api.entry import Doors, Entry
from madang.api.welcome import WelcomePages

if TYPE_CHECKING:
    from madang.api.site import Site
    from madang.api.surface import Surface

__all__ = ["Doors", "Rights", "surfaces"]


def surfaces(site: Site, doors: Doors, rights: Rights) -> list[Surface]:
    """Return all pages of signing in, first steps and one's own account."""
    entry = Entry(site, doors)
    account = AccountPages(site, doors, entry, rights)
    return [
        *entry.surfaces(),
        *WelcomePages(site, doors, entry).surfaces(),
        *account.surfaces(),
        *AccountWays(site, doors, account).surfaces(),
        *AccountRights(site, account, rights).surfaces(),
    ]
