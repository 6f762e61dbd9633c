"""People and keys of a hub as a user meets them: the first link, commands, keys, a restart."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.server import API, Server

PASSWORD = "seven small red bicycles"
STATION = "urn:ngsi-ld:AirQualityObserved:7"


class Hub(Server):
    """A hub that asks who one is, and the commands of the user who started it."""

    def run(self, *words: str, typed: str = "", status: int = 0) -> str:
        """Return what a command prints; the credential that it takes is that of the folder."""
        done = self.madang(*words, stdin=typed)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    def ask(self, credential: str, path: str, method: str = "GET", body: object = None) -> int:
        headers = {"Authorization": f"Bearer {credential}"}
        return self.request(method, path, body, headers).status


def entity() -> dict[str, object]:
    level = {"type": "Property", "value": 7}
    return {"id": STATION, "type": "AirQualityObserved", "pm25": level}


def test_people_and_keys_from_the_first_link_to_a_restart(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "data", open=False)
    hub.start()
    try:
        # A fresh hub is closed, and prints a link for the first administrator.
        assert hub.request("GET", f"{API}/entities?type=AirQualityObserved").status == 401
        assert re.search(r"/welcome\?code=mdl_[0-9a-f]{16}_[0-9a-f]{64}", hub.log_end())
        hub.run("user", "add", "boss", "--role", "administrator", "--tenant", "*", typed=PASSWORD)

        # A device writes what is its own, with a key that is shown once.
        device = hub.run("key", "create", "station 7", "--device", "--entity", STATION).strip()
        assert hub.ask(device, f"{API}/entities", "POST", entity()) == 201
        other = entity() | {"id": STATION + "7"}
        assert hub.ask(device, f"{API}/entities", "POST", other) in (403, 404)
        assert device.rsplit("_", 1)[1] not in hub.run("key", "list", "--json")

        # A person signs in for tokens.
        grant = {"grant_type": "password", "username": "Boss", "password": PASSWORD}
        tokens = hub.request("POST", "/token", grant).json()
        assert isinstance(tokens, dict)
        assert hub.ask(tokens["access_token"], "/trust/users") == 200

        # After a restart all of it is still good, and no link is printed any more.
        hub.stop()
        printed = len(hub.log_end(10**9))
        hub.start()
        assert "/welcome" not in hub.log_end(10**9)[printed:]
        assert hub.ask(device, f"{API}/entities/{STATION}") == 200
        assert hub.ask(tokens["access_token"], "/me") == 200
        assert "station 7" in hub.run("key", "list")

        # What is revoked is revoked at once.
        renewed = hub.run("key", "rotate", "station 7", "--overlap", "0s").strip()
        assert hub.ask(device, f"{API}/entities/{STATION}") == 401
        assert hub.ask(renewed, f"{API}/entities/{STATION}") == 200
        hub.run("key", "revoke", "station 7", "--yes")
        assert hub.ask(renewed, f"{API}/entities/{STATION}") == 401
        hub.run("token", "revoke", "-", typed=tokens["access_token"])
        assert hub.ask(tokens["access_token"], "/me") == 401

        # Mistakes are told in a sentence.
        refused = hub.run("user", "add", "kim", "--role", "king", typed=PASSWORD, status=2)
        assert "no role 'king'" in refused
        assert "last administrator" in hub.run("user", "remove", "boss", "--yes", status=2)
    finally:
        hub.stop()
    kept = b"".join(file.read_bytes() for file in hub.data.rglob("*") if file.is_file())
    printed_at_all = hub.log_end(10**9)
    for secret in (PASSWORD, device.rsplit("_", 1)[1], tokens["refresh_token"][-64:]):
        assert secret.encode() not in kept
        assert secret not in printed_at_all
