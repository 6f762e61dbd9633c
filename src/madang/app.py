"""Composes the process: engine, hub, delivery, HTTP; starts it and lets it end in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvicorn

from madang.api.direct import protocol_for
from madang.api.lane import PREFIX, NgsiLane
from madang.api.metrics import Metrics
from madang.api.router import Router
from madang.api.routes import ROUTES
from madang.api.system import System
from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenants import Tenants
from madang.lock import FolderInUse, held
from madang.logs import configure
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store.engine import SqliteEngine

log = structlog.get_logger("madang")

DRAIN = 15  # [s] that requests under way have to end


class Server(uvicorn.Server):
    """Uvicorn without its own signal handling: Madang ends its parts in their order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class City:
    """All parts of one running process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.engine = SqliteEngine(settings.data / "state", settings.query_time_limit_s)
        self.tenants = Tenants(settings)
        self.hub = Hub(self.engine, self.tenants.make)
        self.metrics.watch(self.hub)
        self.system = System(self.hub, self.metrics)
        lane = NgsiLane(self.hub, settings, Router(PREFIX, ROUTES), self.metrics)
        self.server = Server(
            uvicorn.Config(
                self.system.app(),
                host=settings.host,
                port=settings.port,
                http=protocol_for(lane),
                loop="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=DRAIN,
                backlog=4096,
            )
        )

    async def run(self, listening: socket.socket) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self.stop)
        await self.hub.start()
        self.system.ready = True
        log.info("madang.ready", url=f"http://{self.settings.host}:{listening.getsockname()[1]}")
        demo = self._start_demo()
        try:
            await self.server.serve(sockets=[listening])
        finally:
            if demo is not None:
                demo.cancel()
                await asyncio.gather(demo, return_exceptions=True)
            await self.hub.close()
            await self.tenants.close()
            log.info("madang.stopped")

    def stop(self) -> None:
        """End gracefully: no new requests, those under way finish, everything is written out."""
        log.info("madang.stopping")
        self.system.ready = False
        self.system.stopping.set()
        self.server.should_exit = True

    def _start_demo(self) -> asyncio.Task[None] | None:
        if not self.settings.demo:
            return None
        return asyncio.get_running_loop().create_task(self._live())

    async def _live(self) -> None:
        """Run the demo city against the default tenant."""
        from madang.sense import demo

        tenant = await self.hub.tenant("", create=True)

        async def write(entities: list[dict[str, Any]]) -> None:
            work = [normalized(entity, CORE) for entity in entities]
            await tenant.write([Upsert(one.document["id"], one, update=True) for one in work])

        await demo.run(write)


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


def tune() -> None:
    """Set the interpreter up for a long run with many small objects that come and go.

    Nearly all of them are freed by their counts, and kept entities would be walked through again
    and again, so the collector of cycles runs seldom (it took a fifth of the time of bulk writes).
    Threads that end a commit get their turn within a millisecond.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(0.001)


def serve(settings: Settings) -> None:
    """Run the city until it is told to stop (SIGINT, SIGTERM)."""
    configure(settings)
    sock = listen(settings)
    tune()

    async def main() -> None:
        await City(settings).run(sock)

    try:
        with held(settings.data):
            _run(main)
    except FolderInUse as error:
        sys.exit(f"madang: {error}")


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if sys.platform == "win32":
        asyncio.run(main())
    else:
        import uvloop

        uvloop.run(main())
