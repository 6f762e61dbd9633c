"""One hub for all attacks: closed, as it is when started without options."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.server import Server

NO_LIMITS = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a hub whose limits do not end an attack before its time; they have tests of their own."""
    folder = tmp_path_factory.mktemp("attacked") / "data"
    with Server(folder, open=False, environ=NO_LIMITS) as server:
        yield server
