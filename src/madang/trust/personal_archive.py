"""The archive a person is given: JSON Lines in a ZIP, with a page that says what is where."""

from __future__ import annotations

import asyncio
import os
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import orjson

CHUNK = 500  # lines that are compressed at once

PARTS = {
    "account": (
        "계정",
        "계정, 로그인 장치, 연락처, 대시보드",
        "Account",
        "your account, where you are signed in, your contacts and dashboards",
    ),
    "consents": (
        "동의",
        "언제 무엇에 동의했고 철회했는지",
        "Consents",
        "what you agreed to, when, and what you withdrew",
    ),
    "entities": (
        "현재 정보",
        "도시가 지금 알고 있는, 나에 관한 정보",
        "Present data",
        "what the city knows about you now",
    ),
    "history": ("과거 정보", "예전 값", "Past data", "what was known about you before"),
    "reads": (
        "열람 기록",
        "누가 무엇을 왜 보았는지",
        "Who read it",
        "who read what about you, and for what purpose",
    ),
    "activity": (
        "활동 기록",
        "로그인 등 내가 한 일",
        "Activity",
        "what you did: signing in, changing your account",
    ),
}
"""By name: title and meaning, in Korean and in English."""


class Archive:
    """A ZIP archive while it is written. Readable by this process's user only."""

    def __init__(self, file: Path, zipped: zipfile.ZipFile, subject: str) -> None:
        self.file = file
        self._zipped = zipped
        self._subject = subject
        self._counts: dict[str, int] = {}

    @classmethod
    @contextmanager
    def make(cls, folder: Path, subject: str) -> Iterator[Archive]:
        """Open a new archive; it is complete when the context ends, and gone if that fails."""
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(".zip", "person-", folder)
        file = Path(name)
        try:
            with (
                os.fdopen(descriptor, "wb") as stream,
                zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped,
            ):
                archive = cls(file, zipped, subject)
                yield archive
                zipped.writestr("index.html", archive._index())
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    async def add(self, name: str, lines: AsyncIterator[dict[str, Any]]) -> None:
        """Write one part, a JSON object a line."""
        count = 0
        chunk: list[bytes] = []
        with self._zipped.open(f"{name}.jsonl", "w", force_zip64=True) as member:
            async for line in lines:
                chunk.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
                count += 1
                if len(chunk) >= CHUNK:
                    await asyncio.to_thread(member.write, b"".join(chunk))
                    chunk.clear()
            await asyncio.to_thread(member.write, b"".join(chunk))
        self._counts[name] = count

    def _index(self) -> str:
        rows = "".join(
            f'<tr><td><a href="{name}.jsonl">{name}.jsonl</a><td>{count:,}'
            f"<td><b>{PARTS[name][0]}</b>: {PARTS[name][1]}"
            f"<td><b>{PARTS[name][2]}</b>: {PARTS[name][3]}"
            for name, count in self._counts.items()
        )
        made = datetime.now(UTC).isoformat(timespec="seconds")
        return _PAGE.format(subject=escape(self._subject), made=made, rows=rows)


_PAGE = """<!doctype html>
<html lang="ko"><meta charset="utf-8"><title>내 정보 · My data</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{padding:.4rem .7rem;border-bottom:1px solid #ccc;
text-align:left;vertical-align:top}}</style>
<h1>내 정보 · My data</h1>
<p><code>{subject}</code><br>{made}</p>
<p>이 도시 플랫폼이 나에 대해 가지고 있는 정보입니다. 각 파일은 한 줄에 하나씩 JSON 객체를 담은
텍스트이며, 어떤 텍스트 편집기로도 열 수 있습니다. 다른 사람에 관한 정보는 빠져 있습니다.</p>
<p lang="en">This is what this city's platform holds about you. Each file is text with one JSON
object a line; any text editor opens it. What is about other people has been left out.</p>
<table><tr><th>파일 · File<th>줄 · Lines<th>내용<th lang="en">Content</th>{rows}</table>
</html>
"""
