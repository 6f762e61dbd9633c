"""An edge node and its centre, killed again and again: nothing acknowledged is lost."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from tests.e2e.edge_city import Node, caught_up, check_once_and_in_order, pusher
from tests.e2e.server import Server


def test_nothing_is_lost_when_either_side_is_killed_under_load(tmp_path: Path) -> None:
    chance = random.Random(5)
    centre, stop = Server(tmp_path / "centre"), threading.Event()
    acknowledged: list[tuple[int, int]] = []
    centre.start()
    node = Node(tmp_path / "edge", centre.url)
    node.start()
    load = threading.Thread(target=pusher, args=(node, acknowledged, stop), daemon=True)
    load.start()
    try:
        for turn in range(5):
            time.sleep(chance.uniform(0.3, 1.5))
            victim = node if turn % 2 else centre
            victim.kill()
            time.sleep(chance.uniform(0.1, 1.0))
            victim.start(120)
        time.sleep(1.0)
        stop.set()
        load.join(15)
        caught_up(node)
        assert len(acknowledged) > 300
        check_once_and_in_order(centre, acknowledged)
    finally:
        stop.set()
        node.kill()
        centre.kill()
