"""Purposes: what personal data may be read for. Some come with Madang, a city adds its own."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args

from madang.model.errors import AlreadyExists, BadRequestData, ResourceNotFound
from madang.model.names import shown
from madang.trust.events import Event, PolicyDeed, Recorder
from madang.trust.records import Records

Basis = Literal["consent", "contract", "law", "publicTask", "vitalInterest", "publicSafety"]
"""What makes reading lawful: 개인정보 보호법 제15조 제1항, GDPR article 6 (1)."""
LANGUAGES = ("ko", "en")
MOST = 200  # of the city's own
LONGEST = 1_000  # characters of a text
_ID = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_OWN = "purposes"
_MEMBERS = {"id", "basis", "law", "name", "text", "keep"}


@dataclass(frozen=True, slots=True)
class Purpose:
    id: str
    basis: Basis
    law: dict[str, str]
    """By language: ``ko`` and ``en``; empty if none is named."""
    name: dict[str, str]
    text: dict[str, str]
    keep: str = ""
    """The law that makes us keep what was agreed to for it, even after an erasure; or nothing."""


def purpose_of(body: Mapping[str, Any]) -> Purpose:
    """Return the purpose that a JSON object describes.

    Raises:
        BadRequestData: it describes none; the text names the member.
    """
    if unknown := body.keys() - _MEMBERS:
        expected = ", ".join(sorted(_MEMBERS))
        raise BadRequestData(f"a purpose has no member {shown(min(unknown))}; it has {expected}")
    id, basis = body.get("id"), body.get("basis")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise BadRequestData(
            f"id must be a letter and up to 63 letters, digits, '.', '_', '-', not {shown(id)}"
        )
    if basis not in get_args(Basis):
        raise BadRequestData(
            f"basis must be one of {', '.join(get_args(Basis))}, not {shown(basis)}"
        )
    return Purpose(
        id,
        cast("Basis", basis),
        _law(body),
        _translated(body, "name"),
        _translated(body, "text"),
        _text(body.get("keep", ""), "keep"),
    )


def _law(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the law in each language; a plain text, as cities have kept it, stands for both."""
    given = body.get("law") or {}
    if isinstance(given, str):
        return dict.fromkeys(LANGUAGES, _text(given, "law"))
    return _translated(body, "law") if given else {}


def _translated(body: Mapping[str, Any], member: str) -> dict[str, str]:
    given = body.get(member)
    if not isinstance(given, dict) or set(given) != set(LANGUAGES) or not all(given.values()):
        raise BadRequestData(f"{member} must be an object with texts in ko and en")
    return {language: _text(given[language], f"{member}.{language}") for language in LANGUAGES}


def _text(value: Any, member: str) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise BadRequestData(f"{member} must be a text of at most {LONGEST:,} characters")
    return value


@cache
def shipped() -> dict[str, Purpose]:
    """Return the purposes that come with Madang, by id."""
    text = (files("madang.trust") / "purposes.toml").read_text("utf-8")
    return {body["id"]: purpose_of(body) for body in tomllib.loads(text)["purposes"]}


class Purposes:
    """The catalogue: those that come with Madang and the city's own.

    Args:
        records: where the city's own are kept.
        recorder: is told of every change.
    """

    def __init__(self, records: Records, recorder: Recorder) -> None:
        self._records = records
        self._recorder = recorder
        self._own: dict[str, Purpose] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up the city's own."""
        self.take(_OWN, await self._records.get("setting", _OWN))

    def take(self, id: str, body: dict[str, Any] | None) -> None:
        """Take up a setting as it is kept, if it is the city's own purposes."""
        if id == _OWN:
            self._own = {name: purpose_of(one) for name, one in (body or {}).items()}

    def __iter__(self) -> Iterator[Purpose]:
        return iter([*shipped().values(), *self._own.values()])

    def get(self, id: str) -> Purpose | None:
        return shipped().get(id) or self._own.get(id)

    def check(self, id: str) -> Purpose:
        """Return a purpose that a reader or a person names.

        Raises:
            BadRequestData: there is no such purpose.
        """
        found = self.get(id)
        if found is None:
            known = [purpose.id for purpose in self]
            near = get_close_matches(id, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise BadRequestData(f"there is no purpose {shown(id)}; {hint}")
        return found

    async def add(self, purpose: Purpose, by: str, address: str = "") -> None:
        """Add a purpose of the city's own, or change one.

        Raises:
            AlreadyExists: it is one that comes with Madang.
            BadRequestData: there are too many.
        """
        if purpose.id in shipped():
            raise AlreadyExists(
                f"the purpose {purpose.id} comes with Madang and stays; take another id"
            )
        async with self._turn:
            if purpose.id not in self._own and len(self._own) >= MOST:
                raise BadRequestData(f"there are {MOST} purposes, which is the most; remove one")
            await self._keep(
                self._own | {purpose.id: purpose}, "purposeSet", purpose.id, by, address
            )

    async def remove(self, id: str, by: str, address: str = "") -> None:
        """Remove a purpose of the city's own; consents to it stay without effect.

        Raises:
            ResourceNotFound: the city has none of that id.
        """
        async with self._turn:
            if id not in self._own:
                raise ResourceNotFound(f"the city has no purpose {shown(id)} of its own")
            left = {key: one for key, one in self._own.items() if key != id}
            await self._keep(left, "purposeRemoved", id, by, address)

    async def _keep(
        self, own: dict[str, Purpose], action: PolicyDeed, id: str, by: str, address: str
    ) -> None:
        await self._recorder.record(Event("policy", by, action, targets=(id,), address=address))
        await self._records.put("setting", _OWN, {key: asdict(one) for key, one in own.items()})
        self._own = own
