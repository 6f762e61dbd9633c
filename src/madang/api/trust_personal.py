"""What a person sees and decides of their own data, and what staff do for persons, over HTTP."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from madang.api import bodies
from madang.api.surface import Surface
from madang.model.errors import BadRequestData, Forbidden
from madang.trust.consents import Consents, terms_of
from madang.trust.personal import PersonalData
from madang.trust.principal import Principal
from madang.trust.purposes import Purpose, purpose_of, shipped

CONFIRMATION = "erase"
_CHUNK = 1 << 16
_TERMS = ("attributes", "types", "until")
_TAG = "Personal data"


def surfaces(personal: PersonalData) -> list[Surface]:
    """Return what can be asked about personal data over HTTP."""
    me, staff = _Me(personal), _Staff(personal)
    catalogue = _Catalogue(personal.consents)
    person = "/trust/persons/{id}"
    return [
        Surface(
            "GET", "/me/reads", me.reads, "useAccount", "Who read what about me, and why", _TAG
        ),
        Surface("GET", "/me/consents", me.consents, "useAccount", "What I have agreed to", _TAG),
        Surface("PUT", "/me/consents/{purpose}", me.give, "useAccount", "Agree to a purpose", _TAG),
        Surface(
            "DELETE", "/me/consents/{purpose}", me.withdraw, "useAccount", "Withdraw consent", _TAG
        ),
        Surface("GET", "/me/export", me.export, "useAccount", "All that is known about me", _TAG),
        Surface("POST", "/me/erasure", me.erase, "useAccount", "Erase my data and account", _TAG),
        Surface(
            "GET",
            f"{person}/reads",
            staff.reads,
            "managePersonalData",
            "Who read what about a person",
            _TAG,
        ),
        Surface(
            "GET",
            f"{person}/consents",
            staff.consents,
            "managePersonalData",
            "What a person has agreed to",
            _TAG,
        ),
        Surface(
            "PUT",
            f"{person}/consents/{{purpose}}",
            staff.give,
            "managePersonalData",
            "Take down a person's consent, with its evidence",
            _TAG,
        ),
        Surface(
            "DELETE",
            f"{person}/consents/{{purpose}}",
            staff.withdraw,
            "managePersonalData",
            "Take down that a person withdrew consent",
            _TAG,
        ),
        Surface(
            "GET",
            f"{person}/export",
            staff.export,
            "managePersonalData",
            "All that is known about a person",
            _TAG,
        ),
        Surface(
            "POST",
            f"{person}/erasure",
            staff.erase,
            "managePersonalData",
            "Erase a person's data and account",
            _TAG,
        ),
        Surface(
            "GET",
            "/trust/purposes",
            catalogue.list,
            "seePages",
            "What personal data may be read for",
            _TAG,
        ),
        Surface(
            "PUT",
            "/trust/purposes/{purpose}",
            catalogue.put,
            "managePolicies",
            "Add a purpose of the city's own",
            _TAG,
        ),
        Surface(
            "DELETE",
            "/trust/purposes/{purpose}",
            catalogue.remove,
            "managePolicies",
            "Remove a purpose of the city's own",
            _TAG,
        ),
    ]


class _Pages(ABC):
    """What a person does for themselves and staff for them; they differ in whom it is about."""

    def __init__(self, personal: PersonalData) -> None:
        self._personal = personal
        self._consents = personal.consents

    @abstractmethod
    def _subject(self, request: Request) -> str:
        """Return the entity of the person whom a request is about."""

    async def reads(self, request: Request) -> Response:
        given = request.query_params
        limit = _number(given.get("limit", "100"), "limit")
        before = _number(given["before"], "before") if "before" in given else None
        if not 1 <= limit <= 1_000:
            raise BadRequestData(f"limit is {limit}; 1 to 1,000 were expected")
        found = await self._personal.reads(self._subject(request), before, limit)
        body: dict[str, Any] = {"reads": [read.shown for read in found]}
        if len(found) == limit:
            body["next"] = {"before": found[-1].sequence}
        return JSONResponse(body)

    async def consents(self, request: Request) -> Response:
        now = self._consents.now()
        found = await self._consents.of(self._subject(request))
        askable = [p for p in self._consents.purposes if p.basis == "consent"]
        return JSONResponse(
            {
                "consents": [consent.shown(now) for consent in found],
                "purposes": [_shown(purpose) for purpose in askable],
            }
        )

    async def withdraw(self, request: Request) -> Response:
        subject, purpose = self._subject(request), request.path_params["purpose"]
        await self._consents.withdraw(subject, purpose, **_by(request))
        return Response(status_code=204)

    async def export(self, request: Request) -> Response:
        archive = await self._personal.export(self._subject(request), **_by(request))
        headers = {
            "Content-Disposition": 'attachment; filename="madang-person.zip"',
            "Cache-Control": "no-store",
        }
        return StreamingResponse(_sent(archive), media_type="application/zip", headers=headers)


class _Me(_Pages):
    def _subject(self, request: Request) -> str:
        principal: Principal = request.state.principal
        entities = sorted(principal.entities)
        if principal.kind != "person" or len(entities) != 1:
            raise Forbidden("only a person who has signed in has personal data here; sign in first")
        return entities[0]

    async def give(self, request: Request) -> Response:
        """Body: ``attributes``, ``types``, ``until``; ``{}`` is all that is personal."""
        body = await bodies.members(request, _TERMS)
        terms = terms_of(request.path_params["purpose"], body)
        given = await self._consents.give(self._subject(request), terms, **_by(request))
        return JSONResponse(given.shown(self._consents.now()))

    async def erase(self, request: Request) -> Response:
        body = await bodies.members(request, ("confirm",))
        if body.get("confirm") != CONFIRMATION:
            raise BadRequestData(
                f'confirm must be "{CONFIRMATION}": your data and your account will be gone for'
                " good; GET /me/export gives you a copy first"
            )
        subject = self._subject(request)
        report = await self._personal.erase(subject, "asked by the person", **_by(request))
        return JSONResponse(report.body())


class _Staff(_Pages):
    def _subject(self, request: Request) -> str:
        return self._personal.subject_of(request.path_params["id"])

    async def give(self, request: Request) -> Response:
        """Body: as for oneself, and ``evidence``: where the person's own word is."""
        body = await bodies.members(request, (*_TERMS, "evidence"), ("evidence",))
        evidence = bodies.text(body, "evidence")
        asked = {name: value for name, value in body.items() if name != "evidence"}
        terms = terms_of(request.path_params["purpose"], asked)
        given = await self._consents.give(
            self._subject(request), terms, evidence=evidence, **_by(request)
        )
        return JSONResponse(given.shown(self._consents.now()))

    async def erase(self, request: Request) -> Response:
        body = await bodies.members(request, ("reason",), ("reason",))
        reason = bodies.text(body, "reason")
        report = await self._personal.erase(self._subject(request), reason, **_by(request))
        return JSONResponse(report.body())


class _Catalogue:
    def __init__(self, consents: Consents) -> None:
        self._purposes = consents.purposes

    async def list(self, request: Request) -> Response:
        origins = dict.fromkeys(shipped(), "madang")
        return JSONResponse({
            "purposes": [
                _shown(one) | {"origin": origins.get(one.id, "city")} for one in self._purposes
            ]
        })  # fmt: skip

    async def put(self, request: Request) -> Response:
        body = await bodies.members(request, ("basis", "law", "name", "text", "keep"))
        purpose = purpose_of(body | {"id": request.path_params["purpose"]})
        await self._purposes.add(purpose, **_by(request))
        return JSONResponse(_shown(purpose))

    async def remove(self, request: Request) -> Response:
        await self._purposes.remove(request.path_params["purpose"], **_by(request))
        return Response(status_code=204)


def _by(request: Request) -> dict[str, str]:
    return {"by": request.state.principal.id, "address": request.state.address}


def _shown(purpose: Purpose) -> dict[str, Any]:
    return {name: value for name, value in asdict(purpose).items() if value}


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadRequestData(f"{name} is {text[:40]!r}; a whole number was expected")
    return int(text)


async def _sent(file: Path) -> AsyncIterator[bytes]:
    """Yield a file and remove it, also if the reader goes away."""
    try:
        with file.open("rb") as stream:  # not in a thread: who goes away meanwhile leaves it open
            while chunk := await asyncio.to_thread(stream.read, _CHUNK):
                yield chunk
    finally:
        _remove(file)


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
