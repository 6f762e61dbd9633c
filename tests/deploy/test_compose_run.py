"""The Compose file of several hubs, run: each part as the file says it, in namespaces of its own.

Docker itself does not run where the tests do. What it would do with the file is done with the
kernel's means (containers.py); the images' programs are Debian's, and PostgreSQL's first start is
written out in composed.py. Docker's own reading of the file is not tested, nor are the images.
"""

from __future__ import annotations

import http.client
import json
import shlex
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.contract.cluster import programs
from tests.deploy.composed import Composed, read
from tests.deploy.containers import World, needs_namespaces, needs_nginx
from tests.e2e.nats_server import needs_nats
from tests.e2e.test_several_hubs import SECRET

needs_postgres = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL with PostGIS is not installed"
)
pytestmark = [needs_namespaces, needs_nginx, needs_nats, needs_postgres, pytest.mark.slow]
API = "/ngsi-ld/v1"
# NATS would take this one for a number, if it were not put into quotes.
SECRETS = {"store_password": "0e12" + "ab" * 20, "bus_password": "7e5", "secret_key": SECRET}
URL = "http://127.0.0.1:8080"
ENGINES = ("postgres", "nats-1", "nats-2", "nats-3")


class City:
    """The whole of the Compose file."""

    def __init__(self, folder: Path, world: World) -> None:
        self.composed = Composed(read(MADANG_BASE_URL=URL), folder, SECRETS)
        self.hubs = self.composed.hubs
        self.world = world
        for name in (*ENGINES, *self.hubs, "proxy"):
            self.world.add(self.composed.container(name))

    def start(self) -> None:
        """Start everything in the order of the file."""
        for name in ENGINES:
            self.world.start(name)
        for name in ENGINES:
            self.world.wait_for(name)
        made = self.world.run("postgres", "createdb", "-h", "/tmp", "-U", "madang", "madang")
        assert made.returncode == 0, made.stderr
        for name in self.hubs:
            self.world.start(name)
        for name in self.hubs:
            self.world.wait_for(name)
        self.world.start("proxy")
        self.world.wait_for("proxy")
        self.key = self.told(
            "api-1", "key", "create", "city", "--app", "--read", "*", "--write", "*"
        )

    def told(self, hub: str, *words: str) -> str:
        """Return what the command line in a hub's container says."""
        done = self.world.run(hub, "madang", *words, MADANG_URL=URL)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("several-hubs")
    with closing(World(folder)) as world:
        made = City(folder, world)
        made.start()
        yield made


class Client:
    """Asks one part of a city; opens a connection anew when the other end has closed it."""

    def __init__(self, city: City, name: str = "proxy") -> None:
        self._city, self._name = city, name
        self._connection = city.world.connect(name)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        head = {"Authorization": f"Bearer {self._city.key}"}
        if body is not None:
            head["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, head)
        answer = self._connection.getresponse()
        found = answer.status, answer.read()
        if answer.will_close:
            self._connection.close()
            self._connection = self._city.world.connect(self._name)
        return found

    def close(self) -> None:
        self._connection.close()


def room(number: int, value: float) -> dict[str, object]:
    temperature = {"type": "Property", "value": value}
    return {"id": f"urn:ngsi-ld:Room:{number}", "type": "Room", "temperature": temperature}


def test_what_one_hub_is_told_the_other_answers_and_so_does_the_proxy(city: City) -> None:
    with ExitStack() as clients:
        first, second, proxy = (
            clients.enter_context(closing(Client(city, name)))
            for name in ("api-1", "api-2", "proxy")
        )
        for number in range(20):
            status, body = first.ask("POST", f"{API}/entities", room(number, number))
            assert status == 201, body
            for client in (second, proxy):
                status, body = client.ask("GET", f"{API}/entities/urn:ngsi-ld:Room:{number}")
                assert (status, json.loads(body)["temperature"]["value"]) == (200, number)


def test_the_hubs_that_do_the_citys_work_share_it_out(city: City) -> None:
    status = json.loads(city.told("api-1", "status", "--json"))
    roles = {one["name"]: one["role"] for one in status["hub"]["nodes"]}
    assert roles == {f"{name}:8080": name.rpartition("-")[0] or name for name in city.hubs}


def test_the_command_that_hubs_name_makes_the_first_administrator_at_any_of_them(
    city: City,
) -> None:
    said = city.world.log("worker-1").read_text().partition("Make the first administrator with:")[2]
    program, *words = shlex.split(said.splitlines()[1])
    assert program == "madang"
    link = city.told("api-1", *words)
    assert link.startswith(f"{URL}/welcome?code=")
    for name in ("api-1", "api-2", "proxy"):
        with closing(Client(city, name)) as client:
            assert client.ask("GET", link.removeprefix(URL))[0] == 200


def test_devices_reach_the_hub_that_listens_for_them(city: City) -> None:
    city.world.connect("sense", 1883).close()


class Load:
    """Writers that raise the temperature of a room of their own, through the proxy."""

    def __init__(self, city: City, writers: int = 4) -> None:
        self._city = city
        self._ending = threading.Event()
        self.acknowledged = [0] * writers
        self.failures: list[str] = []
        self.longest_s = 0.0
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(writers)]

    def _write(self, number: int) -> None:
        client = Client(self._city)
        try:
            while not self._ending.wait(0.01):
                self._once(client, number, self.acknowledged[number] + 1)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.failures.append(f"writer {number}: {error!r}")
        finally:
            client.close()

    def _once(self, client: Client, number: int, value: int) -> None:
        began = time.monotonic()
        path = f"{API}/entities/urn:ngsi-ld:Room:{100 + number}/attrs"
        body = {"temperature": {"type": "Property", "value": value}}
        status, answer = client.ask("PATCH", path, body)
        assert status == 204, (status, answer)
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        self.acknowledged[number] = value

    def goes_on(self) -> None:
        """Wait until each writer has written twice more."""
        before = list(self.acknowledged)
        end = time.monotonic() + 20
        while not all(now > then + 1 for now, then in zip(self.acknowledged, before, strict=True)):
            assert self.failures == []
            assert time.monotonic() < end, "writers wait"
            time.sleep(0.02)

    def __enter__(self) -> Load:
        rooms = [room(100 + number, 0) for number in range(len(self.acknowledged))]
        with closing(Client(self._city)) as client:
            status, answer = client.ask("POST", f"{API}/entityOperations/upsert", rooms)
            assert status in (201, 204), answer
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()


def check(city: City, load: Load) -> None:
    """See that nothing failed, and that the last acknowledged writes are what any hub answers."""
    assert load.failures == []
    for hub in ("api-1", "api-2", "sense"):
        client = Client(city, hub)
        for number, value in enumerate(load.acknowledged):
            _, body = client.ask("GET", f"{API}/entities/urn:ngsi-ld:Room:{100 + number}")
            assert json.loads(body)["temperature"]["value"] == value
        client.close()


def test_hubs_are_replaced_one_after_the_other_without_a_failed_request(city: City) -> None:
    with Load(city) as load:
        load.goes_on()
        for name in city.hubs:
            assert city.world.stop(name) == 0
            city.world.start(name)
            city.world.wait_for(name)
            load.goes_on()
    print(f"{sum(load.acknowledged)} writes through nginx; the longest took {load.longest_s:.2f} s")
    check(city, load)


@pytest.mark.parametrize("name", ["api-1", "nats-1"])
def test_no_request_fails_while_a_part_is_killed_and_comes_back(city: City, name: str) -> None:
    with Load(city) as load:
        load.goes_on()
        city.world.stop(name, signal.SIGKILL)
        load.goes_on()
        city.world.start(name)
        city.world.wait_for(name)
        load.goes_on()
    print(f"{name}: {sum(load.acknowledged)} writes; the longest took {load.longest_s:.2f} s")
    check(city, load)


def test_the_proxy_lets_streams_and_web_sockets_through(city: City) -> None:
    key = {"Authorization": f"Bearer {city.key}"}
    with closing(Client(city)) as client:
        client.ask("POST", f"{API}/entityOperations/upsert", [room(99, 1)])
    with closing(city.world.connect("proxy")) as stream:
        stream.request("GET", "/changes?type=Room&after=0", headers=key)
        assert stream.getresponse().readline()  # comes while the answer goes on
    opened = city.world.connect("proxy").sock
    address = "ws://proxy:8080/live"
    with connect(address, sock=opened, additional_headers=key, proxy=None) as live:
        assert live.response is not None
        assert live.response.status_code == 101
