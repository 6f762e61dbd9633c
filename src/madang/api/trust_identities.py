"""People, keys and tokens over HTTP: ``/trust`` for who manages them, ``/me`` for one's own.

Sources: RFC 6749 section 5 and RFC 7009 (tokens, here with JSON bodies), RFC 7517 (key set).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api import cookies
from madang.api.bodies import flag, instant, members, page, text
from madang.api.surface import Handler, Surface
from madang.api.trust_lists import accounts_asked, keys_asked
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.trust.accounts import Account
from madang.trust.actions import SystemAction
from madang.trust.gate import bearer
from madang.trust.keys import OVERLAP_S, Key
from madang.trust.principal import Principal

if TYPE_CHECKING:
    from madang.trust.identities import Identities
    from madang.trust.sessions import Session
    from madang.trust.tokens import Pair

_NO_STORE: Final = {"Cache-Control": "no-store"}
_TAG: Final = "People and keys"
_KEY_LIMITS: Final = ("tenants", "scopes", "reads", "writes", "entities")
_ACCOUNT_MEMBERS: Final = ("roles", "name", "tenants", "scopes", "language")

_Row = tuple[str, str, Handler, str]
"""Method, path, handler, summary."""


def surfaces(identities: Identities) -> list[Surface]:
    """Return the routes of identities."""
    managed, own, token = _Managed(identities), _Own(identities), _Token(identities)
    people: list[_Row] = [
        ("GET", "/trust/users", managed.users, "List accounts"),
        ("POST", "/trust/users", managed.add_user, "Make an account"),
        ("GET", "/trust/users/{who}", managed.user, "Show an account"),
        ("PATCH", "/trust/users/{who}", managed.change_user, "Change or switch off an account"),
        ("DELETE", "/trust/users/{who}", managed.remove_user, "Remove an account"),
        ("POST", "/trust/users/{who}/password-link", managed.password_link,
         "Make a link that sets a new password"),
        ("GET", "/trust/invitations", managed.invitations, "List unused links"),
        ("POST", "/trust/invitations", managed.invite, "Invite somebody"),
        ("DELETE", "/trust/invitations/{id}", managed.withdraw, "Withdraw an unused link"),
        ("GET", "/trust/keys", managed.keys, "List keys"),
        ("POST", "/trust/keys", managed.create_key, "Make a key"),
        ("GET", "/trust/keys/{id}", managed.key, "Show a key"),
        ("PATCH", "/trust/keys/{id}", managed.switch_key, "Switch a key off or on"),
        ("POST", "/trust/keys/{id}/rotate", managed.rotate_key, "Give a key a new secret"),
        ("DELETE", "/trust/keys/{id}", managed.revoke_key, "Revoke a key"),
        ("GET", "/trust/tokens", managed.sessions, "List the sessions of a person or key"),
        ("POST", "/trust/tokens", managed.create_token, "Make a short-lived token of a key"),
        ("POST", "/trust/tokens/rotate-signing-key", managed.rotate_signing_key,
         "Sign tokens with a new key"),
        ("DELETE", "/trust/tokens/{id}", managed.end_session, "End a session and its tokens"),
    ]  # fmt: skip
    mine: list[_Row] = [
        ("GET", "/me", own.show, "Show who one is"),
        ("PATCH", "/me", own.change, "Change one's name or language"),
        ("POST", "/me/password", own.change_password, "Change one's password"),
        ("GET", "/me/sessions", own.sessions, "List one's sessions"),
        ("DELETE", "/me/sessions", own.end_others, "End one's other sessions"),
        ("DELETE", "/me/sessions/{id}", own.end_session, "End one of one's sessions"),
        ("GET", "/me/keys", own.keys, "List one's keys"),
        ("POST", "/me/keys/{id}/rotate", own.rotate_key, "Give one's key a new secret"),
        ("DELETE", "/me/keys/{id}", own.revoke_key, "Revoke one's key"),
    ]
    open_: list[_Row] = [
        ("POST", "/token", token.grant, "Get tokens for a password or refresh token"),
        ("POST", "/token/revoke", token.revoke, "Revoke a token, with its session"),
        ("GET", "/.well-known/jwks.json", token.jwks, "Public keys to verify tokens with"),
    ]
    groups: list[tuple[SystemAction, list[_Row]]] = [
        ("managePeople", people),
        ("useAccount", mine),
        ("seePages", open_),
    ]
    return [
        Surface(method, path, handler, action, summary, _TAG)
        for action, rows in groups
        for method, path, handler, summary in rows
    ]


class _Managed:
    """What administrators do."""

    def __init__(self, identities: Identities) -> None:
        self._all = identities

    # accounts

    async def users(self, request: Request) -> Response:
        return page(request, accounts_asked(request, self._all.accounts), Account.shown)

    async def add_user(self, request: Request) -> Response:
        body = await members(request, ("login", "password", *_ACCOUNT_MEMBERS), ("login", "roles"))
        login, password = text(body, "login"), body.pop("password", None)
        if password is not None and not isinstance(password, str):
            raise BadRequestData("password must be a text")
        del body["login"]
        account = await self._all.people.add(login, _by(request), password, **body)
        headers = {"Location": f"/trust/users/{account.id}"}
        return JSONResponse(account.shown(), 201, headers)

    async def user(self, request: Request) -> Response:
        return JSONResponse(self._named(request).shown())

    async def change_user(self, request: Request) -> Response:
        body = await members(request, (*_ACCOUNT_MEMBERS, "disabled"))
        if "disabled" in body:
            flag(body, "disabled")
        changed = await self._all.people.change(self._named(request), _by(request), **body)
        return JSONResponse(changed.shown())

    async def remove_user(self, request: Request) -> Response:
        await self._all.people.remove(self._named(request), _by(request))
        return Response(status_code=204)

    async def password_link(self, request: Request) -> Response:
        link, address = await self._all.people.password_link(self._named(request), _by(request))
        return JSONResponse(link.shown() | {"link": address}, 201, _NO_STORE)

    def _named(self, request: Request) -> Account:
        return self._all.accounts.named(request.path_params["who"])

    # invitations

    async def invitations(self, request: Request) -> Response:
        return JSONResponse([link.shown() for link in self._all.links])

    async def invite(self, request: Request) -> Response:
        body = await members(request, ("login", "roles", "tenants", "scopes"), ("roles",))
        login = text(body, "login") if body.get("login") else ""
        body.pop("login", None)
        link, address = await self._all.people.invite(login, _by(request), **body)
        return JSONResponse(link.shown() | {"link": address}, 201, _NO_STORE)

    async def withdraw(self, request: Request) -> Response:
        await self._all.people.withdraw(request.path_params["id"], _by(request))
        return Response(status_code=204)

    # keys

    async def keys(self, request: Request) -> Response:
        return page(request, keys_asked(request, self._all.keys), self._all.keys.shown)

    async def create_key(self, request: Request) -> Response:
        body = await members(
            request, ("kind", "name", "owner", "expiresAt", *_KEY_LIMITS), ("kind", "name")
        )
        owner = ""
        if body.get("owner"):
            owner = self._all.accounts.named(text(body, "owner")).principal_id
        key, credential = await self._all.keys.create(
            text(body, "kind"),
            text(body, "name"),
            by=_by(request),
            owner=owner,
            expires=instant(body, "expiresAt"),
            **{name: body[name] for name in _KEY_LIMITS if name in body},
        )
        headers = _NO_STORE | {"Location": f"/trust/keys/{key.id}"}
        return JSONResponse(self._all.keys.shown(key) | {"key": credential}, 201, headers)

    async def key(self, request: Request) -> Response:
        return JSONResponse(self._all.keys.shown(self._key(request)))

    async def switch_key(self, request: Request) -> Response:
        body = await members(request, ("disabled",), ("disabled",))
        disabled = flag(body, "disabled")
        key = await self._all.keys.switch(self._key(request), _by(request), disabled=disabled)
        return JSONResponse(self._all.keys.shown(key))

    async def rotate_key(self, request: Request) -> Response:
        return await _rotated(self._all, request, self._key(request))

    async def revoke_key(self, request: Request) -> Response:
        await self._all.keys.revoke(self._key(request), _by(request))
        return Response(status_code=204)

    def _key(self, request: Request) -> Key:
        return self._all.keys.named(request.path_params["id"])

    # tokens

    async def sessions(self, request: Request) -> Response:
        who = request.query_params.get("who", "")
        account = self._all.accounts.get(who) or self._all.accounts.by_login(who)
        holder = account or self._all.keys.named(who)
        sessions = self._all.sessions.of(holder.principal_id)
        return JSONResponse([session.shown() for session in sessions])

    async def create_token(self, request: Request) -> Response:
        body = await members(request, ("key",), ("key",))
        key = self._all.keys.named(text(body, "key"))
        pair = await self._all.key_token(key, _by(request), request.state.address)
        return _tokens(pair, 201)

    async def end_session(self, request: Request) -> Response:
        await self._all.end_session(request.path_params["id"], _by(request))
        return Response(status_code=204)

    async def rotate_signing_key(self, request: Request) -> Response:
        return JSONResponse({"kid": await self._all.rotate_signing_key(_by(request))}, 201)


class _Own:
    """What everybody does with what is their own."""

    def __init__(self, identities: Identities) -> None:
        self._all = identities

    async def show(self, request: Request) -> Response:
        principal: Principal = request.state.principal
        account = self._all.accounts.get(principal.id.removeprefix("person:"))
        shown: dict[str, Any] = {
            "principal": principal.id,
            "kind": principal.kind,
            "name": principal.name,
            "roles": sorted(principal.roles),
            "tenants": sorted(principal.tenants),
            "scopes": sorted(principal.scopes),
            "reads": sorted(principal.reads),
            "writes": sorted(principal.writes),
            "entities": sorted(principal.entities),
        }
        return JSONResponse(shown | (account.shown() if account else {}))

    async def change(self, request: Request) -> Response:
        body = await members(request, ("name", "language"))
        changed = await self._all.people.change(self._account(request), _by(request), **body)
        return JSONResponse(changed.shown())

    async def change_password(self, request: Request) -> Response:
        body = await members(request, ("old", "new"), ("new",))
        session = self._session(request)
        await self._all.people.change_password(
            self._account(request),
            text(body, "old") if "old" in body else "",
            text(body, "new"),
            request.state.address,
            session.id if session else "",
        )
        return Response(status_code=204)

    async def sessions(self, request: Request) -> Response:
        current = self._session(request)
        return JSONResponse(
            [
                session.shown() | {"current": session is current}
                for session in self._all.sessions.of(_by(request))
            ]
        )

    async def end_others(self, request: Request) -> Response:
        current = self._session(request)
        for session in self._all.sessions.of(_by(request)):
            if session is not current:
                await self._all.end_session(session.id, _by(request))
        return Response(status_code=204)

    async def end_session(self, request: Request) -> Response:
        id = request.path_params["id"]
        if id not in {session.id for session in self._all.sessions.of(_by(request))}:
            raise ResourceNotFound(f"you have no session {id[:40]!r}; perhaps it is over already")
        await self._all.end_session(id, _by(request))
        return Response(status_code=204)

    async def keys(self, request: Request) -> Response:
        mine = [key for key in self._all.keys if key.owner == _by(request) and key.revoked is None]
        return page(request, mine, self._all.keys.shown)

    async def rotate_key(self, request: Request) -> Response:
        return await _rotated(self._all, request, self._key(request))

    async def revoke_key(self, request: Request) -> Response:
        await self._all.keys.revoke(self._key(request), _by(request))
        return Response(status_code=204)

    def _account(self, request: Request) -> Account:
        account = self._all.accounts.get(_by(request).removeprefix("person:"))
        if account is None:
            raise ResourceNotFound(f"{_by(request)} is no person with an account; sign in as one")
        return account

    def _session(self, request: Request) -> Session | None:
        credential = bearer(request.headers) or cookies.credential_of(request)
        return self._all.session_of(credential) if credential else None

    def _key(self, request: Request) -> Key:
        id = request.path_params["id"]
        key = self._all.keys.get(id)
        if key is None or key.owner != _by(request):
            raise ResourceNotFound(f"you have no key {id[:40]!r}; GET /me/keys lists yours")
        return key


class _Token:
    """What needs no sign-in, for who comes with a credential in the body."""

    def __init__(self, identities: Identities) -> None:
        self._all = identities

    async def grant(self, request: Request) -> Response:
        known = ("grant_type", "username", "password", "refresh_token")
        body = await members(request, known, ("grant_type",))
        address = request.state.address
        if body["grant_type"] == "refresh_token":
            return _tokens(await self._all.refresh(text(body, "refresh_token"), address))
        if body["grant_type"] != "password":
            raise BadRequestData("grant_type must be password or refresh_token")
        signed_in = await self._all.sign_in(
            text(body, "username"),
            text(body, "password"),
            address,
            request.headers.get("user-agent", ""),
            is_page=False,
        )
        return _tokens(self._all.pair(signed_in.session))

    async def revoke(self, request: Request) -> Response:
        body = await members(request, ("token",), ("token",))
        await self._all.revoke(text(body, "token"), request.state.address)
        return Response(status_code=204)

    async def jwks(self, request: Request) -> Response:
        headers = {"Cache-Control": "public, max-age=300"}
        return JSONResponse(
            self._all.tokens.jwks(), 200, headers, media_type="application/jwk-set+json"
        )


# --- reading and answering ------------------------------------------------------------------------


def _by(request: Request) -> str:
    id: str = request.state.principal.id
    return id


async def _rotated(identities: Identities, request: Request, key: Key) -> Response:
    body = await members(request, ("overlap_s",))
    overlap = body.get("overlap_s", OVERLAP_S)
    if not isinstance(overlap, int) or isinstance(overlap, bool):
        raise BadRequestData("overlap_s must be a whole number of seconds")
    credential = await identities.keys.rotate(key, _by(request), overlap)
    return JSONResponse(identities.keys.shown(key) | {"key": credential}, 200, _NO_STORE)


def _tokens(pair: Pair, status: int = 200) -> Response:
    """Return the answer of RFC 6749 section 5.1."""
    body: dict[str, Any] = {
        "access_token": pair.access,
        "token_type": "Bearer",
        "expires_in": pair.expires_s,
    }
    if pair.refresh:
        body["refresh_token"] = pair.refresh
    return JSONResponse(body, status, _NO_STORE | {"Pragma": "no-cache"})
