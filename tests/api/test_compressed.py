"""Bodies under gzip: unpacked within a limit, or refused with the reason."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.api.compressed import plain
from madang.model.errors import BadRequestData, OperationNotSupported, PayloadTooLarge


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "GZIP", " x-gzip "]))
def test_what_was_packed_is_unpacked(body: bytes, encoding: str) -> None:
    assert plain(gzip.compress(body), encoding, 2000) == body


def test_a_body_without_encoding_is_as_it_came() -> None:
    assert plain(b"{}", "", 1) == plain(b"{}", "identity", 1) == b"{}"


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    with pytest.raises(PayloadTooLarge, match="more than 1,000 bytes"):
        plain(bomb, "gzip", 1_000)


def test_what_is_no_gzip_is_refused() -> None:
    packed = gzip.compress(b"some text that is packed")
    for body in (b"{}", b"", packed[:-3], packed + packed, packed + b"more"):
        with pytest.raises(BadRequestData):
            plain(body, "gzip", 1_000)
    with pytest.raises(OperationNotSupported, match="must be gzip"):
        plain(b"{}", "br", 1_000)
