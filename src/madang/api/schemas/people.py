"""Accounts, keys, tokens, sessions; one's own and those of others."""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import GONE, PAGE, Id, Moment, Object, Operation, shape
from madang.trust.keys import KeyKind
from madang.trust.principal import Kind, Role
from madang.trust.sessions import SignInBy


@shape
class User(TypedDict):
    """An account, without its password."""

    id: str
    login: str
    name: str
    roles: list[Role]
    tenants: list[str]
    scopes: list[str]
    language: str
    entity: Id
    """The entity that this person is."""
    hasPassword: bool
    disabled: bool
    createdAt: Moment


@shape
class _UserMembers(TypedDict, total=False):
    name: str
    tenants: list[str]
    scopes: list[str]
    language: str


@shape
class NewUser(_UserMembers):
    """An account to be made; without a password it is given a link later."""

    login: str
    roles: list[Role]
    password: NotRequired[str | None]


@shape
class UserChange(_UserMembers, total=False):
    """What changes of an account."""

    roles: list[Role]
    disabled: bool


@shape
class Invitation(TypedDict):
    """A link that was not used yet."""

    id: str
    purpose: Literal["first", "invitation", "password"]
    login: str
    roles: list[Role]
    expiresAt: Moment


@shape
class InvitationMade(Invitation):
    """A link, told once."""

    link: str


@shape
class NewInvitation(TypedDict):
    """Who is invited to what."""

    roles: list[Role]
    login: NotRequired[str]
    tenants: NotRequired[list[str]]
    scopes: NotRequired[list[str]]


@shape
class Key(TypedDict):
    """A key, without its secret."""

    id: str
    kind: KeyKind
    name: str
    tenants: list[str]
    scopes: list[str]
    reads: list[str]
    writes: list[str]
    entities: list[Id]
    owner: str
    createdAt: Moment
    expiresAt: Moment | None
    lastUsedAt: Moment | None
    state: Literal["active", "disabled", "revoked"]


@shape
class KeyMade(Key):
    """A key with its secret, told once."""

    key: str


@shape
class NewKey(TypedDict):
    """A key to be made, and its limits."""

    kind: KeyKind
    name: str
    owner: NotRequired[str]
    expiresAt: NotRequired[Moment | None]
    tenants: NotRequired[list[str]]
    scopes: NotRequired[list[str]]
    reads: NotRequired[list[str]]
    writes: NotRequired[list[str]]
    entities: NotRequired[list[Id]]


@shape
class Disabled(TypedDict):
    """Off or on."""

    disabled: bool


@shape
class KeyOverlap(TypedDict, total=False):
    """How long the secret before still works."""

    overlap_s: int


@shape
class SignedIn(TypedDict):
    """A session."""

    id: str
    kind: Literal["page", "token"]
    by: SignInBy
    address: str
    agent: str
    createdAt: Moment
    lastSeenAt: Moment
    expiresAt: Moment


@shape
class MySession(SignedIn):
    """One of one's sessions."""

    current: bool


@shape
class KeyId(TypedDict):
    """Id of a key."""

    key: str


@shape
class Tokens(TypedDict):
    """RFC 6749, section 5.1."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: NotRequired[str]


@shape
class TokenRequest(TypedDict):
    """RFC 6749, sections 4.3.2 and 6."""

    grant_type: Literal["password", "refresh_token"]
    username: NotRequired[str]
    password: NotRequired[str]
    refresh_token: NotRequired[str]


@shape
class TokenText(TypedDict):
    """A token."""

    token: str


@shape
class SigningKey(TypedDict):
    """The id of the key that signs from now on."""

    kid: str


@shape
class KeySet(TypedDict):
    """RFC 7517."""

    keys: list[Object]


@shape
class Me(TypedDict):
    """Who asks; with the members of an account if it is a person."""

    principal: str
    kind: Kind
    name: str
    roles: list[Role]
    tenants: list[str]
    scopes: list[str]
    reads: list[str]
    writes: list[str]
    entities: list[Id]
    id: NotRequired[str]
    login: NotRequired[str]
    language: NotRequired[str]
    entity: NotRequired[Id]
    hasPassword: NotRequired[bool]
    disabled: NotRequired[bool]
    createdAt: NotRequired[Moment]


@shape
class MyChange(TypedDict, total=False):
    """What one changes of oneself."""

    name: str
    language: str


@shape
class NewPassword(TypedDict):
    """One's password: the old one is needed if there is one."""

    new: str
    old: NotRequired[str]


# --- the control room -----------------------------------------------------------------------------


@shape
class Session(TypedDict):
    """Who is here and what they may do."""

    id: str
    name: str
    roles: list[Role]
    tenants: list[str]
    may: dict[str, bool]
    """By action."""
    open: bool
    """Nobody needs to sign in here."""
    signedIn: bool
    language: str
    token: str
    """Goes with forms."""
    version: str


_OF_USERS: Final = {"id": str, "q": str, "role": Role, "disabled": bool, **PAGE}
_OF_KEYS: Final = {
    "id": str, "q": str, "kind": KeyKind, "owner": str, "revoked": bool, **PAGE
}  # fmt: skip
_USER: Final = "/trust/users/{who}"
_KEY: Final = "/trust/keys/{id}"
OPERATIONS: Final = {
    "GET /trust/users": Operation(list[User], _OF_USERS),
    "POST /trust/users": Operation(User, body=NewUser, status=(201,)),
    f"GET {_USER}": Operation(User),
    f"PATCH {_USER}": Operation(User, body=UserChange),
    f"DELETE {_USER}": GONE,
    f"POST {_USER}/password-link": Operation(InvitationMade, status=(201,)),
    "GET /trust/invitations": Operation(list[Invitation]),
    "POST /trust/invitations": Operation(InvitationMade, body=NewInvitation, status=(201,)),
    "DELETE /trust/invitations/{id}": GONE,
    "GET /trust/keys": Operation(list[Key], _OF_KEYS),
    "POST /trust/keys": Operation(KeyMade, body=NewKey, status=(201,)),
    f"GET {_KEY}": Operation(Key),
    f"PATCH {_KEY}": Operation(Key, body=Disabled),
    f"POST {_KEY}/rotate": Operation(KeyMade, body=KeyOverlap),
    f"DELETE {_KEY}": GONE,
    "GET /trust/tokens": Operation(list[SignedIn], {"who": str}, frozenset({"who"})),
    "POST /trust/tokens": Operation(Tokens, body=KeyId, status=(201,)),
    "POST /trust/tokens/rotate-signing-key": Operation(SigningKey, status=(201,)),
    "DELETE /trust/tokens/{id}": GONE,
    "GET /me": Operation(Me),
    "PATCH /me": Operation(User, body=MyChange),
    "POST /me/password": Operation(body=NewPassword, status=(204,)),
    "GET /me/sessions": Operation(list[MySession]),
    "DELETE /me/sessions": GONE,
    "DELETE /me/sessions/{id}": GONE,
    "GET /me/keys": Operation(list[Key], PAGE),
    "POST /me/keys/{id}/rotate": Operation(KeyMade, body=KeyOverlap),
    "DELETE /me/keys/{id}": GONE,
    "POST /token": Operation(Tokens, body=TokenRequest),
    "POST /token/revoke": Operation(body=TokenText, status=(204,)),
    "GET /.well-known/jwks.json": Operation(KeySet, media="application/jwk-set+json"),
    "GET /ui/session": Operation(Session),
    "GET /ui/texts/{language}": Operation(dict[str, Any]),
}
