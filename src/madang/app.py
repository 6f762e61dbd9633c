"""Composes the process: engine, trust, hub, delivery, HTTP; starts it and lets it end in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Self

import structlog
import uvicorn

from madang import handover
from madang.act.commands.commands import Commands
from madang.act.notify.endpoints import EndpointAlerts
from madang.act.notify.held import HeldContacts
from madang.act.notify.notices import Notices
from madang.api.application import application
from madang.api.direct import protocol_for
from madang.api.guarded import MOST_BYTES
from madang.api.lane import PREFIX, NgsiLane
from madang.api.metrics import Metrics
from madang.api.parts import Parts
from madang.api.router import Router
from madang.api.routes import ROUTES
from madang.api.security_headers import Cors
from madang.api.system import System
from madang.ending import unfinished
from madang.hub.duties import DUTIES, Duty, work_of
from madang.hub.hub import Hub
from madang.hub.tenants import Tenants
from madang.lock import FolderInUse, held
from madang.logs import configure
from madang.model.errors import Conflict, MadangError
from madang.sense.edge.crossing import Crossings
from madang.sense.sense import Sense
from madang.sense.sentilo import notifications
from madang.services.replay.replays import Replays
from madang.services.services import Services
from madang.settings import Settings
from madang.store import engine_of
from madang.store.protocol import Engine, Item
from madang.supervisor import Supervisor
from madang.trust.records import Records
from madang.trust.rules import BadPolicy
from madang.trust.trust import Trust
from madang.twin.branch.branches import Branches
from madang.twin.branch.trials import Trials
from madang.web.dashboards.held import HeldDashboards

if TYPE_CHECKING:
    from madang.hub.peers import Peers

log = structlog.get_logger("madang")

BACKLOG = 4096  # connections that wait to be accepted
DRAIN = 15  # [s] that requests under way have to end
SLOW_S = 20.0  # after which the log says what the end waits for
INVITE = "madang user invite --role administrator --tenant '*'"


class Server(uvicorn.Server):
    """Uvicorn without its own signal handling: Madang ends its parts in their order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class City:
    """All parts of one running process."""

    def __init__(self, settings: Settings, engine: Engine, trust: Trust, place: str) -> None:
        self.settings = settings
        self.engine = engine
        self.trust = trust
        self._demo: asyncio.Task[None] | None = None
        self.metrics = Metrics()
        self.tenants = Tenants(
            settings, trust.reach_of, trust.on_notified, {"sentilo": notifications.bodies}
        )
        self.hub = Hub(engine, self.tenants.make)
        self.peers = self._peers(place)
        trust.watch(self.hub)
        self.sense = Sense(settings, self.hub, trust)
        self.commands = Commands(self.hub, self.sense.equipment)
        self.sense.equipment.told = self.commands.answered
        self.services = Services(self.hub, trust.gate)
        self.notices = Notices(settings, self.hub, trust.records, trust.identities.secrets)
        self.endpoint_alerts = EndpointAlerts(self.hub)
        trust.personal.held += [HeldContacts(self.notices), HeldDashboards(self.hub)]
        self.replays = Replays(self.services, settings.data / "lake" / "replays")
        twin = settings.data / "twin"
        self.trials = Trials(twin, settings.twin_city, settings.trial_processes, settings.ray)
        self.crossings = Crossings(self.services, self.sense.broker.tell)
        self.metrics.watch(self.hub)
        self.metrics.watch_audit(trust.audit)
        self.metrics.watch_intake(self.sense.intake)
        self.metrics.watch_mqtt(self.sense.broker, self.sense.brokers)
        self.metrics.watch_commands(self.commands)
        self.system = System(self.hub, self.metrics, self.peers.roster if self.peers else None)
        self.supervisor = Supervisor(os.environ)
        self.handover = handover.Handover(settings, self._end)
        self.parts = Parts(
            settings, trust, self.hub, self.sense, self.services, self.commands, self.replays,
            self.trials, Branches(twin / "branches"), self.notices, self.system,
        )  # fmt: skip
        cors = Cors(settings.cors_origins)
        lane = NgsiLane(self.hub, settings, Router(PREFIX, ROUTES), self.metrics, trust.gate, cors)
        self.server = Server(
            uvicorn.Config(
                application(self.parts, cors),
                host=settings.host,
                port=settings.port,
                http=protocol_for(lane),
                ws="websockets-sansio",
                ws_max_size=MOST_BYTES,
                ws_per_message_deflate=False,  # would keep two windows for every connection
                loop="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                ssl_certfile=settings.tls_certificate,
                ssl_keyfile=settings.tls_key,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=DRAIN,
                backlog=BACKLOG,
            )
        )

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Open what is kept and make the parts."""
        engine = engine_of(settings, settings.query_time_limit_s)
        await engine.claim()
        trust = await Trust.open(settings, engine)
        place = await _place(trust.records) if settings.bus else ""
        return cls(settings, engine, trust, place)

    def _peers(self, place: str) -> Peers | None:
        """Return this hub among those that share its database; None if it is alone."""
        if not self.settings.bus:
            return None
        from madang.hub.peers import Peers  # only who uses it pays for it
        from madang.store.postgres.engine import PostgresEngine

        assert isinstance(self.engine, PostgresEngine), "the settings see to it"
        password = self.settings.bus_password.get_secret_value()
        name = f"{socket.gethostname()}:{self.settings.port}"
        peers = Peers(
            self.engine, self.hub, self.settings.bus, password, place, name, self.settings.role,
            self._take,
        )  # fmt: skip
        self.trust.gate.catch_up = peers.catch_up
        self.tenants.carry(peers.bus)
        return peers

    def _take(self, items: Sequence[Item]) -> None:
        """Take up what another hub has changed; end, as a start would, at a policy of the future.

        To go on without it would let in whom it keeps out.
        """
        try:
            self.trust.take(items)
        except BadPolicy as error:
            log.error("policy.unusable", reason=str(error), hint="start a version that knows it")
            self.stop()

    async def run(self, listening: socket.socket) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self.stop)
        await asyncio.gather(self.hub.start(), self.tenants.start())
        await self.trust.personal.start()
        if self.peers is None:
            for duty in DUTIES:
                await self._work(duty)
        else:
            self.peers.start()
            self.peers.roster.start(self._begin, self._rest, self.stop)
        self.endpoint_alerts.start()
        self.trust.listening(listening.getsockname()[1])
        self.system.ready = True
        log.info("madang.ready", url=self.settings.url)
        listening.listen(BACKLOG)  # who follows the link at once must wait, not be refused
        self.supervisor.ready()
        self._welcome()
        if self.peers is None:
            self._start_demo()
        watching = loop.create_task(self.handover.watch())
        try:
            await self.server.serve(sockets=[listening])
        finally:
            watching.cancel()
            if self.peers is not None:
                await self.peers.roster.settle()
            if self._demo is not None:
                self._demo.cancel()
                await asyncio.gather(self._demo, return_exceptions=True)
            await self.crossings.close()
            await self.replays.close()
            await self.trials.close()
            await self.services.close()
            await self.endpoint_alerts.close()
            await self.notices.close()
            await self.commands.close()
            await self.sense.close()
            await self.trust.identities.close()  # writes last uses; the hub closes the engine
            await self.hub.close()
            await self.tenants.close()
            await self.trust.close()
            log.info("madang.stopped")

    async def _begin(self, duty: Duty) -> None:
        """Do what one of several hubs does for all: this one has been given the lease."""
        await self.hub.work(duty)
        await self._work(duty)
        if duty == "sense":
            self._start_demo()

    async def _work(self, duty: Duty) -> None:
        """Carry out commands, take in what feeds and brokers bring; or let services work."""
        if duty == "sense":
            await self.commands.start()  # before a device can answer
            await self.sense.start()
            self.crossings.start()
        elif work_of(duty) == "services":
            await self.services.start(duty)

    async def _rest(self, duty: Duty) -> None:
        """Leave to another hub what this one has done for all."""
        await self.hub.rest(duty)
        if work_of(duty) == "services":
            await self.services.rest(duty)

    def stop(self) -> None:
        """End gracefully: no new requests, those under way finish, everything is written out."""
        self.supervisor.stopping()
        self.handover.is_due = False  # who asked for the city finds it closed all the same
        self._end()

    def _end(self) -> None:
        log.info("madang.stopping")
        self.system.ready = False
        self.system.stopping.set()
        self.server.should_exit = True
        asyncio.get_running_loop().call_later(SLOW_S, self._tell_what_is_waited_for)

    def _tell_what_is_waited_for(self) -> None:
        log.warning("madang.still_stopping", after_s=SLOW_S, waits_for=unfinished())

    def _welcome(self) -> None:
        """Tell who starts it the first time how to sign in."""
        link = None if self.settings.open else self.trust.identities.first_administrator_link()
        if link is None:
            return
        if self.peers is None:
            print(f"\nMake the first administrator here (works once):\n  {link}\n", flush=True)
        else:  # that link is good at this hub only, and a proxy may ask another one
            print(f"\nMake the first administrator with:\n  {INVITE}\n", flush=True)

    def _start_demo(self) -> None:
        if self.settings.demo:
            self._demo = asyncio.get_running_loop().create_task(self._live())
            self._demo.add_done_callback(_tell_of_fault)

    async def _live(self) -> None:
        """Run the demo city against the default tenant."""
        from madang.demo.run import run

        await run(self.parts)


async def _place(records: Records) -> str:
    """Return what tells the hubs of this database from those of others; made at the first start."""
    kept = await records.get("setting", "place")
    if kept is None:
        kept = {"id": secrets.token_hex(8)}
        try:
            await records.put("setting", "place", kept)
        except Conflict:  # another hub has been started at the same moment
            return await _place(records)
    return str(kept["id"])


def _tell_of_fault(task: asyncio.Task[None]) -> None:
    """Log why the demo city has ended; the hub goes on without it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("demo.ended", exc_info=error)


def listen(settings: Settings) -> socket.socket:
    """Bind the address, or end with a sentence that says what to do."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
    except OSError as error:
        sock.close()
        sys.exit(
            f"madang: cannot listen on {settings.host}:{settings.port} ({error.strerror});"
            " choose another with --port, or stop what uses it"
        )
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def check_certificate(settings: Settings) -> None:
    """End with a sentence that says what to do if the TLS files cannot be used."""
    if settings.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except OSError as error:
        sys.exit(
            f"madang: the certificate {settings.tls_certificate} and key {settings.tls_key} cannot"
            f" be used ({error}); both must be PEM files that belong together"
        )


def tune() -> None:
    """Set the interpreter up for a long run with many small objects that come and go.

    Nearly all of them are freed by their counts, and kept entities would be walked through again
    and again, so the collector of cycles runs seldom (it took a fifth of the time of bulk writes).
    Threads that end a commit get their turn within a millisecond.
    """
    gc.enable()  # off during imports: madang.commands.serving
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    sys.setswitchinterval(0.001)


def serve(settings: Settings) -> None:
    """Run the city until it is told to stop (SIGINT, SIGTERM)."""
    # Engines of history are told names of files, and compare them as absolute ones.
    settings = settings.model_copy(update={"data": settings.data.absolute()})
    configure(settings)
    os.umask(0o077)  # what is in the data folder is nobody else's on this machine
    check_certificate(settings)
    tune()
    with contextlib.closing(listen(settings)) as sock:
        try:
            with held(settings.data):  # also while somebody moves the city: no other may open it
                alive = Supervisor(os.environ).alive
                handover.wait(settings.data, alive)  # for whom a hub before this one has let go
                while _serve_once(settings, sock):
                    handover.wait(settings.data, alive)
                    gc.collect()  # the city as it was before
        except (FolderInUse, MadangError) as error:
            sys.exit(f"madang: {error}")


def _serve_once(settings: Settings, sock: socket.socket) -> bool:
    """Run the city where it is now; return whether it was handed over to somebody who moves it."""

    async def main() -> handover.Handover:
        city = await City.open(found)
        await city.run(sock.dup())  # of which whoever calls meanwhile takes no notice
        return city.handover

    found = handover.settled(settings)
    return _run(main).give()


def _run(
    main: Callable[[], Coroutine[Any, Any, handover.Handover]],
) -> handover.Handover:
    if sys.platform == "win32":
        return asyncio.run(main())
    import uvloop

    return uvloop.run(main())
