"""The audit log over HTTP: records for those who may read them, signed heads for everybody.

Whoever keeps a head from time to time can show later that nothing before it was changed, without
having seen a single record.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from madang.api.surface import Surface
from madang.model import time
from madang.model.errors import BadRequestData
from madang.trust.audit import MOST, Audit, describe
from madang.trust.audit_file import Wanted, written

KEY_HEADER = "Audit-Key"
_TEXTS = ("actor", "kind", "action", "target", "subject", "tenant")
_TIMES = ("since", "until")
_NUMBERS = ("before", "first", "limit")
_KNOWN = {*_TEXTS, *_TIMES, *_NUMBERS, "form"}
_LONGEST = 2_048  # characters of a parameter


def surfaces(audit: Audit) -> list[Surface]:
    """Return what is asked of the audit log over HTTP."""
    pages = _Pages(audit)
    tag = "Audit log"
    return [
        Surface("GET", "/trust/audit", pages.find, "readAudit", "Find audit records", tag),
        Surface(
            "GET",
            "/trust/audit/checkpoint",
            pages.checkpoint,
            "seePages",
            "The newest signed head of the audit log, as a C2SP checkpoint",
            tag,
        ),
        Surface(
            "GET",
            "/trust/audit/consistency",
            pages.consistency,
            "seePages",
            "Proof that the audit log begins as it did at an older head (RFC 9162)",
            tag,
        ),
        Surface(
            "GET",
            "/trust/audit/{sequence}/proof",
            pages.proof,
            "readAudit",
            "An audit record with the proof that it is in the log (RFC 9162)",
            tag,
        ),
    ]


class _Pages:
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def find(self, request: Request) -> Response:
        given = request.query_params
        wanted = wanted_of(request)
        limit = number(given.get("limit", "100"), "limit")
        if not 1 <= limit <= MOST:
            raise BadRequestData(f"limit is {limit}; 1 to {MOST:,} were expected")
        form = given.get("form", "json")
        if form not in ("json", "text"):
            raise BadRequestData(f"form is {form!r}; json or text was expected")
        entries = await self._audit.find(wanted, limit)
        content: dict[str, Any] = {"records": [describe(e, form == "text") for e in entries]}
        if len(entries) == limit:
            last = entries[-1].sequence
            content["next"] = {"before": last} if wanted.first is None else {"first": last + 1}
        return JSONResponse(content)

    async def checkpoint(self, request: Request) -> Response:
        key = str(self._audit.signer.verifier)
        return PlainTextResponse(self._audit.checkpoint(), headers={KEY_HEADER: key})

    async def consistency(self, request: Request) -> Response:
        old = number(request.query_params.get("old"), "old")
        growth = await self._audit.growth(old)
        return JSONResponse({"head": growth.note, "proof": [step.hex() for step in growth.path]})

    async def proof(self, request: Request) -> Response:
        proof = await self._audit.proof(number(request.path_params["sequence"], "sequence"))
        return JSONResponse(
            {
                "record": proof.entry.text.decode(),
                "hash": proof.entry.hash.hex(),
                "head": proof.note,
                "proof": [step.hex() for step in proof.path],
            }
        )


def wanted_of(request: Request) -> Wanted:
    """Return which records a request asks for.

    Raises:
        BadRequestData: a parameter is unknown or has a value it cannot have.
    """
    given = request.query_params
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise BadRequestData(f"{unknown[0]!r} is no parameter; {', '.join(sorted(_KNOWN))} are")
    long = next((name for name, value in given.items() if len(value) > _LONGEST), None)
    if long:
        raise BadRequestData(f"{long} may have {_LONGEST:,} characters at most")
    times = {n: written(time.checked(given[n], n)) if n in given else "" for n in _TIMES}
    numbers = {n: number(given[n], n) if n in given else None for n in ("before", "first")}
    texts = {name: given.get(name, "") for name in _TEXTS}
    return Wanted(
        **texts,
        **times,
        before=numbers["before"],
        first=numbers["first"],
    )


def number(text: str | None, name: str) -> int:
    """Return a parameter that is a whole number.

    Raises:
        BadRequestData: it is none, or was left out.
    """
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadRequestData(f"{name} is {text!r}; a whole number was expected")
    return int(text)
