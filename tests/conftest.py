"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.contract.cluster import Cluster
from tests.e2e.server import Server

# Hundreds of hubs start; three seconds of imports each would take CI past half an hour.
Server.imports = False
Cluster.syncs = False

# A busy machine is no fault of what is tested: nothing here depends on how long an example takes.
# CI runs often and has half an hour; --hypothesis-profile=thorough looks longer.
for name, examples in (("untimed", 50), ("thorough", 1_000)):
    settings.register_profile(
        name, deadline=None, max_examples=examples, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("untimed")

# Modules that take longest begin first, so that no process of pytest is left alone with one.
_FIRST = (
    "tests/browser/", "tests/e2e/", "tests/test_docs", "tests/deploy/", "tests/lake/",
    "tests/contract/", "tests/commands/", "tests/hub/", "tests/store/", "tests/test_layout",
)  # fmt: skip


# Each starts a whole hub and drives it from outside.
_FROM_OUTSIDE = ("tests/browser/", "tests/e2e/")


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.nodeid.startswith(_FROM_OUTSIDE):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)  # after they have been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.nodeid))


def _place(nodeid: str) -> int:
    return next((at for at, start in enumerate(_FIRST) if nodeid.startswith(start)), len(_FIRST))
