"""One's own account: who I am, my password, sessions and keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from madang.api.site import Form, Site
from madang.api.surface import Surface
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Forbidden, ResourceNotFound, Unauthorized
from madang.trust import passwords
from madang.trust.events import Event, PersonDeed
from madang.web.words import password_problem

if TYPE_CHECKING:
    from madang.api.account_rights import Rights
    from madang.api.entry import Doors, Entry
    from madang.api.surface import Action, Handler
    from madang.trust.accounts import Account
    from madang.trust.keys import Key
    from madang.trust.sessions import Session

FRESH: Final = 3600 * 1_000_000
"""How long after signing in the ways to sign in can be changed (ASVS 5.0 V7.5.1). [us]"""


DONE: Final = frozenset(
    {"changed", "added", "removed", "ended", "others_ended", "key_revoked", "agreed", "withdrawn"}
)
"""What the address may say has been done."""


class AccountPages:
    """The account page and what its forms do."""

    def __init__(self, site: Site, doors: Doors, entry: Entry, rights: Rights) -> None:
        self._site = site
        self._doors = doors
        self._entry = entry
        self._rights = rights

    def surfaces(self) -> list[Surface]:
        def surface(method: str, path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "useAccount"
            return Surface(method, path, handler, action, summary, "Account")

        keys: Action = "managePeople"
        return [
            surface("GET", "/account", self.page, "One's own account"),
            surface("POST", "/account/password", self.password, "Change the password"),
            surface("POST", "/account/sessions/end", self.end_session, "End a session"),
            surface("POST", "/account/sessions/end-others", self.end_others, "End all others"),
            surface("POST", "/account/keys/revoke", self.revoke_key, "Revoke a key of one's own"),
            Surface("POST", "/account/keys", self.make_key, keys, "Create a key", "Account"),
        ]

    async def page(self, request: Request) -> Response:
        return await self.show(request, done=request.query_params.get("done", ""))

    async def show(
        self, request: Request, status: int = 200, *, done: str = "", error: object = ""
    ) -> Response:
        """Return the account page.

        Args:
            done: key of what has just been done, such as ``changed``.
            error: what did not work.
        """
        t = self._site.texts(request)
        values: dict[str, Any] = {"account": None}
        session = self._doors.session_of(request)
        account = self._account(session)
        if account is not None and session is not None:
            before = request.query_params.get("before", "")
            is_number = before.isascii() and before.isdigit() and len(before) <= 15
            older = int(before) if is_number else None
            values = await self._values(request, account, session)
            values |= await self._rights.values(account, t.language, older)
        return self._site.answer(
            request,
            "account.html",
            status,
            here="/account",
            who=self._site.principal(request),
            done=t(f"account.{done}") if done in DONE else "",
            error=error,
            **values,
        )

    async def _values(self, request: Request, account: Account, session: Session) -> dict[str, Any]:
        identities, passkeys = self._doors.identities, self._doors.passkeys
        principal = self._site.principal(request)
        return {
            "account": account,
            "login": account.login,
            "has_password": bool(account.password),
            "shortest": passwords.SHORTEST,
            "passkeys": await passkeys.of(account.id) if passkeys else [],
            "place": passkeys is not None,
            "elsewhere": self._site.elsewhere(request),
            "sessions": [
                {
                    "id": one.id,
                    "where": " · ".join(filter(None, (_browser(one.agent), one.address))) or one.id,
                    "here": one.id == session.id,
                    "created": one.created,
                    "used": one.seen,
                }
                for one in identities.sessions.of(account.principal_id)
            ],
            "keys": [self._shown(key) for key in self._keys_of(account)],
            "may_make_keys": self._doors.may_manage(principal),
        }

    # --- what the forms do --------------------------------------------------------------------

    async def password(self, request: Request) -> Response:
        form = await self._site.form(request)
        account, session = self.signed_in(request)
        t = self._site.texts(request)
        if not account.password and (again := self.again(request, session)):
            return again
        wrong = password_problem(form.get("new", ""), account.login, account.name)
        if wrong is not None:
            return await self.show(request, 400, error=t(wrong.key, **wrong.values))
        try:
            await self._doors.identities.people.change_password(
                account,
                form.get("current", ""),
                form.get("new", ""),
                request.state.address,
                session.id,
            )
        except Unauthorized:
            return await self.show(request, 403, error=t("account.wrong"))
        return self.done("changed")

    async def end_session(self, request: Request) -> Response:
        form = await self._site.form(request)
        account, _ = self.signed_in(request)
        session = self._doors.identities.sessions.get(form.get("id", ""))
        if session is not None and session.principal_id == account.principal_id:
            await self._doors.identities.end_session(session.id, account.principal_id)
        return self.done("ended")

    async def end_others(self, request: Request) -> Response:
        await self._site.form(request)
        account, session = self.signed_in(request)
        for other in self._doors.identities.sessions.of(account.principal_id):
            if other.id != session.id:
                await self._doors.identities.end_session(other.id, account.principal_id)
        return self.done("others_ended")

    async def make_key(self, request: Request) -> Response:
        form = await self._site.form(request)
        account, session = self.signed_in(request)
        if again := self.again(request, session):
            return again
        try:
            key, credential = await self._doors.identities.keys.create(
                form.get("kind", ""),
                form.get("name", ""),
                by=account.principal_id,
                owner=account.principal_id,
                tenants=account.tenants,
                reads=_types(form, "reads"),
                writes=_types(form, "writes"),
                entities=_listed(form, "entities"),
            )
        except BadRequestData as wrong:
            return await self.show(request, 400, error=wrong.detail)
        return self._site.answer(
            request,
            "key.html",
            here="/account",
            key_name=key.name,
            credential=credential,
            idle=not (key.reads or key.writes or key.entities),
            curl=_curl(self._site.url, key, credential),
        )

    async def revoke_key(self, request: Request) -> Response:
        form = await self._site.form(request)
        account, _ = self.signed_in(request)
        key = self._doors.identities.keys.get(form.get("id", ""))
        if key is None or key.owner != account.principal_id:
            raise ResourceNotFound("there is no such key of yours; the account page lists them")
        await self._doors.identities.keys.revoke(key, account.principal_id)
        return self.done("key_revoked")

    # --- what they share ----------------------------------------------------------------------

    def signed_in(self, request: Request) -> tuple[Account, Session]:
        """Return who has signed in at pages.

        Raises:
            Forbidden: the request came with a key or token, which cannot change an account.
        """
        session = self._doors.session_of(request)
        account = self._account(session)
        if account is None or session is None:
            raise Forbidden("accounts are changed by people at pages; sign in with a browser")
        return account, session

    def again(self, request: Request, session: Session) -> Response | None:
        """Return the page to sign in if the last time was too long ago for what is asked."""
        if time.time_ns() // 1000 - session.created < FRESH:
            return None
        note = self._site.texts(request)("sign_in.again")
        return self._entry.show(request, 401, next="/account", note=note)

    def done(self, what: str) -> Response:
        """Return to the account page, which says what has been done."""
        return self._site.redirect(f"/account?done={what}")

    async def record(self, account: Account, action: PersonDeed, **detail: str) -> None:
        """Put a change of somebody's own account into the audit log."""
        id = account.principal_id
        await self._doors.recorder.record(
            Event("account", id, action, targets=(id,), detail=dict(detail))
        )

    def _account(self, session: Session | None) -> Account | None:
        if session is None:
            return None
        return self._doors.identities.accounts.get(session.principal_id.removeprefix("person:"))

    def _keys_of(self, account: Account) -> list[Key]:
        return [
            key
            for key in self._doors.identities.keys
            if key.owner == account.principal_id and key.revoked is None
        ]

    def _shown(self, key: Key) -> dict[str, Any]:
        used = self._doors.identities.keys.used(key)
        return {
            "id": key.id,
            "name": key.name,
            "kind": key.kind,
            "created": key.created,
            "expires": key.expires,
            "used": used,
        }


def _listed(form: Form, name: str) -> list[str]:
    return [part.strip() for part in form.get(name, "").split(",") if part.strip()]


def _types(form: Form, name: str) -> list[str]:
    return [part if part == "*" else CORE.expand(part) for part in _listed(form, name)]


def _curl(url: str, key: Key, credential: str) -> str:
    """Return a command that tries a key."""
    path = "/types"
    if key.kind == "device" and key.entities:
        path = f"/entities/{sorted(key.entities)[0]}"
    elif key.reads - {"*"}:
        path = f"/entities?type={sorted(key.reads)[0]}"
    return f"curl -H 'Authorization: Bearer {credential}' '{url}/ngsi-ld/v1{path}'"


def _browser(agent: str) -> str:
    """Return what people call the browser and system that a User-Agent header is of."""
    names = (
        ("Edg", "Edge"),
        ("OPR", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Whale", "Whale"),
        ("Firefox", "Firefox"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
        ("curl", "curl"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    found = [
        next((name for mark, name in table if mark in agent), "") for table in (names, systems)
    ]
    return ", ".join(filter(None, found))
