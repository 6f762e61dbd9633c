"""One request on its way through a handler: what is asked, of which tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from madang.api.contexts import source_of
from madang.api.http import Request
from madang.api.negotiation import content_type
from madang.api.parameters import ALLOWED, check_known
from madang.model.context import CORE
from madang.model.errors import BadRequestData, InvalidRequest

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.model.context import Context
    from madang.settings import Settings
    from madang.trust.view import View


@dataclass(slots=True)
class Call:
    request: Request
    tenant: Tenant | View
    """As the one who asks may see it."""
    settings: Settings

    async def input(self, operation: str) -> tuple[Any, Context]:
        """Return the body and the @context of a request that writes.

        Args:
            operation: its name, a key of :data:`madang.api.parameters.ALLOWED`.
        """
        check_known(self.request.query, ALLOWED[operation])
        content_type(self.request.headers.get("content-type"), patch=self.request.method == "PATCH")
        body = self.json()
        if body == []:
            raise InvalidRequest("the body is an empty array; an object was expected")
        return body, await self.context(body)

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            InvalidRequest: it is empty or no JSON.
            BadRequestData: it is nested deeper than the limit.
        """
        body = self.request.body
        if not body:
            raise InvalidRequest("the body is empty; JSON was expected")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if "recursion" in str(error).lower():
                raise BadRequestData("the body is nested too deeply") from None
            raise InvalidRequest(f"the body is no JSON: {error}") from None

    async def context(self, body: Any = None) -> Context:
        """Return the @context of the request (clauses 5.5.7, 6.3.5): Link header, body, or core."""
        if body is None and "link" not in self.request.headers:
            return CORE
        source = source_of(self.request, body)
        if source is None:
            return CORE
        contexts = self.tenant.contexts
        return contexts.known(source) or await contexts.resolve(source)
