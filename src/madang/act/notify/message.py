"""What is told to one person, and what can go wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from madang.act.incidents.incident import Incident

if TYPE_CHECKING:
    from madang.act.notify.contacts import Person


class Message(NamedTuple):
    """One notice for one person, in their language."""

    notice: str
    """Id of the notice: the same if it is sent again."""
    tenant: str
    to: str
    """Name of the person."""
    title: str
    text: str
    language: str
    urgent: bool
    about: str
    """Id of the entity that it concerns; empty if it concerns none."""
    incident: Incident | None
    link: str
    """Where more can be read; empty if nowhere."""
    at: int
    """When it was asked for. [us since 1970]"""

    def document(self) -> dict[str, Any]:
        """Return what programs are sent."""
        body: dict[str, Any] = {
            "notice": self.notice, "to": self.to, "title": self.title, "text": self.text,
            "language": self.language, "urgent": self.urgent,
        }  # fmt: skip
        if self.about:
            body["about"] = self.about
        if self.link:
            body["link"] = self.link
        return body


class Sender(Protocol):
    """Sends messages on one kind of channel."""

    async def send(self, channel: Any, message: Message, person: Person) -> None:
        """Return when the message has been taken.

        Raises:
            SendFailed: it was not taken, but may be later.
            Refused: it will never be taken.
        """

    async def close(self) -> None: ...
