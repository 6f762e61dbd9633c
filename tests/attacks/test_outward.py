"""Having the hub ask what a stranger cannot reach: its own machine, its network, its metadata.

Names that lead inside, rebinding and redirects of @contexts are in tests/hub/test_contexts.py,
those of notifications in tests/hub/test_hosts.py, with a name server and hosts of the tests' own.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.attacks.stranger import LD_JSON, Headers, content, key_of
from tests.e2e.server import API, Server

REL = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
TRIED = (b"did not come within", b"Cannot connect")
"""What a hub says of a @context that it has asked for in vain."""


class Inside:
    """A service of this machine that notes who asks."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("0.0.0.0", 0))
        self.port = int(self._socket.getsockname()[1])
        self.asked: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(1000))
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/ld+json\r\n"
                    b'content-length: 31\r\n\r\n{"@context":{"a":"urn:inside"}}'
                )

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def inside() -> Iterator[Inside]:
    service = Inside()
    yield service
    service.close()


@pytest.fixture(scope="module")
def key(hub: Server) -> Headers:
    return key_of(hub, reads=["*"], writes=["*"])


HOSTS = [
    "127.0.0.1",
    "localhost",
    "localhost.",
    "a.localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "127.0.0.1.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "8.8.8.8@127.0.0.1",
    "127.0.0.1#@8.8.8.8",
    "8.8.8.8\\@127.0.0.1",
    "127%2e0.0.1",
    "OWN-NAME",
    "OWN-ADDRESS",
]


def written(host: str) -> str:
    name = socket.gethostname()
    return host.replace("OWN-NAME", name).replace("OWN-ADDRESS", socket.gethostbyname(name))


@pytest.mark.parametrize("host", HOSTS)
def test_no_context_is_fetched_from_inside_however_it_is_written(
    hub: Server, key: Headers, inside: Inside, host: str
) -> None:
    url = f"http://{written(host)}:{inside.port}/c"
    link = hub.request("GET", f"{API}/entities?type=T", headers={**key, "Link": f"<{url}>; {REL}"})
    bodies: list[object] = [
        {"id": "urn:c:1", "type": "T", "@context": url},
        {"id": "urn:c:1", "type": "T", "@context": [url, {"a": "urn:a"}]},
    ]
    answers = [link]
    answers += [hub.request("POST", f"{API}/entities", body, {**key, **LD_JSON}) for body in bodies]
    stored = {"@context": [url]}
    made = hub.request("POST", f"{API}/jsonldContexts", stored, hub.local_key())
    if made.status == 201:  # it is fetched when it is used
        body = {"id": "urn:c:1", "type": "T", "@context": hub.url + made.headers["location"]}
        answers.append(hub.request("POST", f"{API}/entities", body, {**key, **LD_JSON}))
    assert all(answer.status >= 400 for answer in answers), answers
    assert all(b"urn:inside" not in answer.body for answer in answers)
    assert inside.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1:25/x",
        "data:application/ld+json,{}",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1%25eth0]/x",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://100.100.100.200/latest/meta-data/",
        "http://168.63.129.16/metadata",
        "//127.0.0.1/x",
        "http:127.0.0.1/x",
        "http:///x",
    ],
)
def test_no_other_scheme_and_no_metadata_service_is_asked(
    hub: Server, key: Headers, url: str
) -> None:
    body = {"id": "urn:c:1", "type": "T", "@context": url}
    answer = hub.request("POST", f"{API}/entities", body, {**key, **LD_JSON})
    assert answer.status in (400, 504), answer.body
    assert not any(words in answer.body for words in TRIED), answer.body
    assert b"root:" not in answer.body


def test_subscribers_hear_nothing_from_inside_however_it_is_written(
    hub: Server, key: Headers, inside: Inside
) -> None:
    made = []
    for number, host in enumerate(HOSTS):
        endpoint = {"uri": f"http://{written(host)}:{inside.port}/n"}
        wanted = {
            "id": f"urn:ngsi-ld:Subscription:in{number}",
            "type": "Subscription",
            "entities": [{"type": "Bait"}],
            "notification": {"endpoint": endpoint},
        }
        answer = hub.request("POST", f"{API}/subscriptions", wanted, key)
        assert answer.status in (201, 400, 403)
        if answer.status == 201:  # a name: where it leads is seen when it is asked for
            made.append(wanted["id"])
    bait = {"id": "urn:bait:1", "type": "Bait", "n": 1}
    assert hub.request("POST", f"{API}/entities", bait, hub.local_key()).status in (201, 409)
    hub.request("PATCH", f"{API}/entities/urn:bait:1", {"n": 2}, hub.local_key())
    paths = [f"{API}/subscriptions/{id}" for id in made]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        told = [content(hub.request("GET", path, headers=key))["notification"] for path in paths]
        if all(one.get("timesFailed") for one in told):
            break
        time.sleep(0.05)
    assert all(one.get("timesFailed") for one in told), told
    assert inside.asked == []
    for path in paths:
        assert hub.request("DELETE", path, headers=key).status == 204


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "http://[::ffff:10.0.0.1]/",
        "mqtt://127.0.0.1/t",
        "mqtt://10.0.0.1/t",
        "http://192.168.0.1/",
        "http://x.localhost/",
        "javascript:alert(1)",
        "http://127.0.0.1:0/",
    ],
)
def test_a_subscription_that_names_an_address_inside_is_refused(
    hub: Server, key: Headers, uri: str
) -> None:
    wanted = {
        "type": "Subscription",
        "entities": [{"type": "T"}],
        "notification": {"endpoint": {"uri": uri}},
    }
    answer = hub.request("POST", f"{API}/subscriptions", wanted, key)
    assert answer.status in (400, 403)
    assert hub.request("PATCH", f"{API}/subscriptions/urn:x:none", wanted, key).status >= 400
