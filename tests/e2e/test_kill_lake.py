"""A process killed while it drains, merges, loads or deletes history loses and doubles nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.e2e.lake_crash import crash

KILLS = int(os.environ.get("MADANG_TEST_KILLS", "5"))


async def test_history_survives_kills_in_the_midst_of_its_upkeep(tmp_path: Path) -> None:
    seed = int(os.environ.get("MADANG_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"MADANG_TEST_SEED={seed} repeats the choices of this run")
    book = await crash(tmp_path / "data", KILLS, seed, lambda: None)
    print(book.kinds)
    assert book.acknowledged > 10 * KILLS, "too little was done to prove anything"
