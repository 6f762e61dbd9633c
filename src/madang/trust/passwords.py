"""Passwords: which are good enough, and how they are kept (argon2id).

Sources: NIST SP 800-63B-4 section 3.1.1 (length, comparison with common ones, no rules of
composition, normalisation), RFC 9106 (Argon2), OWASP ASVS 5.0 V6.2.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from madang.model.errors import BadRequestData, Overloaded

T = TypeVar("T")

SHORTEST: Final = 12
LONGEST: Final = 256
_THREADS = 2  # each works with 64 MiB
_MOST_WAITING = 32
_SHORTEST_PATTERN = 4

# What people take when twelve characters are asked for. Letters only, as they are left when digits
# and signs at both ends are taken off: "Password2026!!" is "password".
_COMMON_TEXT: Final = """
    password passwords passwort passw0rd p@ssw0rd p@ssword pass pa$$word mypassword newpassword
    passwordpassword welcome welcometo letmein iloveyou iloveyouso qwerty qwertyuiop qwertyuiopas
    qwertyuiopasdf qwertyuiopasdfghjkl asdfghjkl asdfghjklqwertyuiop zxcvbnm zxcvbnmasdfghjkl
    qazwsxedc qazwsxedcrfv azerty azertyuiop admin administrator administrators root superuser
    default changeme changemenow secret topsecret mysecret princess dragon monkey sunshine
    football baseball superman batman trustno starwars whatever master access hello helloworld
    michael jordan computer internet login guest test testing testtest user username abc abcd
    abcdef abcdefgh abcdefghij abcdefghijkl abcdefghijklmnop unknown google samsung android
    madang smartcity city seoul korea thisisapassword thisismypassword correcthorsebatterystaple
    correct-horse-battery-staple
"""
_COMMON: Final = frozenset(_COMMON_TEXT.split())
_RUNS: Final = (
    "01234567890123456789",
    "98765432109876543210",
    "1234567890-=",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "qwertyuiop[]asdfghjkl",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "qazwsxedcrfvtgbyhnujm",
)
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def normalized(password: str) -> str:
    """Return a password as it is compared, whichever keyboard it was typed on (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check(password: str, *names: str) -> None:
    """Refuse a password that is too short or that attackers try first.

    Args:
        password: as typed.
        names: of the account; a password that is little more than a name is refused.

    Raises:
        BadRequestData: it is not good enough; the text says why, and never quotes it.
    """
    text = normalized(password)
    if len(text) < SHORTEST:
        raise BadRequestData(
            f"the password has {len(text)} characters, at least {SHORTEST} are needed; "
            "a few words in a row are easy to remember"
        )
    if len(text) > LONGEST:
        raise BadRequestData(f"the password has {len(text)} characters, {LONGEST} are allowed")
    if _is_common(text.casefold(), names):
        raise BadRequestData(
            "this password is among the first that attackers try; take one that only you would"
            " think of, such as a few unrelated words"
        )


def _is_common(text: str, names: tuple[str, ...]) -> bool:
    core = _ENDS.sub("", text)
    if text in _COMMON or core in _COMMON or any(text in run for run in _RUNS):
        return True
    for length in range(1, _SHORTEST_PATTERN + 1):  # aaaaaaaaaaaa, 123412341234
        if text == (text[:length] * len(text))[: len(text)]:
            return True
    folded = {normalized(name).casefold() for name in names}
    folded |= {name.partition("@")[0] for name in folded}
    return any(name and core in (name, name * 2) for name in folded)


class Passwords:
    """Hashes and verifies in threads of their own; a few at a time, for each takes 64 MiB."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Return what is kept of a password.

        Raises:
            Overloaded: too many sign in at this moment.
        """
        return await self._run(self._hasher.hash, normalized(password))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Return whether a password is the one kept; for None it takes as long and is never.

        Raises:
            Overloaded: too many sign in at this moment.
        """
        if len(password) > LONGEST:
            return False
        if self._nobody is None:
            self._nobody = await self.hash("nobody's password")
        right = await self._run(self._verify, normalized(password), kept or self._nobody)
        return right and bool(kept)

    def is_dated(self, kept: str) -> bool:
        """Return whether a hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _verify(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., T], *values: str) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Overloaded("too many people sign in at this moment; try again in a few seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *values)
        finally:
            self._waiting -= 1
