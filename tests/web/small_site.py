"""The pages over a real store with real identities, behind a guard that knows roles only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from madang.api import sign_in
from madang.api.api_pages import ApiPages
from madang.api.cookies import credential_of, refuse_forged
from madang.api.security_headers import Cors, SecurityHeaders
from madang.api.site import Site
from madang.api.start import StartPages
from madang.api.surface import Handler, Surface
from madang.model.errors import Forbidden, NgsiError, Unauthorized
from madang.settings_types import OpenIdProvider
from madang.store.engine import SqliteEngine
from madang.trust.consents import Consents
from madang.trust.events import Event
from madang.trust.gate import bearer
from madang.trust.identities import Identities
from madang.trust.openid import OpenId
from madang.trust.openid_accounts import ProviderAccounts
from madang.trust.openid_secrets import ProviderSecrets
from madang.trust.passkeys import Passkeys
from madang.trust.personal import Read
from madang.trust.principal import PUBLIC
from madang.trust.purposes import Purposes
from madang.trust.records import Records

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
PASSWORD = "seven kites over the yard"


class Notes:
    """A recorder that keeps what it is told in a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(self, event: Event) -> None:
        self.events.append(event)

    async def record(self, *events: Event) -> None:
        self.events.extend(events)


class SmallSite:
    """Everything that the pages stand on, and the application."""

    def __init__(
        self,
        url: str,
        records: Records,
        identities: Identities,
        notes: Notes,
        providers: Mapping[str, OpenIdProvider],
        cors_origins: tuple[str, ...],
        security_contact: str,
    ) -> None:
        self.url = url
        self.records = records
        self.identities = identities
        self.notes = notes
        self.site = Site(url)
        self.passkeys = Passkeys(records, self.site.place) if self.site.place else None
        self.openid = OpenId(providers, ProviderSecrets(records, identities.secrets))
        self.doors = sign_in.Doors(
            identities,
            notes,
            self.passkeys,
            self.openid,
            ProviderAccounts(records, identities, notes),
            lambda principal: "administrator" in principal.roles,
        )
        consents = Consents(records, notes, Purposes(records, notes), lambda: 0)
        self.surfaces = [
            *StartPages(self.site, self._figures, self._in_short, security_contact).surfaces(),
            *sign_in.surfaces(self.site, self.doors, sign_in.Rights(consents, self._no_reads)),
        ]
        self.surfaces += ApiPages(self.site, self.surfaces).surfaces()
        self.app = Starlette(
            routes=[Route(s.path, self._guarded(s), methods=[s.method]) for s in self.surfaces],
            middleware=[Middleware(SecurityHeaders, url=url, cors=Cors(cors_origins))],
            exception_handlers={NgsiError: self._problem},
        )

    async def _no_reads(self, subject: str, before: int | None, limit: int) -> list[Read]:
        return []

    async def _figures(self, request: Request) -> list[tuple[str, int]]:
        return [] if request.state.principal is PUBLIC else [("", 1234)]

    async def _in_short(self, request: Request) -> list[dict[str, Any]]:
        return []

    def _guarded(self, surface: Surface) -> Handler:
        async def guarded(request: Request) -> Response:
            request.state.address = request.client.host if request.client else ""
            request.state.principal = PUBLIC
            credential = bearer(request.headers)
            if credential is None and (credential := credential_of(request)) is not None:
                refuse_forged(request)
            if credential is not None:
                with suppress(Unauthorized):
                    request.state.principal = self.identities.principal_of(credential, "")
            principal = request.state.principal
            if surface.action != "seePages":
                if principal is PUBLIC:
                    raise Unauthorized("this is not public: sign in")
                if surface.action == "managePeople" and "administrator" not in principal.roles:
                    raise Forbidden("you may not managePeople")
            return await surface.handler(request)

        return guarded

    async def _problem(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, NgsiError)
        page = self.site.problem(request, error)
        return page or JSONResponse(error.problem(), error.status)


@asynccontextmanager
async def small_site(
    folder: Path,
    url: str = "http://localhost:8080",
    providers: Mapping[str, Mapping[str, Any]] | None = None,
    cors_origins: tuple[str, ...] = (),
    security_contact: str = "",
) -> AsyncIterator[SmallSite]:
    """Open a site over a data folder."""
    engine = SqliteEngine(folder / "state", 10.0)
    notes = Notes()
    records = Records(await engine.system())
    identities = Identities(records, notes, folder, url, hasher=CHEAP)
    await identities.start()
    named = {name: OpenIdProvider.model_validate(one) for name, one in (providers or {}).items()}
    made = SmallSite(url, records, identities, notes, named, cors_origins, security_contact)
    try:
        yield made
    finally:
        await made.openid.close()
        await identities.close()
        await engine.close()
