"""Which hosts a stranger may have the hub connect to, and not be led into our own network.

A stranger names a URL, so it may point anywhere: at a service behind our firewall, at the machine's
metadata service, at this hub, at a name whose address changes between check and use. Every address
is checked after it was resolved, and the very address that was checked is the one connected to.
Source: OWASP Application Security Verification Standard 4.0.3, 5.2.6 and 12.6.1 (SSRF); the
special-purpose address registries of IANA (RFC 6890) as the standard library knows them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ip_network("2000::/3")
# Public by their number, yet answered by the cloud's own host: Azure's and Oracle's metadata.
_METADATA = frozenset(map(IPv4Address, ("168.63.129.16", "192.0.0.192")))


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public internet, whatever it is wrapped in."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        found = _wrapped(found) or found
    if isinstance(found, IPv6Address) and found not in _GLOBAL_UNICAST:
        return False
    return found.is_global and not found.is_multicast and found not in _METADATA


def is_outside(address: str) -> bool:
    """Return whether an IP address is public and not one of this machine's own."""
    return is_public(address) and not is_own(address)


def is_own(address: str) -> bool:
    """Return whether an IP address is this machine's: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to through a gateway, if it does."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


@lru_cache(maxsize=4096)
def is_named(host: str, patterns: tuple[str, ...]) -> bool:
    """Return whether one of the patterns names a host.

    Patterns are names, ``*.seoul.go.kr``, addresses, and networks such as ``10.0.0.0/8``, which
    cover addresses only, not names.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)
    for pattern in patterns:
        try:
            if address in ip_network(pattern, strict=False):
                return True
        except ValueError:
            continue  # a name or a pattern of names
    return False


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a stranger may have the hub connect to: public hosts, and those the settings name."""

    named: tuple[str, ...] = ()
    """Patterns of :func:`is_named`; what they name may be inside."""
    own: str = ""
    """The name under which others reach this hub."""

    def trusts(self, host: str) -> bool:
        """Tell whether the settings name a host, wherever its name leads."""
        return is_named(host, self.named)

    def allows(self, address: str) -> bool:
        """Tell whether an address that a name was resolved to may be connected to."""
        return is_outside(address) or self.trusts(address)

    def admits(self, host: str) -> bool:
        """Tell whether a host may be connected to, as far as its name alone tells."""
        if self.trusts(host):
            return True
        try:
            return self.allows(host)
        except ValueError:  # a name, which is resolved when it is connected to
            plain = host.rstrip(".")
            return plain not in ("localhost", self.own) and not plain.endswith(".localhost")

    def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """Return a socket connected to a host within the bounds; blocks.

        Raises:
            OSError: it is out of bounds, or cannot be reached.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise OSError(out_of_bounds(host)) from None
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        if not self.trusts(host) and not all(map(self.allows, addresses)):
            raise OSError(out_of_bounds(host))
        error = OSError(f"{host} has no address")
        for address in addresses:
            try:
                return socket.create_connection((address, port), timeout_s)
            except OSError as failure:
                error = failure
        raise error


def out_of_bounds(host: str) -> str:
    """Return the sentence that says why a host is not connected to, and the way out."""
    return (
        f"{host} cannot be found, or is at an address inside this city's network, which only an"
        " administrator may have notified; name a public host, or ask for it in notify_hosts"
    )


class BoundedResolver(AbstractResolver):
    """Resolves names for aiohttp, and hands on only addresses that may be connected to."""

    def __init__(
        self,
        trusts: Callable[[str], bool],
        refuse: Callable[[str], Exception],
        allows: Callable[[str], bool] = is_outside,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Take the rules; call it on a running event loop.

        Args:
            trusts: tells whether a name may lead anywhere.
            refuse: returns the error for a name that leads where it must not.
            allows: tells whether an address is one that any name may lead to.
            resolver: asks the name server.
        """
        self._trusts = trusts
        self._refuse = refuse
        self._allows = allows
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(self, host: str, *args: Any, **kwargs: Any) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, *args, **kwargs)
        if not self._trusts(host) and not all(self._allows(one["host"]) for one in found):
            raise self._refuse(host)
        return found

    async def close(self) -> None:
        await self._resolver.close()
