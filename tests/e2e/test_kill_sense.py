"""Hub, broker and edge node are killed while devices publish: each value is in history once."""

from __future__ import annotations

import random
from pathlib import Path

from tests.e2e import sense_crash
from tests.e2e.mosquitto import needs_mosquitto
from tests.e2e.sense_crash import Load

LOAD = Load(devices=500, rate=300, gateways=4)
BETWEEN_S = (0.3, 2.0)


async def test_every_value_is_in_history_once_whenever_the_hub_is_killed(tmp_path: Path) -> None:
    hub = sense_crash.Hub(tmp_path)
    seen = await sense_crash.crash(hub, LOAD, 4, BETWEEN_S, random.Random(7))
    assert seen.messages > 500


@needs_mosquitto
async def test_every_value_is_in_history_once_though_mosquitto_is_killed(tmp_path: Path) -> None:
    broker = sense_crash.Broker(tmp_path)
    seen = await sense_crash.crash(broker, LOAD, 2, (1.0, 3.0), random.Random(7))
    assert seen.messages > 500


async def test_every_value_is_at_the_centre_once_when_edge_or_centre_is_killed(
    tmp_path: Path,
) -> None:
    edge = sense_crash.Edge(tmp_path)
    seen = await sense_crash.crash(edge, LOAD, 3, BETWEEN_S, random.Random(7))
    assert seen.messages > 500
