"""Search by name finds parts of names in any language, the best first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.web.maps.names import LONGEST, Names, matches, rank, text_of, words_of


def entity(id: str, **attributes: Any) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:Thing:{id}", "type": "Thing", **attributes}


def prop(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def languages(**texts: str) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": texts}


def filled(*documents: dict[str, Any]) -> Names:
    names = Names()
    for one in documents:
        names.put(one["id"], [one["type"]], text_of(one))
    return names


def found(names: Names, words: str, *types: str) -> list[str]:
    return [id.rpartition(":")[2] for id in names.find(words_of(words), types, 50)]


CITY = filled(
    entity("hall", name=languages(ko="종로구청", en="Jongno Town Hall")),
    entity(
        "station", name=prop("Jongno air station 7"), address=prop({"streetAddress": "세종대로 1"})
    ),
    entity("pump", title=prop("Pump at the river")),
    {**entity("bus"), "https://smartdatamodels.org/name": prop("ＢＵＳ 100")},
)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("종로", ["hall"]),
        ("JONGNO", ["hall", "station"]),
        ("hall jongno", ["hall"]),
        ("세종대로", ["station"]),
        ("thing:pump", ["pump"]),
        ("bus 100", ["bus"]),
        ("nobody", []),
        ("   ", []),
    ],
)
def test_a_thing_is_found_by_its_name_in_any_language_its_address_or_its_id(
    words: str, ids: list[str]
) -> None:
    assert sorted(found(CITY, words)) == sorted(ids)


def test_whole_names_come_before_beginnings_and_those_before_parts() -> None:
    names = filled(
        entity("part", name=prop("Old North Bridge")),
        entity("beginning", name=prop("North Bridge, lower deck")),
        entity("whole", name=prop("North Bridge")),
    )
    assert found(names, "north bridge") == ["whole", "beginning", "part"]


def test_types_narrow_what_is_found() -> None:
    names = filled(
        entity("one", name=prop("Gate")), {**entity("two", name=prop("Gate")), "type": "Door"}
    )
    assert found(names, "gate", "Door") == ["two"]
    assert sorted(found(names, "gate")) == ["one", "two"]


def test_what_is_gone_or_renamed_is_no_longer_found() -> None:
    names = filled(entity("one", name=prop("Gate")), entity("two", name=prop("Gate")))
    names.drop("urn:ngsi-ld:Thing:one")
    names.put("urn:ngsi-ld:Thing:two", ["Thing"], text_of(entity("two", name=prop("Door"))))
    assert found(names, "gate") == []
    assert found(names, "door") == ["two"]
    assert len(names) == 1


def test_a_long_search_is_cut() -> None:
    assert sum(map(len, words_of("a" * 500))) == LONGEST


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=100)
def test_every_part_of_a_name_finds_it(before: str, after: str) -> None:
    document = entity("x", name=prop(f"{before} {after}"))
    words = words_of(before)
    assert matches(text_of(document), words)
    assert rank(text_of(document), words)[0] in range(5)
