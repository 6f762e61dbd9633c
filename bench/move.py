"""How long a city is moved to PostgreSQL, and how long its writes stand still for that.

    python -m bench.move --entities 60000 --instances 1000000

A hub with an embedded city is used all the while: three clients, each in a tenant of its own, write
one request after the other. Server, hub, mover and clients share the machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.contract import cluster
from tests.e2e.moved_city import Move, faults, furnish, in_use, wait_for_more
from tests.e2e.server import Server

MONTHS = 12


def main() -> None:
    """Print what a move took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=60_000)
    parser.add_argument("--instances", type=int, default=1_000_000)
    wanted = parser.parse_args()
    Server.imports = False
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        with server:
            furnish(server, wanted.entities, wanted.instances, MONTHS)
            _move(server)


def _move(server: Server) -> None:
    with in_use(server) as users:
        wait_for_more(users)
        began = time.monotonic()
        text = Move(server, cluster.shared().make("bench")).end(wait_s=500)
        took = time.monotonic() - began
        wait_for_more(users)
    print(text)
    stood = max(user.longest_s for user in users)
    written = sum(user.ledger.acknowledged for user in users)
    print(f"{took:.1f} s in all; no write was acknowledged for {stood:.1f} s; {written:,} were")
    print("lost or doubled:", [fault for user in users for fault in faults(server, user)] or "none")


if __name__ == "__main__":
    main()
