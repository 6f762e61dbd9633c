"""How long a city is moved to PostgreSQL, and how long its writes stand still for that.

    python -m bench.move --entities 60000 --instances 1000000

A hub with an embedded city is used all the while: three clients, each in a tenant of its own, write
one request after the other. Server, hub, mover and clients share the machine, and with
``--bucket`` SeaweedFS, to which history goes then.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.contract import cluster, objects
from tests.e2e.moved_city import Move, faults, furnish, in_use, wait_for_more
from tests.e2e.server import Server

MONTHS = 12
KEYS = "MADANG_HISTORY_KEY", "MADANG_HISTORY_SECRET"  # which a hub must know


def main() -> None:
    """Print what a move took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=60_000)
    parser.add_argument("--instances", type=int, default=1_000_000)
    parser.add_argument("--bucket", action="store_true", help="move history into a bucket")
    wanted = parser.parse_args()
    place = _place() if wanted.bucket else {}
    keys = {name: value for name, value in place.items() if name in KEYS}
    Server.imports = False
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", environ=keys)
        with server:
            furnish(server, wanted.entities, wanted.instances, MONTHS)
            _move(server, place)


def _place() -> dict[str, str]:
    """Return the settings of a history in a bucket."""
    server = objects.shared()
    return {
        "MADANG_HISTORY_PATH": f"s3://{server.bucket()}/city",
        "MADANG_HISTORY_ENDPOINT": server.endpoint,
        **dict(zip(KEYS, (objects.KEY, objects.SECRET), strict=True)),
    }


def _move(server: Server, place: dict[str, str]) -> None:
    with in_use(server) as users:
        wait_for_more(users)
        began = time.monotonic()
        text = Move(server, cluster.shared().make("bench"), place).end(wait_s=500)
        took = time.monotonic() - began
        wait_for_more(users)
    print(text)
    stood = max(user.longest_s for user in users)
    written = sum(user.ledger.acknowledged for user in users)
    print(f"{took:.1f} s in all; no write was acknowledged for {stood:.1f} s; {written:,} were")
    print("lost or doubled:", [fault for user in users for fault in faults(server, user)] or "none")


if __name__ == "__main__":
    main()
