"""Policies, marks of personal data and public data over HTTP, for who manages them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import members, page, text
from madang.api.surface import Handler, Surface
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.model.names import is_uri, shown
from madang.store.rows import entity_of
from madang.trust import rules
from madang.trust.actions import ENTITY_ACTIONS, Action
from madang.trust.book import ALL_TYPES
from madang.trust.explain import Explanation
from madang.trust.marks import Mark, mark_of
from madang.trust.marks import shipped as shipped_marks
from madang.trust.policy import Policies
from madang.trust.principal import Principal
from madang.trust.roles import permissions
from madang.trust.rules import Rule

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

Find = Callable[[str], Principal | None]
"""Finds who is meant by the name of an account, the id or name of a key, or ``role:operator``."""
Open = Callable[[str], Awaitable["Tenant"]]
"""Opens a tenant by name, or raises NonexistentTenant."""

LONGEST_PURPOSE: Final = 200  # characters
_ACTIONS: Final = [name for kind in get_args(Action) for name in get_args(kind)]
_TAG: Final = "Policies"


def surfaces(policies: Policies, find: Find, tenant: Open) -> list[Surface]:
    """Return the routes of policies.

    Args:
        find: finds principals, to explain what they may do.
        tenant: opens tenants, for their entities.
    """
    one = _Pages(policies, find, tenant)
    rows: list[tuple[str, str, Handler, str]] = [
        ("GET", "/trust/policies", one.policies, "List policies"),
        ("GET", "/trust/policies/{name}", one.policy, "Show a policy"),
        ("PUT", "/trust/policies/{name}", one.add_policy, "Add or replace a policy"),
        ("DELETE", "/trust/policies/{name}", one.remove_policy, "Remove a policy"),
        ("GET", "/trust/explanation", one.explanation, "Explain who may do what, and why"),
        ("GET", "/trust/roles", one.roles, "What each role may do"),
        ("GET", "/trust/public", one.public, "List what is open data"),
        ("POST", "/trust/public", one.publish, "Make a type or a tenant open data"),
        ("DELETE", "/trust/public", one.unpublish, "Take back that something is open data"),
        ("GET", "/trust/marks", one.marks, "List marked attributes"),
        ("POST", "/trust/marks", one.mark, "Mark an attribute as personal or internal"),
        ("DELETE", "/trust/marks", one.unmark, "Remove a mark"),
    ]
    return [
        Surface(method, path, handler, "managePolicies", summary, _TAG)
        for method, path, handler, summary in rows
    ]


class _Pages:
    def __init__(self, policies: Policies, find: Find, tenant: Open) -> None:
        self._policies = policies
        self._find = find
        self._tenant = tenant

    # --- policies -----------------------------------------------------------------------------

    async def policies(self, request: Request) -> Response:
        found = [one.rule for one in self._policies.book.policies]
        return page(request, found, _told)

    async def policy(self, request: Request) -> Response:
        name = request.path_params["name"]
        own = self._policies.own.get(name)
        if own is None and name not in rules.shipped_names():
            raise ResourceNotFound(
                f"there is no policy {shown(name)}; `madang policy list` names those there are"
            )
        content = rules.shipped_text(name) if own is None else own
        return JSONResponse({"name": name, "origin": _origin(name), "text": content})

    async def add_policy(self, request: Request) -> Response:
        content = text(await members(request, ("text",), ("text",)), "text")
        name = request.path_params["name"]
        is_new = name not in self._policies.own
        await self._policies.add(name, content, *_by(request))
        return Response(status_code=201 if is_new else 204)

    async def remove_policy(self, request: Request) -> Response:
        await self._policies.remove(request.path_params["name"], *_by(request))
        return Response(status_code=204)

    # --- explanations -------------------------------------------------------------------------

    async def explanation(self, request: Request) -> Response:
        given = request.query_params
        action: Any = given.get("action", "")
        if action not in _ACTIONS:
            raise BadRequestData(
                f"{shown(action)} is no action; expected one of {', '.join(_ACTIONS)}"
            )
        who = self._find(given.get("who", ""))
        if who is None:
            raise ResourceNotFound(
                f"nobody is called {shown(given.get('who', ''))}; expected the name of an account, "
                "the id or name of a key, or role:NAME such as role:operator or role:public"
            )
        purpose = given.get("purpose", "")
        if len(purpose) > LONGEST_PURPOSE:
            raise BadRequestData(f"a purpose may have {LONGEST_PURPOSE} characters at most")
        tenant, what = _tenant(request), given.get("what", "")
        meant = await self._meant(tenant, what) if action in ENTITY_ACTIONS else what
        return JSONResponse(_answer(self._policies.explain(who, action, meant, tenant, purpose)))

    async def roles(self, request: Request) -> Response:
        return JSONResponse(permissions(self._policies, _tenant(request)))

    async def _meant(self, tenant: str, what: str) -> Entity | str:
        """Return the entity of this id, or the canonical name of a type."""
        if is_uri(what):
            row = await (await self._tenant(tenant)).get(what)
            if row is not None:
                return entity_of(row)
            if what.startswith("urn:"):
                raise ResourceNotFound(
                    f"there is no entity {shown(what)}; name one that exists, or a type"
                )
        return CORE.expand(what) if what else what

    # --- public data --------------------------------------------------------------------------

    async def public(self, request: Request) -> Response:
        found = [
            {"tenant": tenant, "type": None if name == ALL_TYPES else name}
            for tenant, types in sorted(self._policies.book.public.items())
            for name in sorted(types)
        ]
        return page(request, found, lambda one: one)

    async def publish(self, request: Request) -> Response:
        body = await members(request, ("type",), ("type",))
        name = None if body["type"] is None else CORE.expand(text(body, "type"))
        tenant = _tenant(request)
        await self._tenant(tenant)
        await self._policies.publish(tenant, name, *_by(request))
        return Response(status_code=204)

    async def unpublish(self, request: Request) -> Response:
        name = request.query_params.get("type")
        type_name = CORE.expand(name) if name else None
        await self._policies.unpublish(_tenant(request), type_name, *_by(request))
        return Response(status_code=204)

    # --- marks --------------------------------------------------------------------------------

    async def marks(self, request: Request) -> Response:
        return page(request, self._policies.marks, _told_mark)

    async def mark(self, request: Request) -> Response:
        known = ("attribute", "types", "sensitivity", "subject", "keep")
        body = await members(request, known, ("attribute", "types"))
        await self._policies.mark(_expanded(mark_of(body)), *_by(request))
        return Response(status_code=204)

    async def unmark(self, request: Request) -> Response:
        given = request.query_params
        types = given.get("types", "").split(",")
        mark = _expanded(mark_of({"attribute": given.get("attribute", ""), "types": types}))
        await self._policies.unmark(mark.attribute, mark.types, *_by(request))
        return Response(status_code=204)


def _by(request: Request) -> tuple[Principal, str]:
    return request.state.principal, request.state.address


def _tenant(request: Request) -> str:
    return request.headers.get("NGSILD-Tenant", "")


def _origin(name: str) -> str:
    return "madang" if name in rules.shipped_names() else "city"


def _told(rule: Rule) -> dict[str, Any]:
    origin = _origin(rule.id.partition("/")[0])
    return {"id": rule.id, "effect": rule.effect, "origin": origin, "text": rule.text}


def _answer(found: Explanation) -> dict[str, Any]:
    return {
        "decision": found.decision,
        "sentence": found.sentence,
        "policies": list(map(_told, found.policies)),
        "hint": found.hint,
    }


def _told_mark(mark: Mark) -> dict[str, Any]:
    origin = "madang" if mark in shipped_marks() else "city"
    return {**mark.body(), "origin": origin}


def _expanded(mark: Mark) -> Mark:
    """Return a mark with canonical names."""
    types = tuple(sorted({CORE.expand(name) for name in mark.types}))
    subject = mark.subject and CORE.expand(mark.subject)
    return Mark(CORE.expand(mark.attribute), types, mark.sensitivity, subject, mark.keep)
