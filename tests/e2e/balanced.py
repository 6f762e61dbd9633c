"""A client of several hubs, as a load balancer that retries: who does not answer is passed over."""

from __future__ import annotations

import http.client
import itertools
import time
from collections import Counter
from collections.abc import Collection, Sequence

import orjson

PATIENCE_S = 30.0
PAUSE_S = 0.02  # after no hub has answered
RETRIED = (502, 503)


class Balanced:
    """Sends each request to the next hub, and again to the one after it if that one fails.

    To be used by one thread. What is sent twice must do the same as if it had been sent once.

    Args:
        ports: of the hubs on this machine.
        first: which of them is asked first.
        retried: statuses that are as bad as no answer.
        answer_s: how long a hub may take to answer. [s]
    """

    def __init__(
        self,
        ports: Sequence[int],
        first: int = 0,
        retried: Collection[int] = RETRIED,
        answer_s: float = 10.0,
    ) -> None:
        self._retried = retried
        self._answer_s = answer_s
        order = [*ports[first % len(ports) :], *ports[: first % len(ports)]]
        self._ports = itertools.cycle(order)
        self._round = len(ports)
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self.passed_over: Counter[str] = Counter()
        """Why hubs were passed over: the error of the connection, or the status."""

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Return the status and the body of the first answer that is not a retried status."""
        end = time.monotonic() + PATIENCE_S
        for attempt in itertools.count(1):
            port = next(self._ports)
            try:
                status, answer = self._ask(port, method, path, body)
                if status not in self._retried:
                    return status, answer
                self.passed_over[str(status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self._connections.pop(port).close()
                self.passed_over[type(error).__name__] += 1
            if attempt % self._round == 0:
                assert time.monotonic() < end, f"no hub has answered: {self.passed_over}"
                time.sleep(PAUSE_S)
        raise AssertionError("the loop has no end")

    def _ask(self, port: int, method: str, path: str, body: object) -> tuple[int, bytes]:
        if port not in self._connections:
            self._connections[port] = http.client.HTTPConnection(
                "127.0.0.1", port, timeout=self._answer_s
            )
        connection = self._connections[port]
        head = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else orjson.dumps(body), head)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        """Part with the hubs."""
        for connection in self._connections.values():
            connection.close()
