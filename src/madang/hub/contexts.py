"""The @contexts of one tenant: those it hosts, and those its requests name.

Source: ETSI GS CIM 009 clauses 5.5.6 and 5.13 (storing, listing, serving and deleting @contexts).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote
from uuid import uuid4

import orjson

from madang.hub.remote_contexts import RETRIED_AFTER, RemoteContexts
from madang.model import time
from madang.model.context import CORE, Context, build, check, missing
from madang.model.core_context import CORE_URL, is_core
from madang.model.errors import BadRequestData, OperationNotSupported, ResourceNotFound

Kind = Literal["Hosted", "Cached", "ImplicitlyCreated"]
Save = Callable[[str, bytes | None], Awaitable[None]]

PATH = "/ngsi-ld/v1/jsonldContexts/"
MOST_KNOWN = 200  # contexts kept ready for use
LONGEST_KEY = 16384  # a longer inline @context is built each time [bytes]
_NEVER = 2**63


@dataclass(slots=True)
class _Hosted:
    kind: Kind
    created: int  # [us since 1970]
    context: Any


@dataclass(slots=True)
class _Known:
    context: Context
    urls: tuple[str, ...]
    """The remote documents it was built of."""
    due: int
    """When these should be looked after. [us since 1970]"""


class Contexts:
    """Finds the Context of a request, and keeps the @contexts that clients store here."""

    def __init__(
        self,
        remote: RemoteContexts,
        save: Save,
        items: Iterable[tuple[str, bytes]] = (),
        *,
        base_url: str = "http://localhost:8080",
    ) -> None:
        """Take up the contexts of a tenant.

        Args:
            remote: the cache of fetched contexts.
            save: makes a stored context durable under its id; None as body removes it.
            items: what was saved before.
            base_url: where clients reach this hub.
        """
        self._remote = remote
        self._save = save
        self._base_url = base_url.rstrip("/")
        self._started = remote.now()
        self._hosted = {id: _Hosted(**orjson.loads(body)) for id, body in items}
        self._known: dict[str | bytes, _Known] = {}
        self._revision = remote.revision

    # --- contexts for requests -------------------------------------------------------------------

    def known(self, source: object) -> Context | None:
        """Return the Context of a URL or an inline ``@context``; None if it takes a fetch.

        None as source is the core. A context that has been used before is one look-up.

        Raises:
            BadRequestData: it can be told at once that it is no valid context.
        """
        if self._revision != self._remote.revision:
            self._forget()
        if source is None:
            return CORE
        key = source if type(source) is str else _key(source)
        found = self._known.get(key)
        if found is None:
            documents: dict[str, object] = {}
            if self._collect(source, documents):
                return None
            return self._remember(key, source, documents)
        if found.due <= self._remote.now():
            self._renew(found)
        return found.context

    async def resolve(self, source: object) -> Context:
        """Return the Context of a URL or an inline ``@context``, fetching what is needed.

        Raises:
            LdContextNotAvailable: a remote one cannot be fetched.
            BadRequestData: it or a remote one is no valid context.
        """
        found = self.known(source)
        if found is not None:
            return found
        documents: dict[str, object] = {}
        while absent := self._collect(source, documents):
            for remote in await asyncio.gather(*map(self._remote.obtain, absent)):
                documents[remote.url] = remote.document()
        return self._remember(_key(source), source, documents)

    def _collect(self, source: object, documents: dict[str, object]) -> set[str]:
        """Add all documents that are here, and return the URLs of those still missing."""
        while absent := missing(source, documents, self._base_url):
            here = {url: found for url in absent if (found := self._local(url)) is not None}
            if not here:
                break
            documents |= here
        return absent

    def _local(self, url: str) -> object:
        hosted = self._hosted.get(self._id_in(url))
        if hosted is not None:
            return {"@context": hosted.context}
        remote = self._remote.get(url)
        return None if remote is None else remote.document()

    def _remember(self, key: str | bytes, source: object, documents: dict[str, object]) -> Context:
        # One URL in an array is the URL: both then share what the Context has learnt.
        context = build(
            key if isinstance(key, str) else source, documents.__getitem__, self._base_url
        )
        if len(key) <= LONGEST_KEY:
            remotes = [found for url in documents if (found := self._remote.get(url)) is not None]
            due = min((remote.due for remote in remotes), default=_NEVER)
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[key] = _Known(context, tuple(remote.url for remote in remotes), due)
        return context

    def _renew(self, known: _Known) -> None:
        known.due = self._remote.now() + RETRIED_AFTER
        for url in known.urls:
            self._remote.renew(url)

    def _forget(self) -> None:
        self._known.clear()
        self._revision = self._remote.revision

    def take(self, id: str, body: bytes | None) -> None:
        """Take up a stored context as another hub has left it."""
        if body is None:
            self._hosted.pop(id, None)
        else:
            self._hosted[id] = _Hosted(**orjson.loads(body))
        self._forget()

    # --- stored contexts -----------------------------------------------------------------------

    async def add(self, source: object, kind: Kind = "Hosted") -> str:
        """Store a context and return its id (clause 5.13.2).

        Raises:
            BadRequestData: it is no valid context.
        """
        check(source, self._base_url)
        id = uuid4().hex  # nobody can guess it, so a URL that ends in it is ours, whatever its host
        hosted = _Hosted(kind, self._remote.now(), source)
        await self._save(id, orjson.dumps(hosted))
        self._hosted[id] = hosted
        return id

    async def implicit(self, source: object) -> str:
        """Return a URL under which others get an ``@context``, stored if need be.

        Subscriptions made with an inline context name it so (clause 5.8.1).
        """
        url = source[0] if isinstance(source, list) and len(source) == 1 else source
        if isinstance(url, str):
            return url
        for id, hosted in self._hosted.items():
            if hosted.kind == "ImplicitlyCreated" and hosted.context == source:
                return self.url_of(id)
        return self.url_of(await self.add(source, "ImplicitlyCreated"))

    def url_of(self, id: str) -> str:
        """Return the URL of a stored context."""
        return f"{self._base_url}{PATH}{id}"

    def catalogue(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return what is known of every stored and cached context (clause 5.13.3)."""
        hosted = [self._hosted_details(id, hosted) for id, hosted in self._hosted.items()]
        cached = [
            _details(remote.url, remote.url, "Cached", remote.created) for remote in self._remote
        ]
        return [details for details in hosted + cached if kind in (None, details["kind"])]

    def details(self, name: str) -> dict[str, Any]:
        """Return what is known of a context, named by its id or its URL (clause 5.13.4).

        Raises:
            ResourceNotFound: there is none.
        """
        id = self._id_in(name)
        hosted = self._hosted.get(id)
        if hosted is not None:
            return self._hosted_details(id, hosted)
        remote = self._remote.get(name)
        if remote is not None:
            return _details(name, name, "Cached", remote.created)
        if is_core(name):
            return _details(name, name, "Cached", self._started)
        raise _unknown(name)

    def content(self, name: str) -> Any:
        """Return a stored context (clause 5.13.4).

        Raises:
            OperationNotSupported: it is a cached one, which its own host serves.
            ResourceNotFound: there is none.
        """
        hosted = self._hosted.get(self._id_in(name))
        if hosted is None:
            kind = self.details(name)["kind"]
            raise OperationNotSupported(
                f"{name} is {kind}: get it from its own host, or its details with details=true"
            )
        return hosted.context

    async def delete(self, name: str) -> None:
        """Remove a context (clause 5.13.5).

        Raises:
            BadRequestData: it is the core @context.
            ResourceNotFound: there is none.
        """
        id = self._id_in(name)
        if id in self._hosted:
            await self._save(id, None)
            del self._hosted[id]
            self._forget()
        elif is_core(name):
            raise BadRequestData(f"the core @context {CORE_URL} cannot be deleted")
        elif not self._remote.remove(name):
            raise _unknown(name)

    async def reload(self, name: str) -> None:
        """Fetch a cached context again; the core is built in (clause 5.13.5).

        Raises:
            BadRequestData: it is none that was fetched.
            LdContextNotAvailable: it cannot be fetched; the old one stays.
        """
        if self._remote.get(name) is not None:
            await self._remote.reload(name)
        elif not is_core(name):
            raise BadRequestData(f"{name} is no Cached @context, so it cannot be fetched again")

    def _id_in(self, name: str) -> str:
        """Return the id in a URL or path of ours; another name as it is."""
        _, found, id = name.partition(PATH)
        return unquote(id) if found else name

    def _hosted_details(self, id: str, hosted: _Hosted) -> dict[str, Any]:
        return _details(self.url_of(id), id, hosted.kind, hosted.created)


def _key(source: object) -> str | bytes:
    """Return what a source is remembered by: a URL as it is, anything else as JSON.

    Raises:
        BadRequestData: it is nested so deeply that it cannot be written out again.
    """
    if isinstance(source, list) and len(source) == 1:
        source = source[0]
    if isinstance(source, str):
        return source
    try:
        return orjson.dumps(source)
    except TypeError:
        raise BadRequestData("the @context is nested too deeply") from None


def _details(url: str, id: str, kind: str, created: int) -> dict[str, Any]:
    return {"URL": url, "localId": id, "kind": kind, "createdAt": time.render(created)}


def _unknown(name: str) -> ResourceNotFound:
    return ResourceNotFound(f"there is no @context {name!r} here")
