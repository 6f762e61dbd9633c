"""Slows down who guesses: after some failures each further try must wait twice as long.

Three counts decide over a try to sign in. That of the **address** holds for every name tried from
it. That of the **name at the address** stops one guesser. That of the **name** alone stops many
addresses together; it waits a minute at most and does not hold for addresses the owner has signed
in from before, so nobody can lock an owner out for good. Names that do not exist count as well, so
that the waiting tells nothing. Source: NIST SP 800-63B-4 section 3.2.2, OWASP ASVS 5.0 V6.3.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from madang.model.errors import TooManyRequests

SECOND = 1_000_000
_MOST = 50_000  # counts kept; the longest untouched go first
_FORGOTTEN_AFTER = 3600 * SECOND


@dataclass(slots=True)
class _Count:
    failures: int
    until: int
    """No further try before. [us since 1970]"""


class Counts:
    """Failures by key, and how long each must wait.

    Args:
        free: failures without a wait.
        longest_s: no wait is longer. [s]
    """

    def __init__(self, free: int, longest_s: int) -> None:
        self._free = free
        self._longest_s = longest_s
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait(self, key: str, now: int) -> int:
        """Return how long a key must still wait. [s]"""
        found = self._counts.get(key)
        return 0 if found is None else max(0, math.ceil((found.until - now) / SECOND))

    def fail(self, key: str, now: int) -> None:
        found = self._counts.get(key)
        if found is None or found.until + _FORGOTTEN_AFTER < now:
            found = self._counts[key] = _Count(0, now)
        found.failures += 1
        beyond = min(found.failures - self._free, 30)
        wait = 0 if beyond <= 0 else min(1 << (beyond - 1), self._longest_s)
        found.until = now + wait * SECOND
        self._counts.move_to_end(key)
        if len(self._counts) > _MOST:
            self._counts.popitem(last=False)

    def forgive(self, key: str) -> None:
        """Forget the failures of a key, as it has succeeded."""
        self._counts.pop(key, None)

    def take_back(self, key: str) -> None:
        """Undo one failure: what was counted beforehand turned out well."""
        found = self._counts.get(key)
        if found is not None:
            found.failures -= 1
            found.until = 0


class Throttle:
    """Decides whether a try to sign in may go on, and learns from how it ends."""

    def __init__(self) -> None:
        self._addresses = Counts(free=20, longest_s=900)
        self._pairs = Counts(free=4, longest_s=900)
        self._names = Counts(free=10, longest_s=60)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, name: str, address: str, now: int) -> None:
        """Let a try go on, counted as failed until :meth:`succeed` says otherwise.

        It is counted first, so that many tries at once gain nothing.

        Raises:
            TooManyRequests: it must wait; the text says how long.
        """
        place = network(address)
        waits = [self._addresses.wait(place, now), self._pairs.wait(f"{place} {name}", now)]
        if (name, place) not in self._known:
            waits.append(self._names.wait(name, now))
        if longest := max(waits):
            raise TooManyRequests(
                f"too many tries to sign in; try again in {longest} s", retry_after_s=longest
            )
        self._addresses.fail(place, now)
        self._pairs.fail(f"{place} {name}", now)
        self._names.fail(name, now)

    def withdraw(self, name: str, address: str) -> None:
        """Undo :meth:`begin`: nothing was found out."""
        place = network(address)
        self._addresses.take_back(place)
        self._pairs.take_back(f"{place} {name}")
        self._names.take_back(name)

    def succeed(self, name: str, address: str) -> None:
        """Forget the failures of a name, and remember where its owner is."""
        place = network(address)
        self._pairs.forgive(f"{place} {name}")
        self._names.forgive(name)
        # Not forgiven: with one good account, an address could go on guessing at all others.
        self._addresses.take_back(place)
        self._known[name, place] = None
        self._known.move_to_end((name, place))
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


def network(address: str) -> str:
    """Return what one guesser can be told by: an IPv4 address, or the /64 of an IPv6 address.

    >>> network("2001:db8::1") == network("2001:db8::2")
    True
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped or IPv6Address(int(ip) >> 64 << 64))
