"""A mail server for tests: as much SMTP (RFC 5321) as a client needs; it keeps what comes."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self


class MailServer:
    """Takes mail on a port of this machine; ``refuses`` addresses for good, or is ``busy``."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuses: set[str] = set()
        self.busy = False
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        await say("220 mail.example ESMTP")
        recipients: list[str] = []
        while line := await reader.readline():
            verb = line[:4].upper().strip()
            if verb in (b"EHLO", b"HELO"):
                await say("250-mail.example\r\n250 8BITMIME")
            elif verb == b"MAIL":
                recipients = []
                await say("451 try later" if self.busy else "250 ok")
            elif verb == b"RCPT":
                address = line.partition(b"<")[2].partition(b">")[0].decode()
                if address in self.refuses:
                    await say("550 no such mailbox")
                else:
                    recipients.append(address)
                    await say("250 ok")
            elif verb == b"DATA":
                await say("354 go on")
                self._keep(await self._data(reader), recipients)
                await say("250 kept")
            elif verb == b"QUIT":
                await say("221 bye")
                break
            else:
                await say("250 ok")
        writer.close()

    @staticmethod
    async def _data(reader: asyncio.StreamReader) -> bytes:
        lines: list[bytes] = []
        while (line := await reader.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def _keep(self, body: bytes, recipients: list[str]) -> None:
        mail = message_from_bytes(body, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(recipients)
