"""Notices by e-mail, through the mail server of the settings (RFC 5321, RFC 5322)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING

from madang.act.notify.channels import Email
from madang.act.notify.contacts import Person
from madang.act.notify.message import Message
from madang.hub.message import Refused, SendFailed

if TYPE_CHECKING:
    from madang.settings_types import MailServer

TIMEOUT_S = 20.0


class Mail:
    """Sends mail.

    Args:
        server: of the settings; None: there is none.
    """

    def __init__(self, server: MailServer | None) -> None:
        self._server = server

    async def send(self, channel: Email, message: Message, person: Person) -> None:
        """Send one mail; see :class:`madang.act.notify.message.Sender`."""
        import aiosmtplib  # takes long to load, and many cities never send mail

        server = self._server
        if server is None:
            raise Refused("no mail server is set: [mail] in the settings")
        mail = mail_of(message, server.sender, channel.address, person.title)
        try:
            await aiosmtplib.send(
                mail,
                hostname=server.host,
                port=server.port,
                local_hostname=domain_of(server.sender),  # its own guess may wait for a name server
                username=server.user or None,
                password=server.password.get_secret_value() or None,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            raise _failure(f"{channel.address} is refused: {error}", min(codes)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(f"the mail server answers {error.code}", error.code) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise SendFailed(f"mail could not be sent: {reason}") from error

    async def close(self) -> None:
        """Do nothing: no connection is kept."""


def _failure(reason: str, code: int) -> SendFailed:
    return Refused(reason) if code >= 500 else SendFailed(reason)


def mail_of(message: Message, sender: str, address: str, name: str) -> EmailMessage:
    """Return a mail. One that is sent twice has the same Message-ID both times."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = address
    mail["Subject"] = _line(message.title)
    mail["Date"] = datetime.fromtimestamp(message.at / 1e6, UTC)
    mark = hashlib.sha256(f"{message.notice} {message.to} {address}".encode()).hexdigest()[:32]
    mail["Message-ID"] = f"<{mark}@{domain_of(sender)}>"
    mail["Content-Language"] = message.language
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    if message.urgent:
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    lines = [*([f"{name},", ""] if name else []), message.text]
    lines += ["", message.link] if message.link else []
    mail.set_content("\n".join([*lines, ""]))
    return mail


def domain_of(sender: str) -> str:
    """Return the domain of an address.

    >>> domain_of("Control room <madang@city.example>")
    'city.example'
    """
    return sender.rpartition("@")[2].rstrip(">")


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
