"""Every contract test runs once for each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from madang.store.protocol import Engine, Store
from tests.contract.engines import PLACES, Place


@pytest.fixture(params=PLACES, ids=lambda kind: str(kind.__name__))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    found: Place = request.param(tmp_path / "state")
    return found


@pytest.fixture
async def place(made: Place) -> AsyncIterator[Place]:
    yield made
    await made.close()


@pytest.fixture
async def engine(place: Place) -> AsyncIterator[Engine]:
    engine = place.engine()
    yield engine
    await engine.close()


@pytest.fixture
async def store(engine: Engine) -> Store:
    store = await engine.open("", create=True)
    assert store is not None
    return store
