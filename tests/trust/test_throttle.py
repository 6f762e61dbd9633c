"""Slowing down who guesses."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import TooManyRequests
from madang.trust.throttle import Counts, Throttle, network

SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def tries(throttle: Throttle, name: str, address: str, now: int = NOW) -> int:
    """Return how many tries there are before one must wait."""
    for count in range(1000):
        try:
            throttle.begin(name, address, now)
        except TooManyRequests:
            return count
    return 1000


def test_after_some_failures_each_try_waits_twice_as_long() -> None:
    counts = Counts(free=2, longest_s=8)
    waits = []
    for _ in range(7):
        counts.fail("jin", NOW)
        waits.append(counts.wait("jin", NOW))
    assert waits == [0, 0, 1, 2, 4, 8, 8]


def test_a_wait_passes() -> None:
    counts = Counts(free=0, longest_s=60)
    counts.fail("jin", NOW)
    assert counts.wait("jin", NOW) == 1
    assert counts.wait("jin", NOW + SECOND) == 0


def test_failures_are_forgotten_after_an_hour_of_quiet() -> None:
    counts = Counts(free=1, longest_s=60)
    for _ in range(5):
        counts.fail("jin", NOW)
    counts.fail("jin", NOW + 3700 * SECOND)
    assert counts.wait("jin", NOW + 3700 * SECOND) == 0


def test_the_refusal_says_when_to_try_again() -> None:
    throttle = Throttle()
    tries(throttle, "jin", HERE)
    with pytest.raises(TooManyRequests, match="try again in 1 s") as refused:
        throttle.begin("jin", HERE, NOW)
    assert refused.value.retry_after_s == 1


def test_a_name_is_guessed_at_from_one_address_a_few_times_only() -> None:
    assert tries(Throttle(), "jin", HERE) == 5


def test_many_addresses_together_gain_little_against_one_name() -> None:
    throttle = Throttle()
    allowed = sum(tries(throttle, "jin", f"203.0.113.{i}") > 0 for i in range(100))
    assert allowed <= 11


def test_one_address_cannot_go_through_all_names() -> None:
    throttle = Throttle()
    allowed = sum(tries(throttle, f"person{i}", HERE) > 0 for i in range(100))
    assert allowed <= 21


def test_an_owner_is_not_locked_out_where_they_have_been_before() -> None:
    throttle = Throttle()
    throttle.begin("jin", HERE, NOW)
    throttle.succeed("jin", HERE)
    for i in range(100):
        tries(throttle, "jin", f"203.0.113.{i}")
    throttle.begin("jin", HERE, NOW)


def test_an_owner_at_a_new_place_waits_a_minute_at_most() -> None:
    throttle = Throttle()
    for i in range(250):
        tries(throttle, "jin", f"203.0.113.{i}", NOW + i * 61 * SECOND)
    throttle.begin("jin", ELSEWHERE, NOW + 249 * 61 * SECOND + 60 * SECOND)


def test_a_good_account_does_not_help_to_guess_at_others() -> None:
    throttle = Throttle()
    for i in range(20):
        throttle.begin(f"person{i}", HERE, NOW)
        throttle.begin("mallory", ELSEWHERE, NOW)
        throttle.succeed("mallory", ELSEWHERE)
    throttle.begin("one more", HERE, NOW)
    with pytest.raises(TooManyRequests):
        throttle.begin("and one more", HERE, NOW)


def test_a_try_that_found_nothing_out_is_not_counted() -> None:
    throttle = Throttle()
    for _ in range(50):
        throttle.begin("jin", HERE, NOW)
        throttle.withdraw("jin", HERE)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_all_of_a_64_bit_network_is_one_guesser(one: int, other: int) -> None:
    base = int(IPv6Address("2001:db8:1:2::"))
    assert network(str(IPv6Address(base + one))) == network(str(IPv6Address(base + other)))


def test_addresses_are_told_apart_as_their_owners_are() -> None:
    assert network("::ffff:192.0.2.1") == network("192.0.2.1") != network("192.0.2.2")
    assert network("fe80::1%eth0") == network("fe80::2")
    assert network("2001:db8::1") != network("2001:db8:0:1::1")
    assert network("a socket") == "a socket"
