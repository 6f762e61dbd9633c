"""What can go wrong, as the caller may act on it: one class for each NGSI-LD error type.

Source: ETSI GS CIM 009 clauses 5.5.2 and 6.3.2 (error types and their HTTP status).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

BASE = "https://uri.etsi.org/ngsi-ld/errors/"


class MadangError(Exception):
    """Base of every error that Madang raises on purpose; its text is written for a person."""


class NgsiError(MadangError):
    """An error with the problem type and status that the NGSI-LD standard gives it."""

    name: ClassVar[str] = "InternalError"
    title: ClassVar[str] = "Something went wrong in the hub"
    status: ClassVar[int] = 500

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail

    def problem(self) -> dict[str, Any]:
        """Return the problem document (RFC 7807) with the members the standard asks for."""
        body: dict[str, Any] = {"type": BASE + self.name, "title": self.title}
        if self.detail:
            body["detail"] = self.detail
        body["status"] = self.status
        return body


class InvalidRequest(NgsiError):
    """The request itself is malformed: not JSON, an unknown parameter, an unknown option."""

    name, title, status = "InvalidRequest", "The request is malformed", 400


class BadRequestData(NgsiError):
    """Well-formed input that breaks the data model or a query language."""

    name, title, status = "BadRequestData", "The request holds invalid data", 400


class AlreadyExists(NgsiError):
    name, title, status = "AlreadyExists", "It exists already", 409


class Conflict(NgsiError):
    name, title, status = "Conflict", "It clashes with something that exists", 409


class ResourceNotFound(NgsiError):
    name, title, status = "ResourceNotFound", "There is no such thing", 404


class NonexistentTenant(NgsiError):
    name, title, status = "NonexistentTenant", "There is no such tenant", 404


class OperationNotSupported(NgsiError):
    name, title, status = "OperationNotSupported", "This operation is not supported", 422


class TooComplexQuery(NgsiError):
    name, title, status = "TooComplexQuery", "The query takes too much work", 403


class TooManyResults(NgsiError):
    name, title, status = "TooManyResults", "The query has too many results", 403


class LdContextNotAvailable(NgsiError):
    name, title, status = "LdContextNotAvailable", "A remote @context cannot be had", 504


class PayloadTooLarge(NgsiError):
    name, title, status = "InvalidRequest", "The request is too large", 413


class Overloaded(NgsiError):
    """The hub takes no more work for the moment; the caller should try again."""

    name, title, status = "InternalError", "Too busy, try again shortly", 429


class Unavailable(NgsiError):
    """Something the hub needs does not answer for the moment, such as its database."""

    name, title, status = "InternalError", "Out of service for the moment, try again", 503


class Unauthorized(NgsiError):
    """Nobody has signed in, or the credential is no longer good; signing in may help."""

    name, title, status = "Unauthorized", "Sign in first", 401


class Forbidden(NgsiError):
    """Whoever has signed in may not do this."""

    name, title, status = "Forbidden", "This is not allowed", 403


class TooManyRequests(NgsiError):
    """A limit on the number of requests is reached."""

    name, title, status = "TooManyRequests", "Too many requests", 429

    def __init__(
        self, detail: str = "", retry_after_s: int = 1, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.headers = headers
        """What tells the client of its limit."""


class InternalError(NgsiError):
    pass
