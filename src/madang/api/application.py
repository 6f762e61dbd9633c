"""The ASGI side of the process: pages, accounts, policies, audit log, health and figures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from madang.act.decisions import Decisions
from madang.api import (
    commands,
    contacts,
    decisions,
    history,
    incidents,
    live,
    playbooks,
    replay,
    rules,
    sense_devices,
    sense_drop,
    sense_edge,
    sense_feeds,
    sense_letters,
    sense_profiles,
    sense_push,
    sense_quality,
    sense_relay,
    sense_sentilo,
    sense_things,
    services,
    sign_in,
    trust_audit,
    trust_identities,
    trust_personal,
    trust_policies,
    twin,
    ui_entities,
    watch_over,
)
from madang.api.account_push import PushPages
from madang.api.api_pages import ApiPages
from madang.api.catalogue import CataloguePages
from madang.api.city_data import CityData
from madang.api.city_devices import CityDevices
from madang.api.city_pages import CityPages
from madang.api.control_room import ControlRoom
from madang.api.dashboards import Dashboards
from madang.api.entry import Doors
from madang.api.guarded import BodyLimit, mounted, problem
from madang.api.incident_pages import IncidentPages
from madang.api.map import MapPages
from madang.api.search import SearchPages
from madang.api.security_headers import Cors, SecurityHeaders
from madang.api.site import Site, WrongMethod
from madang.api.start import StartPages
from madang.api.surface import Surface
from madang.model.errors import NgsiError, ResourceNotFound
from madang.trust.openid_accounts import ProviderAccounts
from madang.trust.passkeys import Passkeys
from madang.web.assets import Assets
from madang.web.dashboards.facts import Facts
from madang.web.maps.watch import Watches

if TYPE_CHECKING:
    from madang.api.parts import Parts


def surfaces(parts: Parts, site: Site) -> list[Surface]:
    """Return every route of the ASGI side."""
    settings, trust, hub, sense = parts.settings, parts.trust, parts.hub, parts.sense
    notices, system, watches = parts.notices, parts.system, Watches(hub)
    identities = trust.identities
    passkeys = None if site.place is None else Passkeys(trust.records, site.place)
    providers = ProviderAccounts(trust.records, identities, trust.audit)
    identities.people.on_remove += [providers.forget, *([passkeys.forget] if passkeys else [])]
    doors = Doors(
        identities,
        trust.audit,
        passkeys,
        trust.openid,
        providers,
        lambda principal: trust.policies.allows(principal, "managePeople"),
    )

    async def figures(request: Request) -> list[tuple[str, int]]:
        return await trust.counts(request.state.principal, request.state.address)

    assets, facts = Assets(site.pages.root), Facts(hub, parts.services, trust.gate)
    dashboards = Dashboards(hub, trust.gate, facts)
    city = CityPages(site, dashboards, facts, assets)
    found = [
        *system.surfaces(),
        *history.surfaces(settings),
        *sense_devices.surfaces(sense, identities.keys, settings.url),
        *sense_edge.surfaces(sense.edge),
        *sense_profiles.surfaces(sense, identities.keys),
        *sense_feeds.surfaces(sense),
        *sense_drop.surfaces(sense.drop),
        *sense_letters.surfaces(sense, trust.identities.find),
        *sense_push.surfaces(sense),
        *sense_quality.surfaces(sense),
        *sense_relay.surfaces(system, trust.gate),
        *sense_sentilo.surfaces(sense, trust.gate, identities.keys, parts.commands),
        *sense_things.surfaces(sense, settings.url),
        *services.surfaces(parts.services),
        *rules.surfaces(parts.services),
        *commands.surfaces(parts.commands, trust.audit, identities.find),
        *decisions.surfaces(Decisions(parts.commands), hub, trust.audit),
        *incidents.surfaces(hub, parts.services, notices, settings.url),
        *IncidentPages(site, hub).surfaces(),
        *playbooks.surfaces(hub, notices),
        *contacts.surfaces(hub, notices, trust.gate, trust.audit, identities.accounts),
        *PushPages(site, notices, trust.gate, trust.audit).surfaces(),
        *replay.surfaces(parts.replays),
        *CataloguePages(site, parts.services, trust.gate, hub).surfaces(),
        *ui_entities.surfaces(trust.gate, hub),
        *MapPages(settings, watches).surfaces(),
        *live.surfaces(hub),
        *SearchPages(watches).surfaces(),
        *ControlRoom(site, assets, trust.policies).surfaces(),
        *dashboards.surfaces(),
        *city.surfaces(),
        *CityData(site, facts, trust.gate).surfaces(),
        *CityDevices(site, facts, trust.gate, sense).surfaces(),
        *StartPages(site, figures, city.in_short, settings.security_contact).surfaces(),
        *sign_in.surfaces(site, doors, sign_in.Rights(trust.consents, trust.personal.reads)),
        *trust_identities.surfaces(identities),
        *trust_audit.surfaces(trust.audit),
        *trust_personal.surfaces(trust.personal),
        *trust_policies.surfaces(
            trust.policies, identities.find, partial(hub.tenant, create=False)
        ),
        *twin.surfaces(
            parts.trials, parts.branches, hub, parts.services, trust.audit, identities.find
        ),
        *watch_over.surfaces(parts.services),
    ]
    return [*found, *ApiPages(site, found).surfaces()]


def application(parts: Parts, cors: Cors) -> Starlette:
    """Return the application that answers whatever the direct lane does not."""
    site = Site(parts.settings.url)

    async def answer_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, NgsiError)
        return site.problem(request, error) or await problem(request, error)

    async def answer_no_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        missing = ResourceNotFound(f"there is nothing at {request.url.path[:200]}")
        wrong = WrongMethod(f"{request.method} does not work at {request.url.path[:200]}")
        answer = await answer_error(request, wrong if error.status_code == 405 else missing)
        answer.headers.update(error.headers or {})
        return answer

    app = Starlette(
        routes=mounted(surfaces(parts, site), parts.trust.gate, parts.hub),
        middleware=[
            Middleware(SecurityHeaders, url=parts.settings.url, cors=cors),
            Middleware(BodyLimit),
        ],
        exception_handlers={NgsiError: answer_error, HTTPException: answer_no_route},
    )
    # The redirect would name the host that the request named, which may be anybody's.
    app.router.redirect_slashes = False
    return app
