"""A server that is killed at any moment loses nothing it acknowledged and doubles nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.e2e.crash import crash

KILLS = int(os.environ.get("MADANG_TEST_KILLS", "10"))


async def test_nothing_acknowledged_is_lost_or_doubled_by_a_kill(tmp_path: Path) -> None:
    seed = int(os.environ.get("MADANG_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"MADANG_TEST_SEED={seed} repeats the choices of this run")
    summary = await crash(tmp_path, KILLS, seed, lambda: None)
    print(summary)
    assert summary.acknowledged > 50 * KILLS, "the load was too light to prove anything"
