"""Signatures: only who has the secret makes them, for one body, and not for long."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.act.notify.signature import LATEST_S, is_signed, sign

SECRET, NOW = "a secret of the two of us", 1_800_000_000


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_what_is_signed_is_known(body: bytes) -> None:
    assert is_signed(SECRET, body, sign(SECRET, body, NOW), NOW)
    assert not is_signed(SECRET, body + b"x", sign(SECRET, body, NOW), NOW)
    assert not is_signed("another secret of others", body, sign(SECRET, body, NOW), NOW)


def test_an_old_signature_and_one_of_the_future_are_refused() -> None:
    given = sign(SECRET, b"{}", NOW)
    assert is_signed(SECRET, b"{}", given, NOW + LATEST_S)
    assert not is_signed(SECRET, b"{}", given, NOW + LATEST_S + 1)
    assert not is_signed(SECRET, b"{}", given, NOW - LATEST_S - 1)


@pytest.mark.parametrize("given", ["", "v1=00", "t=1,v1=", "t=x,v1=" + "0" * 64, "t=1;v1=0"])
def test_what_is_no_signature_is_refused(given: str) -> None:
    assert not is_signed(SECRET, b"{}", given, NOW)
