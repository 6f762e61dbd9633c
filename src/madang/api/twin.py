"""The twin over HTTP: branches of the city, trials of policies, what came of them, adopting one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from madang.api.bodies import flag, instant, members, page, text
from madang.api.surface import Handler, Surface
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.trust.events import Event
from madang.twin.branch.adopt import Verdict, decide
from madang.twin.branch.branches import Branches
from madang.twin.branch.policy import body as policy_body
from madang.twin.branch.policy import read
from madang.twin.branch.start import Start, controlled, usual
from madang.twin.branch.tasks import streets_file
from madang.twin.branch.trial import Asked, Trial
from madang.twin.branch.trials import AS_IS, LIMITS, NoCity

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.services.services import Services
    from madang.trust.actions import TenantAction
    from madang.trust.events import Recorder
    from madang.trust.principal import Principal
    from madang.twin.branch.trials import Trials

LONGEST_REASON: Final = 1000
_ONE: Final = "/twin/trials/{trial}"
_BEGINS: Final = ("at", "time", "branch")


def surfaces(
    trials: Trials,
    branches: Branches,
    hub: Hub,
    services: Services,
    recorder: Recorder,
    find: Callable[[str], Principal | None],
) -> list[Surface]:
    """Return what can be done in the twin; ``find`` returns who has an id, for their names."""
    pages = _Pages(trials, branches, hub, services, recorder, find)
    rows: list[tuple[str, str, Handler, TenantAction, str]] = [
        (
            "GET",
            "/twin",
            pages.city,
            "seeServices",
            "What policies are tried on, limits, templates",
        ),
        ("POST", "/twin/policies/check", pages.check, "seeServices", "Check a policy"),
        ("GET", "/twin/branches", pages.branches, "seeServices", "Branches of the city"),
        ("POST", "/twin/branches", pages.branch, "manageServices", "Keep the city as it is now"),
        ("DELETE", "/twin/branches/{branch}", pages.forget, "manageServices", "Forget a branch"),
        ("GET", "/twin/trials", pages.list, "seeServices", "Trials of policies, the latest first"),
        ("POST", "/twin/trials", pages.begin, "manageServices", "Try policies"),
        ("GET", _ONE, pages.get, "seeServices", "How far a trial is, and what came of it"),
        ("GET", f"{_ONE}/streets", pages.streets, "seeServices", "What differs, street by street"),
        ("POST", f"{_ONE}/cancel", pages.cancel, "manageServices", "End a trial that runs"),
        ("POST", f"{_ONE}/decision", pages.decide, "manageServices", "Adopt or drop a policy"),
        ("DELETE", _ONE, pages.remove, "manageServices", "End a trial and forget it"),
    ]
    return [
        Surface(method, path, handler, action, summary, "Twin")
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(
        self,
        trials: Trials,
        branches: Branches,
        hub: Hub,
        services: Services,
        recorder: Recorder,
        find: Callable[[str], Principal | None],
    ) -> None:
        self._trials, self._branches = trials, branches
        self._who = find
        self._hub, self._services, self._recorder = hub, services, recorder

    async def city(self, request: Request) -> Response:
        """Tell what there is to try policies on; ``city`` is null if there is nothing."""
        try:
            city = self._trials.city()
        except NoCity as error:
            return JSONResponse(
                {"city": None, "missing": error.detail, "limits": LIMITS, "templates": []}
            )
        west, south, east, north = city.bounds
        told = {"name": city.name, "zone": city.zone, "bounds": city.bounds,
                "source": city.source, "counts": dict(city.counts)}  # fmt: skip
        templates = _templates((west + east) / 2, (south + north) / 2, (east - west) / 4)
        return JSONResponse({"city": told, "missing": "", "limits": LIMITS, "templates": templates})

    async def check(self, request: Request) -> Response:
        body = await members(request, ("text",), ("text",))
        policy = read(text(body, "text"))
        return JSONResponse(
            {"title": policy.title, "measures": policy.measures, "policy": policy_body(policy)}
        )

    # --- branches -----------------------------------------------------------------------------

    async def branches(self, request: Request) -> Response:
        return page(request, self._branches.list(_tenant(request)), lambda one: one)

    async def branch(self, request: Request) -> Response:
        """Keep the city as it is, or as it was at ``at``."""
        body = await members(request, ("name", "at"), ("name",))
        now = await self._now(request)
        at = instant(body, "at")
        start = await self._trials.start(request.state.tenant, now, at, at is not None)
        who = request.state.principal.id
        made = self._branches.make(_tenant(request), text(body, "name"), start, who, now)
        return JSONResponse(made, 201, {"Location": f"/twin/branches/{made['name']}"})

    async def forget(self, request: Request) -> Response:
        self._branches.remove(_tenant(request), str(request.path_params["branch"]))
        return Response(status_code=204)

    # --- trials -------------------------------------------------------------------------------

    async def list(self, request: Request) -> Response:
        return page(request, self._trials.list(_tenant(request)), self._shown)

    async def begin(self, request: Request) -> Response:
        known = ("policies", "against", "hours", "seeds", *_BEGINS)
        body = await members(request, known, ("policies",))
        policies = body["policies"]
        if not isinstance(policies, list) or not all(isinstance(one, str) for one in policies):
            raise BadRequestData("policies must be an array of texts in TOML, one a policy")
        against = body.get("against", AS_IS)
        if not isinstance(against, str):
            raise BadRequestData(
                "against must be a text in TOML: what the policies are compared with"
            )
        asked = Asked(
            (against, *policies),
            _number(body, "hours", 1.0),
            round(_number(body, "seeds", 5)),
            request.state.principal.id,
        )
        start = await self._start(request, body)
        now = await self._now(request)
        made = await self._trials.begin(_tenant(request), asked, start, now)
        return JSONResponse(self._shown(made), 201, {"Location": f"/twin/trials/{made.id}"})

    async def get(self, request: Request) -> Response:
        trial = self._find(request)
        return JSONResponse(self._shown(trial) | {"result": trial.result})

    async def streets(self, request: Request) -> Response:
        """Send GeoJSON; ``policy`` is its number, from 1 on."""
        trial = self._find(request)
        asked = request.query_params.get("policy", "1")
        number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 3 else 0
        if trial.state != "done" or not 0 < number < len(trial.asked.policies):
            raise ResourceNotFound(
                f"the trial {trial.id} is {trial.state} and has no streets of policy {asked[:20]!r}"
                "; policies are numbered from 1"
            )
        file = streets_file(trial.folder, number - 1)
        return FileResponse(file, media_type="application/geo+json")

    async def cancel(self, request: Request) -> Response:
        trial = self._find(request)
        await self._trials.cancel(trial)
        return JSONResponse(self._shown(trial))

    async def remove(self, request: Request) -> Response:
        await self._trials.remove(self._find(request))
        return Response(status_code=204)

    async def decide(self, request: Request) -> Response:
        """Adopt the policy of the number ``policy``, or drop all of them."""
        body = await members(request, ("adopt", "policy", "reason"), ("adopt",))
        reason = body.get("reason", "")
        if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
            raise BadRequestData(f"reason must be a text of up to {LONGEST_REASON} characters")
        policy = round(_number(body, "policy", 1)) if flag(body, "adopt") else 0
        if flag(body, "adopt") and policy < 1:
            raise BadRequestData("policy must be the number of a policy; they are numbered from 1")
        trial, state = self._find(request), request.state
        tenant = await self._hub.tenant(state.tenant.name, create=False)
        verdict = Verdict(policy, reason.strip(), state.principal.id)
        found = await decide(trial, verdict, tenant, self._services, tenant.clock.now())
        await self._recorder.record(
            Event(
                "command",
                state.principal.id,
                "policyAdopted" if policy else "policyDropped",
                tenant=tenant.name,
                targets=(found["record"],),
                address=state.address,
            )
        )
        return JSONResponse(found)

    # --- what they share ----------------------------------------------------------------------

    def _shown(self, trial: Trial) -> dict[str, Any]:
        """Return a trial with the names of those whose ids are in it."""
        told = trial.shown()
        ids = {told["by"], (trial.decision or {"by": told["by"]})["by"]}
        people = {id: found.name for id in sorted(ids) if (found := self._who(id)) is not None}
        return {**told, "people": people} if people else told

    async def _start(self, request: Request, body: dict[str, Any]) -> Start:
        """Return what a trial begins from: now, an instant, a time of day, or a branch."""
        given = [name for name in _BEGINS if body.get(name) is not None]
        if len(given) > 1:
            raise BadRequestData(f"{given[0]} and {given[1]} both say when it begins; give one")
        if "branch" in given:
            return self._branches.start(_tenant(request), text(body, "branch"))
        if "time" in given:
            return usual(body["time"], await controlled(request.state.tenant))
        now = await self._now(request)
        at = instant(body, "at")
        return await self._trials.start(request.state.tenant, now, at, at is not None)

    async def _now(self, request: Request) -> int:
        return (await self._hub.tenant(request.state.tenant.name, create=False)).clock.now()

    def _find(self, request: Request) -> Trial:
        return self._trials.find(_tenant(request), str(request.path_params["trial"]))


def _number(body: dict[str, Any], member: str, default: float) -> float:
    value = body.get(member, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
        raise BadRequestData(f"{member} must be a number")
    return float(value)


def _templates(lon: float, lat: float, aside: float) -> list[dict[str, str]]:
    """Return policies to begin with, in the middle of the city."""
    places = {"{lon}": f"{lon:.5f}", "{lat}": f"{lat:.5f}",
              "{lon2}": f"{lon + aside:.5f}", "{lat2}": f"{lat:.5f}"}  # fmt: skip
    found = []
    folder = files("madang.twin.branch").joinpath("templates")
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        content = file.read_text("utf-8")
        for place, value in places.items():
            content = content.replace(place, value)
        found.append({"name": file.name.removesuffix(".toml"), "text": content})
    return found


def _tenant(request: Request) -> str:
    return request.headers.get("NGSILD-Tenant", "")
