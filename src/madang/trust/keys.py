"""Keys of devices, apps, services and partner cities: ``mdg_<id>_<secret>``.

Shown once, when made; kept as SHA-256. All keys are in memory, so that a key is looked up without a
wait; each takes about a kilobyte, less where keys share their limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast, get_args

from madang.model import time
from madang.model.errors import BadRequestData, Conflict, ResourceNotFound, Unauthorized
from madang.trust import credentials
from madang.trust.accounts import scope_paths, texts
from madang.trust.credentials import Credential
from madang.trust.events import Event, KeyDeed, Recorder
from madang.trust.principal import Principal, Role
from madang.trust.records import Body, Records

KeyKind = Literal["device", "app", "service", "city"]
KEY_KINDS: Final = get_args(KeyKind)
MOST: Final = 200_000
OVERLAP_S: Final = 24 * 3600
"""How long the secret before a rotation still works, unless said otherwise. [s]"""
LONGEST_OVERLAP_S: Final = 30 * 24 * 3600
_LONGEST_NAME = 128
_SECOND = 1_000_000
_AT_ONCE = 100  # keys in one transaction, so that nobody waits for it
_SETS = ("tenants", "scopes", "reads", "writes", "entities")
UNKNOWN: Final = "this key is not known here; check that it was copied whole, or ask for a new one"


@dataclass(frozen=True, slots=True)
class Key:
    """What a key gives. Instants in microseconds since 1970."""

    id: str
    kind: KeyKind
    name: str
    digest: str
    tenants: frozenset[str]
    scopes: frozenset[str]
    reads: frozenset[str]
    writes: frozenset[str]
    entities: frozenset[str]
    owner: str
    """Principal id of who may rotate and revoke it."""
    created: int
    expires: int | None = None
    disabled: bool = False
    revoked: int | None = None
    old_digest: str = ""
    old_until: int = 0
    """Until when the secret before the last rotation works."""

    @property
    def principal_id(self) -> str:
        return f"{self.kind}:{self.id}"

    def principal(self) -> Principal:
        role: Role = "device" if self.kind == "device" else "app"
        return Principal(
            self.principal_id,
            self.kind,
            self.name,
            frozenset({role}),
            self.tenants,
            self.scopes,
            self.reads,
            self.writes,
            self.entities,
        )

    def shown(self, used: int | None) -> Body:
        """Return what may be seen of it: everything but digests."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            **{name: sorted(getattr(self, name)) for name in _SETS},
            "owner": self.owner,
            "createdAt": time.render(self.created),
            "expiresAt": _rendered(self.expires),
            "lastUsedAt": _rendered(used),
            "state": self._state(),
        }

    def _state(self) -> str:
        if self.revoked is not None:
            return "revoked"
        return "disabled" if self.disabled else "active"


def _rendered(at: int | None) -> str | None:
    return None if at is None else time.render(at)


class Keys:
    """All keys.

    Args:
        records: where they are kept.
        recorder: takes note of every change.
        changed: told the principal id of each key that is changed, after the change.
        now: the time. [us since 1970]
    """

    def __init__(
        self,
        records: Records,
        recorder: Recorder,
        changed: Callable[[str], None],
        now: Callable[[], int],
    ) -> None:
        self._records = records
        self._recorder = recorder
        self._changed = changed
        self._now = now
        self._keys: dict[str, Key] = {}
        self._sets: dict[frozenset[str], frozenset[str]] = {}
        self._used: dict[str, int] = {}
        self._used_kept: dict[str, int] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up the keys there are."""
        for id, body in (await self._records.all("key")).items():
            self._put(id, body)

    def _put(self, id: str, body: Body) -> Key:
        used = body.pop("used", None)
        sets = {name: self._shared(body[name]) for name in _SETS if name != "entities"}
        sets["entities"] = frozenset(body["entities"])  # each key has its own
        key = self._keys[id] = Key(**(body | sets))
        if used is not None:
            self._used_kept[id] = used
            self._used[id] = max(used, self._used.get(id, 0))
        return key

    def take(self, id: str, body: Body | None) -> None:
        """Take up a key as another hub has left it."""
        key = self._keys.pop(id, None) if body is None else self._put(id, body)
        if key is not None:
            self._changed(key.principal_id)

    def __iter__(self) -> Iterator[Key]:
        """Go through all keys in the order of their names."""
        return iter(sorted(self._keys.values(), key=lambda key: (key.name, key.id)))

    def get(self, id: str) -> Key | None:
        return self._keys.get(id)

    def named(self, who: str) -> Key:
        """Return the key of an id, or of a name that only one key in use has.

        Raises:
            ResourceNotFound: there is none.
            BadRequestData: several have that name.
        """
        if who in self._keys:
            return self._keys[who]
        found = [key for key in self._keys.values() if key.name == who and key.revoked is None]
        if len(found) > 1:
            raise BadRequestData(f"{len(found)} keys are named {who[:_LONGEST_NAME]!r}; use an id")
        if not found:
            raise ResourceNotFound(
                f"there is no key {who[:_LONGEST_NAME]!r}; `madang key list` shows all"
            )
        return found[0]

    def owning(self, entity: str) -> list[Key]:
        """Return the keys in use that an entity is named in as their own."""
        return [key for key in self._keys.values() if entity in key.entities and not key.revoked]

    def used(self, key: Key) -> int | None:
        """Return when a key was last used, to the minute or so. [us since 1970]"""
        return self._used.get(key.id)

    def shown(self, key: Key) -> Body:
        return key.shown(self._used.get(key.id))

    def is_good(self, key: Key) -> bool:
        """Return whether a key can be used at all."""
        expired = key.expires is not None and key.expires <= self._now()
        return key.revoked is None and not key.disabled and not expired

    def check(self, credential: Credential) -> tuple[Key, int | None]:
        """Return the key of a credential, and until when it is good.

        Raises:
            Unauthorized: it is unknown, revoked, disabled or has expired; the text says which, but
                only to who has the right secret.
        """
        key, now = self._keys.get(credential.id), self._now()
        fits = credentials.fits(credential.secret, key.digest if key else None)
        fits_old = credentials.fits(credential.secret, (key.old_digest or None) if key else None)
        if key is None or not (fits or fits_old):
            raise Unauthorized(UNKNOWN)
        if key.revoked is not None:
            raise Unauthorized(f"key {key.id} has been revoked; ask for a new one")
        if key.disabled:
            raise Unauthorized(f"key {key.id} is switched off; ask who manages it")
        until = key.expires
        if not fits:
            until = key.old_until if until is None else min(until, key.old_until)
        if until is not None and until <= now:
            what = f"key {key.id}" if fits else f"the secret of key {key.id} was replaced and"
            raise Unauthorized(f"{what} expired on {time.render(until)}; get a new one")
        self._used[key.id] = now
        return key, until

    async def create(
        self,
        kind: str,
        name: str,
        *,
        by: str,
        owner: str = "",
        tenants: Iterable[str] = ("",),
        scopes: Iterable[str] = (),
        reads: Iterable[str] = (),
        writes: Iterable[str] = (),
        entities: Iterable[str] = (),
        expires: int | None = None,
    ) -> tuple[Key, str]:
        """Make a key; return it and the credential, which cannot be had again.

        Args:
            by: principal id of who asks for it.
            owner: principal id of who may rotate and revoke it; ``by`` unless said otherwise.
            expires: when it ends by itself. [us since 1970]

        Raises:
            BadRequestData: a member is not as it must be.
            Conflict: there are as many keys as one hub can have.
        """
        credential = credentials.new(credentials.KEY, credentials.new_id())
        key = Key(
            id=credential.id,
            kind=_kind(kind),
            name=_name(name),
            digest=credentials.digest(credential.secret),
            tenants=self._shared(texts("tenants", tenants)),
            scopes=self._shared(scope_paths(scopes)),
            reads=self._shared(texts("reads", reads)),
            writes=self._shared(texts("writes", writes)),
            entities=texts("entities", entities),
            owner=owner or by,
            created=self._now(),
            expires=self._future(expires),
        )
        if len(self._keys) >= MOST:
            raise Conflict(f"there are {MOST:,} keys already; revoked ones go after 90 days")
        await self._keep(key)
        limits = {name: sorted(getattr(key, name)) for name in _SETS}
        await self._record(key, by, "keyCreated", name=key.name, **limits)
        return key, credential.text()

    async def rotate(self, key: Key, by: str, overlap_s: int = OVERLAP_S) -> str:
        """Give a key a new secret; the one before works for ``overlap_s`` more.

        Returns:
            The new credential, which cannot be had again.

        Raises:
            BadRequestData: the overlap is no usable time.
            Conflict: the key has been revoked.
        """
        if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
            raise BadRequestData(f"overlap must be 0 to {LONGEST_OVERLAP_S} s, not {overlap_s}")
        credential = credentials.new(credentials.KEY, key.id)
        async with self._turn:
            before = self._usable(key)
            await self._keep(
                replace(
                    before,
                    digest=credentials.digest(credential.secret),
                    old_digest=before.digest if overlap_s else "",
                    old_until=self._now() + overlap_s * _SECOND,
                )
            )
        await self._record(key, by, "keyRotated", overlap_s=overlap_s)
        return credential.text()

    async def give(self, key: Key, by: str, entities: Iterable[str]) -> Key:
        """Let a key have these entities as its own, in place of those before.

        Raises:
            Conflict: the key has been revoked.
        """
        async with self._turn:
            before = self._usable(key)
            changed = await self._keep(replace(before, entities=texts("entities", entities)))
        await self._record(key, by, "keyGiven", entities=sorted(changed.entities))
        return changed

    async def switch(self, key: Key, by: str, *, disabled: bool) -> Key:
        """Switch a key off for a while, or on again.

        Raises:
            Conflict: the key has been revoked.
        """
        async with self._turn:
            changed = await self._keep(replace(self._usable(key), disabled=disabled))
        await self._record(key, by, "keyDisabled" if disabled else "keyEnabled")
        return changed

    async def revoke(self, key: Key, by: str) -> None:
        """End a key for good, at once. It is kept for a while, so that its user is told why.

        Raises:
            Conflict: the key has been revoked.
        """
        async with self._turn:
            await self._keep(
                replace(self._usable(key), revoked=self._now(), old_digest="", old_until=0)
            )
        await self._record(key, by, "keyRevoked")

    async def tidy(self, least_change: int, keep_revoked: int) -> None:
        """Write down when keys were used, and forget those revoked long ago.

        Args:
            least_change: nothing is written for a use less than this after the one written. [us]
            keep_revoked: how long revoked keys are kept. [us]
        """
        now = self._now()
        gone = [k.id for k in self._keys.values() if k.revoked and k.revoked + keep_revoked < now]
        for id in gone:
            async with self._turn:
                await self._records.put("key", id, None)
                del self._keys[id]
                self._used.pop(id, None)
        due = [
            id for id, at in self._used.items() if at >= self._used_kept.get(id, -1) + least_change
        ]
        for start in range(0, len(due), _AT_ONCE):
            await self._write_uses(due[start : start + _AT_ONCE])

    async def _write_uses(self, ids: list[str]) -> None:
        async with self._turn:
            uses = {id: self._used[id] for id in ids if id in self._keys}
            await self._records.commit({("key", id): self._body(self._keys[id]) for id in uses})
        self._used_kept |= uses

    async def _keep(self, key: Key) -> Key:
        await self._records.put("key", key.id, self._body(key))
        self._keys[key.id] = key
        self._changed(key.principal_id)
        return key

    async def _record(self, key: Key, by: str, action: KeyDeed, **detail: Any) -> None:
        await self._recorder.record(
            Event("key", by, action, targets=(key.principal_id,), detail=detail)
        )

    def _body(self, key: Key) -> Body:
        body: Body = {name: getattr(key, name) for name in Key.__slots__}
        body |= {name: sorted(body[name]) for name in _SETS}
        return body | {"used": self._used.get(key.id)}

    def _shared(self, items: Iterable[str]) -> frozenset[str]:
        found = frozenset(items)
        return self._sets.setdefault(found, found)

    def _future(self, expires: int | None) -> int | None:
        if expires is not None and expires <= self._now():
            raise BadRequestData("expires must be an instant in the future")
        return expires

    def _usable(self, key: Key) -> Key:
        current = self.named(key.id)
        if current.revoked is not None:
            raise Conflict(f"key {key.id} has been revoked; make a new one")
        return current


def _kind(kind: str) -> KeyKind:
    if kind in KEY_KINDS:
        return cast("KeyKind", kind)
    raise BadRequestData(f"kind must be one of {', '.join(KEY_KINDS)}, not {str(kind)[:40]!r}")


def _name(name: str) -> str:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise BadRequestData("name must be a text, such as the name of the device or app")
    if len(name) > _LONGEST_NAME:
        raise BadRequestData(f"name has {len(name)} characters, {_LONGEST_NAME} are allowed")
    return name.strip()
