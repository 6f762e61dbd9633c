"""The page by which somebody has messages of Madang shown by the browser in front of them.

Source: W3C Push API; the browser's subscription becomes a channel of the account's contact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.notify.channels import Push
from madang.api.site import text_of
from madang.api.surface import Surface
from madang.model.errors import BadRequestData, Forbidden
from madang.trust.events import Event

if TYPE_CHECKING:
    from madang.act.notify.contacts import Directory, Language
    from madang.act.notify.notices import Notices
    from madang.api.site import Site
    from madang.api.surface import Action, Handler
    from madang.trust.events import Recorder
    from madang.trust.gate import Gate
    from madang.trust.principal import Principal

_PATH: Final = "/account/push"
_LONGEST: Final = 2_000


class PushPages:
    """The page, and what its script sends.

    Args:
        notices: knows the contacts and the key that browsers subscribe with.
        gate: tells who may name addresses inside the city's network.
        recorder: is told of changes.
    """

    def __init__(self, site: Site, notices: Notices, gate: Gate, recorder: Recorder) -> None:
        self._site = site
        self._notices = notices
        self._gate = gate
        self._recorder = recorder

    def surfaces(self) -> list[Surface]:
        def surface(method: str, path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "manageIncidents"
            return Surface(method, path, handler, action, summary, "Account")

        return [
            surface("GET", _PATH, self.page, "Messages to this browser"),
            surface("POST", _PATH, self.subscribe, "Be told in this browser"),
            surface("POST", f"{_PATH}/remove", self.remove, "Be told no more in a browser"),
        ]

    async def page(self, request: Request) -> Response:
        who = request.state.principal
        mine = (await self._directory(request)).of_account(_account(who))
        channels = [one for person in mine.values() for one in person.channels]
        return self._site.answer(
            request,
            "account_push.html",
            is_person=who.kind == "person",
            key=await self._notices.push_key(),
            endpoints=[one.endpoint for one in channels if isinstance(one, Push)],
            done=request.query_params.get("done", ""),
        )

    async def subscribe(self, request: Request) -> Response:
        message, who = await self._site.message(request), _person(request)
        inside = self._gate.may(who, "seeSubscriptions", request.state.tenant.name)
        try:
            push = Push(
                kind="push",
                endpoint=text_of(message, "endpoint", _LONGEST),
                p256dh=text_of(message, "p256dh", _LONGEST),
                auth=text_of(message, "auth", _LONGEST),
                inside=inside,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise BadRequestData(f"{first['loc'][0]}: {first['msg']}") from None
        directory = await self._directory(request)
        language: Language = "ko" if self._site.texts(request).language == "ko" else "en"
        name = await directory.subscribe(_account(who), who.name, language, push)
        await self._record(request, name)
        return JSONResponse({"next": self._site.pages.url(f"{_PATH}?done=added")}, 201)

    async def remove(self, request: Request) -> Response:
        form, who = await self._site.form(request), _person(request)
        directory = await self._directory(request)
        names = ", ".join(directory.of_account(_account(who)))
        await directory.unsubscribe(_account(who), form.get("endpoint", ""))
        await self._record(request, names)
        return self._site.redirect(f"{_PATH}?done=removed")

    async def _directory(self, request: Request) -> Directory:
        return await self._notices.directory(request.state.tenant.name)

    async def _record(self, request: Request, name: str) -> None:
        state = request.state
        await self._recorder.record(
            Event(
                "account",
                state.principal.id,
                "contactChanged",
                tenant=state.tenant.name,
                targets=(name,),
                address=state.address,
            )
        )


def _account(who: Principal) -> str:
    """Return the id of somebody's account, to which their contact belongs."""
    return who.id.removeprefix("person:")


def _person(request: Request) -> Principal:
    who: Principal = request.state.principal
    if who.kind != "person":
        raise Forbidden("a browser is added by a person who has signed in with an account")
    return who
