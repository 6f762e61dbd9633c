"""An edge node whose line to its centre is cut: nothing acknowledged is lost."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.e2e.edge_city import Node, caught_up, check_once_and_in_order, pusher, status
from tests.e2e.server import Server


class Line:
    """The line between a node and its centre, which can be cut.

    ``up``; ``down``: refused, and what is under way breaks; ``deaf``: the centre hears all, and
    its answers are lost.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.state = "up"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, state: str) -> None:
        self.state = state
        if state == "down":
            for one in list(self._open):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.set("down")
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            if self.state == "down":
                return
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
                self._open |= {near, far}
                back = threading.Thread(target=self._pass, args=(far, near, True), daemon=True)
                back.start()
                self._pass(near, far, False)
                with suppress(OSError):
                    far.shutdown(socket.SHUT_WR)
                back.join(5)
                self._open -= {near, far}

    def _pass(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_answer and self.state == "deaf":
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)


def test_nothing_is_lost_when_the_line_is_cut_or_loses_answers(tmp_path: Path) -> None:
    chance = random.Random(6)
    acknowledged: list[tuple[int, int]] = []
    stop = threading.Event()
    with Server(tmp_path / "centre") as centre:
        line = Line(centre.port)
        with Node(tmp_path / "edge", line.url) as node:
            load = threading.Thread(target=pusher, args=(node, acknowledged, stop), daemon=True)
            load.start()
            for state in ("down", "deaf", "down", "deaf"):
                time.sleep(chance.uniform(0.3, 0.8))
                line.set(state)
                time.sleep(chance.uniform(0.8, 1.5))
                alarmed_by = time.monotonic() + 20
                while not status(node)["alarm"]:
                    assert time.monotonic() < alarmed_by, "nobody is told that the line is cut"
                    time.sleep(0.05)
                line.set("up")
            stop.set()
            load.join(15)
            caught_up(node)
            check_once_and_in_order(centre, acknowledged)
            answer = node.request("GET", "/sense/edge").json()
            assert isinstance(answer, dict)
            assert answer["alarm"] is None
        line.close()
