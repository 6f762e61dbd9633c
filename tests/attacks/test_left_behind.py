"""What a hub leaves behind: its log, its files and who else on the machine can read them.

A hub of its own does all there is to do with secrets; then everything it wrote is looked through.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import uuid
from pathlib import Path

import orjson
import pytest

from tests.attacks.stranger import PASSWORD, bearer, session_of, visit
from tests.e2e.server import API, Server

SECRETS = {
    "password": PASSWORD,
    "other password": "seven kites over the yard",
    "wrong password": "a password that was mistyped",
    "password typed as a name": "my password as a name",
    "client secret": "client-secret-of-a-provider",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Lived:
    """A hub that has been used and stopped, with the secrets it was told or has made."""

    def __init__(self, folder: Path) -> None:
        # A folder that is open to all beforehand, as `mkdir` leaves it.
        self.data = folder / "data"
        self.data.mkdir(mode=0o755)
        self.secrets = dict(SECRETS)
        issuer = '{"city": {"issuer": "http://127.0.0.1:9", "client_id": "m"}}'
        environ = {"MADANG_LOG_LEVEL": "debug", "MADANG_OPENID": issuer}
        server = Server(self.data, open=False, environ=environ)
        with server:
            self.modes = {path: path.stat().st_mode for path in self.data.rglob("*")}
            self._live(server)
            self.modes |= {
                path: path.stat().st_mode for path in self.data.rglob("*") if path.exists()
            }
            self.modes[self.data] = self.data.stat().st_mode
        self.log = server.log.read_bytes()
        self.server = server

    def _keep(self, name: str, text: str) -> str:
        self.secrets[name] = text
        return text

    def _live(self, hub: Server) -> None:
        local = hub.local_key()
        self._keep("local key", local["Authorization"].removeprefix("Bearer "))
        wish = {"login": "mina", "password": PASSWORD, "roles": ["administrator"], "tenants": ["*"]}
        hub.request("POST", "/trust/users", wish, local)
        grant = {"grant_type": "password", "username": "mina", "password": PASSWORD}
        tokens = orjson.loads(hub.request("POST", "/token", grant).body)
        token = self._keep("access token", tokens["access_token"])
        refresh = self._keep("refresh token", tokens["refresh_token"])
        for password in (SECRETS["wrong password"], ""):
            hub.request("POST", "/token", grant | {"password": password})
        hub.request("POST", "/token", grant | {"username": SECRETS["password typed as a name"]})
        page = visit(hub)
        typed = f"token={page.token}&name=my+password+as+a+name&password=x".encode()
        hub.request("POST", "/sign-in", typed, {**FORM, "Cookie": page.cookie, "Origin": hub.url})
        cookie = session_of(hub, "mina")
        self._keep("session", cookie.partition("=")[2])
        for kind in ("app", "device"):
            body = {"kind": kind, "name": kind, "reads": ["T"], "writes": ["T"]}
            made = orjson.loads(hub.request("POST", "/trust/keys", body, local).body)
            key = self._keep(f"{kind} key", made["key"])
            hub.request("GET", f"{API}/types", headers=bearer(key))
            path = f"/trust/keys/{made['id']}/rotate"
            turned = orjson.loads(hub.request("POST", path, {}, local).body)
            self._keep(f"new {kind} key", turned["key"])
        invited = hub.request("POST", "/trust/invitations", {"roles": ["citizen"]}, local)
        self._keep("code", orjson.loads(invited.body)["link"].partition("code=")[2])
        reset = hub.request("POST", "/trust/users/mina/password-link", {}, local)
        code = self._keep("reset code", orjson.loads(reset.body)["link"].partition("code=")[2])
        hub.request("GET", f"/welcome?code={code}", headers={"Accept": "text/html"})
        hub.request("GET", f"/welcome?code={code}/../../")
        secret = {"clientSecret": SECRETS["client secret"]}
        hub.request("PUT", "/sign-in/openid/city/secret", secret, local)
        again = {"grant_type": "refresh_token", "refresh_token": refresh}
        fresh = orjson.loads(hub.request("POST", "/token", again).body)
        self._keep("second access token", fresh["access_token"])
        new = {"old": PASSWORD, "new": SECRETS["other password"]}
        hub.request("POST", "/me/password", new, bearer(fresh["access_token"]))
        for credential in (token, refresh, code):  # where they do not belong
            hub.request("GET", f"{API}/types", headers=bearer(credential))
            hub.request("GET", f"{API}/entities/{credential}", headers=local)
            hub.request("POST", f"{API}/entities", b"{" + credential.encode(), local)
        hub.request("POST", "/token", again)
        self._subscribe(hub)

    def _subscribe(self, hub: Server) -> None:
        """Have a notification fail whose endpoint needs a password."""
        password = self._keep("password of an endpoint", f"p{uuid.uuid4().hex}")
        header = self._keep("key of an endpoint", f"k{uuid.uuid4().hex}")
        endpoint = {
            "uri": f"http://me:{password}@127.0.0.1:9/n",
            "receiverInfo": [{"key": "X-Key", "value": header}],
        }
        wanted = {
            "type": "Subscription",
            "entities": [{"type": "T"}],
            "notification": {"endpoint": endpoint},
        }
        local = hub.local_key()
        assert hub.request("POST", f"{API}/subscriptions", wanted, local).status == 201
        hub.request("POST", f"{API}/entities", {"id": "urn:t:1", "type": "T", "n": 1}, local)
        hub.wait_for(lambda: "endpoint.lost" in hub.log_end(100_000), 10)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("lived"))


def test_no_secret_is_in_the_log(lived: Lived) -> None:
    assert b"madang.ready" in lived.log
    found = [name for name, secret in lived.secrets.items() if secret.encode() in lived.log]
    assert found == []
    codes = re.findall(rb"mdl_[0-9a-f_]+", lived.log)
    assert len(codes) == 1, "the first administrator's link, which is meant for who starts it"
    assert not re.search(rb"md[gsr]_[0-9a-f]{16}_[0-9a-f]{64}|eyJ[\w-]+\.", lived.log)


def test_no_secret_is_in_the_audit_log(lived: Lived) -> None:
    with sqlite3.connect(lived.data / "state" / "audit.sqlite") as database:
        text = "\n".join(database.iterdump())
    database.close()
    assert "keyRotated" in text
    assert [name for name, secret in lived.secrets.items() if secret in text] == []


def test_no_secret_lies_readable_in_any_file(lived: Lived) -> None:
    """But for those that are another's, which the hub must send: of endpoints."""
    files = [path for path in lived.data.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for path in files:
        content = path.read_bytes()
        found = [
            name
            for name, secret in lived.secrets.items()
            if secret.encode() in content and "endpoint" not in name
        ]
        assert found == [], path.name


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_nobody_else_on_the_machine_reads_any_of_it(lived: Lived) -> None:
    """The folder itself keeps the mode its owner gave it; it holds names of files, no more."""
    open_ = {
        str(path.relative_to(lived.data)): oct(stat.S_IMODE(mode))
        for path, mode in lived.modes.items()
        if stat.S_IMODE(mode) & 0o077 and path != lived.data
    }
    assert open_ == {}
