"""What is wrong with what somebody typed, as a text of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from madang.model.errors import BadRequestData
from madang.trust import passwords
from madang.trust.accounts import login_name


class Wrong(NamedTuple):
    """A field that cannot be taken as it is."""

    field: str
    key: str
    """Of the text that says why."""
    values: Mapping[str, Any] = MappingProxyType({})


def name_problem(name: str) -> Wrong | None:
    """Return what is wrong with a name to sign in with."""
    try:
        login_name(name)
    except BadRequestData:
        return Wrong("name", "form.name_form")
    return None


def password_problem(password: str, *names: str) -> Wrong | None:
    """Return what is wrong with a new password of somebody with these names."""
    try:
        passwords.check(password, *names)
    except BadRequestData:
        count = len(passwords.normalized(password))
        if count < passwords.SHORTEST:
            values = {"count": count, "shortest": passwords.SHORTEST}
            return Wrong("password", "form.password_short", values)
        if count > passwords.LONGEST:
            values = {"count": count, "longest": passwords.LONGEST}
            return Wrong("password", "form.password_long", values)
        return Wrong("password", "form.password_common")
    return None
