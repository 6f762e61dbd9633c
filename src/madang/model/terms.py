"""Term definitions: what the objects of an @context map its terms to. Pure.

Source: JSON-LD 1.1 Processing Algorithms 4.2 (create term definition) and 5.2 (IRI expansion),
narrowed by ETSI GS CIM 009 clauses 4.4 and 5.5.7: core terms are protected, there are no contexts
inside definitions, and the core's ``@vocab`` is the one that counts for names.
"""

from __future__ import annotations

from typing import Any

from madang.model.core_context import DEFAULT_VOCABULARY, PREFIXES, TERMS
from madang.model.errors import BadRequestData
from madang.model.names import shown

LONGEST_CHAIN = 32  # terms defined by one another

_DELIMITERS = tuple(":/?#[]@")  # an IRI that ends in one of these makes its term a prefix


class Definitions:
    """The terms of one object after another; the later ones win."""

    def __init__(self) -> None:
        self.terms: dict[str, str] = {}
        self.prefixes: dict[str, str] = {}
        self._vocabulary = DEFAULT_VOCABULARY
        self._part: dict[str, Any] = {}
        self._done: set[str] = set()
        self._under_way: list[str] = []

    def add(self, part: dict[str, Any]) -> None:
        """Put the definitions of one object on top of those before it."""
        self._part = part
        self._done.clear()
        if "@vocab" in part:
            self._vocabulary = self._vocabulary_of(part["@vocab"])
        for term in part:
            if not term.startswith("@"):
                self._define(term)

    def _vocabulary_of(self, value: object) -> str:
        # It completes the IRIs in this @context only: for names, the core's @vocab wins.
        if value is None:
            return DEFAULT_VOCABULARY
        if not isinstance(value, str):
            raise BadRequestData(f"@vocab in an @context must be an IRI, not {shown(value)}")
        return (self._iri(value) if ":" in value else None) or self._vocabulary

    def _define(self, term: str) -> None:
        if term in self._done:
            return
        if term in self._under_way or len(self._under_way) >= LONGEST_CHAIN:
            raise BadRequestData(
                f"the term {shown(term)} of the @context is defined by itself or by too many others"
            )
        target, is_prefix = _target(term, self._part[term])
        # Core terms are protected, and what looks like an IRI can only stand for itself.
        if term not in TERMS and term not in PREFIXES and ":" not in term and "/" not in term:
            self._under_way.append(term)
            self._put(term, target, is_prefix)
            self._under_way.pop()
        self._done.add(term)

    def _put(self, term: str, target: str | None, is_prefix: bool | None) -> None:
        iri = None
        if target is not None:
            iri = self._vocabulary + term if target == term else self._iri(target)
        self.prefixes.pop(term, None)
        if iri is None:
            self.terms.pop(term, None)
            return
        self.terms[term] = iri
        if is_prefix or (is_prefix is None and iri.endswith(_DELIMITERS)):
            self.prefixes[term] = iri

    def _iri(self, text: str) -> str | None:
        """Return the IRI of what a definition names; None for a JSON-LD keyword."""
        if text.startswith("@") or TERMS.get(text, "").startswith("@"):
            return None
        if text in self._part:
            self._define(text)
        known = TERMS.get(text) or self.terms.get(text)
        if known is not None:
            return known
        prefix, colon, suffix = text.partition(":")
        if not colon:
            return self._vocabulary + text
        if suffix.startswith("//"):
            return text
        if prefix in self._part:
            self._define(prefix)
        base = PREFIXES.get(prefix) or self.prefixes.get(prefix)
        return text if base is None else base + suffix


def _target(term: str, value: object) -> tuple[str | None, bool | None]:
    """Return what a definition maps its term to, and whether it makes it a prefix.

    None as target takes the term away, so that its name falls back to the default vocabulary;
    None as prefix leaves that to the form of the IRI.
    """
    if value is None or isinstance(value, str):
        return value, None
    if not isinstance(value, dict):
        raise BadRequestData(
            f"the term {shown(term)} of the @context must be an IRI or an object, "
            f"not {shown(value)}"
        )
    if "@context" in value:
        raise BadRequestData(
            f"the term {shown(term)} has an @context of its own, which NGSI-LD does not allow"
        )
    target = None if "@reverse" in value else value.get("@id", term)
    if target is not None and not isinstance(target, str):
        raise BadRequestData(f"@id of the term {shown(term)} must be an IRI, not {shown(target)}")
    return target, bool(value.get("@prefix", False))
