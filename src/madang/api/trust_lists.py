"""Which accounts and which keys a list asks for, by the parameters of its address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from madang.model.errors import BadRequestData

if TYPE_CHECKING:
    from starlette.requests import Request

    from madang.trust.accounts import Account
    from madang.trust.keys import Key


def accounts_asked(request: Request, accounts: Iterable[Account]) -> list[Account]:
    """Return accounts by ``id`` (several with commas), ``q`` in a name, ``role``, ``disabled``.

    Raises:
        BadRequestData: ``disabled`` is neither true nor false.
    """
    given = request.query_params
    ids, words, role = _ids(request), given.get("q", "").casefold(), given.get("role")
    disabled = _flag(request, "disabled")
    return [
        one
        for one in accounts
        if (ids is None or one.id in ids)
        and (words in one.login or words in one.name.casefold())
        and (role is None or role in one.roles)
        and disabled in (None, one.disabled)
    ]


def keys_asked(request: Request, keys: Iterable[Key]) -> list[Key]:
    """Return keys by ``id``, ``q`` in name or id, ``kind``, ``owner``; if asked, revoked ones too.

    Raises:
        BadRequestData: ``revoked`` is neither true nor false.
    """
    given = request.query_params
    ids, words = _ids(request), given.get("q", "").casefold()
    kind, owner, with_revoked = given.get("kind"), given.get("owner"), _flag(request, "revoked")
    return [
        one
        for one in keys
        if (ids is None or one.id in ids)
        and (words in one.name.casefold() or words in one.id)
        and kind in (None, one.kind)
        and owner in (None, one.owner)
        and (with_revoked or one.revoked is None)
    ]


def _ids(request: Request) -> set[str] | None:
    given = request.query_params.get("id")
    return None if given is None else set(given.split(","))


def _flag(request: Request, name: str) -> bool | None:
    given = request.query_params.get(name)
    if given not in (None, "true", "false"):
        raise BadRequestData(f"{name} must be true or false, not {given[:40]!r}")
    return None if given is None else given == "true"
