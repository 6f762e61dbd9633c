"""A control room for end-to-end tests: a running hub with incidents, asked over HTTP."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.server import API, Answer, Server

PATIENCE_S = 60.0  # on a machine that is busy with other tests
PLAYBOOK = """
title = { en = "Flood in an underpass", ko = "지하차도 침수" }
applies_to = ["flood"]
notify = ["kim"]

[[steps]]
name = "barrier"
title = { en = "Close the barrier", ko = "차단기 내리기" }
due_minutes = 10

[[steps]]
name = "depth"
title = { en = "Measure the depth", ko = "수심 측정" }
ask = { question = { en = "How deep?", ko = "수심은?" }, kind = "number", unit = "cm" }
"""


def made(folder: Path, settings: dict[str, Any], environ: dict[str, str] | None = None) -> Server:
    """Return a hub that has the service, with settings; it is not started."""
    more = {f"MADANG_{name.upper()}": _text(value) for name, value in settings.items()}
    if "incidents" not in entry_points(group="madang.services").names:
        told = folder / "package" / "incidents-1.0.dist-info"
        told.mkdir(parents=True)
        (told / "METADATA").write_text("Metadata-Version: 2.1\nName: incidents\nVersion: 1.0\n")
        entry = "[madang.services]\nincidents = madang.act.incidents.service:service\n"
        (told / "entry_points.txt").write_text(entry)
        more["PYTHONPATH"] = str(folder / "package")
    return Server(folder / "data", environ=more | (environ or {}))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class Room:
    """What an operator and a sensor do."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        status: int = 0,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        answer = await asyncio.to_thread(self.server.request, method, path, body, headers)
        expected = (status,) if status else (200, 201, 202, 204)
        assert answer.status in expected, (answer.status, answer.body)
        return answer

    async def json(self, method: str, path: str, body: object = None, status: int = 0) -> Any:
        return (await self.ask(method, path, body, status)).json()

    async def until(self, look: Callable[[], Any], wait_s: float = PATIENCE_S) -> Any:
        """Look again and again, until there is something."""
        async with asyncio.timeout(wait_s):
            while not (found := look()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found

    async def begin(self, **options: Any) -> None:
        """Switch the service on."""
        await self.ask("PATCH", "/services/incidents", {"on": True, "options": options})

    async def person(self, name: str, *channels: dict[str, Any], **more: Any) -> Any:
        body = {"kind": "person", "channels": list(channels), **more}
        return await self.json("PUT", f"/contacts/{name}", body)

    async def alert(self, name: str, lon: float = 127.0, **more: Any) -> None:
        """Let a sensor raise an alert."""
        told = {"category": "flood", "severity": "high", "status": "open"} | more
        entity: dict[str, Any] = {
            "id": f"urn:ngsi-ld:Alert:gauge:{name}",
            "type": "Alert",
            "title": {
                "type": "LanguageProperty",
                "languageMap": {"en": "Water in the underpass", "ko": "지하차도에 물"},
            },
            "location": {
                "type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, 37.5]},
            },
            **{key: {"type": "Property", "value": value} for key, value in told.items()},
        }  # fmt: skip
        await self.ask("POST", f"{API}/entityOperations/upsert", [entity])

    async def incidents(self, count: int = 1) -> list[Any]:
        """Wait for so many incidents, and return them, the latest first."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await self.json("GET", "/incidents")) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return list(found)

    async def course(self, incident: str, *wanted: str) -> list[str]:
        """Wait until a timeline has these entries; return all."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                whole = await self.json("GET", f"/incidents/{incident}")
                found = [entry["what"] for entry in whole["timeline"]]
                if set(wanted) <= set(found):
                    return found
                await asyncio.sleep(0.02)

    async def madang(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as somebody at this machine."""
        return await asyncio.to_thread(self.server.madang, *words)

    async def said(self, *words: str) -> str:
        done = await self.madang(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
