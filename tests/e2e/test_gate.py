"""The gate on the wire: TLS, limits, other origins, sessions, tenants, the key of this machine."""

from __future__ import annotations

import http.client
import os
import ssl
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.e2e.certificate import certificate
from tests.e2e.server import API, Server

TYPES = f"{API}/types"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {
        "MADANG_LIMIT_DEVICE_PER_S": "2",
        "MADANG_CORS_ORIGINS": "https://map.example.org",
        "MADANG_TRUSTED_PROXIES": "127.0.0.1",
        "MADANG_LIMIT_PUBLIC_PER_S": "4",
    }
    with Server(tmp_path_factory.mktemp("gate") / "data", open=False, environ=environ) as server:
        yield server


def made_key(hub: Server, **wanted: object) -> dict[str, str]:
    answer = hub.request("POST", "/trust/keys", wanted, hub.local_key())
    assert answer.status == 201, answer.body
    return {"Authorization": f"Bearer {orjson.loads(answer.body)['key']}"}


def test_without_a_credential_nothing_is_to_be_had_and_the_answer_says_how(hub: Server) -> None:
    answer = hub.request("GET", TYPES, headers={"X-Forwarded-For": "203.0.113.1"})
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert b"sign in, or send a key" in answer.body


def test_a_tenant_that_exists_looks_to_strangers_like_one_that_does_not(hub: Server) -> None:
    local = hub.local_key()
    there = {"NGSILD-Tenant": "there"}
    entity = {"id": "urn:ngsi-ld:T:1", "type": "T"}
    made = hub.request("POST", f"{API}/entities", entity, {**local, **there})
    assert made.status == 201
    key = made_key(hub, kind="app", name="stranger", reads=["T"])
    answers = [
        hub.request("GET", TYPES, headers={**key, "NGSILD-Tenant": name})
        for name in ("there", "nowhere")
    ]
    assert [answer.status for answer in answers] == [403, 403]
    assert answers[0].body.replace(b"there", b"") == answers[1].body.replace(b"nowhere", b"")


def test_over_the_limit_the_answer_says_when_to_come_back(hub: Server) -> None:
    key = made_key(hub, kind="device", name="busy", entities=["urn:ngsi-ld:Device:busy"])
    statuses, refused = [], None
    for _ in range(14):
        answer = hub.request("GET", TYPES, headers=key)
        statuses.append(answer.status)
        refused = answer if answer.status == 429 else refused
    assert statuses[:10] == [200] * 10, "five seconds' worth may come at once"
    assert refused is not None
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit-policy"] == '"requests";q=10;w=5'
    assert b"2 requests a second" in refused.body


def test_the_public_is_counted_by_address_and_a_stranger_cannot_make_one_up(hub: Server) -> None:
    def ask(forwarded: str) -> int:
        return hub.request("GET", TYPES, headers={"X-Forwarded-For": forwarded}).status

    assert {ask("198.51.100.1") for _ in range(20)} == {401}
    assert ask("198.51.100.1") == 429
    assert ask("203.0.113.9, 198.51.100.1") == 429, "only the proxy's own entry is believed"
    assert ask("198.51.100.2") == 401


def test_pages_of_a_named_origin_may_call_the_api_and_others_may_not(hub: Server) -> None:
    local = hub.local_key()
    named, other = {"Origin": "https://map.example.org"}, {"Origin": "https://evil.example.org"}
    wish = {"Access-Control-Request-Method": "PATCH"}
    for path in (f"{API}/entities/urn:x:1", "/status"):
        granted = hub.request("OPTIONS", path, headers={**named, **wish})
        assert granted.status == 204
        assert granted.headers["access-control-allow-origin"] == "https://map.example.org"
        refused = hub.request("OPTIONS", path, headers={**other, **wish})
        assert "access-control-allow-origin" not in refused.headers
    answer = hub.request("GET", TYPES, headers={**local, **named})
    assert answer.headers["access-control-allow-origin"] == "https://map.example.org"
    assert "access-control-allow-credentials" not in answer.headers
    answer = hub.request("GET", TYPES, headers={**local, **other})
    assert "access-control-allow-origin" not in answer.headers


def test_a_session_opens_the_api_to_pages_of_this_hub_only(hub: Server) -> None:
    local = hub.local_key()
    person = {"login": "ops", "password": PASSWORD, "roles": ["operator"]}
    assert hub.request("POST", "/trust/users", person, local).status == 201
    page = hub.request("GET", "/sign-in", headers={"Accept": "text/html"})
    visit = page.headers["set-cookie"].split(";")[0]
    token = page.body.decode().split('name="token" value="')[1].split('"')[0]
    form = f"token={token}&name=ops&password={PASSWORD.replace(' ', '+')}".encode()
    signed = hub.request(
        "POST",
        "/sign-in",
        form,
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": visit,
            "Origin": hub.url,
        },
    )
    assert signed.status == 303, signed.body
    session = {
        "Cookie": next(c for c in signed.headers["set-cookie"].split(", ") if "session" in c)
    }
    session["Cookie"] = session["Cookie"].split(";")[0]
    assert hub.request("GET", TYPES, headers=session).status == 200
    entity = {"id": "urn:ngsi-ld:T:2", "type": "T"}
    create = f"{API}/entities"
    assert hub.request("POST", create, entity, session).status == 403
    forged = {**session, "Origin": "https://evil.example.org", "Sec-Fetch-Site": "cross-site"}
    assert hub.request("POST", create, entity, forged).status == 403
    ours = {**session, "Origin": hub.url, "Sec-Fetch-Site": "same-origin"}
    assert hub.request("POST", create, entity, ours).status == 201


def test_a_stream_of_changes_ends_when_its_key_is_revoked(hub: Server) -> None:
    local = hub.local_key()
    made = hub.request("POST", "/trust/keys", {"kind": "app", "name": "s", "reads": ["S"]}, local)
    key = orjson.loads(made.body)
    entity = {"id": "urn:ngsi-ld:S:1", "type": "S"}
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    with closing(connection):
        connection.request("GET", "/changes", headers={"Authorization": f"Bearer {key['key']}"})
        stream = connection.getresponse()
        assert stream.status == 200
        hub.request("POST", f"{API}/entities", entity, local)
        while b"urn:ngsi-ld:S:1" not in stream.readline():
            pass
        assert hub.request("DELETE", f"/trust/keys/{key['id']}", headers=local).status == 204
        time.sleep(1.1)
        hub.request("POST", f"{API}/entities", {**entity, "id": "urn:ngsi-ld:S:2"}, local)
        rest = stream.read()
    assert b"event: lost" in rest
    assert b"urn:ngsi-ld:S:2" not in rest


@pytest.mark.parametrize("credential", ["Basic YTpi", "Bearer", "Bearer ", "mdg_x_y", "Bearer x"])
def test_a_credential_that_is_none_is_refused_with_a_way_out(hub: Server, credential: str) -> None:
    answer = hub.request("GET", TYPES, headers={"Authorization": credential})
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_key_of_this_machine_is_for_its_user_and_goes_with_the_process(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", open=False)
    server.start()
    try:
        file = server.data / "local.key"
        if os.name == "posix":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        old = server.local_key()
        assert server.request("GET", TYPES, headers=old).status == 200
        server.kill()
        server.start()
        assert server.request("GET", TYPES, headers=old).status == 401, "each start has its own"
    finally:
        server.stop()
    assert not file.exists()


def test_with_a_certificate_the_hub_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    chain, secret = certificate(tmp_path)
    environ = {"MADANG_TLS_CERTIFICATE": str(chain), "MADANG_TLS_KEY": str(secret)}
    server = Server(tmp_path / "data", open=False, environ=environ)
    trusting = ssl.create_default_context(cafile=str(chain))

    def ask(context: ssl.SSLContext, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        with closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer

    server.launch()
    try:
        server.wait_for(lambda: ask(trusting, "/ready").status == 200)
        page = ask(trusting, "/sign-in")
        assert page.headers["Strict-Transport-Security"]
        assert "__Host-" in page.headers["Set-Cookie"]
        assert "Secure" in page.headers["Set-Cookie"]
        assert ask(trusting, TYPES).status == 401
        with pytest.raises((ConnectionError, TimeoutError)):
            server.request("GET", "/ready", timeout_s=5)
        old = ssl.create_default_context(cafile=str(chain))
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(old, "/ready")
    finally:
        server.stop()


def test_a_certificate_that_cannot_be_used_is_said_before_anything_starts(tmp_path: Path) -> None:
    chain, _ = certificate(tmp_path)
    server = Server(
        tmp_path / "data",
        open=False,
        environ={"MADANG_TLS_CERTIFICATE": str(chain), "MADANG_TLS_KEY": str(chain)},
    )
    with pytest.raises(Exception, match="must be PEM files that belong together"):
        server.start()
