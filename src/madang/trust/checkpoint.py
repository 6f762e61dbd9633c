"""Signed tree heads: what vouches for the audit log, in a form that others' programs read too.

A head is a *checkpoint* inside a *signed note*, the form that the Go checksum database and the
transparency logs of Sigstore use, signed with Ed25519 (RFC 8032). A public key is written as their
*verifier key*: name, hash and key, separated by ``+``.

Source: https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from madang.model.errors import MadangError

_ED25519 = b"\x01"  # the type of signature, in a verifier key
_DASH = "— "


class BadHead(MadangError):
    """A text is no signed head, or its signature is not that of a known key."""


class Verifier(NamedTuple):
    """A public key, by which anybody can tell who signed a head."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes that name the key in a signature."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that a text such as ``madang.audit+1a2b3c4d+AV…`` stands for.

        Raises:
            BadHead: it is none.
        """
        name, _, rest = text.strip().partition("+")
        id, _, key = rest.partition("+")
        try:
            raw = b64decode(key, validate=True)
        except BadBase64:
            raw = b""
        found = cls(name, raw[1:])
        if raw[:1] != _ED25519 or len(raw) != 33 or found.id.hex() != id:
            raise BadHead(f"{text[:80]!r} is no public key such as madang.audit+1a2b3c4d+AV…")
        return found


class Signer(NamedTuple):
    """What signs heads; the private key may be elsewhere."""

    verifier: Verifier
    sign: Callable[[bytes], bytes]

    @classmethod
    def of(cls, seed: bytes, name: str = "madang.audit") -> Signer:
        """Return a signer with a private key of 32 random bytes."""
        key = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(Verifier(name, key.public_key().public_bytes_raw()), key.sign)


class Head(NamedTuple):
    """A log at one moment: how many records it has and the root of their tree."""

    size: int
    root: bytes
    time: str
    """When it was signed."""

    def signed(self, signer: Signer) -> str:
        """Return the head as a signed note."""
        verifier = signer.verifier
        root = b64encode(self.root).decode()
        text = f"{verifier.name}\n{self.size}\n{root}\ntime {self.time}\n"
        signature = b64encode(verifier.id + signer.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{verifier.name} {signature}\n"


def opened(note: str, keys: Iterable[Verifier]) -> tuple[Head, Verifier]:
    """Return the head in a signed note and the key that signed it.

    Raises:
        BadHead: the note is malformed, or none of the keys signed it.
    """
    text, _, signatures = note.partition("\n\n")
    head, name = _read(text)
    known = {key.id: key for key in keys if key.name == name}
    for line in signatures.splitlines():
        signer, _, signature = line.removeprefix(_DASH).partition(" ")
        try:
            raw = b64decode(signature, validate=True)
        except BadBase64:
            continue
        key = known.get(raw[:4])
        if signer == name and key is not None and _is_signed(key, raw[4:], text + "\n"):
            return head, key
    raise BadHead(f"the signature of the head over {head.size} records is not that of a known key")


def _read(text: str) -> tuple[Head, str]:
    try:
        name, size, root, time, *_ = text.split("\n")
        head = Head(int(size), b64decode(root, validate=True), time.removeprefix("time "))
    except ValueError:
        raise BadHead(f"{text[:80]!r} is no signed head of an audit log") from None
    if len(head.root) != 32 or head.size < 0:
        raise BadHead(f"{text[:80]!r} is no signed head of an audit log")
    return head, name


def _is_signed(key: Verifier, signature: bytes, text: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True
