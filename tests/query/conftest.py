"""An @context with a few terms of its own, as the parsers see it."""

from __future__ import annotations

import pytest

from madang.model.names import check_name

IRI = "https://city.example/terms#"


class Vocabulary:
    """Knows ``Building`` and ``category`` by IRI, and the prefix ``ex``."""

    terms = frozenset({"Building", "category"})

    def expand(self, term: str, /) -> str:
        if term in self.terms:
            return IRI + term
        prefix, colon, rest = term.partition(":")
        if prefix == "ex" and colon:
            return IRI + rest
        return check_name(term)

    def compact(self, name: str, /) -> str:
        return name.removeprefix(IRI)


@pytest.fixture(scope="session")
def names() -> Vocabulary:
    return Vocabulary()
