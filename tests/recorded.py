"""Recorded data of real cities, no part of this repository: where it is, and who can do without.

``MADANG_TEST_DATA`` names its folder; without it that is ``../shared/data`` beside the checkout.
Tests skip themselves where what they need is missing; ``.ci/run`` lets none do so where the folder
is there.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("MADANG_TEST_DATA") or _BESIDE).absolute()


def needs(*names: str) -> pytest.MarkDecorator:
    """Mark a test that needs files or folders of the recorded data."""
    missing = [name for name in names if not (DATA / name).exists()]
    return pytest.mark.skipif(bool(missing), reason=_reason(*missing))


def recorded(pattern: str) -> list[Path]:
    """Return the recorded files of a pattern in order; without any, the test is skipped."""
    found = sorted(DATA.glob(pattern))
    if not found:
        pytest.skip(_reason(pattern))
    return found


def _reason(*missing: str) -> str:
    return f"no recorded data {', '.join(missing)} in {DATA}; MADANG_TEST_DATA names its folder"
