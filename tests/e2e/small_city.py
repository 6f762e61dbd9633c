"""A hub with a small city: two kinds of stations, one of them published, and people with roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.server import API, Answer, Server

PASSWORD = "seven kites over the yard"
OPEN, CLOSED = "AirQualityObserved", "NoiseLevelObserved"
STATIONS = 24
PAGE = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "en"}
KOREAN = {**PAGE, "Accept-Language": "ko"}


def station(kind: str, number: int, value: float, at: datetime, **more: Any) -> dict[str, Any]:
    """Return the entity of a station with one value."""
    name, unit = ("pm25", "GQ") if kind == OPEN else ("LAeq", "2N")
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": f"urn:ngsi-ld:{kind}:{number:02d}",
        "type": kind,
        "name": {
            "type": "LanguageProperty",
            "languageMap": {"en": f"Station {number}", "ko": f"측정소 {number}"},
        },
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [127 + number / 200, 37.5 + number % 5 / 99]},
        },
        "areaServed": {"type": "Property", "value": "East" if number % 2 else "West"},
        name: {"type": "Property", "value": value, "unitCode": unit, "observedAt": stamp},
        **more,
    }


class City:
    """The hub, asked as somebody."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def page(self, path: str, headers: dict[str, str] | None = None) -> str:
        """Return a page as everybody gets it."""
        answer = self.server.request("GET", path, headers={**PAGE, **(headers or {})})
        assert answer.status == 200, (path, answer.status, answer.body[:500])
        return answer.body.decode()

    def weight(self, path: str) -> int:
        """Return the bytes on the wire of a page with its styles and scripts, none compressed."""
        page = self.page(path)
        files = set(re.findall(r'(?:href|src)="(/(?:static|ui)/[^"]+)"', page))
        told = {"Accept-Encoding": "gzip, deflate, br"}
        return len(page.encode()) + sum(
            len(self.server.request("GET", file, headers=told).body) for file in files
        )

    @property
    def local(self) -> dict[str, str]:
        """The key of this machine, which is another after each start."""
        return self.server.local_key()

    def ask(
        self, method: str, path: str, body: object = None, who: dict[str, str] | None = None
    ) -> Answer:
        return self.server.request(method, path, body, self.local if who is None else who)

    def person(self, name: str, *roles: str) -> dict[str, str]:
        """Make an account, and return the header that signs it in."""
        wanted = {"login": name, "password": PASSWORD, "roles": list(roles)}
        made = self.ask("POST", "/trust/users", wanted)
        assert made.status == 201, made.body
        login = {"grant_type": "password", "username": name, "password": PASSWORD}
        token = orjson.loads(self.server.request("POST", "/token", login).body)
        return {"Authorization": f"Bearer {token['access_token']}"}

    def write(self, entities: list[dict[str, Any]]) -> None:
        done = self.ask("POST", f"{API}/entityOperations/upsert?options=update", entities)
        assert done.status in (201, 204), done.body


@contextmanager
def small_city(folder: Path, *options: str) -> Iterator[City]:
    """Run a hub in which air is published and noise is not, with a day of history."""
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    server = Server(folder / "data", *options, open=False, environ=limits)
    try:
        server.start(90)
        city = City(server)
        now = datetime.now(UTC)
        for hours in range(23, -1, -1):
            at = now - timedelta(hours=hours, minutes=1)
            city.write(
                [station(OPEN, one, 20.0 + one % 3 + hours / 10, at) for one in range(STATIONS)]
            )
        city.write([station(CLOSED, one, 61.5, now) for one in range(3)])
        published = city.ask("POST", "/trust/public", {"type": OPEN})
        assert published.status in (200, 201, 204), published.body
        yield city
    finally:
        server.stop()
